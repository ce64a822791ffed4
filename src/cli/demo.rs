//! `evenload demo`: the whole circle against simulated chargers and a simulated partner.

use chrono::NaiveDate;
use clap::Args;

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
    /// How many hours of it
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=168))]
    pub hours: u32,
    /// Simulated seconds per second of yours; without it as fast as it goes with `--exit`, else 60
    #[arg(long, value_name = "X", value_parser = speed)]
    pub speed: Option<f64>,
    /// The port of the service; without it a free one
    #[arg(long, value_name = "P")]
    pub port: Option<u16>,
}

fn speed(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is not a number from 0.1 to 1000000");
    let speed: f64 = text.parse().map_err(|_| wrong())?;
    let allowed = (0.1..=1e6).contains(&speed);
    allowed.then_some(speed).ok_or_else(wrong)
}
