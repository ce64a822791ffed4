//! A plan as text for a terminal.

use std::fmt::Write as _;

use chrono::TimeDelta;
use evenload_solver::{Circuit, Problem, Series, SessionNeed, SessionPlan, Solution};

use super::strip::{columns, slots_per_column, strip};

/// Widest name that is shown in full.
const NAME_CHARS_MAX: usize = 24;
/// Most sessions that are listed; the JSON has them all.
const SESSIONS_MAX: usize = 200;

/// Most reasons that are listed of one session.
const REASONS_MAX: usize = 3;

/// Renders a plan: what it costs, a strip for the price, each circuit and each session, and why.
pub(super) fn render(problem: &Problem, solution: &Solution) -> String {
    let mut table = Table {
        problem,
        solution,
        name_chars: name_chars(problem),
        text: String::new(),
    };
    table.head();
    table.axis();
    table.prices();
    table.circuits();
    table.sessions();
    table.batteries();
    table.text.trim_end().to_owned()
}

struct Table<'a> {
    problem: &'a Problem,
    solution: &'a Solution,
    name_chars: usize,
    text: String,
}

impl Table<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn row(&mut self, name: &str, strip: &str, rest: &str) {
        let name: String = name.chars().take(self.name_chars).collect();
        let width = self.name_chars;
        self.line(&format!("  {name:width$}  {strip}  {rest}"));
    }

    fn head(&mut self) {
        let (problem, solution) = (self.problem, self.solution);
        let name = problem.name.as_deref().unwrap_or("the problem");
        let status = word(&solution.status);
        let backend = word(&solution.backend);
        let ms = solution.build_ms + solution.solve_ms;
        self.line(&format!(
            "Plan for {name}: {status} ({backend}, {ms:.1} ms)"
        ));
        let start = problem.start.format("%Y-%m-%d %H:%M");
        let (slots, minutes) = (problem.slots, problem.slot_minutes);
        self.line(&format!(
            "  {slots} slots of {minutes} min from {start} UTC"
        ));
        let cost = &solution.cost;
        self.line(&format!(
            "  cost {:.2} {} = energy {:.2} + carbon {:.2} + demand {:.2}",
            cost.total, problem.currency, cost.energy, cost.carbon, cost.demand
        ));
        let (peak, unmet) = (solution.peak_kw, solution.unmet_kwh);
        let violations = solution.audit.violations;
        self.line(&format!(
            "  peak {peak:.2} kW, unmet {unmet:.2} kWh, limit violations {violations}"
        ));
        self.line("");
    }

    /// The hour above each sixth column.
    fn axis(&mut self) {
        const EVERY: usize = 6;
        let width = slots_per_column(self.problem.slots);
        let mut hours = String::new();
        let count = columns(self.problem.slots).count();
        for column in (0..count).step_by(EVERY) {
            let _ = write!(hours, "{:EVERY$}", self.clock(column * width));
        }
        self.row("UTC", &hours, "");
    }

    fn prices(&mut self) {
        let slots = self.problem.slots;
        let price = &self.problem.import_price_per_kwh;
        let (low, high) = range(price, slots);
        let span = (high - low).max(f64::MIN_POSITIVE);
        let strip = strip(slots, |slot| {
            // The lowest price still shows as one step.
            Some(0.125 + 0.875 * (price.at(slot) - low) / span)
        });
        let currency = &self.problem.currency;
        self.row(
            "price",
            &strip,
            &format!("{low:.4} to {high:.4} {currency}/kWh"),
        );
    }

    fn circuits(&mut self) {
        let (problem, solution) = (self.problem, self.solution);
        for (circuit, plan) in problem.circuits.iter().zip(&solution.circuits) {
            let limit = &circuit.import_limit_kw;
            let strip = strip(problem.slots, |slot| {
                let power = *plan.power_kw.get(slot)?;
                Some(if limit.at(slot) > 0.0 {
                    power / limit.at(slot)
                } else {
                    power.signum() * 2.0
                })
            });
            let peak = plan.power_kw.iter().copied().fold(0.0, f64::max);
            let (_, limit) = range(limit, problem.slots);
            let binding = plan
                .shadow_price_per_kwh
                .iter()
                .filter(|price| **price > 0.0)
                .count();
            let mut rest = format!("{peak:.2} of {limit:.2} kW");
            if binding > 0 {
                let _ = write!(rest, ", limits {binding} slots");
            }
            let indent = " ".repeat(depth(&problem.circuits, circuit).min(8));
            self.row(&format!("{indent}{}", circuit.id), &strip, &rest);
        }
        self.line("");
    }

    fn sessions(&mut self) {
        let (problem, solution) = (self.problem, self.solution);
        let pairs = problem.sessions.iter().zip(&solution.sessions);
        for (need, plan) in pairs.take(SESSIONS_MAX) {
            let strip = strip(problem.slots, |slot| {
                let window = need.arrival_slot..need.departure_slot;
                let share = plan.power_kw.get(slot)? / need.max_kw.max(f64::MIN_POSITIVE);
                window.contains(&slot).then_some(share)
            });
            let rest = self.verdict(need, plan);
            self.row(&need.id, &strip, &rest);
        }
        let hidden = problem.sessions.len().saturating_sub(SESSIONS_MAX);
        if hidden > 0 {
            self.line(&format!("  and {hidden} more sessions (see --json)"));
        }
    }

    /// What a session gets, and why.
    fn verdict(&self, need: &SessionNeed, plan: &SessionPlan) -> String {
        let mut text = format!("{:.2} of {:.2} kWh", plan.energy_kwh, need.energy_kwh);
        if let Some(ready) = plan.ready_slot {
            // Ready at the end of its last slot.
            let _ = write!(text, ", ready {}", self.clock(ready + 1));
        }
        if plan.unmet_kwh > super::UNMET_KWH_SEEN {
            let _ = write!(text, ", SHORT by {:.2} kWh", plan.unmet_kwh);
        }
        if !plan.limited_by.is_empty() {
            let _ = write!(text, ", limited by {}", plan.limited_by.join(" < "));
        }
        let mut reasons: Vec<String> = plan.reasons.iter().take(REASONS_MAX).map(word).collect();
        if plan.reasons.len() > REASONS_MAX {
            reasons.push("..".to_owned());
        }
        if !reasons.is_empty() {
            let _ = write!(text, " [{}]", reasons.join(", "));
        }
        text
    }

    fn batteries(&mut self) {
        let (problem, solution) = (self.problem, self.solution);
        for (battery, plan) in problem.batteries.iter().zip(&solution.batteries) {
            let strip = strip(problem.slots, |slot| {
                let full = battery.capacity_kwh.max(f64::MIN_POSITIVE);
                plan.soc_kwh.get(slot).map(|soc| soc / full)
            });
            let last = plan.soc_kwh.last().copied().unwrap_or(battery.soc_kwh);
            let rest = format!("{last:.1} of {:.1} kWh at the end", battery.capacity_kwh);
            self.row(&battery.id, &strip, &rest);
        }
    }

    /// Time of day at the start of a slot.
    fn clock(&self, slot: usize) -> String {
        let minutes =
            i64::try_from(slot).unwrap_or_default() * i64::from(self.problem.slot_minutes);
        let at = TimeDelta::try_minutes(minutes)
            .and_then(|past| self.problem.start.checked_add_signed(past));
        at.map_or_else(String::new, |at| at.format("%H:%M").to_string())
    }
}

