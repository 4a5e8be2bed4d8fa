//! Rules for DNS whose peers cannot be a resolver.

use crate::cluster::{NAMESPACE_NAME_LABEL, NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::engine::CiliumSelector;
use crate::k8s::{
    CiliumPeers, Direction, IpBlock, Label, LabelSelector, NetworkPolicyPeer, NetworkPolicyRule,
    Truth,
};
use crate::lint::isolated_pods::{IsolatedPods, isolated_pods};
use crate::lint::plugin_rules::{self, CiliumPlace};
use crate::lint::{
    Category, Cni, Context, Distribution, Profile, Rule, RuleMeta, addresses, declare_rule, dns,
    rewrite,
};
use crate::source::{Edit, Span, Spanned, Text};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports an egress rule for DNS alone, none of whose peers can be a resolver: the
    /// resolver's labels without its namespace or in another one, all pods of the policy's own
    /// namespace, a label that the resolver in the manifests does not have, a public address
    /// (`8.8.8.8`) that pods with the usual `dnsPolicy` do not query, the address of the
    /// resolver's Service (`10.96.0.10`), which is translated to a pod's before policies are
    /// applied, or `kube-system` in a cluster of OpenShift, whose resolver is in
    /// `openshift-dns`.
    ///
    /// It is reported only if no other rule lets the pods reach a resolver. A
    /// `namespaceSelector` with a label that no namespace has is left to `unlabeled-namespace`.
    /// Cilium rules count by the namespace that they name; if it is only implied, see
    /// `cilium-implied-namespace`.
    ///
    /// ## Why is this bad?
    ///
    /// The rule looks as if DNS were taken care of, but it opens nothing. The pods cannot
    /// resolve any names.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-dns, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - podSelector:
    ///             matchLabels: {k8s-app: kube-dns}
    ///       ports:
    ///         - {protocol: UDP, port: 53}
    ///         - {protocol: TCP, port: 53}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-dns, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - podSelector:
    ///             matchLabels: {k8s-app: kube-dns}
    ///           namespaceSelector:
    ///             matchLabels: {kubernetes.io/metadata.name: kube-system}
    ///       ports:
    ///         - {protocol: UDP, port: 53}
    ///         - {protocol: TCP, port: 53}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the peer starts to match the resolver.
    pub(super) struct DnsPeerMismatch {
        name: "dns-peer-mismatch",
        summary: "a rule for DNS has peers that cannot be a resolver",
        category: Category::Dns,
        severity: Severity::Error,
        tier: Stable,
        evidence: "1 of 1 warning or error on 82 public repositories (58 of them in excerpts) judged right",
        fix: Some(FixClass::Widening),
        mutes: &["dns-single-protocol", "foreign-pod-selector", "unmatched-peer-selector", "label-on-controller"],
        since: "0.1.0",
    }
}

impl Rule for DnsPeerMismatch {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, namespace: NamespaceId) {
        let mut found: BTreeMap<Span, Diagnostic> = BTreeMap::new();
        for pods in isolated_pods(cx, namespace, Direction::Egress, |_| true) {
            for finding in mismatches(cx, namespace, &pods) {
                found.insert(finding.primary.span, finding);
            }
        }
        for finding in found.into_values() {
            cx.report(finding);
        }
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let program = cx.program();
        for place in plugin_rules::cilium_rules(cx.cluster, &program) {
            if let Some(finding) = of_cilium(cx, &place) {
                cx.report(finding);
            }
        }
    }
}

/// A rule of Cilium's for DNS whose peers are no resolver, where no other rule lets its pods
/// reach one. That the own namespace is implied is what another rule says.
fn of_cilium<'c>(cx: &Context<'c>, place: &CiliumPlace<'_, 'c>) -> Option<Diagnostic> {
    place.dns_ports()?;
    if !place.asks_over(cx)?.is_empty() {
        return None;
    }
    let object = place.policy.object;
    let own = object
        .namespace()
        .and_then(|name| cx.cluster.namespace_by_name(name));
    let mut mismatches = Vec::new();
    for field in &place.rule.peer_fields {
        let CiliumPeers::Endpoints(selectors) = &field.peers else {
            return None;
        };
        for selector in selectors {
            let selector = CiliumSelector::peer(cx.cluster, selector, object.namespace());
            let (namespaces, pods) = (selector.namespaces()?, selector.pod_labels()?);
            mismatches.push(in_namespaces(cx, own, &namespaces, Some(&pods))?);
        }
    }
    let mismatch = mismatches.into_iter().next()?;
    let finding = cx.finding(mismatch.span, mismatch.message.as_str());
    Some(
        finding
            .with_severity(mismatch.severity())
            .about(object.display(), place.path())
            .label(mismatch.label)
            .help(mismatch.help),
    )
}

