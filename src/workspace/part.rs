//! What one cluster is made of: the door between whatever finds out what is deployed
//! together and everything that judges it.
//!
//! Refuses to know whether a text was taken as it stands or built from several.

use super::alternatives::{Alternatives, ObjectsOfFile, Places as Standing};
use super::contradictions::{Contradicting, Contradictions, contradictions};
use super::deployed;
use super::environments::environments;
use super::texts::{ReadText, Texts};
use crate::cluster::{BuiltTogether, Places, Undeployed};
use crate::config::{Config, Rendering};
use crate::diagnostic::Diagnostic;
use crate::k8s::{
    self, ContextObject, CustomObject, Document, Documents, Labels, Object, Outcome, PartEffect,
    SOME_POLICIES, UnknownPart, WrittenPolicy,
};
use crate::render::{self, Build, Builds, ChangedObject};
use crate::source::SourceId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What one cluster is made of.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// What tells it from the other parts of the tree; empty if it is the only one.
    pub name: String,
    /// The scope of the configuration that it belongs to, by its position.
    pub scope: Option<usize>,
    /// The texts that it was made of.
    pub texts: BTreeSet<SourceId>,
    /// What became of the documents of these texts.
    pub documents: Documents,
    /// What is wrong with these texts.
    pub diagnostics: Vec<Diagnostic>,
    /// The objects, where they end up. Of several definitions of one object the first one
    /// counts where only one can.
    pub objects: Vec<Object>,
    /// Where the files around the texts put objects; what is read again is put there, too.
    pub(super) places: Arc<Places>,
    /// Whether some of its objects were built of several texts.
    pub(super) is_built: bool,
    /// The roots that it is built of; none where its texts are taken as they stand.
    pub roots: Vec<PartRoot>,
    /// The files beside those roots that are taken as they stand and have objects: how many, by
    /// directory.
    pub as_written: BTreeMap<String, usize>,
    /// The files side by side of which one or the other is applied, in this cluster and others.
    pub alternatives: Arc<[Alternatives]>,
    /// Which texts the same root builds.
    pub(super) built_together: Arc<BuiltTogether>,
    /// The objects that are deployed otherwise than they are written.
    pub changed: Vec<ChangedObject>,
    /// What belongs to the cluster as well, and could not be worked out.
    pub opaque: Vec<OpaquePart>,
    /// Whether it stands apart from what Argo CD applies.
    pub(super) is_apart: bool,
    /// What stands in the tree and nothing deploys.
    pub(super) undeployed: Arc<Undeployed>,
}

