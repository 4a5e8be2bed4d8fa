//! Namespaces that Kubernetes and platforms make, and the labels that they and controllers
//! set on namespaces: no manifest has to declare either.
//!
//! Refuses to know which of them a cluster has: a name says by itself whose it is.

use crate::k8s::NAMESPACE_NAME_LABEL;

/// Whether a label of a namespace that no manifest declares is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It has this label.
    Has,
    /// It does not, unless somebody sets it by hand.
    Lacks,
    /// Nobody has looked.
    Unknown,
}

/// Namespaces that Kubernetes or a platform makes: an exact name, or a prefix that ends
/// with `-`.
const NAMESPACES: &[&str] = &[
    // kubernetes.io, "Namespaces", initial namespaces.
    "default",
    "kube-node-lease",
    "kube-public",
    "kube-system",
    // OpenShift reserves the prefix (docs.openshift.com, "Working with projects").
    "openshift",
    "openshift-",
    // Rancher and Fleet (ranchermanager.docs.rancher.com, "System namespaces").
    "cattle-",
    "fleet-",
    // GKE and its managed services (cloud.google.com, "Managed namespaces").
    "gke-",
    "gmp-public",
    "gmp-system",
    "asm-system",
    "config-management-monitoring",
    "config-management-system",
    "resource-group-system",
    // AKS and Azure Policy (learn.microsoft.com, "AKS add-ons").
    "aks-",
    "gatekeeper-system",
    // Calico's operator (docs.tigera.io, "Install Calico").
    "calico-apiserver",
    "calico-system",
    "tigera-operator",
    // kind and minikube.
    "local-path-storage",
    "kubernetes-dashboard",
    // EKS (docs.aws.amazon.com, "Amazon CloudWatch Observability add-on").
    "amazon-cloudwatch",
];

/// Whether a platform makes this namespace, so that no manifest has to declare it.
#[must_use]
pub fn makes_namespace(name: &str) -> bool {
    NAMESPACES
        .iter()
        .any(|known| *known == name || (known.ends_with('-') && name.starts_with(known)))
}

type Labels = &'static [(&'static str, &'static str)];

/// Labels of namespaces that a platform, or the installation that everybody uses, makes.
const LABELS: &[(&str, Labels)] = &[
    // openshift/cluster-monitoring-operator,
    // manifests/0000_50_cluster-monitoring-operator_01-namespace.yaml.
    (
        "openshift-monitoring",
        &[
            ("name", "openshift-monitoring"),
            ("network.openshift.io/policy-group", "monitoring"),
            ("openshift.io/cluster-monitoring", "true"),
        ],
    ),
    (
        "openshift-user-workload-monitoring",
        &[
            ("name", "openshift-user-workload-monitoring"),
            ("network.openshift.io/policy-group", "monitoring"),
            ("openshift.io/cluster-monitoring", "true"),
        ],
    ),
    // openshift/microshift, assets/components/openshift-router/namespace.yaml, and
    // openshift/cluster-ingress-operator, assets/router/namespace.yaml.
    (
        "openshift-ingress",
        &[
            ("name", "openshift-ingress"),
            ("network.openshift.io/policy-group", "ingress"),
            ("openshift.io/cluster-monitoring", "true"),
            ("policy-group.network.openshift.io/ingress", ""),
        ],
    ),
    // openshift/cluster-network-operator, bindata/network/node-identity and
    // bindata/network/ovn-kubernetes: the namespace that stands for the host network.
    (
        "openshift-host-network",
        &[
            ("network.openshift.io/policy-group", "ingress"),
            ("policy-group.network.openshift.io/host-network", ""),
            ("policy-group.network.openshift.io/ingress", ""),
        ],
    ),
    // kubernetes/ingress-nginx, deploy/static/provider/*/deploy.yaml; the chart sets none.
    (
        "ingress-nginx",
        &[
            ("app.kubernetes.io/instance", "ingress-nginx"),
            ("app.kubernetes.io/name", "ingress-nginx"),
        ],
    ),
    // fluxcd/flux2, manifests/bases: `flux bootstrap` labels its namespace.
    (
        "flux-system",
        &[
            ("app.kubernetes.io/instance", "flux-system"),
            ("app.kubernetes.io/part-of", "flux"),
        ],
    ),
];

