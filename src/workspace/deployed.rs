//! The parts of a tree in which something is built: the roots that are deployed together, and
//! the manifests that are applied as they stand beside them.
//!
//! Refuses to know how roots are found and built.

use super::alternatives::{ObjectsOfFile, Places};
use super::contradictions::{Contradicting, contradictions};
use super::environments::environments;
use super::part::{OpaquePart, Part, PartRoot};
use super::texts::Texts;
use crate::cluster::{BuiltTogether, Undeployed};
use crate::diagnostic::Diagnostic;
use crate::k8s::{ContextObject, Document, Documents, Object, Outcome, UnknownPart, document_at};
use crate::render::{Deployment, Root, RootKind};
use crate::source::{SourceId, Span};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Deref;
use std::sync::Arc;

/// Rules about what a text says, of which nothing is left in an object that is built of it.
const OF_TEXTS: &[&str] = &["duplicate-key", "hidden-text", "ignored-text"];

/// What tells that a document cannot be read, wherever the text belongs.
const UNREAD: &str = "yaml-error";

/// Something that belongs to a cluster as a whole: a root, or a text that stands for itself.
struct Member<'d> {
    directory: String,
    objects: &'d [Object],
    root: Option<&'d Root>,
    text: Option<SourceId>,
}

/// The parts of a tree with roots.
pub(super) fn parts(texts: &Texts, ids: &[SourceId], deployment: &Deployment) -> Vec<Part> {
    let mut by_cluster: BTreeMap<&str, Vec<Member<'_>>> = BTreeMap::new();
    let mut others: Vec<Member<'_>> = Vec::new();
    for root in &deployment.roots {
        let member = Member {
            directory: root.directory.clone(),
            objects: &root.objects,
            root: Some(root),
            text: None,
        };
        match &root.cluster {
            Some(cluster) => by_cluster.entry(cluster).or_default().push(member),
            None => others.push(member),
        }
    }
    let taken: BTreeSet<SourceId> = deployment
        .roots
        .iter()
        .flat_map(|root| root.texts.iter().copied())
        .collect();
    let is_plain = |id: &&SourceId| {
        let mut others = [&taken, &deployment.unreferenced, &deployment.templates].into_iter();
        !others.any(|texts| texts.contains(*id))
    };
    for id in ids.iter().filter(is_plain) {
        others.push(Member {
            directory: crate::cluster::directory_of(texts.sources().get(*id).name()),
            objects: &texts.get(*id).objects,
            root: None,
            text: Some(*id),
        });
    }
    let mut parts: Vec<Part> = Vec::new();
    for (name, members) in &by_cluster {
        let members: Vec<&Member<'_>> = members.iter().collect();
        let name = match by_cluster.len() == 1 && others.is_empty() {
            true => "",
            false => name,
        };
        parts.push(part(texts, name, &members));
    }
    if !others.is_empty() {
        let files = others.iter().enumerate();
        let files = files.filter_map(|(member, it)| {
            Some(ObjectsOfFile {
                member,
                name: texts.sources().get(it.text?).name(),
                objects: it.objects,
            })
        });
        let places = Places::of(texts.sources(), files);
        let directories = others.iter().enumerate();
        let directories = directories
            .map(|(member, it)| places.standing(member).unwrap_or(it.directory.as_str()));
        let directories: Vec<&str> = directories.collect();
        let weights: Vec<usize> = others.iter().map(|it| it.objects.len()).collect();
        let members = others.iter().enumerate().map(|(member, it)| Contradicting {
            member,
            directory: directories[member],
            objects: it.objects,
        });
        let contradictions = contradictions(members);
        let environments = environments(&directories, &weights, &contradictions);
        let names: Vec<&str> = environments.iter().map(|it| it.name.as_str()).collect();
        let shared = shared_directory(&names);
        for environment in &environments {
            let members: Vec<&Member<'_>> =
                environment.texts.iter().map(|it| &others[*it]).collect();
            let mut own = members.iter().filter_map(|it| it.text);
            let is_apart = own.any(|text| deployment.apart.contains(&text));
            let name = match &environment.name[shared..] {
                "" if !by_cluster.is_empty() => Cow::Borrowed("others"),
                _ => told_apart(&environment.name, shared, |name| {
                    by_cluster.contains_key(name)
                }),
            };
            let mut part = part(texts, &name, &members);
            part.alternatives = Arc::clone(&places.found);
            if is_apart {
                set_apart(texts, deployment, &mut part);
            }
            parts.push(part);
        }
    }
    tell_unreferenced(texts, deployment, &mut parts);
    parts
}

