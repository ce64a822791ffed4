//! What a problem must satisfy before it is solved, whoever built it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::fault::{Faults, child};
use crate::{Battery, Circuit, Fault, PhaseLoads, Problem, SCHEMA_VERSION, Series, SessionNeed};

/// Longest horizon: a leap year of quarter hours, 366 * 96.
pub(crate) const SLOTS_MAX: usize = 35_136;
/// Longest slot: a day.
const SLOT_MINUTES_MAX: u32 = 1_440;
const CIRCUITS_MAX: usize = 10_000;
const SESSIONS_MAX: usize = 50_000;
/// Deepest circuit below the root; a connection, a station, a board, a row and a post are five.
const DEPTH_MAX: usize = 50;
const BATTERIES_MAX: usize = 1_000;
/// Most slots of all windows together: some 1 GB of work space.
const WINDOW_SLOTS_MAX: usize = 10_000_000;
/// Most circuits times slots, for the same reason.
const CIRCUIT_SLOTS_MAX: usize = 10_000_000;
const ID_BYTES_MAX: usize = 255;

/// One gigawatt: above any charging site, and far below where milliwatts overflow.
const POWER_KW: RangeInclusive<f64> = 0.0..=1e6;
const LOAD_KW: RangeInclusive<f64> = -1e6..=1e6;
const ENERGY_KWH: RangeInclusive<f64> = 0.0..=1e6;
const PRICE: RangeInclusive<f64> = -1e6..=1e6;
const PRICE_NOT_NEGATIVE: RangeInclusive<f64> = 0.0..=1e6;
const CARBON_G: RangeInclusive<f64> = 0.0..=1e5;
const PRIORITY: RangeInclusive<f64> = 0.001..=1_000.0;
const EFFICIENCY: RangeInclusive<f64> = 0.01..=1.0;

impl Problem {
    /// `Err` names every fault, by the JSON pointer the problem would have as a file.
    pub fn validate(&self) -> Result<(), Vec<Fault>> {
        let faults = self.faults();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut check = Check {
            faults: Faults::default(),
            slots: self.slots,
        };
        check.head(self);
        check.sizes(self);
        check.prices(self);
        check.circuits(&self.circuits);
        check.sessions(self);
        check.batteries(self);
        check.previous(self);
        check.faults.into_vec()
    }
}

/// The pointer of a field of an entry; put together only where something is wrong with it.
type At<'a> = &'a dyn Fn(&str) -> String;

struct Check {
    faults: Faults,
    slots: usize,
}

impl Check {
    fn head(&mut self, problem: &Problem) {
        if problem.schema_version != SCHEMA_VERSION {
            let found = problem.schema_version;
            self.faults.add(
                "/schema_version",
                format!("is {found}; allowed: {SCHEMA_VERSION}"),
            );
        }
        if !(1..=SLOTS_MAX).contains(&problem.slots) {
            let found = problem.slots;
            self.faults
                .add("/slots", format!("is {found}; allowed 1 to {SLOTS_MAX}"));
        }
        if !(1..=SLOT_MINUTES_MAX).contains(&problem.slot_minutes) {
            let found = problem.slot_minutes;
            let detail = format!("is {found}; allowed 1 to {SLOT_MINUTES_MAX}");
            self.faults.add("/slot_minutes", detail);
        }
    }

    fn sizes(&mut self, problem: &Problem) {
        self.count("/circuits", problem.circuits.len(), CIRCUITS_MAX);
        self.count("/sessions", problem.sessions.len(), SESSIONS_MAX);
        self.count("/batteries", problem.batteries.len(), BATTERIES_MAX);
        let windows = problem.sessions.iter().fold(0_usize, |sum, session| {
            sum.saturating_add(session.departure_slot.saturating_sub(session.arrival_slot))
        });
        if windows > WINDOW_SLOTS_MAX {
            let detail = format!("has {windows} slots in all windows; allowed {WINDOW_SLOTS_MAX}");
            self.faults.add("/sessions", detail);
        }
        let cells = problem.circuits.len().saturating_mul(problem.slots);
        if cells > CIRCUIT_SLOTS_MAX {
            let detail = format!("times slots is {cells}; allowed {CIRCUIT_SLOTS_MAX}");
            self.faults.add("/circuits", detail);
        }
    }

