//! The Applications of Argo CD: those that stand in files, that kustomizations and other
//! Applications yield, and that ApplicationSets make; and the roots that they are.
//!
//! Refuses to know what comes of a source.

use super::{Build, Finder, Raw, Root, RootKind};
use crate::k8s::PartEffect;
use crate::render::built::Decoder;
use crate::render::kustomize::Fault;
use crate::render::library::{is_within, join, parent};
use crate::render::value::Value;
use crate::render::{application_set, argo, flux, told};
use crate::source::{SourceId, Span};
use globset::GlobMatcher;
use std::collections::BTreeSet;

/// What was found.
#[derive(Default)]
pub(super) struct Applications<'t> {
    /// Each once, in the order of their names.
    pub(super) applications: Vec<Raw<'t>>,
    pub(super) unknown: UnknownApplications,
    /// The kustomizations that yield Applications and other objects beside them.
    beside: BTreeSet<String>,
    /// The directories of which only the files directly in them are applied.
    shallow: BTreeSet<String>,
}

impl Applications<'_> {
    /// The cluster of a kustomization that yields Applications: that of Argo CD itself.
    pub(super) fn cluster_of(&self, directory: &str) -> Option<String> {
        let is_beside = self.beside.contains(directory);
        is_beside.then(|| argo::IN_CLUSTER.to_owned())
    }

    /// The directory above this one of which only the files directly in it are applied, where
    /// nothing that is unknown may apply this one.
    pub(super) fn passes_over(&self, directory: &str) -> Option<&str> {
        let is_known = || !self.beside.contains(directory) && !self.unknown.may_apply(directory);
        let above = self.shallow.iter().map(String::as_str);
        let mut above = above.filter(|it| is_within(directory, it));
        above.next_back().filter(|_| is_known())
    }
}

/// Where nothing of Flux or Argo CD builds anything from this tree, what stands here is applied
/// by somebody else, and is for the cluster of Argo CD as far as anybody knows: the Applications
/// for that cluster, or an entry of Flux that is the only one, are told apart from nothing.
pub(super) fn join_what_stands_beside(roots: &mut [Root]) {
    let deploys = |root: &Root| root.cluster.is_some() && root.builds_from_tree();
    let of_tools = |root: &&Root| matches!(root.kind, RootKind::Flux | RootKind::ArgoCd);
    if roots.iter().filter(of_tools).any(deploys) {
        return;
    }
    let entries = roots.iter().filter(|root| root.kind == RootKind::Flux);
    let is_only = entries.filter(|root| root.cluster.is_some()).count() == 1;
    for root in roots {
        let own = root.cluster.as_deref().is_some_and(argo::is_own_cluster);
        if own || is_only && root.kind == RootKind::Flux {
            root.cluster = None;
            if root.kind == RootKind::ArgoCd && root.builds.is_empty() {
                root.texts.clear();
            }
        }
    }
}

/// Applications of ApplicationSets that cannot be told.
#[derive(Default)]
pub(super) struct UnknownApplications(Vec<Unknown>);

struct Unknown {
    /// The name of the set.
    name: String,
    /// The cluster that its Applications are for, if all are for one.
    cluster: Option<String>,
    file: String,
    source: SourceId,
    fault: Fault,
    /// The directories that its Applications may apply.
    paths: Vec<GlobMatcher>,
}

