//! What npcheck says about a text: a finding, where it is, and how to mend it.
//!
//! Knows nothing of which rules exist, of Kubernetes, or of how findings are
//! printed: it is the value that rules make and formats render.

pub use crate::source::Edit;
use crate::source::Span;

/// How much a finding matters; a later one outranks an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Posture or housekeeping; does not fail a run by default.
    Info,
    /// Very likely a mistake.
    Warning,
    /// A mistake: the manifest does not do what it says, or is refused.
    Error,
}

impl Severity {
    /// The word for it in every format: `info`, `warning` or `error`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a fix does to connectivity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FixClass {
    /// Connectivity stays the same, or the manifest was unreadable before.
    Safe,
    /// Flows are removed, none is added.
    Narrowing,
    /// Flows are added.
    Widening,
}

impl FixClass {
    /// The word for it on the command line and in every format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Narrowing => "narrowing",
            Self::Widening => "widening",
        }
    }
}

/// A piece of text with a note on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The text.
    pub span: Span,
    /// The note: lower case, no full stop; may be empty for a bare underline.
    pub message: String,
}

/// Edits that mend what a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What the edits do, as an instruction: "remove the hyphen on line 11".
    pub title: String,
    /// What the rule claims the edits do to connectivity; proved before it is used.
    pub class: FixClass,
    /// In the order of their spans, of any number of files, without overlaps.
    pub edits: Vec<Edit>,
}

/// The ends of connections, each by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Those that connect.
    pub sources: Vec<String>,
    /// Those that they connect to.
    pub destinations: Vec<String>,
}

impl Ends {
    /// Whether every connection between these ends is one between the others.
    #[must_use]
    pub fn are_among(&self, others: &Self) -> bool {
        let among = |own: &[String], theirs: &[String]| own.iter().all(|it| theirs.contains(it));
        among(&self.sources, &others.sources) && among(&self.destinations, &others.destinations)
    }
}

/// One finding.
///
/// Texts are facts in lower case without a full stop, names of fields and objects
/// in backticks; they may quote manifests, so formats escape them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Name of the rule that found it.
    pub rule: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// The fact, one line.
    pub message: String,
    /// The object it is about, `namespace/Kind/name`; empty if there is none.
    pub object: String,
    /// Where in the object, as `spec.ingress[0].from[1]`; empty for the whole of it.
    pub path: String,
    /// The smallest text that is wrong.
    pub primary: Label,
    /// Further texts that explain it, maybe of other files.
    pub related: Vec<Label>,
    /// Facts that help to judge it: effects in numbers, readings, evidence.
    pub notes: Vec<String>,
    /// What to do, as an instruction.
    pub help: Option<String>,
    /// How to do it by machine. The first is the one that `--fix` takes.
    pub fix: Option<Fix>,
    /// The ends of the connections that it is about, where it is about those of two ends.
    pub between: Option<Box<Ends>>,
    /// Whether its object has more findings before it than anybody reads: it is not told, and
    /// counts where findings are compared.
    pub is_untold: bool,
}

impl Diagnostic {
    /// A finding of `rule` at `span`, with nothing but its message.
    #[must_use]
    pub fn new(
        rule: &'static str,
        severity: Severity,
        span: Span,
        message: impl Into<String>,
    ) -> Self {
        Self {
            rule,
            severity,
            message: message.into(),
            object: String::new(),
            path: String::new(),
            primary: Label {
                span,
                message: String::new(),
            },
            related: Vec::new(),
            notes: Vec::new(),
            help: None,
            fix: None,
            between: None,
            is_untold: false,
        }
    }

    /// Whether it says the same of the same text, whatever object is meant, and notes aside.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        (self.rule, self.severity, &self.message, &self.path)
            == (other.rule, other.severity, &other.message, &other.path)
            && self.primary == other.primary
            && self.related == other.related
            && self.help == other.help
            && self.fix == other.fix
    }

    /// The same with a note on the underlined text.
    #[must_use]
    pub fn label(mut self, message: impl Into<String>) -> Self {
        self.primary.message = message.into();
        self
    }

    /// The same, about `object` (`namespace/Kind/name`) at `path` within it.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>, path: impl Into<String>) -> Self {
        self.object = object.into();
        self.path = path.into();
        self
    }

    /// The same, about connections between these ends.
    #[must_use]
    pub fn between(mut self, sources: Vec<String>, destinations: Vec<String>) -> Self {
        self.between = Some(Box::new(Ends {
            sources,
            destinations,
        }));
        self
    }

    /// The same with a note on another piece of text.
    #[must_use]
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Label {
            span,
            message: message.into(),
        });
        self
    }

    /// The same with one more fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same with an instruction.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with another severity than the rule's usual one.
    #[must_use]
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// The same with a fix.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }
}
