//! HelmReleases of Flux whose chart lies in the tree, as the helm-controller hands them to Helm.
//!
//! Refuses to know what Helm makes of them.

use super::chart::{Chart, is_chart, written};
use super::flux;
use super::library::{Library, join};
use super::resource::Resource;
use super::value::Value;

/// The chart of a HelmRelease, if it is a directory here and everything that it asks for is
/// known.
pub(crate) fn chart(library: &Library<'_>, resource: &Resource<'_>) -> Option<Chart> {
    let release = &resource.value;
    let gvk = &resource.id.gvk;
    if gvk.kind != "HelmRelease" || gvk.group != "helm.toolkit.fluxcd.io" {
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