    fn count(&mut self, pointer: &str, found: usize, most: usize) {
        if found > most {
            self.faults
                .add(pointer, format!("has {found} entries; allowed {most}"));
        }
    }

    fn prices(&mut self, problem: &Problem) {
        self.series(
            "/import_price_per_kwh",
            &problem.import_price_per_kwh,
            &PRICE,
        );
        self.series_if(
            "/export_price_per_kwh",
            problem.export_price_per_kwh.as_ref(),
            &PRICE,
        );
        self.series_if(
            "/carbon_g_per_kwh",
            problem.carbon_g_per_kwh.as_ref(),
            &CARBON_G,
        );
        self.number(
            "/carbon_price_per_kg",
            problem.carbon_price_per_kg,
            &PRICE_NOT_NEGATIVE,
        );
        if let Some(charge) = &problem.demand_charge {
            self.number("/demand_charge/per_kw", charge.per_kw, &PRICE_NOT_NEGATIVE);
            self.number(
                "/demand_charge/peak_so_far_kw",
                charge.peak_so_far_kw,
                &POWER_KW,
            );
        }
    }

    fn circuits(&mut self, circuits: &[Circuit]) {
        self.ids(
            "/circuits",
            circuits.iter().map(|circuit| circuit.id.as_str()),
        );
        for (index, circuit) in circuits.iter().enumerate() {
            let at = child("/circuits", index);
            self.series(
                &child(&at, "import_limit_kw"),
                &circuit.import_limit_kw,
                &POWER_KW,
            );
            let export = circuit.export_limit_kw.as_ref();
            self.series_if(&child(&at, "export_limit_kw"), export, &POWER_KW);
            self.series_if(
                &child(&at, "base_load_kw"),
                circuit.base_load_kw.as_ref(),
                &LOAD_KW,
            );
            let phase = circuit.phase_limit_kw.as_ref();
            self.series_if(&child(&at, "phase_limit_kw"), phase, &POWER_KW);
            if let Some(PhaseLoads { l1, l2, l3 }) = &circuit.base_load_phase_kw {
                let at = child(&at, "base_load_phase_kw");
                self.series(&child(&at, "L1"), l1, &LOAD_KW);
                self.series(&child(&at, "L2"), l2, &LOAD_KW);
                self.series(&child(&at, "L3"), l3, &LOAD_KW);
            }
        }
        self.tree(circuits);
    }

    fn tree(&mut self, circuits: &[Circuit]) {
        let index_of: BTreeMap<&str, usize> = circuits
            .iter()
            .enumerate()
            .map(|(index, circuit)| (circuit.id.as_str(), index))
            .collect();
        let mut roots = Vec::new();
        for (index, circuit) in circuits.iter().enumerate() {
            match &circuit.parent {
                None => roots.push(index),
                Some(parent) if !index_of.contains_key(parent.as_str()) => {
                    let at = format!("/circuits/{index}/parent");
                    self.faults.add(
                        at,
                        format!("names circuit {parent:?}, which does not exist"),
                    );
                }
                Some(_) => {}
            }
        }
        if roots.is_empty() {
            self.faults.add(
                "/circuits",
                "has no root; exactly one circuit has parent null",
            );
        }
        for extra in roots.iter().skip(1) {
            let detail = "is null on a second circuit; exactly one circuit has parent null";
            self.faults.add(format!("/circuits/{extra}/parent"), detail);
        }
        let parents: Vec<Option<usize>> = circuits
            .iter()
            .map(|circuit| index_of.get(circuit.parent.as_deref()?).copied())
            .collect();
        for index in too_deep(&parents) {
            let detail = format!("is more than {DEPTH_MAX} circuits below the root");
            self.faults.add(format!("/circuits/{index}/parent"), detail);
        }
        for index in circles(&parents) {
            let detail = "leads back to the circuit itself; the circuits must form a tree";
            self.faults.add(format!("/circuits/{index}/parent"), detail);
        }
    }

