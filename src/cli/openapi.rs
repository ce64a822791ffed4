//! `evenload openapi`: the API's description, as `docs/openapi.json` keeps it.

use clap::Args;

use super::exit::Exit;
use super::output;
use crate::service;

/// Arguments of `evenload openapi`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct OpenApiArgs {
    /// On one line
    #[arg(long)]
    pub json: bool,
}

impl OpenApiArgs {
    /// Prints the document.
    pub fn run(&self) -> Exit {
        let document = service::openapi();
        if self.json {
            output::object(&document);
        } else {
            output::line(&format!("{document:#}"));
        }
        Exit::Done
    }
}