/// The rules for DNS that do not help these pods, where no other rule does.
fn mismatches(cx: &Context<'_>, namespace: NamespaceId, pods: &IsolatedPods) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut is_by_service = true;
    let mut others = Vec::new();
    for id in &pods.policies {
        let policy = &cx.cluster.policy(*id).object;
        if !policy.meta.holes.is_empty() {
            return Vec::new();
        }
        for (index, rule) in policy.rules(Direction::Egress).iter().enumerate() {
            let peers = rule.peers.items();
            let is_asked = is_for_dns(rule) && !peers.is_empty();
            let mismatches = is_asked.then(|| {
                let mismatch = peers.iter().map(|peer| mismatch(cx, namespace, pods, peer));
                mismatch.collect::<Option<Vec<Mismatch>>>()
            });
            match mismatches.flatten() {
                Some(mismatches) => {
                    is_by_service &= mismatches.iter().all(|it| it.is_service);
                    found.push(describe(cx, *id, index, &mismatches[0]));
                }
                // One that may do is enough.
                _ if dns::is_meant_for_dns(cx.settings, rule) => return Vec::new(),
                _ => others.push(rule),
            }
        }
    }
    // The rules that were found are written for DNS, so only the engine's answer counts here.
    // Of the address of a Service it does not know that no pod has it.
    let is_reached = match is_by_service {
        true => others.into_iter().any(may_open_resolver),
        false => !dns::reached_protocols(cx, pods).is_empty(),
    };
    if found.is_empty() || is_reached {
        return Vec::new();
    }
    found
}

/// Whether a rule that is not written for DNS may open a resolver all the same: by its
/// namespace, or by more addresses than those of machines.
fn may_open_resolver(rule: &NetworkPolicyRule) -> bool {
    let mut ports = rule.ports.items().iter();
    let covers_dns = rule.ports.items().is_empty()
        || ports.any(|port| port.port.get().is_none() || port.end_port.get().is_some());
    let may_be_it = |peer: &NetworkPolicyPeer| match (peer.ip_block.get(), peer.selectors()) {
        (Some(block), _) => !is_one_address(block),
        (None, Some((namespaces, _))) => namespaces.is_some(),
        (None, None) => false,
    };
    let peers = rule.peers.items();
    covers_dns && (peers.is_empty() || peers.iter().any(may_be_it))
}

fn is_one_address(block: &IpBlock) -> bool {
    block.cidr.prefix_len() == block.cidr.max_prefix_len()
}

fn is_for_dns(rule: &NetworkPolicyRule) -> bool {
    let ports = rule.ports.items();
    !ports.is_empty() && ports.iter().all(dns::is_dns_port)
}

/// Why a peer cannot be a resolver.
struct Mismatch {
    /// The text that is wrong.
    span: Span,
    message: String,
    label: String,
    help: String,
    edit: Option<Edit>,
    is_certain: bool,
    /// Whether it is the address of a Service.
    is_service: bool,
}

impl Mismatch {
    fn severity(&self) -> Severity {
        match self.is_certain {
            true => Severity::Error,
            false => Severity::Warning,
        }
    }
}

