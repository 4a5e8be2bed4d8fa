//! The entries of Flux: the Kustomizations that are applied without another one, and the
//! directories that belong to nobody beside them.
//!
//! Refuses to know what comes of an entry.

use super::{Finder, Raw};
use crate::render::library::{Library, is_within, parent};
use crate::render::value::Value;
use crate::render::{argo, flux};
use std::collections::{BTreeMap, BTreeSet};

/// A Kustomization of Flux that no other one yields.
struct Top<'a, 't> {
    raw: &'a Raw<'t>,
    /// The directory of the cluster that it is for.
    home: &'a str,
    /// Whether it yields itself, as one does that Flux was bootstrapped with.
    is_own: bool,
    /// Whether what it applies is in this repository.
    is_here: bool,
}

/// The Kustomizations of Flux that no other one yields.
#[derive(Default)]
pub(super) struct FluxEntries<'t> {
    /// By the cluster that they are for.
    pub(super) clusters: BTreeMap<String, Vec<Raw<'t>>>,
    /// Those of a tree in which nothing is that any of them applies.
    pub(super) elsewhere: Vec<Raw<'t>>,
}

impl<'t> Finder<'t, '_> {
    /// The Kustomizations of Flux that no other one yields.
    pub(super) fn flux_entries(&self) -> FluxEntries<'t> {
        let all: Vec<(&Raw<'t>, Option<String>)> = self
            .raw
            .iter()
            .filter(|(value, _)| flux::is_kustomization(value))
            .map(|raw| (raw, self.own.directory_of(self.library, &raw.0, &raw.1)))
            .collect();
        let is_yielded = |index: usize| {
            let ((_, file), directory) = &all[index];
            all.iter()
                .enumerate()
                .any(|(other, ((_, theirs), applied))| {
                    let reaches = |of: &Option<String>, file: &str| {
                        of.as_ref().is_some_and(|it| self.reaches(it, file))
                    };
                    let is_mutual = reaches(directory, theirs);
                    other != index && reaches(applied, file) && !(is_mutual && index < other)
                })
        };
        // A path that is a template is none.
        let is_template =
            |(object, _): &Raw<'_>| object.text_of(&["spec", "path"]).contains(['{', '$']);
        let is_one = |index: &usize| all[*index].1.is_some() || !is_template(all[*index].0);
        let tops = (0..all.len()).filter(|index| is_one(index) && !is_yielded(*index));
        let tops: Vec<Top<'_, 't>> = tops
            .map(|index| {
                let (raw, directory) = &all[index];
                let directory = directory.as_deref();
                Top {
                    raw,
                    home: entry_home(parent(&raw.1)),
                    is_own: directory.is_some_and(|it| self.reaches(it, &raw.1)),
                    is_here: directory.is_some(),
                }
            })
            .collect();
        if tops.iter().all(|top| !top.is_here) {
            return FluxEntries {
                elsewhere: tops.into_iter().map(|top| top.raw.clone()).collect(),
                ..FluxEntries::default()
            };
        }
        let beside: BTreeSet<&str> = tops
            .iter()
            .filter(|top| top.is_own)
            .map(|top| parent(top.home))
            .collect();
        let lies_in_applied = |file: &str| {
            let directories = all.iter().filter_map(|(_, directory)| directory.as_deref());
            let mut directories = directories.filter(|directory| !directory.is_empty());
            directories.any(|directory| is_within(file, directory))
        };
        let mut entries: BTreeMap<String, Vec<Raw<'t>>> = BTreeMap::new();
        for top in &tops {
            // What nobody lists any more applies nothing: it lies where others apply things,
            // or far from where clusters are.
            let is_deployed = top.is_own
                || match beside.is_empty() {
                    true => !lies_in_applied(&top.raw.1),
                    false => beside.contains(parent(top.home)),
                };
            if is_deployed {
                let of_home = entries.entry(top.home.to_owned()).or_default();
                of_home.push(top.raw.clone());
            }
        }
        FluxEntries {
            clusters: named(entries),
            ..FluxEntries::default()
        }
    }

    /// Whether a kustomization was left out on purpose, where Flux applies what lies around it:
    /// something above it, or its neighbours; `entries` are the files of entries.
    pub(super) fn is_left_out(
        directory: &str,
        applied: &BTreeSet<String>,
        entries: &BTreeSet<&str>,
    ) -> bool {
        let holds_entries = |around: &str| entries.iter().any(|file| is_within(file, around));
        let is_above = |it: &String| !it.is_empty() && is_within(directory, it);
        let ancestors = std::iter::successors(Some(parent(directory)), |it| Some(parent(it)));
        let mut around = ancestors.take_while(|it| !it.is_empty() && !holds_entries(it));
        applied.iter().any(is_above)
            || around.any(|around| applied.iter().any(|it| is_within(it, around)))
    }
}

/// The directory of the cluster that an entry in a directory is for: without what people call
/// the place of Flux's own objects in it.
fn entry_home(directory: &str) -> &str {
    let own = ["flux-system", "flux", "cluster", "config", "bootstrap"];
    let mut home = directory;
    while let Some((outer, last)) = home.rsplit_once('/')
        && own.contains(&last)
    {
        home = outer;
    }
    home
}

/// The entries by the names of their clusters: the last part of the directory, or as many as
/// tell it from others.
fn named<T>(entries: BTreeMap<String, T>) -> BTreeMap<String, T> {
    let ending = |home: &str, parts: usize| -> String {
        let all: Vec<&str> = home.split('/').collect();
        all[all.len().saturating_sub(parts)..].join("/")
    };
    let homes: Vec<String> = entries.keys().cloned().collect();
    let name = |home: &str| {
        let most = home.split('/').count();
        let is_alone = |parts: &usize| {
            let own = ending(home, *parts);
            homes.iter().filter(|it| ending(it, *parts) == own).count() == 1
        };
        let parts = (1..=most).find(is_alone).unwrap_or(most);
        match ending(home, parts) {
            name if name.is_empty() || name == "flux-system" => ".".to_owned(),
            name => name,
        }
    };
    let named = entries.into_iter();
    named.map(|(home, entry)| (name(&home), entry)).collect()
}

/// Whether the text of a file names the APIs of Flux or Argo CD.
pub(super) fn names_deployment(library: &Library<'_>, path: &str) -> bool {
    let text = library.text(path).unwrap_or_default().as_bytes();
    let names = ["kustomize.toolkit.fluxcd.io/", "argoproj.io/"];
    let mut names = names.iter().map(|name| name.as_bytes());
    names.any(|name| memchr::memmem::find(text, name).is_some())
}

/// Objects of Flux and Argo CD in a file. Most files have none, which their text tells.
pub(in crate::render) fn raw_objects<'t>(library: &'t Library<'_>, path: &str) -> Vec<Raw<'t>> {
    if !names_deployment(library, path) {
        return Vec::new();
    }
    let Some(Ok(trees)) = library.documents(path) else {
        return Vec::new();
    };
    let values = trees.iter().filter_map(|tree| tree.root()).map(Value::Read);
    let is_it = |value: &Value<'_>| {
        flux::is_kustomization(value)
            || argo::is_application(value)
            || argo::is_application_set(value)
    };
    values
        .filter(is_it)
        .map(|value| (value, path.to_owned()))
        .collect()
}
