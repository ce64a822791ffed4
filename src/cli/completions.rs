//! `evenload completions`: what a shell needs to complete our commands.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::exit::Exit;
use super::{CommandLine, output};

/// Arguments of `evenload completions`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct CompletionsArgs {
    /// For which shell
    pub shell: Shell,
}

impl CompletionsArgs {
    /// Prints the script.
    pub fn run(&self) -> Exit {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut CommandLine::command(),
            "evenload",
            &mut script,
        );
        output::line(String::from_utf8_lossy(&script).trim_end());
        Exit::Done
    }
}
