//! The Applications of Argo CD: those that stand in files, that kustomizations and other
//! Applications yield, and that ApplicationSets make.
//!
//! Refuses to know what they apply.

use super::{Finder, Raw, Root, RootKind};
use crate::k8s::PartEffect;
use crate::render::kustomize::Fault;
use crate::render::library::{join, parent};
use crate::render::value::Value;
use crate::render::{application_set, argo, flux};
use crate::source::SourceId;
use std::collections::BTreeSet;

/// What was found.
#[derive(Default)]
pub(super) struct Applications<'t> {
    /// Each once, in the order of their names.
    pub(super) applications: Vec<Raw<'t>>,
    pub(super) unknown: UnknownApplications,
}

/// Applications of ApplicationSets that cannot be told.
#[derive(Default)]
pub(super) struct UnknownApplications(Vec<Unknown>);

struct Unknown {
    /// The name of the set.
    name: String,
    /// The cluster that its Applications are for, if all are for one.
    cluster: Option<String>,
    file: String,
    source: SourceId,
    fault: Fault,
}

impl<'t> Finder<'t, '_> {
    /// The Applications that are to be found; the directories of kustomizations that yield
    /// some are added to those that are applied.
    pub(super) fn applications(&self, applied: &mut BTreeSet<String>) -> Applications<'t> {
        let mut open = self.written_applications(applied);
        let mut seen = BTreeSet::new();
        let mut found = Applications::default();
        open.reverse();
        while let Some((value, file)) = open.pop() {
            // Two Argo CDs may have one of the same name.
            let id = (
                value.text_of(&["kind"]),
                value.text_of(&["metadata", "namespace"]),
                value.text_of(&["metadata", "name"]),
                argo::destination(&value),
                value.text_of(&["spec", "source", "path"]),
            );
            if !seen.insert(id) {
                continue;
            }
            if !argo::is_application_set(&value) {
                found.applications.push((value, file));
                continue;
            }
            let Self { library, own, .. } = self;
            let made = application_set::applications((library, own.checkouts()), &value, &file);
            let applications = made.applications.into_iter();
            open.extend(applications.map(|it| (it, file.clone())));
            let reasons = made.unknown.iter();
            let unknown = reasons.map(|reason| Unknown::new(&value, &file, reason));
            found.unknown.0.extend(unknown);
        }
        let name = |(value, _): &Raw<'t>| value.text_of(&["metadata", "name"]);
        found.applications.sort_by_key(name);
        found
    }

    /// Those that stand in files, and those that kustomizations yield.
    fn written_applications(&self, applied: &mut BTreeSet<String>) -> Vec<Raw<'t>> {
        let is_of_argo =
            |value: &Value<'_>| argo::is_application(value) || argo::is_application_set(value);
        let listed: BTreeSet<&String> = self.mentions.values().flatten().collect();
        let written = self.raw.iter();
        let written = written.filter(|(value, file)| is_of_argo(value) && !listed.contains(file));
        let mut found: Vec<Raw<'t>> = written.cloned().collect();
        // Those that a kustomization lists come as it builds them.
        let mut raw = self.raw.iter();
        let has_some = raw.any(|(value, _)| !flux::is_kustomization(value));
        let directories = self.kustomizations.keys();
        for directory in directories.filter(|it| has_some && self.is_top(it)) {
            let Some(build) = self.kustomize.build(directory) else {
                continue;
            };
            for resource in build.resources {
                let value = resource.value;
                if is_of_argo(&value) {
                    let source = self.library.sources().get(value.span().source).name();
                    found.push((value, join("", source)));
                    applied.insert(directory.clone());
                }
            }
        }
        found
    }
}

impl Unknown {
    fn new(set: &Value<'_>, file: &str, reason: &str) -> Self {
        let name = set.text_of(&["metadata", "name"]);
        let message =
            format!("the Applications of the ApplicationSet `{name}` are not known: {reason}");
        let fault = match application_set::is_limit(reason) {
            true => Fault::limit(set.span(), message, PartEffect::Adds),
            false => Fault::opaque(set.span(), message, PartEffect::Adds),
        };
        let template = set.find(&["spec", "template"]);
        let of_template = |path: &[&str]| template.as_ref().map(|it| it.text_of(path));
        let home = of_template(&["spec", "destination", "namespace"]).unwrap_or_default();
        let cluster = template.as_ref().map(argo::destination);
        let is_known = |text: &String| !text.contains("{{");
        Self {
            name,
            cluster: cluster.filter(is_known),
            file: file.to_owned(),
            source: set.span().source,
            fault: match is_known(&home) {
                true => fault.within(&home),
                false => fault,
            },
        }
    }
}

impl UnknownApplications {
    /// Adds them to the roots of the clusters that they may be for, or as roots of their own.
    pub(super) fn add_to(self, roots: &mut Vec<Root>) {
        for unknown in self.0 {
            let mut told: BTreeSet<Option<String>> = BTreeSet::new();
            let is_for = |root: &Root| {
                root.cluster.is_some()
                    && (unknown.cluster.is_none() || root.cluster == unknown.cluster)
            };
            for root in roots.iter_mut().filter(|root| is_for(root)) {
                if told.insert(root.cluster.clone()) {
                    root.opaque.extend(unknown.fault.parts());
                }
            }
            if told.is_empty() {
                let cluster = unknown.cluster.filter(|it| !argo::is_own_cluster(it));
                // Who applies it here applies what stands beside it.
                let is_elsewhere = cluster.is_some();
                roots.push(Root {
                    origin: Some(unknown.fault.span.before()),
                    opaque: unknown.fault.parts(),
                    texts: is_elsewhere.then_some(unknown.source).into_iter().collect(),
                    cluster,
                    ..Root::new(
                        RootKind::ArgoCd,
                        format!("ApplicationSet/{}", unknown.name),
                        parent(&unknown.file).to_owned(),
                    )
                });
            }
        }
    }
}
