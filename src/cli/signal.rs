//! `evenload signal`: list, show, put, check, withdraw.

use std::fmt::Write as _;
use std::path::PathBuf;

use chrono::{DateTime, DurationRound as _, SecondsFormat, TimeDelta, Utc};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::exit::Exit;
use super::remote::{Ask, CallError, Column, Remote, part, read_json_file, table, text};
use crate::domain::ports::Clock as _;
use crate::service::clock::SystemClock;

/// Arguments of `evenload signal`.
#[derive(Debug, Args)]
pub struct SignalArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// What the outside says of a site
    List {
        /// The site
        site: String,
        /// Of one kind only, like `import_limit`
        #[arg(long)]
        kind: Option<String>,
        /// Where it stands
        #[arg(long, value_parser = ["scheduled", "live", "expired"])]
        state: Option<String>,
    },
    /// One signal with all its slots and how far it is
    Show {
        /// The site
        site: String,
        /// The signal's key
        key: String,
    },
    /// Set a signal; what was under its key is replaced
    Put {
        /// The site
        site: String,
        /// The signal's key, of the sender's choice
        key: String,
        #[command(flatten)]
        body: Body,
        /// Only say what it would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Say what setting it would change, and change nothing; ends with 6 if a vehicle would go short
    Check {
        /// The site
        site: String,
        /// The signal's key
        key: String,
        #[command(flatten)]
        body: Body,
    },
    /// Take a signal back
    Withdraw {
        /// The site
        site: String,
        /// The signal's key
        key: String,
    },
}

/// What a signal says: a file, or its parts.
#[derive(Debug, Args)]
struct Body {
    /// The whole of it as JSON, `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kind", "unit", "values", "start", "every", "priority", "wish"])]
    file: Option<PathBuf>,
    /// What it is, like `import_limit` or `import_price`
    #[arg(long, required_unless_present = "file")]
    kind: Option<String>,
    /// In which unit, like kW or EUR/kWh
    #[arg(long, required_unless_present = "file")]
    unit: Option<String>,
    /// Its values, one for each slot
    #[arg(
        long,
        value_name = "NUMBER,..",
        value_delimiter = ',',
        allow_negative_numbers = true,
        required_unless_present = "file"
    )]
    values: Vec<f64>,
    /// When the first slot begins [default: this minute]
    #[arg(long, value_name = "TIME")]
    start: Option<DateTime<Utc>>,
    /// How long a slot is
    #[arg(long, value_name = "DURATION", default_value = "PT15M")]
    every: String,
    /// The lower number wins
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// A wish, not a must
    #[arg(long)]
    wish: bool,
}

impl SignalArgs {
    /// Does it.
    pub fn run(&self) -> Exit {
        let remote = &self.remote;
        match &self.verb {
            Verb::List { site, kind, state } => {
                let wanted = [("kind", kind), ("state", state)];
                let given = wanted
                    .iter()
                    .filter_map(|(name, it)| Some((*name, it.as_deref()?)));
                let query: String = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(given)
                    .finish();
                let mark = if query.is_empty() { "" } else { "?" };
                let path = format!("/sites/{}/signals{mark}{query}", part(site));
                remote.run(Ask::get(&path), list)
            }
            Verb::Show { site, key } => remote.run(Ask::get(&path(site, key)), show),
            Verb::Put {
                site,
                key,
                body,
                dry_run,
            } => self.put(site, key, body, *dry_run, |_| Exit::Done),
            Verb::Check { site, key, body } => self.put(
                site,
                key,
                body,
                true,
                |answer| match answer["effect"]["vehicles_at_risk"].as_u64() {
                    None | Some(0) => Exit::Done,
                    Some(_) => Exit::AtRisk,
                },
            ),
            Verb::Withdraw { site, key } => remote.remove(&path(site, key), key),
        }
    }

    fn put(
        &self,
        site: &str,
        key: &str,
        body: &Body,
        dry: bool,
        ends: impl FnOnce(&Value) -> Exit,
    ) -> Exit {
        let path = path(site, key);
        let path = if dry {
            format!("{path}?dry_run=true")
        } else {
            path
        };
        let answer = body
            .read(&self.remote)
            .and_then(|body| self.remote.call(Ask::with(Method::PUT, &path, body)));
        match answer {
            Ok(answer) => {
                self.remote.show(&answer, accepted);
                ends(&answer)
            }
            Err(error) => self.remote.report(&error),
        }
    }
}

