//! What meters show, and when: one per EVSE, each at its own pace and in its own way, and the site's,
//! which tells a change within seconds.

use chrono::TimeDelta;

use super::chance::Chance;
use super::scenario::Scenario;
use super::world::{Due, World};
use crate::domain::event::EventKind;
use crate::domain::evse::{Evse, EvseSource};
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::Reading;

/// The site's meter tells a change from this on before its time.
const CHANGE: Power = Power::from_watts(50);

/// How an EVSE's meter tells power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// The mean since the reading before.
    Mean,
    /// What flows at the moment.
    Now,
    /// Energy only; over OCPP the mean.
    Energy,
}

/// The meter of an EVSE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    /// Between two readings.
    pub(super) every: TimeDelta,
    shows: Shows,
}

impl Meter {
    pub(super) fn draw(chance: &mut Chance, scenario: &Scenario, evse: &Evse) -> Self {
        let [least, most] = match evse.source {
            EvseSource::Ocpp { .. } => scenario.site.meter_s,
            EvseSource::Ocpi { .. } => scenario.site.update_s,
        };
        let every = chance.between(i64::from(least), i64::from(most));
        let shows = [Shows::Mean, Shows::Now, Shows::Energy];
        let drawn = usize::try_from(chance.between(0, 2)).unwrap_or(0);
        Self {
            every: TimeDelta::seconds(every),
            shows: shows[drawn.min(2)],
        }
    }
}

impl World<'_> {
    /// One EVSE's meter is read, and will be again.
    pub(super) fn read_meter(&mut self, index: usize, told: &mut Vec<EventKind>) {
        self.after(self.posts[index].meter.every, Due::Meter(index));
        if self.posts[index].car.is_none() {
            return;
        }
        let lost = self.fault("reading_lost");
        let negative = self.fault("reading_negative");
        let absurd = self.fault("reading_absurd");
        let now = self.now;
        if lost || self.is_unheard(index) {
            return;
        }
        let post = &mut self.posts[index];
        let (frozen, is_station, evse) = (post.frozen, post.is_station(), post.evse.id.clone());
        let (shows, flows) = (post.meter.shows, post.draw(now));
        let Some(car) = post.car.as_mut().filter(|car| car.told) else {
            return;
        };
        if now <= car.read.1 {
            return;
        }
        if !frozen {
            let span = (now - car.read.1).num_milliseconds().max(1);
            let mean = Power::from_watts((car.drawn - car.read.0) / span);
            car.read = (car.drawn, now);
            let power = if shows == Shows::Now { flows } else { mean };
            car.session.reading = Some(Reading { power, at: now });
        }
        let Some(mut reading) = car.session.reading else {
            return;
        };
        if frozen {
            reading.at = now;
        } else if negative {
            reading.power = -reading.power;
        } else if absurd {
            reading.power = reading.power * 1000;
        }
        car.session.energy = Energy::from_joules(car.read.0 / 1000);
        car.session.updated_at = now;
        let kind = if is_station {
            EventKind::EvseMeasured {
                evse,
                reading,
                energy: Some(car.session.energy),
            }
        } else {
            let mut session = car.session.clone();
            session.reading = (shows != Shows::Energy).then_some(reading);
            EventKind::SessionSeen {
                session: Box::new(session),
            }
        };
        self.hear(kind, told);
    }

    /// Nothing that happens at an EVSE is told at present.
    pub(super) fn is_unheard(&self, index: usize) -> bool {
        let partner = self.partner_index(index);
        partner.is_some_and(|partner| self.down[partner]) || !self.posts[index].online
    }

    /// What the site's meter would show.
    fn site_power(&self) -> Power {
        let evs: Power = self.posts.iter().map(|post| post.draw(self.now)).sum();
        evs + Power::from_watts(self.load)
    }

    /// The site's meter is read: in its turn, or because something changed.
    pub(super) fn read_site_meter(&mut self, in_turn: bool) {
        let idle = TimeDelta::seconds(i64::from(self.scenario.site.site_meter_idle_s));
        let is_due = !in_turn || self.now - self.site_read.1 >= idle;
        if is_due {
            let reading = Reading {
                power: self.site_power(),
                at: self.now,
            };
            self.site_read = (reading.power, self.now);
            let delay = self.seconds("site_meter", 0, 2);
            if self.site_meter {
                self.after(delay, Due::Tell(EventKind::SiteMetered { reading }));
            }
        }
        if in_turn {
            self.at(self.site_read.1 + idle, Due::SiteMeter(true));
        } else {
            self.site_read_soon = false;
        }
    }

    /// The site's meter notices a change.
    pub(super) fn mind_site_meter(&mut self) {
        let change = self.site_power() - self.site_read.0;
        if self.site_read_soon || (-CHANGE < change && change < CHANGE) {
            return;
        }
        self.site_read_soon = true;
        let every = i64::from(self.scenario.site.site_meter_s) * 1000;
        let ms = self.now.timestamp_millis();
        let wait = every - ms.rem_euclid(every.max(1));
        self.after(TimeDelta::milliseconds(wait), Due::SiteMeter(false));
    }
}
