//! Findings that only a build shows: a patch for nothing, labels that reach where nobody
//! meant them, manifests that nothing deploys.
//!
//! Refuses to know rules beyond their names; their pages are among `rules`.

use super::kustomize::{Fault, Weight};
use super::library::Library;
use super::resource::Resource;
use super::roots::{Root, RootKind};
use super::value::{Key, Value};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::effect_of_policies;
use crate::source::{SourceId, SourceMap, Span};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The rule in whose name it is told what kustomize rejects.
pub const BROKEN_BUILD: &str = "broken-build";

/// What kustomize rejects to build: the first fault of each file, with the number of others.
pub(crate) fn broken_build(fault: &Fault, diagnostics: &mut Vec<Diagnostic>) {
    let known = diagnostics.iter_mut().find(|finding| {
        finding.rule == BROKEN_BUILD && finding.primary.span.source == fault.span.source
    });
    if let Some(known) = known {
        // One file may be named in several places.
        if !known.message.ends_with(&fault.message) && !known.notes.contains(&fault.message) {
            known.notes.push(fault.message.clone());
        }
        return;
    }
    let message = match fault.weight {
        Weight::Refused => format!("npcheck does not read this: {}", fault.message),
        _ if fault.is_as_written => format!("this file cannot be applied: {}", fault.message),
        _ => format!("kustomize rejects this: {}", fault.message),
    };
    let finding = Diagnostic::new(BROKEN_BUILD, Severity::Error, fault.span, message);
    diagnostics.push(finding.help("the objects that it would make are judged without this part"));
}

/// A file that kustomize takes only if it is told to.
pub(crate) fn restricted_file(fault: &Fault, diagnostics: &mut Vec<Diagnostic>) {
    let message = format!("kustomize rejects this: {}", fault.message);
    let finding = Diagnostic::new(BROKEN_BUILD, Severity::Warning, fault.span, message);
    diagnostics.push(finding.help(
        "move the file, list its directory, or build with `--load-restrictor LoadRestrictionsNone`; it is judged as if it were taken",
    ));
}

/// A file of a generator that is not there: nothing that npcheck looks at is made of it.
pub(crate) fn missing_data(fault: &Fault, diagnostics: &mut Vec<Diagnostic>) {
    let message = format!("kustomize rejects this: {}", fault.message);
    let finding = Diagnostic::new(BROKEN_BUILD, Severity::Info, fault.span, message);
    diagnostics.push(finding.help("everything is judged as if the file were there"));
}

