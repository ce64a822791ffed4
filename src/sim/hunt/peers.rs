//! What becomes of a request: at partners over OCPI, where requests travel on connections of their
//! own and a queue lies behind the platform, and at stations of our own, which hear one call after
//! the other.
//!
//! Peers keep to what docs/safety.md assumes of them and misbehave in every other way.

use chrono::TimeDelta;

use super::site::PARTNERS;
use super::world::{Due, World};
use crate::dispatch::pacing::{Outcome, lowers};
use crate::domain::command::{Action, Answer, Command, Evidence, Refusal};
use crate::domain::event::EventKind;
use crate::domain::id::{CommandId, PartnerId};
use crate::domain::profile::{Profile, ProfilePeriod, Tenths};
use crate::domain::time::Time;

/// Our deadline for a request to a partner.
const REQUEST_S: i64 = 10;
/// Our deadline for a call to a station.
const CALL_S: i64 = 30;
/// How long a partner promises its result to take at most.
const RESULT_S: i64 = 30;
/// A request takes effect within this time after we stopped waiting, or never: see `state::late`.
const LATEST_S: i64 = 890;
/// What is known to go wrong hinders an EVSE for so long: back-off and a last chance.
pub(super) const TROUBLE_S: i64 = 2400;

/// Nobody said what became of it.
pub(super) fn unknown() -> Answer {
    Answer::Unknown {
        detail: "no answer".into(),
    }
}

fn refused(reason: Refusal) -> Answer {
    Answer::Refused {
        reason,
        detail: String::new(),
    }
}

fn applied() -> Answer {
    Answer::Applied {
        evidence: Evidence::Result,
    }
}

