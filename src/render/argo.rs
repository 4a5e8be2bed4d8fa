//! Argo CD: which directories its Applications apply, with what they add to them, and the
//! Applications that ApplicationSets make as far as that can be told offline.
//!
//! Refuses to know clusters beyond the name of a destination. After argo-cd
//! (`util/app/discovery`, `util/kustomize`, `controller/state.go`).

use super::flux::{append, generated, set_label};
use super::kustomize::{Fault, Kustomization, Kustomize};
use super::library::{Library, join, parent};
use super::resource::Resource;
use super::template::{Parameters, parameters_of, render};
use super::value::Value;
use crate::k8s::PartEffect;
use crate::source::Span;
use globset::GlobBuilder;
use std::collections::BTreeSet;

/// The name of the cluster that Argo CD itself runs in.
const IN_CLUSTER: &str = "in-cluster";

/// Whether an object is an Application.
pub(crate) fn is_application(value: &Value<'_>) -> bool {
    is_of_kind(value, "Application")
}

/// Whether an object is an ApplicationSet.
pub(crate) fn is_application_set(value: &Value<'_>) -> bool {
    is_of_kind(value, "ApplicationSet")
}

fn is_of_kind(value: &Value<'_>, kind: &str) -> bool {
    value.text_of(&["kind"]) == kind && value.text_of(&["apiVersion"]).starts_with("argoproj.io/")
}

/// The cluster that an Application is for.
pub(crate) fn destination(application: &Value<'_>) -> String {
    let of = |field: &str| application.text_of(&["spec", "destination", field]);
    match (of("name").as_str(), of("server").as_str()) {
        ("", "" | "https://kubernetes.default.svc") => IN_CLUSTER.to_owned(),
        ("", server) => server.to_owned(),
        (name, _) => name.to_owned(),
    }
}

/// Whether a destination is the cluster that Argo CD itself runs in.
pub(crate) fn is_own_cluster(destination: &str) -> bool {
    destination == IN_CLUSTER
}

/// What an Application applies.
#[derive(Debug, Default)]
pub(crate) struct Applied<'t> {
    /// The objects.
    pub(crate) resources: Vec<Resource<'t>>,
    /// What is wrong or unknown.
    pub(crate) faults: Vec<Fault>,
    /// The targets of patches, and whether they match nothing.
    pub(crate) patches: Vec<(Span, bool)>,
    /// The directories that it applies.
    pub(crate) directories: BTreeSet<String>,
}

/// Applies the sources of an Application, which stands in `file`.
pub(crate) fn apply<'t>(
    library: &'t Library<'_>,
    kustomize: &Kustomize<'t, '_>,
    application: &Value<'t>,
    file: &str,
) -> Applied<'t> {
    let mut applied = Applied::default();
    let several = application.find(&["spec", "sources"]);
    let mut sources: Vec<Value<'t>> = several.iter().flat_map(Value::items).collect();
    if sources.is_empty() {
        sources.extend(application.find(&["spec", "source"]));
    }
    for source in &sources {
        add_source(library, kustomize, source, file, &mut applied);
    }
    let namespace = application.find(&["spec", "destination", "namespace"]);
    for resource in &mut applied.resources {
        place(resource, namespace.as_ref());
    }
    label_namespace(application, &mut applied);
    let home = home_of_the_rest(application);
    let namespace = namespace.as_ref().and_then(Value::text);
    for fault in &mut applied.faults {
        if fault.namespaces.is_empty() {
            fault.namespaces.extend(home.clone());
        } else if let Some(namespace) = namespace
            && fault.namespaces.remove("")
        {
            fault.namespaces.insert(namespace.to_owned());
        }
    }
    applied
}

/// The namespace of what an Application holds and nobody could build: that of its destination.
/// `None` for one that is deployed beside itself, as it may well be one of Applications, whose
/// objects are elsewhere.
fn home_of_the_rest(application: &Value<'_>) -> Option<String> {
    let namespace = application.text_of(&["spec", "destination", "namespace"]);
    let own = application.text_of(&["metadata", "namespace"]);
    let is_chart = application
        .find(&["spec", "source", "chart"])
        .is_some_and(|chart| !chart.is_null());
    let is_elsewhere = namespace != own && namespace != "argocd";
    Some(namespace).filter(|name| !name.is_empty() && (is_elsewhere || is_chart))
}

/// A part of an Application that is unknown.
fn adds(span: Span, message: String) -> Fault {
    Fault::opaque(span, message, PartEffect::Adds)
}

