//! `evenload plan`: plans problem files; no service, no store, no network.
//!
//! With `--json`, or when standard output is no terminal, each file gives one JSON object on a line
//! of its own, in the order of the files: the plan, or for an invalid problem
//! `{"schema_version":1,"status":"invalid","title":..,"file":..,"errors":[{"pointer","detail"}]}`.
//! The faults of an invalid problem are told on standard error as well.

mod input;
mod strip;
mod table;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use evenload_solver::{
    Backend, Fault, Phase, Problem, SCHEMA_VERSION, Settings, Solution, solve_with_phases,
};
use serde_json::json;

use crate::service::clock::Stopwatch;

use super::exit::Exit;
use super::{batch, output};

/// Said where `HiGHS` is asked for and is not there.
const NOT_BUILT_IN: &str = "HiGHS is not built in (it needs `--features highs`, cmake and libclang \
                            when building); clarabel takes its place";

/// Energy below which nobody counts as short: what rounding to whole watts leaves.
const UNMET_KWH_SEEN: f64 = 1e-3;

/// Arguments of `evenload plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "On a terminal a table is printed, else, and with --json, one JSON object a file, \
                  in the order of the files. An invalid problem ends with exit code 3: each fault \
                  goes to standard error with its JSON pointer, and in JSON to standard output as \
                  {\"status\":\"invalid\",\"file\":..,\"errors\":[{\"pointer\":..,\"detail\":..}]}."
)]
pub struct PlanArgs {
    /// Problem files (docs/problem.schema.json); `-` = standard input
    #[arg(required = true, value_name = "PROBLEM.json")]
    problems: Vec<PathBuf>,
    /// Print one JSON object a file
    #[arg(long)]
    json: bool,
    /// Allow any power between 0 and the maximum, below the minimum too
    #[arg(long)]
    relax: bool,
    /// Which method to use
    #[arg(long, value_enum, default_value_t = Method::Auto)]
    backend: Method,
    /// Take the best plan found after so many milliseconds
    #[arg(long, value_name = "N")]
    time_limit_ms: Option<u32>,
    /// End with exit code 6 when somebody stays short or a limit is exceeded by base load
    #[arg(long)]
    strict: bool,
}

/// A method of planning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// The fastest that is exact
    Auto,
    /// The flow method
    Flow,
    /// The linear program, interior point
    Clarabel,
    /// The linear program, simplex
    Microlp,
    /// The linear program by `HiGHS`, where built in
    Highs,
}

impl From<Method> for Backend {
    fn from(method: Method) -> Self {
        match method {
            Method::Auto => Self::Auto,
            Method::Flow => Self::Flow,
            Method::Clarabel => Self::Clarabel,
            Method::Microlp => Self::Microlp,
            Method::Highs => Self::Highs,
        }
    }
}

/// What one file came to.
struct Answer {
    /// For standard output.
    text: Option<String>,
    /// For standard error.
    complaints: Vec<String>,
    exit: Exit,
}

impl PlanArgs {
    /// Plans all files.
    pub fn run(&self) -> Exit {
        if self
            .problems
            .iter()
            .filter(|path| input::is_stdin(path))
            .count()
            > 1
        {
            output::complain("standard input (-) can be given once only");
            return Exit::Usage;
        }
        if !Backend::from(self.backend).is_built_in() {
            output::complain(NOT_BUILT_IN);
        }
        let as_json = self.json || !output::is_terminal();
        let mut exit = Exit::Done;
        let answer = |path: &PathBuf| self.answer(path, as_json);
        batch::in_order(&self.problems, answer, |answer| {
            exit = exit.or_graver(answer.exit);
            for complaint in &answer.complaints {
                output::complain(complaint);
            }
            if let Some(text) = &answer.text {
                output::line(text);
            }
        });
        exit
    }

    fn answer(&self, path: &Path, as_json: bool) -> Answer {
        match input::read(path) {
            Ok(problem) => {
                let solution = self.solve(&problem);
                Answer {
                    text: Some(if as_json {
                        as_line(&solution)
                    } else {
                        table::render(&problem, &solution) + "\n"
                    }),
                    complaints: Vec::new(),
                    exit: self.verdict(&solution),
                }
            }
            Err(faults) => Answer {
                text: as_json.then(|| as_line(&refusal(path, &faults))),
                complaints: faults
                    .iter()
                    .map(|fault| format!("{}: {fault}", path.display()))
                    .collect(),
                exit: Exit::Invalid,
            },
        }
    }

    /// Solves with the time taken kept beside.
    fn solve(&self, problem: &Problem) -> Solution {
        let settings = Settings {
            backend: self.backend.into(),
            relax: self.relax,
            ..Settings::default()
        };
        let watch = Stopwatch::start();
        let limit_ms = self.time_limit_ms.map(f64::from);
        let should_stop = || limit_ms.is_some_and(|limit| watch.elapsed_ms() >= limit);
        let built_ms = Cell::new(0.0);
        let mut on_phase = |phase| {
            if phase == Phase::Solve {
                built_ms.set(watch.elapsed_ms());
            }
        };
        let mut solution = solve_with_phases(problem, &settings, &should_stop, &mut on_phase);
        // Auditing and explaining count as solving: the two add up to the time taken.
        solution.build_ms = built_ms.get();
        solution.solve_ms = watch.elapsed_ms() - built_ms.get();
        solution
    }

    fn verdict(&self, solution: &Solution) -> Exit {
        if solution.audit.violations > 0 {
            Exit::CheckFailed
        } else if self.strict && is_at_risk(solution) {
            Exit::AtRisk
        } else {
            Exit::Done
        }
    }
}

/// Somebody stays short, or a circuit is over its limit by its base load alone.
fn is_at_risk(solution: &Solution) -> bool {
    const MILLIWATT_KW: f64 = 1e-6;
    let mut headrooms = solution
        .circuits
        .iter()
        .flat_map(|circuit| &circuit.headroom_kw);
    let mut sessions = solution.sessions.iter();
    sessions.any(|session| session.unmet_kwh > UNMET_KWH_SEEN)
        || headrooms.any(|headroom| *headroom < -MILLIWATT_KW)
}

/// The object that stands for the plan of an invalid problem.
fn refusal(path: &Path, faults: &[Fault]) -> serde_json::Value {
    json!({
        "schema_version": SCHEMA_VERSION,
        "status": "invalid",
        "title": "The problem is not valid.",
        "file": path.display().to_string(),
        "errors": faults,
    })
}

fn as_line(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        // Solutions hold strings, numbers and lists only.
        json!({ "status": "internal", "title": error.to_string() }).to_string()
    })
}
