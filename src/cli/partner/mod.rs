//! `evenload partner`: the platforms we speak OCPI with.

mod render;
mod units;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::exit::Exit;
use super::output;
use super::remote::{Ask, CallError, Remote, part};
use crate::config::client::secret;
use crate::domain::unit_choice::UnitChoice;

/// Arguments of `evenload partner`.
#[derive(Debug, Args)]
pub struct PartnerArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Register at a platform with the token A that it gave us
    Add(AddArgs),
    /// Make a token A with which a platform registers at us
    Invite {
        /// Our name of it
        #[arg(long)]
        name: String,
    },
    /// All partners
    List,
    /// One partner: its state, its check list, where it differs from the specification
    Show {
        /// Its name
        name: String,
    },
    /// The last raw exchanges with it, secrets masked
    Exchanges {
        /// Its name
        name: String,
        /// Most exchanges to print
        #[arg(long, default_value_t = 10)]
        last: usize,
    },
    /// Try everything that is needed of it; each failed row says what to change
    Test {
        /// Its name
        name: String,
    },
    /// The EVSEs that its locations describe, with our guess of their powers
    Evses {
        /// Its name
        name: String,
    },
    /// Change how it is treated
    Set {
        /// Its name
        name: String,
        /// Take its immediate ACCEPTED as applied: only for platforms that never call back
        #[arg(
            long,
            value_name = "true|false",
            required_unless_present_any = ["site_limits", "profile_unit"]
        )]
        trust_sync_accept: Option<bool>,
        /// Let it tell limits through our module `sitelimits`
        #[arg(long, value_name = "true|false")]
        site_limits: Option<bool>,
        /// The unit of its profiles: `W` or `A` for all its EVSEs, `LOCATION/EVSE=W` for one; all
        /// that it takes in another unit than A for AC. May be given several times; `usual` = none
        #[arg(long, value_name = "[LOCATION/EVSE=]UNIT", value_parser = units::choice)]
        profile_unit: Vec<Option<UnitChoice>>,
    },
    /// Exchange both tokens for new ones
    Rotate {
        /// Its name
        name: String,
    },
    /// End the relation and forget what it sent
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Our name of it
    #[arg(long)]
    name: String,
    /// Its list of versions
    #[arg(long, value_name = "URL")]
    versions_url: String,
    /// A file that holds the token A it gave us, `-` for standard input [env: `EVENLOAD_TOKEN_A`]
    #[arg(long, value_name = "FILE")]
    token_a: Option<PathBuf>,
    /// Its role, for the record: the roles in its credentials are what counts
    #[arg(long, value_parser = ["cpo", "emsp", "hub"])]
    role: Option<String>,
}

impl PartnerArgs {
    /// Does it.
    pub fn run(&self) -> Exit {
        let remote = &self.remote;
        match &self.verb {
            Verb::Add(args) => self.add(args),
            Verb::Invite { name } => {
                let body = json!({ "name": name });
                let ask = Ask::with(Method::POST, "/partners/invite", body);
                remote.run(ask, render::invitation)
            }
            Verb::List => remote.run(Ask::get("/partners"), render::list),
            Verb::Show { name } => remote.run(Ask::get(&path(name, "")), render::partner),
            Verb::Exchanges { name, last } => {
                let path = path(name, "/exchanges");
                remote.run(Ask::get(&path), |answer| render::exchanges(answer, *last))
            }
            Verb::Test { name } => {
                let ask = path(name, "/test");
                self.checked(remote.call(Ask::with(Method::POST, &ask, json!({}))))
            }
            Verb::Evses { name } => remote.run(Ask::get(&path(name, "/evses")), render::evses),
            Verb::Set {
                name,
                trust_sync_accept,
                site_limits,
                profile_unit,
            } => {
                let units: Vec<_> = profile_unit.iter().flatten().collect();
                let body = json!({
                    "trust_sync_accept": trust_sync_accept,
                    "site_limits": site_limits,
                    "profile_units": (!profile_unit.is_empty()).then_some(units),
                });
                let ask = path(name, "");
                remote.run(Ask::with(Method::PATCH, &ask, body), render::partner)
            }
            Verb::Rotate { name } => {
                let ask = path(name, "/rotate");
                self.checked(remote.call(Ask::with(Method::POST, &ask, json!({}))))
            }
            Verb::Remove { name } => remote.remove(&path(name, ""), name),
        }
    }

    fn add(&self, args: &AddArgs) -> Exit {
        let from_stdin = args.token_a.as_deref() == Some(std::path::Path::new("-"));
        if from_stdin && self.remote.reads_stdin() {
            output::complain("only one of --token-a and --token-file can be standard input");
            return Exit::Usage;
        }
        let token = match secret("EVENLOAD_TOKEN_A", args.token_a.as_deref()) {
            Ok(token) => token,
            Err(fault) => return self.remote.report(&CallError::Setup(fault.to_string())),
        };
        let body = json!({
            "name": args.name,
            "versions_url": args.versions_url,
            "token_a": token.expose(),
        });
        self.checked(self.remote.call(Ask::with(Method::POST, "/partners", body)))
    }

    /// Shows a check list; a failed row is exit 5.
    fn checked(&self, answer: Result<Value, CallError>) -> Exit {
        match answer {
            Ok(answer) => {
                self.remote.show(&answer, render::checks);
                if answer["ok"].as_bool().unwrap_or(false) {
                    Exit::Done
                } else {
                    Exit::CheckFailed
                }
            }
            Err(error) => {
                let exit = self.remote.report(&error);
                if let Some(problem) = error.problem().filter(|p| p["checks"].is_array()) {
                    output::complain(&format!("\n{}", render::checks(problem)));
                }
                exit
            }
        }
    }
}

fn path(name: &str, rest: &str) -> String {
    format!("/partners/{}{rest}", part(name))
}