impl Body {
    fn read(&self, remote: &Remote) -> Result<Value, CallError> {
        if let Some(path) = &self.file {
            if path.as_os_str() == "-" && remote.reads_stdin() {
                let both = "standard input cannot be both the token and the signal";
                return Err(CallError::Setup(both.to_owned()));
            }
            return read_json_file(path);
        }
        let now = SystemClock.now();
        let start = self
            .start
            .unwrap_or_else(|| now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now));
        let mut body = json!({
            "kind": self.kind, "unit": self.unit, "values": self.values, "resolution": self.every,
            "start": start.to_rfc3339_opts(SecondsFormat::Secs, true),
        });
        if let Some(priority) = self.priority {
            body["priority"] = json!(priority);
        }
        if self.wish {
            body["hard"] = json!(false);
        }
        Ok(body)
    }
}

fn path(site: &str, key: &str) -> String {
    format!("/sites/{}/signals/{}", part(site), part(key))
}

fn column<'v>(head: &'static str, rows: &[&'v Value], field: &'static str) -> Column {
    Column::new(head, rows, |row: &&'v Value| text(&row[field]))
}

fn list(answer: &Value) -> String {
    let signals: Vec<&Value> = answer["signals"].as_array().into_iter().flatten().collect();
    if signals.is_empty() {
        return "nobody says anything".to_owned();
    }
    table(&[
        column("KEY", &signals, "key"),
        column("KIND", &signals, "kind"),
        column("STATE", &signals, "state"),
        column("STAGE", &signals, "stage"),
        Column::new("NOW", &signals, |signal| match &signal["value_now"] {
            Value::Null => "-".to_owned(),
            value => format!("{} {}", text(value), text(&signal["unit"])),
        }),
        column("FROM", &signals, "from"),
        column("UNTIL", &signals, "until"),
        column("PRIORITY", &signals, "priority"),
        column("SOURCE", &signals, "source"),
    ])
}

fn show(answer: &Value) -> String {
    let mut shown = String::new();
    for (head, value) in [
        ("key", &answer["key"]),
        ("kind", &answer["kind"]),
        ("circuit", &answer["circuit"]),
        ("source", &answer["source"]),
        ("revision", &answer["revision"]),
        ("priority", &answer["priority"]),
        ("hard", &answer["hard"]),
        ("state", &answer["state"]),
        ("stage", &answer["life"]["stage"]),
    ] {
        // Writing into a String cannot fail.
        let _ = writeln!(shown, "{head:10} {}", text(value));
    }
    let slots: Vec<&Value> = answer["slots"].as_array().into_iter().flatten().collect();
    let unit = text(&answer["unit"]);
    let _ = write!(
        shown,
        "\n{}",
        table(&[
            column("START", &slots, "start"),
            column("END", &slots, "end"),
            Column::new("VALUE", &slots, |slot| format!(
                "{} {unit}",
                text(&slot["value"])
            )),
        ])
    );
    shown
}

/// What was answered to a signal, or to the question what it would change.
fn accepted(answer: &Value) -> String {
    let effect = &answer["effect"];
    let mut shown = if effect.is_null() {
        format!(
            "{} is set: revision {}, {} slots, effective from {}",
            text(&answer["key"]),
            answer["revision"],
            answer["accepted_slots"],
            text(&answer["effective_from"])
        )
    } else {
        format!(
            "nothing was changed; it would shift up to {:.1} kW, move {:.1} kWh, and cost {:+.2} {} \
             more; vehicles: {} short, {} later",
            effect["shifted_kw"].as_f64().unwrap_or(0.0),
            effect["moved_kwh"].as_f64().unwrap_or(0.0),
            effect["cost_change"].as_f64().unwrap_or(0.0),
            text(&effect["currency"]),
            effect["vehicles_at_risk"],
            effect["vehicles_delayed"],
        )
    };
    for warning in answer["warnings"].as_array().into_iter().flatten() {
        let _ = write!(shown, "\nwarning: {}", text(warning));
    }
    shown
}
