//! `evenload backtest`: recorded sessions through the real circle in virtual time, beside what a
//! site does without a plan and beside the plan of one who knows everything.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::exit::Exit;
use super::{batch, output};
use crate::domain::policy::Policy;
use crate::domain::quantity::Power;
use crate::service::clock::Stopwatch;
use crate::sim::backtest::{
    Backtest, InputFault, Knowledge, MethodReport, Options, Report, read_prices, read_sessions,
};

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Progress is told at least this often, in sessions played.
const PROGRESS_SESSIONS: usize = 500;

/// Arguments of `evenload backtest`.
#[derive(Debug, Args)]
#[command(
    after_help = "SESSIONS.csv: columns arrival, departure (RFC 3339), energy_kwh (what the car \
                  took), optional requested_kwh, estimated_departure, evse. PRICES.csv: start, \
                  price_per_kwh; the next day's prices are known from 13:00 local time. An invalid \
                  file ends with exit code 3 and each fault's file, line and column."
)]
pub struct BacktestArgs {
    /// Recorded sessions
    #[arg(value_name = "SESSIONS.csv")]
    sessions: PathBuf,
    /// Recorded prices
    #[arg(long, value_name = "PRICES.csv")]
    prices: PathBuf,
    /// Highest power of the site
    #[arg(long, value_name = "N", value_parser = positive)]
    limit_kw: f64,
    /// Highest power of each EVSE
    #[arg(long, value_name = "N", default_value = "11", value_parser = positive)]
    evse_kw: f64,
    /// Least power at which an EVSE charges; 6 A of one phase at 230 V are 1.38
    #[arg(long, value_name = "N", default_value = "0", value_parser = at_least_zero)]
    min_kw: f64,
    /// Time zone in which days begin and prices become known
    #[arg(long, value_name = "Z", default_value = "Europe/Amsterdam", value_parser = time_zone)]
    time_zone: Tz,
    /// What is told of a session when it begins
    #[arg(long, value_enum, default_value_t = Told::Perfect)]
    knowledge: Told,
    /// First day that is replayed; sessions before it are history only
    #[arg(long, value_name = "D")]
    from: Option<NaiveDate>,
    /// Last day that is replayed
    #[arg(long, value_name = "D")]
    to: Option<NaiveDate>,
    /// Let cars take less and less over the last fifth of their energy
    #[arg(long)]
    taper: bool,
    /// Change a setting of the planner, as in a policy of the API
    #[arg(long = "policy", value_name = "KEY=VALUE")]
    policy: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// See [`Knowledge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Told {
    /// True departure and energy at arrival
    Perfect,
    /// What the driver stated; the rest is learned
    Estimated,
    /// Nothing: all is learned from history
    None,
}

impl From<Told> for Knowledge {
    fn from(told: Told) -> Self {
        match told {
            Told::Perfect => Self::Perfect,
            Told::Estimated => Self::Estimated,
            Told::None => Self::None,
        }
    }
}

fn number(text: &str, least: f64) -> Result<f64, String> {
    const HIGHEST_KW: f64 = 1e6;
    let wrong = || format!("{text:?} is not a number from {least} to {HIGHEST_KW}");
    let number: f64 = text.parse().map_err(|_| wrong())?;
    (least..=HIGHEST_KW)
        .contains(&number)
        .then_some(number)
        .ok_or_else(wrong)
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, 0.1)
}

fn at_least_zero(text: &str) -> Result<f64, String> {
    number(text, 0.0)
}

fn time_zone(text: &str) -> Result<Tz, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no time zone such as Europe/Amsterdam"))
}

/// A file that cannot be used, and why.
struct Refusal {
    file: String,
    faults: Vec<InputFault>,
}

impl BacktestArgs {
    /// Replays.
    pub fn run(&self) -> Exit {
        let policy = match policy(&self.policy) {
            Ok(policy) => policy,
            Err(wrong) => {
                output::complain(&wrong);
                return Exit::Usage;
            }
        };
        if self.min_kw > self.evse_kw {
            output::complain("--min-kw is above --evse-kw");
            return Exit::Usage;
        }
        match self.backtest(policy) {
            Ok(backtest) => {
                let report = play(&backtest);
                self.tell(&report);
                if report.methods.evenload.self_caused > 0 {
                    Exit::CheckFailed
                } else {
                    Exit::Done
                }
            }
            Err(refusal) => {
                for fault in &refusal.faults {
                    output::complain(&format!("{}: {fault}", refusal.file));
                }
                if self.json {
                    output::object(&in_json(&refusal));
                }
                Exit::Invalid
            }
        }
    }

