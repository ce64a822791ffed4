#![doc = include_str!("../README.md")]

mod audit;
mod calm;
mod coupled;
mod explain;
mod explanation;
mod fault;
mod flow;
mod headroom;
mod json;
mod lp;
mod marginal;
mod milliwatts;
mod model;
mod network;
mod peak;
mod phases;
mod problem;
mod proportional;
mod read;
mod report;
mod room;
mod series;
mod settings;
mod solution;
mod solve;
mod steps;
mod storage;
mod validate;
mod work;
mod worth;

pub use audit::{Audit, Violation, audit};
pub use explanation::{Explanation, Reason};
pub use fault::Fault;
pub use problem::{
    Battery, Circuit, DemandCharge, GridPhase, PhaseLoads, Problem, SCHEMA_VERSION, SessionNeed,
};
pub use read::parse_problem;
pub use series::Series;
pub use settings::{Backend, Phase, Settings};
pub use solution::{
    AuditSummary, BatteryPlan, Bound, CircuitPlan, Cost, SessionPlan, Solution, Status, UsedBackend,
};
pub use solve::{solve, solve_with_phases};
pub use worth::{Part, Supply, Want, Wants, most_worth};
