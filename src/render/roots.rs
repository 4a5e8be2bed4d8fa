//! What is deployed: the roots of a tree (kustomizations that no other uses, what Flux and
//! Argo CD apply), each built, and the manifests that none of them reaches.
//!
//! Refuses to know which roots make one cluster together where nothing says so; who calls
//! compares their objects.

mod applications;
mod entries;
mod kustomizations;
mod other_tools;
mod unreferenced;

use super::artifact::OwnSources;
use super::builds::Builds;
use super::built::{Decoder, Watcher, Written};
use super::chart::{Chart, plain_charts};
use super::flux::{self, Entries};
use super::kustomize::{Fault, Kustomization, Kustomize, Weight, is_remote};
use super::lent::leave_lent;
use super::library::{KUSTOMIZATION_NAMES, Library, is_within, join, parent};
use super::resource::{Resource, Step};
use super::told;
use super::value::Value;
use super::wanted::mentioned;
use crate::diagnostic::Diagnostic;
use crate::k8s::{
    ContextObject, Document, Object, PartEffect, UnknownPart, WorkloadKind, effect_of_policies,
};
use crate::source::{SourceId, SourceMap, Span};
pub(super) use entries::raw_objects;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use unreferenced::Around;

/// What is deployed from a tree.
#[derive(Clone, Debug, Default)]
pub struct Deployment {
    /// What builds something, in the order of their names.
    pub roots: Vec<Root>,
    /// The texts that no root takes anything from, though they stand where one would.
    pub unreferenced: BTreeSet<SourceId>,
    /// The texts that count as they stand, apart from what Argo CD applies.
    pub apart: BTreeSet<SourceId>,
    /// The templates of charts that something installs: what they become is among the objects of
    /// a root, or missing from it, and they do not count as they stand.
    pub templates: BTreeSet<SourceId>,
    /// What is to be said of those that no root takes anything from.
    pub diagnostics: Vec<Diagnostic>,
    /// What its kustomizations made, if that is kept for who builds the tree again.
    pub builds: Builds,
}

/// Something that builds objects.
#[derive(Clone, Debug)]
pub struct Root {
    /// Its directory, or for Flux and Argo CD what applies it.
    pub name: String,
    /// What it is.
    pub kind: RootKind,
    /// The cluster that it is for, where it says so itself.
    pub cluster: Option<String>,
    /// Where it says so, or what makes it a root.
    pub origin: Option<Span>,
    /// What it builds, directory by directory; none where it is one itself.
    pub builds: Vec<Build>,
    /// The directory by which it is told from others.
    pub directory: String,
    /// The texts that it takes something from.
    pub texts: BTreeSet<SourceId>,
    /// What became of its documents.
    pub documents: Vec<Document>,
    /// The objects that it builds.
    pub objects: Vec<Object>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// Parts of it that could not be built.
    pub opaque: Vec<UnknownPart>,
    /// The objects that a build changed, by the text of their documents.
    pub changed: Vec<ChangedObject>,
}

/// A directory that a root builds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Build {
    /// What applies it, such as a Kustomization of Flux.
    pub name: String,
    /// The directory.
    pub directory: String,
    /// The namespace that it is put into; empty where nothing says so.
    pub namespace: String,
    /// Whether Flux is told to leave it as it is for now.
    pub is_suspended: bool,
    /// How many objects come out of it.
    pub objects: usize,
}

/// An object that is deployed otherwise than it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedObject {
    /// The text of its document.
    pub document: Span,
    /// What changed it, in order; objects of one kustomization share it.
    pub by: Arc<[Step]>,
    /// What it became: `namespace/Kind/name`, or `Kind/name` where it names no namespace.
    pub name: String,
}

fn name_of(document: &Document) -> String {
    let name = format!("{}/{}", document.kind, document.name);
    match document.namespace.as_str() {
        "" => name,
        namespace => format!("{namespace}/{name}"),
    }
}

/// What a root is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RootKind {
    /// An entry of Flux, with all that follows from it.
    Flux,
    /// An Application of Argo CD.
    ArgoCd,
    /// A kustomization that no other uses.
    Kustomization,
    /// A chart that nothing here installs, with its own values.
    Chart,
}

impl RootKind {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flux => "Flux",
            Self::ArgoCd => "Argo CD",
            Self::Kustomization => "kustomization",
            Self::Chart => "Helm",
        }
    }
}

