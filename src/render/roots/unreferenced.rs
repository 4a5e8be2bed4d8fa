//! Manifests that stand where something deploys others, and that nothing deploys.
//!
//! Refuses to know what is said of them.

use super::applications::Applications;
use super::entries::names_deployment;
use super::other_tools::OtherTools;
use super::{Deployment, Finder};
use crate::render::chart::{is_of_chart, is_rendered};
use crate::render::library::{KUSTOMIZATION_NAMES, is_within, join, parent};
use crate::render::told::Omission;
use crate::render::{flux, is_manifest, told};
use crate::source::SourceId;
use std::cell::LazyCell;
use std::collections::{BTreeSet, HashSet};

/// What lies around the manifests that no root takes.
pub(super) struct Around<'a> {
    /// The files with Applications of Argo CD, where Flux applies nothing: it applies all that a
    /// cluster has, and Argo CD one application and the next.
    pub(super) applications: Option<BTreeSet<&'a str>>,
    /// The directories of the charts that something installs and Helm did not render.
    pub(super) charts: BTreeSet<String>,
}

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

    /// The manifests that no root takes, in directories of kustomizations and where Flux or
    /// Argo CD apply others. Those far from what Argo CD applies count apart from it.
    pub(super) fn find_unreferenced(
        &self,
        around: Around<'_>,
        found: &Applications<'_>,
        holds_objects: &dyn Fn(SourceId) -> bool,
        deployment: &mut Deployment,
    ) {
        let Around {
            applications,
            mut charts,
        } = around;
        let taken: BTreeSet<SourceId> = deployment
            .roots
            .iter()
            .flat_map(|root| root.texts.iter().copied())
            .collect();
        let builders = deployment.roots.iter();
        let builders = builders.filter(|root| root.builds_from_tree());
        let claimed: BTreeSet<String> = builders
            .clone()
            .flat_map(|root| {
                // What says that others are deployed need not be deployed itself.
                let entry = root.cluster.as_ref().and(root.origin);
                let entry = entry.map(|origin| origin.source);
                root.texts.iter().filter(move |id| Some(**id) != entry)
            })
            .map(|id| join("", self.library.sources().get(*id).name()))
            .map(|path| parent(&path).to_owned())
            .collect();
        let applied = builders.clone().filter(|root| root.cluster.is_some());
        let applied = applied.flat_map(|root| &root.builds);
        let applied: BTreeSet<String> = applied.map(|build| build.directory.clone()).collect();
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
        let Self { library, .. } = self;
        let tell = |path: &str, omission: Omission<'_>, deployment: &mut Deployment| {
            told::unreferenced(library, path, omission, &mut deployment.diagnostics);
        };
        // Whoever wrote the Applications may have left out what lies near to what they apply.
        let may_be_left_out = |directory: &str| {
            let mut entries = applications.iter();
            applied.contains("")
                || entries.all(|entries| Self::is_left_out(directory, &applied, entries))
        };
        let others = LazyCell::new(|| OtherTools::of(self));
        let mut apart: Vec<(&str, SourceId, bool)> = Vec::new();
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
            let is_plain = !is_claimed && !has_flux_or_argo;
            if taken.contains(&source) || is_plain || raw.contains(path) {
                continue;
            }
            if others.apply(path, has_kustomization) {
                if has_flux_or_argo {
                    deployment.apart.insert(source);
                }
                continue;
            }
            // What a chart holds is for Helm, and it is told that Helm was not run.
            let is_of_chart = is_of_chart(library, path);
            let is_for_others = KUSTOMIZATION_NAMES.contains(&name)
                || is_of_chart
                || may_be_applied(path)
                || found.unknown.may_apply(directory);
            let is_far = !is_claimed
                && !is_of_chart
                && found.passes_over(directory).is_none()
                && !may_be_left_out(directory);
            match is_far && holds_objects(source) {
                true => apart.push((path, source, is_for_others)),
                false => {
                    deployment.unreferenced.insert(source);
                    if !is_for_others {
                        tell(path, self.omission(path, found), deployment);
                    }
                }
            }
        }
        // Without a policy among them, there is nothing to judge apart from what is deployed.
        let holds_policy = |path: &str| told::policy(library, path).is_some();
        let counts = apart.iter().any(|(path, ..)| holds_policy(path));
        for (path, source, is_for_others) in apart {
            match counts {
                true => deployment.apart.insert(source),
                false => deployment.unreferenced.insert(source),
            };
            if !is_for_others {
                tell(path, Omission::Apart, deployment);
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
