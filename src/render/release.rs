//! HelmReleases of Flux: the charts that they refer to, and those that lie in the tree, as the
//! helm-controller hands them to Helm.
//!
//! Refuses to know what Helm makes of them.

use super::artifact;
use super::chart::{Chart, is_chart, written};
use super::flux;
use super::kustomize::{Kustomization, values_of_text};
use super::library::{Library, join};
use super::resource::Resource;
use super::source_ignore::SourceIgnore;
use super::value::Value;
use std::collections::BTreeMap;

/// What HelmReleases refer to.
#[derive(Default)]
pub(crate) struct Sources<'t> {
    /// The charts that sources of Flux name, by kind, namespace and name: the name of the chart,
    /// and its version.
    charts: BTreeMap<(String, String, String), (Value<'t>, Option<Value<'t>>)>,
    /// The data of ConfigMaps, by namespace and name.
    data: BTreeMap<(String, String), Value<'t>>,
}

impl<'t> Sources<'t> {
    /// Notes what an object offers, if it is one that HelmReleases refer to.
    pub(crate) fn note(&mut self, resource: &Resource<'t>) {
        let gvk = &resource.id.gvk;
        if gvk.kind == "ConfigMap" && gvk.group.is_empty() {
            let key = (resource.id.namespace.clone(), resource.id.name.clone());
            let data = resource.value.get("data");
            self.data.insert(
                key,
                data.unwrap_or_else(|| Value::mapping_at(resource.value.span())),
            );
        }
        if gvk.group != "source.toolkit.fluxcd.io" {
            return;
        }
        let value = &resource.value;
        let found = match gvk.kind.as_str() {
            "OCIRepository" => {
                let version = ["tag", "semver"].iter();
                let mut version = version.filter_map(|it| value.find(&["spec", "ref", it]));
                (value.find(&["spec", "url"]), version.next())
            }
            "HelmChart" => (
                value.find(&["spec", "chart"]),
                value.find(&["spec", "version"]),
            ),
            _ => return,
        };
        if let (Some(chart), version) = found {
            let id = &resource.id;
            let key = (gvk.kind.clone(), id.namespace.clone(), id.name.clone());
            self.charts.insert(key, (chart, version));
        }
    }

    /// Writes the chart of the source that a HelmRelease refers to into it, as if it named the
    /// chart itself: the version tells which labels its pods have.
    pub(crate) fn name_chart(&self, resource: &mut Resource<'t>) {
        let release = &resource.value;
        let reference = release.find(&["spec", "chartRef"]);
        let Some(reference) = reference.filter(|_| is_release(resource)) else {
            return;
        };
        let namespace = match reference.text_of(&["namespace"]) {
            own if own.is_empty() => resource.id.namespace.clone(),
            other => other,
        };
        let (kind, name) = (reference.text_of(&["kind"]), reference.text_of(&["name"]));
        let Some((chart, version)) = self.charts.get(&(kind, namespace, name)) else {
            return;
        };
        let text = chart.text().unwrap_or_default();
        let name = text.rsplit('/').next().unwrap_or_default().to_owned();
        let span = chart.span();
        let mut spec = Value::mapping_at(span);
        spec.set("chart", span, Value::text_at(name, span));
        if let Some(version) = version {
            spec.set("version", version.span(), version.clone());
        }
        let mut template = Value::mapping_at(span);
        template.set("spec", span, spec);
        if let Some(spec) = resource.value.get_mut("spec") {
            spec.set("chart", span, template);
        }
    }
}

fn is_release(resource: &Resource<'_>) -> bool {
    let gvk = &resource.id.gvk;
    gvk.kind == "HelmRelease" && gvk.group == "helm.toolkit.fluxcd.io"
}

