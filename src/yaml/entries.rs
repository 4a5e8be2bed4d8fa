//! What the entries of a mapping are: merge keys (`<<`) resolved, keys that stand twice
//! noted.
//!
//! Refuses to know the syntax that the mapping was written in.

use super::builder::Builder;
use super::error::ReadError;
use super::scalar::{self, Tag};
use super::tree::{DuplicateKey, NodeId, Style, key_text};
use crate::source::Span;
use std::borrow::Cow;
use std::collections::HashMap;

/// Where a key stands among the entries of a mapping.
#[derive(Clone, Copy, Debug)]
struct Place {
    index: usize,
    /// The first key of this text that is written in the mapping itself.
    written: Option<u32>,
}

/// A cheap hash; equal ones only make the builder look closer.
fn fingerprint(text: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| {
        let mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 32)
    };
    let (words, rest) = text.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let hash = words.fold(text.len() as u64, mix);
    let rest = rest
        .iter()
        .fold(0, |word, byte| word << 8 | u64::from(*byte));
    mix(hash, rest)
}

impl<'s> Builder<'s> {
    /// Looks at the keys of a mapping that was just closed.
    pub(crate) fn resolve_entries(&mut self, mapping: u32) -> Result<(), Box<ReadError>> {
        self.forget_boundless_keys(mapping);
        self.fingerprints.clear();
        let mut fingerprints = std::mem::take(&mut self.fingerprints);
        let mut needs_resolving = false;
        for (key, _) in self.children(mapping) {
            let fingerprint = match self.plain_text(key) {
                Some(text) => fingerprint(text),
                None => {
                    needs_resolving |= self.is_merge(key);
                    fingerprint(self.key_text(key)?.as_bytes())
                }
            };
            fingerprints.push(fingerprint);
        }
        if !needs_resolving {
            fingerprints.sort_unstable();
            needs_resolving = fingerprints.windows(2).any(|pair| pair[0] == pair[1]);
        }
        self.fingerprints = fingerprints;
        if needs_resolving {
            self.resolve_special(mapping)
        } else {
            Ok(())
        }
    }

    /// Takes the keys of a mapping out of the scalars that JSON does not have. One value
    /// among them is enough to know that the document is refused.
    fn forget_boundless_keys(&mut self, mapping: u32) {
        if self.boundless.is_empty() {
            return;
        }
        let from = self.boundless.partition_point(|node| *node <= mapping);
        if from == self.boundless.len() {
            return;
        }
        let keys: Vec<u32> = self.children(mapping).map(|(key, _)| key).collect();
        let within = self.boundless.split_off(from);
        let is_value = |node: &u32| keys.binary_search(node).is_err();
        self.boundless.extend(within.into_iter().find(is_value));
    }

    /// The entries of a mapping with merge keys or keys that stand twice, as go-yaml v2
    /// fills its map: in the order of the text, so that a later key, merged or not,
    /// takes the place of an earlier one; of a list of maps the first one wins.
    fn resolve_special(&mut self, mapping: u32) -> Result<(), Box<ReadError>> {
        let children: Vec<(u32, u32)> = self.children(mapping).collect();
        let mut entries: Vec<(u32, u32)> = Vec::with_capacity(children.len());
        let mut places: HashMap<String, Place> = HashMap::with_capacity(children.len());
        let mut has_merged = false;
        for (key, value) in children {
            if self.is_merge(key) {
                has_merged = true;
                self.merge(value, &mut entries, &mut places)?;
                continue;
            }
            let text = self.key_text(key)?.into_owned();
            let Some(place) = places.get_mut(&text) else {
                places.insert(
                    text,
                    Place {
                        index: entries.len(),
                        written: Some(key),
                    },
                );
                entries.push((key, value));
                continue;
            };
            entries[place.index] = (key, value);
            let Some(first) = place.written else {
                place.written = Some(key);
                continue;
            };
            let (first, second) = (self.node_span(first), self.node_span(key));
            let mapping = NodeId(mapping);
            self.tree.duplicates.push(DuplicateKey {
                key: text,
                first,
                second,
                mapping,
            });
        }
        let number_of_children = places
            .values()
            .filter(|place| place.written.is_some())
            .count();
        if has_merged || number_of_children < self.children(mapping).count() {
            self.tree.entries.push(entries.into_boxed_slice());
            self.tree.nodes[mapping as usize].extra = self.tree.entries.len() as u32;
        }
        Ok(())
    }