    fn backtest(&self, policy: Policy) -> Result<Backtest, Refusal> {
        let sessions = read(&self.sessions, read_sessions)?;
        let prices = read(&self.prices, read_prices)?;
        let options = Options {
            limit: Power::from_kilowatts(self.limit_kw),
            evse_max: Power::from_kilowatts(self.evse_kw),
            evse_min: Power::from_kilowatts(self.min_kw),
            time_zone: self.time_zone,
            knowledge: self.knowledge.into(),
            from: self.from,
            to: self.to,
            taper: self.taper,
            policy,
        };
        Backtest::new(sessions, prices, options).map_err(|fault| Refusal {
            file: self.sessions.display().to_string(),
            faults: vec![fault],
        })
    }

    fn tell(&self, report: &Report) {
        if self.json || !output::is_terminal() {
            output::object(report);
        } else {
            table(report);
        }
    }
}

/// The default settings with some of them changed.
fn policy(changes: &[String]) -> Result<Policy, String> {
    let mut policy = json!(Policy::default());
    for change in changes {
        let (key, value) = change
            .split_once('=')
            .ok_or_else(|| format!("--policy {change:?} is no KEY=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        policy[key] = value;
    }
    serde_json::from_value(policy).map_err(|error| format!("--policy: {error}"))
}

fn read<T>(path: &Path, parse: fn(&str) -> Result<T, Vec<InputFault>>) -> Result<T, Refusal> {
    let refusal = |faults| Refusal {
        file: path.display().to_string(),
        faults,
    };
    let whole = |detail: String| {
        refusal(vec![InputFault {
            line: None,
            column: None,
            detail,
        }])
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| whole(format!("cannot be read: {error}")))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(whole(format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    parse(&text).map_err(refusal)
}

/// Plays all parts on all cores, and says on standard error how far it is.
fn play(backtest: &Backtest) -> Report {
    let watch = Stopwatch::start();
    let jobs = backtest.jobs();
    let all = backtest.sessions();
    let (played, told) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut outcomes = Vec::new();
    let work = |job: &_| {
        let outcomes = backtest.play(job);
        let done = played.fetch_add(backtest.weight(job), Ordering::Relaxed) + backtest.weight(job);
        let due = told.load(Ordering::Relaxed) + PROGRESS_SESSIONS;
        if done >= due || done == all && backtest.weight(job) > 0 {
            told.store(done, Ordering::Relaxed);
            let seconds = watch.elapsed().as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
            let rate = done as f64 / seconds.max(1e-3);
            output::progress(&format!(
                "{done} of {all} sessions played in {seconds:.0} s, {rate:.1} a second"
            ));
        }
        outcomes
    };
    batch::in_order(&jobs, work, |parts| outcomes.extend(parts));
    backtest.report(outcomes)
}

fn table(report: &Report) {
    output::line(&format!(
        "{} days, {} sessions, {} kW, knowledge {:?}; {} sessions of history",
        report.days, report.sessions, report.limit_kw, report.knowledge, report.history_sessions
    ));
    output::line(
        "                   cost  undelivered      worth    peak      ready  over   pushes",
    );
    let methods = &report.methods;
    for (name, method) in [
        ("unmanaged", &methods.unmanaged),
        ("first come", &methods.first_come),
        ("equal share", &methods.equal_share),
        ("evenload", &methods.evenload),
        ("clairvoyant", &methods.clairvoyant),
    ] {
        output::line(&row(name, method));
    }
    let closed = report
        .gap_closed_percent
        .map_or_else(|| "no gap to close".to_owned(), |it| format!("{it:.1} %"));
    output::line(&format!(
        "of the gap between equal share and clairvoyant, evenload closes: {closed}; {} pushes per \
         session",
        report.pushes_per_session
    ));
}

fn row(name: &str, it: &MethodReport) -> String {
    format!(
        "{name:<12} {:>10.2} {:>8.1} kWh {:>10.2} {:>7.1} {:>5}/{:<5} {:>4} {:>8}",
        it.cost,
        it.undelivered_kwh,
        it.worth,
        it.peak_kw,
        it.ready_on_time,
        it.vehicles,
        it.limit_violations,
        it.profile_pushes
    )
}

fn in_json(refusal: &Refusal) -> serde_json::Value {
    let faults = refusal
        .faults
        .iter()
        .map(|fault| json!({ "line": fault.line, "column": fault.column, "detail": fault.detail }));
    json!({
        "status": "invalid",
        "file": refusal.file,
        "errors": faults.collect::<Vec<_>>(),
    })
}
