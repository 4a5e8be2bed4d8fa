//! `-o FORMAT[=FILE]`: a format, and where output in it goes.
//!
//! Refuses to know the formats; it is told by their type.

use super::terminal::Terminal;
use crate::output::{Style, nearest};
use clap::ValueEnum;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::str::FromStr;

/// A format, and the file that gets it; standard output where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target<F> {
    pub(super) format: F,
    pub(super) file: Option<PathBuf>,
}

impl<F: ValueEnum> FromStr for Target<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = match text.split_once('=') {
            Some((name, file)) => (name, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let format = F::from_str(name, false).map_err(|_| unknown::<F>(name))?;
        Ok(Self { format, file })
    }
}

fn unknown<F: ValueEnum>(name: &str) -> String {
    let known = F::value_variants().iter().filter_map(F::to_possible_value);
    let known: Vec<String> = known.map(|value| value.get_name().to_owned()).collect();
    let meant = nearest(name, known.iter().map(String::as_str));
    let meant = meant.map_or(String::new(), |meant| format!("did you mean `{meant}`? "));
    format!("{meant}the formats are {}", known.join(", "))
}

/// Writes output to every target in turn. Two that go to standard output are a mistake.
pub(super) fn write_all<F: Copy>(
    targets: &[Target<F>],
    terminal: &mut Terminal,
    write: impl Fn(F, Style, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    for target in targets {
        match &target.file {
            None => {
                let style = terminal.style;
                let written = write(target.format, style, terminal.out());
                terminal.finish(written)?;
            }
            Some(path) => {
                let named = |error: io::Error| {
                    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
                };
                let mut file = create(path).map_err(named)?;
                write(target.format, Style::default(), &mut file)
                    .and_then(|()| file.flush())
                    .map_err(named)?;
            }
        }
    }
    Ok(())
}

/// What is wrong with the targets together, if anything is.
pub(super) fn mistake<F>(targets: &[Target<F>]) -> Option<String> {
    let printed = targets.iter().filter(|target| target.file.is_none());
    if printed.count() > 1 {
        let mistake =
            "only one format can go to standard output: `-o FORMAT=FILE` writes to a file";
        return Some(mistake.to_owned());
    }
    let mut seen = BTreeSet::new();
    let files = targets.iter().filter_map(|target| target.file.as_ref());
    let twice = files.into_iter().find(|file| !seen.insert(*file))?;
    let name = twice.display();
    Some(format!("two formats cannot go to one file: `{name}`"))
}

#[expect(clippy::disallowed_methods, reason = "this is the writer of reports")]
fn create(path: &PathBuf) -> io::Result<BufWriter<File>> {
    File::create(path).map(BufWriter::new)
}