/// Policies that an Application of Argo CD defines several times: it applies the last one,
/// and warns.
pub(crate) fn repeated(repeated: &[[Resource<'_>; 2]], diagnostics: &mut Vec<Diagnostic>) {
    let policies = repeated.iter().filter(|[lost, _]| {
        let kind = &lost.id.gvk.kind;
        effect_of_policies(kind).is_some()
    });
    for [lost, last] in policies {
        let specs = [lost, last].map(|it| it.value.get("spec"));
        let is_same = match &specs {
            [Some(one), Some(other)] => one.says_as(other),
            [one, other] => one.is_none() && other.is_none(),
        };
        let (specs, severity) = match is_same {
            true => ("equal", Severity::Info),
            false => ("different", Severity::Warning),
        };
        let id = last.id.to_string();
        let message = format!("`{id}` is defined twice in this Application, with {specs} specs");
        let finding = Diagnostic::new("duplicate-policy", severity, name_of(last), message)
            .about(&id, "metadata.name")
            .related(name_of(lost), "another one");
        diagnostics.push(match is_same {
            true => finding.help("delete one of them"),
            false => finding
                .label("applied last, this one wins; what the other one says is lost")
                .help("give them different names, or merge them"),
        });
    }
}

/// The name of an object where it is written.
fn name_of(resource: &Resource<'_>) -> Span {
    let name = resource.value.find(&["metadata", "name"]);
    name.map_or_else(|| resource.value.span().before(), |name| name.span())
}

/// Patches whose target matches nothing.
pub(crate) fn idle_patches(patches: &[(Span, bool)], diagnostics: &mut Vec<Diagnostic>) {
    for (span, _) in patches.iter().filter(|(_, is_idle)| *is_idle) {
        let message =
            "the target of this patch matches no object, and kustomize silently ignores it";
        let finding = Diagnostic::new("patch-without-target", Severity::Warning, *span, message);
        let help = "compare `kind` and `name` of the target with the resources";
        if !diagnostics.iter().any(|known| known.primary.span == *span) {
            diagnostics.push(finding.help(help));
        }
    }
}

/// Leaves out patches that may well match something: in another build, as those of a Component
/// do; among what Flux applies, as Flux hands one patch to everything; or in a part that could
/// not be built.
pub(crate) fn keep_idle_everywhere(
    patches: &[(Span, bool)],
    sources: &SourceMap,
    roots: &mut [Root],
) {
    let used = patches.iter().filter(|(_, is_idle)| !*is_idle);
    let used: BTreeSet<Span> = used.map(|(span, _)| *span).collect();
    let is_kustomizations = |span: Span| {
        let name = sources.get(span.source).name();
        let file = name.rsplit_once('/').map_or(name, |(_, file)| file);
        matches!(
            file,
            "kustomization.yaml" | "kustomization.yml" | "Kustomization"
        )
    };
    for root in roots {
        let is_whole = root.opaque.is_empty();
        root.diagnostics.retain(|finding| {
            let span = finding.primary.span;
            finding.rule != "patch-without-target"
                || (is_whole && is_kustomizations(span) && !used.contains(&span))
        });
    }
}

/// Variables that turn a text into a number, a boolean or null.
pub(crate) fn retyped(values: &[Value<'_>], diagnostics: &mut Vec<Diagnostic>) {
    for value in values {
        let text = value.text().unwrap_or_default();
        let becomes = match text {
            "" => "nothing".to_owned(),
            text => format!("`{text}`, which is no longer a string"),
        };
        let message = format!("the quotes are dropped by Flux, and this becomes {becomes}");
        let finding = Diagnostic::new(
            "substitution-changes-type",
            Severity::Info,
            value.span(),
            message,
        );
        diagnostics.push(
            finding.help("if a string is needed, put the quotes into the value of the variable"),
        );
    }
}

/// Labels of a kustomization that reached a Service without selector, or a peer that means
/// pods of another namespace.
pub(crate) fn overlay(resource: &Resource<'_>, all: &[Resource<'_>], root: &mut Root) {
    match resource.id.gvk.kind.as_str() {
        "Service" => selected_service(resource, root),
        "NetworkPolicy" => narrowed_peers(resource, all, root),
        _ => {}
    }
}

/// How whoever adds a label leaves it out of selectors.
fn without_selectors(label: Span, root: &Root) -> &'static str {
    let is_of_application = root.kind == RootKind::ArgoCd
        && root
            .origin
            .is_some_and(|origin| origin.source == label.source);
    match is_of_application {
        true => "`labelWithoutSelector: true` in the Application",
        false => "`labels` without `includeSelectors`",
    }
}

fn selected_service(resource: &Resource<'_>, root: &mut Root) {
    let Some(selector) = resource.value.find(&["spec", "selector"]) else {
        return;
    };
    let mut fields = selector.fields().peekable();
    let first = fields.peek().map(|field| field.key.span());
    let is_all_added = fields.all(|field| matches!(field.key, Key::Made(..)));
    let labels = resource
        .steps
        .iter()
        .any(|step| matches!(step.field, "labels" | "commonLabels"));
    if let (Some(span), true, true) = (first, is_all_added, labels) {
        let name = &resource.id;
        let message =
            format!("this label becomes the selector of {name}, which has none of its own");
        let finding = Diagnostic::new("overlay-selects-service", Severity::Warning, span, message);
        let instead = without_selectors(span, root);
        root.diagnostics.push(finding.help(format!(
            "a Service without a selector has endpoints of its own: use {instead}"
        )));
    }
}

fn narrowed_peers(resource: &Resource<'_>, all: &[Resource<'_>], root: &mut Root) {
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        let rules = resource.value.find(&["spec", rules]);
        for rule in rules.iter().flat_map(Value::items) {
            let peers = rule.get(peers);
            for peer in peers.iter().flat_map(Value::items) {
                narrowed_peer(resource, &peer, all, root);
            }
        }
    }
}

fn narrowed_peer(resource: &Resource<'_>, peer: &Value<'_>, all: &[Resource<'_>], root: &mut Root) {
    let (Some(namespaces), Some(labels)) = (
        peer.get("namespaceSelector"),
        peer.find(&["podSelector", "matchLabels"]),
    ) else {
        return;
    };
    let own = &resource.id.namespace;
    let wanted = namespaces.get("matchLabels");
    let means_own = wanted.iter().flat_map(Value::fields).any(|field| {
        field.key.is("kubernetes.io/metadata.name") && field.value.text() == Some(own.as_str())
    });
    if namespaces.is_empty() || means_own {
        return;
    }
    // A field that was not written at the place of its mapping was added by a kustomization.
    let source = peer.span().source;
    let added = labels
        .fields()
        .find(|field| matches!(field.key, Key::Made(..)) && field.value.span().source != source);
    let Some(added) = added else { return };
    let has_all = |pod: &Value<'_>| {
        labels.fields().all(|field| {
            pod.get(&field.key.text())
                .and_then(|it| it.text().map(str::to_owned))
                .as_deref()
                == field.value.text()
        })
    };
    let is_matched = all.iter().any(|other| {
        let paths: [&[&str]; 3] = [
            &["spec", "template", "metadata", "labels"],
            &[
                "spec",
                "jobTemplate",
                "spec",
                "template",
                "metadata",
                "labels",
            ],
            &["metadata", "labels"],
        ];
        other.id.namespace != *own
            && paths
                .iter()
                .any(|path| other.value.find(path).is_some_and(|it| has_all(&it)))
    });
    if is_matched {
        return;
    }
    let key = added.key.text().into_owned();
    let message = format!(
        "this peer means pods of another namespace, and kustomize adds `{key}` to its selector, so it matches none of them"
    );
    let finding = Diagnostic::new(
        "overlay-narrows-peer",
        Severity::Warning,
        labels.span(),
        message,
    )
    .about(
        format!(
            "{}/NetworkPolicy/{}",
            if own.is_empty() { "default" } else { own },
            resource.id.name
        ),
        "",
    )
    .related(added.key.span(), "added here, to every selector")
    .help(format!(
        "use `matchExpressions` in this peer, or set labels without selectors ({})",
        without_selectors(added.key.span(), root)
    ));
    root.diagnostics.push(finding);
}

