//! Argo CD: which directories its Applications apply, with what they add to them.
//!
//! Refuses to know clusters beyond the name of a destination. After argo-cd
//! (`util/app/discovery`, `util/kustomize`, `controller/state.go`).

use super::artifact::{self, is_root};
use super::as_it_stands;
use super::chart::{Chart, is_chart, written};
use super::checkout::Checkouts;
use super::flux::{append, set_label};
use super::kustomize::{Fault, Kustomization, Kustomize, objects_as_written};
use super::library::{Library, join};
use super::resource::Resource;
use super::value::Value;
use crate::k8s::PartEffect;
use crate::source::Span;
use globset::{GlobBuilder, GlobMatcher};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The name of the cluster that Argo CD itself runs in.
pub(crate) const IN_CLUSTER: &str = "in-cluster";

/// The address of that cluster.
pub(crate) const OWN_SERVER: &str = "https://kubernetes.default.svc";

/// A text of so many bytes is looked at in the time that another object takes.
const BYTES_OF_A_LOOK: usize = 4096;

/// Whether an object is an Application.
pub(crate) fn is_application(value: &Value<'_>) -> bool {
    is_of_kind(value, "Application")
}

/// Whether an object is an ApplicationSet.
pub(crate) fn is_application_set(value: &Value<'_>) -> bool {
    is_of_kind(value, "ApplicationSet")
}

/// Whether an object is a project, which only says what Applications may do.
pub(crate) fn is_project(value: &Value<'_>) -> bool {
    is_of_kind(value, "AppProject")
}

fn is_of_kind(value: &Value<'_>, kind: &str) -> bool {
    value.text_of(&["kind"]) == kind && value.text_of(&["apiVersion"]).starts_with("argoproj.io/")
}

