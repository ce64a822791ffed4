//! The solver beside others, on the same problems in the same run.
//!
//! ```text
//! cargo run --release -p evenload-solver --example compare -- MODE [COUNT] [--python PYTHON]
//!   times       ours / scipy linprog / cvxpy, by size
//!   replan      a plan after one arrival / the plan from nothing
//!   fleet       1,000 sites of 20 sessions on all cores
//!   objective   least unmet and least cost on COUNT random problems of all features / linprog
//!   minimum     0-or-minimum power on COUNT problems each of 20 and 100 sessions / scipy milp
//!   audit       COUNT random problems of all features: violations found by the audit
//! ```
//!
//! Times are processor time of building and solving. What is not installed is said to be missing.
#![expect(clippy::print_stdout, reason = "an example that prints")]

mod instances;
mod peers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use evenload_solver::{Backend, Problem, Settings, Solution, UsedBackend, audit, solve};
use instances::{Kind, any, depot};

fn main() -> ExitCode {
    let mut mode = String::new();
    let mut count = None;
    let mut python = "python3".to_owned();
    let mut arguments = std::env::args().skip(1);
    while let Some(it) = arguments.next() {
        if it == "--python" {
            python = arguments.next().unwrap_or(python);
        } else if let Ok(number) = it.parse::<usize>() {
            count = Some(number);
        } else {
            mode = it;
        }
    }
    let is_fine = match mode.as_str() {
        "times" => times(count.unwrap_or(5000), &python),
        "replan" => replan(),
        "fleet" => fleet(count.unwrap_or(1000)),
        "objective" => objective(count.unwrap_or(200), &python),
        "minimum" => minimum(count.unwrap_or(30), &python),
        "audit" => audits(count.unwrap_or(5000)),
        other => {
            println!("unknown mode {other:?}: times, replan, fleet, objective, minimum or audit");
            false
        }
    };
    if is_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Processor time of this process, in ms; 0 where the system does not tell.
///
/// `/proc/self/schedstat` is brought up to date at each switch and tick only, so a yield comes
/// before.
fn cpu_ms() -> f64 {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let spent: Option<f64> = text.split(' ').next().and_then(|it| it.parse().ok());
    spent.unwrap_or_default() / 1e6
}

/// Mean processor time over enough runs to be told, and the last plan.
fn timed(problem: &Problem, settings: &Settings) -> (f64, Solution) {
    let mut last = solve(problem, settings, &|| false);
    let before = cpu_ms();
    let mut runs = 0.0;
    while runs < 2.0 || (cpu_ms() - before < 300.0 && runs < 2000.0) {
        last = solve(problem, settings, &|| false);
        runs += 1.0;
    }
    ((cpu_ms() - before) / runs, last)
}

fn relaxed(backend: Backend) -> Settings {
    Settings {
        backend,
        relax: true,
        ..Settings::default()
    }
}

/// Writes problems where the peers can read them.
fn write(name: &str, problems: &[Problem]) -> Vec<PathBuf> {
    let folder =
        std::env::temp_dir().join(format!("evenload-compare-{}-{name}", std::process::id()));
    if let Err(error) = std::fs::create_dir_all(&folder) {
        println!("{}: {error}", folder.display());
    }
    problems
        .iter()
        .enumerate()
        .map(|(index, problem)| {
            let path = folder.join(format!("{index}.json"));
            let text = serde_json::to_string(problem).unwrap_or_default();
            if let Err(error) = std::fs::write(&path, text) {
                println!("{}: {error}", path.display());
            }
            path
        })
        .collect()
}

fn remove(files: &[PathBuf]) {
    if let Some(folder) = files.first().and_then(|file| file.parent()) {
        drop(std::fs::remove_dir_all(folder));
    }
}

const SIZES: [(usize, usize); 6] = [
    (20, 96),
    (100, 96),
    (500, 96),
    (500, 288),
    (2000, 96),
    (5000, 96),
];

/// Beyond this modelling layers take minutes.
const CVXPY_SESSIONS_MAX: usize = 500;

fn times(most: usize, python: &str) -> bool {
    println!("CPU ms; ratio = ours, all in all / linprog's solving alone, its building left out");
    println!(
        "{:>9} {:22} {:>9} {:>9} {:>9} {:>6} {:>9} {:>9} {:>10}",
        "size", "kind", "ours", "linprog", "solving", "ratio", "cvxpy", "method", "steps/ms"
    );
    for (sessions, slots) in SIZES.into_iter().filter(|(sessions, _)| *sessions <= most) {
        for (name, demand_charge, phases, backend) in [
            ("plain", false, false, Backend::Auto),
            ("plain, program", false, false, Backend::Clarabel),
            ("demand charge", true, false, Backend::Auto),
            ("phases and demand", true, true, Backend::Auto),
            ("phases, demand, HiGHS", true, true, Backend::Highs),
            ("plain, HiGHS", false, false, Backend::Highs),
        ] {
            if !backend.is_built_in() {
                continue;
            }
            if (phases || backend == Backend::Clarabel) && sessions > 500 {
                continue;
            }
            let kind = Kind {
                phases,
                demand_charge,
                ..Kind::plain(sessions, slots)
            };
            let problem = depot(kind, 1);
            let (ours, plan) = timed(&problem, &relaxed(backend));
            let files = write("times", std::slice::from_ref(&problem));
            let linprog = peers::ask(python, "linprog", 600, &files);
            let cvxpy = if sessions <= CVXPY_SESSIONS_MAX && backend == Backend::Auto {
                peers::ask(python, "cvxpy", 600, &files)
            } else {
                vec![Err("left out".to_owned())]
            };
            remove(&files);
            let cell = |answers: &[Result<peers::Answer, String>]| match answers.first() {
                Some(Ok(answer)) => format!("{:.1}", answer.ms),
                _ => "-".to_owned(),
            };
            let ratio = match linprog.first() {
                Some(Ok(answer)) => format!("{:.3}", ours / answer.solve_ms),
                Some(Err(why)) => why.clone(),
                None => String::new(),
            };
            let solving = match linprog.first() {
                Some(Ok(answer)) => format!("{:.1}", answer.solve_ms),
                _ => "-".to_owned(),
            };
            println!(
                "{:>9} {name:22} {ours:9.2} {:>9} {solving:>9} {ratio:>6} {:>9} {:>9} {:>10.0}",
                format!("{sessions}x{slots}"),
                cell(&linprog),
                cell(&cvxpy),
                format!("{:?}", plan.backend),
                steps_per_ms(&plan, ours),
            );
        }
    }
    true
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn steps_per_ms(plan: &Solution, ms: f64) -> f64 {
    plan.work as f64 / ms
}

/// One car more than the plan before knew.
fn replan() -> bool {
    println!("CPU ms of a plan after one arrival; cold = the same problem without the plan before");
    for (sessions, slots) in [
        (20, 96),
        (100, 96),
        (500, 96),
        (500, 288),
        (2000, 96),
        (5000, 96),
    ] {
        for (name, minimum, tightness) in [("free", false, 0.35), ("minimum", true, 0.15)] {
            let kind = Kind {
                minimum,
                tightness,
                ..Kind::plain(sessions + 1, slots)
            };
            let full = depot(kind, 1);
            let mut before = full.clone();
            before.sessions.pop();
            let plan = solve(&before, &Settings::default(), &|| false);
            let mut again = full.clone();
            again.previous = plan
                .sessions
                .into_iter()
                .map(|it| (it.id, it.power_kw))
                .collect();
            let (cold_ms, cold) = timed(&full, &Settings::default());
            let (warm_ms, warm) = timed(&again, &Settings::default());
            println!(
                "{:>9} {name:8} cold {cold_ms:9.2}  again {warm_ms:9.2}  ratio {:.2}  work {:.3}  \
                 cost {:+.5} %  unmet {:.3} / {:.3}",
                format!("{sessions}x{slots}"),
                warm_ms / cold_ms,
                ratio(warm.work, cold.work),
                (warm.cost.total / cold.cost.total - 1.0) * 100.0,
                warm.unmet_kwh,
                cold.unmet_kwh,
            );
        }
    }
    true
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other.max(1) as f64
}

fn fleet(sites: usize) -> bool {
    let problems: Vec<Problem> = (0..sites)
        .map(|seed| {
            let kind = Kind {
                minimum: true,
                ..Kind::plain(20, 96)
            };
            depot(kind, u64::try_from(seed).unwrap_or_default())
        })
        .collect();
    let next = AtomicUsize::new(0);
    let busy = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    #[expect(
        clippy::disallowed_methods,
        reason = "wall time is what is asked for, and an example has no other clock"
    )]
    let start = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(problem) = problems.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let plan = solve(problem, &Settings::default(), &|| false);
                    busy.fetch_add(plan.work, Ordering::Relaxed);
                }
            });
        }
    });
    println!(
        "{sites} sites of 20 sessions and 96 slots on {cores} cores: {:.3} s ({} steps)",
        start.elapsed().as_secs_f64(),
        busy.into_inner()
    );
    true
}

