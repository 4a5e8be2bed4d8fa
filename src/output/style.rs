//! How text for people is dressed: colours and links, or neither.
//!
//! Refuses to find out what the terminal can do: it is told.

use super::fit::{Fitted, WHOLE};
use std::fmt;
use std::io::Write;

/// What the place that output goes to can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether colours may be used.
    pub color: Color,
    /// Whether text may be a link.
    pub links: Links,
    /// How many columns a line may have; `None` where nobody looks at lines as a whole.
    pub width: Option<usize>,
}

/// Whether output has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Color {
    /// None, and no escape sequences at all.
    #[default]
    Plain,
    /// The sixteen colours that every terminal's theme adjusts.
    Ansi,
}

/// Whether output has hyperlinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Links {
    /// None.
    #[default]
    None,
    /// By the escape sequence OSC 8.
    Osc8,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An error, or a flow that is blocked.
    Error,
    /// A warning, or a flow that is allowed in part.
    Warning,
    /// An info.
    Info,
    /// Something good: a flow that is allowed.
    Good,
    /// The most important words of a line.
    Strong,
    /// Text that explains what is wrong by something else.
    Related,
    /// Arrows, numbers of lines, and what is there for completeness.
    Faint,
}

impl Style {
    /// Writes to `out`, in lines that fit.
    pub fn fit(self, out: &mut dyn Write) -> Fitted<'_> {
        Fitted::new(out, self.width)
    }

    /// A line of a source or of a patch, for a writer of [`fit`](Self::fit): it stays as it is,
    /// however long it is.
    pub(super) fn whole<T: fmt::Display>(self, line: T) -> String {
        match self.width {
            Some(_) => format!("{WHOLE}{line}"),
            None => line.to_string(),
        }
    }

    /// `text` in the colours of `role`, where there are any.
    pub fn paint<T: fmt::Display>(self, role: Role, text: T) -> Painted<T> {
        let code = match (self.color, role) {
            (Color::Plain, _) => "",
            (Color::Ansi, Role::Error) => "1;31",
            (Color::Ansi, Role::Warning) => "1;33",
            (Color::Ansi, Role::Info) => "1;36",
            (Color::Ansi, Role::Good) => "1;32",
            (Color::Ansi, Role::Strong) => "1",
            (Color::Ansi, Role::Related) => "36",
            (Color::Ansi, Role::Faint) => "2",
        };
        Painted { code, text }
    }

    /// `text` as a link to `address`, where there are links.
    pub fn link<T: fmt::Display>(self, address: &str, text: T) -> String {
        match self.links {
            Links::None => text.to_string(),
            Links::Osc8 => format!("\u{1b}]8;;{address}\u{1b}\\{text}\u{1b}]8;;\u{1b}\\"),
        }
    }
}

/// Text with its colour; made by [`Style::paint`].
#[derive(Clone, Copy, Debug)]
pub struct Painted<T> {
    code: &'static str,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code.is_empty() {
            return self.text.fmt(f);
        }
        write!(f, "\u{1b}[{}m", self.code)?;
        self.text.fmt(f)?;
        f.write_str("\u{1b}[0m")
    }
}
