//! Problems as sentences.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod random;

use evenload_solver::{Circuit, Problem, SCHEMA_VERSION, SessionNeed};

/// A site with one circuit, hours as slots and a limit that does not bind.
pub(crate) struct Site {
    problem: Problem,
}

impl Site {
    pub(crate) fn with_prices(prices: &[f64]) -> Self {
        let problem = Problem {
            schema_version: SCHEMA_VERSION,
            name: None,
            currency: "EUR".to_owned(),
            start: chrono::DateTime::UNIX_EPOCH,
            slot_minutes: 60,
            slots: prices.len(),
            import_price_per_kwh: prices.to_vec().into(),
            export_price_per_kwh: None,
            carbon_g_per_kwh: None,
            carbon_price_per_kg: 0.0,
            demand_charge: None,
            circuits: vec![circuit("site", None, 1_000.0)],
            sessions: Vec::new(),
            batteries: Vec::new(),
            previous: std::collections::BTreeMap::new(),
        };
        Self { problem }
    }

    pub(crate) fn car(
        mut self,
        id: &str,
        from: usize,
        to: usize,
        kwh: f64,
        min: f64,
        max: f64,
    ) -> Self {
        self.problem.sessions.push(SessionNeed {
            id: id.to_owned(),
            circuit: "site".to_owned(),
            arrival_slot: from,
            departure_slot: to,
            energy_kwh: kwh,
            min_kw: min,
            max_kw: max,
            phases: None,
            priority: 1.0,
            efficiency: 1.0,
            discharge_max_kw: 0.0,
            energy_max_kwh: None,
        });
        self
    }

    pub(crate) fn problem(self) -> Problem {
        self.problem
    }
}

pub(crate) fn circuit(id: &str, parent: Option<&str>, limit_kw: f64) -> Circuit {
    Circuit {
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        import_limit_kw: limit_kw.into(),
        export_limit_kw: None,
        base_load_kw: None,
        base_load_phase_kw: None,
        phase_limit_kw: None,
    }
}

/// Energy (or money) in thousandths, to compare without binary noise.
pub(crate) fn kwh(value: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "test values are small")]
    let thousandths = (value * 1000.0).round() as i64;
    thousandths
}