/// The namespaces of which all labels are known: those that Kubernetes itself makes, which
/// have none but [`NAMESPACE_NAME_LABEL`].
const BARE: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// Whether the namespace of this name, which no manifest declares, has the label.
#[must_use]
pub fn has_label(namespace: &str, key: &str, value: &str) -> Known {
    if key == NAMESPACE_NAME_LABEL {
        return match namespace == value {
            true => Known::Has,
            false => Known::Lacks,
        };
    }
    let labels = LABELS.iter().find(|(name, _)| *name == namespace);
    if labels.is_some_and(|(_, labels)| labels.contains(&(key, value))) {
        return Known::Has;
    }
    match BARE.contains(&namespace) && !sets_label(key) {
        true => Known::Lacks,
        false => Known::Unknown,
    }
}

/// The labels that the namespace of this name is known to have, besides the one that
/// Kubernetes sets, where no manifest declares it.
#[must_use]
pub fn labels_of(namespace: &str) -> &'static [(&'static str, &'static str)] {
    let known = LABELS.iter().find(|(name, _)| *name == namespace);
    known.map_or(&[], |(_, labels)| labels)
}

/// Whether those are all of its labels.
#[must_use]
pub fn has_all_labels_known(namespace: &str) -> bool {
    BARE.contains(&namespace)
}

/// Keys of namespace labels that platforms and controllers set, as a key or a prefix that
/// ends with `/`.
const SET: &[&str] = &[
    NAMESPACE_NAME_LABEL,
    // OpenShift's policy groups and its own labels.
    "network.openshift.io/",
    "openshift.io/",
    "openshift-pipelines.tekton.dev/",
    "policy-group.network.openshift.io/",
    "security.openshift.io/",
    // Rancher's projects.
    "field.cattle.io/",
    // AKS and Azure Policy (`control-plane` is set on `kube-system` there, and by
    // kubebuilder's scaffold on the namespace of an operator).
    "addonmanager.kubernetes.io/",
    "control-plane",
    "kubernetes.azure.com/",
    "kubernetes.io/cluster-service",
    // GKE.
    "addon.gke.io/",
    "configmanagement.gke.io/",
    // Pod security admission, set by administrators and by OpenShift.
    "pod-security.kubernetes.io/",
    // Hierarchical namespaces, Capsule's tenants, Kiosk's accounts, vcluster, Kubeflow's
    // profiles, Open Cluster Management.
    "app.kubernetes.io/part-of",
    "capsule.clastix.io/",
    "cluster.open-cluster-management.io/",
    "hnc.x-k8s.io/",
    "katib.kubeflow.org/",
    "kiosk.sh/",
    "pipelines.kubeflow.org/",
    "serving.kubeflow.org/",
    "vcluster.loft.sh/",
    // Flux, Argo CD and OLM label what they apply (argo-cd.readthedocs.io, "Resource Tracking":
    // the instance label is set unless another way of tracking is chosen).
    "app.kubernetes.io/instance",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "olm.operatorgroup.uid/",
    "operators.coreos.com/",
    // The injection of service meshes, often set by hand.
    "istio-injection",
    "istio.io/",
    "linkerd.io/",
];

/// Whether a platform or a controller sets namespace labels of this key.
#[must_use]
pub fn sets_label(key: &str) -> bool {
    SET.iter()
        .any(|known| *known == key || (known.ends_with('/') && key.starts_with(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_namespaces_that_no_manifest_declares() {
        for (namespace, key, value, expected) in [
            ("kube-system", "name", "kube-system", Known::Lacks),
            (
                "kube-system",
                NAMESPACE_NAME_LABEL,
                "kube-system",
                Known::Has,
            ),
            ("shop", NAMESPACE_NAME_LABEL, "kube-system", Known::Lacks),
            ("kube-system", "control-plane", "true", Known::Unknown),
            (
                "openshift-monitoring",
                "name",
                "openshift-monitoring",
                Known::Has,
            ),
            ("openshift-dns", "name", "openshift-dns", Known::Unknown),
            ("shop", "name", "shop", Known::Unknown),
        ] {
            assert_eq!(has_label(namespace, key, value), expected, "{namespace}");
        }
    }
}
