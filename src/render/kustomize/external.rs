//! What a kustomization hands to configurations of their own: the files of `transformers` and
//! `generators` with the transformers that kustomize has built in, and the fields that
//! `crds` describe. Programs are not run: what they would make is unknown.
//!
//! Refuses to know the order of a build.

use super::accumulated::Accumulated;
use super::fault::Fault;
use super::field_spec::FieldSpec;
use super::file::{self, Kustomization};
use super::identity::check_ids;
use super::patch::Patch;
use super::specs::field_spec;
use super::transform::{self, End, Namespacing, Pairs, Subjects};
use super::{Kustomize, generate, images, is_remote, objects, replacement};
use crate::k8s::PartEffect;
use crate::render::Chart;
use crate::render::chart::{is_chart, written};
use crate::render::library::{Library, join};
use crate::render::object_id::ObjectId;
use crate::render::resource::Resource;
use crate::render::value::Value;

/// What hands its configurations to a generator or a transformer: a kustomization and the way to
/// those that it builds on, as configurations are built like any other objects.
pub(super) struct External<'a, 't, 's> {
    pub(super) kustomize: &'a Kustomize<'t, 's>,
    pub(super) kustomization: &'a Kustomization<'t>,
    /// The directories whose builds are under way.
    pub(super) open: &'a mut Vec<String>,
}

impl<'t> External<'_, 't, '_> {
    /// The configurations that a field of paths and inline texts names, each with where it is
    /// named. What is not here has this effect.
    fn documents(
        &mut self,
        (field, effect): (&str, PartEffect),
        faults: &mut Vec<Fault>,
    ) -> Vec<(Value<'t>, Value<'t>)> {
        let library = self.kustomize.library;
        let mut found = Vec::new();
        // Those that are written in place come before all that are named, whatever the list says
        // (kustomize, `configureExternalTransformers`).
        let items = self.kustomization.items(field).into_iter();
        let (inline, named): (Vec<_>, Vec<_>) = items.partition(is_inline);
        for item in inline.into_iter().chain(named) {
            let text = item.text().unwrap_or_default();
            let path = self.kustomization.path(text);
            let read = if is_inline(&item) {
                objects::values_of_text(library, &item)
            } else if let Some(read) = objects::values_of_file(library, &path) {
                read
            } else if is_remote(text) {
                let message = format!("what `{text}` does is not known");
                faults.push(Fault::opaque(item.span(), message, effect));
                continue;
            } else if library.is_directory(&path) {
                let made = self.kustomize.accumulated(&path, &item, self.open);
                faults.extend(made.faults.iter().cloned());
                let configs = made.resources.iter().map(|it| it.value.clone());
                Ok(configs.collect())
            } else {
                let message = format!("there is no file `{text}`");
                Err(Fault::error(item.span(), message))
            };
            for value in read.iter().flatten() {
                self.kustomize.meet(&ObjectId::of(value).gvk);
            }
            match read {
                Ok(values) => found.extend(values.into_iter().map(|value| (item.clone(), value))),
                Err(fault) => faults.push(fault),
            }
        }
        found
    }

    /// What the generators yield. That of programs and charts is unknown.
    pub(super) fn generate(&mut self, faults: &mut Vec<Fault>) -> Vec<Resource<'t>> {
        let library = self.kustomize.library;
        let mut generated = charts(library, self.kustomization, faults);
        for (item, generator) in self.documents(("generators", PartEffect::Adds), faults) {
            let kind = file::text(&generator, "kind");
            if is_builtin(&generator) {
                let made = generate::of_config(
                    library,
                    self.kustomization,
                    &generator,
                    &self.kustomize.budget,
                    faults,
                );
                if let Some(made) = made {
                    generated.push(made);
                    continue;
                }
                if kind != "HelmChartInflationGenerator" {
                    let message = format!("kustomize has no generator `{kind}`");
                    faults.push(Fault::error(item.span(), message));
                    continue;
                }
            }
            let message = format!("what the generator `{kind}` makes is not known");
            let effect = match makes_secrets(library, self.kustomization, &generator) {
                true => PartEffect::Nothing,
                false => PartEffect::Adds,
            };
            faults.push(Fault::opaque(item.span(), message, effect));
        }
        generated
    }

    /// Runs the files of `transformers`.
    pub(super) fn transform(&mut self, all: &mut Accumulated<'t>, faults: &mut Vec<Fault>) {
        for (item, config) in self.documents(("transformers", PartEffect::Changes), faults) {
            let kind = file::text(&config, "kind");
            match one(self.kustomize, self.kustomization, &config, all, faults) {
                Ok(true) => {}
                Ok(false) if is_builtin(&config) && !NOT_RUN.contains(&kind.as_str()) => {
                    let message = format!("kustomize has no transformer `{kind}`");
                    faults.push(Fault::error(item.span(), message));
                }
                Ok(false) => {
                    let message = format!("what the transformer `{kind}` does is not known");
                    faults.push(Fault::opaque(item.span(), message, PartEffect::Changes));
                }
                Err(message) => faults.push(Fault::error(item.span(), message)),
            }
        }
    }
}