fn weighted_unmet(problem: &Problem, plan: &Solution) -> f64 {
    let pairs = problem.sessions.iter().zip(&plan.sessions);
    pairs.map(|(it, plan)| it.priority * plan.unmet_kwh).sum()
}

fn objective(count: usize, python: &str) -> bool {
    let problems: Vec<Problem> = (0..count)
        .map(|seed| any(u64::try_from(seed).unwrap_or_default()))
        .collect();
    let files = write("objective", &problems);
    let answers = peers::ask(python, "linprog", 600, &files);
    remove(&files);
    let (mut compared, mut worst_cost, mut worst_unmet) = (0, 0.0_f64, 0.0_f64);
    let mut by_flow = 0;
    for (seed, (problem, answer)) in problems.iter().zip(answers).enumerate() {
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => {
                println!("{seed}: linprog missing: {why}");
                continue;
            }
        };
        let plan = solve(problem, &relaxed(Backend::Auto), &|| false);
        by_flow += usize::from(plan.backend == UsedBackend::Flow);
        // What the base load costs by itself is in both.
        // Powers are whole milliwatts, so energies of a session have a grain of some 0.001 Wh.
        let off = (weighted_unmet(problem, &plan) - answer.unmet).abs();
        let unmet = (off - 1e-5).max(0.0) / answer.unmet.max(1.0);
        let cost = (plan.cost.total - answer.cost) / answer.cost.abs().max(1.0);
        if unmet.abs() > 1e-6 || cost > 1e-6 {
            println!(
                "{seed}: {:?} unmet {unmet:.2e} cost {cost:+.2e} ({} sessions, {} batteries)",
                plan.backend,
                problem.sessions.len(),
                problem.batteries.len()
            );
        }
        worst_unmet = worst_unmet.max(unmet.abs());
        worst_cost = worst_cost.max(cost);
        compared += 1;
    }
    println!(
        "{compared} problems ({by_flow} by flow): unmet at most {worst_unmet:.1e} off, cost at most \
         {worst_cost:.1e} above linprog's"
    );
    compared == count && worst_cost <= 1e-6 && worst_unmet <= 1e-6
}