/// The cluster that an Application is for.
pub(crate) fn destination(application: &Value<'_>) -> String {
    let of = |field: &str| application.text_of(&["spec", "destination", field]);
    match (of("name").as_str(), of("server").as_str()) {
        ("", "" | OWN_SERVER) => IN_CLUSTER.to_owned(),
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
    /// Those of them of which it takes file by file, and whether also those further below.
    pub(crate) plain: BTreeMap<String, bool>,
    /// The objects that others of the same name come after, each with the one that is applied.
    pub(crate) repeated: Vec<[Resource<'t>; 2]>,
}

/// Applies the sources of an Application, which stands in `file`.
pub(crate) fn apply<'t>(
    library: &'t Library<'_>,
    kustomize: &Kustomize<'t, '_>,
    checkouts: &Checkouts,
    (application, file): (&Value<'t>, &str),
) -> Applied<'t> {
    let mut applied = Applied::default();
    let several = application.find(&["spec", "sources"]);
    let mut sources: Vec<Value<'t>> = several.iter().flat_map(Value::items).collect();
    if sources.is_empty() {
        sources.extend(application.find(&["spec", "source"]).map(normalized));
    }
    if sources.is_empty() {
        // What is written to another branch is made of this one.
        let dry = application.find(&["spec", "sourceHydrator", "drySource"]);
        sources.extend(dry.map(normalized));
    }
    let of = Origin {
        library,
        checkouts,
        file,
    };
    for source in &sources {
        add_source(of, kustomize, (application, source), &mut applied);
    }
    let namespace = application.find(&["spec", "destination", "namespace"]);
    for resource in &mut applied.resources {
        if let Some(namespace) = &namespace {
            resource.settle("destination", namespace);
        }
    }
    applied.repeated = keep_last(&mut applied.resources);
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

/// A source without a `directory` that asks for nothing: Argo CD takes that out, so that it does
/// not decide of which type the source is. Of several sources it takes it out of copies only
/// (`NormalizeSource`).
fn normalized(mut source: Value<'_>) -> Value<'_> {
    let is_idle = source.get("directory").is_some_and(|directory| {
        let texts = ["include", "exclude"].map(|field| directory.text_of(&[field]));
        let jsonnet = directory.get("jsonnet");
        directory.text_of(&["recurse"]) != "true"
            && texts.iter().all(String::is_empty)
            && jsonnet.is_none_or(|jsonnet| jsonnet.is_empty())
    });
    if is_idle {
        source.remove("directory");
    }
    source
}

/// Takes all definitions of an object out but the last one, which is what Argo CD applies of them
/// (`DeduplicateTargetObjects`); returns those, each with the last one.
fn keep_last<'t>(resources: &mut Vec<Resource<'t>>) -> Vec<[Resource<'t>; 2]> {
    // Another version of the API is the same object.
    let key = |resource: &Resource<'t>| {
        let (mut gvk, namespace, name) = resource.id.key();
        gvk.version.clear();
        (!name.is_empty()).then_some((gvk, namespace, name))
    };
    let mut last = HashMap::new();
    for (position, resource) in resources.iter().enumerate() {
        last.extend(key(resource).map(|key| (key, position)));
    }
    let winners = resources.iter().enumerate().map(|(position, resource)| {
        let last = key(resource).and_then(|key| last.get(&key).copied());
        last.filter(|last| *last != position)
    });
    let winners: Vec<Option<usize>> = winners.collect();
    if winners.iter().all(Option::is_none) {
        return Vec::new();
    }
    let lost = resources.iter().zip(&winners);
    let lost = lost.filter_map(|(it, last)| Some([it.clone(), resources[(*last)?].clone()]));
    let lost = lost.collect();
    let mut winners = winners.iter();
    resources.retain(|_| winners.next().is_none_or(Option::is_none));
    lost
}

/// The namespace of what an Application holds and nobody could build: that of its destination.
/// `None` for one that is deployed beside itself, as it may well be one of Applications, whose
/// objects are elsewhere.
fn home_of_the_rest(application: &Value<'_>) -> Option<String> {
    let namespace = application.text_of(&["spec", "destination", "namespace"]);
    let own = application.text_of(&["metadata", "namespace"]);
    let is_elsewhere = namespace != own && namespace != "argocd";
    Some(namespace).filter(|name| !name.is_empty() && is_elsewhere)
}

/// A part of an Application that is unknown.
fn adds(span: Span, message: String) -> Fault {
    Fault::opaque(span, message, PartEffect::Adds)
}

/// Where an Application stands.
#[derive(Clone, Copy)]
struct Origin<'a, 't, 's> {
    library: &'t Library<'s>,
    checkouts: &'a Checkouts,
    file: &'a str,
}

