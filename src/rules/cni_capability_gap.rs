//! Policies that ask for something that the network plugin does not do.

use crate::cluster::{ClusterPolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{
    ClusterPolicyKind, Direction, NetworkPolicy, NetworkPolicyPort, NetworkPolicyRule,
    PortReference, Protocol, WorkloadKind,
};
use crate::lint::plugins::{self, Feature, Gap};
use crate::lint::rewrite::Item;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use crate::source::Span;

declare_rule! {
    /// ## What it does
    ///
    /// With `cni:` in the configuration, reports policies that use something that the CNI
    /// plugin is known not to support:
    ///
    /// - Flannel does not enforce any policies by itself.
    /// - OVN-Kubernetes and Weave Net do not support named ports.
    /// - Weave Net ignores `endPort`.
    /// - Amazon's VPC CNI, Azure's network policy manager, kube-router and Weave Net ignore the
    ///   cluster-wide policies.
    /// - Cilium (by default) and kube-router do not support SCTP in policies.
    /// - Cilium ignores `AdminNetworkPolicy` and `BaselineAdminNetworkPolicy` and, unless
    ///   `cilium.enableK8sClusterNetworkPolicy` is set, `ClusterNetworkPolicy`.
    /// - Calico ignores `AdminNetworkPolicy` and `BaselineAdminNetworkPolicy`; older releases
    ///   support them.
    /// - Amazon's VPC CNI ignores pods without an owner, and supports at most 24 ports of a
    ///   protocol in one rule.
    ///
    /// ## Why is this bad?
    ///
    /// The API server accepts the policy and `kubectl` shows it, but traffic does not follow
    /// it.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # npcheck.yaml: {cni: ovn-kubernetes}
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: web
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - ports:
    ///         - {protocol: TCP, port: http}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # npcheck.yaml: {cni: ovn-kubernetes}
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: web
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - ports:
    ///         - {protocol: TCP, port: 8080}
    /// ```
    ///
    /// ## Configuration
    ///
    /// `cni:` sets the CNI plugin: `antrea`, `aws-vpc`, `azure-npm`, `calico`, `cilium`,
    /// `flannel`, `gke-dataplane-v2`, `kindnet`, `kube-router`, `ovn-kubernetes` or `weave`.
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix.
    pub(super) struct CniCapabilityGap {
        name: "cni-capability-gap",
        summary: "a policy asks for something that the CNI plugin does not support",
        category: Category::Hygiene,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CniCapabilityGap {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let Some(cni) = cx.settings.cni else {
            return;
        };
        for gap in plugins::gaps(cni) {
            let whole = match gap.feature {
                Feature::Policies => nothing_is_enforced(cx, gap).into_iter().collect(),
                Feature::StandalonePods => standalone_pods(cx, gap),
                _ => Vec::new(),
            };
            for finding in whole {
                cx.report(finding);
            }
            for id in cx.cluster.policy_ids() {
                let policy = &cx.cluster.policy(id).object;
                let uses = uses(cx, policy, gap.feature);
                if let Some(finding) = finding(cx, cx.policy_object(id), gap, &uses) {
                    cx.report(finding);
                }
            }
            for id in cx.cluster.cluster_policy_ids() {
                let uses = cluster_uses(cx, id, gap.feature);
                let object = cx.cluster_policy_object(id);
                if let Some(finding) = finding(cx, object, gap, &uses) {
                    cx.report(finding);
                }
            }
        }
    }
}

/// One finding for all policies, at the first one.
fn nothing_is_enforced(cx: &Context<'_>, gap: &Gap) -> Option<Diagnostic> {
    let first = cx.cluster.policy_ids().next()?;
    let count = words::count(cx.cluster.policies().len(), "NetworkPolicy object");
    let plugin = gap.cni.name();
    let message = format!("{count}: none is enforced by {plugin} itself");
    let name = &cx.cluster.policy(first).object.meta.name;
    let finding = cx.policy_finding(first, "", name.span, message);
    Some(
        finding
            .note(gap.effect)
            .help("run a policy engine next to it, or set `cni` to the one that you run"),
    )
}

/// The pods that policies isolate and that nothing but themselves has made.
fn standalone_pods(cx: &Context<'_>, gap: &Gap) -> Vec<Diagnostic> {
    let is_isolated = |id: &WorkloadId| {
        let mut directions = Direction::BOTH.into_iter();
        directions.any(|direction| !cx.engine.isolating(*id, direction).is_empty())
    };
    let finding = |id: WorkloadId| {
        let pod = &cx.cluster.workload(id).object;
        let message = message(gap);
        cx.finding(pod.meta.name.span, message)
            .about(cx.cluster.workload_name(id), "")
            .note(gap.effect)
            .help("create the pod with a Deployment or another controller")
    };
    let pods = cx.cluster.workload_ids().filter(|id| {
        let pod = &cx.cluster.workload(*id).object;
        pod.kind == WorkloadKind::Pod && pod.meta.owner.is_none()
    });
    pods.filter(is_isolated).map(finding).collect()
}

fn message(gap: &Gap) -> String {
    let plugin = gap.cni.name();
    match gap.feature {
        Feature::Policies => format!("policies are not enforced by {plugin}"),
        Feature::AdminPolicies | Feature::ClusterPolicies => {
            format!("this kind of policy is not supported by {plugin}")
        }
        Feature::NamedPorts => format!("named ports are not supported by {plugin}"),
        Feature::PortRanges => format!("port ranges are not supported by {plugin}"),
        Feature::Sctp => format!("SCTP is not enforced by {plugin}"),
        Feature::ManyPorts(most) => {
            format!("{plugin} supports at most {most} ports of one protocol")
        }
        Feature::StandalonePods => {
            format!("pods without an owner are not isolated by {plugin}")
        }
    }
}

/// A place where a policy asks for a feature.
struct Use {
    span: Span,
    path: String,
}

fn finding(cx: &Context<'_>, object: String, gap: &Gap, uses: &[Use]) -> Option<Diagnostic> {
    let (first, others) = uses.split_first()?;
    let finding = cx
        .finding(first.span, message(gap))
        .about(object, &first.path)
        .note(gap.effect);
    let again = |finding: Diagnostic, other: &Use| finding.related(other.span, "here, too");
    Some(others.iter().fold(finding, again))
}

fn uses(cx: &Context<'_>, policy: &NetworkPolicy, feature: Feature) -> Vec<Use> {
    let rules = policy.rule_places();
    rules
        .flat_map(|place| uses_in(cx, place.rule, feature, &place.path()))
        .collect()
}

fn uses_in(cx: &Context<'_>, rule: &NetworkPolicyRule, feature: Feature, path: &str) -> Vec<Use> {
    let ports = rule.ports.items();
    if let Feature::ManyPorts(most) = feature {
        let of = |protocol| {
            let is_of = |port: &&NetworkPolicyPort| port.protocol_or_default() == protocol;
            ports.iter().filter(is_of).count()
        };
        let has_many = Protocol::ALL
            .into_iter()
            .any(|protocol| of(protocol) > most);
        let span = rule
            .ports
            .key()
            .unwrap_or(Item::from(rule).mark(cx.sources));
        let path = format!("{path}.ports");
        return has_many.then_some(Use { span, path }).into_iter().collect();
    }
    let use_of = |(index, port): (usize, &NetworkPolicyPort)| {
        let span = match feature {
            Feature::NamedPorts => match port.port.get() {
                Some(name) if matches!(name.value, PortReference::Name(_)) => name.span,
                _ => return None,
            },
            Feature::PortRanges => port.end_port.get()?.span,
            Feature::Sctp => {
                port.protocol
                    .get()
                    .filter(|it| it.value == Protocol::Sctp)?
                    .span
            }
            _ => return None,
        };
        let path = format!("{path}.ports[{index}]");
        Some(Use { span, path })
    };
    ports.iter().enumerate().filter_map(use_of).collect()
}

fn cluster_uses(cx: &Context<'_>, id: ClusterPolicyId, feature: Feature) -> Vec<Use> {
    let policy = cx.cluster.cluster_policy(id);
    let is_newest = policy.kind == ClusterPolicyKind::ClusterNetworkPolicy;
    let is_of_kind = match feature {
        Feature::AdminPolicies => !is_newest,
        Feature::ClusterPolicies => is_newest,
        _ => false,
    };
    let is_used = is_of_kind && !cx.cluster.enforcement().reads(policy.kind);
    let (span, path) = (policy.meta.name.span, String::new());
    is_used.then_some(Use { span, path }).into_iter().collect()
}
