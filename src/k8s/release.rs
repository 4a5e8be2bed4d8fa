//! The pods that a release of a chart brings, as far as the object tells that installs it.
//!
//! Refuses to know the chart.

use super::filled_in::is_opaque;
use super::meta::{Label, Labels};
use super::network_policy::{Direction, Protocol};
use super::selector::{LabelSelector, Truth};
use crate::source::Span;

/// Pods that a release of a chart brings.
#[derive(Clone, Debug)]
pub struct ReleasedPods {
    /// What a person calls them, the first one first: the release, a controller in it.
    pub names: Vec<String>,
    /// The labels that they have for certain.
    pub labels: Labels,
    /// Whether these are all of their labels.
    pub are_labels_known: bool,
    /// Their named ports.
    pub ports: Vec<ReleasedPort>,
    /// Whether these are all of their named ports.
    pub are_ports_known: bool,
    /// Whether they are on the network of their node.
    pub host_network: bool,
    /// Whether that is known.
    pub is_host_network_known: bool,
}

impl ReleasedPods {
    /// Whether some of these labels of pods have all that are known of theirs: then they are
    /// among the manifests, as in a dump of a cluster or beside a chart that was rendered.
    pub fn are_among<'l>(&self, others: impl IntoIterator<Item = &'l Labels>) -> bool {
        let mut others = others.into_iter();
        others.any(|labels| {
            let mut known = self.labels.iter().filter(|it| !is_opaque(&it.value));
            known.all(|label| labels.get(&label.key) == Some(label.value.value.as_str()))
        })
    }

    /// Whether a selector matches them, as far as their labels are known; something has to
    /// speak for it.
    #[must_use]
    pub fn may_match(&self, selector: &LabelSelector) -> bool {
        if self.are_labels_known {
            return selector.matches_opaque(&self.labels) != Truth::False;
        }
        let asked = || selector.match_labels.iter();
        let own = |label: &Label| {
            self.labels
                .get(&label.key)
                .map(|own| own == label.value.value)
        };
        asked().any(|label| own(label) == Some(true))
            && asked().all(|label| own(label) != Some(false))
    }
}

/// A policy that a release of a chart brings; what it says is not known.
#[derive(Clone, Debug)]
pub struct ReleasedPolicy {
    /// The text that asks for it.
    pub span: Span,
    /// The pods that it selects; `None` for any of the namespace.
    pub pods: Option<LabelSelector>,
    /// A direction in which it isolates them.
    pub direction: Direction,
}

/// A named port of such pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasedPort {
    /// Its name.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub number: u16,
}
