//! Flux: which directories its Kustomizations apply, with what they add to them, and which
//! further Kustomizations come out of that.
//!
//! Refuses to know clusters beyond that each entry is one. After kustomize-controller and
//! fluxcd/pkg (`kustomize/kustomize_generator.go`).

use super::Chart;
use super::artifact::{self, OwnSources};
use super::as_it_stands::is_applied;
use super::kustomize::{Fault, Kustomization, Kustomize};
use super::left_out::LeftOut;
use super::library::{KUSTOMIZATION_NAMES, Library, join, parent};
use super::release;
use super::resource::Resource;
use super::roots::Build;
use super::source_ignore::SourceIgnore;
use super::substitute::{MAX_SUBSTITUTED, Room, Variables};
use super::value::{Data, Place, Value};
use crate::k8s::PartEffect;
use crate::source::Span;
use std::collections::{BTreeMap, BTreeSet};

/// Whether an object is one of Flux's Kustomizations.
pub(crate) fn is_kustomization(value: &Value<'_>) -> bool {
    value.text_of(&["kind"]) == "Kustomization"
        && value
            .text_of(&["apiVersion"])
            .starts_with("kustomize.toolkit.fluxcd.io/")
}

/// What an entry of Flux applies, with all that follows from it.
#[derive(Debug, Default)]
pub(crate) struct Applied<'t> {
    /// The objects.
    pub(crate) resources: Vec<Resource<'t>>,
    /// What is wrong or unknown.
    pub(crate) faults: Vec<Fault>,
    /// The targets of patches, and whether they match nothing.
    pub(crate) patches: Vec<(Span, bool)>,
    /// Variables that turn a text into something else.
    pub(crate) retyped: Vec<Value<'t>>,
    /// The directories that it applies.
    pub(crate) directories: BTreeSet<String>,
    /// What each Kustomization applies, in the order in which they come out.
    pub(crate) builds: Vec<Build>,
    /// The Kustomizations that are applied to other clusters, by what holds the access to them.
    pub(crate) remote: BTreeMap<String, Vec<(Value<'t>, String)>>,
}

/// What Kustomizations start a cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entries<'e, 't> {
    /// Each with its file.
    pub(crate) objects: &'e [(Value<'t>, String)],
    /// Whether another cluster applies them to this one.
    pub(crate) are_remote: bool,
}

/// What holds the access to the cluster that a Kustomization is applied to; `None` where that is
/// the one that it is in.
fn access(object: &Value<'_>) -> Option<String> {
    let config = object.find(&["spec", "kubeConfig"])?;
    let names = ["secretRef", "configMapRef"].map(|field| config.text_of(&[field, "name"]));
    let name = names.into_iter().find(|name| !name.is_empty());
    Some(name.unwrap_or_else(|| "another cluster".to_owned()))
}

/// The objects of one Kustomization before its variables are replaced.
struct Unfinished<'t> {
    object: Value<'t>,
    resources: Vec<Resource<'t>>,
}

