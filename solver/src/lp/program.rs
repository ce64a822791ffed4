//! Variables, rows and objectives of the linear program. Power in kW, energy in kWh.

use good_lp::variable::UnsolvedProblem;
use good_lp::{Constraint, Expression, ProblemVariables, Variable, variable};

use super::Answer;
use crate::Problem;
use crate::marginal;
use crate::milliwatts::to_kw;
use crate::model::{Model, SIXTHS, UNLIMITED_MW};

/// Which objective, under which further row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// Cost plus unmet energy at a price above all others.
    PricedUnmet,
    /// Weighted unmet energy alone.
    LeastUnmet,
    /// Cost alone, with the weighted unmet energy held.
    LeastCost {
        /// Most weighted unmet energy, in kWh.
        unmet_most: f64,
    },
}

/// The program while it is put together.
pub(super) struct Program<'m> {
    model: &'m Model<'m>,
    variables: ProblemVariables,
    rows: Vec<Constraint>,
    cost: Expression,
    unmet: Expression,
    handles: Handles,
}

/// Where to find what in the answer.
#[derive(Default)]
pub(super) struct Handles {
    charge: Vec<Vec<Variable>>,
    discharge: Vec<Vec<Variable>>,
    unmet: Vec<Variable>,
    battery_charge: Vec<Vec<Variable>>,
    battery_discharge: Vec<Vec<Variable>>,
    peak: Option<Variable>,
    /// Row of the import limit, by circuit and slot.
    limit_rows: Vec<(usize, usize, usize)>,
}

/// One controlled power at a slot: its variable, and +1 for charging, -1 for feeding in.
type Term = (Variable, f64);

impl<'m> Program<'m> {
    pub(super) fn new(model: &'m Model<'m>) -> Self {
        let mut program = Self {
            model,
            variables: ProblemVariables::new(),
            rows: Vec::new(),
            cost: Expression::default(),
            unmet: Expression::default(),
            handles: Handles::default(),
        };
        for session in 0..model.sessions.len() {
            program.session(session);
        }
        for battery in 0..model.problem.batteries.len() {
            program.battery(battery);
        }
        let members = Members::by_circuit(model);
        for (circuit, members) in members.iter().enumerate() {
            program.circuit(circuit, members);
        }
        program.grid(&members[model.root]);
        program
    }

    pub(super) fn staged(mut self, stage: Stage) -> (UnsolvedProblem, Vec<Constraint>, Handles) {
        let objective = match stage {
            Stage::PricedUnmet => {
                let mut objective = self.cost;
                objective.add_mul(unmet_price(self.model), self.unmet);
                objective
            }
            Stage::LeastUnmet => self.unmet,
            Stage::LeastCost { unmet_most } => {
                self.rows.push(self.unmet.leq(unmet_most));
                self.cost
            }
        };
        (self.variables.minimise(objective), self.rows, self.handles)
    }

    fn power(&mut self, most_kw: f64) -> Variable {
        self.variables.add(variable().min(0.0).max(most_kw))
    }

    fn session(&mut self, session: usize) {
        let it = &self.model.sessions[session];
        let wanted = &self.model.problem.sessions[session];
        let window = it.from..it.to;
        let hours = self.model.hours;
        let most_kw = to_kw(it.max_mw);
        let charge: Vec<Variable> = window.clone().map(|_| self.power(most_kw)).collect();
        let unmet = self
            .variables
            .add(variable().min(0.0).max(wanted.energy_kwh));
        self.unmet.add_mul(wanted.priority, unmet);
        let mut discharge = Vec::new();
        if wanted.discharge_max_kw > 0.0 {
            discharge = window
                .map(|_| self.power(wanted.discharge_max_kw))
                .collect();
            let mut held = Expression::from(0.0);
            for (charge, discharge) in charge.iter().zip(&discharge) {
                let now = self
                    .variables
                    .add(variable().min(0.0).max(wanted.room_kwh()));
                held.add_mul(hours * wanted.efficiency, *charge);
                held.add_mul(-hours / wanted.efficiency, *discharge);
                self.rows.push((held - now).eq(0.0));
                held = Expression::from(now);
            }
            self.rows.push((held + unmet).geq(wanted.energy_kwh));
        } else {
            let mut drawn = Expression::with_capacity(charge.len() + 1);
            for charge in &charge {
                drawn.add_mul(hours * wanted.efficiency, *charge);
            }
            if wanted.room_kwh() > wanted.energy_kwh {
                self.rows.push(drawn.clone().leq(wanted.room_kwh()));
                self.rows.push((drawn + unmet).geq(wanted.energy_kwh));
            } else {
                self.rows.push((drawn + unmet).eq(wanted.energy_kwh));
            }
        }
        self.handles.charge.push(charge);
        self.handles.discharge.push(discharge);
        self.handles.unmet.push(unmet);
    }