fn add_source<'t>(
    library: &'t Library<'_>,
    kustomize: &Kustomize<'t, '_>,
    source: &Value<'t>,
    file: &str,
    applied: &mut Applied<'t>,
) {
    let span = source.find(&["path"]).map_or(source.span(), |it| it.span());
    let chart = source.text_of(&["chart"]);
    if !chart.is_empty() {
        let message = format!("the chart `{chart}` is rendered by Helm, which was not run");
        let fault = Fault::opaque(source.span(), message, PartEffect::AddsPods);
        return applied.faults.push(fault);
    }
    let path = source.text_of(&["path"]);
    if path.is_empty() {
        // A source of values for the others.
        return;
    }
    let Some(directory) = super::flux::resolve(library, file, &path) else {
        let message = format!("`{path}` is not in this repository");
        return applied.faults.push(adds(span, message));
    };
    applied.directories.insert(directory.clone());
    let has = |name: &str| library.source(&join(&directory, name)).is_some();
    let kustomization = match Kustomization::read(library, &directory) {
        Some(Ok(kustomization)) if source.get("directory").is_none() => Some(kustomization),
        Some(Err(fault)) => return applied.faults.push(fault),
        _ => None,
    };
    let Some(mut kustomization) = kustomization else {
        let is_chart = has("Chart.yaml") || source.get("helm").is_some();
        let is_plain = source.get("directory").is_some();
        if is_chart && !is_plain {
            let message = format!("the chart in `{path}` is rendered by Helm, which was not run");
            let fault = Fault::opaque(span, message, PartEffect::AddsPods);
            return applied.faults.push(fault);
        }
        if source.get("plugin").is_some() && !is_plain {
            let message = format!("what a plugin makes of `{path}` is not known");
            return applied.faults.push(adds(span, message));
        }
        return add_directory(library, kustomize, source, &directory, applied);
    };
    if let Some(options) = source.get("kustomize") {
        edit(&mut kustomization, &options);
    }
    let build = kustomize.build_as(&kustomization);
    applied.resources.extend(build.resources);
    applied.faults.extend(build.faults);
    applied.patches.extend(build.patches);
}

/// What an Application adds to a kustomization, as `kustomize edit` would.
fn edit<'t>(kustomization: &mut Kustomization<'t>, options: &Value<'t>) {
    let root = &mut kustomization.root;
    for field in ["namePrefix", "nameSuffix", "namespace"] {
        if let Some(value) = options.get(field).filter(|value| !value.is_null()) {
            root.set(field, value.span(), value);
        }
    }
    for field in ["patches", "components"] {
        let added = options.get(field);
        append(root, field, added.iter().flat_map(Value::items).collect());
    }
    let labels = options.get("commonLabels");
    if let Some(labels) = labels.filter(|labels| !labels.is_empty()) {
        let span = labels.span();
        let is_set = |field: &str| options.text_of(&[field]) == "true";
        let mut entry = Value::mapping_at(span);
        entry.set("pairs", span, labels);
        let truth = Value::plain_at("true", span);
        match is_set("labelWithoutSelector") {
            false => entry.set("includeSelectors", span, truth),
            true if is_set("labelIncludeTemplates") => entry.set("includeTemplates", span, truth),
            true => {}
        }
        append(root, "labels", vec![entry]);
    }
}

/// The manifests of a plain directory.
fn add_directory<'t>(
    library: &'t Library<'_>,
    kustomize: &Kustomize<'t, '_>,
    source: &Value<'t>,
    directory: &str,
    applied: &mut Applied<'t>,
) {
    let option = |field: &str| source.text_of(&["directory", field]);
    let is_recursive = option("recurse") == "true";
    let (include, exclude) = (option("include"), option("exclude"));
    let prefix = if directory.is_empty() {
        String::new()
    } else {
        format!("{directory}/")
    };
    let span = source.span();
    let mut kustomization = generated(library, "\u{0}", span);
    kustomization.directory = directory.to_owned();
    let mut files = Vec::new();
    for path in library.below(directory) {
        let relative = &path[prefix.len()..];
        let is_manifest = [".yaml", ".yml", ".json"]
            .iter()
            .any(|end| relative.ends_with(end));
        let is_in = include.is_empty() || fits(&include, relative);
        let is_out = !exclude.is_empty() && fits(&exclude, relative);
        let is_below = relative.contains('/') && !is_recursive;
        let is_skipped = library
            .text(path)
            .is_some_and(|text| text.contains("+argocd:skip-file-rendering"));
        if is_manifest
            && is_in
            && !is_out
            && !is_below
            && !is_skipped
            && super::flux::holds_objects(library, path)
        {
            files.push(Value::text_at(relative.to_owned(), span));
        }
    }
    append(&mut kustomization.root, "resources", files);
    let mut build = kustomize.build_as(&kustomization);
    applied.resources.append(&mut build.resources);
    applied.faults.extend(build.faults);
}

