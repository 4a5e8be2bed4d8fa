//! The file's own form, key by key, and its way into the types that npcheck works with.

use super::settings::SettingsEntry;
use super::{Config, Rendering, Scope};
use crate::diagnostic::Severity;
use crate::lint::{Date, IgnoreEntry, RuleMeta, Settings};
use crate::source::SourceMap;
use crate::yaml::general;
use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use serde_yaml::{Mapping, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

/// What the file says of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleSetting {
    /// It does not run.
    Off {
        /// Why, as its author wrote it.
        reason: String,
    },
    /// Every finding of it has this severity.
    At(Severity),
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The fault, in lower case without a full stop.
    pub message: String,
    /// What was probably meant, as an instruction.
    pub help: Option<String>,
    /// Line and column, from 1, where they are known.
    pub place: Option<(usize, usize)>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl Error {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            place: None,
        }
    }

    /// The same with the nearest of the known names as a suggestion, where one is near.
    pub(super) fn did_you_mean<'n>(
        mut self,
        written: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) -> Self {
        if let Some(name) = nearest(written, known) {
            self.help = Some(format!("did you mean `{name}`?"));
        }
        self
    }

    /// That a value is not what it has to be, with the word that was probably meant. The value
    /// is repeated only where it is nearly that word: the file may be any file of the machine
    /// that a stranger's link leads to, and messages go to the log of a CI job.
    pub(super) fn not_valid(written: &str, what: &str, known: &[&str]) -> Self {
        match nearest(written, known.iter().copied()) {
            Some(_) => Self::new(format!("`{written}` is not {what}"))
                .did_you_mean(written, known.iter().copied()),
            None => Self::new(format!("this is not {what}")),
        }
    }

    /// The same with all the known names, where none is near.
    pub(super) fn or_one_of<'n>(mut self, known: impl IntoIterator<Item = &'n str>) -> Self {
        self.help.get_or_insert_with(|| {
            let names: Vec<&str> = known.into_iter().collect();
            format!("the names are {}", names.join(", "))
        });
        self
    }

    /// The same as a fault of what is called `name`, if nothing says so yet.
    fn within(mut self, name: &str, text: &str) -> Self {
        if !self.message.contains(name) {
            self.message = format!("{}, in `{name}`", self.message);
        }
        self.at_word(text, name)
    }

    /// The same at the first place of the text where `name` stands as a key, an item or a
    /// value: serde does not keep the places of what it has read.
    pub(super) fn at_word(mut self, text: &str, name: &str) -> Self {
        let is_word = |line: &str, at: usize| {
            let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
            let before = line[..at].chars().next_back();
            let after = line[at + name.len()..].chars().next();
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        };
        self.place = self.place.or_else(|| {
            text.lines().enumerate().find_map(|(index, line)| {
                let code = line.split(" #").next().unwrap_or(line);
                let mut places = code.match_indices(name).map(|(at, _)| at);
                let at =
                    places.find(|at| is_word(code, *at) && !code.trim_start().starts_with('#'))?;
                Some((index + 1, code[..at].chars().count() + 1))
            })
        });
        self
    }

    /// The same as a fault of the value at a path of keys: `scopes[0]`.
    fn at_path(mut self, path: &serde_path_to_error::Path, text: &str) -> Self {
        let written = path.to_string();
        let mut keys = path.iter().filter_map(|segment| match segment {
            Segment::Map { key } => Some(key.as_str()),
            _ => None,
        });
        let Some(key) = keys.next_back() else {
            return self;
        };
        if !self.message.contains(&format!("`{key}`")) {
            self.message = format!("`{written}`: {}", self.message);
        }
        self.at_word(text, key)
    }

    /// A fault that serde found, in npcheck's words.
    pub(super) fn from_serde(error: &serde_yaml::Error, text: &str) -> Self {
        let place = error
            .location()
            .map(|location| (location.line(), location.column()));
        let message = error.to_string();
        // serde says: unknown field `x`, expected one of `a`, `b` at line 3 column 1
        let mut quoted = message.split('`').skip(1).step_by(2);
        if let (true, Some(name)) = (message.contains("unknown "), quoted.next()) {
            let known: Vec<&str> = quoted.collect();
            let kind = if message.contains("unknown field") {
                "key"
            } else {
                "value"
            };
            let is_shown = kind == "key" || nearest(name, known.iter().copied()).is_some();
            let message = match is_shown {
                true => format!("unknown {kind} `{name}`"),
                false => format!("unknown {kind}"),
            };
            let mut error = Self {
                place,
                ..Self::new(message)
            }
            .did_you_mean(name, known.iter().copied());
            if kind == "value" && error.help.is_none() {
                error.help = Some(format!("the values are {}", known.join(", ")));
            }
            return error.at_word(text, name);
        }
        let fact = message.split(" at line ").next().unwrap_or(&message);
        if let Some(key) = fact.strip_prefix("missing field ") {
            return Self {
                place,
                ..Self::new(format!("the key {key} is missing"))
            };
        }
        Self {
            place,
            ..Self::new(without_values(fact))
        }
    }
}

