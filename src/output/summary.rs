//! The last line of a run: what was found, what was read to find it, and what was skipped.
//!
//! Refuses to count: it is handed the numbers.

use super::{Escaped, count};
use std::collections::BTreeMap;
use std::fmt;

/// What a run read and what it passed over.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Summary {
    /// Files that were read.
    pub files: usize,
    /// Kubernetes objects in them, of whatever kind.
    pub objects: usize,
    /// `NetworkPolicy` objects among them.
    pub policies: usize,
    /// Cluster-wide policies among them.
    pub cluster_policies: usize,
    /// The policies among them of kinds that only some CNI plugin or service mesh knows, by
    /// kind.
    pub plugin_policies: BTreeMap<String, usize>,
    /// Pods, and objects that make pods, among them.
    pub workloads: usize,
    /// `Namespace` objects among them.
    pub namespaces: usize,
    /// Documents full of `{{ … }}`, which only Helm or its like can complete.
    pub templates: usize,
    /// Documents that SOPS has encrypted.
    pub encrypted: usize,
    /// Documents with `${VAR}`, which only deployment fills in.
    pub substitutions: usize,
    /// Patches of kustomize, which are no objects.
    pub patches: usize,
    /// Documents that are broken; findings say how.
    pub broken: usize,
    /// Files that could not be read; problems say why.
    pub unreadable: usize,
    /// Files that were met and left alone: symbolic links, binary files.
    pub left_alone: usize,
    /// Submodules, and files that Git LFS keeps, of which git has no text.
    pub elsewhere: usize,
    /// The revision that the findings were compared with, as it was written, if there is
    /// one.
    pub since: Option<String>,
    /// Whether nothing was read, because nothing that is staged concerns npcheck.
    pub is_unchanged: bool,
}

/// What is said of a run that read nothing because nothing that is staged concerns npcheck.
pub const UNCHANGED: &str =
    "nothing staged touches a manifest, npcheck's configuration or an ignore file: not analysed";

/// What is said of a run that found no object to analyse.
pub(super) const NOTHING: &str = "nothing to analyse: no Kubernetes object that policies are about";

/// How many findings there are of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Found {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Infos.
    pub infos: usize,
    /// How many of all these have a fix.
    pub fixable: usize,
    /// Findings that were suppressed, which are in none of the other numbers.
    pub suppressed: usize,
    /// Findings that the baseline knows, which are in none of the other numbers.
    pub baselined: usize,
    /// Findings that the revision has too, which are in none of the other numbers.
    pub known: usize,
}

impl Summary {
    /// `12 files, 34 objects (8 policies, 14 workloads, 5 namespaces)`.
    #[must_use]
    pub fn read(&self) -> String {
        let kinds = [
            (self.policies, "policy"),
            (self.cluster_policies, "cluster-wide policy"),
            (self.workloads, "workload"),
            (self.namespaces, "namespace"),
        ];
        let plugins = self.plugin_policies.iter();
        let plugins = plugins.map(|(kind, number)| format!("{number} {}", Escaped(kind)));
        let kinds = Some(list(&kinds)).filter(|kinds| !kinds.is_empty());
        let kinds: Vec<String> = kinds.into_iter().chain(plugins).collect();
        let kinds = kinds.join(", ");
        let read = format!(
            "{}, {}",
            count(self.files, "file"),
            count(self.objects, "object")
        );
        if kinds.is_empty() {
            read
        } else {
            format!("{read} ({kinds})")
        }
    }

    /// `3 Helm templates, 1 SOPS file`; empty if nothing was skipped.
    #[must_use]
    pub fn skipped(&self) -> String {
        list(&[
            (self.templates, "Helm template"),
            (self.encrypted, "SOPS file"),
            (self.substitutions, "document with ${…} variable"),
            (self.patches, "patch document"),
            (self.broken, "broken document"),
            (self.unreadable, "unreadable file"),
            (self.left_alone, "symlink or binary file"),
            (self.elsewhere, "submodule or LFS file"),
        ])
    }
}

/// `found 2 errors, 1 warning (2 fixable, 1 suppressed); read 12 files, …; skipped …`
impl Found {
    /// The last line of a run over what `summary` tells.
    #[must_use]
    pub fn line(&self, summary: &Summary) -> String {
        if summary.is_unchanged {
            return UNCHANGED.to_owned();
        }
        let since = summary.since.as_deref().map(Escaped);
        let found = list(&[
            (self.errors, "error"),
            (self.warnings, "warning"),
            (self.infos, "info"),
        ]);
        let besides = [
            (self.fixable, "fixable"),
            (self.suppressed, "suppressed"),
            (self.baselined, "in the baseline"),
        ];
        let known = since
            .as_ref()
            .filter(|_| self.known > 0)
            .map(|since| format!("{} in {since} already", self.known));
        let besides: Vec<String> = besides
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{number} {what}"))
            .chain(known)
            .collect();
        let mut line = match (found.is_empty(), &since) {
            (true, None) => "no findings".to_owned(),
            (true, Some(since)) => format!("no new findings since {since}"),
            (false, None) => format!("found {found}"),
            (false, Some(since)) => format!("found {found} new since {since}"),
        };
        if !besides.is_empty() {
            line += &format!(" ({})", besides.join(", "));
        }
        line += &format!("; read {}", summary.read());
        let skipped = summary.skipped();
        if !skipped.is_empty() {
            line += &format!("; skipped {skipped}");
        }
        line
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read {}", self.read())?;
        let skipped = self.skipped();
        if skipped.is_empty() {
            Ok(())
        } else {
            write!(f, "; skipped {skipped}")
        }
    }
}

/// The numbers that are not zero, each with its noun.
fn list(numbers: &[(usize, &str)]) -> String {
    let shown = numbers.iter().filter(|(number, _)| *number > 0);
    let words: Vec<String> = shown.map(|(number, noun)| count(*number, noun)).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_tells_what_was_found_read_and_skipped() {
        let summary = Summary {
            files: 12,
            objects: 34,
            policies: 8,
            workloads: 14,
            namespaces: 5,
            templates: 3,
            encrypted: 1,
            ..Summary::default()
        };
        let found = Found {
            errors: 2,
            warnings: 1,
            fixable: 2,
            suppressed: 1,
            ..Found::default()
        };
        assert_eq!(
            found.line(&summary),
            "found 2 errors, 1 warning (2 fixable, 1 suppressed); read 12 files, 34 objects \
             (8 policies, 14 workloads, 5 namespaces); skipped 3 Helm templates, 1 SOPS file"
        );
        let compared = Summary {
            since: Some("HEAD\u{1b}".to_owned()),
            ..summary.clone()
        };
        let known = Found { known: 7, ..found };
        assert!(known.line(&compared).starts_with(
            "found 2 errors, 1 warning new since HEAD\\u{1b} \
             (2 fixable, 1 suppressed, 7 in HEAD\\u{1b} already); read 12 files"
        ));
        let unknown = Found::default().line(&compared);
        assert!(
            unknown.starts_with("no new findings since HEAD\\u{1b}; read"),
            "{unknown}"
        );
        let one = Summary {
            files: 1,
            objects: 1,
            policies: 1,
            ..Summary::default()
        };
        assert_eq!(
            Found::default().line(&one),
            "no findings; read 1 file, 1 object (1 policy)"
        );
    }
}
