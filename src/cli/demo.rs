//! `evenload demo`: the whole circle against simulated chargers and a simulated partner.

use chrono::NaiveDate;
use clap::Args;

use super::exit::Exit;
use super::output;
use crate::config::LogConfig;
use crate::domain::ports::Clock as _;
use crate::service::{StartError, telemetry};
use crate::sim::demo::{Demo, DemoError, DemoLine, DemoOptions, OwnService};

/// Arguments of `evenload demo`.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct DemoArgs {
    /// End with the closing table instead of staying up
    #[arg(long)]
    pub exit: bool,
    /// Print one JSON object as the last line
    #[arg(long)]
    pub json: bool,
    /// The recorded day to replay, e.g. 2019-05-14
    #[arg(long, value_name = "D")]
    pub day: Option<NaiveDate>,
    /// How many hours of it; without it until the last car has left
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=168))]
    pub hours: Option<u32>,
    /// Simulated seconds per second of yours; without it as fast as it goes with `--exit`, else 60
    #[arg(long, value_name = "X", value_parser = speed)]
    pub speed: Option<f64>,
    /// The port of the service; without it a free one
    #[arg(long, value_name = "P")]
    pub port: Option<u16>,
    /// Print every message, also without `--exit`: else a line an hour and what is notable
    #[arg(long, short)]
    pub verbose: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is not a number from 0.1 to 1000000");
    let speed: f64 = text.parse().map_err(|_| wrong())?;
    let allowed = (0.1..=1e6).contains(&speed);
    allowed.then_some(speed).ok_or_else(wrong)
}

/// Virtual seconds per real second while people watch.
const WATCHING_SPEED: f64 = 60.0;
/// Hours of the morning that are skipped for them: by seven most cars have come.
const WATCHING_RUSH_H: u32 = 2;

impl DemoArgs {
    /// Plays the day.
    pub fn run(&self) -> Exit {
        telemetry::start_log(&LogConfig {
            level: crate::config::LogLevel::Warn,
            ..LogConfig::default()
        });
        let options = DemoOptions {
            day: self.day,
            hours: self.hours,
            speed: self
                .speed
                .unwrap_or(if self.exit { 0.0 } else { WATCHING_SPEED }),
            rush_h: if self.exit || self.speed.is_some() {
                0
            } else {
                WATCHING_RUSH_H
            },
            ..DemoOptions::default()
        };
        match super::runtime() {
            Ok(runtime) => runtime.block_on(self.play(options)),
            Err(error) => {
                output::complain(&format!("the runtime did not start: {error}"));
                Exit::Internal
            }
        }
    }

    async fn play(&self, options: DemoOptions) -> Exit {
        let demo = match Demo::new(options) {
            Ok(demo) => demo,
            Err(error) => {
                output::complain(&error.to_string());
                return match error {
                    DemoError::EmptyDay(..) | DemoError::NoDay(_) => Exit::Invalid,
                    _ => Exit::Internal,
                };
            }
        };
        let service = match OwnService::start(demo.clock(), self.port.unwrap_or(0)).await {
            Ok(service) => service,
            Err(error) => {
                output::complain(&format!("the demo's service did not start: {error}"));
                return match error {
                    StartError::Listen { .. } => Exit::Invalid,
                    _ => Exit::Internal,
                };
            }
        };
        let link = service.running().sign_in_link();
        output::line(&format!("watch it at {link} (signs in once)"));
        let in_full = self.exit || self.verbose;
        let played = demo
            .run(&service, |line| {
                if in_full || !matches!(line, DemoLine::Event(_)) {
                    output::line(&line.to_string());
                }
            })
            .await;
        let exit = match played {
            Ok(report) => {
                for remark in report.remarks() {
                    output::line(&format!("note: {remark}"));
                }
                let broken = report.broken_promises();
                for broken in &broken {
                    output::complain(&format!("a promise was not kept: {broken}"));
                }
                if self.json {
                    output::object(&report);
                }
                if broken.is_empty() {
                    Exit::Done
                } else {
                    Exit::CheckFailed
                }
            }
            Err(error) => {
                output::complain(&format!("the demo stopped: {error}"));
                Exit::Internal
            }
        };
        if !self.exit && exit != Exit::Internal {
            output::line(&format!(
                "the day is over; the dashboard stays up until you press Ctrl-C: {link}"
            ));
            let clock = demo.clock();
            let mut second = tokio::time::interval(std::time::Duration::from_secs(1));
            let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
            // Time goes on at its usual pace. Whatever ends the wait ends the demo.
            loop {
                tokio::select! {
                    _ = &mut interrupt => break,
                    _ = second.tick() => {
                        clock.advance_to(clock.now() + chrono::TimeDelta::seconds(1));
                    }
                }
            }
        }
        service.stop().await;
        exit
    }
}
