//! Cars that come and go, what peers tell of them, and what meters show.

use chrono::TimeDelta;

use super::peers::TROUBLE_S;
use super::post::Parked;
use super::site::PARTNERS;
use super::world::{Coming, Due, World};
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::id::{PartnerId, SessionId};
use crate::domain::quantity::Energy;
use crate::domain::session::{Needs, Session, SessionStatus};

impl World<'_> {
    pub(super) fn arrive(&mut self, index: usize, coming: &Coming) {
        if self.posts[index].car.is_some() {
            return;
        }
        self.sessions += 1;
        let native_id = format!("S{}", self.sessions);
        let Ok(id) = SessionId::new(format!("nl*hun*{native_id}")) else {
            return;
        };
        let leaves_told = self.now + coming.stay;
        let early = self.fault("leaves_early");
        let late = self.fault("leaves_late");
        let leaves_at = if early {
            self.now + coming.stay / 2
        } else if late {
            leaves_told + self.seconds("leaves_late", 1800, 6 * 3600)
        } else {
            leaves_told
        };
        let needs = if coming.tells {
            Needs {
                departure: Some(leaves_told),
                energy: Some(Energy::from_joules(coming.need / 1000)),
                discharge_allowed: false,
            }
        } else {
            Needs::default()
        };
        let session = Session {
            id: id.clone(),
            native_id,
            evse: self.posts[index].evse.id.clone(),
            status: SessionStatus::Active,
            started_at: self.now,
            ended_at: None,
            energy: Energy::ZERO,
            reading: None,
            keys: Vec::new(),
            needs,
            updated_at: self.now,
        };
        let never_closed = self.fault("never_closed");
        self.posts[index].profile = None;
        self.posts[index].told_profile = None;
        self.posts[index].newest = None;
        self.trouble[index] = self.trouble[index].min(self.now + TimeDelta::seconds(TROUBLE_S));
        // A default profile may be gone, and the service may not know; a session's is gone anyhow.
        self.posts[index].lost &= self.posts[index].is_station();
        self.posts[index].car = Some(Parked {
            session: session.clone(),
            leaves_at,
            came_at: self.now,
            need: coming.need,
            drawn: 0,
            most_tenths: coming.most_tenths,
            phases: coming.phases,
            told: false,
            never_closed,
            uncontrolled: false,
            is_plain: !early,
            could_get: 0,
            hindered_by: None,
            read: (0, self.now),
        });
        self.note(|| format!("{} plugged in at {}", id, session.evse));
        self.at(leaves_at, Due::Leave(index, id));
        let delay = if self.fault("told_late") {
            self.seconds("told_late", 60, 900)
        } else {
            self.seconds("told", 0, 3)
        };
        self.tell_session(index, session, delay);
    }

    /// A peer tells of a session: perhaps twice, perhaps an older version after it.
    pub(super) fn tell_session(&mut self, index: usize, session: Session, delay: TimeDelta) {
        if self.is_unheard(index) {
            // It is told when they are read back, or when the station is there again.
            return;
        }
        let tell = |session: Session| {
            Due::Tell(EventKind::SessionSeen {
                session: Box::new(session),
            })
        };
        if self.fault("told_twice") {
            let again = delay + self.seconds("told_twice", 0, 60);
            self.after(again, tell(session.clone()));
        }
        if self.fault("out_of_order") {
            let mut older = session.clone();
            older.updated_at -= TimeDelta::seconds(1);
            older.energy = Energy::ZERO;
            let after = delay + TimeDelta::milliseconds(500);
            self.after(after, tell(older));
        }
        self.after(delay, tell(session));
    }

    pub(super) fn leave(&mut self, index: usize, id: &SessionId) {
        let is_there = |car: &Parked| car.session.id == *id;
        let Some(car) = self.posts[index].car.take_if(|car| is_there(car)) else {
            return;
        };
        self.note(|| format!("{id} unplugged"));
        let post = &mut self.posts[index];
        post.profile = None;
        post.told_profile = None;
        post.newest = None;
        post.owed = None;
        post.asked.retain(|asked| asked.is_default);
        self.report.left(&car, self.now);
        if !car.never_closed {
            let mut session = car.session;
            session.status = SessionStatus::Ended;
            session.ended_at = Some(self.now);
            session.energy = Energy::from_joules(car.drawn / 1000);
            session.updated_at = self.now;
            let delay = self.seconds("told", 0, 3);
            self.tell_session(index, session, delay);
        }
    }

    /// A partner's sessions are read back whole.
    pub(super) fn pulled(&mut self, partner: usize, told: &mut Vec<EventKind>) {
        if self.down[partner] {
            let life = self.service.life;
            self.after(TimeDelta::seconds(60), Due::Pulled(life, partner));
            return;
        }
        let name = PARTNERS[partner];
        for post in &self.posts {
            if post.partner().is_some_and(|holder| holder.as_str() == name)
                && let Some(car) = &post.car
            {
                let mut session = car.session.clone();
                session.updated_at = self.now;
                session.energy = Energy::from_joules(car.drawn / 1000);
                told.push(EventKind::SessionSeen {
                    session: Box::new(session),
                });
            }
        }
        if let Ok(partner) = PartnerId::new(name) {
            let health = PartnerHealth::Current;
            told.push(EventKind::PartnerSeen { partner, health });
        }
        if self.stalled {
            self.pent.append(told);
        }
    }

    /// A station tells its session again.
    pub(super) fn retell(&mut self, index: usize, pause: TimeDelta) {
        if let Some(car) = &self.posts[index].car {
            let mut session = car.session.clone();
            session.updated_at = self.now + pause;
            let session = Box::new(session);
            self.after(pause, Due::Tell(EventKind::SessionSeen { session }));
        }
    }
}