impl Root {
    /// One that builds nothing yet, for no cluster in particular.
    fn new(kind: RootKind, name: String, directory: String) -> Self {
        Self {
            name,
            kind,
            cluster: None,
            origin: None,
            builds: Vec::new(),
            directory,
            texts: BTreeSet::new(),
            documents: Vec::new(),
            objects: Vec::new(),
            diagnostics: Vec::new(),
            opaque: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// Whether it builds something of this tree. What Argo CD and Flux take from elsewhere, as a
    /// chart of a repository of charts, says nothing of the manifests that stand here.
    fn builds_from_tree(&self) -> bool {
        match self.kind {
            RootKind::ArgoCd => !self.builds.is_empty(),
            RootKind::Flux => self.cluster.is_none() || self.has_more_than_releases(),
            RootKind::Kustomization | RootKind::Chart => true,
        }
    }

    /// Whether it has other objects than those that tell Flux what to install, or may have; so may
    /// one that has none.
    fn has_more_than_releases(&self) -> bool {
        let is_of_flux = |object: &Object| match object {
            Object::ContextObject(ContextObject::Custom(it)) => {
                it.group.ends_with("toolkit.fluxcd.io")
            }
            _ => false,
        };
        let is_release =
            |part: &UnknownPart| matches!(part.effect, PartEffect::Nothing | PartEffect::AddsPods);
        let is_nothing_else =
            self.objects.iter().all(is_of_flux) && self.opaque.iter().all(is_release);
        self.objects.is_empty() || !is_nothing_else
    }
}

/// Builds everything that is deployed from the texts of `ids`; their builds may take something
/// from those that are `lent` as well. `None` if nothing builds anything, so that the texts are
/// what they are. What `written` has of a text that no build changes is taken as it is, and so
/// is what is `known` of builds of the same texts, where that is kept.
#[must_use]
pub fn deployment<'w>(
    sources: &SourceMap,
    (ids, lent): (&[SourceId], &BTreeSet<SourceId>),
    written: &dyn Fn(SourceId) -> Written<'w>,
    known: Option<&Builds>,
) -> Option<Deployment> {
    // What is no manifest is data for all.
    let data = sources
        .ids()
        .filter(|id| !super::is_manifest(sources.get(*id).name()));
    let all = ids.iter().chain(lent).copied();
    let library = Library::new(sources, all.chain(data));
    let finder = Finder::new(&library);
    let has_chart = finder
        .charts
        .iter()
        .any(|it| library.source(&it.name()).is_some());
    let has_kustomization = !finder.kustomizations.is_empty() || !finder.unreadable.is_empty();
    if !has_kustomization && finder.raw.is_empty() && !has_chart {
        return None;
    }
    let mut deployment = finder.deployment(Decoder::new(sources, written), known);
    leave_lent(&mut deployment, &library, lent);
    Some(deployment)
}

/// The charts in the tree whose objects only Helm tells.
#[must_use]
pub fn charts(sources: &SourceMap, ids: &[SourceId]) -> BTreeSet<Chart> {
    let library = Library::new(sources, ids.iter().copied());
    Finder::new(&library).deployment(Decoder::new(sources, &|_| Written::NOTHING), None);
    library.wanted_charts()
}

/// Builds everything, and tells of each root of Flux, Argo CD and charts what it is built of.
pub(super) fn watch(sources: &SourceMap, ids: &[SourceId], watcher: Watcher<'_>) {
    let library = Library::new(sources, ids.iter().copied());
    let decoder = Decoder::new(sources, &|_| Written::NOTHING).watched_by(watcher);
    Finder::new(&library).deployment(decoder, None);
}

/// An object of Flux or Argo CD and the path of the file that it stands in.
type Raw<'t> = (Value<'t>, String);

struct Finder<'t, 's> {
    library: &'t Library<'s>,
    kustomize: Kustomize<'t, 's>,
    /// By directory.
    kustomizations: BTreeMap<String, Kustomization<'t>>,
    /// The directories of those that cannot be read at all.
    unreadable: BTreeSet<String>,
    /// The paths that each kustomization names, by directory.
    mentions: BTreeMap<String, BTreeSet<String>>,
    /// The directories that a kustomization of another one names.
    used: BTreeSet<String>,
    /// Objects of Flux and Argo CD as they stand in files.
    raw: Vec<Raw<'t>>,
    own: OwnSources,
    /// The charts in the tree as they are without a word from anybody.
    charts: Vec<Chart>,
}

