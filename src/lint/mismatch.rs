//! Why a selector of pods matches nothing: what pods there are that it was probably meant
//! for, and the requirement that they miss.
//!
//! Refuses to know whether pods that are not among the manifests may match: that is asked
//! first, of [`absence`](super::absence).

use super::absence::{Inventories, Presence};
use super::near_miss::{self, NearMiss};
use super::plugin_selectors::PluginSelector;
use super::{Context, other_homes, rewrite};
use crate::cluster::{Cluster, NamespaceId, PolicyId, WorkloadId, platform};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::engine::PolicyRef;
use crate::k8s::{Controller, Label, LabelSelector, Labels, Operator, Truth, Workload};
use crate::source::{Edit, Span};

/// A selector that matches no known pod, and where its pods were looked for.
#[derive(Clone, Copy, Debug)]
pub struct Unmatched<'s> {
    /// The policy that it stands in.
    pub policy: PolicyRef,
    /// Whether it names peers, and not the pods that the policy is about.
    pub is_peer: bool,
    /// The selector; it asks for something, and no other tool fills in a part of it.
    pub selector: &'s LabelSelector,
    /// The namespaces.
    pub namespaces: &'s [NamespaceId],
}

/// What a selector was probably meant for.
#[derive(Debug)]
pub enum Mismatch {
    /// A label of the pods differs by a little.
    Label(NearMiss<WorkloadId>),
    /// The pods have what is asked for as an annotation.
    Annotation {
        /// The pods.
        of: WorkloadId,
        /// The annotation.
        defined: Span,
    },
    /// The pods have everything that is asked for but these labels.
    TooMany {
        /// The pods.
        of: WorkloadId,
        /// The labels that they lack, as `key=value`.
        labels: Vec<String>,
        /// Where a kustomization adds these labels to selectors.
        added_at: Option<Span>,
        /// What their controller makes of the first of these labels, as `key=value`: dropping it
        /// would mean pods that its author told apart.
        given: Option<String>,
        /// The edit of the selector that drops them.
        edit: Option<Edit>,
    },
    /// The value is the name of a workload, whose pods have other labels.
    Name {
        /// The workload.
        of: WorkloadId,
    },
    /// Pods of one other namespace, and only there, have all the labels.
    Elsewhere {
        /// Their namespace.
        namespace: NamespaceId,
        /// The first of them.
        of: WorkloadId,
    },
}

impl Mismatch {
    /// What the selector was probably meant for, if anything comes near.
    #[must_use]
    pub fn of(cx: &Context<'_>, unmatched: Unmatched<'_>) -> Option<Self> {
        let cluster = cx.cluster;
        let workloads = || {
            let namespaces = unmatched.namespaces.iter();
            namespaces.flat_map(|namespace| cluster.workloads_in(*namespace))
        };
        if !cx.may_compare(cx.labelled().size_of(unmatched.namespaces)) {
            return None;
        }
        let inventories = cx.inventories();
        let near = near_miss::nearest(cluster, unmatched.selector, workloads())
            .filter(|near| is_meant(cluster, &inventories, unmatched, near))
            .filter(|near| unmatched.is_peer || !is_of_a_set(cx, unmatched, near));
        if let Some(near) = near {
            return Some(Self::Label(near));
        }
        let [namespace] = unmatched.namespaces else {
            return None;
        };
        let selector = unmatched.selector;
        let mut pods = workloads().map(|id| (id, cluster.workload(id).object.as_ref()));
        if let Some((of, defined)) =
            pods.find_map(|(id, pod)| Some((id, as_annotation(selector, pod)?)))
        {
            return Some(Self::Annotation { of, defined });
        }
        too_many(cx, unmatched)
            .or_else(|| named_like(cx, selector, *namespace))
            .or_else(|| {
                let is_peer = unmatched.is_peer;
                let own = || other_homes::of_file(cx, unmatched.policy, selector, *namespace);
                let of = other_homes::of_all(cx, selector, *namespace)
                    .or_else(|| own().filter(|_| !is_peer))?;
                let namespace = cluster.workload(of).namespace;
                Some(Self::Elsewhere { namespace, of })
            })
    }

