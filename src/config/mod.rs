//! `npcheck.yaml`: which rules count how much, what is known of the cluster beyond the
//! manifests, and which findings somebody has decided to keep.
//!
//! Checks every name against the list of rules that it is handed. Refuses to know where
//! the file lies and what is on the command line.

mod expectations;
mod file;
mod schema;
mod scope;
mod settings;

pub use expectations::{
    Claim, EndForm, Expectation, FlowClaim, TEST_FILE_NAMES, read_expectations,
};
pub use file::{Error, RuleSetting};
pub use schema::{keys, schema};
pub use scope::Scope;
pub use settings::{cni, cni_word, cni_words};

use crate::diagnostic::Severity;
use crate::lint::{IgnoreEntry, RuleMeta, RuleTier, Settings};
use globset::GlobMatcher;
use std::collections::{BTreeMap, BTreeSet};

/// The name of the file, at the root of what is analysed.
pub const FILE_NAME: &str = "npcheck.yaml";

/// The names under which the file is found; two of them in one directory are a mistake.
pub const FILE_NAMES: [&str; 4] = [FILE_NAME, "npcheck.yml", ".npcheck.yaml", ".npcheck.yml"];

/// A configuration that was checked: every rule exists, every pattern and address parses.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What the file says of rules, by their name.
    pub rules: BTreeMap<String, RuleSetting>,
    /// Whether rules in preview run without being named.
    pub preview: bool,
    /// The least severity that fails a run; `None` where the file does not say.
    pub fail_on: Option<Severity>,
    /// The findings that are allowed, for manifests that one cannot edit.
    pub ignore: Vec<IgnoreEntry>,
    /// What is known beyond the manifests, outside of every scope.
    pub settings: Settings,
    /// Parts of the tree that are clusters of their own, in the order of the file. A file
    /// belongs to the first one whose pattern it matches.
    pub scopes: Vec<Scope>,
    /// The rules that run whatever the file says, and no others; `None` for those that the
    /// file wants.
    pub selected: Option<BTreeSet<String>>,
    /// The rules that do not run whatever the file says.
    pub deselected: BTreeSet<String>,
    /// What is built before it is judged.
    pub rendering: Rendering,
    /// The keys at the top of the file with their values, each as one line of JSON, in the
    /// order of the file.
    pub written: Vec<(String, String)>,
}

/// What is built before it is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rendering {
    /// Kustomizations, and what Flux and Argo CD make of them.
    #[default]
    Auto,
    /// Nothing: the files count as they stand.
    Off,
    /// What `Auto` builds, and charts of the tree by the program `helm`.
    Helm,
}

impl Config {
    /// Reads the text of a configuration file. `rules` are the rules that exist.
    ///
    /// # Errors
    ///
    /// If it is not YAML, has an unknown key or an unknown rule, turns a rule off without a
    /// reason, or has a value that does not parse. The first fault is returned.
    pub fn read(text: &str, rules: &[&RuleMeta]) -> Result<Self, Error> {
        file::read(text, rules)
    }

    /// What the rule counts in this configuration: `None` if it is off. Without a word in
    /// the file a rule that is on by default keeps the severity of each finding, and one in
    /// preview is off unless all of those are wanted.
    #[must_use]
    pub fn severity(&self, rule: &RuleMeta, usual: Severity) -> Option<Severity> {
        if self.deselected.contains(rule.name) {
            return None;
        }
        if let Some(selected) = &self.selected {
            let at = match self.rules.get(rule.name) {
                Some(RuleSetting::At(severity)) => *severity,
                _ => usual,
            };
            return selected.contains(rule.name).then_some(at);
        }
        match self.rules.get(rule.name) {
            Some(RuleSetting::Off { .. }) => None,
            Some(RuleSetting::At(severity)) => Some(*severity),
            None => self.runs_unnamed(rule).then_some(usual),
        }
    }

    /// Whether a rule runs that the file does not name.
    #[must_use]
    pub fn runs_unnamed(&self, rule: &RuleMeta) -> bool {
        rule.is_on_by_default && (rule.tier == RuleTier::Stable || self.preview)
    }

    /// Whether the rule runs at all.
    #[must_use]
    pub fn is_enabled(&self, rule: &RuleMeta) -> bool {
        self.severity(rule, rule.severity).is_some()
    }

    /// What is known beyond the manifests, outside of every scope and in each.
    pub fn all_settings_mut(&mut self) -> impl Iterator<Item = &mut Settings> {
        let of_scopes = self.scopes.iter_mut().map(|scope| &mut scope.settings);
        std::iter::once(&mut self.settings).chain(of_scopes)
    }

    /// The scope that a file belongs to, by its path with `/` between the parts, relative to
    /// the configuration file; `None` for the rest of the tree, which is one cluster too. A scope
    /// that names a directory, such as that of a root, has the files below it.
    #[must_use]
    pub fn scope_of(&self, path: &str) -> Option<usize> {
        let path = path.strip_prefix("./").unwrap_or(path);
        let ends = path.match_indices('/').map(|(end, _)| end);
        let around: Vec<&str> = ends.chain([path.len()]).map(|end| &path[..end]).collect();
        let matches = |glob: &GlobMatcher| around.iter().any(|it| glob.is_match(it));
        self.scopes
            .iter()
            .position(|scope| scope.paths.iter().any(matches))
    }
}

#[cfg(test)]
mod tests;
