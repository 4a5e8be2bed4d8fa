//! `npcheck completions`: the script that teaches a shell to complete npcheck's command
//! lines, by asking npcheck itself.
//!
//! Refuses to know any shell: clap does.

use super::COMPLETION_VARIABLE;
use super::exit::Outcome;
use super::terminal::Terminal;
use clap::{Args, ValueEnum};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};
use clap_complete_nushell::Nushell;
use std::io::{self, Write};

/// Print a script that completes npcheck's command lines in a shell
///
/// The script asks npcheck itself, so it completes the names of workloads in the current
/// directory, too. For bash: `source <(npcheck completions bash)`.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Options {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell that can complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    /// bash
    Bash,
    /// Elvish
    Elvish,
    /// fish
    Fish,
    /// Nushell, without the names of workloads
    Nushell,
    /// PowerShell
    Powershell,
    /// zsh
    Zsh,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let written = write(options.shell, terminal.out());
    terminal.finish(written)?;
    Ok(Outcome::Good)
}

/// Writes the script of a shell.
fn write(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Elvish => &Elvish,
        Shell::Fish => &Fish,
        Shell::Nushell => {
            let mut script = Vec::new();
            clap_complete::generate(Nushell, &mut super::command(), "npcheck", &mut script);
            return out.write_all(&script);
        }
        Shell::Powershell => &Powershell,
        Shell::Zsh => &Zsh,
    };
    completer.write_registration(COMPLETION_VARIABLE, "npcheck", "npcheck", "npcheck", out)
}