    /// How bad it is: a label that is nearly right is a mistake; the rest may have other
    /// reasons.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Label(_) | Self::Annotation { .. } => Severity::Error,
            Self::TooMany { .. } | Self::Name { .. } | Self::Elsewhere { .. } => Severity::Warning,
        }
    }

    /// The workload that the selector was probably meant for.
    #[must_use]
    pub fn workload(&self) -> WorkloadId {
        match self {
            Self::Label(near) => near.of,
            Self::Annotation { of, .. }
            | Self::TooMany { of, .. }
            | Self::Name { of }
            | Self::Elsewhere { of, .. } => *of,
        }
    }

    /// Whether the selector would match pods with these labels once it is mended.
    #[must_use]
    pub fn would_match(&self, selector: &LabelSelector, labels: &Labels) -> bool {
        let (mended, is_met): (Vec<&str>, bool) = match self {
            Self::Label(near) => {
                let (key, value) = near.label.split_once('=').unwrap_or((&near.label, ""));
                let is_met = labels.iter().any(|label| {
                    label.key.value == key && (value.is_empty() || label.value.value == value)
                });
                (near.mended_key(selector).into_iter().collect(), is_met)
            }
            Self::TooMany { labels, .. } => {
                let keys = labels.iter().filter_map(|label| label.split_once('='));
                (keys.map(|(key, _)| key).collect(), true)
            }
            Self::Annotation { .. } | Self::Name { .. } | Self::Elsewhere { .. } => return false,
        };
        let mut wanted = selector.match_labels.iter();
        let mut entries = selector.match_expressions.iter();
        let holds = |key: &str, own: &dyn Fn(Option<&str>) -> bool| match mended.contains(&key) {
            true => is_met,
            false => own(labels.get(key)),
        };
        wanted.all(|label| {
            let wanted = label.value.value.as_str();
            holds(&label.key.value, &|value| value == Some(wanted))
        }) && entries.all(|entry| holds(&entry.key.value, &|value| entry.holds(value)))
    }

    /// The finding with what was probably meant. `class` is what the selector does to
    /// connectivity once it matches these pods; a fix is offered where it is known.
    #[must_use]
    pub fn point_out(
        self,
        cx: &Context<'_>,
        finding: Diagnostic,
        class: Option<FixClass>,
    ) -> Diagnostic {
        let cluster = cx.cluster;
        let workload = cluster.workload_name(self.workload());
        let finding = finding.with_severity(self.severity());
        let pods = &cluster.workload(self.workload()).object;
        let fixed = |finding: Diagnostic, title: String, edit: Option<Edit>| match (class, edit) {
            (Some(class), Some(edit)) => finding.fix(Fix {
                title,
                class,
                edits: vec![edit],
            }),
            _ => finding,
        };
        match self {
            Self::Label(near) => {
                let remark = format!("`{workload}` has `{}`: {}", near.label, near.difference);
                let finding = finding
                    .related(near.defined, remark)
                    .help(format!("did you mean `{}`?", near.label));
                let edit =
                    rewrite::replace_text(cx.sources, near.edit.span, &near.edit.replacement);
                fixed(finding, format!("select `{}`", near.label), Some(edit))
            }
            Self::Annotation { defined, .. } => finding
                .related(
                    defined,
                    format!("an annotation of `{workload}`, which selectors ignore"),
                )
                .help("make it a pod label, or select a label that the pods have"),
            Self::TooMany {
                labels,
                added_at,
                given,
                edit,
                ..
            } => {
                let lacking = in_words(&labels);
                let remark = format!("`{workload}` matches except for {lacking}");
                let finding = finding.related(pods.labels_span, remark);
                let finding = match added_at {
                    Some(span) => finding.related(span, ADDED_TO_ALL),
                    None => finding,
                };
                if let Some(given) = given {
                    let help = format!("their controller gives these pods `{given}`");
                    return finding.help(help);
                }
                if added_at.is_some() {
                    return finding.help(LEAVE_SELECTORS_ALONE);
                }
                let title = format!("remove {lacking} from the selector");
                fixed(finding.help(title.clone()), title, edit)
            }
            Self::Name { .. } => finding
                .related(pods.labels_span, pods_have(&pods.labels, &workload))
                .help("select the pods by a label that they have: a workload's name is not one"),
            Self::Elsewhere { namespace, .. } => {
                let home = &cluster.namespace(namespace).name;
                finding.related(
                    pods.labels_span,
                    format!("`{workload}` matches, in namespace `{home}`"),
                )
            }
        }
    }
}