fn add_source<'t>(
    of: Origin<'_, 't, '_>,
    kustomize: &Kustomize<'t, '_>,
    (application, source): (&Value<'t>, &Value<'t>),
    applied: &mut Applied<'t>,
) {
    let Origin {
        library,
        checkouts,
        file,
    } = of;
    let span = source.find(&["path"]).map_or(source.span(), |it| it.span());
    let chart = source.text_of(&["chart"]);
    if !chart.is_empty() {
        let message = format!("the chart `{chart}` is rendered by Helm, which was not run");
        let fault = Fault::opaque(source.span(), message, PartEffect::AddsPods);
        // Whatever other sources there are, its pods are in the namespace of the destination.
        let home = application.text_of(&["spec", "destination", "namespace"]);
        return applied.faults.push(match home.is_empty() {
            true => fault,
            false => fault.within(&home),
        });
    }
    let path = source.text_of(&["path"]);
    if path.is_empty() {
        // A source of values for the others.
        return;
    }
    let address = source.text_of(&["repoURL"]);
    let found = match is_root(&path) {
        true => artifact::resolve(library, file, &path),
        false => checkouts.directory(library, file, &path),
    };
    let found = found.filter(|_| checkouts.may_be_of(file, &address));
    let Some(directory) = found else {
        let of = match address.is_empty() {
            true => String::new(),
            false => format!(" of {address}"),
        };
        let message = format!("`{path}`{of} is not in this repository");
        return applied.faults.push(adds(span, message));
    };
    if has_jsonnet_options(source) {
        let message = format!("what Jsonnet makes of `{path}` is not known");
        applied.faults.push(adds(span, message));
    }
    applied.directories.insert(directory.clone());
    let kustomization = match Kustomization::read(library, &directory) {
        Some(Ok(kustomization)) if source.get("directory").is_none() => Some(kustomization),
        Some(Err(fault)) => return applied.faults.push(fault),
        _ => None,
    };
    let Some(mut kustomization) = kustomization else {
        let is_plain = source.get("directory").is_some();
        let has_chart = is_chart(library, &directory);
        if (has_chart || source.get("helm").is_some()) && !is_plain {
            let chart = local_chart(of, (application, source), &directory);
            let Some(chart) = chart.filter(|_| has_chart) else {
                let message =
                    format!("the chart in `{path}` is rendered by Helm, which was not run");
                let fault = Fault::opaque(span, message, PartEffect::AddsPods);
                return applied.faults.push(fault);
            };
            if let Some(fault) = library.deployed().spent(span) {
                return applied.faults.push(fault);
            }
            match chart.objects(library, span, PartEffect::AddsPods) {
                Ok(resources) => {
                    library.deployed().take(resources.len());
                    applied.resources.extend(resources);
                }
                Err(fault) => applied.faults.push(fault),
            }
            return;
        }
        if source.get("plugin").is_some() && !is_plain {
            let message = format!("what a plugin makes of `{path}` is not known");
            return applied.faults.push(adds(span, message));
        }
        return add_directory(library, source, &directory, applied);
    };
    if let Some(options) = source.get("kustomize") {
        edit(&mut kustomization, &options);
    }
    let build = kustomize.build_as(&kustomization);
    applied.resources.extend(build.resources);
    applied.faults.extend(build.faults);
    applied.patches.extend(build.patches);
}

