//! A limit of several sites as a quota per site: lowered everywhere before it is raised anywhere (I1).
//!
//! What a site may count for is the higher of its quota and of its bound: a quota binds what the site
//! does from now on, the bound is what may be drawn already. A quota rises only into what the sum of
//! these leaves under the group's limit, so no order in which answers come can make the group exceed
//! it by a command of ours. Where the world moves (a limit is cut, a car comes), the bounds may be
//! above; then nothing rises until the sites have come down.

use crate::domain::quantity::Power;

/// Differences below this are not worth a change: plans would be made for nothing.
const WORTH: Power = Power::from_watts(500);

/// One site of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The quota that holds at the site; `None` = none was set yet.
    pub quota: Option<Power>,
    /// The site's own limit without the group.
    pub own: Power,
    /// What the site may draw at most from now on (its root's bound).
    pub bound: Power,
    /// What it would draw if only its own limit held: running sessions, reserve, other load.
    pub wanted: Power,
    /// Load that nobody controls.
    pub uncontrolled: Power,
}

impl Member {
    /// What the site may count for.
    fn held(&self) -> Power {
        self.quota.unwrap_or(self.own).max(self.bound)
    }
}

/// What each site should have: what it wants if that fits, and a share of what is left, so that a car
/// that comes finds room; else each its uncontrolled load and a share of the rest by what it wants.
pub fn shares(limit: Power, members: &[Member]) -> Vec<Power> {
    let wants: Vec<Power> = members
        .iter()
        .map(|m| m.wanted.min(m.own).at_least_zero())
        .collect();
    let wanted: Power = wants.iter().copied().sum();
    if wanted <= limit {
        let beyond: Vec<Power> = members
            .iter()
            .zip(&wants)
            .map(|(member, want)| member.own.saturating_minus(*want))
            .collect();
        let left = limit - wanted;
        let more = divided(left, &beyond);
        return wants
            .iter()
            .zip(&more)
            .zip(&beyond)
            .map(|((want, more), beyond)| *want + (*more).min(*beyond))
            .collect();
    }
    let floors: Vec<Power> = members
        .iter()
        .zip(&wants)
        .map(|(member, want)| member.uncontrolled.at_least_zero().min(*want))
        .collect();
    let floor: Power = floors.iter().copied().sum();
    if floor >= limit {
        return divided(limit, &floors);
    }
    let above: Vec<Power> = wants
        .iter()
        .zip(&floors)
        .map(|(want, floor)| want.saturating_minus(*floor))
        .collect();
    let more = divided(limit - floor, &above);
    floors
        .iter()
        .zip(&more)
        .map(|(floor, more)| *floor + *more)
        .collect()
}

/// A power in parts as these, rounded down.
fn divided(power: Power, parts: &[Power]) -> Vec<Power> {
    let sum: i128 = parts.iter().map(|part| i128::from(part.watts())).sum();
    parts
        .iter()
        .map(|part| {
            let share = i128::from(power.watts()) * i128::from(part.watts());
            let share = share.checked_div(sum).unwrap_or(0);
            Power::from_watts(i64::try_from(share).unwrap_or(0))
        })
        .collect()
}

/// The quotas to be lowered now: index and new quota. They need no room, and are to be in force
/// before [`raises`] is asked with what holds then.
pub fn lowerings(limit: Power, members: &[Member]) -> Vec<(usize, Power)> {
    let shares = shares(limit, members);
    let promised: Power = members
        .iter()
        .map(|member| member.quota.unwrap_or(member.own))
        .sum();
    let is_over = promised > limit;
    let starving = members.iter().zip(&shares).any(|(member, share)| {
        let quota = member.quota.unwrap_or(member.own);
        *share > quota + WORTH && member.wanted > quota
    });
    members
        .iter()
        .zip(&shares)
        .enumerate()
        .filter(|(_, (member, share))| match member.quota {
            // A first quota is set whatever it is: without it the site knows nothing of the group.
            None => true,
            // Lowered for somebody: over the limit, or because another needs it.
            Some(quota) => {
                **share + WORTH < quota && (is_over || starving) || is_over && **share < quota
            }
        })
        .map(|(index, (member, share))| (index, (*share).min(member.quota.unwrap_or(member.own))))
        .collect()
}

