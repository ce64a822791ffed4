//! `evenload token`: tokens for programs, with what they may do, where, and until when.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::exit::Exit;
use super::remote::{Ask, Column, Remote, part, table, text};

/// Arguments of `evenload token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make one; it is shown this once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// What it may do; may be given again
        #[arg(long, value_parser = ["read", "signals:write", "operate", "admin"], required = true)]
        scope: Vec<String>,
        /// A site it reaches; may be given again [default: all]
        #[arg(long)]
        site: Vec<String>,
        /// Until when, e.g. 2027-06-30T00:00:00Z [default: in 90 days]
        #[arg(long, value_name = "TIME")]
        expires_at: Option<DateTime<Utc>>,
    },
    /// All of them, without their secrets
    List,
    /// End one at once
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

impl TokenArgs {
    /// Does it.
    pub fn run(&self) -> Exit {
        match &self.verb {
            Verb::Create {
                name,
                scope,
                site,
                expires_at,
            } => {
                let sites = (!site.is_empty()).then_some(site);
                let body = json!({
                    "name": name, "scopes": scope, "sites": sites, "expires_at": expires_at,
                });
                let ask = Ask::with(Method::POST, "/tokens", body);
                self.remote.run(ask, |made| {
                    format!(
                        "{}\n(shown this once; valid until {})",
                        text(&made["token"]),
                        text(&made["expires_at"])
                    )
                })
            }
            Verb::List => self.remote.run(Ask::get("/tokens"), listed),
            Verb::Revoke { id } => {
                let path = format!("/tokens/{}", part(id));
                let ask = Ask {
                    method: Method::DELETE,
                    path: &path,
                    body: None,
                };
                self.remote.run(ask, |_| "revoked".to_owned())
            }
        }
    }
}

fn listed(answer: &Value) -> String {
    let tokens = answer["tokens"].as_array().cloned().unwrap_or_default();
    let column = |head, member: &'static str| Column::new(head, &tokens, move |t| text(&t[member]));
    table(&[
        column("id", "id"),
        column("name", "name"),
        column("may", "scopes"),
        column("sites", "sites"),
        column("until", "expires_at"),
    ])
}