/// Applies the Kustomizations of an entry, and those that come out of them.
pub(crate) fn apply<'t>(
    library: &'t Library<'_>,
    kustomize: &Kustomize<'t, '_>,
    own: &OwnSources,
    entries: Entries<'_, 't>,
) -> Applied<'t> {
    let mut applied = Applied::default();
    let room = Room::default();
    let leaves_out_some = own.leave_out_some() || SourceIgnore::may_be_in(library);
    let mut unfinished: Vec<Unfinished<'t>> = Vec::new();
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    let first = entries.objects.iter().rev().cloned();
    let mut open: Vec<(Value<'t>, String, bool)> = first
        .map(|(object, file)| (object, file, entries.are_remote))
        .collect();
    while let Some((object, file, is_here)) = open.pop() {
        let name = object.text_of(&["metadata", "name"]);
        let namespace = object.text_of(&["metadata", "namespace"]);
        if !seen.insert((namespace, name.clone())) {
            continue;
        }
        let span = object
            .find(&["spec", "path"])
            .map_or(object.span(), |it| it.span());
        if let Some(access) = access(&object).filter(|_| !is_here) {
            applied
                .remote
                .entry(access)
                .or_default()
                .push((object, file));
            continue;
        }
        let path = object.text_of(&["spec", "path"]);
        let Some(directory) = own.directory_of(library, &object, &file) else {
            applied.faults.push(elsewhere(&object));
            continue;
        };
        let written = own.ignore_of(&object, &file);
        let built = unfinished.iter().flat_map(|it| &it.resources);
        let ignore = artifact::built_ignore(built, &object).or(written);
        let of_source = ignore.map(|it| {
            (
                artifact::root_of(&directory, &artifact::path_of(&object)),
                it,
            )
        });
        let patterns = |directory: &str| SourceIgnore::of(library, directory, of_source.clone());
        let left_out = patterns(&directory);
        if left_out.leaves_out_all(library, &directory) {
            let message = format!(
                "the source of the Kustomization `{name}` leaves out `{path}`, and Flux applies nothing"
            );
            let fault = Fault::opaque(span, message, PartEffect::Nothing);
            applied.faults.push(fault);
            continue;
        }
        let of = (directory.as_str(), &left_out);
        let Some(kustomization) = edited(library, of, &object, &mut applied.faults) else {
            continue;
        };
        let mut build = kustomize.build_as(&kustomization);
        if leaves_out_some {
            let missing = LeftOut::of(library, &kustomization, patterns);
            build.resources.retain(|it| !missing.holds(library, it));
            build.faults.extend(missing.faults);
        }
        applied.directories.insert(directory.clone());
        applied.faults.extend(build.faults);
        applied.patches.extend(build.patches);
        let inline = inline_variables(&object);
        for resource in &build.resources {
            if is_kustomization(&resource.value) {
                let mut child = resource.value.clone();
                inline.apply(&mut child, &room);
                let source = library.sources().get(child.span().source).name();
                open.push((child, join("", source), false));
            }
        }
        applied.builds.push(Build {
            name,
            namespace: object.text_of(&["spec", "targetNamespace"]),
            is_suspended: object.text_of(&["spec", "suspend"]) == "true",
            objects: build.resources.len(),
            directory,
        });
        unfinished.push(Unfinished {
            object,
            resources: build.resources,
        });
    }
    let settled = finish(unfinished, &room, &mut applied);
    releases(library, kustomize, settled, &mut applied);
    applied
}

/// That a Kustomization applies what is not in this repository.
pub(crate) fn elsewhere(object: &Value<'_>) -> Fault {
    let path = object.find(&["spec", "path"]);
    let span = path.as_ref().map_or(object.span(), Value::span);
    let path = path.as_ref().and_then(Value::text).unwrap_or_default();
    let shown = if path.is_empty() { "./" } else { path };
    let name = object.text_of(&["metadata", "name"]);
    let message = format!("`{shown}` of the Kustomization `{name}` is not in this repository");
    let fault = Fault::opaque(span, message, PartEffect::Adds);
    fault.within(&object.text_of(&["spec", "targetNamespace"]))
}

/// Replaces variables, sets labels, and puts all together.
fn finish<'t>(
    unfinished: Vec<Unfinished<'t>>,
    room: &Room,
    applied: &mut Applied<'t>,
) -> Vec<Resource<'t>> {
    let mut data = ConfigMaps::new();
    for resource in unfinished.iter().flat_map(|it| &it.resources) {
        if resource.id.gvk.kind == "ConfigMap" {
            let found = resource.value.get("data");
            let fields = found.iter().flat_map(Value::fields);
            let pairs = fields.map(|field| {
                (
                    field.key.text().into_owned(),
                    field.value.text().unwrap_or_default().replace('\n', ""),
                )
            });
            let of_name = data.entry(resource.id.name.clone()).or_default();
            of_name.insert(resource.id.namespace.clone(), pairs.collect());
        }
    }
    let mut settled = Vec::new();
    let mut ids = BTreeSet::new();
    for Unfinished { object, resources } in unfinished {
        let was_full = room.is_full();
        let variables = variables(&object, &data, room);
        let labels = object.find(&["spec", "commonMetadata", "labels"]);
        for mut resource in resources {
            if let Some(variables) = &variables {
                let is_disabled = ["labels", "annotations"].iter().any(|field| {
                    let path = ["metadata", field, "kustomize.toolkit.fluxcd.io/substitute"];
                    resource.value.text_of(&path) == "disabled"
                });
                if !is_disabled {
                    applied
                        .retyped
                        .extend(variables.apply(&mut resource.value, room));
                    resource.refresh();
                }
            }
            for label in labels.iter().flat_map(Value::fields) {
                set_label(
                    &mut resource.value,
                    label.key.text().into_owned(),
                    label.key.span(),
                    label.value,
                );
            }
            let id = &resource.id;
            let key = (
                id.gvk.kind.clone(),
                id.gvk.group.clone(),
                id.namespace.clone(),
                id.name.clone(),
            );
            if ids.insert(key) {
                settled.push(resource);
            }
        }
        if room.is_full() && !was_full {
            applied.faults.push(no_room(&object));
        }
    }
    settled
}

