//! Rules of Calico's that allow everybody but some pods, and the internet with them.

use crate::diagnostic::Severity;
use crate::engine::program::Matcher;
use crate::k8s::{CalicoAction, Truth};
use crate::lint::plugin_rules;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use std::net::{IpAddr, Ipv4Addr};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `GlobalNetworkPolicy` rule that allows a peer by `notSelector` alone.
    ///
    /// ## Why is this bad?
    ///
    /// An address that belongs to no pod and no network set has no labels, so `notSelector`
    /// matches it. The rule allows the internet and the nodes, not just the pods without these
    /// labels. Next to a `selector` or `namespaceSelector`, or in a namespaced policy, it only
    /// covers pods and network sets.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: projectcalico.org/v3
    /// kind: GlobalNetworkPolicy
    /// metadata: {name: api}
    /// spec:
    ///   selector: app == 'api'
    ///   types: [Ingress]
    ///   ingress:
    ///     - action: Allow
    ///       source: {notSelector: trust == 'low'}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: projectcalico.org/v3
    /// kind: GlobalNetworkPolicy
    /// metadata: {name: api}
    /// spec:
    ///   selector: app == 'api'
    ///   types: [Ingress]
    ///   ingress:
    ///     - action: Allow
    ///       source: {namespaceSelector: all(), notSelector: trust == 'low'}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows whether the internet is meant.
    pub(super) struct CalicoNotSelectorInternet {
        name: "calico-not-selector-internet",
        summary: "a Calico rule that allows by `notSelector` alone also allows the internet",
        category: Category::Plugins,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no finding on the 16 Calico policies of a public repository",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CalicoNotSelectorInternet {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let program = cx.program();
        // An address of the internet that is in nobody's hands (RFC 5737).
        let stranger = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77));
        for place in plugin_rules::calico_rules(cx.cluster) {
            let peer = place.rule.peer(place.direction);
            let Some(selector) = &peer.not_selector else {
                continue;
            };
            let mut enforced = place.enforced(&program);
            let admits_stranger = |matcher: &Matcher<'_>| matcher.outside(stranger) == Truth::True;
            let is_open = enforced.any(|rule| {
                let peers = rule.peers.as_ref();
                peers.is_some_and(|peers| peers.iter().any(|it| admits_stranger(&it.matcher)))
            });
            if !is_open || place.rule.action.value != CalicoAction::Allow {
                continue;
            }
            let field = match place.direction {
                crate::k8s::Direction::Ingress => "source",
                crate::k8s::Direction::Egress => "destination",
            };
            let finding = cx
                .finding(
                    selector.span,
                    "`notSelector` alone matches every address without labels: the internet is allowed",
                )
                .about(
                    place.policy.object.display(),
                    format!("{}.{field}.notSelector", place.path()),
                )
                .label("also matches outside addresses and nodes")
                .help("add `namespaceSelector: all()` if only pods are meant");
            cx.report(finding);
        }
    }
}