impl<'t> Finder<'t, '_> {
    /// The Applications that are to be found; the directories of kustomizations that yield
    /// some are added to those that are applied.
    pub(super) fn applications(&self, applied: &mut BTreeSet<String>) -> Applications<'t> {
        let mut found = Applications::default();
        let mut open = self.written_applications(applied, &mut found.beside);
        let mut seen = BTreeSet::new();
        open.reverse();
        while let Some((value, file)) = open.pop() {
            // Two Argo CDs may have one of the same name.
            let id = (
                value.text_of(&["kind"]),
                value.text_of(&["metadata", "namespace"]),
                value.text_of(&["metadata", "name"]),
                argo::destination(&value),
                value.text_of(&["spec", "source", "path"]),
            );
            if !seen.insert(id) {
                continue;
            }
            if !argo::is_application_set(&value) {
                found.applications.push((value, file));
                continue;
            }
            let Self { library, own, .. } = self;
            let made = application_set::applications((library, own.checkouts()), &value, &file);
            let applications = made.applications.into_iter();
            open.extend(applications.map(|it| (it, file.clone())));
            let reasons = made.unknown.iter();
            let paths = application_set::paths(own.checkouts(), &value, &file);
            let unknown = reasons.map(|reason| Unknown {
                paths: paths.clone(),
                ..Unknown::new(&value, &file, reason)
            });
            found.unknown.0.extend(unknown);
        }
        let name = |(value, _): &Raw<'t>| value.text_of(&["metadata", "name"]);
        found.applications.sort_by_key(name);
        found
    }

    /// The roots that they are. The directories that they apply are added to `applied`, the
    /// targets of their patches to `patches`.
    pub(super) fn application_roots(
        &self,
        found: &mut Applications<'t>,
        applied_directories: &mut BTreeSet<String>,
        patches: &mut Vec<(Span, bool)>,
        decoder: &mut Decoder<'_, '_>,
    ) -> Vec<Root> {
        let Self { library, .. } = *self;
        let mut roots = Vec::new();
        for (application, file) in &found.applications {
            let checkouts = self.own.checkouts();
            let applied = argo::apply(library, &self.kustomize, checkouts, (application, file));
            for directory in &applied.directories {
                match applied.plain.get(directory) {
                    Some(false) => found.shallow.insert(directory.clone()),
                    _ => applied_directories.insert(directory.clone()),
                };
            }
            // A namespace that Argo CD makes stands in no file of its own.
            let own = application.span();
            let lost = applied.repeated.iter().map(|[lost, _]| lost);
            let written = applied.resources.iter().chain(lost);
            let written = written.filter(|it| !own.contains(it.value.span()));
            let is_built = |directory: &&String| !applied.plain.contains_key(*directory);
            let built = applied.directories.iter().filter(is_built);
            let mut texts = self.texts_of(&built.cloned().collect(), written);
            let mut cluster = Some(argo::destination(application));
            if self.is_applied_as_it_stands(file) {
                cluster = cluster.filter(|name| !argo::is_own_cluster(name));
            } else {
                texts.insert(own.source);
            }
            let directory = applied.directories.iter().next().cloned();
            let builds = applied.directories.iter().map(|directory| Build {
                name: application.text_of(&["metadata", "name"]),
                directory: directory.clone(),
                namespace: application.text_of(&["spec", "destination", "namespace"]),
                is_suspended: false,
                objects: applied.resources.len(),
            });
            let name = format!("Application/{}", application.text_of(&["metadata", "name"]));
            let mut root = Root {
                cluster,
                origin: Some(own.before()),
                builds: builds.collect(),
                texts,
                ..Root::new(RootKind::ArgoCd, name, directory.unwrap_or_default())
            };
            patches.extend(&applied.patches);
            told::idle_patches(&applied.patches, &mut root.diagnostics);
            told::repeated(&applied.repeated, &mut root.diagnostics);
            Self::fill(&mut root, &applied.resources, &applied.faults, decoder);
            roots.push(root);
        }
        roots
    }

    /// Those that stand in files, and those that kustomizations yield, which are added to those
    /// that are applied; to `beside` where they yield other objects as well.
    fn written_applications(
        &self,
        applied: &mut BTreeSet<String>,
        beside: &mut BTreeSet<String>,
    ) -> Vec<Raw<'t>> {
        let is_of_argo =
            |value: &Value<'_>| argo::is_application(value) || argo::is_application_set(value);
        let listed: BTreeSet<&String> = self.mentions.values().flatten().collect();
        let written = self.raw.iter();
        let written = written.filter(|(value, file)| is_of_argo(value) && !listed.contains(file));
        let mut found: Vec<Raw<'t>> = written.cloned().collect();
        // Those that a kustomization lists come as it builds them.
        let mut raw = self.raw.iter();
        let has_some = raw.any(|(value, _)| !flux::is_kustomization(value));
        let directories = self.kustomizations.keys();
        for directory in directories.filter(|it| has_some && self.is_top(it)) {
            let Some(build) = self.kustomize.build(directory) else {
                continue;
            };
            let (of_argo, others): (Vec<_>, Vec<_>) = (build.resources.into_iter())
                .map(|resource| resource.value)
                .partition(|value| is_of_argo(value));
            if of_argo.is_empty() {
                continue;
            }
            // A project is nothing but what Applications refer to.
            let is_project = |value: &Value<'_>| argo::is_project(value);
            match others.iter().all(is_project) {
                true => applied.insert(directory.clone()),
                false => beside.insert(directory.clone()),
            };
            let Self { library, .. } = *self;
            for value in of_argo {
                let source = library.sources().get(value.span().source).name();
                found.push((value, join("", source)));
            }
        }
        found
    }
}

