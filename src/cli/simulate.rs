//! `evenload simulate`: many small sites in virtual time in which everything goes wrong that can,
//! judged by what really holds. The same seed gives the same bytes.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;

use super::exit::Exit;
use super::{batch, output};
use crate::service::clock::Stopwatch;
use crate::sim::hunt::{Scenario, SiteReport, Totals, play, seed_of, shrink};

/// Largest scenario that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Sites handed out at a time, so that a run of millions needs no memory for its list.
const SITES_AT_A_TIME: u32 = 10_000;

/// Arguments of `evenload simulate`.
#[derive(Debug, Args)]
#[command(
    after_help = "SCENARIO.toml: examples/simulate/hunt.toml is one, with every kind of fault. Exit \
                  code 5: a command of ours broke a limit, or what was believed was not true; the \
                  failing seed and the shortest way to it are printed. `--site-seed` plays that \
                  one site again, or several of them."
)]
pub struct SimulateArgs {
    /// What is simulated
    #[arg(value_name = "SCENARIO.toml")]
    scenario: PathBuf,
    /// What chance draws from, instead of the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many sites, instead of the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    sites: Option<u32>,
    /// How many days each, instead of the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_660))]
    days: Option<u32>,
    /// Play only the site of this seed, and tell what happened there at the end; may be given
    /// several times
    #[arg(long, value_name = "N", conflicts_with_all = ["seed", "sites"])]
    site_seed: Vec<u64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl SimulateArgs {
    /// Plays.
    pub fn run(&self) -> Exit {
        let scenario = match self.read() {
            Ok(scenario) => scenario,
            Err(why) => {
                output::complain(&format!("{}: {why}", self.scenario.display()));
                return Exit::Invalid;
            }
        };
        let scenario = if self.site_seed.is_empty() {
            scenario
        } else {
            let sites = u32::try_from(self.site_seed.len()).unwrap_or(u32::MAX);
            Scenario { sites, ..scenario }
        };
        let totals = play_all(&scenario, &self.site_seed);
        self.tell(&scenario, &totals);
        if let Some((seed, _)) = totals.failing.first() {
            explain(&scenario, *seed);
        }
        if totals.violations() > 0 {
            Exit::CheckFailed
        } else {
            Exit::Done
        }
    }

    fn read(&self) -> Result<Scenario, String> {
        let size = fs::metadata(&self.scenario).map_err(|error| error.to_string())?;
        if size.len() > FILE_BYTES_MAX {
            return Err(format!("is larger than {FILE_BYTES_MAX} bytes"));
        }
        let text = fs::read_to_string(&self.scenario).map_err(|error| error.to_string())?;
        let mut scenario = Scenario::read(&text).map_err(|fault| fault.to_string())?;
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        scenario.sites = self.sites.unwrap_or(scenario.sites);
        scenario.days = self.days.unwrap_or(scenario.days);
        Ok(scenario)
    }

    fn tell(&self, scenario: &Scenario, totals: &Totals) {
        let mut object = totals.json();
        object["scenario"] = scenario.name.clone().into();
        object["seed"] = scenario.seed.into();
        object["days"] = scenario.days.into();
        if self.json || !output::is_terminal() {
            output::object(&object);
        } else {
            table(scenario, totals, &object);
        }
    }
}

/// Plays the named sites, or else all, on all cores, and says on standard error how far it is.
fn play_all(scenario: &Scenario, named: &[u64]) -> Totals {
    let watch = Stopwatch::start();
    let bar = std::io::stderr().is_terminal();
    let played = AtomicU64::new(0);
    let mut totals = Totals::default();
    let mut first = 0;
    while first < scenario.sites {
        let last = scenario.sites.min(first.saturating_add(SITES_AT_A_TIME));
        let of = |index: u32| usize::try_from(index).ok().and_then(|it| named.get(it));
        let seeds: Vec<u64> = (first..last)
            .map(|it| {
                of(it)
                    .copied()
                    .unwrap_or_else(|| seed_of(scenario.seed, it))
            })
            .collect();
        let work = |seed: &u64| -> SiteReport {
            let report = play(scenario, *seed);
            let done = played.fetch_add(1, Ordering::Relaxed) + 1;
            if bar {
                show(done, scenario, watch.elapsed().as_secs_f64());
            }
            report
        };
        batch::in_order(&seeds, work, |report| totals.add(report));
        first = last;
    }
    let days = f64::from(scenario.sites) * f64::from(scenario.days);
    let seconds = watch.elapsed().as_secs_f64();
    if bar {
        // The bar ends here, if anybody still looks at it.
        let _ = writeln!(std::io::stderr());
    }
    output::progress(&format!(
        "{days:.0} site-days in {seconds:.1} s, {:.1} a second",
        days / seconds.max(1e-3)
    ));
    totals
}

/// Draws the bar anew.
fn show(done: u64, scenario: &Scenario, seconds: f64) {
    const WIDTH: u64 = 30;
    let all = u64::from(scenario.sites);
    let filled = usize::try_from(done * WIDTH / all.max(1)).unwrap_or(0);
    let empty = usize::try_from(WIDTH).unwrap_or(0).saturating_sub(filled);
    let text = format!(
        "\r{}{} {done} of {all} sites, {seconds:.0} s ",
        "#".repeat(filled),
        ".".repeat(empty)
    );
    // A bar that nobody can see is no loss.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Tells how a site comes to fail, as short as it goes.
fn explain(scenario: &Scenario, seed: u64) {
    let small = shrink(scenario, seed);
    output::progress(&format!(
        "site seed {seed} fails in {} days with: {}",
        small.days,
        small.kinds.join(", ")
    ));
    for violation in &small.report.told {
        output::progress(&format!(
            "{} {}: {}",
            violation.at, violation.question, violation.what
        ));
    }
    for line in &small.trace {
        output::progress(line);
    }
}

fn table(scenario: &Scenario, totals: &Totals, object: &serde_json::Value) {
    output::line(&format!(
        "{}: {} sites, {} days each, seed {}",
        scenario.name, totals.sites, scenario.days, scenario.seed
    ));
    output::line(&format!("self-caused violations: {}", totals.violations()));
    output::line(
        "excursions         in the way      count    p99 s    max s  known: p50 s    p99 s    max s",
    );
    for row in totals.rows() {
        output::line(&format!(
            "{:<18} {:<12} {:>8} {:>8.1} {:>8.1} {:>13.1} {:>8.1} {:>8.1}",
            format!("{:?}", row.cause),
            format!("{:?}", row.hindrance),
            row.count,
            row.p99_s,
            row.max_s,
            row.known_p50_s,
            row.known_p99_s,
            row.known_max_s
        ));
    }
    let vehicles = &object["vehicles"];
    output::line(&format!(
        "vehicles: {} left, {} ready; {} that a fair share surely served, {} of them ready",
        vehicles["left"], vehicles["ready"], vehicles["reachable"], vehicles["reachable_ready"]
    ));
    output::line(&format!(
        "not ready because: {}",
        vehicles["not_ready_because"]
    ));
    output::line(&format!(
        "energy {} kWh, cost {:.2}; {} commands, {} plans, {} events",
        object["energy_kwh"],
        object["cost"].as_f64().unwrap_or(0.0),
        object["commands"],
        object["plans"],
        object["events"]
    ));
}