/// Whether a path fits one of the patterns `{a,b}` or `a`.
fn fits(pattern: &str, path: &str) -> bool {
    let glob = GlobBuilder::new(pattern).literal_separator(false).build();
    glob.is_ok_and(|glob| glob.compile_matcher().is_match(path))
}

/// Gives an object the namespace of the destination, if it has one and names none.
fn place<'t>(resource: &mut Resource<'t>, namespace: Option<&Value<'t>>) {
    let Some(namespace) = namespace.filter(|it| it.text().is_some_and(|text| !text.is_empty()))
    else {
        return;
    };
    if resource.id.gvk.is_cluster_scoped() || !resource.id.namespace.is_empty() {
        return;
    }
    if let Some(metadata) = resource.value.get_mut("metadata") {
        metadata.set("namespace", namespace.span(), namespace.clone());
    }
    resource.refresh();
    resource.step("destination", namespace.span());
}

/// The namespace that Argo CD makes, with the labels that it gives it.
fn label_namespace<'t>(application: &Value<'t>, applied: &mut Applied<'t>) {
    let options = application.find(&["spec", "syncPolicy", "syncOptions"]);
    let creates = options
        .iter()
        .flat_map(Value::items)
        .any(|it| it.text() == Some("CreateNamespace=true"));
    let namespace = application.find(&["spec", "destination", "namespace"]);
    let (Some(namespace), true) = (namespace, creates) else {
        return;
    };
    let labels = application.find(&["spec", "syncPolicy", "managedNamespaceMetadata", "labels"]);
    let name = namespace.text().unwrap_or_default().to_owned();
    let is_it =
        |resource: &Resource<'_>| resource.id.gvk.kind == "Namespace" && resource.id.name == name;
    if !applied.resources.iter().any(is_it) {
        let span = namespace.span();
        let mut metadata = Value::mapping_at(span);
        metadata.set("name", span, namespace.clone());
        let mut value = Value::mapping_at(span);
        value.set("apiVersion", span, Value::text_at("v1", span));
        value.set("kind", span, Value::text_at("Namespace", span));
        value.set("metadata", span, metadata);
        applied.resources.push(Resource::new(value));
    }
    for resource in applied
        .resources
        .iter_mut()
        .filter(|resource| is_it(resource))
    {
        for label in labels.iter().flat_map(Value::fields) {
            set_label(
                &mut resource.value,
                label.key.text().into_owned(),
                label.key.span(),
                label.value,
            );
        }
    }
}

/// The Applications that an ApplicationSet makes; `Err` says why they cannot be told.
pub(crate) fn applications<'t>(
    library: &'t Library<'_>,
    set: &Value<'t>,
    file: &str,
) -> Result<Vec<Value<'t>>, String> {
    let template = set
        .find(&["spec", "template"])
        .ok_or("it has no template")?;
    let is_go = set.text_of(&["spec", "goTemplate"]) == "true";
    let generators = set.find(&["spec", "generators"]);
    let mut made = Vec::new();
    for generator in generators.iter().flat_map(Value::items) {
        for parameters in expand(library, &generator, file, is_go)? {
            let mut application = template.clone();
            render(&mut application, &parameters)?;
            let span = set.span();
            application.set(
                "apiVersion",
                span,
                Value::text_at("argoproj.io/v1alpha1", span),
            );
            application.set("kind", span, Value::text_at("Application", span));
            made.push(application);
        }
    }
    Ok(made)
}

