//! Who charges goes on.
//!
//! Where the cost depends on the slot alone, many plans cost the same and differ only in who gets
//! which slot. A car is better served by one long charge than by many short ones, and a profile that
//! stays as it is need not be sent. So sessions that share all their limits exchange slots: whoever
//! charges goes on, first at the least power and then at full power, in place of those that wait;
//! then who has begun already, then who leaves first. Sums per slot and per session stay what they
//! were, so neither cost nor any limit is touched, and nobody charges outside of its stay.

use super::draft::{Draft, Row};
use super::expected::Phantom;
use super::layout::{Layout, PhaseShare};
use super::need::{Class, Need};
use crate::domain::quantity::Power;

/// Most pairs of slots looked at; beyond that the plan stays as restless as it is. A site of 100
/// EVSEs takes some ten thousand.
const LOOKS_MAX: u32 = 2_000_000;

/// Whose row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Need(usize),
    Phantom(usize),
}

/// Lets sessions that may wait exchange slots, with each other and with arrivals that are expected.
pub(super) fn steady(
    layout: &Layout<'_>,
    needs: &[Need<'_>],
    phantoms: &[Phantom],
    draft: &mut Draft,
) {
    // A watt of the one is a watt of the other, under every limit and in every battery.
    let kind = |whose: &Whose| {
        let (evse, share) = match whose {
            Whose::Need(index) => (needs[*index].index, needs[*index].share),
            Whose::Phantom(index) => {
                let evse = phantoms[*index].evse;
                (evse, layout.evses[evse].expected_share())
            }
        };
        let phases = PhaseShare::of(&layout.evses[evse]);
        (&layout.paths[evse], share, phases)
    };
    let real = (0..needs.len()).filter(|index| needs[*index].class == Class::Planned);
    let expected = (0..draft.phantoms.len()).map(Whose::Phantom);
    let mut left: Vec<Whose> = real.map(Whose::Need).chain(expected).collect();
    while let Some(first) = left.first().copied() {
        let alike = |other: &Whose| kind(other) == kind(&first);
        let (group, others): (Vec<Whose>, Vec<Whose>) = left.into_iter().partition(alike);
        left = others;
        let mut strips: Vec<(Strip, Whose)> = group
            .into_iter()
            .map(|whose| match whose {
                Whose::Need(index) => {
                    let row = std::mem::take(&mut draft.rows[index]);
                    (Strip::of(&needs[index], row), whose)
                }
                Whose::Phantom(index) => {
                    let row = std::mem::take(&mut draft.phantoms[index]);
                    (Strip::expected(&phantoms[index], row), whose)
                }
            })
            .collect();
        strips.sort_by_key(|(strip, _)| strip.to);
        let (mut strips, whose): (Vec<Strip>, Vec<Whose>) = strips.into_iter().unzip();
        gather(&mut strips);
        for (strip, whose) in strips.into_iter().zip(whose) {
            let row = Row { power: strip.power };
            match whose {
                Whose::Need(index) => draft.rows[index] = row,
                Whose::Phantom(index) => draft.phantoms[index] = row,
            }
        }
    }
}

/// What is exchanged.
#[derive(Clone, Debug)]
struct Strip {
    power: Vec<Power>,
    /// First slot it may use.
    from: usize,
    /// First slot after that it may not use.
    to: usize,
    min: Power,
    max: Power,
    /// Its power in the slot before.
    before: Power,
    standing: Standing,
}

/// What a session is to a slot; in the order in which they are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It charged in the slot before.
    Charging,
    /// It has charged, and paused.
    Begun,
    Waiting,
    /// It has not come yet.
    Expected,
}

impl Strip {
    fn of(need: &Need<'_>, row: Row) -> Self {
        let power = row.power;
        let used = power.iter().rposition(|power| power.is_positive());
        Self {
            from: 0,
            to: need.to_early.max(used.map_or(0, |last| last + 1)),
            min: need.min,
            max: need.max,
            before: need.present.min(need.max),
            standing: if need.present.is_positive() {
                Standing::Charging
            } else {
                Standing::Waiting
            },
            power,
        }
    }

    fn expected(phantom: &Phantom, row: Row) -> Self {
        Self {
            from: phantom.from,
            to: phantom.to,
            min: Power::ZERO,
            max: phantom.max,
            before: Power::ZERO,
            standing: Standing::Expected,
            power: row.power,
        }
    }

