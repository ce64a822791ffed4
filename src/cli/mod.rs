//! The command line: one file per subcommand, and the exit codes they share.
//!
//! `--json` prints one object; tables are for terminals. Diagnostics go to standard error.

pub mod backtest;
pub mod backup;
mod batch;
pub mod check;
pub mod completions;
mod data_folder;
pub mod demo;
pub mod doctor;
pub mod exit;
pub mod health;
pub mod init;
pub mod licenses;
pub mod man;
pub mod openapi;
mod output;
pub mod partner;
pub mod plan;
mod remote;
pub mod report;
pub mod restore;
pub mod serve;
pub mod signal;
pub mod simulate;
pub mod site;
pub mod station;
pub mod store;
pub mod token;
pub mod version;

use clap::{Parser, Subcommand};

use exit::Exit;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "evenload",
    version,
    about = "Smart charging that any charging network can plug in, and any depot can run alone",
    after_help = "Exit codes: 0 done, 1 internal, 2 usage, 3 invalid configuration or input, \
                  4 not reachable, 5 a check failed, 6 at risk (plan --strict)"
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve(serve::ServeArgs),
    /// Play a recorded day: a simulated CPO over real OCPI, nothing to configure
    Demo(demo::DemoArgs),
    /// Plan one or more problem files: no service, no store
    Plan(plan::PlanArgs),
    /// Replay recorded sessions and prices: what would it have been worth?
    Backtest(backtest::BacktestArgs),
    /// Hunt for the seed that breaks a limit: simulated sites with every fault
    Simulate(simulate::SimulateArgs),
    /// Five questions, then a first site and a first person
    Init(init::InitArgs),
    /// Check the configuration and show what is in effect
    Check(check::CheckArgs),
    /// Ask a running service whether it is ready
    Health(health::HealthArgs),
    /// The platforms we speak OCPI with: add, invite, list, show, test, rotate, remove
    Partner(partner::PartnerArgs),
    /// The sites: list, show, set, mode, import from a partner's locations
    Site(site::SiteArgs),
    /// What grid and market say of a site: list, show, put, check, withdraw
    Signal(signal::SignalArgs),
    /// The chargers that connect to us: list, show, approve, command, messages
    Station(station::StationArgs),
    /// Look at everything that must be right before limits are sent
    Doctor(doctor::DoctorArgs),
    /// Look into the store of a stopped service: verify
    Store(store::StoreArgs),
    /// Everything that is kept, in one file; of a stopped or of a running service
    Backup(backup::BackupArgs),
    /// Make the store anew from a backup or a snapshot
    Restore(restore::RestoreArgs),
    /// Tokens for programs: create, list, revoke
    Token(token::TokenArgs),
    /// Print the description of the REST API for machines
    Openapi(openapi::OpenApiArgs),
    /// Print a script that lets a shell complete our commands
    Completions(completions::CompletionsArgs),
    /// What charging cost against a baseline, how high it went, who left served
    Report(report::ReportArgs),
    /// Print a page of the manual
    Man(man::ManArgs),
    /// What this binary is made of, and under which terms
    Licenses(licenses::LicensesArgs),
    /// Say what this binary is
    Version(version::VersionArgs),
}

/// Runs the command line of this process.
pub fn run() -> Exit {
    crate::store::sled_store::hush_panics();
    match CommandLine::try_parse() {
        Ok(line) => match line.command {
            Command::Serve(args) => args.run(),
            Command::Demo(args) => args.run(),
            Command::Plan(args) => args.run(),
            Command::Backtest(args) => args.run(),
            Command::Simulate(args) => args.run(),
            Command::Init(args) => args.run(),
            Command::Check(args) => args.run(),
            Command::Health(args) => args.run(),
            Command::Partner(args) => args.run(),
            Command::Site(args) => args.run(),
            Command::Signal(args) => args.run(),
            Command::Station(args) => args.run(),
            Command::Doctor(args) => args.run(),
            Command::Store(args) => args.run(),
            Command::Backup(args) => args.run(),
            Command::Restore(args) => args.run(),
            Command::Token(args) => args.run(),
            Command::Openapi(args) => args.run(),
            Command::Completions(args) => args.run(),
            Command::Report(args) => args.run(),
            Command::Man(args) => args.run(),
            Command::Licenses(args) => args.run(),
            Command::Version(args) => args.run(),
        },
        // Help and version come this way too, for standard output.
        Err(error) => {
            let shown = error.print();
            if error.exit_code() == 0 && shown.is_ok() {
                Exit::Done
            } else {
                Exit::Usage
            }
        }
    }
}

/// The runtime of the commands that need one.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}
