//! `npcheck completions`: the script that teaches a shell to complete npcheck's command
//! lines, by asking npcheck itself.
//!
//! clap writes the scripts. Here stands only what it leaves out: that bash cuts words at `:` and
//! `=`, and that Nushell asks npcheck, too.

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
    /// Nushell
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
        Shell::Bash => return out.write_all(bash().as_bytes()),
        Shell::Elvish => &Elvish,
        Shell::Fish => &Fish,
        Shell::Nushell => return out.write_all(nushell().as_bytes()),
        Shell::Powershell => &Powershell,
        Shell::Zsh => &Zsh,
    };
    completer.write_registration(COMPLETION_VARIABLE, "npcheck", "npcheck", "npcheck", out)
}

/// Puts words together that bash has cut, before npcheck is asked.
const BASH_JOIN: &str = r#"    # bash cuts words at : and =, and npcheck does not: `git:main`, `app=web`.
    local words=() word last rest=$COMP_LINE
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        last=$((${#words[@]} - 1))
        if ((last >= 0)) && [[ $rest != [[:space:]]* && ( $word == [:=]* || ${words[last]} == *[:=] ) ]]; then
            words[last]+=$word
        else
            words+=("$word")
        fi
        rest=${rest#*"$word"}
    done
    local _CLAP_COMPLETE_INDEX=$((${#words[@]} - 1))
    local cut=${words[_CLAP_COMPLETE_INDEX]%"$2"}
"#;

/// Takes off what stands on the command line already, and is no part of the word for bash.
const BASH_CUT: &str = r#"    COMPREPLY=("${COMPREPLY[@]#"$cut"}")
"#;

/// The script for bash.
fn bash() -> String {
    let mut script = Vec::new();
    Bash.write_registration(
        COMPLETION_VARIABLE,
        "npcheck",
        "npcheck",
        "npcheck",
        &mut script,
    )
    .expect("memory takes everything");
    let script = String::from_utf8(script).expect("clap writes text");
    let between = |start: &str, end: &str| {
        let start = script.find(start).expect("the script of clap has it");
        let end = script[start..].find(end).expect("it ends") + start + end.len();
        script[start..end].to_owned()
    };
    let words = between("    local words=", "    fi\n");
    let index = "    local _CLAP_COMPLETE_INDEX=${COMP_CWORD}\n";
    let asked = "    ) )\n    if [[ $? != 0 ]]; then\n        unset COMPREPLY\n";
    let failed = "    ) ) || { unset COMPREPLY; return; }\n";
    script
        .replace(index, "")
        .replace(&words, BASH_JOIN)
        .replace(
            &format!("{asked}    elif"),
            &format!("{failed}{BASH_CUT}    if"),
        )
}

/// Asks npcheck, in the words of Nushell.
const NUSHELL_ASK: &str = r#"
  def "nu-complete npcheck" [context: string] {
    let words = ($context | split row " ")
    with-env {NPCHECK_COMPLETE: "fish"} { ^npcheck -- ...$words }
    | lines
    | split column "\t" value description
  }
"#;

/// The script for Nushell: what clap's leaves open is asked of npcheck.
fn nushell() -> String {
    let mut script = Vec::new();
    let mut command = super::command();
    clap_complete::generate(Nushell, &mut command, "npcheck", &mut script);
    let script = String::from_utf8(script).expect("clap writes text");
    let mut text = String::new();
    for line in script.lines() {
        // Nushell has no options whose value may be left out; those that a script does not
        // name it hands on as they are.
        let option = line.trim_start().strip_prefix("--");
        let name = option.and_then(|option| option.split([':', '(']).next());
        if line.contains(": string") && name.is_some_and(|name| has_optional_value(&command, name))
        {
            continue;
        }
        let is_open = |kind: &str| {
            line.contains(&format!(": {kind} ")) || line.ends_with(&format!(": {kind}"))
        };
        text += &match is_open("string") {
            true => line.replacen(": string", ": string@\"nu-complete npcheck\"", 1),
            false => line.to_owned(),
        };
        text.push('\n');
        if line == "module completions {" {
            text += NUSHELL_ASK;
        }
    }
    text
}

/// Whether an option of this name may stand without a value in some command.
fn has_optional_value(command: &clap::Command, name: &str) -> bool {
    let is_it = |argument: &clap::Arg| {
        let values = argument.get_num_args();
        argument.get_long() == Some(name)
            && values.is_some_and(|values| values.takes_values() && values.min_values() == 0)
    };
    command.get_arguments().any(is_it)
        || command
            .get_subcommands()
            .any(|command| has_optional_value(command, name))
}