/// The values of a HelmRelease: those of `valuesFrom`, each outranking those before, and its own
/// above all, mapping by mapping (helm-controller, `chartutil.ChartValuesFromReferences`). `None` if some are in a
/// Secret, or set at a path.
fn values<'t>(
    library: &'t Library<'_>,
    sources: &Sources<'t>,
    resource: &Resource<'t>,
) -> Option<Value<'t>> {
    let release = &resource.value;
    let mut all = Value::mapping_at(release.span());
    let references = release.find(&["spec", "valuesFrom"]);
    for reference in references.iter().flat_map(Value::items) {
        let text = |field: &str| reference.text_of(&[field]);
        if text("kind") != "ConfigMap" || !text("targetPath").is_empty() {
            return None;
        }
        let key = match text("valuesKey") {
            key if key.is_empty() => "values.yaml".to_owned(),
            key => key,
        };
        let map = (resource.id.namespace.clone(), text("name"));
        let values = sources.data.get(&map).and_then(|data| data.get(&key))?;
        for document in values_of_text(library, &values).ok()? {
            all.overlay(&document);
        }
    }
    if let Some(own) = release.find(&["spec", "values"]) {
        all.overlay(&own);
    }
    Some(all)
}

/// What a HelmRelease has done to the objects of its chart, as kustomizations in their order.
pub(crate) fn post_renderers<'t>(
    library: &Library<'_>,
    resource: &Resource<'t>,
) -> Vec<Kustomization<'t>> {
    let renderers = resource.value.find(&["spec", "postRenderers"]);
    let renderers = renderers.iter().flat_map(Value::items);
    let kustomizations = renderers.filter_map(|renderer| {
        let asked = renderer.get("kustomize").filter(|it| !it.is_empty())?;
        let mut kustomization =
            flux::generated(library, "\u{0}", &SourceIgnore::default(), asked.span());
        kustomization.root = asked;
        Some(kustomization)
    });
    kustomizations.collect()
}

/// The chart of a HelmRelease, if it is a directory here and everything that it asks for is
/// known.
pub(crate) fn chart<'t>(
    library: &'t Library<'_>,
    sources: &Sources<'t>,
    resource: &Resource<'t>,
) -> Option<Chart> {
    let release = &resource.value;
    if !is_release(resource) {
        return None;
    }
    let template = release.find(&["spec", "chart", "spec"])?;
    if template.text_of(&["sourceRef", "kind"]) != "GitRepository" {
        return None;
    }
    let renderers = release.find(&["spec", "postRenderers"]);
    let mut renderers = renderers.iter().flat_map(Value::items);
    let is_known = |renderer: Value<'_>| {
        let asked = renderer.get("kustomize");
        let mut fields = asked.iter().flat_map(Value::fields);
        asked.is_some() && fields.all(|field| field.key.is("patches") || field.key.is("images"))
    };
    if !renderers.all(is_known) {
        return None;
    }
    let file = library.sources().get(release.span().source).name();
    let file = join("", file);
    let directory = artifact::resolve(library, &file, &template.text_of(&["chart"]))?;
    if !is_chart(library, &directory) {
        return None;
    }
    let listed = template.get("valuesFiles");
    let mut files = Vec::new();
    for path in listed.iter().flat_map(Value::items) {
        let (folder, name) = path.text()?.rsplit_once('/').unwrap_or(("", path.text()?));
        let path = join(&artifact::resolve(library, &file, folder)?, name);
        library.source(&path)?;
        files.push(path);
    }
    let name = release.text_of(&["metadata", "name"]);
    let target = release.text_of(&["spec", "targetNamespace"]);
    let own = release.text_of(&["spec", "releaseName"]);
    let values = values(library, sources, resource)?;
    Some(Chart {
        release: match (own.as_str(), target.as_str()) {
            ("", "") => name,
            ("", target) => format!("{target}-{name}"),
            (own, _) => own.to_owned(),
        },
        namespace: match target.is_empty() {
            true => resource.id.namespace.clone(),
            false => target,
        },
        inline: match values.is_empty() {
            true => String::new(),
            false => written(library, &values),
        },
        options: Vec::new(),
        directory,
        files,
    })
}