/// That variables are left as they are written: what stands there may be anything.
fn no_room(object: &Value<'_>) -> Fault {
    let build = object.find(&["spec", "postBuild"]);
    let span = build.map_or(object.span(), |build| build.span());
    let message = format!(
        "the values of variables become longer than {MAX_SUBSTITUTED} bytes: \
         the rest of the variables is left as it is written"
    );
    Fault::limit(span, message, PartEffect::Changes)
}

/// Adds all objects, and those of charts in the tree in the place of their releases.
fn releases<'t>(
    library: &'t Library<'_>,
    kustomize: &Kustomize<'t, '_>,
    settled: Vec<Resource<'t>>,
    applied: &mut Applied<'t>,
) {
    let mut sources = release::Sources::default();
    settled.iter().for_each(|resource| sources.note(resource));
    for mut resource in settled {
        sources.name_chart(&mut resource);
        match release::chart(library, &sources, &resource) {
            Some(chart) => add_chart((library, kustomize), chart, resource, applied),
            None => applied.resources.push(resource),
        }
    }
}

/// Adds the objects of a chart that a HelmRelease installs, or the release if they are unknown.
fn add_chart<'t>(
    (library, kustomize): (&'t Library<'_>, &Kustomize<'t, '_>),
    chart: Chart,
    release: Resource<'t>,
    applied: &mut Applied<'t>,
) {
    let span = release.value.span();
    let namespace = Value::text_at(chart.namespace.clone(), span);
    match chart.objects(library, span, PartEffect::AddsPods) {
        Ok(mut resources) => {
            for kustomization in release::post_renderers(library, &release) {
                let (reworked, faults) = kustomize.rework(&kustomization, resources);
                resources = reworked;
                applied.faults.extend(faults);
            }
            for mut resource in resources {
                resource.settle("targetNamespace", &namespace);
                applied.resources.push(resource);
            }
        }
        Err(fault) => {
            applied.faults.push(fault);
            applied.resources.push(release);
        }
    }
}

/// Sets a label of an object's metadata.
pub(crate) fn set_label<'t>(value: &mut Value<'t>, key: String, span: Span, label: Value<'t>) {
    let Some(metadata) = value.get_mut("metadata") else {
        return;
    };
    if metadata
        .get("labels")
        .is_none_or(|labels| !labels.is_mapping())
    {
        metadata.set("labels", span, Value::mapping_at(span));
    }
    if let Some(labels) = metadata.get_mut("labels") {
        labels.set(key, span, label);
    }
}

/// The variables that a Kustomization gives values itself. What it takes from elsewhere may
/// be anything.
fn inline_variables(object: &Value<'_>) -> Variables {
    let inline = object.find(&["spec", "postBuild", "substitute"]);
    let pairs = inline.iter().flat_map(Value::fields);
    let values = pairs.map(|field| {
        let text = field.value.text().unwrap_or_default().replace('\n', "");
        (field.key.text().into_owned(), text)
    });
    Variables {
        values: values.collect(),
    }
}

/// What ConfigMaps say, by their names and namespaces.
type ConfigMaps = BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>;

/// All variables of a Kustomization; `None` if it replaces none.
fn variables(object: &Value<'_>, data: &ConfigMaps, room: &Room) -> Option<Variables> {
    let build = object.find(&["spec", "postBuild"])?;
    let own = inline_variables(object);
    let mut variables = Variables::default();
    let namespace = object.text_of(&["metadata", "namespace"]);
    let sources = build.get("substituteFrom");
    for source in sources.iter().flat_map(Value::items) {
        let name = source.text_of(&["name"]);
        let is_map = source.text_of(&["kind"]) == "ConfigMap";
        let of_name = data.get(&name).filter(|_| is_map);
        let found = of_name.and_then(|known| beside(known, &namespace));
        if let Some(values) = found
            && room.take(values.len()).is_some()
        {
            let values = values.iter();
            let values = values.map(|(name, value)| (name.clone(), value.clone()));
            variables.values.extend(values);
        }
    }
    variables.values.extend(own.values);
    let is_always = object.text_of(&["spec", "postBuild", "substituteStrategy"]) == "Always";
    let has_sources = sources.is_some_and(|sources| sources.items().next().is_some());
    let has_some = !variables.values.is_empty() || has_sources || is_always;
    has_some.then_some(variables)
}