fn minimum(count: usize, python: &str) -> bool {
    let mut is_fine = true;
    for sessions in [20, 100] {
        let problems: Vec<Problem> = (0..count)
            .map(|seed| {
                let tightness = [0.35, 0.2, 0.12][seed % 3];
                let kind = Kind {
                    minimum: true,
                    tightness,
                    ..Kind::plain(sessions, 48)
                };
                depot(kind, 1000 + u64::try_from(seed).unwrap_or_default())
            })
            .collect();
        let files = write("minimum", &problems);
        let answers = peers::ask(python, "milp", 30, &files);
        remove(&files);
        let mut gaps = Vec::new();
        for (seed, (problem, answer)) in problems.iter().zip(answers).enumerate() {
            let plan = solve(problem, &Settings::default(), &|| false);
            let bound = plan.bound.map_or(plan.cost.total, |bound| bound.cost);
            let ours = plan.cost.total;
            match answer {
                Ok(answer) => {
                    // Unmet energy counted at 0.30 per kWh, so that one figure compares both.
                    let worth = |cost: f64, unmet: f64| cost + 0.30 * unmet;
                    let milp = worth(answer.cost, answer.unmet);
                    let gap = worth(ours, weighted_unmet(problem, &plan)) / milp - 1.0;
                    gaps.push(gap);
                    println!(
                        "{sessions:4} sessions, {seed:3}: ours {ours:.4} + {:.3} kWh unmet; milp {:.4} + \
                         {:.3} (to {:.0e}, {:.0} ms); {:+.3} %; above the relaxed bound {:+.3} %",
                        plan.unmet_kwh,
                        answer.cost,
                        answer.unmet,
                        answer.gap,
                        answer.ms,
                        gap * 100.0,
                        (ours / bound - 1.0) * 100.0
                    );
                }
                Err(why) => println!("{sessions:4} sessions, {seed:3}: milp missing: {why}"),
            }
        }
        gaps.sort_by(f64::total_cmp);
        let worst = gaps.last().copied().unwrap_or(f64::INFINITY);
        let median = gaps.get(gaps.len() / 2).copied().unwrap_or(f64::INFINITY);
        println!(
            "{sessions} sessions: {} compared, median {:+.3} %, worst {:+.3} %",
            gaps.len(),
            median * 100.0,
            worst * 100.0
        );
        is_fine &= worst <= 0.01;
    }
    is_fine
}

fn audits(count: usize) -> bool {
    let next = AtomicUsize::new(0);
    let (broken, fallbacks) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        break;
                    }
                    let problem = any(u64::try_from(seed).unwrap_or_default());
                    let plan = solve(&problem, &Settings::default(), &|| false);
                    let found = audit(&problem, &plan).violations;
                    if !found.is_empty() {
                        println!("{seed}: {}", found[0].detail);
                        broken.fetch_add(1, Ordering::Relaxed);
                    }
                    if plan.backend == UsedBackend::Proportional {
                        fallbacks.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let broken = broken.into_inner();
    println!(
        "{count} random problems: {broken} with violations, {} planned by shares alone",
        fallbacks.into_inner()
    );
    broken == 0
}
