//! What a day brings: its faults, its cars, its other load and its cuts.

use chrono::TimeDelta;

use super::site::PARTNERS;
use super::world::{Coming, Due, Switch, World};
use crate::domain::event::EventKind;
use crate::domain::id::SignalKey;
use crate::domain::quantity::Power;
use crate::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use crate::domain::time::Time;

impl World<'_> {
    /// The faults and cars of a day.
    pub(super) fn day(&mut self) {
        self.after(TimeDelta::days(1), Due::Day);
        let hours = |world: &mut Self, name| world.seconds(name, 0, 86_399);
        for post in 0..self.posts.len() {
            let station = self.posts[post].is_station();
            for (kind, switch, longest) in [
                ("disobedient", Switch::Disobedient(post), 4 * 3600),
                ("reading_frozen", Switch::Frozen(post), 6 * 3600),
                ("offline", Switch::Offline(post), 2 * 3600),
            ] {
                if self.fault(kind) && (kind != "offline" || station) {
                    let from = hours(self, kind);
                    let span = self.seconds(kind, 60, longest);
                    self.after(from, Due::Switch(switch, true));
                    self.after(from + span, Due::Switch(switch, false));
                }
            }
            if self.fault("reboot") {
                let at = hours(self, "reboot");
                self.after(at, Due::Switch(Switch::Offline(post), true));
                let span = self.seconds("reboot", 20, 180);
                if self.fault("profiles_lost") {
                    self.after(at + span / 2, Due::Forget(post));
                }
                self.after(at + span, Due::Switch(Switch::Offline(post), false));
            }
            self.cars(post);
        }
        for partner in 0..PARTNERS.len() {
            if self.fault("partner_down") {
                let from = hours(self, "partner_down");
                let span = self.seconds("partner_down", 60, 2 * 3600);
                self.after(from, Due::Switch(Switch::Down(partner), true));
                self.after(from + span, Due::Switch(Switch::Down(partner), false));
            }
            if self.fault("silent") {
                self.after(
                    TimeDelta::zero(),
                    Due::Switch(Switch::Silent(partner), true),
                );
                let whole = TimeDelta::days(1);
                self.after(whole, Due::Switch(Switch::Silent(partner), false));
            }
        }
        for (kind, switch, longest) in [
            ("site_meter_lost", Switch::SiteMeter, 6 * 3600),
            ("disk_full", Switch::Disk, 1800),
            ("stall", Switch::Stall, 900),
        ] {
            if self.fault(kind) {
                let from = hours(self, kind);
                let span = self.seconds(kind, 30, longest);
                self.after(from, Due::Switch(switch, true));
                self.after(from + span, Due::Switch(switch, false));
            }
        }
        if self.fault("kill") {
            let at = hours(self, "kill");
            self.after(at, Due::Kill);
        }
        self.loads();
        if self.fault("limit_cut") {
            self.cut_limit();
        }
        if self.fault("limit_absurd") {
            let at = hours(self, "limit_absurd");
            let from = self.now + at;
            let kind = self.series("trader", from, TimeDelta::hours(2), 1_000_000_000_000);
            self.after(at, Due::Tell(kind));
        }
    }

    pub(super) fn loads(&mut self) {
        let own = self.site.circuits[0].import_limit.unwrap_or(Power::ZERO);
        let highest = own.watts() * i64::from(self.scenario.site.base_load_percent) / 100;
        for hour in 0..24 {
            // Day and night, with something on top.
            let day = if (7..20).contains(&hour) {
                highest * 6 / 10
            } else {
                highest * 3 / 10
            };
            let watts = day + self.chance("load").between(-highest / 10, highest / 10);
            let at = TimeDelta::hours(hour) + self.seconds("load", 0, 3599);
            self.after(at, Due::Load(watts.max(0)));
        }
        if self.fault("load_jump") {
            let at = self.seconds("load_jump", 0, 80_000);
            self.after(at, Due::Load(highest));
        }
    }

    pub(super) fn cut_limit(&mut self) {
        let own = self.site.circuits[0].import_limit.unwrap_or(Power::ZERO);
        let share = self.chance("limit_cut").between(30, 90);
        let limit = own.scaled_down(share, 100);
        let from = self.seconds("limit_cut", 0, 70_000);
        let span = self.seconds("limit_cut", 900, 3 * 3600);
        let lead = self.seconds("limit_cut", -3600, 3600);
        let start = self.now + from;
        let lead = lead.max(TimeDelta::zero());
        let told = if self.fault("cut_told_late") {
            from + self.seconds("cut_told_late", 1, 600)
        } else {
            (from - lead).max(TimeDelta::zero())
        };
        let kind = self.series("dso", start, span, limit.watts());
        self.after(from, Due::Cut(limit, start + span));
        self.after(told, Due::Tell(kind));
    }

    pub(super) fn series(
        &mut self,
        source: &str,
        start: Time,
        span: TimeDelta,
        value: i64,
    ) -> EventKind {
        self.revision += 1;
        let key = SignalKey::new(format!("limit-{source}"));
        let slot = SignalSlot {
            start,
            end: start + span,
            value,
        };
        match key {
            Ok(key) => EventKind::SignalSet {
                series: Box::new(SignalSeries {
                    key,
                    source: source.to_owned(),
                    revision: self.revision,
                    kind: if source == "dso" {
                        SignalKind::ImportLimit
                    } else {
                        SignalKind::ImportFallback
                    },
                    circuit: None,
                    evse: None,
                    evses_only: false,
                    slots: vec![slot],
                    priority: 10,
                    hard: true,
                    issued_at: self.now,
                    received_at: self.now,
                    valid_until: None,
                }),
            },
            Err(_) => EventKind::Ticked,
        }
    }

    pub(super) fn cars(&mut self, post: usize) {
        let shape = self.scenario.cars.clone();
        let pick = |world: &mut Self, name, pair: [u32; 2]| {
            world
                .chance(name)
                .between(i64::from(pair[0]), i64::from(pair[1]))
        };
        let count = pick(self, "cars", shape.per_evse);
        for _ in 0..count {
            let at = self.chance("arrival").between(0, 86_399_000);
            let at = if self.chance("burst").percent(shape.burst_percent) {
                // All bursts of a day meet at the same two seconds of each quarter of it.
                let quarter = at / 21_600_000 * 21_600_000 + 7_200_000;
                quarter + self.chance("burst").between(0, 2000)
            } else {
                at
            };
            let stay = TimeDelta::minutes(pick(self, "stay", shape.stay_min));
            let evse = &self.posts[post].evse;
            let phases = i64::try_from(evse.phases.len()).unwrap_or(1);
            let amps = evse.max.watts() / (230 * phases.max(1));
            let phases = if phases == 3 && self.chance("phases").percent(20) {
                1
            } else {
                phases
            };
            let most = self.chance("most").between(16, amps.max(16)).min(amps) * 10;
            let full = most * 230 * phases / 10 * stay.num_milliseconds();
            let need = full / 100 * pick(self, "need", shape.need_percent);
            let tells = self.chance("tells").percent(shape.told_percent);
            let coming = Coming {
                stay,
                need,
                most_tenths: most,
                phases,
                tells,
            };
            self.after(TimeDelta::milliseconds(at), Due::Arrive(post, coming));
        }
    }
}