    /// Whether a power is none or at least the minimum.
    fn holds(&self, power: Power) -> bool {
        power == Power::ZERO || power >= self.min && power <= self.max
    }
}

/// Gathers what each has into few runs of full power. Who leaves first comes first.
fn gather(rows: &mut [Strip]) {
    let slots = rows.iter().map(|row| row.power.len()).max().unwrap_or(0);
    let mut looks = 0;
    for slot in 0..slots {
        let mut order: Vec<usize> = (0..rows.len()).filter(|row| slot < rows[*row].to).collect();
        order.sort_by_key(|row| (rows[*row].standing, *row));
        let is_charging = |row: &&usize| rows[**row].standing == Standing::Charging;
        let charging = order.iter().take_while(is_charging).count();
        let real = order
            .iter()
            .take_while(|row| rows[**row].standing < Standing::Expected);
        let real = real.count();
        let mut at = At {
            slot,
            charging,
            looks: &mut looks,
        };
        for rank in 0..charging {
            let least = rows[order[rank]].min;
            at.draw(rows, &order, rank, least);
        }
        for rank in 0..charging {
            let before = rows[order[rank]].before;
            at.draw(rows, &order, rank, before);
        }
        for rank in 0..real {
            let most = rows[order[rank]].max;
            at.draw(rows, &order, rank, most);
        }
        for row in rows.iter_mut() {
            row.before = row.power.get(slot).copied().unwrap_or_default();
            row.standing = match row.standing {
                Standing::Expected => Standing::Expected,
                _ if row.before.is_positive() => Standing::Charging,
                Standing::Charging | Standing::Begun => Standing::Begun,
                Standing::Waiting => Standing::Waiting,
            };
        }
        if looks > LOOKS_MAX {
            return;
        }
    }
}

/// A slot in which sessions exchange.
struct At<'l> {
    slot: usize,
    /// So many of the order charge already; they keep their least power.
    charging: usize,
    looks: &'l mut u32,
}

impl At<'_> {
    /// Raises a session up to `wanted` with what it has in its last slots; those behind it in the
    /// order, the last of them first, give way and take these. So do those before it, but only for
    /// the least power, and down to it.
    fn draw(&mut self, rows: &mut [Strip], order: &[usize], rank: usize, wanted: Power) {
        let slot = self.slot;
        let first = order[rank];
        for later in (slot + 1..rows[first].to).rev() {
            if !rows[first].power[later].is_positive() {
                continue;
            }
            for at in (0..order.len()).rev() {
                let other = order[at];
                if rows[first].power[slot] >= wanted || !rows[first].power[later].is_positive() {
                    break;
                }
                let may = at > rank || at < rank && wanted <= rows[first].min;
                let fits = (rows[other].from..rows[other].to).contains(&later);
                if !may || !fits || !rows[other].power[slot].is_positive() {
                    continue;
                }
                *self.looks += 1;
                let kept = if at < self.charging {
                    rows[other].min
                } else {
                    Power::ZERO
                };
                exchange(rows, (first, other), (slot, later), wanted, kept);
            }
            if rows[first].power[slot] >= wanted || *self.looks > LOOKS_MAX {
                return;
            }
        }
    }
}

