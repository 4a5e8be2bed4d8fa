//! Files and their texts on the way into one map of texts: those of one state, or those of
//! two states side by side.
//!
//! Refuses to know where the texts come from.

use super::decode::{Refusal, Text};
use super::git::ObjectId;
use super::walk::Found;
use super::{File, FilePlace, Listing, Loaded, Origin, Problem, Skipped};
use crate::source::{SourceId, SourceMap};
use std::collections::{BTreeSet, HashMap};

/// The files of one state that were read, in order, and what was not.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    files: Vec<GatheredFile>,
    programs: Vec<String>,
    problems: Vec<Problem>,
    skipped: Vec<Skipped>,
}

#[derive(Debug)]
struct GatheredFile {
    name: String,
    origin: Origin,
    text: Text,
}

impl Gathered {
    /// What was found, with the outcome of reading each candidate. There may be fewer of
    /// these, where a limit was hit.
    pub(super) fn new(found: Found, texts: Vec<Result<Text, Refusal>>) -> Self {
        let mut gathered = Self {
            files: Vec::with_capacity(texts.len()),
            programs: found.programs,
            problems: found.problems,
            skipped: found.skipped,
        };
        for (candidate, text) in found.candidates.into_iter().zip(texts) {
            let name = candidate.name;
            match text {
                Ok(text) => gathered.files.push(GatheredFile {
                    name,
                    origin: candidate.origin,
                    text,
                }),
                // A file that was only met, and that no tool for Kubernetes could have
                // written, is somebody else's business; one that might be a manifest is not
                // passed over.
                Err(Refusal {
                    unless_asked_for: Some(reason),
                    ..
                }) if !candidate.is_asked_for => gathered.skipped.push(Skipped { name, reason }),
                Err(refusal) => gathered.problems.push(Problem {
                    name,
                    kind: refusal.kind,
                }),
            }
        }
        gathered.skipped.sort();
        gathered
    }

    /// The texts of git's objects.
    pub(super) fn objects(&self) -> HashMap<&ObjectId, &Text> {
        let objects = self.files.iter().filter_map(|file| match &file.origin {
            Origin::Git(object) => Some((object, &file.text)),
            _ => None,
        });
        objects.collect()
    }
}

impl GatheredFile {
    /// Hands its text to the map, unless that has the `same` already.
    fn into_file(self, same: Option<SourceId>, sources: &mut SourceMap) -> File {
        let text = self.text;
        File {
            place: match self.origin {
                Origin::Disk(path) => FilePlace::of(path, &self.name),
                Origin::Stdin | Origin::Git(_) => FilePlace::Nowhere,
            },
            source: same.unwrap_or_else(|| sources.add(self.name, text.text)),
            is_compressed: text.is_compressed,
        }
    }
}

/// Puts the texts of both states into one map. A file that has the same text in both has one
/// id in both, and the ids of either state are in the order of its files: of two objects
/// with one name the first one counts.
pub(super) fn side_by_side(now: Gathered, before: Option<Gathered>) -> Loaded {
    let mut loaded = Loaded {
        now: Listing {
            files: Vec::with_capacity(now.files.len()),
            problems: now.problems,
            skipped: now.skipped,
        },
        ..Loaded::default()
    };
    let mut left = now.files.into_iter();
    let mut programs: BTreeSet<String> = now.programs.into_iter().collect();
    if let Some(before) = before {
        programs.extend(before.programs);
        let files = add_before(before.files, &mut left, &mut loaded);
        loaded.before = Some(Listing {
            files,
            problems: before.problems,
            skipped: before.skipped,
        });
    }
    for file in left {
        loaded.add_now(file);
    }
    // Their texts say nothing to npcheck. Those of one state count in both.
    for name in programs {
        loaded.sources.add(name, "");
    }
    loaded
}

/// Adds the files of the earlier state, each behind the file of its name in the later one
/// (`left`) and all that stand before that.
fn add_before(
    before: Vec<GatheredFile>,
    left: &mut std::vec::IntoIter<GatheredFile>,
    loaded: &mut Loaded,
) -> Vec<File> {
    let names = left.as_slice().iter().map(|file| file.name.clone());
    let places: HashMap<String, usize> = names.zip(0..).collect();
    let mut done = 0;
    let mut files = Vec::with_capacity(before.len());
    for file in before {
        let place = places.get(&file.name).filter(|place| **place >= done);
        let mut same = None;
        if let Some(place) = place {
            for file in left.by_ref().take(place + 1 - done) {
                same = Some(loaded.add_now(file));
            }
            done = place + 1;
        }
        let same = same.filter(|id| loaded.sources.get(*id).text() == file.text.text);
        files.push(file.into_file(same, &mut loaded.sources));
    }
    files
}

impl Loaded {
    fn add_now(&mut self, file: GatheredFile) -> SourceId {
        let file = file.into_file(None, &mut self.sources);
        let source = file.source;
        self.now.files.push(file);
        source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(files: &[(&str, &str)]) -> Gathered {
        let file = |(name, text): &(&str, &str)| GatheredFile {
            name: (*name).to_owned(),
            origin: Origin::Stdin,
            text: Text {
                text: (*text).to_owned(),
                is_compressed: false,
            },
        };
        Gathered {
            files: files.iter().map(file).collect(),
            ..Gathered::default()
        }
    }

    /// The names and texts that a listing leads to.
    fn read<'l>(loaded: &'l Loaded, listing: &Listing) -> Vec<(&'l str, &'l str)> {
        let source = |file: &File| loaded.sources.get(file.source);
        let read = listing.files.iter().map(source);
        read.map(|source| (source.name(), source.text())).collect()
    }

    #[test]
    fn two_states_keep_their_order_and_share_what_did_not_change() {
        let states: &[&[(&str, &str)]] = &[
            &[],
            &[("a", "1")],
            &[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")],
            &[("a", "1"), ("b", "2"), ("c", "1"), ("d", "1")],
            &[("b", "1"), ("d", "1"), ("e", "1")],
            &[("a", "0"), ("a-", "1"), ("c", "1"), ("f", "1")],
            // Two names that are shown in the same way, and a state out of order.
            &[("a", "1"), ("a", "1"), ("b", "1")],
            &[("d", "1"), ("b", "1"), ("a", "1")],
        ];
        for (now, before) in states
            .iter()
            .flat_map(|now| states.iter().map(move |before| (now, before)))
        {
            let loaded = side_by_side(gathered(now), Some(gathered(before)));
            let earlier = loaded.before.as_ref().expect("it was asked for");
            assert_eq!(read(&loaded, &loaded.now), **now);
            assert_eq!(read(&loaded, earlier), **before);
            if [now, before]
                .iter()
                .all(|state| state.is_sorted_by(|a, b| a.0 < b.0))
            {
                for listing in [&loaded.now, earlier] {
                    assert!(listing.files.is_sorted_by(|a, b| a.source < b.source));
                }
                let shared = now.iter().filter(|file| before.contains(file)).count();
                assert_eq!(
                    loaded.sources.ids().len(),
                    now.len() + before.len() - shared
                );
            }
        }
    }
}