impl Unknown {
    fn new(set: &Value<'_>, file: &str, reason: &str) -> Self {
        let name = set.text_of(&["metadata", "name"]);
        let message =
            format!("the Applications of the ApplicationSet `{name}` are not known: {reason}");
        let fault = match application_set::is_limit(reason) {
            true => Fault::limit(set.span(), message, PartEffect::Adds),
            false => Fault::opaque(set.span(), message, PartEffect::Adds),
        };
        let template = set.find(&["spec", "template"]);
        let of_template = |path: &[&str]| template.as_ref().map(|it| it.text_of(path));
        let home = of_template(&["spec", "destination", "namespace"]).unwrap_or_default();
        let cluster = template.as_ref().map(argo::destination);
        let is_known = |text: &String| !text.contains("{{");
        Self {
            name,
            cluster: cluster.filter(is_known),
            file: file.to_owned(),
            source: set.span().source,
            paths: Vec::new(),
            fault: match is_known(&home) {
                true => fault.within(&home),
                false => fault,
            },
        }
    }
}

impl UnknownApplications {
    /// Whether some of them may apply a directory: it, or something around it.
    pub(super) fn may_apply(&self, directory: &str) -> bool {
        let around = std::iter::successors(Some(directory), |path| {
            (!path.is_empty()).then(|| parent(path))
        });
        let mut patterns = self.0.iter().flat_map(|unknown| &unknown.paths);
        let around: Vec<&str> = around.collect();
        patterns.any(|pattern| around.iter().any(|path| pattern.is_match(path)))
    }

    /// Adds them to the roots of the clusters that they may be for, or as roots of their own.
    pub(super) fn add_to(&self, roots: &mut Vec<Root>) {
        for unknown in &self.0 {
            let mut told: BTreeSet<Option<String>> = BTreeSet::new();
            let is_for = |root: &Root| {
                root.cluster.is_some()
                    && (unknown.cluster.is_none() || root.cluster == unknown.cluster)
            };
            for root in roots.iter_mut().filter(|root| is_for(root)) {
                if told.insert(root.cluster.clone()) {
                    root.opaque.extend(unknown.fault.parts());
                }
            }
            if told.is_empty() {
                let cluster = unknown.cluster.clone();
                let cluster = cluster.filter(|it| !argo::is_own_cluster(it));
                // Who applies it here applies what stands beside it.
                let is_elsewhere = cluster.is_some();
                roots.push(Root {
                    origin: Some(unknown.fault.span.before()),
                    opaque: unknown.fault.parts(),
                    texts: is_elsewhere.then_some(unknown.source).into_iter().collect(),
                    cluster,
                    ..Root::new(
                        RootKind::ArgoCd,
                        format!("ApplicationSet/{}", unknown.name),
                        parent(&unknown.file).to_owned(),
                    )
                });
            }
        }
    }
}