/// The labels of pods in words.
fn pods_have(labels: &Labels, workload: &str) -> String {
    const SHOWN: usize = 4;
    if labels.is_empty() {
        return format!("the pods of `{workload}` have no labels");
    }
    let labels: Vec<String> = labels
        .iter()
        .take(SHOWN)
        .map(|label| format!("{}={}", label.key, label.value))
        .collect();
    format!("the pods of `{workload}` have {}", in_words(&labels))
}

fn in_words(labels: &[String]) -> String {
    let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    labels.join(" and ")
}

/// The finding with the object that others make pods of whose labels the selector misses by
/// little: a pod template of a kind that npcheck does not read, or what an operator is known
/// to give pods. `None` where nothing comes near.
#[must_use]
pub fn point_out_maker(
    cx: &Context<'_>,
    unmatched: Unmatched<'_>,
    finding: &Diagnostic,
) -> Option<Diagnostic> {
    let objects = &cx.cluster.context_objects().custom_objects;
    if !cx.may_compare(objects.len()) {
        return None;
    }
    let names: Vec<&str> = unmatched
        .namespaces
        .iter()
        .map(|id| cx.cluster.namespace(*id).name.as_str())
        .collect();
    let mut labels: Vec<(usize, Labels)> = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        if !object.pod_labels.is_empty() && names.contains(&object.home()) {
            labels.push((index, object.pod_labels.clone()));
        }
        for operand in platform::operands_of(&object.group, &object.kind) {
            if names.iter().any(|name| operand.may_be_in(object, name)) {
                labels.push((index, operand.certain_labels(object)));
            }
        }
    }
    let candidates = labels.iter().map(|(index, labels)| (*index, labels));
    let Some(near) = near_miss::nearest_of(unmatched.selector, candidates) else {
        return narrowed(cx, unmatched.selector, &labels, finding);
    };
    let object = &objects[near.of];
    let remark = format!(
        "the pods of {} `{}` have `{}`: {}",
        object.kind, object.meta.name, near.label, near.difference
    );
    let finding = finding.clone().with_severity(Severity::Warning);
    Some(
        finding
            .related(near.defined, remark)
            .help(format!("did you mean `{}`?", near.label)),
    )
}

/// The finding with the object whose pods have all that the selector asks for, but what a
/// kustomization adds to it: that reaches selectors, and not the pods that others make.
fn narrowed(
    cx: &Context<'_>,
    selector: &LabelSelector,
    made: &[(usize, Labels)],
    finding: &Diagnostic,
) -> Option<Diagnostic> {
    let objects = &cx.cluster.context_objects().custom_objects;
    made.iter().find_map(|(index, labels)| {
        let wanted = selector.match_labels.iter();
        let (met, added): (Vec<&Label>, Vec<&Label>) =
            wanted.partition(|wanted| labels.get(&wanted.key) == Some(wanted.value.as_str()));
        let is_plain = selector.match_expressions.is_empty() && !met.is_empty();
        let span = added_to_selectors(cx, &added).filter(|_| is_plain)?;
        let object = &objects[*index];
        let lacking: Vec<String> = (added.iter())
            .map(|label| format!("{}={}", label.key, label.value))
            .collect();
        let remark = format!(
            "the pods of {} `{}` match except for {}",
            object.kind,
            object.meta.name,
            in_words(&lacking)
        );
        let finding = finding.clone().with_severity(Severity::Warning);
        Some(
            finding
                .related(object.meta.name.span, remark)
                .related(span, ADDED_TO_ALL)
                .help(LEAVE_SELECTORS_ALONE),
        )
    })
}

/// What a kustomization does to selectors of pods that it does not make.
const ADDED_TO_ALL: &str =
    "this kustomization adds its labels to every selector, including those for other pods";

/// What to do about it: what is added stands in no selector that could be changed.
const LEAVE_SELECTORS_ALONE: &str = "use `matchExpressions`, which kustomize leaves alone, or set labels without selectors (`labels` without `includeSelectors`)";