/// The nearest of the known names, where one is near.
fn nearest<'n>(written: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let distance = |name: &str| strsim::osa_distance(&written.to_lowercase(), &name.to_lowercase());
    let nearest = known.into_iter().map(|name| (distance(name), name)).min();
    let nearest = nearest.filter(|(distance, name)| *distance <= 1 + name.len() / 4);
    nearest.map(|(_, name)| name)
}

/// What serde says, without the text of the file: that may be any file of the machine,
/// and messages go to the log of a CI job.
fn without_values(fact: &str) -> String {
    let Some((problem, expected)) = fact.split_once(", expected ") else {
        return fact
            .split(['"', ';'])
            .next()
            .unwrap_or(fact)
            .trim_end()
            .to_owned();
    };
    let place = problem
        .split_once("invalid ")
        .map_or("", |(place, _)| place);
    let expected = match expected.split(' ').next().unwrap_or_default() {
        "struct" | "map" => "a mapping",
        "sequence" => "a list",
        "string" => "text",
        "boolean" => "true or false",
        _ if expected.starts_with("a map") => "a mapping",
        _ if expected.starts_with("a sequence") => "a list",
        _ if expected.starts_with("a string") => "text",
        _ if expected.starts_with("a boolean") => "true or false",
        _ => "a value of another type",
    };
    format!("{place}this must be {expected}")
}

/// The keys that stand only at the top; what is left is about the cluster, and may stand
/// in a scope too.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct File {
    version: Option<u32>,
    preview: bool,
    fail_on: Option<Level>,
    rules: BTreeMap<String, Value>,
    ignore: Vec<Ignore>,
    scopes: Vec<ScopeEntry>,
    #[serde(flatten)]
    cluster: Mapping,
}

/// The names of the fields of [`File`], for suggestions.
pub(super) const TOP_KEYS: &[&str] = &["version", "preview", "failOn", "rules", "ignore", "scopes"];

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Level {
    Error,
    Warning,
    Info,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warning => Self::Warning,
            Level::Info => Self::Info,
        }
    }
}

/// `{severity: off, reason: …}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FullRuleEntry {
    severity: Value,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ignore {
    rule: String,
    object: Option<String>,
    path: Option<String>,
    reason: String,
    until: Option<String>,
}

#[derive(Deserialize)]
struct ScopeEntry {
    name: String,
    paths: Vec<String>,
    #[serde(flatten)]
    cluster: Mapping,
}

/// The only version of the form that there is.
const VERSION: u32 = 1;

pub(super) fn read(text: &str, known: &[&RuleMeta]) -> Result<Config, Error> {
    let whole = text;
    let text = text.trim_start_matches('\u{feff}');
    let value: Value =
        serde_yaml::from_str(text).map_err(|error| Error::from_serde(&error, text))?;
    if value.is_null() {
        return Ok(Config::default());
    }
    let written = written(&value);
    let file: File = from_value(value, text)?;
    if let Some(version) = file.version.filter(|version| *version != VERSION) {
        return Err(Error::new(format!(
            "version {version} of the configuration is not known, only {VERSION}"
        ))
        .at_word(text, "version"));
    }
    let rules = rule_settings(file.rules, text, known)?;
    let at_work = rules
        .iter()
        .filter(|(_, setting)| matches!(setting, RuleSetting::At(_)));
    let named = Settings {
        asked_for: at_work.map(|(name, _)| name.clone()).collect(),
        ..Settings::default()
    };
    let settings = SettingsEntry::read(file.cluster, text, TOP_KEYS)?.over(&named, text)?;
    let scope = |entry: ScopeEntry| -> Result<Scope, Error> {
        let paths = entry
            .paths
            .iter()
            .map(|path| glob(path, text))
            .collect::<Result<_, _>>()?;
        let settings =
            SettingsEntry::read(entry.cluster, text, &["name", "paths"])?.over(&settings, text)?;
        Ok(Scope {
            name: entry.name,
            paths,
            settings,
        })
    };
    Ok(Config {
        rendering: Rendering::default(),
        rules,
        preview: file.preview,
        fail_on: file.fail_on.map(Severity::from),
        ignore: file
            .ignore
            .into_iter()
            .zip(ignore_ranges(whole))
            .map(|(entry, range)| ignore(entry, range, text, known))
            .collect::<Result<_, _>>()?,
        scopes: file
            .scopes
            .into_iter()
            .map(scope)
            .collect::<Result<_, _>>()?,
        settings,
        selected: None,
        deselected: BTreeSet::new(),
        written,
    })
}

/// A part of the file in its own form; else a fault that names the key.
pub(super) fn from_value<T: DeserializeOwned>(value: Value, text: &str) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().clone();
        Error::from_serde(&error.into_inner(), text).at_path(&path, text)
    })
}