fn mismatch(
    cx: &Context<'_>,
    own: NamespaceId,
    asking: &IsolatedPods,
    peer: &NetworkPolicyPeer,
) -> Option<Mismatch> {
    if let Some(block) = peer.ip_block.get() {
        return outside(cx, asking, block).or_else(|| of_service(cx, block));
    }
    let (namespaces, pods) = peer.selectors()?;
    let is_opaque = |selector: &LabelSelector| selector.is_opaque();
    if namespaces.is_some_and(is_opaque) || pods.is_some_and(is_opaque) {
        return None;
    }
    match (namespaces, pods) {
        (None, Some(pods)) => in_own_namespace(cx, own, peer, pods),
        (Some(namespaces), pods) => in_namespaces(cx, Some(own), namespaces, pods),
        (None, None) => None,
    }
}

/// Public addresses, where the pods that ask are known to ask the cluster's resolver.
fn outside(cx: &Context<'_>, asking: &IsolatedPods, block: &IpBlock) -> Option<Mismatch> {
    let asks_cluster = |id: &WorkloadId| {
        let pod = &cx.cluster.workload(*id).object;
        let policy = pod.dns_policy.as_deref();
        let is_usual = policy.is_none_or(|it| it.starts_with("ClusterFirst"));
        is_usual && pod.nameservers.is_empty() && !pod.host_network
    };
    let do_ask = !asking.workloads.is_empty() && asking.workloads.iter().all(asks_cluster);
    if !do_ask || !addresses::is_public(&block.cidr) {
        return None;
    }
    let cidr = &block.cidr;
    Some(Mismatch {
        span: cidr.span,
        message: format!("these pods query the cluster's DNS, not {}", cidr.value),
        label: "only allows DNS to outside addresses".to_owned(),
        help: "allow UDP and TCP 53 to the cluster's DNS, which forwards to this one".to_owned(),
        edit: None,
        is_certain: false,
        is_service: false,
    })
}

/// The address of the resolver's Service, which the CNI plugin never sees: it is turned into a
/// pod's before policies are asked. Not so under the Amazon VPC CNI, which asks them before, and
/// where a node-local cache answers at that address, on the node itself.
fn of_service(cx: &Context<'_>, block: &IpBlock) -> Option<Mismatch> {
    let cluster = cx.cluster;
    let is_seen = cluster
        .enforcement()
        .cni()
        .is_some_and(|cni| cni.value == Cni::AwsVpc)
        || cluster.platform().is(Distribution::Eks)
        || cx.has_node_local_cache();
    if is_seen || !is_one_address(block) || !dns::is_of_resolver_service(cx, block.cidr.addr()) {
        return None;
    }
    let cidr = &block.cidr;
    Some(Mismatch {
        span: cidr.span,
        message: format!(
            "`{}` is the address of a Service, so this rule for DNS opens nothing",
            cidr.addr()
        ),
        label: "translated to the address of a resolver's pod before policies are applied"
            .to_owned(),
        help: match dns::resolver(cx) {
            Some(resolver) => format!(
                "select the resolver's pods: `namespaceSelector: {{matchLabels: \
                 {{{NAMESPACE_NAME_LABEL}: {}}}}}`, `podSelector: {{matchLabels: {{{}: {}}}}}`",
                resolver.namespace, resolver.label.0, resolver.label.1
            ),
            None => "select the resolver's pods by their namespace and labels".to_owned(),
        },
        edit: None,
        is_certain: false,
        is_service: true,
    })
}

/// Pods of the policy's own namespace, where no resolver is.
fn in_own_namespace(
    cx: &Context<'_>,
    own: NamespaceId,
    peer: &NetworkPolicyPeer,
    pods: &LabelSelector,
) -> Option<Mismatch> {
    let name = cx.cluster.namespace(own).name.as_str();
    let home = dns::home_of(cx.cluster, pods);
    if is_home(name) || may_find_resolver(cx, &[own], Some(pods)) {
        return None;
    }
    let is_complete = cx.settings.inventory.is_complete_in(name);
    // Somebody may run a resolver of one's own, under labels of one's own.
    if home.is_none() && !pods.is_empty() && !is_complete {
        return None;
    }
    let home = home.or_else(|| dns::resolver(cx).map(|it| it.namespace));
    let add = |home| rewrite::add_namespace_selector(cx.sources, peer, home);
    let edit = home.filter(|_| !pods.is_empty()).and_then(add);
    Some(Mismatch {
        span: pods.span,
        message: format!("the resolver is not in `{name}`, so this rule for DNS opens nothing"),
        label: format!("without a `namespaceSelector` these are pods of `{name}`"),
        help: format!(
            "add a `namespaceSelector` for {} to the same peer, without a hyphen",
            home.map_or_else(|| RESOLVERS_NAMESPACE.to_owned(), |it| format!("`{it}`"))
        ),
        edit,
        is_certain: is_complete,
        is_service: false,
    })
}

