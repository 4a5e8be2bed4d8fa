//! Rules of Calico's that ask for the port from which a connection comes.

use crate::diagnostic::Severity;
use crate::k8s::{CalicoAction, CalicoPort, CalicoProtocol, CalicoRule, Protocol, is_opaque};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, plugin_rules};
use crate::source::Spanned;

declare_rule! {
    /// ## What it does
    ///
    /// Reports Calico rules that allow TCP connections from named ports or single ports of their
    /// `source`.
    ///
    /// ## Why is this bad?
    ///
    /// A client opens a TCP connection from a port that its system picks at random, mostly above
    /// 32767, so such a rule allows nothing in practice. In most cases the server's port was
    /// meant, which belongs in `destination.ports`, for ingress as well. Wide ranges of ports are
    /// not reported.
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
    ///       source: {selector: app == 'api', ports: [8080]}
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
    /// There is no automatic fix: the rule would open ports that are closed today.
    pub(super) struct CalicoSourcePorts {
        name: "calico-source-ports",
        summary: "a Calico rule asks for the port that a connection comes from",
        category: Category::Plugins,
        severity: Severity::Warning,
        tier: Preview,
        evidence: "written for a policy that somebody tried",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

/// Programs that pick their own port may pick one of so many.
const MAX_SPAN: u16 = 100;

impl Rule for CalicoSourcePorts {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        for place in plugin_rules::calico_rules(cx.cluster) {
            let Some(first) = narrow_ports(place.rule).filter(|_| opens_tcp(place.rule)) else {
                continue;
            };
            let finding = cx
                .finding(
                    first.span,
                    "this rule asks for the port that a connection comes from, which the client's system picks",
                )
                .about(
                    place.policy.object.display(),
                    format!("{}.source.ports", place.path()),
                )
                .label("not the port that is connected to")
                .help("write the server's port in `destination.ports`, for ingress as well");
            cx.report(finding);
        }
    }
}

/// The first port of a rule's source, if all of them are names or narrow ranges.
fn narrow_ports(rule: &CalicoRule) -> Option<&Spanned<CalicoPort>> {
    let is_narrow = |port: &Spanned<CalicoPort>| match &port.value {
        CalicoPort::Range(first, last) => last - first < MAX_SPAN,
        CalicoPort::Name(name) => !is_opaque(name),
    };
    let ports = &rule.source.ports;
    ports.first().filter(|_| ports.iter().all(is_narrow))
}

/// Whether a rule is meant to allow TCP connections: the clients of some protocols on UDP do have
/// ports of their own. A name needs no protocol.
fn opens_tcp(rule: &CalicoRule) -> bool {
    let tcp = CalicoProtocol::Of(Protocol::Tcp);
    let protocol = rule
        .protocol
        .as_ref()
        .map_or(tcp, |protocol| protocol.value);
    rule.action.value == CalicoAction::Allow && protocol == tcp
}
