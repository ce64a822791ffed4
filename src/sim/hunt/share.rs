//! What a fair share surely leaves every car: by that it counts as reachable.

use chrono::TimeDelta;

use super::world::World;
use crate::domain::quantity::Power;
use crate::domain::time::Time;

/// What was found holds so long, unless something moves.
const HOLDS: TimeDelta = TimeDelta::seconds(60);

/// What a fair share leaves every EVSE, as found at some instant.
#[derive(Clone, Debug, Default)]
pub(super) struct Shares {
    of_posts: Vec<Share>,
    until: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    /// What stands in the way that nobody here controls.
    obstacle: Option<&'static str>,
    /// What its car gets of it; `None`: less than it takes to charge.
    usable: Option<Power>,
}

impl World<'_> {
    /// What a fair share of the lowest limit leaves every car, for so long. Whoever is hindered by
    /// what nobody here controls begins anew afterwards.
    pub(super) fn fair_share(&mut self, span: TimeDelta) {
        let now = self.now;
        if self.moved || self.shares.until.is_none_or(|until| until <= now) {
            self.shares.of_posts = self.shares();
            self.shares.until = Some(now + HOLDS);
        }
        for (post, share) in self.posts.iter_mut().zip(&self.shares.of_posts) {
            let Some(car) = &mut post.car else { continue };
            // Who stays longer than it said is served in the time it said.
            let told = car.session.needs.departure.unwrap_or(car.leaves_at);
            let in_time = now < told.min(car.leaves_at) - TimeDelta::minutes(20)
                && now > car.came_at + TimeDelta::minutes(2);
            if share.obstacle.is_some() {
                car.could_get = car.drawn;
                car.hindered_by = share.obstacle;
            } else if let Some(power) = share.usable
                && in_time
            {
                car.could_get += power.watts() * span.num_milliseconds();
            }
        }
    }

    fn shares(&self) -> Vec<Share> {
        let away = self.is_away();
        let own = self.site.circuits[0].import_limit.unwrap_or(Power::ZERO);
        let cut = self.cut.filter(|(_, end)| *end > self.now);
        let told = self.told_cut.filter(|(_, _, end)| *end > self.now);
        let limit = cut
            .map(|(limit, _)| limit)
            .into_iter()
            .chain(told.map(|(_, limit, _)| limit))
            .fold(own, Power::min);
        let highest = own.watts() * i64::from(self.scenario.site.base_load_percent) / 100;
        let obstacles: Vec<Option<&'static str>> = (0..self.posts.len())
            .map(|index| {
                if away {
                    Some("service_away")
                } else {
                    self.obstacle(index)
                }
            })
            .collect();
        let ready: Vec<bool> = obstacles.iter().map(Option::is_none).collect();
        let mut shares = vec![own; self.posts.len()];
        for branch in &self.oracle.branches {
            let whole = if branch.is_root {
                let by_phase = branch
                    .phase_limit
                    .map(|most| Power::from_watts(most * 207 / 1000));
                let whole = limit - Power::from_watts(highest);
                by_phase.map_or(whole, |by_phase| {
                    whole.min(by_phase - Power::from_watts(highest))
                })
            } else {
                branch.limit.unwrap_or(Power::ZERO)
            };
            let hardware = |index: &usize| self.posts[*index].evse.hardware_max();
            // Who may be free or in trouble counts in full.
            let others: Power = branch
                .posts
                .iter()
                .filter(|index| !ready[**index] || self.posts[**index].car.is_none())
                .map(hardware)
                .sum();
            let sharers = branch
                .posts
                .iter()
                .filter(|index| ready[**index] && self.posts[**index].car.is_some())
                .count();
            let room = (whole - others).at_least_zero();
            let share = room.scaled_down(1, i64::try_from(sharers.max(1)).unwrap_or(1));
            for index in &branch.posts {
                shares[*index] = shares[*index].min(share);
            }
        }
        let posts = self.posts.iter().zip(&shares).zip(obstacles);
        posts
            .map(|((post, whole), obstacle)| {
                // At the highest voltage a share counts for more than a car gets of it.
                let share = whole.scaled_down(post.millivolts, 253_000);
                let wired = i64::try_from(post.evse.phases.len()).unwrap_or(1);
                let car = post.car.as_ref();
                let phases = car.map_or(1, |car| car.phases);
                let most = car.map_or(0, |car| car.most_tenths * post.millivolts * phases / 10_000);
                let usable = share.scaled_down(phases.min(wired), wired.max(1));
                let charges = *whole >= post.evse.min.scaled_up(253, 230);
                Share {
                    obstacle,
                    usable: charges.then_some(usable.min(Power::from_watts(most))),
                }
            })
            .collect()
    }

    /// What stands in the way of an EVSE that nobody here controls.
    fn obstacle(&self, index: usize) -> Option<&'static str> {
        let post = &self.posts[index];
        let partner = self.partner_index(index);
        let is_told = post.car.as_ref().is_none_or(|car| car.told);
        let obstacles = [
            ("disobedient", !post.obeys),
            ("profiles_lost", post.lost),
            ("station_offline", !post.online),
            ("meter_frozen", post.frozen),
            ("request_went_wrong", self.trouble[index] > self.now),
            ("partner_down", partner.is_some_and(|it| self.down[it])),
            ("partner_silent", partner.is_some_and(|it| self.silent[it])),
            ("not_told_yet", !is_told),
        ];
        obstacles
            .iter()
            .find(|(_, holds)| *holds)
            .map(|(name, _)| *name)
    }
}
