//! What breaks and is whole again: the process, the disk, partners, stations.

use chrono::TimeDelta;

use super::site::PARTNERS;
use super::world::{Due, Switch, World};
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::id::PartnerId;

impl World<'_> {
    pub(super) fn kill(&mut self) {
        if self.service.is_dead() {
            return;
        }
        self.note(|| "killed".to_owned());
        self.service.kill();
        self.pent.clear();
        self.wake_at = None;
        self.wake_due = None;
        self.unsent();
        let pause = self.seconds("down_for", 1, 300);
        self.after(pause, Due::Start);
    }

    pub(super) fn start(&mut self) {
        if !self.service.is_dead() {
            return;
        }
        self.service.disk(self.disk_full);
        match self.service.restart(self.now) {
            Err(why) if self.spoil.is_off() => self.report.violated(self.now, "replay", why),
            Ok(()) | Err(_) => {}
        }
        self.note(|| "started again".to_owned());
        let life = self.service.life;
        self.wake_at = Some(self.now);
        self.at(self.now, Due::Wake(life));
        for partner in 0..PARTNERS.len() {
            let pause = self.seconds("pull", 2, 10);
            self.after(pause, Due::Pulled(life, partner));
        }
        for index in 0..self.posts.len() {
            if self.posts[index].is_station() && self.posts[index].online {
                let evse = self.posts[index].evse.id.clone();
                let booted = self.posts[index].lost;
                let kind = EventKind::StationConnected { evse, booted };
                let pause = self.seconds("pull", 2, 10);
                self.after(pause, Due::Tell(kind));
                self.retell(index, pause);
            }
        }
    }

    /// A turn was not stored: answers are told again; the rest comes with the next message.
    pub(super) fn refused(&mut self, told: Vec<EventKind>) {
        let life = self.service.life;
        for kind in told {
            if let EventKind::CommandAnswered { .. } = kind {
                self.after(TimeDelta::seconds(1), Due::Tell(kind));
            }
        }
        // One at a time: what is pulled may be refused as well.
        for partner in 0..PARTNERS.len() {
            if self.pull_due[partner] <= self.now {
                self.pull_due[partner] = self.now + TimeDelta::seconds(60);
                self.at(self.pull_due[partner], Due::Pulled(life, partner));
            }
        }
    }

    pub(super) fn switch(&mut self, switch: Switch, is_on: bool, told: &mut Vec<EventKind>) {
        // Two of a kind may overlap: the last to end ends it.
        let layer = self.layers.entry(format!("{switch:?}")).or_default();
        *layer += if is_on { 1 } else { -1 };
        let holds = *layer > 0;
        self.note(|| format!("{switch:?} {is_on}"));
        match switch {
            Switch::Disobedient(post) => self.posts[post].obeys = !holds,
            Switch::Offline(post) => {
                self.posts[post].online = !holds;
                if !holds {
                    let evse = self.posts[post].evse.id.clone();
                    let booted = self.posts[post].lost;
                    self.hear(EventKind::StationConnected { evse, booted }, told);
                    self.retell(post, TimeDelta::seconds(1));
                }
            }
            Switch::Frozen(post) => self.posts[post].frozen = holds,
            Switch::Down(partner) => {
                self.down[partner] = holds;
                let health = if holds {
                    PartnerHealth::Stale
                } else {
                    let life = self.service.life;
                    self.after(TimeDelta::seconds(5), Due::Pulled(life, partner));
                    return;
                };
                if let Ok(partner) = PartnerId::new(PARTNERS[partner]) {
                    let kind = EventKind::PartnerSeen { partner, health };
                    self.after(TimeDelta::seconds(30), Due::Tell(kind));
                }
            }
            Switch::Silent(partner) => self.silent[partner] = holds,
            Switch::SiteMeter => self.site_meter = !holds,
            Switch::Disk => {
                self.disk_full = holds;
                if !self.service.is_dead() {
                    self.service.disk(holds);
                }
            }
            Switch::Stall => {
                self.stalled = holds;
                if !holds {
                    told.append(&mut self.pent);
                    self.wake_at = self.wake_at.or(Some(self.now));
                }
            }
        }
    }
}