/// The quotas that may be raised now: index and new quota. Asked with what holds after the lowerings.
pub fn raises(limit: Power, members: &[Member]) -> Vec<(usize, Power)> {
    let shares = shares(limit, members);
    let held: Power = members.iter().map(Member::held).sum();
    let mut room = limit.saturating_minus(held);
    let mut order: Vec<usize> = (0..members.len()).collect();
    // Who lacks most goes first.
    order.sort_by_key(|index| {
        let quota = members[*index].quota.unwrap_or(members[*index].own);
        (
            std::cmp::Reverse(shares[*index].saturating_minus(quota)),
            *index,
        )
    });
    let mut found = Vec::new();
    for index in order {
        let member = &members[index];
        let Some(quota) = member.quota else { continue };
        let next = shares[index].min(member.held() + room);
        if next < quota + WORTH {
            continue;
        }
        room = room.saturating_minus(next.saturating_minus(member.held()));
        found.push((index, next));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kw(value: i64) -> Power {
        Power::from_watts(value * 1000)
    }

    fn member(quota: Option<i64>, own: i64, bound: i64, wanted: i64) -> Member {
        Member {
            quota: quota.map(kw),
            own: kw(own),
            bound: kw(bound),
            wanted: kw(wanted),
            uncontrolled: Power::ZERO,
        }
    }

    #[test]
    fn what_fits_is_given_whole_and_the_rest_is_shared() {
        let members = [member(None, 100, 0, 20), member(None, 100, 0, 40)];
        // 90 - 60 = 30 left, by what each could still use: 80 to 60.
        assert_eq!(
            shares(kw(90), &members),
            [Power::from_watts(37_142), Power::from_watts(52_857)]
        );
    }

    #[test]
    fn where_it_does_not_fit_uncontrolled_load_comes_first() {
        let mut members = [member(None, 100, 0, 60), member(None, 100, 0, 60)];
        members[0].uncontrolled = kw(20);
        // (60 - 20) kW in parts of 40 and 60.
        assert_eq!(shares(kw(60), &members), [kw(36), kw(24)]);
    }

    #[test]
    fn a_quota_rises_only_into_what_bounds_have_left() {
        // The first was lowered to 20 but may still draw 50: nothing for the second yet.
        let members = [member(Some(20), 100, 50, 20), member(Some(10), 100, 10, 80)];
        assert_eq!(raises(kw(60), &members), []);
        let members = [member(Some(20), 100, 20, 20), member(Some(10), 100, 10, 80)];
        let raised = raises(kw(60), &members);
        assert_eq!(raised.len(), 1);
        assert!(
            raised[0].0 == 1 && raised[0].1 <= kw(40) && raised[0].1 > kw(30),
            "{raised:?}"
        );
    }

    #[test]
    fn the_first_quota_is_set_at_once_and_nothing_else_moves_for_nothing() {
        let members = [member(None, 100, 0, 20), member(None, 100, 0, 20)];
        assert_eq!(lowerings(kw(60), &members), [(0, kw(30)), (1, kw(30))]);
        let settled = [member(Some(30), 100, 20, 25), member(Some(30), 100, 20, 20)];
        assert_eq!(lowerings(kw(60), &settled), []);
    }

    prop_compose! {
        fn any_member()(quota in 0i64..200, own in 0i64..200, wanted in 0i64..250,
                        load in 0i64..40, drawn in 0i64..100) -> Member {
            let own = kw(own);
            let quota = kw(quota).min(own);
            Member { quota: Some(quota), own, bound: quota.scaled_down(drawn, 100),
                wanted: kw(wanted), uncontrolled: kw(load) }
        }
    }

    proptest! {
        #[test]
        fn however_demand_moves_the_group_never_exceeds_its_limit(
            mut members in prop::collection::vec(any_member(), 1..8),
            limit in 0i64..400,
            turns in prop::collection::vec(prop::collection::vec((0i64..250, 0u8..3), 8), 1..20),
        ) {
            let limit = kw(limit);
            // It begins within the limit.
            for member in &mut members { member.quota = None; member.bound = Power::ZERO; }
            for (index, quota) in lowerings(limit, &members) { members[index].quota = Some(quota); }
            for turn in turns {
                for (member, (wanted, moves)) in members.iter_mut().zip(turn) {
                    member.wanted = kw(wanted);
                    let quota = member.quota.unwrap_or(member.own);
                    match moves {
                        // It uses all it may, comes down to it, or is slow to do so.
                        0 => member.bound = member.bound.max(quota.min(member.wanted)),
                        1 => member.bound = member.bound.min(quota),
                        _ => {}
                    }
                }
                for (index, quota) in lowerings(limit, &members) {
                    prop_assert!(quota <= members[index].quota.unwrap_or(members[index].own));
                    members[index].quota = Some(quota);
                }
                for (index, quota) in raises(limit, &members) {
                    prop_assert!(quota >= members[index].quota.unwrap_or(Power::ZERO));
                    members[index].quota = Some(quota);
                }
                let held: Power = members.iter().map(Member::held).sum();
                prop_assert!(held <= limit, "{held} of {limit}");
            }
        }
    }
}
