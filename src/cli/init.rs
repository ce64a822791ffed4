//! `evenload init`: five questions, then a first site and a first person, and a configuration file.
//!
//! The answers come from the terminal or, line by line, from standard input. Nothing is written
//! before all of them are understood.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::exit::Exit;
use super::output;
use crate::config::{Config, Secret};
use crate::service::vault::new_token;
use crate::service::{self, Base};

/// Arguments of `evenload init`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct InitArgs {
    /// The configuration file to write
    #[arg(long, value_name = "FILE", default_value = "evenload.toml")]
    config: PathBuf,
    /// The folder that keeps what must survive
    #[arg(long, value_name = "DIR", default_value = "evenload-data")]
    data: PathBuf,
}

/// What was answered.
struct Answers {
    site: String,
    time_zone: chrono_tz::Tz,
    limit_kw: f64,
    price: Option<f64>,
    password: Secret,
}

impl InitArgs {
    /// Asks, then sets up.
    pub fn run(&self) -> Exit {
        if self.config.exists() || self.data.exists() {
            let there = if self.config.exists() {
                &self.config
            } else {
                &self.data
            };
            output::complain(&format!(
                "{} is there already: init is for a first start",
                there.display()
            ));
            return Exit::Invalid;
        }
        let answers = match ask_all() {
            Ok(answers) => answers,
            Err(fault) => {
                output::complain(&fault);
                return Exit::Invalid;
            }
        };
        let done = super::runtime()
            .map_err(|error| error.to_string())
            .and_then(|runtime| runtime.block_on(self.set_up(&answers)))
            .and_then(|()| self.write_file());
        match done {
            Ok(()) => {
                output::line(&self.farewell(&answers.site));
                Exit::Done
            }
            Err(fault) => {
                output::complain(&format!("it could not be set up: {fault}"));
                Exit::Internal
            }
        }
    }

    /// Runs the service on a port of its own for as long as two calls take.
    async fn set_up(&self, answers: &Answers) -> Result<(), String> {
        let token = new_token().expose().to_owned();
        let mut config = Config::default();
        config.server.listen.set_port(0);
        config.data.dir.clone_from(&self.data);
        config.api.admin_token = Some(Secret::new(token.clone()));
        let base = Base::of(&config).map_err(|error| error.to_string())?;
        let running = service::start(config, base)
            .await
            .map_err(|error| error.to_string())?;
        let address = format!("http://{}/api/v1", running.address);
        let made = async {
            let site = json!({
                "name": answers.site,
                "time_zone": answers.time_zone.name(),
                "circuits": [{"id": "site", "import_limit_kw": answers.limit_kw}],
                "price": answers.price.map(|price| json!({"flat_per_kwh": price})),
            });
            let path = format!("/sites/{}", id_of(&answers.site));
            put(&address, &path, &token, &site).await?;
            let person = json!({"role": "admin", "password": answers.password.expose()});
            put(&address, "/users/admin", &token, &person).await
        };
        let made = made.await;
        running.stop().await;
        made
    }

    fn write_file(&self) -> Result<(), String> {
        let data = self.data.to_string_lossy();
        let text = format!(
            "# Written by evenload init; examples/evenload.toml lists every setting.\n\n\
             [server]\nlisten = \"127.0.0.1:8080\"\n\
             # Our address as partners see it:\n#public_url = \"https://evenload.example\"\n\n\
             [data]\ndir = {}\n",
            toml::Value::String(data.into_owned())
        );
        std::fs::write(&self.config, text)
            .map_err(|error| format!("{}: {error}", self.config.display()))
    }

    fn farewell(&self, site: &str) -> String {
        let given = if self.config == Path::new("evenload.toml") {
            String::new()
        } else {
            format!(" --config {}", self.config.display())
        };
        format!(
            "{site} is described and {} is written. Next:\n  \
             evenload check{given}\n  evenload serve{given}\n\
             then sign in at http://127.0.0.1:8080 as admin, and add a partner.",
            self.config.display()
        )
    }
}

/// The name as a part of a path: what an id may not hold becomes a dash.
fn id_of(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(60)
        .collect()
}

fn ask_all() -> Result<Answers, String> {
    let site = ask("Name of the site", Some("Depot"))?;
    let time_zone = ask("Time zone", Some("Europe/Berlin"))?;
    let time_zone = time_zone
        .parse()
        .map_err(|_| format!("{time_zone:?} is not a time zone of the IANA list"))?;
    let limit = ask("Limit of the grid connection in kW", None)?;
    let limit_kw = number(&limit, 0.1..=1e6)?;
    let price = ask("Price of energy per kWh in EUR (empty: unknown)", Some(""))?;
    let price = match price.as_str() {
        "" => None,
        text => Some(number(text, -10.0..=10.0)?),
    };
    let password = ask_secretly("Password of the administrator, 12 characters at least")?;
    if password.expose().chars().count() < 12 {
        return Err("the password has fewer than 12 characters".into());
    }
    Ok(Answers {
        site,
        time_zone,
        limit_kw,
        price,
        password,
    })
}

fn number(text: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    text.replace(',', ".")
        .parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            format!(
                "{text:?} is not a number from {} to {}",
                range.start(),
                range.end()
            )
        })
}

fn ask(question: &str, otherwise: Option<&str>) -> Result<String, String> {
    if io::stdin().is_terminal() {
        let hint = otherwise
            .filter(|text| !text.is_empty())
            .map_or_else(String::new, |text| format!(" [{text}]"));
        output::prompt(&format!("{question}{hint}: "));
    }
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    if read.map_err(|error| error.to_string())? == 0 {
        return Err(format!("no answer to: {question}"));
    }
    let given = Some(line.trim()).filter(|text| !text.is_empty());
    given
        .or(otherwise)
        .map(str::to_owned)
        .ok_or_else(|| format!("no answer to: {question}"))
}

/// Like [`ask`], without showing on a terminal what is typed.
fn ask_secretly(question: &str) -> Result<Secret, String> {
    let stdin = io::stdin();
    let shown = rustix::termios::tcgetattr(&stdin).ok();
    if let Some(attributes) = &shown {
        let mut hidden = attributes.clone();
        hidden.local_modes.remove(rustix::termios::LocalModes::ECHO);
        let now = rustix::termios::OptionalActions::Now;
        rustix::termios::tcsetattr(&stdin, now, &hidden).map_err(|error| error.to_string())?;
    }
    let answer = ask(question, None);
    if let Some(attributes) = shown {
        let now = rustix::termios::OptionalActions::Now;
        // What was typed is taken either way.
        let _ = rustix::termios::tcsetattr(&stdin, now, &attributes);
        output::line("");
    }
    answer.map(Secret::new)
}

async fn put(base: &str, path: &str, token: &str, body: &Value) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .map_err(|error| error.to_string())?;
    let answer = client
        .request(Method::PUT, format!("{base}{path}"))
        .bearer_auth(token)
        .json(body)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let text = answer.text().await.unwrap_or_default();
    Err(format!("{path}: {status} {text}"))
}