/// Pods of namespaces that a peer names, which have no resolver, or not under these labels.
fn in_namespaces(
    cx: &Context<'_>,
    own: Option<NamespaceId>,
    namespaces: &LabelSelector,
    pods: Option<&LabelSelector>,
) -> Option<Mismatch> {
    let name = dns::only_name(namespaces)?;
    let known: Vec<NamespaceId> = cx.cluster.namespace_by_name(name).into_iter().collect();
    if may_find_resolver(cx, &known, pods) {
        return None;
    }
    if name.as_str() == USUAL_HOME && dns::is_openshift(cx.cluster) {
        return Some(of_another_platform(name, pods));
    }
    if is_home(name) {
        return wrong_label(cx, name, &known, pods?);
    }
    let home = pods.and_then(|pods| dns::home_of(cx.cluster, pods));
    let is_complete = cx.settings.inventory.is_complete_in(name);
    // The own namespace as a whole, as `podSelector: {}` is: nobody runs a resolver beside
    // every application.
    let is_own = own.is_some_and(|own| known == [own]) && pods.is_none_or(LabelSelector::is_empty);
    let is_evidence = is_complete || home.is_some() || is_own;
    let home = home.or_else(|| dns::resolver(cx).map(|it| it.namespace));
    is_evidence.then(|| Mismatch {
        span: name.span,
        message: match home {
            Some(home) => format!("the resolver is in `{home}`, not in `{name}`"),
            None => format!("the resolver is not in `{name}`"),
        },
        label: format!("no resolver is known in `{name}`"),
        help: match home {
            Some(home) => format!("select `{home}`"),
            None => format!("select {RESOLVERS_NAMESPACE}"),
        },
        // In place of the own namespace it would close that one's port.
        edit: home.filter(|_| !is_own).map(|home| Edit {
            span: name.span,
            replacement: home.to_owned(),
        }),
        is_certain: is_complete,
        is_service: false,
    })
}

/// Where other clusters have their resolver, in one of OpenShift.
fn of_another_platform(name: &Spanned<Text>, pods: Option<&LabelSelector>) -> Mismatch {
    let home = dns::OPENSHIFT_HOME;
    Mismatch {
        span: name.span,
        message: format!("the resolver of OpenShift is in `{home}`, not in `{name}`"),
        label: "has no resolver in a cluster of OpenShift".to_owned(),
        help: format!(
            "select `{home}`, and open port {} of its pods beside {}",
            dns::OPENSHIFT_PORT,
            dns::PORT
        ),
        // Labels of another resolver would match no pod there.
        edit: pods.is_none_or(LabelSelector::is_empty).then(|| Edit {
            span: name.span,
            replacement: home.to_owned(),
        }),
        is_certain: false,
        is_service: false,
    }
}