/// `first` takes what `other` has in `slot`, for what `first` has `later`: as much of it as leaves
/// all four powers none or at least the minimum, and `other` at least `kept`.
fn exchange(
    rows: &mut [Strip],
    (first, other): (usize, usize),
    (slot, later): (usize, usize),
    wanted: Power,
    kept: Power,
) {
    let (ours, theirs) = (&rows[first], &rows[other]);
    let (here, gives) = (ours.power[slot], theirs.power[slot]);
    let (back, takes) = (ours.power[later], theirs.power[later]);
    let most = (wanted - here)
        .min(gives - kept)
        .min(back)
        .min(theirs.max - takes);
    // The most that is possible, or what leaves one of them just at its minimum.
    let amounts = [most, gives - theirs.min, back - ours.min];
    let fits = |amount: &Power| {
        amount.is_positive()
            && *amount <= most
            && ours.holds(here + *amount)
            && theirs.holds(gives - *amount)
            && ours.holds(back - *amount)
            && theirs.holds(takes + *amount)
    };
    let Some(amount) = amounts.into_iter().filter(fits).max() else {
        return;
    };
    rows[first].power[slot] = here + amount;
    rows[other].power[slot] = gives - amount;
    rows[first].power[later] = back - amount;
    rows[other].power[later] = takes + amount;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn strip(standing: Standing, to: usize, kilowatts: &[i64]) -> Strip {
        let power = |kw: &i64| Power::from_watts(kw * 1000);
        Strip {
            power: kilowatts.iter().map(power).collect(),
            from: 0,
            to,
            min: power(&1),
            max: power(&6),
            before: if standing == Standing::Charging {
                power(&6)
            } else {
                Power::ZERO
            },
            standing,
        }
    }

    fn kilowatts(row: &Strip) -> Vec<i64> {
        row.power.iter().map(|it| it.watts() / 1000).collect()
    }

    #[test]
    fn who_charges_goes_on_and_who_waits_comes_after() {
        let mut rows = [
            strip(Standing::Waiting, 6, &[6, 0, 6, 0, 0, 0]),
            strip(Standing::Charging, 6, &[0, 6, 0, 6, 0, 0]),
        ];
        gather(&mut rows);
        assert_eq!(kilowatts(&rows[1]), [6, 6, 0, 0, 0, 0]);
        assert_eq!(kilowatts(&rows[0]), [0, 0, 6, 6, 0, 0]);
    }

    #[test]
    fn who_waits_and_must_leave_first_keeps_what_nobody_can_give_back() {
        let mut rows = [
            strip(Standing::Waiting, 1, &[6, 0, 0]),
            strip(Standing::Charging, 3, &[0, 6, 6]),
        ];
        gather(&mut rows);
        assert_eq!(kilowatts(&rows[0]), [6, 0, 0]);
    }

    #[test]
    fn where_less_is_left_all_that_charge_are_held_at_the_least() {
        let mut rows = [
            strip(Standing::Charging, 4, &[3, 0, 6, 0]),
            strip(Standing::Charging, 4, &[0, 0, 6, 6]),
        ];
        gather(&mut rows);
        assert_eq!(kilowatts(&rows[0])[0], 2);
        assert_eq!(kilowatts(&rows[1])[0], 1);
    }

    #[test]
    fn those_who_are_there_come_before_those_who_are_expected() {
        let mut expected = strip(Standing::Expected, 4, &[0, 6, 0, 0]);
        expected.min = Power::ZERO;
        expected.from = 1;
        let mut rows = [strip(Standing::Waiting, 4, &[6, 0, 6, 0]), expected];
        gather(&mut rows);
        assert_eq!(kilowatts(&rows[0]), [6, 6, 0, 0]);
        assert_eq!(kilowatts(&rows[1]), [0, 0, 6, 0]);
    }

    fn any_strip() -> impl Strategy<Value = Strip> {
        let power = prop_oneof![2 => Just(0i64), 1 => 1_000i64..=6_000, 1 => Just(6_000)];
        let standing = prop_oneof![
            Just(Standing::Charging),
            Just(Standing::Waiting),
            Just(Standing::Expected),
        ];
        (prop::collection::vec(power, 12), 1usize..=12, standing).prop_map(
            |(power, to, standing)| {
                let mut row = strip(standing, to, &[]);
                row.power = power.into_iter().map(Power::from_watts).collect();
                row.power[to..].fill(Power::ZERO);
                if standing == Standing::Expected {
                    row.min = Power::ZERO;
                }
                row
            },
        )
    }

    proptest! {
        #[test]
        fn sums_windows_and_least_powers_are_kept(
            mut rows in prop::collection::vec(any_strip(), 1..8),
        ) {
            let before = rows.clone();
            gather(&mut rows);
            for slot in 0..12 {
                let sum = |rows: &[Strip]| rows.iter().map(|row| row.power[slot]).sum::<Power>();
                prop_assert_eq!(sum(&rows), sum(&before));
            }
            for (row, before) in rows.iter().zip(&before) {
                let sum = |row: &Strip| row.power.iter().copied().sum::<Power>();
                prop_assert_eq!(sum(row), sum(before));
                prop_assert!(row.power.iter().all(|power| row.holds(*power)));
                prop_assert!(row.power[row.to..].iter().all(|power| !power.is_positive()));
            }
        }
    }
}
