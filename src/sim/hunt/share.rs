//! What a fair share surely leaves every car: by that it counts as reachable.

use chrono::TimeDelta;

use super::world::World;
use crate::domain::quantity::Power;

impl World<'_> {
    /// What a fair share of the lowest limit leaves every car, for so long. Whoever is hindered by
    /// what nobody here controls begins anew afterwards.
    pub(super) fn fair_share(&mut self, span: TimeDelta) {
        let away = self.service.is_dead() || self.stalled || self.disk_full;
        let own = self.site.circuits[0].import_limit.unwrap_or(Power::ZERO);
        let cut = self.cut.filter(|(_, end)| *end > self.now);
        let told = self.told_cut.filter(|(_, _, end)| *end > self.now);
        let limit = cut
            .map(|(limit, _)| limit)
            .into_iter()
            .chain(told.map(|(_, limit, _)| limit))
            .fold(own, Power::min);
        let highest = own.watts() * i64::from(self.scenario.site.base_load_percent) / 100;
        let ready: Vec<bool> = (0..self.posts.len())
            .map(|index| !away && self.is_untroubled(index))
            .collect();
        let branches = self.oracle.branches.clone();
        let mut shares = vec![own; self.posts.len()];
        for branch in &branches {
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
        for index in 0..self.posts.len() {
            // At the highest voltage a share counts for more than a car gets of it.
            let real = self.posts[index].millivolts;
            let share = shares[index].scaled_down(real, 253_000);
            let least = self.posts[index].evse.min.scaled_up(253, 230);
            let is_ready = ready[index];
            let most = {
                let post = &self.posts[index];
                let car = post.car.as_ref();
                let phases = car.map_or(1, |car| car.phases);
                car.map_or(0, |car| car.most_tenths * real * phases / 10_000)
            };
            let usable = {
                let post = &self.posts[index];
                let wired = i64::try_from(post.evse.phases.len()).unwrap_or(1);
                let phases = post.car.as_ref().map_or(1, |car| car.phases);
                share.scaled_down(phases.min(wired), wired.max(1))
            };
            let now = self.now;
            if let Some(car) = &mut self.posts[index].car {
                if !is_ready {
                    car.hindered += span;
                    car.could_get = car.drawn;
                } else if shares[index] >= least
                    && now < car.leaves_at - TimeDelta::minutes(20)
                    && now > car.came_at + TimeDelta::minutes(2)
                {
                    let power = usable.watts().min(most);
                    car.could_get += power * span.num_milliseconds();
                }
            }
        }
    }

    pub(super) fn is_untroubled(&self, index: usize) -> bool {
        let post = &self.posts[index];
        let partner = self.partner_index(index);
        post.obeys
            && !post.lost
            && post.online
            && !post.frozen
            && self.trouble[index] <= self.now
            && partner.is_none_or(|partner| !self.down[partner] && !self.silent[partner])
            && post.car.as_ref().is_none_or(|car| car.told)
    }
}
