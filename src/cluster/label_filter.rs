//! Which labels of pods Cilium's agent keeps in identities: its option `labels`, on top of its own
//! list, in the place of which a file may stand (`pkg/labelsfilter/filter.go`).
//!
//! Refuses to know which labels there are.

use regex::Regex;

/// Where the labels of pods come from, as a pattern names it.
const KUBERNETES: &str = "k8s";

/// The agent's list, and what its option `labels` adds to it.
#[derive(Clone, Debug, Default)]
pub struct LabelFilter {
    added: Vec<Pattern>,
    /// Whether a file that nobody sees says what is kept (`label-prefix-file`).
    is_untold: bool,
}

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    keeps: bool,
    /// `None` for one about labels that pods do not have.
    expression: Option<Regex>,
}

impl PartialEq for LabelFilter {
    fn eq(&self, other: &Self) -> bool {
        let texts = |filter: &Self| -> Vec<String> {
            let texts = filter.added.iter().map(|pattern| pattern.text.clone());
            texts.collect()
        };
        texts(self) == texts(other) && self.is_untold == other.is_untold
    }
}

impl Eq for LabelFilter {}

/// How much of a key patterns match: the longest that keeps it, and the shortest that drops it;
/// 0 where none does, as the agent counts.
#[derive(Clone, Copy, Default)]
struct Matched {
    kept: usize,
    dropped: usize,
}

impl Matched {
    fn add(&mut self, keeps: bool, length: usize) {
        if keeps {
            self.kept = self.kept.max(length);
        } else if self.dropped == 0 || length < self.dropped {
            self.dropped = length;
        }
    }
}

impl LabelFilter {
    /// The patterns of a text, which are separated by blanks: `SOURCE:PATTERN` or `PATTERN`, where
    /// one that begins with `!` drops what it matches.
    ///
    /// # Errors
    ///
    /// If a pattern is empty or not a regular expression: the agent does not start with it. The
    /// error is that pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut added = Vec::new();
        for written in text.split_whitespace() {
            let (source, pattern) = match written.split_once(':') {
                Some((source, pattern)) => (Some(source), pattern),
                None => (None, written),
            };
            let (keeps, pattern) = match pattern.strip_prefix('!') {
                Some(pattern) => (false, pattern),
                None => (true, pattern),
            };
            let expression = match Regex::new(pattern) {
                Ok(expression) if !(keeps && pattern.is_empty()) => expression,
                _ => return Err(written.to_owned()),
            };
            // Other sources are of containers, not of pods; they still make the list one of what
            // is kept, and nothing else.
            let is_of_pods = source.is_none_or(|source| source.is_empty() || source == KUBERNETES);
            added.push(Pattern {
                text: written.to_owned(),
                keeps,
                expression: is_of_pods.then_some(expression),
            });
        }
        Ok(Self {
            added,
            is_untold: false,
        })
    }

    /// The list of a file that nobody sees.
    #[must_use]
    pub fn of_file() -> Self {
        Self {
            is_untold: true,
            ..Self::default()
        }
    }

    /// Whether nobody knows if a label of this key stays in the identity of a pod. What Cilium
    /// itself adds, such as the namespace, is taken to stay: no policy works without.
    #[must_use]
    pub fn may_drop(&self, key: &str) -> bool {
        self.is_untold && !key.starts_with("io.cilium.k8s") && key != "io.kubernetes.pod.namespace"
    }

    /// Its patterns as they were written.
    #[must_use]
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.added.iter().map(|it| it.text.as_str()).collect();
        texts.join(" ")
    }

    /// Whether a label of this key stays in the identity of a pod: where a pattern that drops it
    /// matches, the longest that keeps it must be longer than the shortest that drops it; and
    /// where the option says what to keep, nothing else is. One that [may be
    /// dropped](Self::may_drop) counts as kept.
    #[must_use]
    pub fn keeps(&self, key: &str) -> bool {
        if self.is_untold {
            return true;
        }
        let mut matched = matched_by_agent(key);
        for pattern in &self.added {
            let expression = pattern.expression.as_ref();
            let found = expression.and_then(|expression| expression.find(key));
            if let Some(found) = found.filter(|found| found.start() == 0) {
                matched.add(pattern.keeps, found.end());
            }
        }
        let is_list = self.added.iter().any(|pattern| pattern.keeps);
        (!is_list && matched.dropped == 0) || matched.kept > matched.dropped
    }
}

