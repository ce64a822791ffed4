//! `evenload doctor`: asks a running service about everything that must be right before limits are
//! sent; each failed row says what to change.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::exit::Exit;
use super::output;
use super::remote::{Ask, CallError, Column, Remote, part, table, text};

/// Arguments of `evenload doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    remote: Remote,
}

/// One thing that was looked at.
struct Row {
    name: String,
    ok: bool,
    detail: String,
}

impl Row {
    fn new(name: impl Into<String>, ok: bool, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ok,
            detail: detail.into(),
        }
    }
}

impl DoctorArgs {
    /// Looks at everything; exit 5 if something is wrong.
    pub fn run(&self) -> Exit {
        if self.remote.reads_stdin() {
            output::complain(
                "doctor makes several calls: give the token by a file or EVENLOAD_TOKEN",
            );
            return Exit::Usage;
        }
        match self.look() {
            Ok(rows) => {
                let ok = rows.iter().all(|row| row.ok);
                let checks: Vec<Value> = rows
                    .iter()
                    .map(|row| json!({"name": row.name, "ok": row.ok, "detail": row.detail}))
                    .collect();
                let answer = json!({ "ok": ok, "checks": checks });
                self.remote.show(&answer, |_| {
                    table(&[
                        Column::new("", &rows, |row| mark(row.ok).to_owned()),
                        Column::new("what", &rows, |row| row.name.clone()),
                        Column::new("found", &rows, |row| row.detail.clone()),
                    ])
                });
                if ok { Exit::Done } else { Exit::CheckFailed }
            }
            Err(error) => self.remote.report(&error),
        }
    }

    fn get(&self, path: &str) -> Result<Value, CallError> {
        self.remote.call(Ask::get(path))
    }

    fn look(&self) -> Result<Vec<Row>, CallError> {
        let sites = self.get("/sites")?;
        let names: Vec<String> = list(&sites["sites"])
            .iter()
            .map(|site| text(&site["site"]))
            .collect();
        let mut rows = vec![Row::new(
            "service",
            true,
            format!("answers, {} sites", names.len()),
        )];
        if names.is_empty() {
            rows.push(Row::new(
                "sites",
                false,
                "none: describe one, or import it from a partner",
            ));
        }
        for partner in list(&self.get("/partners")?["partners"]) {
            let name = text(&partner["name"]);
            let path = format!("/partners/{}/test", part(&name));
            let tested = self
                .remote
                .call(Ask::with(Method::POST, &path, json!({})))?;
            rows.push(partner_row(&name, &tested));
        }
        for name in names {
            self.look_at_site(&name, &mut rows)?;
        }
        Ok(rows)
    }

    fn look_at_site(&self, name: &str, rows: &mut Vec<Row>) -> Result<(), CallError> {
        let path = format!("/sites/{}", part(name));
        let mode = self.get(&format!("{path}/mode"))?;
        let hint = mode["hint"].as_str();
        rows.push(Row::new(
            format!("{name}: mode"),
            hint.is_none(),
            hint.map_or_else(|| text(&mode["effective_mode"]), str::to_owned),
        ));
        let bound = self.get(&format!("{path}/bound"))?;
        let over: Vec<String> = list(&bound["circuits"])
            .iter()
            .filter(|circuit| circuit["exceeded"] == json!(true))
            .map(|circuit| text(&circuit["circuit"]))
            .collect();
        rows.push(Row::new(
            format!("{name}: limits"),
            over.is_empty(),
            if over.is_empty() {
                "what may be drawn is within every limit".to_owned()
            } else {
                format!("more may be drawn than allowed at {}", over.join(", "))
            },
        ));
        for alert in list(&self.get(&format!("{path}/alerts"))?["alerts"]) {
            let detail = format!("{} {}", text(&alert["text"]), text(&alert["action"]));
            let is_grave = alert["severity"] == "critical";
            rows.push(Row::new(
                format!("{name}: {}", text(&alert["kind"])),
                !is_grave,
                detail,
            ));
        }
        Ok(())
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn mark(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAIL" }
}

fn partner_row(name: &str, tested: &Value) -> Row {
    let failed: Vec<String> = list(&tested["checks"])
        .iter()
        .filter(|row| row["ok"] == json!(false))
        .map(|row| format!("{}: {}", text(&row["name"]), text(&row["detail"])))
        .collect();
    let detail = if failed.is_empty() {
        format!("{} checks passed", list(&tested["checks"]).len())
    } else {
        failed.join("; ")
    };
    Row::new(format!("partner {name}"), failed.is_empty(), detail)
}
