//! The one writer: everything that npcheck prints goes through here, to standard output or
//! standard error.
//!
//! Refuses to know what is printed; it only knows what the other end can show, and whether
//! it is still there.

use super::ticker::Ticker;
use crate::output::{Color, Escaped, Links, Style, fit};
use clap::ValueEnum;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Stderr, StdoutLock, Write};
use terminal_size::{Height, Width, terminal_size_of};

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, as `NO_COLOR`, `FORCE_COLOR`, `CLICOLOR_FORCE` and `TERM` say
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Verbosity {
    /// Only what went wrong.
    Quiet,
    /// And a line on what was read.
    #[default]
    Normal,
    /// And what was passed over, one by one.
    Verbose,
}

/// Standard output and standard error.
pub(crate) struct Terminal {
    out: BufWriter<StdoutLock<'static>>,
    err: Stderr,
    /// How many columns standard error has, where it is a terminal.
    err_width: Option<usize>,
    /// Shows there how far the work has come.
    ticker: Option<Ticker>,
    /// How standard output may be dressed.
    pub(crate) style: Style,
    /// How much is said besides.
    pub(crate) verbosity: Verbosity,
}

impl Terminal {
    pub(crate) fn new(color: ColorChoice, verbosity: Verbosity) -> Self {
        let out = io::stdout().lock();
        let is_terminal = out.is_terminal();
        let color = color.resolve(is_terminal, environment);
        let has_links = is_terminal && supports_hyperlinks::supports_hyperlinks();
        let links = if has_links && color == Color::Ansi {
            Links::Osc8
        } else {
            Links::None
        };
        let style = Style {
            color,
            links,
            width: columns(terminal_size_of(&out)),
        };
        let err = io::stderr();
        let err_width = columns(terminal_size_of(&err));
        Self {
            out: BufWriter::with_capacity(1 << 16, out),
            ticker: err_width
                .filter(|_| verbosity != Verbosity::Quiet && is_drawable(environment))
                .map(Ticker::start),
            err_width,
            err,
            style,
            verbosity,
        }
    }

    /// Standard output, buffered.
    pub(crate) fn out(&mut self) -> &mut dyn Write {
        if let Some(ticker) = self.ticker.take() {
            ticker.stop();
        }
        &mut self.out
    }

    /// Prints a line to standard error, for a person. What a stranger wrote must be escaped
    /// in it already.
    pub(crate) fn say(&mut self, line: impl Display) {
        // The lines must not come out before the output that they are about.
        let _ = self.out.flush();
        let _paused = self.ticker.as_ref().map(Ticker::pause);
        // Nobody is left to be told that standard error is closed.
        let _ = match self.err_width {
            Some(width) => line.to_string().split('\n').try_for_each(|line| {
                let line = fit(line, width);
                writeln!(self.err, "{line}")
            }),
            None => writeln!(self.err, "{line}"),
        };
    }

    /// Prints what went wrong to standard error: `npcheck: name: message`.
    pub(crate) fn complain(&mut self, name: &str, message: &str) {
        let (name, message) = (Escaped(name), Escaped(message));
        self.say(format_args!("npcheck: {name}: {message}"));
    }

    /// Says how the writing went. That the reader has gone, as `head` does, is no fault.
    pub(crate) fn finish(&mut self, written: io::Result<()>) -> io::Result<()> {
        match written.and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}

/// Whether a line may be drawn over on a terminal of this kind.
fn is_drawable(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("TERM").as_deref() != Some("dumb") && variable("CI").is_none()
}

fn columns(size: Option<(Width, Height)>) -> Option<usize> {
    size.map(|(Width(columns), _)| usize::from(columns))
}

impl ColorChoice {
    /// An option outranks the environment, and `NO_COLOR` all other variables.
    fn resolve(self, is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Color {
        let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
        let is_forced = |name| is_set(name) && variable(name).as_deref() != Some("0");
        let has_color = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if is_set("NO_COLOR") => false,
            Self::Auto if is_forced("FORCE_COLOR") || is_forced("CLICOLOR_FORCE") => true,
            Self::Auto => is_terminal && variable("TERM").as_deref() != Some("dumb"),
        };
        if has_color { Color::Ansi } else { Color::Plain }
    }
}

/// Whether pre-commit runs the program: it says so to its hooks (pre-commit.com, "Advanced
/// features").
pub(super) fn is_in_hook() -> bool {
    environment("PRE_COMMIT").is_some_and(|value| !value.is_empty())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the terminal's settings are environment variables"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_option_then_the_environment_then_the_terminal() {
        use Color::{Ansi, Plain};
        use ColorChoice::{Always, Auto, Never};
        type Variables = &'static [(&'static str, &'static str)];
        let cases: &[(ColorChoice, bool, Variables, Color)] = &[
            (Auto, true, &[], Ansi),
            (Auto, false, &[], Plain),
            (Auto, true, &[("TERM", "dumb")], Plain),
            (Auto, true, &[("NO_COLOR", "1")], Plain),
            (Auto, true, &[("NO_COLOR", "")], Ansi),
            (Auto, false, &[("FORCE_COLOR", "1")], Ansi),
            (Auto, false, &[("FORCE_COLOR", "0")], Plain),
            (Auto, false, &[("CLICOLOR_FORCE", "1")], Ansi),
            (
                Auto,
                false,
                &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")],
                Plain,
            ),
            (Always, false, &[("NO_COLOR", "1"), ("TERM", "dumb")], Ansi),
            (Never, true, &[("FORCE_COLOR", "1")], Plain),
        ];
        for (choice, is_terminal, variables, expected) in cases {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let color = choice.resolve(*is_terminal, variable);
            assert_eq!(color, *expected, "{choice:?} {is_terminal} {variables:?}");
        }
    }
}