/// What the agent's own list says of a key.
fn matched_by_agent(key: &str) -> Matched {
    const KEPT: [&str; 5] = [
        "io.kubernetes.pod.namespace",
        "io.cilium.k8s.namespace.labels",
        "app.kubernetes.io",
        "io.cilium.k8s.policy.cluster",
        "io.cilium.k8s.policy.serviceaccount",
    ];
    const DROPPED: [&str; 13] = [
        "io.kubernetes",
        "kubernetes.io",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/controller-uid",
        "k8s.io",
        "pod-template-generation",
        "pod-template-hash",
        "controller-revision-hash",
        "controller-uid",
        "etcd_node",
        "topology.kubernetes.io",
    ];
    const BETA: &str = "beta.kubernetes.io";
    let mut matched = Matched::default();
    for (patterns, keeps) in [(&KEPT[..], true), (&DROPPED[..], false)] {
        for pattern in patterns.iter().filter(|pattern| key.starts_with(**pattern)) {
            matched.add(keeps, pattern.len());
        }
    }
    if let Some(at) = key.rfind(BETA) {
        matched.add(false, at + BETA.len());
    }
    if key.starts_with("annotation") {
        matched.add(false, key.len());
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_that_the_list_leaves() {
        let cases = [
            ("", "app", true),
            ("", "app.kubernetes.io/name", true),
            ("", "node.kubernetes.io/x", true),
            ("", "k8s-app", true),
            ("", "batch.kubernetes.io/job-name", true),
            ("", "io.kubernetes.pod.namespace", true),
            (
                "",
                "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name",
                true,
            ),
            ("", "pod-template-hash", false),
            ("", "kubernetes.io/arch", false),
            ("", "k8s.io/x", false),
            ("", "io.kubernetes.x", false),
            ("", "statefulset.kubernetes.io/pod-name", false),
            ("", "topology.kubernetes.io/zone", false),
            ("", "failure-domain.beta.kubernetes.io/zone", false),
            ("", "annotation.x", false),
            ("", "controller-uid", false),
            // Where something is to be kept, nothing else is.
            ("k8s:app", "app", true),
            ("k8s:app", "apple", true),
            ("k8s:app", "tier", false),
            ("k8s:app", "io.kubernetes.pod.namespace", true),
            ("container:app", "app", false),
            ("^app$", "app", true),
            ("^app$", "apple", false),
            // A pattern counts at the start of a key alone.
            ("k8s:tier", "my-tier", false),
            ("!tier", "tier", false),
            ("!tier", "my-tier", true),
            ("k8s:!job-name k8s:!tier", "job-name", false),
            ("k8s:!job-name k8s:!tier", "app", true),
            ("container:!app", "app", true),
            // The longer one of two decides.
            ("!team team-lead", "team-lead", true),
            ("!team team-lead", "team", false),
            ("kubernetes.io/arch", "kubernetes.io/arch", true),
        ];
        for (text, key, is_kept) in cases {
            let filter = LabelFilter::parse(text).expect("a list that the agent takes");
            assert_eq!(filter.keeps(key), is_kept, "`{text}`: {key}");
        }
    }

    #[test]
    fn a_list_is_none_where_the_agent_does_not_start() {
        assert_eq!(
            LabelFilter::parse("app k8s:(").err().as_deref(),
            Some("k8s:(")
        );
        assert_eq!(LabelFilter::parse("k8s:").err().as_deref(), Some("k8s:"));
        assert!(LabelFilter::parse("").is_ok());
    }
}