impl<'t, 's> Finder<'t, 's> {
    fn new(library: &'t Library<'s>) -> Self {
        let mut kustomizations = BTreeMap::new();
        let mut unreadable = BTreeSet::new();
        let mut raw = Vec::new();
        for path in library.paths() {
            let name = path.rsplit('/').next().unwrap_or_default();
            let is_one = KUSTOMIZATION_NAMES.contains(&name);
            let read = is_one.then(|| Kustomization::read(library, parent(path)));
            match read.flatten() {
                // Flux's objects may stand in files of that name, too.
                Some(Ok(kustomization)) if !flux::is_kustomization(&kustomization.root) => {
                    kustomizations.insert(parent(path).to_owned(), kustomization);
                    continue;
                }
                // A template is for another tool.
                Some(Err(_)) if !library.text(path).is_some_and(|text| text.contains("{{")) => {
                    unreadable.insert(parent(path).to_owned());
                }
                _ => {}
            }
            raw.extend(raw_objects(library, path));
        }
        let mentions = kustomizations.iter().map(|(directory, kustomization)| {
            let paths = mentioned(kustomization);
            let paths = paths.iter().filter_map(Value::text);
            let local = paths.filter(|path| !is_remote(path));
            (
                directory.clone(),
                local.map(|path| join(directory, path)).collect(),
            )
        });
        let mentions: BTreeMap<String, BTreeSet<String>> = mentions.collect();
        let used = mentions.iter().flat_map(|(directory, paths)| {
            let others = paths.iter().filter(move |path| *path != directory);
            others.filter(|path| library.source(path).is_none())
        });
        let used = used.cloned().collect();
        Self {
            library,
            kustomize: Kustomize::new(library),
            mentions,
            used,
            kustomizations,
            unreadable,
            own: OwnSources::of(library, &raw),
            raw,
            charts: plain_charts(library),
        }
    }