/// The pods that a selector of a CNI plugin's was probably meant for, where it looks for them in
/// every namespace and finds none. What it nearly asks for has to be said by a label.
#[must_use]
pub fn across_namespaces(
    cx: &Context<'_>,
    place: &PluginSelector<'_>,
    selector: &LabelSelector,
) -> Option<Mismatch> {
    let cluster = cx.cluster;
    let everywhere: Vec<NamespaceId> = cluster.namespace_ids().collect();
    if selector.is_empty()
        || selector.is_opaque()
        || place.may_match_one_in(&cx.labelled(), cluster, &everywhere)
    {
        return None;
    }
    let inventories = cx.inventories();
    let is_spoken_for =
        |id: &NamespaceId| inventories.presence(cx, *id, selector) == Presence::SpokenFor;
    let unmatched = Unmatched {
        policy: place.policy(),
        is_peer: place.is_peer(),
        selector,
        namespaces: &everywhere,
    };
    let mismatch = Mismatch::of(cx, unmatched);
    mismatch.filter(|mismatch| {
        matches!(mismatch, Mismatch::Label(_)) && !everywhere.iter().any(is_spoken_for)
    })
}

/// Whether the near miss is more likely than pods that nobody has seen: not where both names
/// are in use, that of the known pods and the other one; and a right label of another key says
/// nothing where a chart brings pods, which have the keys that charts use.
fn is_meant(
    cluster: &Cluster,
    inventories: &Inventories<'_>,
    unmatched: Unmatched<'_>,
    near: &NearMiss<WorkloadId>,
) -> bool {
    let Unmatched {
        policy,
        selector,
        namespaces,
        ..
    } = unmatched;
    let is_in_use = namespaces
        .iter()
        .any(|namespace| inventories.is_asked_for(*namespace, selector, policy));
    let mut homes = namespaces.iter();
    let is_of_others = near.is_of_another_key
        && (homes.any(|home| cluster.may_hold_more(*home))
            || goes_by_own_name(cluster, inventories, selector, near));
    !is_of_others && (!is_in_use || !inventories.is_label_asked_for(near.of, &near.label))
}

/// Whether another policy is about all pods with the label that comes near, and that names no
/// program: pods opt in to one policy or another by such labels, and both are members of a set.
fn is_of_a_set(cx: &Context<'_>, unmatched: Unmatched<'_>, near: &NearMiss<WorkloadId>) -> bool {
    let Some((key, value)) = near.label.split_once('=') else {
        return false;
    };
    let is_only = |selector: &LabelSelector| match selector.match_labels.as_slice() {
        [label] => {
            let is_label = label.key.value == key && label.value.value == value;
            is_label && selector.match_expressions.is_empty()
        }
        _ => false,
    };
    let cluster = cx.cluster;
    let home = cluster.workload(near.of).namespace;
    let is_about = |id: &PolicyId| {
        let subject = cluster.policy(*id).object.pod_selector.get();
        PolicyRef::Network(*id) != unmatched.policy && subject.is_some_and(is_only)
    };
    let is_about_too = |place: &PluginSelector<'_>| {
        !place.is_peer()
            && place.policy() != unmatched.policy
            && place.pods.as_ref().is_some_and(is_only)
    };
    !near_miss::names_workload(key)
        && match unmatched.policy {
            PolicyRef::Network(_) => cluster.policies_in(home).any(|id| is_about(&id)),
            _ => cx.selectors_beyond().iter().any(is_about_too),
        }
}

/// Whether policies know the pods by another value of the key that the selector asks for: they are
/// a part of the application that has the right one under another key, and not what is meant.
fn goes_by_own_name(
    cluster: &Cluster,
    inventories: &Inventories<'_>,
    selector: &LabelSelector,
    near: &NearMiss<WorkloadId>,
) -> bool {
    let wanted = selector.match_labels.iter().map(|label| &label.key);
    let wanted = wanted.chain(selector.match_expressions.iter().map(|entry| &entry.key));
    let mut missed = wanted.filter(|key| key.span == near.edit.span);
    let labels = &cluster.workload(near.of).object.labels;
    let own = missed.next().and_then(|key| labels.label(key));
    own.is_some_and(|own| {
        inventories.is_label_asked_for(near.of, &format!("{}={}", own.key, own.value))
    })
}

/// The annotation of pods that a selector asks for as a label; the others it finds.
fn as_annotation(selector: &LabelSelector, pod: &Workload) -> Option<Span> {
    if !selector.match_expressions.is_empty() || pod.annotations.is_empty() {
        return None;
    }
    let mut found = None;
    for wanted in &selector.match_labels {
        if pod.labels.get(&wanted.key) == Some(&wanted.value) {
            continue;
        }
        let annotation = pod.annotations.label(&wanted.key)?;
        if annotation.value.value != wanted.value.value {
            return None;
        }
        found = Some(annotation.span());
    }
    found
}

