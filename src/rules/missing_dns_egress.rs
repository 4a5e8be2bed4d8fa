//! Pods that may talk to somebody, but not to a resolver.

use crate::cluster::{Cluster, NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::engine::{Endpoint, NamespaceView, PodView};
use crate::k8s::{Direction, Field, LabelSelector, Labels, NetworkPolicy, Operator};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, dns, text};
use crate::source::Span;
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports pods that are isolated for egress and that no policy allows to reach a
    /// resolver. All policies of the namespace are taken together, so a policy that allows
    /// DNS for everybody covers the others.
    ///
    /// ## Why is this bad?
    ///
    /// It is the commonest mistake of all. A pod that may talk to `postgres:5432`, but not to
    /// the resolver that knows where `postgres` is, times out without a message.
    ///
    /// Pods on the host network, and pods that bring their own nameservers
    /// (`dnsPolicy: None`), are left alone. Where no rule allows any egress at all, the pods
    /// may be servers that only answer: that is a remark.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - podSelector: {matchLabels: {app: postgres}}
    ///       ports:
    ///         - {protocol: TCP, port: 5432}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - podSelector: {matchLabels: {app: postgres}}
    ///       ports:
    ///         - {protocol: TCP, port: 5432}
    ///     - to:
    ///         - namespaceSelector:
    ///             matchLabels: {kubernetes.io/metadata.name: kube-system}
    ///           podSelector:
    ///             matchLabels: {k8s-app: kube-dns}
    ///       ports:
    ///         - {protocol: UDP, port: 53}
    ///         - {protocol: TCP, port: 53}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the fix adds a rule for the resolver to the policy that isolates the pods.
    pub(super) struct MissingDnsEgress {
        name: "missing-dns-egress",
        summary: "pods are isolated for egress and cannot reach a resolver",
        category: Category::Dns,
        severity: Severity::Error,
        fix: Some(FixClass::Widening),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for MissingDnsEgress {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, id: NamespaceId) {
        let mut cut_off: BTreeMap<PolicyId, CutOff> = BTreeMap::new();
        for subject in subjects(cx, id) {
            let policies = subject
                .policies
                .iter()
                .map(|policy| &cx.cluster.policy(*policy).object);
            let anchor = anchor(cx.cluster, &subject.policies);
            let span = cx.cluster.policy(anchor).object.meta.name.span;
            if !dns::admits_dns(cx.cluster, &subject.view(cx.cluster, id), policies, span) {
                let entry = cut_off.entry(anchor).or_default();
                entry.workloads.extend(&subject.workloads);
                entry.needs = entry.needs.max(needs(cx.cluster, &subject));
            }
        }
        for (anchor, cut_off) in cut_off {
            if let Some(finding) = describe(cx, id, anchor, &cut_off) {
                cx.report(finding);
            }
        }
    }
}

/// Pods that the same policies isolate for egress: known ones, or those that a policy was
/// written for.
struct Subject {
    policies: Vec<PolicyId>,
    labels: Labels,
    workloads: Vec<WorkloadId>,
}

impl Subject {
    fn view<'s>(&'s self, cluster: &'s Cluster, namespace: NamespaceId) -> Endpoint<'s> {
        match self.workloads.first() {
            Some(workload) => Endpoint::workload(cluster, *workload),
            None => {
                let namespace = NamespaceView::of(cluster, namespace);
                Endpoint::Pod(PodView::supposed(namespace, &self.labels))
            }
        }
    }
}

/// The pods of one policy that cannot resolve names.
#[derive(Default)]
struct CutOff {
    workloads: Vec<WorkloadId>,
    needs: Needs,
}

/// How likely it is that pods need a resolver, from what they may reach.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    /// They may reach nobody: perhaps they only answer.
    #[default]
    Nothing,
    /// They may reach addresses, which they may know by number.
    Addresses,
    /// They may reach pods, or everybody on some ports: names.
    Names,
}