impl Part {
    /// Whether a part of another state of the tree, made of the same texts if these are alike, is
    /// the same. Its objects are the same ones in memory: a build may have taken something of
    /// texts that are not among those.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let mut objects = self.objects.iter().zip(&other.objects);
        self.texts == other.texts
            && self.scope == other.scope
            && self.is_apart == other.is_apart
            && self.roots == other.roots
            && self.as_written == other.as_written
            && self.opaque == other.opaque
            && self.changed == other.changed
            && self.diagnostics == other.diagnostics
            && self.objects.len() == other.objects.len()
            && objects.all(|(a, b)| std::ptr::eq(a.meta(), b.meta()))
            && self.places == other.places
            && self.undeployed.is_same_as(&other.undeployed)
    }

    /// What belongs to the cluster and is not known: what nobody could build, policies that a
    /// controller writes, those that another tool completes, and those that cannot be read.
    #[must_use]
    pub fn unknown_parts(&self) -> Vec<UnknownPart> {
        let built = self.opaque.iter().map(|part| part.part.clone());
        let templates = self.documents.iter().filter_map(|document| {
            let is_hidden = document.outcome.hides_an_object();
            let (effect, namespace) = k8s::policy_once_completed(document).filter(|_| is_hidden)?;
            let reason = match (document.outcome, &*document.kind) {
                (Outcome::Broken, SOME_POLICIES) => "these policies cannot be read".to_owned(),
                (Outcome::Broken, kind) => format!("this {kind} cannot be read"),
                (_, kind) => format!("another tool fills in this {kind}"),
            };
            Some(UnknownPart {
                span: document.span.before(),
                reason,
                namespace: namespace.map(str::to_owned),
                pods: None,
                effect,
                is_limit: false,
            })
        });
        let written = self.objects.iter().flat_map(written_policies);
        let released = self.released_policies();
        (built.chain(templates).chain(written).chain(released)).collect()
    }

    /// The policies that releases of charts bring, as their values say, if these are not among
    /// the manifests with the pods.
    fn released_policies(&self) -> Vec<UnknownPart> {
        let releases = self.objects.iter().filter_map(|object| match object {
            Object::ContextObject(ContextObject::Custom(it)) if is_somewhere(it) => Some(it),
            _ => None,
        });
        let releases = releases.filter(|object| !object.released_policies.is_empty());
        let releases: Vec<&Arc<CustomObject>> = releases.collect();
        if releases.is_empty() {
            return Vec::new();
        }
        let by_namespace = self.labels_by_namespace();
        let missing = releases.into_iter().filter(|object| {
            let beside = by_namespace
                .get(object.home())
                .map_or(&[][..], Vec::as_slice);
            !(object.released.iter()).any(|pods| pods.are_among(beside.iter().copied()))
        });
        let parts = missing.flat_map(|object| {
            object.released_policies.iter().map(|policy| UnknownPart {
                span: policy.span,
                reason: format!(
                    "{} `{}` asks its chart for policies",
                    object.kind, object.meta.name
                ),
                namespace: Some(object.home().to_owned()),
                pods: policy.pods.clone(),
                effect: PartEffect::AddsPolicies(policy.direction),
                is_limit: false,
            })
        });
        parts.collect()
    }

    /// The labels of the workloads, by their namespace.
    fn labels_by_namespace(&self) -> BTreeMap<&str, Vec<&Labels>> {
        let mut by_namespace: BTreeMap<&str, Vec<&Labels>> = BTreeMap::new();
        for object in &self.objects {
            if let Object::Workload(workload) = object {
                let home = workload.meta.namespace_name();
                by_namespace.entry(home).or_default().push(&workload.labels);
            }
        }
        by_namespace
    }

    /// The releases of charts that an object installs and of which nothing tells the pods: no
    /// workload has the labels that they have for certain, and these are not all that they have.
    fn unknown_releases(&self) -> Vec<UnknownPart> {
        let releases = self.objects.iter().filter_map(|object| match object {
            Object::ContextObject(ContextObject::Custom(it)) if is_release(it) => Some(it),
            _ => None,
        });
        let releases: Vec<&Arc<CustomObject>> = releases.collect();
        if releases.is_empty() {
            return Vec::new();
        }
        let by_namespace = self.labels_by_namespace();
        let is_known = |object: &CustomObject| {
            let beside = by_namespace
                .get(object.home())
                .map_or(&[][..], Vec::as_slice);
            (object.released.iter())
                .all(|pods| pods.are_labels_known || pods.are_among(beside.iter().copied()))
        };
        let unknown = releases.into_iter().filter(|object| !is_known(object));
        let parts = unknown.map(|object| UnknownPart {
            span: object.meta.name.span,
            reason: format!(
                "the chart of {} `{}` is rendered by Helm, which was not run",
                object.kind, object.meta.name
            ),
            namespace: Some(object.home().to_owned()),
            pods: None,
            effect: PartEffect::AddsPods,
            is_limit: false,
        });
        parts.collect()
    }
}

/// Whether an object installs a release of a chart into a namespace that it tells. An Application
/// of Argo CD is taken apart where it is applied.
fn is_release(object: &CustomObject) -> bool {
    !object.released.is_empty() && object.group != "argoproj.io" && is_somewhere(object)
}

/// Whether an object tells the namespace in which something is made of it.
fn is_somewhere(object: &CustomObject) -> bool {
    let is_somewhere = object.meta.namespace.is_some() || object.target_namespace.is_some();
    is_somewhere && !k8s::is_opaque(object.home())
}

/// The policies that a controller writes because an object says so. Where the object names no
/// namespace for them, its controller may write them into any.
fn written_policies(object: &Object) -> Vec<UnknownPart> {
    let Object::ContextObject(ContextObject::Custom(object)) = object else {
        return Vec::new();
    };
    let is_carrier = is_carrier(&object.group);
    let policies = object.written_policies.iter();
    let policies = policies.filter(|policy| policy.namespace.is_some() || !is_carrier);
    let effect = |policy: &WrittenPolicy, direction| match policy.allows {
        true => PartEffect::AddsPolicies(direction),
        false => PartEffect::Isolates(direction),
    };
    let parts = policies.flat_map(|policy| {
        let directions = policy.directions.iter();
        directions.map(move |direction| UnknownPart {
            span: object.meta.name.span,
            reason: format!("{} `{}` writes policies", object.kind, object.meta.name),
            namespace: policy.namespace.clone(),
            pods: None,
            effect: effect(policy, *direction),
            is_limit: false,
        })
    });
    parts.collect()
}