    fn sessions(&mut self, problem: &Problem) {
        self.ids(
            "/sessions",
            problem.sessions.iter().map(|session| session.id.as_str()),
        );
        let circuits = circuit_ids(problem);
        for (index, session) in problem.sessions.iter().enumerate() {
            let at = |key: &str| child(&child("/sessions", index), key);
            self.circuit(&at, &session.circuit, &circuits);
            self.window(&at, session);
            self.field(&at, "energy_kwh", session.energy_kwh, &ENERGY_KWH);
            self.field(&at, "min_kw", session.min_kw, &POWER_KW);
            self.field(&at, "max_kw", session.max_kw, &POWER_KW);
            self.field(&at, "priority", session.priority, &PRIORITY);
            self.field(&at, "efficiency", session.efficiency, &EFFICIENCY);
            self.field(&at, "discharge_max_kw", session.discharge_max_kw, &POWER_KW);
            self.not_above(&at, ("min_kw", session.min_kw), ("max_kw", session.max_kw));
            if let Some(room) = session.energy_max_kwh {
                self.field(&at, "energy_max_kwh", room, &ENERGY_KWH);
                let wanted = ("energy_kwh", session.energy_kwh);
                self.not_above(&at, wanted, ("energy_max_kwh", room));
            }
            self.phases(&at, session);
        }
    }

    fn window(&mut self, at: At<'_>, session: &SessionNeed) {
        let slots = self.slots;
        let ends = [
            ("arrival_slot", session.arrival_slot),
            ("departure_slot", session.departure_slot),
        ];
        for (key, slot) in ends {
            if slot > slots {
                self.faults
                    .add(at(key), format!("is {slot}; allowed 0 to {slots} (slots)"));
            }
        }
        let (arrival, departure) = (session.arrival_slot, session.departure_slot);
        if arrival > departure {
            let detail = format!("is {arrival}, after departure_slot {departure}");
            self.faults.add(at("arrival_slot"), detail);
        }
    }

    fn phases(&mut self, at: At<'_>, session: &SessionNeed) {
        let Some(phases) = &session.phases else {
            return;
        };
        let distinct: BTreeSet<_> = phases.iter().collect();
        if phases.is_empty() || distinct.len() != phases.len() {
            let detail = "must name one to three different phases; leave it out for all three";
            self.faults.add(at("phases"), detail);
        }
    }

    fn batteries(&mut self, problem: &Problem) {
        self.ids(
            "/batteries",
            problem.batteries.iter().map(|battery| battery.id.as_str()),
        );
        let circuits = circuit_ids(problem);
        for (index, battery) in problem.batteries.iter().enumerate() {
            let at = |key: &str| child(&child("/batteries", index), key);
            self.circuit(&at, &battery.circuit, &circuits);
            self.battery(&at, battery);
        }
    }

    fn battery(&mut self, at: At<'_>, battery: &Battery) {
        self.field(at, "capacity_kwh", battery.capacity_kwh, &ENERGY_KWH);
        self.field(at, "soc_kwh", battery.soc_kwh, &ENERGY_KWH);
        self.field(at, "min_soc_kwh", battery.min_soc_kwh, &ENERGY_KWH);
        self.field(at, "charge_max_kw", battery.charge_max_kw, &POWER_KW);
        self.field(at, "discharge_max_kw", battery.discharge_max_kw, &POWER_KW);
        self.field(at, "efficiency", battery.efficiency, &EFFICIENCY);
        let wear = battery.cycle_cost_per_kwh;
        self.field(at, "cycle_cost_per_kwh", wear, &PRICE_NOT_NEGATIVE);
        self.not_above(
            at,
            ("soc_kwh", battery.soc_kwh),
            ("capacity_kwh", battery.capacity_kwh),
        );
        let least = ("min_soc_kwh", battery.min_soc_kwh);
        self.not_above(at, least, ("capacity_kwh", battery.capacity_kwh));
    }

    fn previous(&mut self, problem: &Problem) {
        for (id, row) in &problem.previous {
            let at = child("/previous", id);
            self.length(&at, row.len());
            self.values(&at, row, &LOAD_KW);
        }
    }

