//! `npcheck init`: the first files of a repository that uses npcheck.
//!
//! Writes no file that is somebody else's: what is there already stays, and where it is shared
//! with other tools, what to add to it is printed.

mod draft;

use super::Paths;
use super::configuration::Configuration;
use super::exit::Outcome;
use super::input::Input;
use super::replace::replace;
use super::terminal::Terminal;
use crate::config::{FILE_NAME, FILE_NAMES, Rendering};
use crate::load::{self, OwnFile, Tree};
use crate::output::Escaped;
use crate::workspace::Keep;
use clap::{Args, ValueEnum};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Write an npcheck.yaml for the manifests here
///
/// What npcheck recognises in the manifests (the CNI plugin, the platform, the clusters) is
/// set, with what it was recognised by. Everything else that can be said is there as a
/// comment. No file is overwritten without --force.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    paths: Paths,
    /// Write .pre-commit-config.yaml, too
    #[arg(long)]
    hook: bool,
    /// Write a job for this CI system, too
    #[arg(long, value_enum, value_name = "SYSTEM")]
    ci: Option<CiSystem>,
    /// Overwrite the files of npcheck that are there
    #[arg(long)]
    force: bool,
    /// Print what would be written, and write nothing
    #[arg(long, conflicts_with = "force")]
    print: bool,
}

/// A CI system that there is a job for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CiSystem {
    /// GitHub Actions: .github/workflows/npcheck.yml
    Github,
    /// GitLab CI: .gitlab-ci.yml
    Gitlab,
}

/// A file that `init` writes.
struct Draft {
    name: &'static str,
    text: String,
    /// Whether other tools have their say in a file of this name.
    is_shared: bool,
}

const GITHUB: &str = include_str!("../../examples/ci/github.yml");
const GITLAB: &str = include_str!("../../examples/ci/gitlab.yml");
const PRE_COMMIT: &str = include_str!("../../examples/ci/pre-commit.yaml");

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let wants_more = options.hook || options.ci.is_some();
    let [_, below] = load::repository_here().unwrap_or_default();
    if wants_more && !options.print && !below.is_empty() {
        let message = "hooks and CI jobs belong to the root of the repository: run it there";
        terminal.complain("init", message);
        return Ok(Outcome::Incomplete);
    }
    let paths = &options.paths.paths;
    let mut loaded = load::load(paths, &mut io::stdin().lock(), &options.paths.walk.limits());
    let state = (&Tree::Disk, None);
    if let Err(error) = super::wanted::complete(&mut loaded, Rendering::Auto, paths, state) {
        terminal.complain("git", &error.to_string());
    }
    let (input, _) = Input::of(loaded, &Configuration::default(), Keep::Clusters);
    input.report_problems(terminal);
    if input.is_empty() {
        input.report_nothing(&options.paths, terminal);
        return Ok(Outcome::Nothing.with_problems(input.is_incomplete()));
    }
    let outcome = match options.print {
        true => print(&options.drafts(&input), terminal)?,
        false => options.write(&input, terminal)?,
    };
    Ok(outcome.with_problems(input.is_incomplete()))
}

fn print(drafts: &[Draft], terminal: &mut Terminal) -> io::Result<Outcome> {
    let out = terminal.out();
    let written = drafts.iter().enumerate().try_for_each(|(number, draft)| {
        let separator = if number > 0 { "\n" } else { "" };
        write!(out, "{separator}# --- {}\n{}", draft.name, draft.text)
    });
    terminal.finish(written)?;
    Ok(Outcome::Good)
}

impl Options {
    fn drafts(&self, input: &Input) -> Vec<Draft> {
        let mut drafts = vec![Draft {
            name: FILE_NAME,
            text: draft::configuration(input),
            is_shared: false,
        }];
        if self.hook {
            drafts.push(Draft {
                name: ".pre-commit-config.yaml",
                text: PRE_COMMIT.to_owned(),
                is_shared: true,
            });
        }
        match self.ci {
            Some(CiSystem::Github) => drafts.push(Draft {
                name: ".github/workflows/npcheck.yml",
                text: GITHUB.to_owned(),
                is_shared: false,
            }),
            Some(CiSystem::Gitlab) => drafts.push(Draft {
                name: ".gitlab-ci.yml",
                text: GITLAB.to_owned(),
                is_shared: true,
            }),
            None => {}
        }
        drafts
    }

    fn write(&self, input: &Input, terminal: &mut Terminal) -> io::Result<Outcome> {
        let mut outcome = Outcome::Good;
        for draft in self.drafts(input) {
            // A configuration under another of its names would be a second one.
            let names = match draft.name {
                FILE_NAME => &FILE_NAMES[..],
                _ => std::slice::from_ref(&draft.name),
            };
            let existing = names.iter().copied().find(|name| is_there(name));
            let Some(name) = existing else {
                if let Err(error) = create(draft.name, &draft.text) {
                    terminal.complain(draft.name, &format!("cannot be written: {error}"));
                    outcome = Outcome::Incomplete;
                    continue;
                }
                terminal.say(format_args!("wrote {}", draft.name));
                if draft.name == FILE_NAME {
                    say_recognised(input, terminal);
                    say_outer(terminal);
                }
                continue;
            };
            let is_same = OwnFile::read(Path::new(name)).is_ok_and(|file| file.text == draft.text);
            if is_same {
                terminal.say(format_args!("{name} is up to date"));
            } else if draft.is_shared {
                terminal.say(format_args!(
                    "{name} already exists and was not changed; add to it:"
                ));
                let written = terminal.out().write_all(draft.text.as_bytes());
                terminal.finish(written)?;
            } else if !self.force {
                terminal.complain(
                    name,
                    "already exists and was not changed; --force overwrites it",
                );
                outcome = Outcome::Incomplete;
            } else if let Err(error) = overwrite(name, &draft.text) {
                terminal.complain(name, &format!("cannot be written: {error}"));
                outcome = Outcome::Incomplete;
            } else {
                terminal.say(format_args!("wrote {name} anew"));
            }
        }
        Ok(outcome)
    }
}

/// Says what was recognised, and in how many clusters.
fn say_recognised(input: &Input, terminal: &mut Terminal) {
    for line in draft::recognised(input) {
        terminal.say(format_args!("  {}", Escaped(&line)));
    }
}

/// Says that a configuration above this directory no longer counts here.
fn say_outer(terminal: &mut Terminal) {
    let outer = FILE_NAMES.iter().find_map(|name| {
        let above = Path::new("..").join(name);
        is_there(&above).then_some(above)
    });
    if let Some(outer) = outer {
        terminal.say(format_args!(
            "  it is used here instead of {}",
            Escaped(&outer.to_string_lossy())
        ));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the writer of first files"
)]
fn is_there(path: impl AsRef<Path>) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Makes a file that is not there, and the directories that it lies in.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the writer of first files"
)]
fn create(name: &str, text: &str) -> io::Result<()> {
    let path = Path::new(name);
    if let Some(directory) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        fs::create_dir_all(directory)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}

fn overwrite(name: &str, text: &str) -> io::Result<()> {
    let path = Path::new(name);
    let before = OwnFile::read(path)?.text;
    replace(path, &before, text)
}