/// Of the ConfigMaps of one name, that in the namespace of a Kustomization, which is the only one
/// that Flux looks at. One of the two may get its namespace elsewhere.
fn beside<'d, T>(known: &'d BTreeMap<String, T>, namespace: &str) -> Option<&'d T> {
    let is_only_one = namespace.is_empty() && known.len() == 1;
    let placeless = known.get("");
    let only = known.values().next().filter(|_| is_only_one);
    known.get(namespace).or(placeless).or(only)
}

/// The kustomization of a directory, which Flux writes where there is none, with what the
/// Kustomization adds to it.
fn edited<'t>(
    library: &'t Library<'_>,
    (directory, left_out): (&str, &SourceIgnore),
    object: &Value<'t>,
    faults: &mut Vec<Fault>,
) -> Option<Kustomization<'t>> {
    let span = object.span();
    let mut kustomization = match Kustomization::read(library, directory) {
        Some(Ok(kustomization)) => kustomization,
        Some(Err(fault)) => {
            faults.push(fault);
            return None;
        }
        None => generated(library, directory, left_out, span),
    };
    let spec = object.get("spec")?;
    let root = &mut kustomization.root;
    for (theirs, ours) in [
        ("targetNamespace", "namespace"),
        ("namePrefix", "namePrefix"),
        ("nameSuffix", "nameSuffix"),
    ] {
        if let Some(value) = spec.get(theirs).filter(|value| !value.is_null()) {
            root.set(ours, value.span(), value);
        }
    }
    for field in ["patches", "components", "images"] {
        let added = spec.get(field);
        let mut added: Vec<Value<'t>> = added.iter().flat_map(Value::items).collect();
        if field == "components" && spec.text_of(&["ignoreMissingComponents"]) == "true" {
            added.retain(|path| {
                let full = join(directory, path.text().unwrap_or_default());
                !library.kustomizations(&full).is_empty()
            });
        }
        append(root, field, added);
    }
    Some(kustomization)
}

/// Adds items to a list of a kustomization.
pub(crate) fn append<'t>(root: &mut Value<'t>, field: &'static str, added: Vec<Value<'t>>) {
    let Some(first) = added.first() else { return };
    let span = first.span();
    if root.get(field).is_none_or(|list| !list.is_sequence()) {
        root.set(field, span, Value::sequence_at(span));
    }
    if let Some(items) = root.get_mut(field).and_then(Value::items_mut) {
        items.extend(added);
    }
}

/// A kustomization over all manifests of a directory and below; a directory below with a
/// kustomization of its own counts as a whole.
pub(crate) fn generated<'t>(
    library: &Library<'_>,
    directory: &str,
    left_out: &SourceIgnore,
    span: Span,
) -> Kustomization<'t> {
    let mut resources: Vec<String> = Vec::new();
    let prefix = if directory.is_empty() {
        String::new()
    } else {
        format!("{directory}/")
    };
    for path in library.below(directory) {
        if left_out.leaves_out(path) {
            continue;
        }
        let relative = &path[prefix.len()..];
        let mut inner = parent(relative);
        let mut whole = None;
        while !inner.is_empty() {
            if !library.kustomizations(&join(directory, inner)).is_empty() {
                whole = Some(inner);
            }
            inner = parent(inner);
        }
        let name = relative.rsplit('/').next().unwrap_or_default();
        match whole {
            Some(inner) if !resources.iter().any(|known| known == inner) => {
                resources.push(inner.to_owned())
            }
            Some(_) => {}
            None if KUSTOMIZATION_NAMES.contains(&name) => {}
            None if is_manifest(name) && is_applied(library, path) => {
                resources.push(relative.to_owned())
            }
            None => {}
        }
    }
    let items = resources.into_iter().map(|path| Value::text_at(path, span));
    let mut root = Value::mapping_at(span);
    let list = Value::made(Data::Sequence(items.collect()), Place { span, dash: None });
    root.set("resources", span, list);
    Kustomization {
        directory: directory.to_owned(),
        root,
    }
}

fn is_manifest(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}
