//! The parts of a cluster of which nobody knows which pods they make: charts, objects of
//! operators that no table knows, subscriptions to operators, templates, programs that may
//! create pods by the API.
//!
//! Refuses to know selectors.

use super::super::Context;
use super::is_unknown_maker;
use crate::cluster::Cluster;
use crate::k8s::{Outcome, RoleScope, effect_of_policies, namespace_once_completed};
use std::collections::HashSet;

/// API groups whose objects make no pods: policies, certificates, routes, secrets, metrics.
const PODLESS_GROUPS: &[&str] = &[
    "aquasecurity.github.io",
    "autoscaling.k8s.io",
    "bitnami.com",
    "cilium.io",
    "cloud.google.com",
    "cluster.x-k8s.io",
    "config.gatekeeper.sh",
    "configuration.konghq.com",
    "constraints.gatekeeper.sh",
    "crd.projectcalico.org",
    "external-secrets.io",
    "externaldns.k8s.io",
    "externaldns.nginx.org",
    "gateway.envoyproxy.io",
    "generators.external-secrets.io",
    "hnc.x-k8s.io",
    "image.toolkit.fluxcd.io",
    "k8s.cni.cncf.io",
    "kyverno.io",
    "metallb.io",
    "mutations.gatekeeper.sh",
    "networking.istio.io",
    "notification.toolkit.fluxcd.io",
    "policies.kyverno.io",
    "policy.linkerd.io",
    "projectcalico.org",
    "secrets-store.csi.x-k8s.io",
    "security.istio.io",
    "source.toolkit.fluxcd.io",
    "templates.gatekeeper.sh",
    "traefik.containo.us",
    "traefik.io",
    "trust.cert-manager.io",
    "velero.io",
    "wgpolicyk8s.io",
];

/// Kinds of other groups whose objects make no pods.
const PODLESS_KINDS: &[(&str, &str)] = &[
    ("argoproj.io", "AppProject"),
    ("keda.sh", "ScaledObject"),
    ("keda.sh", "TriggerAuthentication"),
    ("monitoring.coreos.com", "AlertmanagerConfig"),
    ("monitoring.coreos.com", "Probe"),
    ("monitoring.coreos.com", "PrometheusRule"),
    ("monitoring.coreos.com", "ScrapeConfig"),
    ("operators.coreos.com", "OperatorGroup"),
];

/// Kinds that bring an operator, whose pods nobody knows before it is installed, or charts.
const BRINGERS: &[(&str, &str)] = &[
    ("helm.cattle.io", "HelmChart"),
    ("helm.toolkit.fluxcd.io", "HelmRelease"),
    ("olm.operatorframework.io", "ClusterExtension"),
    ("operators.coreos.com", "ClusterServiceVersion"),
    ("operators.coreos.com", "Subscription"),
];

/// Roles of the API server itself that may create pods (kubernetes.io, "Using RBAC
/// Authorization", default roles).
const KNOWN_ROLES: &[&str] = &["admin", "cluster-admin", "edit"];

/// Whether no pods come of the objects of a kind, whatever stands in them.
pub(super) fn makes_no_pods(group: &str, kind: &str) -> bool {
    PODLESS_GROUPS.contains(&group) || PODLESS_KINDS.contains(&(group, kind))
}

/// The namespaces with a part of which nobody knows what it holds.
pub(super) struct Sources<'a> {
    namespaces: HashSet<&'a str>,
    has_homeless_template: bool,
}

impl<'a> Sources<'a> {
    /// Looks for such parts in everything that was read.
    pub(super) fn of(cx: &Context<'a>) -> Self {
        let cluster = cx.cluster;
        let objects = cluster.context_objects();
        let mut sources = Self {
            namespaces: HashSet::new(),
            has_homeless_template: false,
        };
        for object in &objects.custom_objects {
            let kind = (object.group.as_str(), object.kind.as_str());
            let brings = BRINGERS.contains(&kind);
            let is_maker = is_unknown_maker(object) && object.describes_pods;
            let is_somewhere = object.meta.namespace.is_some() || object.target_namespace.is_some();
            if (brings || is_maker) && is_somewhere {
                sources.namespaces.insert(object.home());
            }
        }
        for kustomization in &objects.kustomizations {
            let is_remote = |path: &str| path.contains("://") || path.contains("?ref=");
            if let Some(namespace) = &kustomization.namespace
                && kustomization.resources.iter().any(|path| is_remote(path))
            {
                sources.namespaces.insert(namespace);
            }
        }
        for document in cx.documents {
            let is_policy = effect_of_policies(&document.kind).is_some();
            let is_broken = document.outcome == Outcome::Broken;
            if document.outcome.hides_an_object() && !(is_broken && is_policy) {
                let namespace = namespace_once_completed(document);
                sources.namespaces.extend(namespace);
                let is_homeless = namespace.is_none() && document.namespace.is_empty();
                sources.has_homeless_template |= is_homeless;
            }
        }
        sources.namespaces.extend(with_makers_of_pods(cluster));
        sources
    }

    /// Whether a namespace has such a part. Templates without a namespace may be meant for any.
    pub(super) fn open(&self, namespace: &str) -> bool {
        self.has_homeless_template || self.namespaces.contains(namespace)
    }
}

/// The namespaces in which an account may create pods by the API, or what makes pods: those of
/// the bindings, and of the account for a binding of the whole cluster.
fn with_makers_of_pods(cluster: &Cluster) -> impl Iterator<Item = &str> {
    let objects = cluster.context_objects();
    let makers: HashSet<(Option<&str>, &str)> = objects
        .roles
        .iter()
        .filter(|role| role.makes_pods)
        .map(|role| {
            let namespace =
                (role.scope == RoleScope::Namespace).then(|| role.meta.namespace_name());
            (namespace, role.meta.name.as_str())
        })
        .collect();
    let makes_pods = move |namespace: &str, scope: RoleScope, role: &str| match scope {
        RoleScope::Cluster => KNOWN_ROLES.contains(&role) || makers.contains(&(None, role)),
        RoleScope::Namespace => makers.contains(&(Some(namespace), role)),
    };
    let bindings = objects.role_bindings.iter().filter(move |binding| {
        let namespace = binding.meta.namespace_name();
        !binding.service_accounts.is_empty()
            && makes_pods(namespace, binding.role_scope, &binding.role)
    });
    bindings.flat_map(|binding| {
        let accounts = binding.service_accounts.iter();
        let of_accounts = accounts.map(|account| account.namespace.as_str());
        let of_binding =
            (binding.scope == RoleScope::Namespace).then(|| binding.meta.namespace_name());
        of_accounts.chain(of_binding)
    })
}