/// The chart of a source in the tree, as Argo CD hands it to Helm; `None` if it wants files that
/// are not here.
fn local_chart<'t>(
    of: Origin<'_, 't, '_>,
    (application, source): (&Value<'t>, &Value<'t>),
    directory: &str,
) -> Option<Chart> {
    let Origin {
        library,
        checkouts,
        file,
    } = of;
    let helm = source.get("helm");
    let of = |field: &str| helm.as_ref().and_then(|helm| helm.get(field));
    let text = |field: &str| of(field).and_then(|it| it.text().map(str::to_owned));
    let ignores_missing = text("ignoreMissingValueFiles").as_deref() == Some("true");
    let mut files = Vec::new();
    let listed = of("valueFiles");
    for path in listed.iter().flat_map(Value::items) {
        let path = path.text().unwrap_or_default();
        // `$values/dir/file` lies in another source of the Application.
        let full = match path.strip_prefix('$').and_then(|it| it.split_once('/')) {
            Some((_, rest)) => {
                let (folder, name) = rest.rsplit_once('/').unwrap_or(("", rest));
                let folder = match folder.is_empty() {
                    true => checkouts.root(file).map(str::to_owned),
                    false => checkouts.directory(library, file, folder),
                };
                folder.map(|folder| join(&folder, name))
            }
            None => Some(join(directory, path)),
        };
        match full.filter(|path| library.source(path).is_some()) {
            Some(path) => files.push(path),
            None if ignores_missing => {}
            None => return None,
        }
    }
    let object = of("valuesObject").filter(|values| !values.is_empty());
    let inline = object.map(|values| written(library, &values));
    let mut options = Vec::new();
    let parameters = of("parameters");
    for parameter in parameters.iter().flat_map(Value::items) {
        let set = match parameter.text_of(&["forceString"]) == "true" {
            true => "--set-string",
            false => "--set",
        };
        let (name, value) = (parameter.text_of(&["name"]), parameter.text_of(&["value"]));
        options.push(format!("{set}={name}={}", value.replace(',', "\\,")));
    }
    let own = |path: &[&str]| application.text_of(path);
    Some(Chart {
        directory: directory.to_owned(),
        release: text("releaseName").unwrap_or_else(|| own(&["metadata", "name"])),
        namespace: text("namespace").unwrap_or_else(|| own(&["spec", "destination", "namespace"])),
        inline: inline.or_else(|| text("values")).unwrap_or_default(),
        files,
        options,
    })
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

/// The manifests of a plain directory, each applied as it stands: kustomize has no say in them.
fn add_directory<'t>(
    library: &'t Library<'_>,
    source: &Value<'t>,
    directory: &str,
    applied: &mut Applied<'t>,
) {
    let option = |field: &str| source.text_of(&["directory", field]);
    let is_recursive = option("recurse") == "true";
    applied.plain.insert(directory.to_owned(), is_recursive);
    let (include, exclude) = (option("include"), option("exclude"));
    let prefix = if directory.is_empty() {
        String::new()
    } else {
        format!("{directory}/")
    };
    let [included, excluded] = [&include, &exclude].map(|pattern| matcher(pattern));
    let fits = |glob: &Option<GlobMatcher>, path: &str| {
        let mut glob = glob.iter();
        glob.any(|glob| glob.is_match(path))
    };
    let is_named = |path: &&str| {
        let relative = &path[prefix.len()..];
        let is_in = include.is_empty() || fits(&included, relative);
        let is_out = !exclude.is_empty() && fits(&excluded, relative);
        let is_below = relative.contains('/') && !is_recursive;
        is_in && !is_out && !is_below
    };
    let is_manifest = |path: &&str| {
        let mut ends = [".yaml", ".yml", ".json"].iter();
        ends.any(|end| path.ends_with(end))
    };
    let mut named = library.below(directory).filter(is_named);
    let program = named.find(|path| path.ends_with(".jsonnet"));
    if let Some(program) = program.filter(|_| !has_jsonnet_options(source)) {
        let span = source.find(&["path"]).map_or(source.span(), |it| it.span());
        let message = format!("what Jsonnet makes of `{program}` is not known");
        applied.faults.push(adds(span, message));
    }
    let deployed = library.deployed();
    let is_applied = |path: &&str| {
        let text = library.text(path).unwrap_or_default();
        deployed.take(1 + text.len() / BYTES_OF_A_LOOK);
        let is_skipped = text.contains("+argocd:skip-file-rendering");
        !is_skipped && as_it_stands::is_applied(library, path)
    };
    if let Some(fault) = deployed.spent(source.span()) {
        return applied.faults.push(fault);
    }
    // Directory by directory, as Go's `filepath.Walk` goes: of two definitions the last one counts.
    let paths = library.below(directory).filter(is_named);
    let paths = paths.filter(is_manifest).filter(is_applied);
    let mut paths: Vec<&str> = paths.collect();
    paths.sort_by(|one, other| one.split('/').cmp(other.split('/')));
    for path in paths {
        match objects_as_written(library, path) {
            Ok(resources) => {
                deployed.take(resources.len());
                applied.resources.extend(resources);
            }
            Err(fault) => applied.faults.push(fault),
        }
    }
}

/// Whether a source says how its programs of Jsonnet are run.
fn has_jsonnet_options(source: &Value<'_>) -> bool {
    let options = source.find(&["directory", "jsonnet"]);
    options.is_some_and(|options| !options.is_null())
}

/// What tells whether a path fits one of the patterns `{a,b}` or `a`; `None` where nothing does.
fn matcher(pattern: &str) -> Option<GlobMatcher> {
    // Two asterisks are two here, and each of them passes slashes.
    let pattern = pattern.replace("**", "*");
    let glob = GlobBuilder::new(&pattern).literal_separator(false).build();
    Some(glob.ok()?.compile_matcher())
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