fn written(file: &Value) -> Vec<(String, String)> {
    let entry = |(key, value): (&Value, &Value)| {
        let key = key.as_str()?.to_owned();
        serde_json::to_string(value).ok().map(|value| (key, value))
    };
    let entries = file.as_mapping().into_iter().flatten();
    entries.filter_map(entry).collect()
}

fn rule_settings(
    entries: BTreeMap<String, Value>,
    text: &str,
    rules: &[&RuleMeta],
) -> Result<BTreeMap<String, RuleSetting>, Error> {
    let setting = |(name, entry): (String, Value)| {
        check_rule(&name, text, rules)?;
        let (severity, reason) = match entry {
            Value::Mapping(_) => {
                let full: FullRuleEntry =
                    from_value(entry, text).map_err(|error| error.within(&name, text))?;
                (full.severity, full.reason)
            }
            short => (short, None),
        };
        // YAML 1.1 reads a bare `off` as false.
        let word = match &severity {
            Value::Bool(false) => "off",
            Value::String(word) => word,
            _ => {
                let mut error = Error::new(format!("the severity of `{name}` is not a word"));
                error.help = Some("the values are error, warning, info, off".to_owned());
                return Err(error.at_word(text, &name));
            }
        };
        let setting = match word {
            "error" => RuleSetting::At(Severity::Error),
            "warning" => RuleSetting::At(Severity::Warning),
            "info" => RuleSetting::At(Severity::Info),
            "off" => match reason.filter(|reason| !reason.trim().is_empty()) {
                Some(reason) => RuleSetting::Off { reason },
                None => {
                    let mut error = Error::new(format!("`{name}` is turned off without a reason"));
                    error.help = Some(format!("write `{name}: {{severity: off, reason: why}}`"));
                    return Err(error.at_word(text, &name));
                }
            },
            other => {
                let what = format!("a severity of `{name}`");
                let known = ["error", "warning", "info", "off"];
                return Err(Error::not_valid(other, &what, &known).at_word(text, &name));
            }
        };
        Ok((name, setting))
    };
    entries.into_iter().map(setting).collect()
}

fn check_rule(name: &str, text: &str, rules: &[&RuleMeta]) -> Result<(), Error> {
    if rules.iter().any(|rule| rule.name == name) {
        return Ok(());
    }
    let names = rules.iter().map(|rule| rule.name);
    Err(Error::new(format!("there is no rule `{name}`"))
        .did_you_mean(name, names)
        .at_word(text, name))
}

/// Where the entries of `ignore` stand in the text.
fn ignore_ranges(text: &str) -> impl Iterator<Item = Range<u32>> {
    let source = SourceMap::default().add("", "");
    let tree = general::read(source, text, 0..text.len());
    let mut ranges = Vec::new();
    if let Ok(tree) = &tree
        && let Some(entries) = tree.root().and_then(|root| root.get("ignore"))
    {
        let spans = entries.items().map(|entry| entry.span());
        ranges.extend(spans.map(|span| span.start..span.end));
    }
    // Who has no place of its own stands for the file.
    ranges.into_iter().chain(std::iter::repeat(0..0))
}

fn ignore(
    entry: Ignore,
    range: Range<u32>,
    text: &str,
    rules: &[&RuleMeta],
) -> Result<IgnoreEntry, Error> {
    if rules.iter().all(|rule| rule.name != entry.rule) {
        let names: Vec<&str> = rules.iter().map(|rule| rule.name).collect();
        let error = Error::not_valid(&entry.rule, "the name of a rule", &names);
        return Err(error.at_word(text, &entry.rule));
    }
    if entry.reason.trim().is_empty() {
        return Err(
            Error::new(format!("`{}` is ignored without a reason", entry.rule))
                .at_word(text, "reason"),
        );
    }
    if entry.object.is_none() && entry.path.is_none() {
        let mut error = Error::new(format!("`{}` is ignored everywhere", entry.rule));
        error.help = Some(format!(
            "name an `object` or a `path`, or turn the rule off under `rules`: `{}`",
            entry.rule
        ));
        return Err(error.at_word(text, &entry.rule));
    }
    let until = entry.until.map(|until| {
        until.parse::<Date>().map_err(|_| {
            let mut error = Error::new("this is not a valid date");
            error.help = Some("write it as `2027-01-31`".to_owned());
            error.at_word(text, &until)
        })
    });
    Ok(IgnoreEntry {
        rule: entry.rule,
        object: entry.object.map(|object| glob(&object, text)).transpose()?,
        path: entry.path.map(|path| glob(&path, text)).transpose()?,
        reason: entry.reason,
        until: until.transpose()?,
        range,
    })
}

/// A pattern of paths or names: `*` stays within a part, `**` does not.
fn glob(pattern: &str, text: &str) -> Result<GlobMatcher, Error> {
    let glob = GlobBuilder::new(pattern.trim_start_matches("./").trim_end_matches('/'))
        .literal_separator(true)
        .build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| {
        let kind = error.kind();
        Error::new(format!("this is not a valid pattern: {kind}")).at_word(text, pattern)
    })
}