/// The right namespace, and labels that the resolver there does not have.
fn wrong_label(
    cx: &Context<'_>,
    home: &str,
    known: &[NamespaceId],
    pods: &LabelSelector,
) -> Option<Mismatch> {
    let cluster = cx.cluster;
    // What its labels are shows where the resolver is among the manifests.
    let resolvers = known.iter().flat_map(|id| cluster.workloads_in(*id));
    let resolvers = resolvers.filter(|id| {
        dns::listens_for_dns(cluster, *id) && !cluster.workload(*id).object.host_network
    });
    let lacking_at = |id: WorkloadId| {
        let labels = &cluster.workload(id).object.labels;
        let lacks = |label: &&Label| labels.get(&label.key) != Some(label.value.as_str());
        pods.match_labels.iter().filter(lacks).collect::<Vec<_>>()
    };
    let seen = resolvers
        .map(|id| (lacking_at(id), Some(id)))
        .min_by_key(|(lacking, _)| lacking.len());
    let (lacking, resolver) = seen.or_else(|| {
        // The same in all of what is called a plain cluster.
        let is_plain = cx.settings.profile == Some(Profile::Kubernetes) && home == USUAL_HOME;
        let lacks = |label: &&Label| match is_plain {
            true => !dns::is_label_of_resolver(cluster, &label.key, &label.value),
            false => {
                dns::is_label_of_service(cluster, label)
                    || home == USUAL_HOME && dns::is_invented(cluster, label)
            }
        };
        let lacking: Vec<&Label> = pods.match_labels.iter().filter(lacks).collect();
        Some((lacking, None))
    })?;
    let (first, others) = lacking.split_first()?;
    let in_words = |label: &Label| format!("`{}={}`", label.key, label.value);
    let named: Vec<String> = lacking.iter().map(|label| in_words(label)).collect();
    let named = named.join(" or ");
    let is_all = lacking.len() == pods.match_labels.len();
    let of_service = dns::is_label_of_service(cluster, first);
    let own = resolver.and_then(|id| {
        let labels = &cluster.workload(id).object.labels;
        ["k8s-app", "app.kubernetes.io/name", "app"]
            .into_iter()
            .find_map(|key| labels.label(key))
    });
    let usual = ("k8s-app", "kube-dns");
    let (key, value) = own.map_or(usual, |label| (label.key.as_str(), label.value.as_str()));
    let (help, edit) = if !is_all {
        let edit = match others {
            [] => rewrite::remove_label(cx.sources, first),
            _ => None,
        };
        (format!("remove {named} from the selector"), edit)
    } else {
        let edit = (first.key.value == key && others.is_empty())
            .then(|| rewrite::replace_text(cx.sources, first.value.span, value));
        (format!("select it by `{key}: {value}`"), edit)
    };
    Some(Mismatch {
        span: first.span(),
        message: format!("the resolver in `{home}` does not have the label {named}"),
        label: match of_service {
            true => "a label of its Service, but policies look at pod labels".to_owned(),
            false => "with this label the peer matches no resolver".to_owned(),
        },
        help,
        edit,
        is_certain: resolver.is_some(),
        is_service: false,
    })
}

/// Whether a known workload of the namespaces may be the resolver that is meant: one with a
/// resolver's port, or one that does not say its ports.
fn may_find_resolver(
    cx: &Context<'_>,
    namespaces: &[NamespaceId],
    pods: Option<&LabelSelector>,
) -> bool {
    let cluster = cx.cluster;
    let may_match = |id: &WorkloadId| {
        let labels = &cluster.workload(*id).object.labels;
        pods.is_none_or(|pods| pods.matches_opaque(labels) != Truth::False)
    };
    let may_listen = |id: WorkloadId| {
        let has_ports = cluster.workload(id).object.ports().next().is_some();
        !has_ports || dns::listens_for_dns(cluster, id)
    };
    let workloads = namespaces.iter().flat_map(|id| cluster.workloads_in(*id));
    workloads.filter(may_match).any(may_listen)
}

/// Where most clusters have their resolver.
const USUAL_HOME: &str = "kube-system";

/// What to call it where the manifests hint at OpenShift, and no more.
const RESOLVERS_NAMESPACE: &str = "the resolver's namespace (`openshift-dns` on OpenShift)";

/// Whether a namespace is one that resolvers live in, by its name.
fn is_home(name: &str) -> bool {
    name == USUAL_HOME || name.contains("dns")
}

fn describe(cx: &Context<'_>, policy: PolicyId, index: usize, mismatch: &Mismatch) -> Diagnostic {
    // The whole rule opens nothing, whatever its ports are.
    let path = format!("spec.egress[{index}]");
    let finding = cx
        .policy_finding(policy, path, mismatch.span, mismatch.message.as_str())
        .with_severity(mismatch.severity())
        .label(mismatch.label.as_str())
        .help(mismatch.help.as_str());
    match &mismatch.edit {
        Some(edit) => finding.fix(Fix {
            title: mismatch.help.clone(),
            class: FixClass::Widening,
            edits: vec![edit.clone()],
        }),
        None => finding,
    }
}