    fn deployment(&self, mut decoder: Decoder<'_, '_>, known: Option<&Builds>) -> Deployment {
        let Self { library, .. } = self;
        let mut roots = Vec::new();
        let mut patches: Vec<(Span, bool)> = Vec::new();
        let mut applied_directories: BTreeSet<String> = BTreeSet::new();
        let mut entry_files: BTreeMap<String, String> = BTreeMap::new();
        let found = self.flux_entries();
        for (object, file) in found.elsewhere {
            let name = format!("Kustomization/{}", object.text_of(&["metadata", "name"]));
            roots.push(Root {
                origin: Some(object.span().before()),
                opaque: flux::elsewhere(&object).parts(),
                ..Root::new(RootKind::Flux, name, parent(&file).to_owned())
            });
        }
        let mut clusters: VecDeque<(String, Vec<Raw<'t>>, bool)> = found
            .clusters
            .into_iter()
            .map(|(name, objects)| (name, objects, false))
            .collect();
        let mut met: BTreeSet<Span> = BTreeSet::new();
        while let Some((name, objects, are_remote)) = clusters.pop_front() {
            let entries = Entries {
                objects: &objects,
                are_remote,
            };
            let applied = flux::apply(library, &self.kustomize, &self.own, entries);
            for (access, mut objects) in applied.remote {
                // One that applies itself to another cluster would do so for ever.
                objects.retain(|(object, _)| met.insert(object.span()));
                if !objects.is_empty() {
                    clusters.push_back((format!("{name}/{access}"), objects, true));
                }
            }
            applied_directories.extend(applied.directories.iter().cloned());
            let files = objects.iter().filter(|_| !are_remote);
            let files = files.map(|(_, file)| file.clone());
            entry_files.extend(files.map(|file| (file, name.clone())));
            let mut texts = self.texts_of(&applied.directories, &applied.resources);
            let own = objects
                .iter()
                .filter(|(_, file)| !are_remote && !self.is_applied_as_it_stands(file));
            texts.extend(own.map(|(object, _)| object.span().source));
            let mut root = Root {
                cluster: Some(name.clone()),
                origin: objects.first().map(|(object, _)| object.span().before()),
                builds: applied.builds,
                texts,
                ..Root::new(RootKind::Flux, name.clone(), name)
            };
            told::retyped(&applied.retyped, &mut root.diagnostics);
            patches.extend(&applied.patches);
            told::idle_patches(&applied.patches, &mut root.diagnostics);
            Self::fill(&mut root, &applied.resources, &applied.faults, &mut decoder);
            roots.push(root);
        }
        let has_flux = roots.iter().any(|root| root.cluster.is_some());
        let mut found = self.applications(&mut applied_directories);
        let applied = &mut applied_directories;
        let of_argo = self.application_roots(&mut found, applied, &mut patches, &mut decoder);
        roots.extend(of_argo);
        let applied = self.closure(&applied_directories);
        let in_applied = |directory: &str| {
            applied.contains(directory)
                || found.passes_over(directory).is_some()
                || has_flux
                    && applied_directories
                        .iter()
                        .any(|it| is_within(directory, it) && !self.is_top(it))
        };
        let files: BTreeSet<&str> = entry_files.keys().map(String::as_str).collect();
        let is_left_out = |directory: &str| {
            has_flux && Self::is_left_out(directory, &applied_directories, &files)
        };
        let tops = self.kustomizations.keys().map(String::as_str);
        let tops = tops.filter(|directory| self.is_top(directory));
        let circles = self.circles(&applied);
        let tops = tops
            .chain(circles)
            .filter(|directory| !in_applied(directory) && !is_left_out(directory));
        let tops: Vec<&str> = tops.collect();
        let (built, builds) = self.kustomization_roots(&tops, &decoder, known);
        for (mut root, of_root) in built {
            // Who applies an entry of Flux applies what stands beside it in its kustomization.
            let mentions = self.mentions.get(&root.directory).into_iter().flatten();
            root.cluster = mentions
                .filter_map(|path| entry_files.get(path))
                .next()
                .cloned()
                .or_else(|| found.cluster_of(&root.directory));
            patches.extend(of_root);
            roots.push(root);
        }
        self.add_unreadable(&mut roots, &mut decoder);
        applications::join_what_stands_beside(&mut roots);
        found.unknown.add_to(&mut roots);
        let wanted = library.wanted_charts().into_iter();
        let installed: BTreeSet<String> = wanted.map(|chart| chart.directory).collect();
        self.add_plain_charts(&installed, &mut roots, &mut decoder);
        told::keep_idle_everywhere(&patches, library.sources(), &mut roots);
        let mut deployment = Deployment {
            roots,
            builds,
            ..Deployment::default()
        };
        let files = found.applications.iter().map(|(_, file)| file.as_str());
        let around = Around {
            applications: (!has_flux).then(|| files.collect()),
            charts: installed,
        };
        let holds_objects = |source| !decoder.written(source).objects.is_empty();
        self.find_unreferenced(around, &found, &holds_objects, &mut deployment);
        deployment
    }

    /// Adds the kustomizations that cannot be read and that no other uses: nothing is built of
    /// them, and what lies beside them counts as it stands.
    fn add_unreadable(&self, roots: &mut Vec<Root>, decoder: &mut Decoder<'_, '_>) {
        let directories = self.unreadable.iter();
        for directory in directories.filter(|directory| self.is_top(directory)) {
            let build = self.kustomize.build(directory);
            let faults = build.map(|build| build.faults).unwrap_or_default();
            let (name, directory) = (directory.clone(), directory.clone());
            let mut root = Root::new(RootKind::Kustomization, name, directory);
            Self::fill(&mut root, &[], &faults, decoder);
            roots.push(root);
        }
    }

    /// Adds the charts that nothing here installs, where Helm has told their objects.
    fn add_plain_charts(
        &self,
        installed: &BTreeSet<String>,
        roots: &mut Vec<Root>,
        decoder: &mut Decoder<'_, '_>,
    ) {
        let library = self.library;
        let mut installed = installed.clone();
        for id in roots.iter().flat_map(|root| &root.texts) {
            let path = join("", library.sources().get(*id).name());
            installed.insert(parent(&path).to_owned());
        }
        let charts = self.charts.iter();
        for chart in charts.filter(|chart| !installed.contains(&chart.directory)) {
            let file = library.source(&join(&chart.directory, "Chart.yaml"));
            let Some(place) = file.map(|source| Span::new(source, 0, 0)) else {
                continue;
            };
            let Ok(resources) = chart.clone().objects(library, place, PartEffect::Nothing) else {
                continue;
            };
            let texts = resources.iter().map(|it| it.value.span().source);
            let directory = chart.directory.clone();
            let mut root = Root {
                texts: texts.collect(),
                ..Root::new(RootKind::Chart, directory.clone(), directory)
            };
            Self::fill(&mut root, &resources, &[], decoder);
            roots.push(root);
        }
    }

    /// Decodes the objects of a root, and says what is wrong with it.
    fn fill(
        root: &mut Root,
        resources: &[Resource<'_>],
        faults: &[Fault],
        decoder: &mut Decoder<'_, '_>,
    ) {
        decoder.tell(&root.name, resources, faults);
        for resource in resources {
            let parsed = decoder.decode(resource);
            root.documents.extend(parsed.documents.iter().cloned());
            root.objects.extend(parsed.objects.iter().cloned());
            root.diagnostics.extend(parsed.diagnostics.iter().cloned());
            if !resource.steps.is_empty() {
                let by = resource.steps_as(root.changed.last().map(|last| &last.by));
                root.changed.push(ChangedObject {
                    document: resource.value.span(),
                    by,
                    name: parsed.documents.first().map_or_else(String::new, name_of),
                });
            }
            told::overlay(resource, resources, root);
        }
        for fault in faults {
            root.opaque.extend(fault.parts());
            if fault.is_unread_file() {
                root.texts.insert(fault.span.source);
            }
            match fault.weight {
                Weight::Error | Weight::Refused => {
                    told::broken_build(fault, &mut root.diagnostics);
                }
                Weight::Note => told::missing_data(fault, &mut root.diagnostics),
                Weight::Restricted if root.kind == RootKind::Kustomization => {
                    told::restricted_file(fault, &mut root.diagnostics);
                }
                _ => {}
            }
        }
        root.documents.sort_by_key(|document| document.span);
        root.documents.dedup_by_key(|document| document.span);
        root.documents.shrink_to_fit();
        root.objects.shrink_to_fit();
        root.changed.shrink_to_fit();
    }

    /// Whether no other kustomization uses one, and it is not a Component.
    fn is_top(&self, directory: &str) -> bool {
        let is_component = self
            .kustomizations
            .get(directory)
            .is_some_and(Kustomization::is_component);
        !is_component && !self.used.contains(directory)
    }

    /// The directories, with those of kustomizations that they build on.
    fn closure(&self, directories: &BTreeSet<String>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<String> = directories.iter().cloned().collect();
        while let Some(directory) = open.pop() {
            if !found.insert(directory.clone()) {
                continue;
            }
            let mentions = self.mentions.get(&directory);
            open.extend(
                mentions
                    .into_iter()
                    .flatten()
                    .filter(|path| self.kustomizations.contains_key(*path))
                    .cloned(),
            );
            if !self.kustomizations.contains_key(&directory) {
                // Flux and Argo CD take what lies below.
                let below = self
                    .kustomizations
                    .keys()
                    .filter(|it| is_within(it, &directory));
                open.extend(below.cloned());
            }
        }
        found
    }

    /// Whether a file with an object of Flux or Argo CD holds policies or pods as well: whoever
    /// applies the one applies the others, as they stand.
    fn is_applied_as_it_stands(&self, file: &str) -> bool {
        let Some(Ok(trees)) = self.library.documents(file) else {
            return false;
        };
        let mut values = trees.iter().filter_map(|tree| tree.root()).map(Value::Read);
        values.any(|value| {
            let kind = value.text_of(&["kind"]);
            let is_pods = WorkloadKind::ALL.iter().any(|known| known.name() == kind);
            is_pods || effect_of_policies(&kind).is_some()
        })
    }

    /// The texts that builds of these directories take something from.
    fn texts_of<'r, 'v: 'r>(
        &self,
        directories: &BTreeSet<String>,
        resources: impl IntoIterator<Item = &'r Resource<'v>>,
    ) -> BTreeSet<SourceId> {
        let sources = resources.into_iter().map(|it| it.value.span().source);
        let mut texts: BTreeSet<SourceId> = sources.collect();
        for directory in self.closure(directories) {
            let files = self.library.kustomizations(&directory);
            texts.extend(files.iter().filter_map(|path| self.library.source(path)));
            let mentions = self.mentions.get(&directory).into_iter().flatten();
            texts.extend(mentions.filter_map(|path| self.library.source(path)));
        }
        texts
    }

    /// Whether applying a directory takes a file.
    fn reaches(&self, directory: &str, file: &str) -> bool {
        if !self.kustomizations.contains_key(directory) {
            return is_within(file, directory);
        }
        let closure = self.closure(&BTreeSet::from([directory.to_owned()]));
        closure.iter().any(|it| {
            let mentions = self.mentions.get(it);
            mentions.is_some_and(|paths| paths.contains(file))
        })
    }
}