    fn battery(&mut self, battery: usize) {
        let it = &self.model.problem.batteries[battery];
        let hours = self.model.hours;
        let least = it.min_soc_kwh.min(it.soc_kwh);
        let (mut charges, mut discharges) = (Vec::new(), Vec::new());
        let mut held = Expression::from(it.soc_kwh);
        for _ in 0..self.model.slots {
            let (charge, discharge) = (
                self.power(it.charge_max_kw),
                self.power(it.discharge_max_kw),
            );
            let now = self
                .variables
                .add(variable().min(least).max(it.capacity_kwh));
            held.add_mul(hours * it.efficiency, charge);
            held.add_mul(-hours / it.efficiency, discharge);
            self.rows.push((held - now).eq(0.0));
            held = Expression::from(now);
            self.cost.add_mul(hours * it.cycle_cost_per_kwh, discharge);
            charges.push(charge);
            discharges.push(discharge);
        }
        self.handles.battery_charge.push(charges);
        self.handles.battery_discharge.push(discharges);
    }

    /// The rows of one circuit: import, feed-in and phases, each only where it can bind.
    fn circuit(&mut self, circuit: usize, members: &Members) {
        let node = &self.model.circuits[circuit];
        for slot in 0..self.model.slots {
            let terms = self.terms(members, slot, |_| 1.0, 1.0);
            let (most, least) = self.reach(members, slot, |_| 1.0, 1.0);
            let free = to_kw(node.free_mw[slot]);
            if most > free {
                self.handles
                    .limit_rows
                    .push((self.rows.len(), circuit, slot));
                self.rows.push(sum(&terms).leq(free));
            }
            if node.feed_in_mw[slot] < UNLIMITED_MW && least > to_kw(node.feed_in_mw[slot]) {
                self.rows
                    .push(sum(&terms).geq(-to_kw(node.feed_in_mw[slot])));
            }
            for (phase, free) in node.phase_free.iter().flatten().enumerate() {
                let share = |session: usize| self.model.sessions[session].share_on(phase);
                let (most, _) = self.reach(members, slot, share, 1.0 / 3.0);
                let free = to_kw(free[slot] / SIXTHS);
                if most > free {
                    let terms = self.terms(members, slot, share, 1.0 / 3.0);
                    self.rows.push(sum(&terms).leq(free));
                }
            }
        }
    }

    /// Cost of the grid connection in every slot, and its peak.
    fn grid(&mut self, members: &Members) {
        let hours = self.model.hours;
        let charge = self.model.problem.demand_charge;
        if let Some(charge) = charge {
            let peak = self.variables.add(variable().min(charge.peak_so_far_kw));
            self.cost.add_mul(charge.per_kw, peak);
            self.handles.peak = Some(peak);
        }
        for slot in 0..self.model.slots {
            let terms = self.terms(members, slot, |_| 1.0, 1.0);
            let (most, least) = self.reach(members, slot, |_| 1.0, 1.0);
            let base = self.model.circuits[self.model.root].base_kw[slot];
            let (import, export) = (self.model.import_price(slot), self.model.export_price(slot));
            if base >= least || (import - export).abs() < 1e-12 {
                self.cost.add_mul(hours * import, sum(&terms));
            } else {
                // cost = import price * drawn - export price * fed in, and drawn - fed in = net.
                let drawn = self.variables.add(variable().min(0.0));
                self.rows.push((sum(&terms) - drawn).leq(-base));
                self.cost.add_mul(hours * (import - export), drawn);
                self.cost.add_mul(hours * export, sum(&terms));
            }
            if let (Some(peak), Some(charge)) = (self.handles.peak, charge)
                && base + most > charge.peak_so_far_kw
            {
                self.rows.push((sum(&terms) - peak).leq(-base));
            }
        }
    }

    fn terms(
        &self,
        members: &Members,
        slot: usize,
        share: impl Fn(usize) -> f64,
        battery_share: f64,
    ) -> Vec<Term> {
        let mut terms = Vec::new();
        for session in &members.sessions {
            let it = &self.model.sessions[*session];
            let share = share(*session);
            if (it.from..it.to).contains(&slot) && share > 0.0 {
                let offset = slot - it.from;
                terms.push((self.handles.charge[*session][offset], share));
                if let Some(back) = self.handles.discharge[*session].get(offset) {
                    terms.push((*back, -share));
                }
            }
        }
        for battery in &members.batteries {
            terms.push((self.handles.battery_charge[*battery][slot], battery_share));
            terms.push((
                self.handles.battery_discharge[*battery][slot],
                -battery_share,
            ));
        }
        terms
    }

