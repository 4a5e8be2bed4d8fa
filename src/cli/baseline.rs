//! Findings that were there when somebody began to look: written to a file once, left out
//! from then on.
//!
//! Refuses to know what a finding is about: a fingerprint says whether it is the same one,
//! and holds no line number.

use crate::diagnostic::Diagnostic;
use crate::load::Tree;
use crate::output::Fingerprints;
use crate::source::SourceMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// The version of the file's form.
const VERSION: u32 = 1;

/// The findings that are known.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Baseline {
    version: u32,
    findings: Vec<KnownFindings>,
}

/// A finding that is known. Only the fingerprint counts; the rest is for people.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KnownFindings {
    fingerprint: String,
    rule: String,
    object: String,
    message: String,
}

impl Baseline {
    /// The findings, in the order of their fingerprints, so that the file changes little.
    pub(super) fn of(sources: &SourceMap, findings: &[Diagnostic]) -> Self {
        let mut fingerprints = Fingerprints::new();
        let known = |finding: &Diagnostic| KnownFindings {
            fingerprint: fingerprints.next(sources, finding),
            rule: finding.rule.to_owned(),
            object: finding.object.clone(),
            message: finding.message.clone(),
        };
        let mut findings: Vec<KnownFindings> = findings.iter().map(known).collect();
        findings.sort_by(|a, b| {
            (&a.rule, &a.object, &a.fingerprint).cmp(&(&b.rule, &b.object, &b.fingerprint))
        });
        Self {
            version: VERSION,
            findings,
        }
    }

    /// Reads a file of the tree that [`write`](Self::write) wrote.
    ///
    /// # Errors
    ///
    /// In words, if it cannot be read or is no such file.
    pub(super) fn read(path: &Path, tree: &Tree<'_>) -> Result<Self, String> {
        let file = tree
            .read(path)
            .map_err(|error| format!("cannot be read: {error}"))?;
        let baseline: Self = serde_json::from_str(&file.text)
            .map_err(|error| format!("is not a baseline: {error}"))?;
        if baseline.version != VERSION {
            return Err(format!(
                "has version {}, and npcheck knows only {VERSION}",
                baseline.version
            ));
        }
        Ok(baseline)
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    #[expect(clippy::disallowed_methods, reason = "this is a writer of reports")]
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).expect("a baseline is plain data");
        fs::write(path, text + "\n")
    }

    /// How many findings it holds.
    pub(super) fn len(&self) -> usize {
        self.findings.len()
    }

    /// What its findings are known by.
    pub(super) fn fingerprints(&self) -> impl Iterator<Item = &str> {
        self.findings.iter().map(|known| known.fingerprint.as_str())
    }

    /// The entries that are not among the fingerprints, as `rule object`.
    pub(super) fn without(&self, fingerprints: &BTreeSet<String>) -> Vec<String> {
        let gone = self
            .findings
            .iter()
            .filter(|known| !fingerprints.contains(&known.fingerprint));
        gone.map(|known| format!("{} {}", known.rule, known.object))
            .collect()
    }
}