/// The name of a directory from a byte on, or from as many of its parts as tell it from what is
/// taken: `prod` of `overlays/prod`, `overlays/prod` beside a cluster of Flux that is called
/// `prod`, and `others/prod` where there are no more.
fn told_apart(name: &str, shared: usize, is_taken: impl Fn(&str) -> bool) -> Cow<'_, str> {
    let mut from = shared;
    while is_taken(&name[from..]) {
        if from == 0 {
            return Cow::Owned(format!("others/{name}"));
        }
        from = name[..from - 1].rfind('/').map_or(0, |slash| slash + 1);
    }
    Cow::Borrowed(&name[from..])
}

/// How many bytes of the names of several clusters are a directory that all of them share:
/// `overlays/dev` and `overlays/prod` are `dev` and `prod`.
fn shared_directory(names: &[&str]) -> usize {
    let [first, others @ ..] = names else {
        return 0;
    };
    let ends = first.match_indices('/').map(|(at, _)| at + 1);
    let is_shared = |end: &usize| {
        let front = &first[..*end];
        let longer = |name: &&str| name.len() > *end && name.starts_with(front);
        others.iter().all(longer)
    };
    match others.is_empty() {
        true => 0,
        false => ends.filter(is_shared).max().unwrap_or(0),
    }
}

/// What counts apart from what Argo CD applies may be applied to the same cluster: what
/// they may bring is not known there, and their pods speak against slips of the pen.
fn set_apart(texts: &Texts, deployment: &Deployment, part: &mut Part) {
    let roots = deployment.roots.iter();
    let theirs = roots.filter(|root| root.cluster.is_some());
    for root in theirs.clone() {
        let parts = root.opaque.iter();
        part.opaque
            .extend(parts.map(|part| opaque(texts, root, part)));
    }
    sort(&mut part.opaque);
    let unreferenced = deployment.unreferenced.iter();
    let unreferenced = unreferenced.flat_map(|id| &texts.get(*id).objects);
    let theirs = theirs.flat_map(|root| &root.objects);
    let undeployed = Undeployed::of(theirs.chain(unreferenced));
    part.undeployed = Arc::new(undeployed);
    part.is_apart = true;
}