/// Whether a configuration is written in place, and no path.
fn is_inline(item: &Value<'_>) -> bool {
    let text = item.text().unwrap_or_default().trim_start();
    text.contains('\n') || text.starts_with('{')
}

/// The transformers that kustomize has built in and that are not run here.
const NOT_RUN: [&str; 2] = ["HashTransformer", "ValueAddTransformer"];

/// Whether a configuration is for what kustomize has built in (`plugins/loader`).
fn is_builtin(config: &Value<'_>) -> bool {
    config.text_of(&["apiVersion"]) == "builtin"
}

/// What the charts of a kustomization yield. That of those that are not in the tree, or that
/// Helm was not run for, is unknown.
fn charts<'t>(
    library: &'t Library<'_>,
    kustomization: &Kustomization<'t>,
    faults: &mut Vec<Fault>,
) -> Vec<Resource<'t>> {
    let mut generated = Vec::new();
    for field in ["helmCharts", "helmChartInflationGenerator"] {
        for item in kustomization.items(field) {
            let item = with_new_names(item);
            if let Some(chart) = local_chart(library, kustomization, &item) {
                match chart.objects(library, item.span(), PartEffect::Adds) {
                    Ok(resources) => generated.extend(resources),
                    Err(fault) => faults.push(fault),
                }
                continue;
            }
            let name = file::text(&item, "name");
            let message = format!("the chart `{name}` is rendered by Helm, which was not run");
            let fault = Fault::opaque(item.span(), message, PartEffect::Adds);
            faults.push(fault.within(&file::text(&item, "namespace")));
        }
    }
    generated
}

/// The names of the deprecated `helmChartInflationGenerator`, and those of `helmCharts` (kustomize,
/// `types.SplitHelmParameters`).
const RENAMED: [(&str, &str); 6] = [
    ("chartName", "name"),
    ("chartRepoUrl", "repo"),
    ("chartVersion", "version"),
    ("releaseNamespace", "namespace"),
    ("values", "valuesFile"),
    ("valuesLocal", "valuesInline"),
];

/// An entry of either as one of `helmCharts`.
fn with_new_names(mut item: Value<'_>) -> Value<'_> {
    for (old, new) in RENAMED {
        if let Some(value) = file::field(&item, old) {
            item.set(new, value.span(), value);
        }
    }
    item
}

/// An entry of `helmCharts` whose chart lies in the tree; `None` for another, and for one that
/// asks for more than is known here (kustomize, `HelmChartInflationGenerator.go`).
fn local_chart<'t>(
    library: &'t Library<'_>,
    kustomization: &Kustomization<'t>,
    item: &Value<'t>,
) -> Option<Chart> {
    let globals = kustomization.get("helmGlobals");
    let homes = globals.iter().chain([item]);
    let mut homes = homes.map(|it| file::text(it, "chartHome"));
    let home = homes.find(|home| !home.is_empty());
    let name = file::text(item, "name");
    let directory = join(
        &kustomization.path(home.as_deref().unwrap_or("charts")),
        &name,
    );
    if name.is_empty() || !is_chart(library, &directory) {
        return None;
    }
    let inline = file::field(item, "valuesInline").filter(|values| !values.is_empty());
    let replaces = match file::text(item, "valuesMerge").as_str() {
        "" | "override" => false,
        "replace" => true,
        _ => return None,
    };
    let mut files = vec![file::text(item, "valuesFile")];
    if replaces && inline.is_some() {
        files.clear();
    }
    files.retain(|file| !file.is_empty());
    let additional = file::items(item, "additionalValuesFiles");
    files.extend(
        additional
            .iter()
            .filter_map(|file| file.text().map(str::to_owned)),
    );
    let files: Vec<String> = files.iter().map(|file| kustomization.path(file)).collect();
    let mut options = Vec::new();
    if file::is_true(item, "includeCRDs") {
        options.push("--include-crds".to_owned());
    }
    for version in file::items(item, "apiVersions") {
        let version = version.text().unwrap_or_default();
        options.push(format!("--api-versions={version}"));
    }
    let version = file::text(item, "kubeVersion");
    if !version.is_empty() {
        options.push(format!("--kube-version={version}"));
    }
    let release = file::text(item, "releaseName");
    let chart = Chart {
        release: if release.is_empty() { name } else { release },
        namespace: file::text(item, "namespace"),
        inline: inline
            .map(|values| written(library, &values))
            .unwrap_or_default(),
        directory,
        files,
        options,
    };
    let has_files = chart
        .files
        .iter()
        .all(|file| library.source(file).is_some());
    has_files.then_some(chart)
}

