//! HelmReleases of Flux: the charts that they refer to, and those that lie in the tree, as the
//! helm-controller hands them to Helm.
//!
//! Refuses to know what Helm makes of them.

use super::chart::{Chart, is_chart, written};
use super::flux;
use super::library::{Library, join};
use super::resource::Resource;
use super::value::Value;
use std::collections::BTreeMap;

/// The charts that sources of Flux name, by kind, namespace and name: the name of the chart, and
/// its version.
#[derive(Default)]
pub(crate) struct Charts<'t>(BTreeMap<(String, String, String), (Value<'t>, Option<Value<'t>>)>);

impl<'t> Charts<'t> {
    /// Notes the chart that an object names, if it is such a source.
    pub(crate) fn note(&mut self, resource: &Resource<'t>) {
        let gvk = &resource.id.gvk;
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
            self.0.insert(key, (chart, version));
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
        let Some((chart, version)) = self.0.get(&(kind, namespace, name)) else {
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

/// The chart of a HelmRelease, if it is a directory here and everything that it asks for is
/// known.
pub(crate) fn chart(library: &Library<'_>, resource: &Resource<'_>) -> Option<Chart> {
    let release = &resource.value;
    if !is_release(resource) {
        return None;
    }
    let template = release.find(&["spec", "chart", "spec"])?;
    if template.text_of(&["sourceRef", "kind"]) != "GitRepository" {
        return None;
    }
    let has_more = ["valuesFrom", "postRenderers"].iter().any(|field| {
        release
            .find(&["spec", field])
            .is_some_and(|it| !it.is_empty())
    });
    if has_more {
        return None;
    }
    let file = library.sources().get(release.span().source).name();
    let file = join("", file);
    let directory = flux::resolve(library, &file, &template.text_of(&["chart"]))?;
    if !is_chart(library, &directory) {
        return None;
    }
    let listed = template.get("valuesFiles");
    let mut files = Vec::new();
    for path in listed.iter().flat_map(Value::items) {
        let (folder, name) = path.text()?.rsplit_once('/').unwrap_or(("", path.text()?));
        let path = join(&flux::resolve(library, &file, folder)?, name);
        library.source(&path)?;
        files.push(path);
    }
    let name = release.text_of(&["metadata", "name"]);
    let target = release.text_of(&["spec", "targetNamespace"]);
    let own = release.text_of(&["spec", "releaseName"]);
    let values = release
        .find(&["spec", "values"])
        .filter(|it| !it.is_empty());
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
        inline: values.map(|it| written(library, &it)).unwrap_or_default(),
        options: Vec::new(),
        directory,
        files,
    })
}
