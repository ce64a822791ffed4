//! `evenload station`: the chargers that connect to us over OCPP.

mod render;

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::exit::Exit;
use super::output;
use super::remote::{Ask, CallError, Remote, part};
use crate::config::client::secret;

/// Arguments of `evenload station`.
#[derive(Debug, Args)]
pub struct StationArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All stations; those that wait for approval with --waiting
    List {
        /// Unknown ones that tried to connect
        #[arg(long)]
        waiting: bool,
    },
    /// One station: what it was asked, what it took, what holds, what it draws, and why these differ
    Show {
        /// Its identity
        id: String,
    },
    /// Set up a station before it connects
    Add(SetUpArgs),
    /// Approve a station that tried to connect; its password is made and shown once
    Approve(SetUpArgs),
    /// Forget a station and close its connection
    Remove {
        /// Its identity
        id: String,
    },
    /// Send a call of OCPP; prints the station's answer
    Command {
        /// Its identity
        id: String,
        /// As OCPP spells it, such as Reset
        action: String,
        /// Its payload, such as '{"type":"Soft"}'
        #[arg(default_value = "{}")]
        payload: String,
    },
    /// Its last messages, passwords masked
    Messages {
        /// Its identity
        id: String,
        /// Most messages to print
        #[arg(long, default_value_t = 20)]
        last: usize,
    },
    /// The logs and diagnostics it has uploaded; ask for one with
    /// `station command ID GetDiagnostics` (1.6) or `GetLog`
    Uploads {
        /// Its identity
        id: String,
        /// Print this one instead of the list
        name: Option<String>,
    },
    /// Give it a new password over OCPP, which nobody else learns
    Password {
        /// Its identity
        id: String,
    },
}

#[derive(Debug, Args)]
struct SetUpArgs {
    /// Its identity: the last part of the address it dials
    id: String,
    /// The site it belongs to
    #[arg(long)]
    site: Option<String>,
    /// A file that holds its password, `-` for standard input [env: `EVENLOAD_STATION_PASSWORD`];
    /// without, one is made
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// It may come without TLS
    #[arg(long)]
    allow_insecure: bool,
    /// It must show a client certificate that names it
    #[arg(long, conflicts_with = "allow_insecure")]
    client_certificate: bool,
    /// What it speaks, whatever it says
    #[arg(long, value_parser = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])]
    assume_protocol: Option<String>,
    /// An odd way it has or has not, such as `stack_zero_only=true`
    #[arg(long, value_name = "NAME=true|false")]
    quirk: Vec<String>,
}

impl StationArgs {
    /// Does it.
    pub fn run(&self) -> Exit {
        let remote = &self.remote;
        match &self.verb {
            Verb::List { waiting: true } => {
                remote.run(Ask::get("/stations?state=waiting"), render::waiting)
            }
            Verb::List { waiting: false } => remote.run(Ask::get("/stations"), render::list),
            Verb::Show { id } => remote.run(Ask::get(&path(id, "")), render::station),
            Verb::Add(args) | Verb::Approve(args) => self.set_up(args),
            Verb::Remove { id } => self.remove(id),
            Verb::Command {
                id,
                action,
                payload,
            } => self.command(id, action, payload),
            Verb::Messages { id, last } => {
                let path = path(id, "/messages");
                remote.run(Ask::get(&path), |answer| render::messages(answer, *last))
            }
            Verb::Uploads { id, name: None } => {
                remote.run(Ask::get(&path(id, "/uploads")), render::uploads)
            }
            Verb::Uploads {
                id,
                name: Some(name),
            } => self.upload(id, name),
            Verb::Password { id } => {
                let path = path(id, "/password");
                self.answered(remote.call(Ask::with(Method::POST, &path, json!({}))))
            }
        }
    }

    fn set_up(&self, args: &SetUpArgs) -> Exit {
        let mut quirks = Map::new();
        for quirk in &args.quirk {
            let Some((name, has @ ("true" | "false"))) = quirk.split_once('=') else {
                output::complain(&format!(
                    "--quirk {quirk}: NAME=true or NAME=false is needed"
                ));
                return Exit::Usage;
            };
            quirks.insert(name.to_owned(), json!(has == "true"));
        }
        let mut body = json!({
            "site": args.site,
            "allow_insecure": args.allow_insecure,
            "client_certificate": args.client_certificate,
            "assume_protocol": args.assume_protocol,
            "quirks": quirks,
        });
        if args.password_file.is_some() {
            let file = args.password_file.as_deref();
            match secret("EVENLOAD_STATION_PASSWORD", file) {
                Ok(password) => body["password"] = json!(password.expose()),
                Err(fault) => return self.remote.report(&CallError::Setup(fault.to_string())),
            }
        }
        let path = path(&args.id, "");
        self.remote
            .run(Ask::with(Method::PUT, &path, body), render::welcome)
    }

    /// Writes a file to standard output as it came.
    fn upload(&self, id: &str, name: &str) -> Exit {
        let path = path(id, &format!("/uploads/{}", part(name)));
        let written = self.remote.bytes(&path).and_then(|bytes| {
            let written = std::io::stdout().lock().write_all(&bytes);
            written.map_err(|error| CallError::Internal(format!("cannot be written: {error}")))
        });
        match written {
            Ok(()) => Exit::Done,
            Err(error) => self.remote.report(&error),
        }
    }

    fn remove(&self, id: &str) -> Exit {
        let path = path(id, "");
        let ask = Ask {
            method: Method::DELETE,
            path: &path,
            body: None,
        };
        match self.remote.call(ask) {
            Ok(_) => {
                let done = json!({ "id": id, "ok": true, "result": "removed" });
                self.remote.show(&done, |_| format!("{id} is removed"));
                Exit::Done
            }
            Err(error) => self.remote.report(&error),
        }
    }

    fn command(&self, id: &str, action: &str, payload: &str) -> Exit {
        let payload: Value = match serde_json::from_str(payload) {
            Ok(payload) => payload,
            Err(error) => {
                output::complain(&format!("the payload is no JSON: {error}"));
                return Exit::Usage;
            }
        };
        let path = path(id, &format!("/commands/{}", part(action)));
        self.answered(self.remote.call(Ask::with(Method::POST, &path, payload)))
    }

    /// Shows a station's answer; a refusal or silence of the station is exit 5.
    fn answered(&self, answer: Result<Value, CallError>) -> Exit {
        match answer {
            Ok(answer) => {
                self.remote.show(&answer, render::answer);
                let status = answer["payload"]["status"].as_str().unwrap_or("Accepted");
                let is_refused = matches!(status, "Rejected" | "NotSupported" | "Failed");
                if answer["status"] == "result" && !is_refused {
                    Exit::Done
                } else {
                    Exit::CheckFailed
                }
            }
            Err(error) => self.remote.report(&error),
        }
    }
}

fn path(id: &str, rest: &str) -> String {
    format!("/stations/{}{rest}", part(id))
}