/// Whether objects of a group only carry a policy without a namespace, so that no controller
/// writes it into the cluster by itself: what Argo CD, Flux and Helm install is worked out where
/// it is built, a template is filled in by a person, Gatekeeper only compares, and the tests of
/// Kyverno and kuttl and the functions of kpt run outside.
fn is_carrier(group: &str) -> bool {
    const GROUPS: [&str; 6] = [
        "argoproj.io",
        "chainsaw.kyverno.io",
        "cli.kyverno.io",
        "helm.cattle.io",
        "kuttl.dev",
        "template.openshift.io",
    ];
    const DOMAINS: [&str; 3] = [".toolkit.fluxcd.io", ".gatekeeper.sh", "kpt.dev"];
    GROUPS.contains(&group) || DOMAINS.iter().any(|domain| group.ends_with(domain))
}

/// Something that builds a part of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartRoot {
    /// Its directory, or for Argo CD the Application.
    pub name: String,
    /// What it is: `kustomization`, `Flux`, `Argo CD`.
    pub kind: &'static str,
    /// How many objects npcheck takes from it.
    pub objects: usize,
    /// Where it is said that it is one, as a person would look for it: `path:line`.
    pub origin: Option<String>,
    /// What it builds, directory by directory.
    pub builds: Vec<Build>,
}

/// Something that is deployed to a cluster, and of which nobody knows what it becomes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpaquePart {
    /// Its name, as a person would look for it: `path:line`.
    pub name: String,
    /// What is known of it.
    pub part: UnknownPart,
    /// The directory that is built with it, where that is known.
    pub root: Option<String>,
}

/// The parts of a tree: those of each scope, and those of each directory that contradicts
/// another one. There is always one. What is `known` of builds of the same texts is taken from
/// there; so also, where that is kept, what is known of them afterwards.
pub(super) fn parts(
    texts: &Texts,
    ids: &[SourceId],
    config: &Config,
    path_of: impl Fn(&str) -> String,
    known: Option<&Builds>,
) -> (Vec<Part>, Builds) {
    let mut by_scope: BTreeMap<usize, Vec<SourceId>> = BTreeMap::new();
    let mut rest: Vec<SourceId> = Vec::new();
    for id in ids {
        let path = path_of(texts.sources().get(*id).name());
        let scope = config.scope_of(&path);
        let of_scope = scope.map(|scope| by_scope.entry(scope).or_default());
        of_scope.unwrap_or(&mut rest).push(*id);
    }
    let mut of_scopes = Vec::new();
    let mut builds = Builds::default();
    for (scope, own) in by_scope {
        let lent = lent(texts, ids, &own, config);
        let scope = (Some(scope), &own[..], &lent);
        of_scopes.extend(parts_of(texts, scope, config, known, &mut builds));
    }
    // What the scopes build from stands for nothing of its own.
    let taken = of_scopes.iter().flat_map(|part| &part.texts);
    let taken: BTreeSet<SourceId> = taken.copied().collect();
    rest.retain(|id| !taken.contains(id));
    // Beside scopes, files such as npcheck.yaml are no cluster.
    let is_other = |it: &Document| matches!(it.outcome, Outcome::NotKubernetes | Outcome::Empty);
    let is_none = |id: &SourceId| texts.get(*id).documents.iter().all(is_other);
    if !of_scopes.is_empty() && rest.iter().all(is_none) {
        rest.clear();
    }
    let lent = lent(texts, ids, &rest, config);
    let rest = (None, &rest[..], &lent);
    let mut parts = parts_of(texts, rest, config, known, &mut builds);
    parts.extend(of_scopes);
    if parts.is_empty() {
        parts.push(Part::default());
    }
    (parts, builds)
}

/// What the builds of a scope, or of the rest of the tree, take from the other texts.
fn lent(texts: &Texts, ids: &[SourceId], own: &[SourceId], config: &Config) -> BTreeSet<SourceId> {
    if config.scopes.is_empty() || config.rendering == Rendering::Off {
        return BTreeSet::new();
    }
    let own = own.iter().copied().collect();
    render::lent(texts.sources(), ids, &own)
}

