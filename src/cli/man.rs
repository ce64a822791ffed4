//! `evenload man`: the manual pages, made from the same description as `--help`.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};

use super::exit::Exit;
use super::{CommandLine, output};

/// Arguments of `evenload man`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ManArgs {
    /// The page of this subcommand, e.g. `partner add`; without it the first page
    command: Vec<String>,
    /// Write every page into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    to: Option<PathBuf>,
}

impl ManArgs {
    /// Prints or writes them: `evenload man | man -l -`.
    pub fn run(&self) -> Exit {
        let mut root = CommandLine::command();
        root.build();
        if let Some(folder) = &self.to {
            return match write_all(&root, folder) {
                Ok(count) => {
                    output::line(&format!("{count} pages in {}", folder.display()));
                    Exit::Done
                }
                Err(error) => {
                    output::complain(&format!("{}: {error}", folder.display()));
                    Exit::Internal
                }
            };
        }
        let mut wanted = &root;
        for name in &self.command {
            let Some(found) = wanted.find_subcommand(name) else {
                output::complain(&format!("there is no command {}", self.command.join(" ")));
                return Exit::Usage;
            };
            wanted = found;
        }
        output::line(page(wanted).trim_end());
        Exit::Done
    }
}

fn page(command: &Command) -> String {
    let mut text = Vec::new();
    let name = file_name(command);
    // Writing into memory cannot fail.
    let _ = clap_mangen::Man::new(command.clone())
        .title(name.to_uppercase())
        .render(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// `evenload-partner-add`: what clap calls its display name.
fn file_name(command: &Command) -> String {
    let name = command.get_display_name();
    name.unwrap_or_else(|| command.get_name()).to_owned()
}

fn write_all(root: &Command, folder: &Path) -> std::io::Result<usize> {
    std::fs::create_dir_all(folder)?;
    let mut waiting = vec![root];
    let mut count = 0;
    while let Some(command) = waiting.pop() {
        let path = folder.join(format!("{}.1", file_name(command)));
        std::fs::write(path, page(command))?;
        count += 1;
        waiting.extend(command.get_subcommands().filter(|c| c.get_name() != "help"));
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::{CommandLine, page, write_all};

    #[test]
    fn every_command_has_a_page_that_names_its_options() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut root = CommandLine::command();
        root.build();
        let count = write_all(&root, folder.path()).expect("written");
        assert!(count > 20, "{count}");
        let add = std::fs::read_to_string(folder.path().join("evenload-partner-add.1"));
        assert!(add.expect("a page").contains("versions\\-url"));
    }

    #[test]
    fn the_first_page_says_what_exit_codes_mean() {
        let mut root = CommandLine::command();
        root.build();
        let page = page(&root);
        assert!(page.contains(".TH EVENLOAD 1"), "{page}");
        assert!(page.contains("5 a check failed"), "{page}");
    }
}