/// The pods that a selector finds but for labels of which they have not even the key: one, or
/// several that a kustomization adds to selectors.
fn too_many(cx: &Context<'_>, unmatched: Unmatched<'_>) -> Option<Mismatch> {
    let cluster = cx.cluster;
    let selector = unmatched.selector;
    if selector.match_labels.len() < 2 || !selector.match_expressions.is_empty() {
        return None;
    }
    let namespace = unmatched.namespaces[0];
    let mut found: Option<(WorkloadId, Vec<&Label>)> = None;
    for id in cluster.workloads_in(namespace) {
        let labels = &cluster.workload(id).object.labels;
        let (met, failing): (Vec<&Label>, Vec<&Label>) = selector
            .match_labels
            .iter()
            .partition(|wanted| labels.get(&wanted.key) == Some(wanted.value.as_str()));
        // What a kustomization adds to all of its pods and selectors is not what the author asked
        // for.
        let is_asked = !met.is_empty() && added_to_selectors(cx, &met).is_none();
        let lacks = |label: &&Label| labels.get(&label.key).is_none();
        if !is_asked || !failing.iter().all(lacks) {
            // Another workload with this key and another value: parts are told apart by it.
            if failing.len() == 1 && is_asked {
                return None;
            }
            continue;
        }
        let is_fewer = |(_, known): &(_, Vec<&Label>)| failing.len() < known.len();
        if found.as_ref().is_none_or(is_fewer) {
            found = Some((id, failing));
        }
    }
    let (of, failing) = found?;
    let added_at = added_to_selectors(cx, &failing);
    if failing.len() > 1 && added_at.is_none() || cx.inventories().is_open(namespace) {
        return None;
    }
    let pods = &cluster.workload(of).object;
    let given = failing.iter().find_map(|label| {
        let controller = Controller::of(pods)?;
        let met = controller.meets(&label.key, Operator::In, &[&label.value])?;
        let value = controller.in_words(&label.key)?;
        (met == Truth::False).then(|| format!("{}={value}", label.key))
    });
    let edit = match failing.as_slice() {
        [one] if added_at.is_none() && given.is_none() => rewrite::remove_label(cx.sources, one),
        _ => None,
    };
    let labels = failing.iter();
    Some(Mismatch::TooMany {
        of,
        labels: labels
            .map(|label| format!("{}={}", label.key, label.value))
            .collect(),
        added_at,
        given,
        edit,
    })
}

/// Where a kustomization adds all of these labels to selectors. That it adds labels of their keys
/// and values is not enough: it may not reach this selector, in which they were written.
fn added_to_selectors(cx: &Context<'_>, labels: &[&Label]) -> Option<Span> {
    let kustomizations = cx.cluster.context_objects().kustomizations.iter();
    let mut adding = kustomizations.filter_map(|kustomization| {
        let added = &kustomization.selector_labels;
        let adds = |label: &&Label| {
            let added = added.label(&label.key);
            added.is_some_and(|added| added.value.span == label.value.span)
        };
        let first = added.label(&labels.first()?.key)?;
        labels.iter().all(adds).then(|| first.span())
    });
    adding.next()
}

/// The workload whose name a selector gives as the value of its only label.
fn named_like(
    cx: &Context<'_>,
    selector: &LabelSelector,
    namespace: NamespaceId,
) -> Option<Mismatch> {
    let ([wanted], []) = (
        selector.match_labels.as_slice(),
        selector.match_expressions.as_slice(),
    ) else {
        return None;
    };
    let is_name = near_miss::names_a_program(&wanted.key);
    let mut workloads = cx.cluster.workloads_in(namespace);
    let of = workloads.find(|id| {
        let workload = &cx.cluster.workload(*id).object;
        is_name && workload.meta.name.value == wanted.value.value
    })?;
    if cx.cluster.may_hold_more(namespace) {
        return None;
    }
    // Pods that go by the key have another name there, on purpose.
    let labels = &cx.cluster.workload(of).object.labels;
    labels
        .get(&wanted.key)
        .is_none()
        .then_some(Mismatch::Name { of })
}