/// The parameters that a generator makes, one set for each Application.
fn expand<'t>(
    library: &'t Library<'_>,
    generator: &Value<'t>,
    file: &str,
    is_go: bool,
) -> Result<Vec<Parameters>, String> {
    if let Some(list) = generator.get("list") {
        let elements = list.get("elements");
        return Ok(elements
            .iter()
            .flat_map(Value::items)
            .map(|it| parameters_of(&it))
            .collect());
    }
    if let Some(git) = generator.get("git") {
        return from_git(library, &git, file, is_go);
    }
    if let Some(matrix) = generator.get("matrix") {
        let inner = matrix.get("generators");
        let mut all = vec![Parameters::new()];
        for generator in inner.iter().flat_map(Value::items) {
            let more = expand(library, &generator, file, is_go)?;
            all = all
                .iter()
                .flat_map(|one| {
                    more.iter().map(move |other| {
                        let mut both = one.clone();
                        both.extend(other.clone());
                        both
                    })
                })
                .collect();
        }
        return Ok(all);
    }
    let kind = generator
        .fields()
        .next()
        .map(|field| field.key.text().into_owned());
    Err(format!(
        "what the generator `{}` yields is not known",
        kind.unwrap_or_default()
    ))
}

/// The parameters of directories or files of the repository.
fn from_git<'t>(
    library: &'t Library<'_>,
    git: &Value<'t>,
    file: &str,
    is_go: bool,
) -> Result<Vec<Parameters>, String> {
    let mut found = Vec::new();
    let patterns = |field: &str| -> Vec<(String, bool)> {
        let list = git.get(field);
        let items = list.iter().flat_map(Value::items);
        items
            .map(|it| (it.text_of(&["path"]), it.text_of(&["exclude"]) == "true"))
            .collect()
    };
    let (directories, files) = (patterns("directories"), patterns("files"));
    let selects = |patterns: &[(String, bool)], path: &str| {
        let fits = |pattern: &str| {
            let glob = GlobBuilder::new(pattern.trim_start_matches("./"))
                .literal_separator(true)
                .build();
            glob.is_ok_and(|glob| glob.compile_matcher().is_match(path))
        };
        let mut matching = patterns.iter().filter(|(pattern, _)| fits(pattern));
        let is_excluded = matching.clone().any(|(_, excludes)| *excludes);
        !is_excluded && matching.any(|(_, excludes)| !*excludes)
    };
    let root = repository_root(
        library,
        file,
        directories
            .iter()
            .chain(&files)
            .map(|(path, _)| path.as_str()),
    );
    let prefix = if root.is_empty() {
        String::new()
    } else {
        format!("{root}/")
    };
    if !directories.is_empty() {
        let mut seen = BTreeSet::new();
        for path in library.below(&root) {
            let mut directory = parent(&path[prefix.len()..]);
            while !directory.is_empty() && seen.insert(directory) {
                directory = parent(directory);
            }
        }
        let chosen = seen
            .into_iter()
            .filter(|directory| selects(&directories, directory));
        found.extend(chosen.map(|directory| path_parameters(directory, is_go)));
    }
    if !files.is_empty() {
        for path in library
            .below(&root)
            .filter(|path| selects(&files, &path[prefix.len()..]))
        {
            let Some(Ok(trees)) = library.documents(path) else {
                return Err(format!("`{path}` cannot be read"));
            };
            for value in trees.iter().filter_map(|tree| tree.root()).map(Value::Read) {
                let mut parameters = parameters_of(&value);
                parameters.extend(path_parameters(parent(&path[prefix.len()..]), is_go));
                found.push(parameters);
            }
        }
    }
    Ok(found)
}

/// The directory that paths of a generator are relative to.
fn repository_root<'p>(
    library: &Library<'_>,
    file: &str,
    patterns: impl Iterator<Item = &'p str>,
) -> String {
    let fixed = |pattern: &str| -> String {
        let parts = pattern.trim_start_matches("./").split('/');
        parts
            .take_while(|part| !part.contains(['*', '?', '[', '{']))
            .collect::<Vec<_>>()
            .join("/")
    };
    let found = patterns.map(fixed).find_map(|fixed| {
        let directory = super::flux::resolve(library, file, &fixed)?;
        let root = directory.strip_suffix(fixed.as_str())?;
        Some(root.trim_end_matches('/').to_owned())
    });
    found.unwrap_or_default()
}

fn path_parameters(directory: &str, is_go: bool) -> Parameters {
    let name = directory.rsplit('/').next().unwrap_or_default();
    let normal: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let path = if is_go { "path.path" } else { "path" };
    let mut parameters = Parameters::from([
        (path.to_owned(), directory.to_owned()),
        ("path.basename".to_owned(), name.to_owned()),
        ("path.basenameNormalized".to_owned(), normal),
    ]);
    for (index, part) in directory.split('/').enumerate() {
        let key = if is_go {
            format!("path.segments.{index}")
        } else {
            format!("path[{index}]")
        };
        parameters.insert(key, part.to_owned());
    }
    parameters
}