/// Whether a generator can only make Secrets and ConfigMaps: kustomize's own, and those that
/// decrypt, where no other object is among the files that they name.
fn makes_secrets<'t>(
    library: &'t Library<'_>,
    kustomization: &Kustomization<'t>,
    generator: &Value<'t>,
) -> bool {
    match file::text(generator, "kind").as_str() {
        "ConfigMapGenerator" | "SecretGenerator" | "SopsSecretGenerator" | "SopsSecret" => true,
        // KSOPS decrypts the objects of its `files`; those of `secretFrom` become Secrets.
        "ksops" => file::items(generator, "files").iter().all(|path| {
            let path = kustomization.path(path.text().unwrap_or_default());
            let objects = objects::values_of_file(library, &path);
            let is_data = |object: &Value<'_>| {
                matches!(object.text_of(&["kind"]).as_str(), "Secret" | "ConfigMap")
            };
            matches!(objects, Some(Ok(objects)) if objects.iter().all(is_data))
        }),
        _ => false,
    }
}

/// Runs one of the transformers that kustomize has built in; `false` if it is none of them.
fn one<'t>(
    kustomize: &Kustomize<'t, '_>,
    kustomization: &Kustomization<'t>,
    config: &Value<'t>,
    all: &mut Accumulated<'t>,
    faults: &mut Vec<Fault>,
) -> Result<bool, String> {
    if !is_builtin(config) {
        return Ok(false);
    }
    let own = file::items(config, "fieldSpecs");
    let own: Vec<FieldSpec> = own.iter().map(field_spec).collect();
    let Kustomize {
        library, budget, ..
    } = kustomize;
    let resources = &mut all.resources;
    let pairs = ["labels", "annotations"].iter();
    let pairs = pairs.filter_map(|field| file::field(config, field));
    let pairs = pairs.map(|pairs| pairs.fields().count()).sum::<usize>();
    let fields = (own.as_slice(), pairs.max(1), pairs);
    if !budget.may_set_fields(fields, resources, config.span(), faults)
        || !budget.may_understand(config, faults)
    {
        return Ok(true);
    }
    match file::text(config, "kind").as_str() {
        "NamespaceTransformer" => {
            let subjects = match file::text(config, "setRoleBindingSubjects").as_str() {
                "" | "defaultOnly" => Subjects::Default,
                "allServiceAccounts" => Subjects::ServiceAccounts,
                "none" => Subjects::Nobody,
                other => return Err(format!("`setRoleBindingSubjects` cannot be `{other}`")),
            };
            let namespace = config.find(&["metadata", "namespace"]);
            if let Some(namespace) = namespace.filter(|it| !it.is_null()) {
                let of = Namespacing {
                    namespace: &namespace,
                    specs: &own,
                    unset_only: file::is_true(config, "unsetOnly"),
                    subjects,
                };
                transform::set_namespace(resources, of)?;
                check_ids(all.resources.iter())?;
            }
        }
        "PrefixTransformer" | "SuffixTransformer" | "PrefixSuffixTransformer" => {
            if file::field(config, "fieldSpecs").is_none() {
                return Err("this transformer needs `fieldSpecs`".to_owned());
            }
            for (field, end) in [("prefix", End::Front), ("suffix", End::Back)] {
                if let Some(addition) = file::field(config, field) {
                    transform::extend_names(resources, &addition, end, &own)?;
                }
            }
        }
        "LabelTransformer" | "AnnotationsTransformer" => {
            for field in ["labels", "annotations"] {
                if let Some(pairs) = file::field(config, field) {
                    let pairs = Pairs {
                        field: "transformers",
                        pairs: &pairs,
                        specs: &own,
                    };
                    pairs.apply(resources)?;
                }
            }
        }
        "PatchTransformer" => match Patch::read(library, kustomization, config, "patches") {
            Ok(patch) => {
                all.patch(&patch, budget, faults);
            }
            Err(fault) => faults.push(fault),
        },
        "PatchJson6902Transformer" => {
            let mut config = config.clone();
            if let Some(operations) = file::field(&config, "jsonOp") {
                config.set("patch", operations.span(), operations);
            }
            match Patch::read(library, kustomization, &config, "patchesJson6902") {
                Ok(patch) => {
                    all.patch(&patch, budget, faults);
                }
                Err(fault) => faults.push(fault),
            }
        }
        "PatchStrategicMergeTransformer" => {
            let mut items = file::items(config, "paths");
            items.extend(file::field(config, "patches"));
            for patch in Patch::strategic_merge(library, kustomization, &items, faults) {
                all.patch(&patch, budget, faults);
            }
        }
        "ReplacementTransformer" => {
            for item in file::items(config, "replacements") {
                replacement::run(&item, &item, resources, (budget, &mut *faults));
            }
        }
        "ImageTagTransformer" => {
            if let Some(image) = file::field(config, "imageTag") {
                images::set_image(resources, &image, &own, (budget, faults))?;
            }
        }
        "ReplicaCountTransformer" => {
            let replica = file::field(config, "replica").unwrap_or_else(|| config.clone());
            if !transform::set_replicas(resources, &replica, &own)? {
                let name = file::text(&replica, "name");
                return Err(format!("there is nothing named `{name}` that has replicas"));
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}
