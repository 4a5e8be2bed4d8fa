//! Recognises the distribution of a cluster by what its manifests hold: objects of kinds
//! that only it has, annotations that only its controllers read.
//!
//! Refuses to believe a single namespace's name, or anything else that many clusters have:
//! a weak sign counts only beside another one of another sort.

use super::Distribution;
use crate::k8s::{
    ContextObject, EntrypointKind, Labels, Object, ObjectMeta, Product, RoleBinding, Workload,
    WorkloadKind,
};
use crate::source::Text;
use std::collections::BTreeMap;

/// That a distribution was recognised, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The distribution.
    pub distribution: Distribution,
    /// What says so, in words: `Network/cluster of config.openshift.io`.
    pub by: Vec<String>,
    /// Whether a sign is among them that belongs to the cluster itself.
    pub is_certain: bool,
}

/// What has been seen so far.
#[derive(Clone, Debug, Default)]
pub struct Recognition {
    signs: BTreeMap<Distribution, BTreeMap<Sort, (Weight, String)>>,
}

/// What a sign is made of: two of one sort count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Group(&'static str),
    Annotation(&'static str),
    Label(&'static str),
    Class(&'static str),
    Role(&'static str),
    Registry(&'static str),
    Namespaces,
}

/// How much a sign says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Other clusters may have it, too.
    Weak,
    /// Nothing else has it, but for programs that bring it everywhere.
    Strong,
    /// It belongs to the cluster itself, and to no program.
    Certain,
}

use Distribution::{Aks, Eks, Gke, K3s, Kind, Kubeadm, MicroK8s, OpenShift, Rancher, Rke2, Talos};
use Weight::{Certain, Strong, Weak};

/// The group of `DeploymentConfig`.
const APPS_GROUP: &str = "apps.openshift.io";

/// API groups that only a distribution has, or hardly anything else.
const GROUPS: &[(&str, Distribution, Weight)] = &[
    // github.com/openshift/api: the configuration of a cluster, and its operators'.
    ("config.openshift.io", OpenShift, Certain),
    ("cloudcredential.openshift.io", OpenShift, Strong),
    ("console.openshift.io", OpenShift, Strong),
    ("imageregistry.operator.openshift.io", OpenShift, Strong),
    ("ingress.operator.openshift.io", OpenShift, Strong),
    ("machine.openshift.io", OpenShift, Strong),
    ("machineconfiguration.openshift.io", OpenShift, Strong),
    ("operator.openshift.io", OpenShift, Strong),
    ("samples.operator.openshift.io", OpenShift, Strong),
    ("tuned.openshift.io", OpenShift, Strong),
    // Programs bring these for OpenShift and run elsewhere as well.
    (APPS_GROUP, OpenShift, Weak),
    ("authorization.openshift.io", OpenShift, Weak),
    ("build.openshift.io", OpenShift, Weak),
    ("image.openshift.io", OpenShift, Weak),
    ("oauth.openshift.io", OpenShift, Weak),
    ("project.openshift.io", OpenShift, Weak),
    ("quota.openshift.io", OpenShift, Weak),
    ("security.openshift.io", OpenShift, Weak),
    ("template.openshift.io", OpenShift, Weak),
    ("user.openshift.io", OpenShift, Weak),
    // eksctl.io, "Config file schema"; docs.aws.amazon.com, Amazon EKS user guide.
    ("eksctl.io", Eks, Strong),
    ("node.eks.aws", Eks, Strong),
    ("eks.amazonaws.com", Eks, Strong),
    ("crd.k8s.amazonaws.com", Eks, Strong),
    ("vpcresources.k8s.aws", Eks, Strong),
    ("karpenter.k8s.aws", Eks, Strong),
    ("elbv2.k8s.aws", Eks, Weak),
    // cloud.google.com, "BackendConfig", "FrontendConfig", "Config Connector".
    ("cloud.google.com", Gke, Strong),
    ("networking.gke.io", Gke, Strong),
    ("auto.gke.io", Gke, Strong),
    ("monitoring.googleapis.com", Gke, Weak),
    ("cnrm.cloud.google.com", Gke, Weak),
    // learn.microsoft.com, "Application Gateway Ingress Controller", "AAD Pod Identity".
    ("appgw.ingress.k8s.io", Aks, Weak),
    ("aadpodidentity.k8s.io", Aks, Weak),
    ("approuting.kubernetes.azure.com", Aks, Strong),
    ("alb.networking.azure.io", Aks, Weak),
    // docs.k3s.io, "Helm"; ranchermanager.docs.rancher.com.
    ("k3s.cattle.io", K3s, Strong),
    ("helm.cattle.io", K3s, Weak),
    ("management.cattle.io", Rancher, Strong),
    ("provisioning.cattle.io", Rancher, Strong),
    ("fleet.cattle.io", Rancher, Strong),
    ("catalog.cattle.io", Rancher, Strong),
    // kind.sigs.k8s.io, "Configuration"; kubernetes.io, "kubeadm Configuration"; talos.dev.
    ("kind.x-k8s.io", Kind, Strong),
    ("kubeadm.k8s.io", Kubeadm, Strong),
    ("talos.dev", Talos, Strong),
];

/// Annotations and labels by which users of a distribution speak to its controllers, as a
/// key or a prefix that ends with `/` or `-`.
const ANNOTATIONS: &[(&str, Distribution, Weight)] = &[
    // docs.aws.amazon.com, "IAM roles for service accounts".
    ("eks.amazonaws.com/", Eks, Strong),
    ("alb.ingress.kubernetes.io/", Eks, Weak),
    // cloud.google.com, "Workload Identity Federation for GKE", "Container-native load
    // balancing".
    ("iam.gke.io/", Gke, Strong),
    ("cloud.google.com/", Gke, Weak),
    ("networking.gke.io/", Gke, Strong),
    // learn.microsoft.com, "Microsoft Entra Workload ID" and "internal load balancer".
    ("azure.workload.identity/", Aks, Weak),
    ("service.beta.kubernetes.io/azure-", Aks, Weak),
    ("appgw.ingress.kubernetes.io/", Aks, Weak),
    ("kubernetes.azure.com/", Aks, Strong),
    // ranchermanager.docs.rancher.com, "Projects and Kubernetes namespaces".
    ("field.cattle.io/", Rancher, Strong),
    // docs.openshift.com, "Projects": what the API server of OpenShift notes on a namespace.
    ("openshift.io/sa.scc.", OpenShift, Certain),
    ("haproxy.router.openshift.io/", OpenShift, Weak),
    ("service.beta.openshift.io/", OpenShift, Weak),
    ("service.alpha.openshift.io/", OpenShift, Weak),
    ("serviceaccounts.openshift.io/", OpenShift, Weak),
    ("policy-group.network.openshift.io/", OpenShift, Weak),
    ("network.openshift.io/policy-group", OpenShift, Weak),
    ("openshift.io/cluster-monitoring", OpenShift, Weak),
    ("openshift.io/display-name", OpenShift, Weak),
    ("openshift.io/requester", OpenShift, Weak),
    ("include.release.openshift.io/", OpenShift, Weak),
    ("argocd.argoproj.io/managed-by", OpenShift, Weak),
    // Labels that the distribution puts on its nodes.
    ("node.openshift.io/", OpenShift, Certain),
    ("k3s.io/", K3s, Strong),
    ("p2p.k3s.cattle.io/", K3s, Strong),
    ("rke2.io/", Rke2, Strong),
    ("eks.amazonaws.com/nodegroup", Eks, Strong),
    ("cloud.google.com/gke-nodepool", Gke, Strong),
    ("microk8s.io/", MicroK8s, Strong),
];

/// Labels and annotations of workloads by which users speak to a distribution, as above.
const OF_WORKLOADS: &[(&str, Distribution)] = &[
    // docs.redhat.com, "Viewing application composition using the Topology view".
    ("app.openshift.io/", OpenShift),
    // docs.redhat.com, "Triggering updates on image stream changes".
    ("image.openshift.io/triggers", OpenShift),
    // docs.redhat.com, "Managing security context constraints".
    ("openshift.io/required-scc", OpenShift),
    ("openshift.io/scc", OpenShift),
];

/// The start of names of roles that a distribution brings, which others bind.
const ROLES: &[(&str, Distribution)] = &[
    // docs.redhat.com, "Default cluster roles", "Role-based access to SCCs".
    ("system:openshift:", OpenShift),
];

/// Registries of images that are a distribution's own.
const REGISTRIES: &[(&str, Distribution)] = &[
    // docs.redhat.com, "Accessing the registry".
    ("image-registry.openshift-image-registry.svc", OpenShift),
];

/// Classes of `Ingress` that the controllers of a distribution serve.
const CLASSES: &[(&str, Distribution, Weight)] = &[
    ("alb", Eks, Weak),
    ("gce", Gke, Weak),
    ("gce-internal", Gke, Weak),
    ("azure-application-gateway", Aks, Weak),
    ("webapprouting.kubernetes.azure.com", Aks, Strong),
    ("openshift-default", OpenShift, Strong),
];

/// The start of names of namespaces that a distribution reserves for itself.
const NAMESPACES: &[(&str, Distribution)] = &[("openshift-", OpenShift)];

impl Recognition {
    /// Takes an object into account.
    pub fn look_at(&mut self, object: &Object) {
        match object {
            Object::Namespace(namespace) => {
                self.namespace(&namespace.meta.name);
                self.metadata(&namespace.meta);
            }
            Object::Service(service) => self.metadata(&service.meta),
            Object::Node(node) => self.metadata(&node.meta),
            Object::NetworkPolicy(policy) => {
                self.namespace(policy.meta.namespace_name());
                for peer in policy.peers() {
                    let namespaces = peer.peer.namespace_selector.get();
                    for label in namespaces.iter().flat_map(|it| &it.match_labels) {
                        self.namespace(&label.value);
                        self.key(&label.key, &policy.meta, Sort::Label);
                    }
                    let entries = namespaces.iter().flat_map(|it| &it.match_expressions);
                    for value in entries.flat_map(|entry| &entry.values) {
                        self.namespace(value);
                    }
                }
            }
            Object::Workload(workload) => self.workload(workload),
            Object::ContextObject(object) => self.context_object(object),
            Object::PluginPolicy(policy) => {
                if policy.kind.product == Product::OvnKubernetes {
                    let by = format!("{} `{}`", policy.kind.name, policy.meta.name);
                    self.note(OpenShift, Sort::Group("k8s.ovn.org"), Weak, by);
                }
            }
            Object::ClusterNetworkPolicy(_) | Object::PluginResource(_) => {}
        }
    }

    fn context_object(&mut self, object: &ContextObject) {
        match object {
            ContextObject::Custom(object) => {
                self.object(&object.group, &object.kind, &object.meta);
            }
            ContextObject::ClusterNetwork(object) => {
                let version = object.meta.api_version.as_str();
                let group = version.split('/').next().unwrap_or_default();
                self.object(group, &object.kind, &object.meta);
            }
            ContextObject::Monitor(monitor) => {
                let version = monitor.meta.api_version.as_str();
                let group = version.split('/').next().unwrap_or_default();
                self.object(group, monitor.kind.name(), &monitor.meta);
            }
            ContextObject::ServiceAccount(account) => self.metadata(&account.meta),
            ContextObject::RoleBinding(binding) => self.binding(binding),
            ContextObject::Entrypoint(entrypoint) => {
                self.metadata(&entrypoint.meta);
                if entrypoint.kind == EntrypointKind::Route {
                    let by = format!(
                        "{}/Route/{}",
                        entrypoint.meta.namespace_name(),
                        entrypoint.meta.name
                    );
                    self.note(OpenShift, Sort::Group("route.openshift.io"), Weak, by);
                }
                let class = entrypoint.class.as_deref().unwrap_or_default();
                if let Some((class, distribution, weight)) =
                    CLASSES.iter().find(|(known, ..)| *known == class)
                {
                    let by = format!("the class `{class}` of Ingress `{}`", entrypoint.meta.name);
                    self.note(*distribution, Sort::Class(class), *weight, by);
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, group: &str, kind: &str, meta: &ObjectMeta) {
        let display = match &meta.namespace {
            Some(namespace) => format!("{namespace}/{kind}/{}", meta.name),
            None => format!("{kind}/{}", meta.name),
        };
        let rows = GROUPS.iter().filter(|(known, ..)| *known == group);
        for (group, distribution, weight) in rows {
            let by = format!("{display} of {group}");
            self.note(*distribution, Sort::Group(group), *weight, by);
        }
        // docs.rke2.io, "Helm Integration": the charts that RKE2 brings.
        if group == "helm.cattle.io" && meta.name.starts_with("rke2-") {
            let by = format!("{display} of helm.cattle.io");
            self.note(Rke2, Sort::Group("helm.cattle.io"), Strong, by);
        }
    }

    fn workload(&mut self, workload: &Workload) {
        self.namespace(workload.meta.namespace_name());
        let name = &workload.meta.name;
        if workload.kind == WorkloadKind::DeploymentConfig {
            let by = format!("DeploymentConfig `{name}`");
            self.note(OpenShift, Sort::Group(APPS_GROUP), Weak, by);
        }
        let metas = workload
            .meta
            .labels
            .iter()
            .chain(&workload.meta.annotations);
        for label in metas.chain(&workload.annotations) {
            let key = label.key.as_str();
            let known = OF_WORKLOADS.iter().filter(|row| is_written(row.0, key));
            for (known, distribution) in known {
                let by = format!("`{key}` of `{name}`");
                self.note(*distribution, Sort::Annotation(known), Weak, by);
            }
        }
        for image in workload.containers.iter().map(|it| it.image.as_str()) {
            let known = REGISTRIES.iter().filter(|row| image.starts_with(row.0));
            for (registry, distribution) in known {
                let by = format!("an image of `{name}` from `{registry}`");
                self.note(*distribution, Sort::Registry(registry), Weak, by);
            }
        }
    }

    fn binding(&mut self, binding: &RoleBinding) {
        let role = binding.role.as_str();
        for (prefix, distribution) in ROLES.iter().filter(|row| role.starts_with(row.0)) {
            let by = format!("`{role}`, which `{}` binds", binding.meta.name);
            self.note(*distribution, Sort::Role(prefix), Weak, by);
        }
    }

    fn namespace(&mut self, name: &str) {
        for (prefix, distribution) in NAMESPACES {
            if name.starts_with(prefix) {
                let by = format!("namespace `{name}`");
                self.note(*distribution, Sort::Namespaces, Weak, by);
            }
        }
    }

    fn metadata(&mut self, meta: &ObjectMeta) {
        let keys = |labels: &Labels| -> Vec<Text> {
            labels.iter().map(|label| label.key.value.clone()).collect()
        };
        for key in keys(&meta.annotations) {
            self.key(&key, meta, Sort::Annotation);
        }
        for key in keys(&meta.labels) {
            self.key(&key, meta, Sort::Label);
        }
    }

    fn key(&mut self, key: &str, meta: &ObjectMeta, sort: fn(&'static str) -> Sort) {
        let known = ANNOTATIONS.iter().filter(|row| is_written(row.0, key));
        for (known, distribution, weight) in known {
            let by = format!("`{key}` of `{}`", meta.name);
            self.note(*distribution, sort(known), *weight, by);
        }
    }

    fn note(&mut self, distribution: Distribution, sort: Sort, weight: Weight, by: String) {
        let signs = self.signs.entry(distribution).or_default();
        let sign = (weight, by);
        // Of several of one sort the strongest is kept, of those the first by its name, so
        // that the order of the files does not show.
        let entry = signs.entry(sort).or_insert_with(|| sign.clone());
        if (sign.0, &entry.1) > (entry.0, &sign.1) {
            *entry = sign;
        }
    }

    /// The distributions that enough was seen of, and those that too little was.
    pub(super) fn into_evidence(self) -> (Vec<Evidence>, Vec<Distribution>) {
        const SHOWN: usize = 3;
        let (mut found, mut hinted) = (Vec::new(), Vec::new());
        for (distribution, signs) in self.signs {
            let mut by: Vec<(Weight, String)> = signs.into_values().collect();
            let strongest = by.iter().map(|(weight, _)| *weight).max();
            if strongest < Some(Strong) && by.len() < 2 {
                hinted.push(distribution);
                continue;
            }
            by.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            let by = by.into_iter().take(SHOWN).map(|(_, by)| by).collect();
            found.push(Evidence {
                distribution,
                by,
                is_certain: strongest == Some(Certain),
            });
        }
        (found, hinted)
    }
}

/// Whether a key is the one of a table's row, or begins as that does.
fn is_written(known: &str, key: &str) -> bool {
    known == key || known.ends_with(['/', '-', '.']) && key.starts_with(known)
}
