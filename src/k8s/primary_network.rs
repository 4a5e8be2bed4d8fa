//! A network of OVN-Kubernetes that takes the place of the cluster's for the pods of some
//! namespaces: which namespaces are on it, and which are certainly not.
//!
//! Refuses to know its addresses, and what policies say within it.

use super::meta::NAMESPACE_NAME_LABEL;
use super::selector::{LabelSelector, LabelSelectorRequirement, Operator};
use crate::source::{Span, Spanned, Text};

/// The label that a namespace has to have from its creation on for its pods to be on such a
/// network (docs.okd.io, "About user-defined networks").
const LABEL: &str = "k8s.ovn.org/primary-user-defined-network";

/// Where the resolvers are, which pods of every network reach.
const REACHED_BY_ALL: [&str; 2] = ["kube-system", "openshift-dns"];

/// A network by the labels of namespaces.
#[derive(Clone, Debug)]
pub struct PrimaryNetwork {
    /// The name by which the objects of several namespaces are one network; `None` where one
    /// object is all of it.
    pub name: Option<String>,
    /// The namespaces whose pods are on it.
    pub namespaces: LabelSelector,
    /// The namespaces whose pods are on another network, and not among those that pods of every
    /// network reach: whatever one of these selectors matches.
    pub elsewhere: Vec<LabelSelector>,
}

impl PrimaryNetwork {
    /// That of the namespaces which a selector matches.
    #[must_use]
    pub fn of_namespaces(mut namespaces: LabelSelector) -> Self {
        let text = namespaces.span;
        namespaces
            .match_expressions
            .push(requirement(text, LABEL, Operator::Exists, &[]));
        let mut lacking = Vec::new();
        for label in &namespaces.match_labels {
            let value = [label.value.value.as_str()];
            lacking.push(requirement(text, &label.key.value, Operator::NotIn, &value));
        }
        for entry in &namespaces.match_expressions {
            let mut entry = entry.clone();
            entry.operator.value = match entry.operator.value {
                Operator::In => Operator::NotIn,
                Operator::NotIn => Operator::In,
                Operator::Exists => Operator::DoesNotExist,
                Operator::DoesNotExist => Operator::Exists,
            };
            lacking.push(entry);
        }
        let elsewhere = lacking.into_iter().map(elsewhere);
        Self {
            name: None,
            elsewhere: elsewhere.collect(),
            namespaces,
        }
    }

    /// That of one namespace, with the text that stands for it.
    #[must_use]
    pub fn of_namespace(name: &str, text: Span) -> Self {
        let mut namespaces = LabelSelector::everything(text);
        let by_name = requirement(text, NAMESPACE_NAME_LABEL, Operator::In, &[name]);
        namespaces.match_expressions.push(by_name);
        Self::of_namespaces(namespaces)
    }

    /// What an object of a namespace says of the network of this name, where the namespaces of
    /// `others` are on other networks; any further namespace may be on it as well.
    #[must_use]
    pub fn of_attachment(name: &str, home: &str, others: &[&str], text: Span) -> Self {
        let mut namespaces = LabelSelector::everything(text);
        namespaces.match_expressions.extend([
            requirement(text, NAMESPACE_NAME_LABEL, Operator::In, &[home]),
            requirement(text, LABEL, Operator::Exists, &[]),
        ]);
        let lacking = [
            requirement(text, LABEL, Operator::DoesNotExist, &[]),
            requirement(text, NAMESPACE_NAME_LABEL, Operator::In, others),
        ];
        Self {
            name: Some(name.to_owned()),
            elsewhere: lacking.into_iter().map(elsewhere).collect(),
            namespaces,
        }
    }
}

/// What lacks something that the namespaces of a network have, but for what every network
/// reaches.
fn elsewhere(lacking: LabelSelectorRequirement) -> LabelSelector {
    let text = lacking.span;
    let mut selector = LabelSelector::everything(text);
    let reached = requirement(text, NAMESPACE_NAME_LABEL, Operator::NotIn, &REACHED_BY_ALL);
    selector.match_expressions.extend([lacking, reached]);
    selector
}

fn requirement(
    span: Span,
    key: &str,
    operator: Operator,
    values: &[&str],
) -> LabelSelectorRequirement {
    let text = |text: &str| Spanned {
        value: Text::from(text),
        span,
    };
    LabelSelectorRequirement {
        span,
        key: text(key),
        operator: Spanned {
            value: operator,
            span,
        },
        values: values.iter().map(|value| text(value)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::{Label, Labels, Truth};

    fn text() -> Span {
        let source = crate::source::SourceMap::default().add("a.yaml", "a");
        Span {
            source,
            start: 0,
            end: 1,
        }
    }

    /// Whether a namespace with these labels is on the network, and whether it is elsewhere.
    fn places(network: &PrimaryNetwork, labels: &[(&str, &str)]) -> (Truth, Truth) {
        let text = network.namespaces.span;
        let label = |(key, value): &(&str, &str)| Label {
            key: Spanned::new(Text::from(*key), text),
            value: Spanned::new(Text::from(*value), text),
        };
        let labels = Labels::new(labels.iter().map(label).collect());
        let elsewhere = network.elsewhere.iter();
        let elsewhere = elsewhere.map(|selector| selector.matches_opaque(&labels));
        let inside = network.namespaces.matches_opaque(&labels);
        (inside, elsewhere.max().expect("the label is asked for"))
    }

    #[test]
    fn a_namespace_is_on_the_network_or_elsewhere() {
        let blue = PrimaryNetwork::of_namespace("blue", text());
        let name = |name| (NAMESPACE_NAME_LABEL, name);
        let on_one = (LABEL, "");
        let (inside, elsewhere) = ((Truth::True, Truth::False), (Truth::False, Truth::True));
        assert_eq!(places(&blue, &[name("blue"), on_one]), inside);
        assert_eq!(places(&blue, &[name("blue")]), elsewhere);
        assert_eq!(places(&blue, &[name("green"), on_one]), elsewhere);
        assert_eq!(places(&blue, &[name("green")]), elsewhere);
        // A resolver is neither.
        let neither = (Truth::False, Truth::False);
        assert_eq!(places(&blue, &[name("openshift-dns")]), neither);
    }
}
