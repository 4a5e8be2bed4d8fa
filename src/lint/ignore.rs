//! Findings that the configuration ignores, for manifests that one cannot edit.

use super::Date;
use crate::diagnostic::Diagnostic;
use globset::GlobMatcher;
use std::ops::Range;

/// An entry of `ignore:` in the configuration. It has an object's pattern, a path's, or
/// both; where both are there, both must match.
#[derive(Clone, Debug)]
pub struct IgnoreEntry {
    /// The rule that it ignores.
    pub rule: String,
    /// A pattern of the finding's object, `namespace/Kind/name`.
    pub object: Option<GlobMatcher>,
    /// A pattern of the file's path, relative to the configuration file.
    pub path: Option<GlobMatcher>,
    /// Why.
    pub reason: String,
    /// The last day that it counts.
    pub until: Option<Date>,
    /// Its bytes in the text of the configuration.
    pub range: Range<u32>,
}

impl IgnoreEntry {
    /// Whether it is about this finding, whose text stands in the file `path`.
    #[must_use]
    pub fn covers(&self, finding: &Diagnostic, path: &str) -> bool {
        let path = path.strip_prefix("./").unwrap_or(path);
        self.rule == finding.rule
            && self
                .object
                .as_ref()
                .is_none_or(|object| object.is_match(&finding.object))
            && self.path.as_ref().is_none_or(|glob| glob.is_match(path))
    }
}