/// The pods of a namespace that are isolated for egress, those with the same policies as
/// one. Where no known pod is selected by a policy, the pod that its selector describes
/// stands for those that other repositories make.
fn subjects(cx: &Context<'_>, namespace: NamespaceId) -> Vec<Subject> {
    let cluster = cx.cluster;
    let mut by_policies: BTreeMap<Vec<PolicyId>, Vec<WorkloadId>> = BTreeMap::new();
    for id in cluster.workloads_in(namespace) {
        let policies = cx.engine.isolating(id, Direction::Egress);
        let own_resolver = matches!(
            cluster.workload(id).object.dns_policy.as_deref(),
            Some("None" | "Default")
        );
        if !policies.is_empty() && !own_resolver {
            by_policies.entry(policies.to_vec()).or_default().push(id);
        }
    }
    let mut subjects: Vec<Subject> = by_policies
        .into_iter()
        .map(|(policies, workloads)| Subject {
            policies,
            workloads,
            labels: Labels::default(),
        })
        .collect();
    if cx
        .settings
        .inventory
        .is_complete_in(&cluster.namespace(namespace).name)
    {
        return subjects;
    }
    let applies = |id: &PolicyId| {
        let policy = &cluster.policy(*id).object;
        policy.meta.is_accepted && policy.applies_to(Direction::Egress)
    };
    let policies: Vec<PolicyId> = cluster.policies_in(namespace).filter(applies).collect();
    for id in &policies {
        if !cx.engine.selected(*id).is_empty() {
            continue;
        }
        let Some(labels) = described(cluster.policy(*id).object.pod_selector.get()) else {
            continue;
        };
        let selects = |other: &&PolicyId| {
            let selector = cluster.policy(**other).object.pod_selector.get();
            selector.is_none_or(|selector| selector.matches(&labels))
        };
        let policies: Vec<PolicyId> = policies.iter().filter(selects).copied().collect();
        if policies.contains(id) {
            subjects.push(Subject {
                policies,
                labels,
                workloads: Vec::new(),
            });
        }
    }
    subjects
}

/// The labels of a pod that the selector was written for; `None` where it says only what
/// pods are not, or where another tool fills in its text.
fn described(selector: Option<&LabelSelector>) -> Option<Labels> {
    let Some(selector) = selector else {
        return Some(Labels::default());
    };
    if selector.is_opaque() {
        return None;
    }
    let mut labels = selector.match_labels.clone();
    for entry in &selector.match_expressions {
        let value = match entry.operator.value {
            Operator::In => entry.values.first()?.clone(),
            Operator::Exists => crate::source::Spanned::new(String::new(), entry.key.span),
            Operator::NotIn | Operator::DoesNotExist => continue,
        };
        labels.push(crate::k8s::Label {
            key: entry.key.clone(),
            value,
        });
    }
    Some(Labels::new(labels))
}

/// The policy that a finding is about: the first with egress rules, else the first.
fn anchor(cluster: &Cluster, policies: &[PolicyId]) -> PolicyId {
    let has_rules = |id: &&PolicyId| {
        !cluster
            .policy(**id)
            .object
            .rules(Direction::Egress)
            .is_empty()
    };
    *policies.iter().find(has_rules).unwrap_or(&policies[0])
}

fn needs(cluster: &Cluster, subject: &Subject) -> Needs {
    let rules = subject
        .policies
        .iter()
        .flat_map(|id| cluster.policy(*id).object.rules(Direction::Egress));
    let by_address = |rule: &crate::k8s::NetworkPolicyRule| {
        !rule.peers.items().is_empty()
            && rule.peers.items().iter().all(|peer| {
                peer.ip_block
                    .get()
                    .is_some_and(|block| block.cidr.prefix_len() >= 8)
            })
    };
    rules
        .map(|rule| {
            if by_address(rule) {
                Needs::Addresses
            } else {
                Needs::Names
            }
        })
        .max()
        .unwrap_or_default()
}

