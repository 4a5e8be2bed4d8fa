//! Texts that may stand for pods and that speak of the values of labels: the objects of
//! operators that npcheck knows nothing of, charts, templates, patches.
//!
//! Refuses to know what a chart or an operator makes of its text: that the text has the value
//! of a label as a word of its own is enough.

use super::super::Context;
use super::super::plugin_selectors::plugin_selectors;
use super::is_unknown_maker;
use crate::k8s::{Document, LabelSelector, Operator, Outcome};
use std::collections::{HashMap, HashSet};

/// Kinds that make pods in another namespace than their own.
const DEPLOYERS: &[&str] = &["Application", "ApplicationSet", "HelmChart", "HelmRelease"];

/// Which texts speak of which values that policies ask for.
pub(super) struct Mentions<'a> {
    texts: Vec<Text<'a>>,
    /// By value: the texts that have it as a word, in order.
    by_word: HashMap<&'a str, Vec<u32>>,
}

/// A text that may stand for pods.
struct Text<'a> {
    /// The namespace of its pods; any where `None`.
    namespace: Option<&'a str>,
    /// Its kind in lower case: operators label pods with what they make, as those of a
    /// `Kafka` are `kafka`.
    kind: String,
}

impl<'a> Mentions<'a> {
    /// Reads the texts once, looking for the values of all selectors of policies.
    pub(super) fn new(cx: &Context<'a>) -> Self {
        let mut mentions = Self {
            texts: Vec::new(),
            by_word: HashMap::new(),
        };
        let wanted = values_of_selectors(cx);
        if wanted.is_empty() {
            return mentions;
        }
        let custom = cx.cluster.context_objects().custom_objects.iter();
        for object in custom.filter(|object| is_unknown_maker(object)) {
            let is_anywhere = DEPLOYERS.contains(&object.kind.as_str());
            let namespace = (!is_anywhere).then(|| object.home());
            let text = cx.sources.text(object.meta.span);
            mentions.add(&wanted, namespace, &object.kind, text);
        }
        for document in cx.documents {
            if stands_for_pods(document) {
                let own = match document.namespace.as_str() {
                    "" => document.put_into.as_deref(),
                    own => Some(own),
                };
                let is_anywhere = DEPLOYERS.contains(&document.kind.as_str());
                let namespace = own.filter(|_| !is_anywhere);
                let text = cx.sources.text(document.span);
                mentions.add(&wanted, namespace, &document.kind, text);
            }
        }
        mentions
    }

    fn add(
        &mut self,
        wanted: &HashSet<&'a str>,
        namespace: Option<&'a str>,
        kind: &str,
        text: &'a str,
    ) {
        let index = self.texts.len() as u32;
        for word in words(text).filter(|word| wanted.contains(word)) {
            let texts = self.by_word.entry(word).or_default();
            if texts.last() != Some(&index) {
                texts.push(index);
            }
        }
        self.texts.push(Text {
            namespace,
            kind: kind.to_lowercase(),
        });
    }

    /// Whether a text about pods of the namespace speaks of all values that the selector asks
    /// for.
    pub(super) fn speak_for(&self, namespace: &str, selector: &LabelSelector) -> bool {
        let wanted: Vec<&str> = wanted(selector).collect();
        if wanted.is_empty() {
            return false;
        }
        let with = |word: &&str| self.by_word.get(*word).map_or(&[][..], Vec::as_slice);
        // A text need not have the one value that is its kind.
        let mut candidates: Vec<u32> = wanted.iter().flat_map(with).copied().collect();
        if wanted.len() == 1 {
            let of_kind = (0..self.texts.len() as u32)
                .filter(|index| self.texts[*index as usize].kind == wanted[0]);
            candidates.extend(of_kind);
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates.into_iter().any(|index| {
            let text = &self.texts[index as usize];
            let says =
                |word: &&str| text.kind == **word || with(word).binary_search(&index).is_ok();
            text.namespace.is_none_or(|own| own == namespace) && wanted.iter().all(says)
        })
    }
}

/// Whether npcheck does not read the document as what it is, and it may stand for pods.
fn stands_for_pods(document: &Document) -> bool {
    match document.outcome {
        Outcome::Opaque(_) | Outcome::Patch => true,
        Outcome::ContextObject => DEPLOYERS.contains(&document.kind.as_str()),
        _ => false,
    }
}

fn values_of_selectors<'a>(cx: &Context<'a>) -> HashSet<&'a str> {
    let policies = cx.cluster.policy_ids();
    let selectors = policies.flat_map(|id| super::super::pod_selectors::in_policy(cx.cluster, id));
    let of_plugin = plugin_selectors(cx.cluster).into_iter();
    let of_plugin = of_plugin.flat_map(|place| place.wanted_values());
    let selectors = selectors.flat_map(|place| wanted(place.selector));
    selectors.chain(of_plugin.map(|(_, value)| value)).collect()
}

/// The values that the selector asks for, one for each key.
fn wanted(selector: &LabelSelector) -> impl Iterator<Item = &str> {
    let labels = selector.match_labels.iter();
    let labels = labels.map(|label| label.value.as_str());
    let expressions = selector.match_expressions.iter();
    let expressions = expressions.filter(|entry| entry.operator.value == Operator::In);
    let values = expressions.filter_map(|entry| entry.values.first());
    labels.chain(values.map(|value| value.as_str()))
}

/// The words of a text, as label values are words.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    text.split(move |c| !is_part(c))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_label_values_are() {
        let words: Vec<&str> = words("{app: cart, \"image\": 'shop/cart-db:1.2'}").collect();
        for (word, expected) in [("cart", true), ("shop/cart-db", true), ("cart-db", false)] {
            assert_eq!(words.contains(&word), expected, "{word}");
        }
    }
}