    fn circuit(&mut self, at: At<'_>, id: &str, circuits: &BTreeSet<&str>) {
        if !circuits.contains(id) {
            let detail = format!("names circuit {id:?}, which does not exist");
            self.faults.add(at("circuit"), detail);
        }
    }

    fn ids<'p>(&mut self, list: &str, ids: impl Iterator<Item = &'p str>) {
        let mut first_with = BTreeMap::new();
        for (index, id) in ids.enumerate() {
            let at = || format!("{list}/{index}/id");
            if id.is_empty() || id.len() > ID_BYTES_MAX {
                let detail = format!("is {} bytes long; allowed 1 to {ID_BYTES_MAX}", id.len());
                self.faults.add(at(), detail);
            }
            if let Some(first) = first_with.get(id) {
                self.faults
                    .add(at(), format!("repeats {id:?} of {list}/{first}"));
            } else {
                first_with.insert(id, index);
            }
        }
    }

    fn not_above(
        &mut self,
        at: At<'_>,
        (low_key, low): (&str, f64),
        (high_key, high): (&str, f64),
    ) {
        if low > high {
            self.faults
                .add(at(low_key), format!("is {low}, above {high_key} {high}"));
        }
    }

    fn field(&mut self, at: At<'_>, key: &str, value: f64, allowed: &RangeInclusive<f64>) {
        if !allowed.contains(&value) {
            self.number(&at(key), value, allowed);
        }
    }

    fn number(&mut self, pointer: &str, value: f64, allowed: &RangeInclusive<f64>) {
        // NaN is in no range.
        if !allowed.contains(&value) {
            let (low, high) = (allowed.start(), allowed.end());
            self.faults
                .add(pointer, format!("is {value}; allowed {low} to {high}"));
        }
    }

    fn values(&mut self, pointer: &str, values: &[f64], allowed: &RangeInclusive<f64>) {
        for (slot, value) in values.iter().enumerate() {
            if !allowed.contains(value) {
                self.number(&child(pointer, slot), *value, allowed);
            }
        }
    }

    fn series(&mut self, pointer: &str, series: &Series, allowed: &RangeInclusive<f64>) {
        match series {
            Series::Constant(value) => self.number(pointer, *value, allowed),
            Series::PerSlot(values) => {
                self.length(pointer, values.len());
                self.values(pointer, values, allowed);
            }
        }
    }

    fn series_if(&mut self, pointer: &str, series: Option<&Series>, allowed: &RangeInclusive<f64>) {
        if let Some(series) = series {
            self.series(pointer, series, allowed);
        }
    }

    fn length(&mut self, pointer: &str, found: usize) {
        let slots = self.slots;
        if found != slots {
            self.faults.add(
                pointer,
                format!("has {found} values; wanted {slots}, one per slot"),
            );
        }
    }
}

fn circuit_ids(problem: &Problem) -> BTreeSet<&str> {
    problem
        .circuits
        .iter()
        .map(|circuit| circuit.id.as_str())
        .collect()
}

/// The circuits just beyond the deepest level allowed.
fn too_deep(parents: &[Option<usize>]) -> Vec<usize> {
    let level = |circuit: usize| {
        std::iter::successors(Some(circuit), |here| parents[*here])
            .take(DEPTH_MAX + 3)
            .count()
    };
    // One more than the circuits above it; a circle never ends and is reported as such.
    (0..parents.len())
        .filter(|circuit| level(*circuit) == DEPTH_MAX + 2)
        .collect()
}

/// The circuits that are their own ancestor.
fn circles(parents: &[Option<usize>]) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnPath,
        Done,
    }
    let mut marks = vec![Mark::New; parents.len()];
    let mut found = Vec::new();
    for start in 0..parents.len() {
        let mut path = Vec::new();
        let mut here = Some(start);
        while let Some(index) = here {
            if marks[index] != Mark::New {
                break;
            }
            marks[index] = Mark::OnPath;
            path.push(index);
            here = parents[index];
        }
        if let Some(index) = here
            && marks[index] == Mark::OnPath
        {
            found.extend(path.iter().skip_while(|on_path| **on_path != index));
        }
        for index in path {
            marks[index] = Mark::Done;
        }
    }
    found.sort_unstable();
    found
}