    fn merge(
        &mut self,
        value: u32,
        entries: &mut Vec<(u32, u32)>,
        places: &mut HashMap<String, Place>,
    ) -> Result<(), Box<ReadError>> {
        let span = self.node_span(value);
        let target = self.target(value);
        let refusal = || {
            ReadError::new(
                span,
                "a merge key `<<` wants a mapping or a list of mappings",
            )
            .help("name an anchor of a mapping, as in `<<: *defaults`")
        };
        let sources = match self.tree.nodes[target as usize].style {
            Style::BlockMapping | Style::FlowMapping => vec![target],
            // An alias of a list is refused by go-yaml, a list of aliases is not.
            Style::BlockSequence | Style::FlowSequence if target == value => self.items(target),
            _ => return Err(refusal()),
        };
        // From the last to the first, so that the first one has the last word.
        for source in sources.into_iter().rev() {
            let source = self.target(source);
            if !matches!(
                self.tree.nodes[source as usize].style,
                Style::BlockMapping | Style::FlowMapping
            ) {
                return Err(refusal());
            }
            let merged = self.effective_entries(source);
            self.spend(merged.len() as u64, span)?;
            for (key, value) in merged {
                let text = self.key_text(key)?.into_owned();
                let index = places
                    .entry(text)
                    .or_insert(Place {
                        index: entries.len(),
                        written: None,
                    })
                    .index;
                if index == entries.len() {
                    entries.push((key, value));
                } else {
                    entries[index] = (key, value);
                }
            }
        }
        Ok(())
    }

    /// The pairs of a mapping as written.
    fn children(&self, mapping: u32) -> impl Iterator<Item = (u32, u32)> + use<'_, 's> {
        let nodes = &self.tree.nodes;
        let end = nodes[mapping as usize].next;
        let mut key = mapping + 1;
        std::iter::from_fn(move || {
            let value = (key < end).then(|| nodes[key as usize].next)?;
            let pair = (key, value);
            key = nodes[value as usize].next;
            Some(pair)
        })
    }

    fn items(&self, sequence: u32) -> Vec<u32> {
        let mut items = Vec::new();
        let mut item = sequence + 1;
        while item < self.tree.nodes[sequence as usize].next {
            items.push(item);
            item = self.tree.nodes[item as usize].next;
        }
        items
    }

    /// The entries of a mapping that is complete.
    fn effective_entries(&self, mapping: u32) -> Vec<(u32, u32)> {
        match self.tree.nodes[mapping as usize].extra {
            0 => self.children(mapping).collect(),
            extra => self.tree.entries[extra as usize - 1].to_vec(),
        }
    }

    fn target(&self, node: u32) -> u32 {
        let data = &self.tree.nodes[node as usize];
        if data.style == Style::Alias {
            data.extra
        } else {
            node
        }
    }

    /// The text of a key as most are: without quotes, and nothing but text.
    fn plain_text(&self, key: u32) -> Option<&[u8]> {
        let data = &self.tree.nodes[key as usize];
        let is_bare = data.style == Style::Plain && data.tag == Tag::None && data.extra == 0;
        let bytes = self.tree.text.as_bytes();
        let text = &bytes[data.start as usize..data.end as usize];
        let first = text.first().filter(|_| is_bare)?;
        (!scalar::may_resolve(*first)).then_some(text)
    }

    fn is_merge(&self, key: u32) -> bool {
        let data = &self.tree.nodes[key as usize];
        data.style == Style::Plain
            && data.tag == Tag::None
            && &self.tree.text[data.start as usize..data.end as usize] == "<<"
    }

    fn node_span(&self, node: u32) -> Span {
        let data = &self.tree.nodes[node as usize];
        Span::new(self.tree.source, data.start, data.end)
    }

    fn key_text(&self, key: u32) -> Result<Cow<'_, str>, Box<ReadError>> {
        let data = &self.tree.nodes[self.target(key) as usize];
        let is_collection = matches!(
            data.style,
            Style::BlockMapping | Style::FlowMapping | Style::BlockSequence | Style::FlowSequence
        );
        if is_collection {
            let error = ReadError::new(self.node_span(key), "a key must be a single value");
            return Err(error.label("is a collection"));
        }
        let text = self.tree.text_of(self.target(key));
        key_text(text, data.style, data.tag)
            .ok_or_else(|| ReadError::new(self.node_span(key), "a key must not be null"))
    }
}
