//! Rules of Calico's that ask for other pods at the end where the policy's own pods are.

use crate::cluster::WorkloadId;
use crate::diagnostic::Severity;
use crate::engine::PolicyRef;
use crate::k8s::{CalicoAction, CalicoEntity, Direction, Label, Labels, is_opaque};
use crate::lint::plugin_rules::{self, CalicoPlace};
use crate::lint::plugin_selectors::PluginSelector;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use crate::source::Span;
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports Calico rules whose `destination.selector`, for ingress, or `source.selector`, for
    /// egress, asks for a label that the pods of the policy do not have: the policy selects pods
    /// with another value of it, or all pods that it selects have another value.
    ///
    /// ## Why is this bad?
    ///
    /// The `destination` of an ingress rule and the `source` of an egress rule are the pods that
    /// the policy selects. A rule that asks for other pods there matches no connection: it
    /// allows or denies nothing.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: projectcalico.org/v3
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: app == 'web'
    ///   types: [Ingress]
    ///   ingress:
    ///     - action: Allow
    ///       protocol: TCP
    ///       destination: {selector: app == 'api', ports: [8080]}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: projectcalico.org/v3
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: app == 'web'
    ///   types: [Ingress]
    ///   ingress:
    ///     - action: Allow
    ///       protocol: TCP
    ///       source: {selector: app == 'api'}
    ///       destination: {ports: [8080]}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the rule would match connections that it does not match today.
    pub(super) struct CalicoWrongEnd {
        name: "calico-wrong-end",
        summary: "a Calico rule asks the policy's own pods for a label that they do not have",
        category: Category::Plugins,
        severity: Severity::Warning,
        tier: Preview,
        evidence: "written for policies of public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CalicoWrongEnd {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let asking: Vec<CalicoPlace<'_>> = plugin_rules::calico_rules(cx.cluster)
            // What is forwarded through a node has an end that the policy does not select.
            .filter(|place| place.policy.policy.on_forward.is_none())
            .filter(|place| place.rule.own(place.direction).selector.is_some())
            .collect();
        if asking.is_empty() {
            return;
        }
        let selectors = cx.selectors_beyond();
        let subjects = selectors.iter().filter(|place| !place.is_peer());
        let subjects = subjects.filter_map(|place| match place.policy() {
            PolicyRef::Plugin(id) => Some((id, place)),
            _ => None,
        });
        let subjects: BTreeMap<_, _> = subjects.collect();
        for place in asking {
            let Some(subject) = subjects.get(&place.policy.id) else {
                continue;
            };
            let own = place.rule.own(place.direction);
            if let Some(missed) = missed(cx, subject, own) {
                report(cx, &place, &missed);
            }
        }
    }
}

/// What a rule asks of the policy's own pods in vain.
struct Missed {
    /// The label that it asks for.
    wanted: Label,
    /// The label that they have, and the text that says so.
    has: Label,
    at: Span,
    /// One of them; `None` where the policy itself asks for the other label.
    of: Option<WorkloadId>,
}

fn missed(cx: &Context<'_>, subject: &PluginSelector<'_>, own: &CalicoEntity) -> Option<Missed> {
    let cluster = cx.cluster;
    let asked = subject.pods.as_ref().filter(|pods| !pods.is_empty())?;
    let written = own.selector.as_ref()?;
    let wanted = written.value.to_label_selector(written.span)?;
    let differs = |wanted: &Label, has: &Label| {
        let values = [&wanted.value, &has.value];
        has.key.value == wanted.key.value
            && values[0].value != values[1].value
            && !values.iter().any(|value| is_opaque(value))
    };
    let by_policy = wanted.match_labels.iter().find_map(|wanted| {
        let mut labels = asked.match_labels.iter();
        let has = labels.find(|has| differs(wanted, has))?;
        Some(Missed {
            wanted: wanted.clone(),
            has: has.clone(),
            at: has.value.span,
            of: None,
        })
    });
    if by_policy.is_some() {
        return by_policy;
    }
    let pods = subject.matching(&cx.labelled(), cluster);
    let first = *pods.first()?;
    let labels = |id: WorkloadId| -> &Labels { &cluster.workload(id).object.labels };
    wanted.match_labels.iter().find_map(|wanted| {
        let other = |id: WorkloadId| {
            let has = labels(id).label(&wanted.key);
            has.filter(|has| differs(wanted, has))
        };
        let has = other(first).filter(|_| pods.iter().all(|id| other(*id).is_some()))?;
        Some(Missed {
            wanted: wanted.clone(),
            has: has.clone(),
            at: has.span(),
            of: Some(first),
        })
    })
}

fn report(cx: &mut Context<'_>, place: &CalicoPlace<'_>, missed: &Missed) {
    let (field, peers, who) = match place.direction {
        Direction::Ingress => ("destination", "source", "clients"),
        Direction::Egress => ("source", "destination", "servers"),
    };
    let idle = match place.rule.action.value {
        CalicoAction::Allow => "allows nothing",
        CalicoAction::Deny => "denies nothing",
        CalicoAction::Pass | CalicoAction::Log => "matches nothing",
    };
    let own = place.rule.own(place.direction);
    let Some(selector) = &own.selector else {
        return;
    };
    let Label { key, value } = &missed.wanted;
    let direction = place.direction.field();
    let message = format!(
        "`{field}` of an {direction} rule means the policy's own pods, none of which has \
         `{key}={value}`: the rule {idle}"
    );
    let (key, value) = (&missed.has.key, &missed.has.value);
    let remark = match missed.of {
        Some(id) => format!("`{}` has `{key}={value}`", cx.cluster.workload_name(id)),
        None => format!("the policy is only about pods with `{key}={value}`"),
    };
    let finding = cx
        .finding(selector.span, message)
        .about(
            place.policy.object.display(),
            format!("{}.{field}.selector", place.path()),
        )
        .label("matches none of the policy's own pods")
        .related(missed.at, remark)
        .help(format!(
            "select the {who} in `{peers}.selector`; `{field}` only narrows which of the policy's pods are meant"
        ));
    cx.report(finding);
}
