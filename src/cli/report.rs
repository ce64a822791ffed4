//! `evenload report`: what charging cost against a named baseline, from a running service; and the
//! sessions behind it, as `backtest` reads them.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::exit::Exit;
use super::output;
use super::remote::{Ask, Column, Remote, table, text};

/// Arguments of `evenload report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    remote: Remote,
    /// The site
    site: String,
    /// From when, e.g. 2026-11-01T00:00:00Z [default: two days ago]
    #[arg(long, value_name = "TIME")]
    from: Option<DateTime<Utc>>,
    /// Until when [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<DateTime<Utc>>,
    /// Against what
    #[arg(long, value_enum, default_value = "unmanaged")]
    baseline: Baseline,
    /// The sessions as CSV instead, as `evenload backtest` reads them
    #[arg(long, group = "table")]
    sessions: bool,
    /// A record of each session that ended, as CSV instead; with --json all of each, its periods too
    #[arg(long, group = "table")]
    records: bool,
    /// The energy registers of the sessions, as CSV instead
    #[arg(long, group = "table")]
    meter_values: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Baseline {
    /// Every session at once and at full power
    Unmanaged,
}

/// Columns of the sessions: in the answer, in the file.
const SESSION_COLUMNS: [(&str, &str); 7] = [
    ("started_at", "arrival"),
    ("ended_at", "departure"),
    ("energy_kwh", "energy_kwh"),
    ("wanted_kwh", "requested_kwh"),
    ("departure", "estimated_departure"),
    ("evse", "evse"),
    ("fastest_kw", "fastest_kw"),
];

impl ReportArgs {
    /// Asks for it and shows it.
    pub fn run(&self) -> Exit {
        let mut query = Serializer::new(String::new());
        query.append_pair("site", &self.site);
        for (name, at) in [("from", self.from), ("to", self.to)] {
            if let Some(at) = at {
                query.append_pair(name, &at.to_rfc3339());
            }
        }
        if self.sessions {
            let path = format!("/reports/sessions?{}", query.finish());
            return match self.remote.call(Ask::get(&path)) {
                Ok(answer) => sessions_as_csv(&answer),
                Err(error) => self.remote.report(&error),
            };
        }
        for (wanted, name) in [
            (self.records, "records"),
            (self.meter_values, "meter-values"),
        ] {
            if wanted {
                return self.export(name, query);
            }
        }
        let Baseline::Unmanaged = self.baseline;
        query.append_pair("baseline", "unmanaged");
        let path = format!("/reports/savings?{}", query.finish());
        self.remote.run(Ask::get(&path), shown)
    }
}

impl ReportArgs {
    /// A table as the service makes it, or with `--json` its object.
    fn export(&self, name: &str, mut query: Serializer<'_, String>) -> Exit {
        let format = if self.remote.wants_json() {
            "json"
        } else {
            "csv"
        };
        query.append_pair("format", format);
        let path = format!("/reports/{name}?{}", query.finish());
        match self.remote.bytes(&path) {
            Ok(table) => {
                output::line(String::from_utf8_lossy(&table).trim_end());
                Exit::Done
            }
            Err(error) => self.remote.report(&error),
        }
    }
}

fn sessions_as_csv(answer: &Value) -> Exit {
    let mut file = csv::Writer::from_writer(Vec::new());
    let heads = SESSION_COLUMNS.map(|(_, head)| head);
    let rows = answer["sessions"].as_array().map_or(&[][..], Vec::as_slice);
    let written = file.write_record(heads).and_then(|()| {
        rows.iter().try_for_each(|row| {
            file.write_record(SESSION_COLUMNS.map(|(name, _)| match &row[name] {
                Value::Null => String::new(),
                other => text(other),
            }))
        })
    });
    match (written, file.into_inner()) {
        (Ok(()), Ok(bytes)) => {
            output::line(String::from_utf8_lossy(&bytes).trim_end());
            Exit::Done
        }
        _ => Exit::Internal,
    }
}

fn shown(report: &Value) -> String {
    let rows: Vec<(&str, &Value)> = [
        ("evenload, measured", &report["actual"]),
        ("unmanaged, computed", &report["baseline"]["figures"]),
        ("in hindsight, computed", &report["hindsight"]["figures"]),
    ]
    .into_iter()
    .filter(|(_, side)| side.is_object())
    .collect();
    let number = |value: &Value, digits: usize| {
        value
            .as_f64()
            .map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
    };
    let currency = text(&report["currency"]);
    let figures = table(&[
        Column::new("method", &rows, |(name, _)| (*name).to_owned()),
        Column::new("kWh", &rows, |(_, side)| number(&side["energy_kwh"], 1)),
        Column::new("cost", &rows, |(_, side)| {
            format!("{} {currency}", number(&side["cost"], 2))
        }),
        Column::new("peak kW", &rows, |(_, side)| {
            number(&side["peak_15min_kw"], 1)
        }),
        Column::new("min over limit", &rows, |(_, side)| {
            text(&side["minutes_over_limit"])
        }),
    ]);
    let sessions = &report["sessions"];
    let saving = if report["saving"].is_null() {
        "no price or no charging in this span".into()
    } else {
        format!("{} {currency} saved", number(&report["saving"], 2))
    };
    format!(
        "{} to {}\n{figures}\n{saving}; {} of {} left with what they wanted; \
         {} limits broken by a command of ours\n{}",
        text(&report["from"]),
        text(&report["to"]),
        text(&sessions["served"]),
        text(&sessions["left_with_known_need"]),
        text(&report["self_caused"]),
        text(&report["method"]),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::shown;

    #[test]
    fn the_report_names_its_methods_and_how_they_are_made() {
        let side = json!({"energy_kwh": 10.0, "cost": 2.5, "peak_15min_kw": 7.0,
            "minutes_over_limit": 0});
        let text = shown(&json!({
            "from": "2026-11-01T00:00:00Z", "to": null, "currency": "EUR", "saving": 1.25,
            "actual": side, "baseline": {"name": "unmanaged", "figures": side},
            "sessions": {"served": 3, "left_with_known_need": 4}, "self_caused": 0,
            "method": "Actual: as measured.",
        }));
        assert!(
            text.contains("unmanaged, computed  10.0  2.50 EUR"),
            "{text}"
        );
        assert!(text.contains("1.25 EUR saved; 3 of 4 left"), "{text}");
        assert!(text.ends_with("Actual: as measured."), "{text}");
    }
}
