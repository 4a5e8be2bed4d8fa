//! Blocks of addresses and DNS names in Cilium's policies for what is inside the cluster.

use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{CiliumAddresses, CiliumFqdn, CiliumPeers, ServiceType};
use crate::lint::cluster_ranges::{self, Overlap, Purpose};
use crate::lint::plugin_rules::{self, CiliumPlace};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use crate::source::Spanned;
use ipnet::IpNet;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a block in `fromCIDR`, `toCIDR`, `fromCIDRSet` or `toCIDRSet` that covers the
    /// cluster's own pods, Services or nodes, according to the configuration, the manifests, or
    /// the platform's usual ranges; and a name of `toFQDNs` that is the DNS name of a Service,
    /// such as `db.shop.svc.cluster.local` or `*.svc.cluster.local`, unless that Service has no
    /// selector, and so may stand for an address elsewhere.
    ///
    /// ## Why is this bad?
    ///
    /// Cilium identifies pods and nodes by identity, never by address. Such a block matches
    /// nothing unless the agent option `policy-cidr-match-mode` says otherwise. The address of
    /// a Service is translated to a pod's before policies are applied. `toFQDNs` opens the
    /// addresses that a name has, so it never opens pods either.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # npcheck.yaml: {cluster: {podCIDRs: [10.244.0.0/16]}}
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   egress:
    ///     - toCIDR: [10.244.0.0/16]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # npcheck.yaml: {cluster: {podCIDRs: [10.244.0.0/16]}}
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   egress:
    ///     - toEndpoints:
    ///         - matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]
    /// ```
    ///
    /// ## Configuration
    ///
    /// In `npcheck.yaml`, `cluster: {podCIDRs: [10.244.0.0/16], serviceCIDRs: [10.96.0.0/12],
    /// nodeCIDRs: [192.168.1.0/24]}` sets the ranges.
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: which pods are meant is not known.
    pub(super) struct CiliumCidrForCluster {
        name: "cilium-cidr-for-cluster",
        summary: "a CIDR or a DNS name in a Cilium policy is for what is inside the cluster",
        category: Category::Plugins,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no finding on the 162 Cilium policies of three public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CiliumCidrForCluster {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let program = cx.program();
        for place in plugin_rules::cilium_rules(cx.cluster, &program) {
            for (path, cidr, except) in blocks(&place) {
                if let Some(finding) = check(cx, cidr, except) {
                    let path = format!("{}.{path}", place.path());
                    cx.report(finding.about(place.policy.object.display(), path));
                }
            }
            for (path, name) in names(&place) {
                if is_of_services(cx, &name.value) {
                    let path = format!("{}.{path}", place.path());
                    let finding = check_name(cx, name);
                    cx.report(finding.about(place.policy.object.display(), path));
                }
            }
        }
    }
}

type WrittenBlock<'c> = (String, &'c Spanned<IpNet>, &'c [Spanned<IpNet>]);

/// The blocks of a rule, each with its path and what is not in it.
fn blocks<'c>(place: &CiliumPlace<'_, 'c>) -> Vec<WrittenBlock<'c>> {
    let mut blocks: Vec<WrittenBlock<'c>> = Vec::new();
    for field in &place.rule.peer_fields {
        match &field.peers {
            CiliumPeers::Cidrs(cidrs) => {
                let cidrs = cidrs.iter().enumerate();
                let name = field.name;
                blocks
                    .extend(cidrs.map(|(index, cidr)| (format!("{name}[{index}]"), cidr, &[][..])));
            }
            CiliumPeers::CidrSets(sets) => {
                for (index, set) in sets.iter().enumerate() {
                    if let CiliumAddresses::Cidr(cidr) = &set.addresses {
                        let path = format!("{}[{index}].cidr", field.name);
                        blocks.push((path, cidr, &set.except));
                    }
                }
            }
            _ => {}
        }
    }
    blocks
}

/// The names of a rule, each with its path.
fn names<'c>(
    place: &CiliumPlace<'_, 'c>,
) -> impl Iterator<Item = (String, &'c Spanned<CiliumFqdn>)> {
    let fields = place.rule.peer_fields.iter();
    fields.flat_map(|field| {
        let names: &[Spanned<CiliumFqdn>] = match &field.peers {
            CiliumPeers::Fqdns(names) => names,
            _ => &[],
        };
        let paths = (0..).map(|index| format!("{}[{index}]", field.name));
        paths.zip(names)
    })
}

/// What to write in place of the address or the name of a Service.
const OF_SERVICE: &str =
    "select the pods with `toEndpoints`, or the API server with the entity `kube-apiserver`";

/// What the DNS names of Services end with, in clusters whose domain is the usual one.
const OF_SERVICES: &str = ".svc.cluster.local";

/// Whether a name is one of Services with pods, as far as anybody knows: one without a selector,
/// or of type `ExternalName`, may stand for an address elsewhere.
fn is_of_services(cx: &Context<'_>, name: &CiliumFqdn) -> bool {
    let text = match name {
        CiliumFqdn::Name(text) | CiliumFqdn::Pattern(text) => text,
    };
    let mut services = cx.cluster.service_ids().map(|id| cx.cluster.service(id));
    text.ends_with(OF_SERVICES)
        && !services.any(|service| {
            let namespace = &cx.cluster.namespace(service.namespace).name;
            let object = &service.object;
            let is_elsewhere =
                object.selector.is_none() || object.service_type == ServiceType::ExternalName;
            is_elsewhere && name.matches(&format!("{}.{namespace}{OF_SERVICES}", object.meta.name))
        })
}

fn check_name(cx: &Context<'_>, name: &Spanned<CiliumFqdn>) -> Diagnostic {
    let message = format!(
        "`{}` is a name inside this cluster, and opens none of its pods",
        name.value
    );
    cx.finding(name.span, message)
        .with_severity(Severity::Warning)
        .note("Cilium knows pods by identity: `toFQDNs` only opens outside addresses")
        .help(OF_SERVICE)
}

fn check(cx: &Context<'_>, cidr: &Spanned<IpNet>, except: &[Spanned<IpNet>]) -> Option<Diagnostic> {
    let (purpose, overlap, evidence) = cluster_ranges::known(cx, cidr.value, except)?;
    let noun = purpose.noun();
    // A wide block is for addresses outside, too: what it cannot mean is only a remark.
    let (message, severity) = match overlap {
        Overlap::Part | Overlap::Same => (
            format!(
                "`{}` is for {noun} of this cluster, and matches none",
                cidr.value
            ),
            Severity::Error,
        ),
        Overlap::Wider => (
            format!(
                "`{}` includes the range of this cluster's {noun}, and matches none of them",
                cidr.value
            ),
            Severity::Info,
        ),
    };
    let note = match purpose {
        Purpose::Pods | Purpose::Nodes => {
            "Cilium knows pods and nodes by identity: a CIDR only matches outside addresses"
        }
        Purpose::Services => {
            "the address of a Service is translated to a pod's before policies are applied"
        }
    };
    let help = match purpose {
        Purpose::Pods => "select the pods with `fromEndpoints` or `toEndpoints`",
        Purpose::Services => OF_SERVICE,
        Purpose::Nodes => "use the entities `host`, `remote-node` or `kube-apiserver`",
    };
    let finding = cx.finding(cidr.span, message).with_severity(severity);
    Some(finding.label(evidence).note(note).help(help))
}
