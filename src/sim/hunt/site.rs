//! A site by chance: its tree, its EVSEs, and the real voltages behind them.

use super::chance::Chance;
use super::meters::Meter;
use super::post::Post;
use super::scenario::Scenario;
use crate::domain::evse::{Evse, EvseSource, Phase, Supply};
use crate::domain::grid_rules::GridRules;
use crate::domain::id::{CircuitId, EvseId, PartnerId, SiteId, StationId, TenantId};
use crate::domain::quantity::{Current, Power, Price, Voltage};
use crate::domain::site::{Circuit, Site};

/// The partners of a site.
pub(super) const PARTNERS: [&str; 2] = ["acme", "volt"];

/// Makes the site of a seed, with what is really there.
pub(super) fn make(scenario: &Scenario, seed: u64) -> Option<(Site, Vec<Post>)> {
    let mut chance = Chance::of(seed, "site");
    let shape = &scenario.site;
    let draw = |chance: &mut Chance, pair: [u32; 2]| {
        chance.between(i64::from(pair[0]), i64::from(pair[1]))
    };
    let root = CircuitId::new("site").ok()?;
    let feeder = CircuitId::new("feeder").ok()?;
    let count = draw(&mut chance, shape.evses);
    let has_feeder = count > 2 && chance.percent(shape.feeder_percent);
    let mut evses = Vec::new();
    for number in 1..=count {
        // 16 A on three phases, 32 A on one, or 32 A on three.
        let (amps, phases) =
            [(16, 3), (32, 1), (32, 3)][usize::try_from(chance.between(0, 2)).ok()?];
        let first = usize::try_from(chance.between(0, 2)).ok()?;
        let wiring: Vec<Phase> = (0..phases)
            .map(|index| Phase::ALL[(first + index) % 3])
            .collect();
        let phases = i64::try_from(phases).ok()?;
        let source = if chance.percent(shape.ocpp_percent) {
            EvseSource::Ocpp {
                station: StationId::new(format!("st{number}")).ok()?,
                evse: 1,
            }
        } else {
            let partner = PARTNERS[usize::try_from(chance.between(0, 1)).ok()?];
            EvseSource::Ocpi {
                partner: PartnerId::new(partner).ok()?,
                location_id: "loc".into(),
                evse_uid: format!("uid{number}"),
            }
        };
        evses.push(Evse {
            id: EvseId::new(format!("e{number}")).ok()?,
            circuit: if has_feeder && number * 2 <= count + 1 {
                feeder.clone()
            } else {
                root.clone()
            },
            max: Power::from_watts(230 * amps * phases),
            min: Power::from_watts(230 * 6 * phases),
            phases: wiring,
            supply: Supply::Ac {
                phases: u8::try_from(phases).ok()?,
                nominal: Voltage::V230,
            },
            fallback: None,
            source,
        });
    }
    let rated: i64 = evses.iter().map(|evse| evse.max.watts()).sum();
    let highest = evses.iter().map(|evse| evse.hardware_max().watts()).max()?;
    let share = draw(&mut chance, shape.limit_percent);
    // The largest car and its reserve fit, else nothing could ever charge.
    let limit = (rated * share / 100).max(highest * 21 / 10);
    let mut circuits = vec![Circuit {
        id: root.clone(),
        parent: None,
        import_limit: Some(Power::from_watts(limit)),
        phase_limit: chance
            .percent(shape.phase_limit_percent)
            .then(|| Current::from_milliamps((limit * 1300 / 690).max(80_000))),
        failsafe_limit: None,
        limit_source: None,
    }];
    if has_feeder {
        let beneath: i64 = evses
            .iter()
            .filter(|evse| evse.circuit == feeder)
            .map(|evse| evse.max.watts())
            .sum();
        circuits.push(Circuit {
            id: feeder,
            parent: Some(root),
            import_limit: Some(Power::from_watts((beneath * 3 / 4).max(highest * 5 / 2))),
            phase_limit: None,
            failsafe_limit: None,
            limit_source: None,
        });
    }
    let posts = evses
        .iter()
        .map(|evse| {
            let millivolts = 1000 * chance.between(220, 250);
            let meter = Meter::draw(&mut chance, scenario, evse);
            Post::new(evse.clone(), millivolts, meter)
        })
        .collect();
    let site = Site {
        tenant: TenantId::default_tenant(),
        id: SiteId::new("hunt").ok()?,
        name: "Hunt".into(),
        time_zone: chrono_tz::Europe::Amsterdam,
        currency: "EUR".into(),
        circuits,
        evses,
        arrival_reserve: shape.arrival_reserve,
        flat_price: Some(Price::from_per_kwh(0.3)),
        carbon_price: None,
        tariff_price: None,
        grid: GridRules::default(),
    };
    Some((site, posts))
}
