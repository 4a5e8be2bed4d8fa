//! The command line: one file per command. A command reads its inputs, asks the layers
//! above, prints through the one writer, and says how it went.
//!
//! Refuses to judge anything itself.

mod baseline;
mod charts;
mod choice;
mod complete;
mod completions;
mod config;
mod configuration;
mod diff;
mod endpoint;
mod entity_flows;
mod exit;
mod explain;
mod exposure;
mod files;
mod first_lines;
mod fixes;
mod gaps;
mod graph;
mod init;
mod input;
mod known_findings;
mod line_diff;
mod lint;
pub mod manual;
mod of_revision;
mod paths;
mod port;
mod reach;
mod render;
mod replace;
mod schema;
mod selection;
mod states;
mod target;
mod terminal;
mod undeclared;
mod ticker;
mod test;
mod wanted;

use crate::load::Limits;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use exit::Outcome;
use std::io::{self, Write};
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;
use terminal::{ColorChoice, Terminal, Verbosity};

/// The environment variable that makes npcheck complete a command line instead of running
/// it; the scripts of `npcheck completions` set it.
const COMPLETION_VARIABLE: &str = "NPCHECK_COMPLETE";

/// Offline static analyzer for Kubernetes NetworkPolicies
///
/// Reads manifests, works out who can talk to whom and why, and finds the policies that do
/// not mean what they look like. Never uses the network, never talks to a cluster.
#[derive(Debug, Parser)]
#[command(
    name = "npcheck",
    bin_name = "npcheck",
    version,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// What is said after a panic, which has said where it was.
const BUG: &str = "\
npcheck: this is a bug of npcheck, and no answer to your question.
npcheck: please report it, with the lines above and, if you can, a manifest that shows it:
npcheck:   https://github.com/npcheck/npcheck/issues";

/// What every command takes.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "General options")]
struct Global {
    /// When to use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    color: ColorChoice,
    /// Print only what was asked for, and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Also print what was skipped
    #[arg(short, long, global = true, action = ArgAction::SetTrue)]
    verbose: bool,
}

impl Global {
    fn verbosity(self) -> Verbosity {
        match self {
            Self { quiet: true, .. } => Verbosity::Quiet,
            Self { verbose: true, .. } => Verbosity::Verbose,
            Self { .. } => Verbosity::Normal,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Lint(lint::Options),
    Reach(reach::Options),
    Diff(diff::Options),
    Test(test::Options),
    Paths(paths::Options),
    Exposure(exposure::Options),
    Graph(graph::Options),
    Explain(explain::Options),
    Init(init::Options),
    Config(config::Options),
    Files(files::Options),
    Render(render::Options),
    Schema(schema::Options),
    Completions(completions::Options),
}

/// The manifests that a command looks at.
#[derive(Clone, Debug, Args)]
struct Paths {
    /// Files, directories, `-` for standard input, or `git:REV[:PATH]`
    ///
    /// Directories are walked for `.yaml`, `.yml` and `.json` files (gzip-compressed too),
    /// without hidden ones and those that `.gitignore` or `.npcheckignore` names. `git:main`
    /// stands for the current directory as that commit has it, and `git:HEAD~2:k8s` for a path
    /// from the root of the repository; npcheck.yaml is then that commit's, too.
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    walk: WalkOptions,
}

/// What is read below a directory besides what git would show.
#[derive(Clone, Copy, Debug, Default, Args)]
struct WalkOptions {
    /// Read hidden files and directories, too
    #[arg(long, help_heading = "What is read")]
    hidden: bool,
    /// Read what .gitignore, .ignore and .npcheckignore name, too
    #[arg(long, help_heading = "What is read")]
    no_ignore: bool,
}

impl WalkOptions {
    /// The limits of reading with these options.
    fn limits(self) -> Limits {
        Limits {
            hidden: self.hidden,
            ignored: self.no_ignore,
            ..Limits::default()
        }
    }
}

/// Runs the command that the arguments of the process ask for.
///
/// # Panics
///
/// Never: a panic, which is a bug of npcheck, becomes the exit status 101, with a word on where
/// to report it.
#[must_use]
pub fn run() -> ExitCode {
    let outcome = panic::catch_unwind(|| {
        clap_complete::CompleteEnv::with_factory(command)
            .var(COMPLETION_VARIABLE)
            .complete();
        let parsed = command().try_get_matches();
        match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
            Ok(cli) => execute(cli).into(),
            Err(error) => {
                // The only ways to fail are a closed pipe and a full disk.
                let _ = error.print();
                ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
            }
        }
    });
    outcome.unwrap_or_else(|_| {
        // Nobody is left to be told that standard error is closed.
        let _ = writeln!(io::stderr(), "{BUG}");
        Outcome::Bug.into()
    })
}

/// The command line as clap knows it, for manual pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    manual::with_manual(Cli::command())
}

fn execute(cli: Cli) -> Outcome {
    let mut terminal = Terminal::new(cli.global.color, cli.global.verbosity());
    let outcome = match cli.command {
        Command::Lint(options) => lint::run(&options, &mut terminal),
        Command::Reach(options) => reach::run(&options, &mut terminal),
        Command::Diff(options) => diff::run(&options, &mut terminal),
        Command::Test(options) => test::run(&options, &mut terminal),
        Command::Paths(options) => paths::run(&options, &mut terminal),
        Command::Exposure(options) => exposure::run(&options, &mut terminal),
        Command::Graph(options) => graph::run(&options, &mut terminal),
        Command::Explain(options) => explain::run(&options, &mut terminal),
        Command::Init(options) => init::run(&options, &mut terminal),
        Command::Config(options) => config::run(&options, &mut terminal),
        Command::Files(options) => files::run(&options, &mut terminal),
        Command::Render(options) => render::run(&options, &mut terminal),
        Command::Schema(options) => schema::run(&options, &mut terminal),
        Command::Completions(options) => completions::run(&options, &mut terminal),
    };
    outcome.unwrap_or_else(|error: io::Error| {
        terminal.complain("output", &error.to_string());
        Outcome::Incomplete
    })
}