fn describe(
    cx: &Context<'_>,
    namespace: NamespaceId,
    anchor: PolicyId,
    cut_off: &CutOff,
) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let policy = &cluster.policy(anchor).object;
    let severity = match cut_off.needs {
        Needs::Names => cx.severity_by_inventory(namespace, Severity::Error, Severity::Warning),
        Needs::Addresses => cx.severity_by_inventory(namespace, Severity::Warning, Severity::Info),
        // A policy that denies everything to pods nobody has seen is a good habit.
        Needs::Nothing if cut_off.workloads.is_empty() => return None,
        Needs::Nothing => cx.severity_by_inventory(namespace, Severity::Warning, Severity::Info),
    };
    let who = match cut_off.workloads.as_slice() {
        [] => "the pods of this policy".to_owned(),
        [one] => format!("`{}`", cluster.workload_name(*one)),
        several => format!("{} workloads", several.len()),
    };
    let (span, path) = isolates_at(policy);
    let mut finding = cx
        .policy_finding(
            anchor,
            path,
            span,
            format!("{who} cannot resolve names: no egress rule allows DNS"),
        )
        .with_severity(severity)
        .label(
            "isolates for egress; no rule here, and no other policy, admits port 53 of a resolver",
        );
    if let [_, _, ..] = cut_off.workloads.as_slice() {
        let names: Vec<String> = cut_off
            .workloads
            .iter()
            .map(|id| cluster.workload_name(*id))
            .collect();
        finding = finding.note(format!("cut off: {}", in_words(&names)));
    }
    if cut_off.needs == Needs::Nothing {
        finding = finding.note("no egress is allowed at all: fine for pods that only answer");
    }
    finding = finding.help(
        "allow UDP and TCP 53 to the resolver, in this policy or in one for the whole namespace",
    );
    if let Some(fix) = add_rule(cx, policy) {
        finding = finding.fix(fix);
    }
    Some(finding)
}

/// The first few names, and how many more there are.
fn in_words(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The text by which the policy isolates for egress.
fn isolates_at(policy: &NetworkPolicy) -> (Span, &'static str) {
    let egress = policy
        .policy_types
        .items()
        .iter()
        .find(|policy_type| policy_type.value == Direction::Egress);
    match (&policy.egress, egress) {
        (Field::Value { key, value }, _) if !value.is_empty() => (*key, "spec.egress"),
        (_, Some(egress)) => (egress.span, "spec.policyTypes"),
        _ => (policy.meta.name.span, "spec"),
    }
}

/// A rule for the resolver behind the last one; `None` where there is none to stand behind,
/// or where the list is in flow style.
fn add_rule(cx: &Context<'_>, policy: &NetworkPolicy) -> Option<Fix> {
    let last = policy.egress.items().last()?;
    let indentation = " ".repeat(text::indentation(cx.sources, last.dash?)?);
    let is_openshift = cx
        .cluster
        .namespaces()
        .iter()
        .any(|namespace| namespace.name.starts_with("openshift-"));
    let (namespace, key, value, port) = if is_openshift {
        (
            "openshift-dns",
            "dns.operator.openshift.io/daemonset-dns",
            "default",
            dns::OPENSHIFT_PORT,
        )
    } else {
        ("kube-system", "k8s-app", "kube-dns", dns::PORT)
    };
    let lines = [
        "- to:".to_owned(),
        "    - namespaceSelector:".to_owned(),
        "        matchLabels:".to_owned(),
        format!(
            "          {}: {namespace}",
            crate::cluster::NAMESPACE_NAME_LABEL
        ),
        "      podSelector:".to_owned(),
        "        matchLabels:".to_owned(),
        format!("          {key}: {value}"),
        "  ports:".to_owned(),
        "    - protocol: UDP".to_owned(),
        format!("      port: {port}"),
        "    - protocol: TCP".to_owned(),
        format!("      port: {port}"),
    ];
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("{indentation}{line}"))
        .collect();
    Some(Fix {
        title: format!("allow DNS to the resolver in `{namespace}`"),
        class: FixClass::Widening,
        edits: vec![text::insert_lines_after(cx.sources, last.span, &lines)],
    })
}