impl World<'_> {
    /// A command is durable and may leave: to its station at once, to a partner by its outbox.
    /// Gives what is known at once.
    pub(super) fn release(&mut self, command: Command) -> Vec<EventKind> {
        let found = self
            .posts
            .iter()
            .position(|post| post.evse.id == command.evse);
        let Some(post) = found else { return Vec::new() };
        let command = self.spoil.leaving(command);
        self.report.commands += 1;
        self.note(|| {
            format!(
                "command {} to {}: {:?}",
                command.id, command.evse, command.action
            )
        });
        self.judge(post, &command);
        self.asked(post, &command);
        self.owe(post, &command);
        let Some(partner) = self.posts[post].partner().cloned() else {
            self.call_station(post, command);
            return Vec::new();
        };
        let lowers = lowers(self.service.state(), &command);
        let dropped = self.service.post(&partner, command, lowers);
        dropped
            .into_iter()
            .map(|parcel| {
                self.will_not_come(post, parcel.command.id);
                EventKind::CommandAnswered {
                    command: parcel.command.id,
                    answer: Answer::NotSent {
                        detail: "superseded".into(),
                    },
                }
            })
            .collect()
    }

    /// What the partners' outboxes let go now.
    pub(super) fn pump(&mut self) -> Vec<EventKind> {
        let (leaving, wake) = self.service.pump(self.now);
        for (partner, command) in leaving {
            let found = self
                .posts
                .iter()
                .position(|post| post.evse.id == command.evse);
            if let Some(post) = found {
                self.ask_partner(post, &partner, command);
            }
        }
        if let Some(at) = wake.filter(|at| *at > self.now) {
            let life = self.service.life;
            self.at(at, Due::Pumped(life));
        }
        Vec::new()
    }

    fn ask_partner(&mut self, post: usize, partner: &PartnerId, command: Command) {
        let index = PARTNERS.iter().position(|name| *name == partner.as_str());
        let Some(index) = index else { return };
        let id = command.id;
        if self.down[index] {
            self.trouble(post);
            self.will_not_come(post, id);
            let detail = "no connection".into();
            self.land(
                post,
                id,
                TimeDelta::milliseconds(200),
                Answer::NotSent { detail },
            );
            return;
        }
        let request = TimeDelta::seconds(REQUEST_S);
        let quick = TimeDelta::milliseconds(200);
        if command.action == Action::ReadProfile {
            if self.fault("read_fails") {
                self.land(post, id, request, unknown());
            } else {
                let deadline = self.now + TimeDelta::seconds(RESULT_S);
                self.land(post, id, quick, Answer::Accepted { deadline });
                let after = quick + self.seconds("read", 0, 5);
                self.after(after, Due::ReadOut(post, command));
            }
            return;
        }
        // Every kind draws from its own stream each time, so that one more or less moves no other.
        let fates = [
            "request_lost",
            "request_late",
            "answer_lost",
            "unknown_session",
            "not_supported",
            "too_often",
            "rejected",
            "forgotten",
            "result_lost",
            "result_late",
        ]
        .map(|kind| (kind, self.fault(kind)));
        let fate = fates.into_iter().find(|(_, happens)| *happens);
        let slow = if self.fault("slow") {
            self.seconds("slow", 15, 60)
        } else {
            TimeDelta::zero()
        };
        let takes = self.seconds("takes", 1, 4) + slow;
        let is_result = self.chance("is_result").percent(50);
        if fate.is_some() {
            self.trouble(post);
        }
        let deadline = self.now + quick + TimeDelta::seconds(RESULT_S);
        let taken = Answer::Accepted { deadline };
        match fate.map(|(kind, _)| kind) {
            Some("request_lost") => {
                self.will_not_come(post, id);
                self.land(post, id, request, unknown());
            }
            Some("request_late") => {
                self.land(post, id, request, unknown());
                let late = request + self.seconds("request_late", 1, LATEST_S);
                self.after(late, Due::Apply(post, command));
                if is_result {
                    self.after(late + takes, Due::Result(id, applied()));
                }
            }
            Some("answer_lost") => {
                self.land(post, id, request, unknown());
                self.after(takes, Due::Apply(post, command));
            }
            Some("unknown_session") => self.refuse(post, id, Refusal::UnknownSession),
            Some("not_supported") => self.refuse(post, id, Refusal::NotSupported),
            Some("too_often") => self.refuse(post, id, Refusal::TooOften),
            Some("rejected") if !is_result => self.refuse(post, id, Refusal::Rejected),
            Some("rejected") => {
                self.will_not_come(post, id);
                self.land(post, id, quick, taken);
                self.after(quick + takes, Due::Result(id, refused(Refusal::Rejected)));
            }
            Some("forgotten") => {
                self.will_not_come(post, id);
                self.land(post, id, quick, taken);
            }
            other => {
                self.land(post, id, quick, taken);
                // What a partner took it applies in turn.
                let at = (self.now + takes).max(self.applied_at[post] + TimeDelta::milliseconds(1));
                self.applied_at[post] = at;
                self.at(at, Due::Apply(post, command));
                // Nobody says that it is done before it is.
                let soonest = at + TimeDelta::milliseconds(300);
                let told = match other {
                    Some("result_late") => {
                        soonest.max(deadline + self.seconds("result_late", 1, 600))
                    }
                    Some(_) => return,
                    None if self.silent[index] => {
                        self.trouble(post);
                        return;
                    }
                    None => soonest,
                };
                self.at(told, Due::Result(id, applied()));
                if self.fault("result_twice") {
                    let again = told + self.seconds("result_twice", 0, 20);
                    self.at(again, Due::Result(id, applied()));
                }
            }
        }
    }

    fn refuse(&mut self, post: usize, id: CommandId, reason: Refusal) {
        self.will_not_come(post, id);
        if reason == Refusal::NotSupported {
            self.cannot_be_told(post);
        }
        self.land(post, id, TimeDelta::milliseconds(200), refused(reason));
        if reason == Refusal::UnknownSession
            && let Some(partner) = self.partner_index(post)
        {
            let life = self.service.life;
            self.after(TimeDelta::seconds(3), Due::Pulled(life, partner));
        }
    }

    fn call_station(&mut self, post: usize, command: Command) {
        let id = command.id;
        if !self.posts[post].online {
            self.trouble(post);
            self.will_not_come(post, id);
            let detail = "offline".into();
            self.land(post, id, TimeDelta::zero(), Answer::NotSent { detail });
            return;
        }
        let begin = self.busy_until[post].max(self.now) - self.now;
        let fates = [
            "request_lost",
            "answer_lost",
            "request_late",
            "not_supported",
            "rejected",
            "read_fails",
        ]
        .map(|kind| (kind, self.fault(kind)));
        let fate = fates.into_iter().find(|(_, happens)| *happens);
        let slow = self.fault("slow");
        let takes = if slow {
            self.seconds("slow", 5, 25)
        } else {
            TimeDelta::milliseconds(self.chance("call").between(100, 2000))
        };
        let call = TimeDelta::seconds(CALL_S);
        let is_read = command.action == Action::ReadProfile;
        if fate.is_some() {
            self.trouble(post);
        }
        let (at, answer) = match fate.map(|(kind, _)| kind) {
            Some("request_lost") => {
                self.will_not_come(post, id);
                (call, unknown())
            }
            Some("answer_lost" | "request_late") if !is_read => {
                self.after(begin + takes, Due::Apply(post, command));
                (call, unknown())
            }
            Some("not_supported") => {
                self.will_not_come(post, id);
                self.cannot_be_told(post);
                (takes, refused(Refusal::NotSupported))
            }
            Some("rejected") => {
                self.will_not_come(post, id);
                (takes, refused(Refusal::Rejected))
            }
            Some("read_fails") if is_read => (call, unknown()),
            _ if is_read => {
                self.after(begin + takes, Due::ReadOut(post, command));
                self.busy_until[post] = self.now + begin + takes;
                return;
            }
            _ => {
                self.after(begin + takes, Due::Apply(post, command));
                (takes + TimeDelta::milliseconds(10), applied())
            }
        };
        self.busy_until[post] = self.now + begin + at;
        self.land(post, id, begin + at, answer);
    }

    fn land(&mut self, post: usize, id: CommandId, after: TimeDelta, answer: Answer) {
        let life = self.service.life;
        self.after(
            after,
            Due::Landed {
                life,
                post,
                id,
                answer,
            },
        );
    }

    /// The service's request came to its end: the outbox may go on.
    pub(super) fn landed(&mut self, post: usize, answer: &Answer) {
        let Some(partner) = self.posts[post].partner().cloned() else {
            return;
        };
        let outcome = match answer {
            Answer::Refused {
                reason: Refusal::TooOften,
                ..
            } => Outcome::TooOften(None),
            Answer::NotSent { .. } | Answer::Unknown { .. } => Outcome::Failed,
            _ => Outcome::Fine,
        };
        let evse = self.posts[post].evse.id.clone();
        self.service.done(&partner, &evse, outcome, self.now);
    }

    /// A request takes effect, if its session still runs there.
    pub(super) fn apply(&mut self, post: usize, command: &Command) {
        let id = command.id;
        let target = &mut self.posts[post];
        let runs = target
            .car
            .as_ref()
            .is_some_and(|car| Some(&car.session.id) == command.session.as_ref());
        let is_default = matches!(command.action, Action::SetDefault { .. });
        if target.is_station() && !target.online {
            // It fell off the line in between: what it was told is lost, and nobody answers.
            self.will_not_come(post, id);
            self.unheard.insert(id);
            return;
        }
        if !runs && !is_default {
            self.will_not_come(post, id);
            return;
        }
        match &command.action {
            Action::SetProfile { profile } => {
                target.profile = Some(profile.clone());
                // Whatever it lost, this it has.
                target.lost = false;
            }
            Action::SetDefault { profile } => target.default = Some(profile.clone()),
            Action::ClearProfile => target.profile = None,
            Action::ReadProfile => {}
        }
        if target.owed.as_ref().is_some_and(|(owed, ..)| *owed <= id) {
            target.owed = None;
        }
        if let Action::SetProfile { profile } = &command.action {
            match &target.newest {
                // It undoes a newer one, which is followed no more.
                Some((newest, wanted)) if *newest > id => {
                    target.owed = Some((*newest, wanted.clone(), command.issued_at));
                }
                _ => target.newest = Some((id, profile.clone())),
            }
        }
        self.note(|| format!("command {id} takes effect"));
        self.will_not_come(post, id);
    }

    /// The service asked for less than what is drawn now.
    fn owe(&mut self, post: usize, command: &Command) {
        if let Action::SetProfile { profile } = &command.action {
            // One that was owed already goes on being so.
            let since = self.posts[post].owed.as_ref().map(|(.., since)| *since);
            let since = since.unwrap_or(self.now);
            self.posts[post].owed = Some((command.id, profile.clone(), since));
        }
    }

    /// It is decided: a request takes no effect any more, or has taken it.
    pub(super) fn will_not_come(&mut self, post: usize, id: CommandId) {
        let asked = self.posts[post].asked.iter_mut();
        for asked in asked.filter(|asked| asked.id == id) {
            asked.may_come = false;
        }
    }

    /// The process died: what waited in its outboxes never left.
    pub(super) fn unsent(&mut self) {
        // What had left is in the queue of things to come.
        let coming = self.coming();
        for post in &mut self.posts {
            for asked in &mut post.asked {
                asked.may_come &= coming.contains(&asked.id);
            }
        }
    }

    /// The service was told something final of a request; what was asked for before an applied one,
    /// and long ago, it need not reckon with either.
    pub(super) fn settled(&mut self, id: CommandId, answer: &Answer) {
        let is_final = matches!(
            answer,
            Answer::Applied { .. } | Answer::Refused { .. } | Answer::NotSent { .. }
        );
        if !is_final {
            return;
        }
        for post in &mut self.posts {
            let Some(found) = post.asked.iter().find(|asked| asked.id == id) else {
                continue;
            };
            let since = found.issued_at - TimeDelta::hours(1);
            let is_applied = matches!(answer, Answer::Applied { .. });
            if is_applied && !found.is_default {
                post.told_profile.clone_from(&found.profile);
            }
            post.asked.retain(|asked| {
                asked.may_come || !(asked.id == id || is_applied && asked.issued_at <= since)
            });
        }
    }

    /// What holds at an EVSE for the coming hour, as the peer shows it.
    pub(super) fn read_out(&mut self, post: usize, command: &Command) -> Option<EventKind> {
        let (session, now) = (command.session.clone()?, self.now);
        let target = &self.posts[post];
        let runs = target
            .car
            .as_ref()
            .is_some_and(|car| car.session.id == session);
        if !runs || (target.is_station() && !target.online) {
            return None;
        }
        let start = Time::from_timestamp(now.timestamp(), 0)?;
        let profile = target
            .profile
            .as_ref()
            .map(|profile| window(profile, start));
        Some(EventKind::ProfileRead {
            evse: command.evse.clone(),
            session,
            profile,
            command: Some(command.id),
        })
    }

    /// Something went wrong with an EVSE that may hinder it for a while.
    pub(super) fn trouble(&mut self, post: usize) {
        self.trouble[post] = self.now + TimeDelta::seconds(TROUBLE_S);
        self.moved = true;
    }

    /// A peer said for the rest of a session that an EVSE cannot be controlled.
    fn cannot_be_told(&mut self, post: usize) {
        self.trouble(post);
        let leaves = self.posts[post].car.as_mut().map(|car| {
            car.uncontrolled = true;
            car.leaves_at
        });
        self.trouble[post] = self.trouble[post].max(leaves.unwrap_or(self.now));
    }

    /// Everything installed at an EVSE is forgotten.
    pub(super) fn forget(&mut self, post: usize) {
        let target = &mut self.posts[post];
        target.profile = None;
        target.default = None;
        target.lost = true;
        self.trouble(post);
        self.note(|| format!("post {post} forgot its profiles"));
    }
}

/// One hour of a profile from an instant on.
fn window(profile: &Profile, start: Time) -> Profile {
    const HOUR_S: u32 = 3600;
    let mut periods = vec![ProfilePeriod {
        start_s: 0,
        limit: profile.limit_at(start).unwrap_or(Tenths(0)),
    }];
    for (at, limit) in profile.steps().filter(|(at, _)| *at > start) {
        let offset = u32::try_from((at - start).num_seconds()).unwrap_or(u32::MAX);
        if offset < HOUR_S {
            periods.push(ProfilePeriod {
                start_s: offset,
                limit,
            });
        }
    }
    let end = profile.end().map(|end| (end - start).num_seconds().max(1));
    let end = end
        .and_then(|end| u32::try_from(end).ok())
        .unwrap_or(HOUR_S);
    Profile {
        unit: profile.unit,
        start,
        periods,
        duration_s: Some(end.min(HOUR_S)),
    }
}