    /// How far up and how far down the sum of the terms can go.
    fn reach(
        &self,
        members: &Members,
        slot: usize,
        share: impl Fn(usize) -> f64,
        battery_share: f64,
    ) -> (f64, f64) {
        let (mut most, mut least) = (0.0, 0.0);
        for session in &members.sessions {
            let it = &self.model.sessions[*session];
            if (it.from..it.to).contains(&slot) {
                most += share(*session) * to_kw(it.max_mw);
                least += share(*session) * self.model.problem.sessions[*session].discharge_max_kw;
            }
        }
        for battery in &members.batteries {
            let it = &self.model.problem.batteries[*battery];
            most += battery_share * it.charge_max_kw;
            least += battery_share * it.discharge_max_kw;
        }
        (most, least)
    }
}

/// The sessions and batteries below a circuit.
#[derive(Default)]
struct Members {
    sessions: Vec<usize>,
    batteries: Vec<usize>,
}

impl Members {
    fn by_circuit(model: &Model<'_>) -> Vec<Self> {
        let mut members: Vec<Self> = model.circuits.iter().map(|_| Self::default()).collect();
        for (session, it) in model.sessions.iter().enumerate() {
            for circuit in model.upwards(it.circuit) {
                members[circuit].sessions.push(session);
            }
        }
        for (battery, circuit) in model.battery_circuits.iter().enumerate() {
            for circuit in model.upwards(*circuit) {
                members[circuit].batteries.push(battery);
            }
        }
        members
    }
}

fn sum(terms: &[Term]) -> Expression {
    let mut sum = Expression::with_capacity(terms.len());
    for (variable, factor) in terms {
        sum.add_mul(*factor, *variable);
    }
    sum
}

/// A price per weighted kWh above anything a kWh can cost: ten times the largest price of every
/// kind, the demand charge borne by a single slot, over the smallest weight and efficiency.
fn unmet_price(model: &Model<'_>) -> f64 {
    let problem: &Problem = model.problem;
    let largest = |price: &dyn Fn(usize) -> f64| {
        (0..model.slots)
            .map(|slot| price(slot).abs())
            .fold(0.0, f64::max)
    };
    let import = largest(&|slot| model.import_price(slot));
    let export = largest(&|slot| model.export_price(slot));
    let demand = problem
        .demand_charge
        .map_or(0.0, |charge| charge.per_kw / model.hours);
    let wear = problem
        .batteries
        .iter()
        .map(|it| it.cycle_cost_per_kwh)
        .fold(0.0, f64::max);
    let smallest = problem
        .sessions
        .iter()
        .map(|it| it.priority * it.efficiency)
        .fold(1.0, f64::min);
    10.0 * (import + export + demand + wear + 0.01) / smallest
}

impl Handles {
    /// The answer and its weighted unmet energy.
    pub(super) fn read(&self, model: &Model<'_>, value: &dyn Fn(Variable) -> f64) -> (Answer, f64) {
        let all = |rows: &Vec<Vec<Variable>>| -> Vec<Vec<f64>> {
            rows.iter()
                .map(|row| row.iter().map(|it| value(*it).max(0.0)).collect())
                .collect()
        };
        let (charge, discharge) = (all(&self.charge), all(&self.discharge));
        let (filled, emptied) = (all(&self.battery_charge), all(&self.battery_discharge));
        let net = |(filled, emptied): (&Vec<f64>, &Vec<f64>)| {
            filled
                .iter()
                .zip(emptied)
                .map(|(filled, emptied)| filled - emptied)
                .collect()
        };
        let sessions = model.problem.sessions.iter();
        let unmet = self
            .unmet
            .iter()
            .zip(sessions)
            .map(|(it, wanted)| value(*it) * wanted.priority);
        let answer = Answer {
            charge,
            discharge,
            batteries: filled.iter().zip(&emptied).map(net).collect(),
            peak_kw: self.peak.map(value),
            shadow: None,
        };
        (answer, unmet.sum())
    }

    /// What a kWh of limit is worth: the dual of a kW, with the sign turned, over the slot's hours.
    pub(super) fn shadow(&self, model: &Model<'_>, dual: &dyn Fn(usize) -> f64) -> Vec<Vec<f64>> {
        const NOTHING: f64 = 1e-7;
        // Energy that stays unmet has a price of its own in the program, as high as it must be.
        let heaviest = model
            .sessions
            .iter()
            .map(|it| it.weight)
            .fold(0.0, f64::max);
        let most = marginal::shortfall_price(model) * heaviest;
        let mut shadow = vec![vec![0.0; model.slots]; model.circuits.len()];
        for (row, circuit, slot) in &self.limit_rows {
            let worth = -dual(*row) / model.hours;
            shadow[*circuit][*slot] = if worth > NOTHING {
                worth.min(most)
            } else {
                0.0
            };
        }
        shadow
    }
}