/// Why nothing deploys a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Omission<'a> {
    /// The kustomization beside it does not name it.
    NotListed,
    /// The Component beside it does, and no kustomization uses that.
    UnusedComponent,
    /// The kustomization beside it does, and nothing applies that.
    UnusedKustomization,
    /// No kustomization lies beside it.
    NotApplied,
    /// Argo CD applies the files directly in this directory above it.
    TooDeep(&'a str),
    /// Argo CD applies nothing near it.
    Apart,
}

impl Omission<'_> {
    /// Why, and what to do about it.
    fn told(self) -> [Cow<'static, str>; 2] {
        let told = match self {
            Self::NotListed => [
                "the kustomization of this directory does not list the file",
                "list it under `resources`, or remove it",
            ],
            Self::UnusedComponent => [
                "no kustomization uses the Component of this directory",
                "list the directory under `components` of a kustomization, or remove it",
            ],
            Self::UnusedKustomization => [
                "nothing that Flux or Argo CD applies uses the kustomization of this directory",
                "apply the directory, or remove it",
            ],
            Self::NotApplied => [
                "nothing that Flux or Argo CD applies holds the file",
                "list it under `resources`, or remove it",
            ],
            Self::Apart => [
                "nothing that Argo CD applies holds this policy, so it is judged apart from what Argo CD applies",
                "have it applied by an Application, or divide the tree by `scopes` in npcheck.yaml",
            ],
            Self::TooDeep(above) => {
                let above = match above {
                    "" => ".",
                    above => above,
                };
                let reason = format!(
                    "Argo CD applies only the files directly in `{above}`, and none below it"
                );
                let advice = "set `directory.recurse: true` in the Application, or apply the directory of the file by another one";
                return [reason.into(), advice.into()];
            }
        };
        told.map(Cow::Borrowed)
    }
}

/// The first policy in a file.
pub(crate) fn policy<'t>(library: &'t Library<'_>, path: &str) -> Option<Value<'t>> {
    if !library.text(path)?.contains("NetworkPolicy") {
        return None;
    }
    let trees = library.documents(path)?.ok()?;
    let roots = trees.iter().filter_map(|tree| tree.root());
    roots
        .map(Value::Read)
        .find(|value| value.text_of(&["kind"]).ends_with("NetworkPolicy"))
}

/// A policy in a file that nothing deploys.
pub(crate) fn unreferenced(
    library: &Library<'_>,
    path: &str,
    omission: Omission<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some(policy) = policy(library, path) else {
        return;
    };
    let name = policy.find(&["metadata", "name"]);
    let span = name.as_ref().map_or(policy.span(), Value::span);
    let [reason, advice] = omission.told();
    let message = match omission {
        Omission::Apart => reason.into_owned(),
        _ => format!("this policy is not deployed, and protects nothing: {reason}"),
    };
    let mut finding = Diagnostic::new("unreferenced-manifest", Severity::Info, span, message)
        .help(advice.into_owned());
    if let Some(name) = name.as_ref().and_then(Value::text) {
        finding = finding.about(format!("{}/{name}", policy.text_of(&["kind"])), "");
    }
    diagnostics.push(finding);
}

/// One finding for each directory: the others are counted in it.
pub(crate) fn group(diagnostics: &mut Vec<Diagnostic>, sources: &SourceMap) {
    let directory = |source: SourceId| {
        let name = sources.get(source).name();
        name.rsplit_once('/')
            .map_or("", |(directory, _)| directory)
            .to_owned()
    };
    let mut by_directory: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
    for finding in diagnostics.drain(..) {
        by_directory
            .entry(directory(finding.primary.span.source))
            .or_default()
            .push(finding);
    }
    for (_, findings) in by_directory {
        let others = findings.len() - 1;
        let Some(mut first) = findings.into_iter().next() else {
            continue;
        };
        if others > 0 {
            first
                .notes
                .push(format!("the same goes for {others} more in this directory"));
        }
        diagnostics.push(first);
    }
}