/// The parts of a scope, or of the rest of the tree: of its own texts, which may build on others
/// that they are lent.
fn parts_of(
    texts: &Texts,
    (scope, ids, lent): (Option<usize>, &[SourceId], &BTreeSet<SourceId>),
    config: &Config,
    known: Option<&Builds>,
    builds: &mut Builds,
) -> Vec<Part> {
    if ids.iter().all(|id| texts.get(*id).documents.is_empty()) {
        return Vec::new();
    }
    let name = scope.map_or("", |scope| config.scopes[scope].name.as_str());
    let written = |id| {
        let read = texts.get(id);
        render::Written {
            documents: &read.documents,
            objects: &read.objects,
            diagnostics: &read.diagnostics,
        }
    };
    let deployment = match config.rendering {
        Rendering::Off => None,
        Rendering::Auto | Rendering::Helm => {
            render::deployment(texts.sources(), (ids, lent), &written, known)
        }
    };
    let mut parts = match deployment {
        Some(mut deployment) => {
            builds.extend(std::mem::take(&mut deployment.builds));
            deployed::parts(texts, ids, &deployment)
        }
        None => Settled::new(texts, ids.to_vec()).parts(),
    };
    for part in &mut parts {
        let releases = part.unknown_releases().into_iter();
        part.opaque.extend(releases.map(|part| OpaquePart {
            name: texts.place(part.span),
            part,
            root: None,
        }));
        part.opaque.sort();
        part.scope = scope;
        part.name = match (name, part.name.as_str()) {
            (name, "") => name.to_owned(),
            ("", name) => name.to_owned(),
            (scope, name) => format!("{scope}/{name}"),
        };
    }
    parts
}

/// The texts of a scope, with every object where kustomizations and their like put it.
struct Settled<'t> {
    texts: &'t Texts,
    ids: Vec<SourceId>,
    /// What became of the documents of each text.
    documents: Vec<Arc<[Document]>>,
    /// The objects of each text.
    objects: Vec<Vec<Object>>,
    places: Arc<Places>,
}

impl<'t> Settled<'t> {
    fn new(texts: &'t Texts, ids: Vec<SourceId>) -> Self {
        let read = |id: &SourceId| -> &'t ReadText { texts.get(*id) };
        let objects = ids.iter().flat_map(|id| &read(id).objects);
        let places = Places::new(texts.sources(), objects);
        let objects = ids
            .iter()
            .map(|id| places.settle(read(id).objects.to_vec()));
        let objects: Vec<Vec<Object>> = objects.collect();
        let documents = ids
            .iter()
            .map(|id| places.settle_documents(*id, &read(id).documents));
        Self {
            documents: documents.collect(),
            objects,
            places: Arc::new(places),
            texts,
            ids,
        }
    }

    fn parts(&self) -> Vec<Part> {
        let sources = self.texts.sources();
        let files = self.ids.iter().enumerate();
        let files = files.map(|(member, id)| ObjectsOfFile {
            member,
            name: sources.get(*id).name(),
            objects: &self.objects[member],
        });
        let is_own = |file: &ObjectsOfFile<'_>| {
            let directory = crate::cluster::directory_of(file.name);
            !self.places.is_base(&directory)
        };
        let standing = Standing::of(sources, files.filter(is_own));
        let directories: Vec<String> = self
            .ids
            .iter()
            .map(|id| crate::cluster::directory_of(sources.get(*id).name()))
            .collect();
        let directories = directories.iter().enumerate();
        let directories = directories
            .map(|(member, directory)| standing.standing(member).unwrap_or(directory.as_str()));
        let directories: Vec<&str> = directories.collect();
        let weights: Vec<usize> = self.objects.iter().map(Vec::len).collect();
        let contradictions = self.contradictions(&directories);
        environments(&directories, &weights, &contradictions)
            .into_iter()
            .map(|environment| {
                let texts = &environment.texts;
                let read = |text: &usize| self.texts.get(self.ids[*text]);
                Part {
                    name: environment.name,
                    scope: None,
                    texts: texts.iter().map(|text| self.ids[*text]).collect(),
                    documents: texts
                        .iter()
                        .map(|text| Arc::clone(&self.documents[*text]))
                        .collect(),
                    diagnostics: texts
                        .iter()
                        .flat_map(|text| read(text).diagnostics.iter().cloned())
                        .collect(),
                    objects: texts
                        .iter()
                        .flat_map(|text| self.objects[*text].clone())
                        .collect(),
                    places: Arc::clone(&self.places),
                    is_built: false,
                    roots: Vec::new(),
                    as_written: BTreeMap::new(),
                    alternatives: Arc::clone(&standing.found),
                    built_together: Arc::default(),
                    changed: Vec::new(),
                    opaque: Vec::new(),
                    is_apart: false,
                    undeployed: Arc::default(),
                }
            })
            .collect()
    }

    /// See [`contradictions`]. What a kustomization takes from another directory belongs to
    /// whoever takes it.
    fn contradictions<'d>(&self, directories: &[&'d str]) -> Contradictions<'d> {
        // One alone contradicts nobody.
        if directories.windows(2).all(|pair| pair[0] == pair[1]) {
            return Contradictions::default();
        }
        let texts = directories.iter().zip(&self.objects).enumerate();
        let texts = texts.map(|(member, (directory, objects))| Contradicting {
            member,
            directory,
            objects,
        });
        contradictions(texts.filter(|text| !self.places.is_base(text.directory)))
    }
}
