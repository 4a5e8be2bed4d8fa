//! Manifests that stand where something deploys others, and that nothing deploys.
//!
//! Refuses to know what is said of them.

use super::applications::Applications;
use super::entries::names_deployment;
use super::{Deployment, Finder};
use crate::render::chart::{is_of_chart, is_rendered};
use crate::render::library::{KUSTOMIZATION_NAMES, is_within, join, parent};
use crate::render::told::Omission;
use crate::render::{flux, is_manifest, told};
use crate::source::SourceId;
use std::collections::{BTreeSet, HashSet};

impl Finder<'_, '_> {
    /// Whether a file cannot be read that looks as if it deployed something.
    fn may_apply(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_for_them =
            || KUSTOMIZATION_NAMES.contains(&name) || names_deployment(self.library, path);
        let is_unreadable = || {
            self.unreadable.contains(parent(path))
                || matches!(self.library.documents(path), Some(Err(_)))
        };
        is_manifest(path) && is_for_them() && is_unreadable()
    }

    /// The manifests in directories of kustomizations that none of these takes; `charts` are the
    /// directories of those that something installs and Helm did not render.
    pub(super) fn find_unreferenced(
        &self,
        mut charts: BTreeSet<String>,
        found: &Applications<'_>,
        deployment: &mut Deployment,
    ) {
        let taken: BTreeSet<SourceId> = deployment
            .roots
            .iter()
            .flat_map(|root| root.texts.iter().copied())
            .collect();
        let builders = deployment.roots.iter();
        let builders = builders.filter(|root| root.builds_from_tree());
        let claimed: BTreeSet<String> = builders
            .clone()
            .flat_map(|root| &root.texts)
            .map(|id| join("", self.library.sources().get(*id).name()))
            .map(|path| parent(&path).to_owned())
            .collect();
        let has_flux_or_argo = builders.clone().any(|root| root.cluster.is_some());
        let raw = self.raw.iter();
        let raw = raw.filter(|(it, _)| !flux::is_kustomization(it));
        let raw: HashSet<&str> = raw.map(|(_, file)| file.as_str()).collect();
        let unread: Vec<&str> = self
            .library
            .paths()
            .filter(|it| self.may_apply(it))
            .collect();
        let may_be_applied = |path: &str| {
            let mut unread = unread.iter();
            unread.any(|file| is_within(path, parent(file)))
        };
        let names = taken
            .iter()
            .map(|id| self.library.sources().get(*id).name());
        let rendered = names.filter(|name| is_rendered(name));
        charts.extend(rendered.map(|name| parent(&join("", name)).to_owned()));
        for path in self.library.paths() {
            let source = self.library.source(path).filter(|_| is_manifest(path));
            let Some(source) = source else {
                continue;
            };
            if !taken.contains(&source) && charts.iter().any(|chart| is_template(path, chart)) {
                deployment.templates.insert(source);
                continue;
            }
            let name = path.rsplit('/').next().unwrap_or_default();
            // A directory of which a kustomization takes nothing is one of its own.
            let directory = parent(path);
            let has_kustomization = self.kustomizations.contains_key(directory);
            let is_claimed = has_kustomization || claimed.contains(directory);
            let is_apart = !is_claimed && !has_flux_or_argo;
            if taken.contains(&source) || is_apart || raw.contains(path) {
                continue;
            }
            deployment.unreferenced.insert(source);
            // What a chart holds is for Helm, and it is told that Helm was not run.
            let is_for_others = KUSTOMIZATION_NAMES.contains(&name)
                || is_of_chart(self.library, path)
                || may_be_applied(path)
                || found.unknown.may_apply(directory);
            if !is_for_others {
                let Self { library, .. } = self;
                let told = &mut deployment.diagnostics;
                told::unreferenced(library, path, self.omission(path, found), told);
            }
        }
        told::group(&mut deployment.diagnostics, self.library.sources());
    }

    /// Why no root takes a file.
    fn omission<'f>(&self, path: &str, found: &'f Applications<'_>) -> Omission<'f> {
        let directory = parent(path);
        let Some(kustomization) = self.kustomizations.get(directory) else {
            let above = found.passes_over(directory).filter(|it| *it != directory);
            return above.map_or(Omission::NotApplied, Omission::TooDeep);
        };
        let listed = self.mentions.get(directory);
        match listed.is_some_and(|paths| paths.contains(path)) {
            false => Omission::NotListed,
            true if kustomization.is_component() => Omission::UnusedComponent,
            true => match found.passes_over(directory) {
                Some(above) if self.is_top(directory) => Omission::TooDeep(above),
                _ => Omission::UnusedKustomization,
            },
        }
    }
}

/// Whether Helm renders a file for the chart of a directory: its own templates, and those of the
/// charts within it.
fn is_template(path: &str, chart: &str) -> bool {
    let within = match chart {
        "" => Some(path),
        chart => path.strip_prefix(chart).and_then(|it| it.strip_prefix('/')),
    };
    let Some(mut rest) = within else {
        return false;
    };
    while let Some((_, inner)) = rest
        .strip_prefix("charts/")
        .and_then(|it| it.split_once('/'))
    {
        rest = inner;
    }
    rest.starts_with("templates/")
}

#[cfg(test)]
mod tests {
    use super::is_template;

    #[test]
    fn templates_of_a_chart_are_told_from_what_lies_beside_them() {
        let is_of_web = |path| is_template(path, "charts/web");
        assert!(is_of_web("charts/web/templates/a/pod.yaml"));
        assert!(is_of_web("charts/web/charts/db/templates/pod.yaml"));
        assert!(is_template("templates/pod.yaml", ""));
        assert!(!is_of_web("charts/web/pod.yaml"));
        assert!(!is_of_web("charts/web/crds/pod.yaml"));
        assert!(!is_of_web("charts/website/templates/pod.yaml"));
        assert!(!is_of_web("charts/web/other/charts/db/templates/pod.yaml"));
    }
}