fn name_chars(problem: &Problem) -> usize {
    let circuits = problem.circuits.iter();
    let circuits = circuits.map(|it| depth(&problem.circuits, it).min(8) + it.id.chars().count());
    let sessions = problem.sessions.iter().map(|it| it.id.chars().count());
    let batteries = problem.batteries.iter().map(|it| it.id.chars().count());
    let widest = circuits.chain(sessions).chain(batteries).max().unwrap_or(0);
    widest.clamp("price".len(), NAME_CHARS_MAX)
}

/// How many circuits are above this one.
fn depth(circuits: &[Circuit], circuit: &Circuit) -> usize {
    let mut depth = 0;
    let mut here = circuit;
    while let Some(parent) = &here.parent
        && let Some(above) = circuits.iter().find(|it| it.id == *parent)
        && depth < circuits.len()
    {
        depth += 1;
        here = above;
    }
    depth
}

/// Lowest and highest value.
fn range(series: &Series, slots: usize) -> (f64, f64) {
    let values = (0..slots).map(|slot| series.at(slot));
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// The word that stands for a value in JSON, with spaces.
fn word(value: &impl serde::Serialize) -> String {
    let word = serde_json::to_value(value).ok();
    let word = word
        .as_ref()
        .and_then(serde_json::Value::as_str)
        .unwrap_or("?");
    word.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use evenload_solver::parse_problem;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_reads_from_cost_to_reason() {
        let problem = json!({
            "schema_version": 1, "name": "two cars", "start": "2026-11-22T16:00:00Z",
            "slot_minutes": 60, "slots": 4, "import_price_per_kwh": [0.1, 0.2, 0.3, 0.1],
            "circuits": [
                {"id": "site", "parent": null, "import_limit_kw": 20},
                {"id": "feeder", "parent": "site", "import_limit_kw": 10},
            ],
            "sessions": [
                {"id": "a", "circuit": "feeder", "arrival_slot": 0, "departure_slot": 3,
                 "energy_kwh": 10, "max_kw": 10},
                {"id": "b", "circuit": "site", "arrival_slot": 1, "departure_slot": 4,
                 "energy_kwh": 50, "max_kw": 11},
            ],
        });
        let problem = parse_problem(&problem.to_string()).expect("a valid problem");
        let solution = json!({
            "schema_version": 1, "status": "feasible_time_limit", "backend": "flow",
            "cost": {"energy": 4.5, "carbon": 0.0, "demand": 0.0, "total": 4.5},
            "unmet_kwh": 28.0, "peak_kw": 11.0,
            "sessions": [
                {"id": "a", "power_kw": [10, 0, 0, 0], "energy_kwh": 10.0, "unmet_kwh": 0.0,
                 "ready_slot": 0, "limited_by": [], "reasons": ["cheap_slot"]},
                {"id": "b", "power_kw": [0, 11, 11, 0], "energy_kwh": 22.0, "unmet_kwh": 28.0,
                 "ready_slot": 2, "limited_by": ["feeder", "site"],
                 "reasons": ["full_power", "circuit_limit", "minimum_power", "charged"]},
            ],
            "circuits": [
                {"id": "site", "power_kw": [10, 11, 11, 0], "headroom_kw": [10, 9, 9, 20],
                 "shadow_price_per_kwh": [0, 0, 0, 0]},
                {"id": "feeder", "power_kw": [10, 0, 0, 0], "headroom_kw": [0, 10, 10, 10],
                 "shadow_price_per_kwh": [0.1, 0, 0, 0]},
            ],
            "batteries": [], "build_ms": 0.5, "solve_ms": 1.0, "audit": {"violations": 0},
        });
        let solution: Solution = serde_json::from_value(solution).expect("a solution");
        let expected = [
            "Plan for two cars: feasible time limit (flow, 1.5 ms)",
            "  4 slots of 60 min from 2026-11-22 16:00 UTC",
            "  cost 4.50 EUR = energy 4.50 + carbon 0.00 + demand 0.00",
            "  peak 11.00 kW, unmet 28.00 kWh, limit violations 0",
            "",
            "  UTC      16:00",
            "  price    ▁▅█▁  0.1000 to 0.3000 EUR/kWh",
            "  site     ▄▅▅·  11.00 of 20.00 kW",
            "   feeder  █···  10.00 of 10.00 kW, limits 1 slots",
            "",
            "  a        █··   10.00 of 10.00 kWh, ready 17:00 [cheap slot]",
            "  b         ██·  22.00 of 50.00 kWh, ready 19:00, SHORT by 28.00 kWh, limited by \
             feeder < site [full power, circuit limit, minimum power, ..]",
        ];
        assert_eq!(render(&problem, &solution), expected.join("\n"));
    }
}