fn opaque(texts: &Texts, root: &Root, part: &UnknownPart) -> OpaquePart {
    let name = texts.sources().get(part.span.source).name();
    let directory = crate::cluster::directory_of(name);
    let is_around = |build: &&str| {
        let rest = directory.strip_prefix(build);
        build.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let builds = root.builds.iter().map(|build| build.directory.as_str());
    let built = match root.kind {
        RootKind::Kustomization | RootKind::Chart => Some(root.directory.as_str()),
        RootKind::Flux | RootKind::ArgoCd => builds.filter(is_around).max_by_key(|it| it.len()),
    };
    OpaquePart {
        name: texts.place(part.span),
        part: part.clone(),
        root: built.map(str::to_owned),
    }
}

/// Sorts what is unknown, each part once.
fn sort(parts: &mut Vec<OpaquePart>) {
    parts.sort();
    parts.dedup_by(|one, other| one.name == other.name && one.part == other.part);
}

/// Adds what is to be said of manifests that nothing deploys to the first part: it is no
/// matter of one cluster. Which objects they have is known beside every part.
fn tell_unreferenced(texts: &Texts, deployment: &Deployment, parts: &mut [Part]) {
    let unreferenced = deployment.unreferenced.iter().chain(&deployment.apart);
    let undeployed = Undeployed::of(unreferenced.flat_map(|id| &texts.get(*id).objects));
    let undeployed = Arc::new(undeployed);
    for part in parts.iter_mut().filter(|part| !part.is_apart) {
        part.undeployed = Arc::clone(&undeployed);
    }
    let Some(part) = parts.first_mut() else {
        return;
    };
    part.diagnostics
        .extend(deployment.diagnostics.iter().cloned());
    let mut all: Vec<Arc<[Document]>> = part.documents.texts().to_vec();
    for id in &deployment.unreferenced {
        part.texts.insert(*id);
        let of_text = texts.get(*id).diagnostics.iter();
        let of_text = of_text.filter(|finding| finding.rule == UNREAD);
        part.diagnostics.extend(of_text.cloned());
        let documents = texts.get(*id).documents.iter().cloned();
        let documents = documents.map(|mut document| {
            if matches!(document.outcome, Outcome::Object | Outcome::PluginPolicy) {
                document.outcome = Outcome::NotDeployed;
            }
            document
        });
        all.push(documents.collect());
    }
    for id in &deployment.templates {
        part.texts.insert(*id);
        let documents = texts.get(*id).documents.iter().map(as_rest);
        all.push(documents.map(|it| Document::clone(&it)).collect());
    }
    all.sort_by_key(|text| text.first().map(|document| document.span));
    part.documents = all.into_iter().collect();
}

/// What the members are together.
fn part(texts: &Texts, name: &str, members: &[&Member<'_>]) -> Part {
    let mut part = Part {
        name: name.to_owned(),
        is_built: true,
        ..Part::default()
    };
    // Those of all texts in one list: most texts have one document, and a list for each of them
    // would have room for more.
    let mut documents: Vec<PartDocument<'_>> = Vec::new();
    let mut begun: HashSet<SourceId> = HashSet::new();
    let mut met: HashSet<Span> = HashSet::new();
    let mut objects: HashSet<Span> = HashSet::new();
    let mut told: BTreeSet<(Span, &'static str)> = BTreeSet::new();
    for member in members {
        if let Some(text) = member.text {
            let read = texts.get(text);
            part.texts.insert(text);
            if !read.objects.is_empty() {
                *part.as_written.entry(member.directory.clone()).or_default() += 1;
            }
            objects.extend(read.objects.iter().map(|object| object.meta().span));
            met.extend(read.documents.iter().map(|document| document.span));
            part.objects.extend(read.objects.iter().cloned());
            part.diagnostics.extend(read.diagnostics.iter().cloned());
            begun.insert(text);
            documents.extend(read.documents.iter().map(PartDocument::Read));
        }
        let Some(root) = member.root else { continue };
        part.texts.extend(&root.texts);
        part.roots.push(PartRoot {
            name: root.name.clone(),
            kind: root.kind.name(),
            objects: root.objects.len(),
            origin: root.origin.map(|span| texts.place(span)),
            builds: root.builds.clone(),
        });
        part.changed.extend(root.changed.iter().cloned());
        objects.extend(root.objects.iter().map(|object| object.meta().span));
        part.objects.extend(root.objects.iter().cloned());
        let entry = root.origin.map(|origin| &texts.get(origin.source).objects);
        let networks = entry.into_iter().flatten();
        part.objects
            .extend(networks.filter_map(|it| network_of(root, it)));
        let mut is_new = |finding: &&Diagnostic| told.insert((finding.primary.span, finding.rule));
        let new: Vec<Diagnostic> = root
            .diagnostics
            .iter()
            .filter(|it| is_new(it))
            .cloned()
            .collect();
        part.diagnostics.extend(new);
        for document in &root.documents {
            begun.insert(document.span.source);
            if met.insert(document.span) {
                documents.push(as_put(texts, document));
            }
        }
        let parts = root.opaque.iter();
        part.opaque
            .extend(parts.map(|part| opaque(texts, root, part)));
        for id in &root.texts {
            let read = texts.get(*id);
            let of_text = read.diagnostics.iter();
            let of_text = of_text.filter(|it| OF_TEXTS.contains(&it.rule));
            let new = of_text.filter(|it| told.insert((it.primary.span, it.rule)));
            part.diagnostics.extend(new.cloned());
            let kustomizations = read.objects.iter().filter(|it| is_kustomization(it));
            let new = kustomizations.filter(|object| objects.insert(object.meta().span));
            part.objects.extend(new.cloned());
            if begun.insert(*id) {
                met.extend(read.documents.iter().map(|document| document.span));
                documents.extend(read.documents.iter().map(as_rest));
            }
        }
    }
    let roots = members.iter().filter_map(|member| member.root);
    let built_together: BuiltTogether = roots
        .map(|root| root.objects.iter().map(|object| object.meta().span.source))
        .collect();
    part.built_together = Arc::new(built_together);
    sort(&mut part.opaque);
    documents.sort_by_key(|document| document.span);
    let by_text = documents.chunk_by(|one, next| one.span.source == next.span.source);
    let of_text = |documents: &[PartDocument<'_>]| {
        let read = &texts.get(documents[0].span.source).documents;
        // What is deployed as it is written is there once.
        match read.iter().eq(documents.iter().map(Deref::deref)) {
            true => Arc::clone(read),
            false => documents.iter().map(|it| Document::clone(it)).collect(),
        }
    };
    part.documents = by_text.map(of_text).collect::<Documents>();
    part
}

/// What became of a document: as it was read somewhere, or as it is deployed.
enum PartDocument<'d> {
    Read(&'d Document),
    Deployed(Box<Document>),
}

impl Deref for PartDocument<'_> {
    type Target = Document;

    fn deref(&self) -> &Document {
        match self {
            Self::Read(document) => document,
            Self::Deployed(document) => document,
        }
    }
}

/// What the Application that a root is says of the network of its cluster, where it installs a
/// CNI plugin: the object itself is in the cluster of Argo CD.
fn network_of(root: &Root, object: &Object) -> Option<Object> {
    let Object::ContextObject(ContextObject::Custom(object)) = object else {
        return None;
    };
    let is_it = root.origin == Some(object.meta.span.before());
    let network = object.network.clone().filter(|_| is_it)?;
    let network = ContextObject::ClusterNetwork(network);
    Some(Object::ContextObject(network))
}

fn is_kustomization(object: &Object) -> bool {
    let kustomization = |object: &ContextObject| matches!(object, ContextObject::Kustomization(_));
    matches!(object, Object::ContextObject(object) if kustomization(object))
}

/// A document of a text of a root that no object comes from: a kustomization, a patch, what
/// is taken away again.
fn as_rest(document: &Document) -> PartDocument<'_> {
    let is_other = matches!(
        document.outcome,
        Outcome::ContextObject | Outcome::NotKubernetes | Outcome::Empty
    );
    match is_other {
        true => PartDocument::Read(document),
        false => PartDocument::Deployed(Box::new(Document {
            outcome: Outcome::BuiltFrom,
            ..document.clone()
        })),
    }
}

/// A document as it is deployed: a namespace that it does not name itself is told apart.
fn as_put<'d>(texts: &Texts, document: &'d Document) -> PartDocument<'d> {
    let written = document_at(&texts.get(document.span.source).documents, document.span);
    if written.is_none_or(|written| !written.namespace.is_empty()) || document.namespace.is_empty()
    {
        return PartDocument::Read(document);
    }
    let mut document = document.clone();
    document.put_into = Some(std::mem::take(&mut document.namespace));
    PartDocument::Deployed(Box::new(document))
}
