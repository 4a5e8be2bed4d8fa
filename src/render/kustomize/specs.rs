//! Which fields each transformer changes: kustomize's own lists, and what `configurations`
//! and `crds` add to them.
//!
//! Refuses to know how the fields are changed. The lists are those of kustomize's
//! `api/internal/konfig/builtinpluginconsts`.

use super::field_spec::FieldSpec;
use super::file;
use super::order;
use crate::render::object_id::Gvk;
use crate::render::value::Value;
use std::sync::OnceLock;

/// The fields of every transformer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Specs {
    /// Of `namePrefix`.
    pub(crate) name_prefix: Vec<FieldSpec>,
    /// Of `nameSuffix`.
    pub(crate) name_suffix: Vec<FieldSpec>,
    /// Of `namespace`, beside `metadata.namespace`.
    pub(crate) namespace: Vec<FieldSpec>,
    /// Of `labels` as such; kustomize has none of its own.
    pub(crate) labels: Vec<FieldSpec>,
    /// Of `labels` with `includeTemplates`.
    pub(crate) template_labels: Vec<FieldSpec>,
    /// Of `commonLabels`, and of `labels` with `includeSelectors`.
    pub(crate) common_labels: Vec<FieldSpec>,
    /// Of `commonAnnotations`.
    pub(crate) common_annotations: Vec<FieldSpec>,
    /// Of `images`.
    pub(crate) images: Vec<FieldSpec>,
    /// Of `replicas`.
    pub(crate) replicas: Vec<FieldSpec>,
    /// Where variables are replaced.
    pub(crate) variables: Vec<FieldSpec>,
    /// Where names of other objects stand, by the kind of those objects.
    pub(crate) references: Vec<Reference>,
}

/// Where names of objects of one kind stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The kind of the objects whose names these are.
    pub(crate) target: Gvk,
    /// Where the names stand.
    pub(crate) fields: Vec<FieldSpec>,
}

impl Specs {
    /// kustomize's own lists.
    pub(crate) fn default_specs() -> &'static Specs {
        static DEFAULT: OnceLock<Specs> = OnceLock::new();
        DEFAULT.get_or_init(default_specs)
    }

    /// Adds what is not there yet, and sorts all by kind, as kustomize does: so a field of one
    /// kind, which comes first, stands for that field of every kind when lists are merged
    /// again. Returns what is wrong where both say otherwise of one field.
    pub(crate) fn merge(&mut self, other: &Specs) -> Option<String> {
        let mut conflict = None;
        for (all, more) in [
            (&mut self.name_prefix, &other.name_prefix),
            (&mut self.name_suffix, &other.name_suffix),
            (&mut self.namespace, &other.namespace),
            (&mut self.labels, &other.labels),
            (&mut self.template_labels, &other.template_labels),
            (&mut self.common_labels, &other.common_labels),
            (&mut self.common_annotations, &other.common_annotations),
            (&mut self.images, &other.images),
            (&mut self.replicas, &other.replicas),
            (&mut self.variables, &other.variables),
        ] {
            if more.is_empty() {
                continue;
            }
            conflict = conflict.or(FieldSpec::merge(all, more));
            all.sort_by_cached_key(|spec| order::rank(&spec.gvk));
        }
        for reference in &other.references {
            let mut all = self.references.iter_mut();
            match all.find(|known| known.target == reference.target) {
                Some(known) => {
                    let fields = &mut known.fields;
                    conflict = conflict.or(FieldSpec::merge(fields, &reference.fields));
                }
                None => self.references.push(reference.clone()),
            }
        }
        conflict.map(FieldSpec::conflict)
    }

    /// How many fields they name.
    pub(crate) fn count(&self) -> usize {
        let lists = [
            &self.name_prefix,
            &self.name_suffix,
            &self.namespace,
            &self.labels,
            &self.template_labels,
            &self.common_labels,
            &self.common_annotations,
            &self.images,
            &self.replicas,
            &self.variables,
        ];
        let fields = lists.into_iter().map(Vec::len).sum::<usize>();
        let of_references = self.references.iter();
        fields + of_references.map(|it| 1 + it.fields.len()).sum::<usize>()
    }

    /// Reads one file of `configurations`.
    pub(crate) fn read(file: &Value<'_>) -> Self {
        let list = |name: &str| -> Vec<FieldSpec> {
            let fields = file.get(name);
            fields
                .iter()
                .flat_map(Value::items)
                .map(|it| field_spec(&it))
                .collect()
        };
        let reference = |item: Value<'_>| {
            let fields = item.get("fieldSpecs");
            Reference {
                target: gvk(&item),
                fields: fields
                    .iter()
                    .flat_map(Value::items)
                    .map(|it| field_spec(&it))
                    .collect(),
            }
        };
        let references = file.get("nameReference");
        Self {
            name_prefix: list("namePrefix"),
            name_suffix: list("nameSuffix"),
            namespace: list("namespace"),
            labels: list("labels"),
            template_labels: list("templateLabels"),
            common_labels: list("commonLabels"),
            common_annotations: list("commonAnnotations"),
            images: list("images"),
            replicas: list("replicas"),
            variables: list("varReference"),
            references: references
                .iter()
                .flat_map(Value::items)
                .map(reference)
                .collect(),
        }
    }
}

/// Group, version and kind as a selection in a file names them.
pub(crate) fn gvk(value: &Value<'_>) -> Gvk {
    Gvk {
        group: value.text_of(&["group"]),
        version: value.text_of(&["version"]),
        kind: value.text_of(&["kind"]),
    }
}

/// A field specification of a file.
pub(crate) fn field_spec(value: &Value<'_>) -> FieldSpec {
    let create = value.text_of(&["create"]) == "true";
    FieldSpec::new(gvk(value), &value.text_of(&["path"]), create)
}

/// `kind`, `group/kind`, `group/version/kind` or `/version/kind`.
fn parse_gvk(text: &str) -> Gvk {
    let parts: Vec<&str> = text.split('/').collect();
    let (group, version, kind) = match parts[..] {
        [kind] => ("", "", kind),
        [group, kind] => (group, "", kind),
        [group, version, kind] => (group, version, kind),
        _ => ("", "", text),
    };
    Gvk {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
    }
}

fn spec(gvk: &str, path: &str, create: bool) -> FieldSpec {
    FieldSpec::new(parse_gvk(gvk), path, create)
}

/// Where the labels of one entry of `labels` are set. Fields of its own may not say otherwise
/// than kustomize's lists whether they are made.
pub(crate) fn label_fields(label: &Value<'_>, specs: &Specs) -> Result<Vec<FieldSpec>, String> {
    let own = file::items(label, "fields");
    let mut fields: Vec<FieldSpec> = own.iter().map(field_spec).collect();
    let metadata = [FieldSpec::new(Gvk::default(), "metadata/labels", true)];
    let lists: &[&[FieldSpec]] = match (
        file::is_true(label, "includeSelectors"),
        file::is_true(label, "includeTemplates"),
    ) {
        (true, _) => &[&specs.labels, &specs.common_labels],
        (false, true) => &[&specs.labels, &specs.template_labels, &metadata],
        (false, false) => &[&specs.labels, &metadata],
    };
    for list in lists {
        if let Some(spec) = FieldSpec::merge(&mut fields, list) {
            return Err(spec.conflict());
        }
    }
    Ok(fields)
}

/// Where objects keep the pods that they make: the kind, and the way to the pod's `spec`.
const POD_SPECS: &[(&str, &str)] = &[
    ("/v1/Pod", "spec"),
    ("PodTemplate", "template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicaSet", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
];

/// The fields of a pod's `spec` that name a ConfigMap.
const CONFIG_MAP_FIELDS: &[&str] = &[
    "volumes/configMap/name",
    "containers/env/valueFrom/configMapKeyRef/name",
    "initContainers/env/valueFrom/configMapKeyRef/name",
    "containers/envFrom/configMapRef/name",
    "initContainers/envFrom/configMapRef/name",
    "volumes/projected/sources/configMap/name",
];

/// The fields of a pod's `spec` that name a Secret.
const SECRET_FIELDS: &[&str] = &[
    "volumes/secret/secretName",
    "containers/env/valueFrom/secretKeyRef/name",
    "initContainers/env/valueFrom/secretKeyRef/name",
    "containers/envFrom/secretRef/name",
    "initContainers/envFrom/secretRef/name",
    "imagePullSecrets/name",
    "volumes/projected/sources/secret/name",
];

/// Where kinds keep a pod's `spec` that names a ServiceAccount, a claim or a priority.
const POD_OWNERS: &[(&str, &str)] = &[
    ("Pod", "spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicationController", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
];

/// The fields of a container in which variables are replaced.
const VARIABLE_FIELDS: &[&str] = &["args", "command", "env/value", "volumeMounts/mountPath"];

/// Where names of objects stand outside of pods: their kind, the field, the kind of the
/// objects.
const REFERENCES: &[(&str, &[(&str, &str)])] = &[
    (
        "Deployment",
        &[("HorizontalPodAutoscaler", "spec/scaleTargetRef/name")],
    ),
    (
        "ReplicationController",
        &[("HorizontalPodAutoscaler", "spec/scaleTargetRef/name")],
    ),
    (
        "ReplicaSet",
        &[("HorizontalPodAutoscaler", "spec/scaleTargetRef/name")],
    ),
    (
        "StatefulSet",
        &[("HorizontalPodAutoscaler", "spec/scaleTargetRef/name")],
    ),
    (
        "/v1/ConfigMap",
        &[
            ("Node", "spec/configSource/configMap"),
            ("Role", "rules/resourceNames"),
            ("ClusterRole", "rules/resourceNames"),
            (
                "Ingress",
                r"metadata/annotations/nginx.ingress.kubernetes.io\/fastcgi-params-configmap",
            ),
        ],
    ),
    (
        "/v1/Secret",
        &[
            ("Ingress", "spec/tls/secretName"),
            (
                "Ingress",
                r"metadata/annotations/ingress.kubernetes.io\/auth-secret",
            ),
            (
                "Ingress",
                r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-secret",
            ),
            (
                "Ingress",
                r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-tls-secret",
            ),
            ("ServiceAccount", "imagePullSecrets/name"),
            ("StorageClass", "parameters/secretName"),
            ("StorageClass", "parameters/adminSecretName"),
            ("StorageClass", "parameters/userSecretName"),
            ("StorageClass", "parameters/secretRef"),
            ("Role", "rules/resourceNames"),
            ("ClusterRole", "rules/resourceNames"),
            (
                "serving.knative.dev/v1/Service",
                "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
            ),
            ("PersistentVolume", "spec/azureFile/secretName"),
        ],
    ),
    (
        "/v1/Service",
        &[
            ("apps/StatefulSet", "spec/serviceName"),
            ("Ingress", "spec/rules/http/paths/backend/serviceName"),
            ("Ingress", "spec/backend/serviceName"),
            ("Ingress", "spec/rules/http/paths/backend/service/name"),
            ("Ingress", "spec/defaultBackend/service/name"),
            ("apiregistration.k8s.io/APIService", "spec/service/name"),
            (
                "admissionregistration.k8s.io/ValidatingWebhookConfiguration",
                "webhooks/clientConfig/service",
            ),
            (
                "admissionregistration.k8s.io/MutatingWebhookConfiguration",
                "webhooks/clientConfig/service",
            ),
        ],
    ),
    (
        "rbac.authorization.k8s.io/Role",
        &[("rbac.authorization.k8s.io/RoleBinding", "roleRef/name")],
    ),
    (
        "rbac.authorization.k8s.io/ClusterRole",
        &[
            ("rbac.authorization.k8s.io/RoleBinding", "roleRef/name"),
            (
                "rbac.authorization.k8s.io/ClusterRoleBinding",
                "roleRef/name",
            ),
        ],
    ),
    (
        "/v1/ServiceAccount",
        &[
            ("rbac.authorization.k8s.io/RoleBinding", "subjects"),
            ("rbac.authorization.k8s.io/ClusterRoleBinding", "subjects"),
        ],
    ),
    ("/v1/PersistentVolumeClaim", &[]),
    (
        "/v1/PersistentVolume",
        &[
            ("PersistentVolumeClaim", "spec/volumeName"),
            ("ClusterRole", "rules/resourceNames"),
        ],
    ),
    (
        "storage.k8s.io/v1/StorageClass",
        &[
            ("PersistentVolume", "spec/storageClassName"),
            ("PersistentVolumeClaim", "spec/storageClassName"),
            (
                "StatefulSet",
                "spec/volumeClaimTemplates/spec/storageClassName",
            ),
        ],
    ),
    ("scheduling.k8s.io/v1/PriorityClass", &[]),
    (
        "admissionregistration.k8s.io/ValidatingAdmissionPolicy",
        &[(
            "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding",
            "spec/policyName",
        )],
    ),
];

/// The metadata of pod templates: of `labels` with `includeTemplates`.
const METADATA_LABELS: &[(&str, &str)] = &[
    ("", "metadata/labels"),
    ("/v1/ReplicationController", "spec/template/metadata/labels"),
    ("Deployment", "spec/template/metadata/labels"),
    ("ReplicaSet", "spec/template/metadata/labels"),
    ("DaemonSet", "spec/template/metadata/labels"),
    ("apps/StatefulSet", "spec/template/metadata/labels"),
    (
        "apps/StatefulSet",
        "spec/volumeClaimTemplates[]/metadata/labels",
    ),
    ("batch/Job", "spec/template/metadata/labels"),
    ("batch/CronJob", "spec/jobTemplate/metadata/labels"),
    (
        "batch/CronJob",
        "spec/jobTemplate/spec/template/metadata/labels",
    ),
];

/// Selectors that get `commonLabels`, and whether they are made where there is none.
const SELECTORS: &[(&str, &str, bool)] = &[
    ("/v1/Service", "spec/selector", true),
    ("/v1/ReplicationController", "spec/selector", true),
    ("Deployment", "spec/selector/matchLabels", true),
    ("ReplicaSet", "spec/selector/matchLabels", true),
    ("DaemonSet", "spec/selector/matchLabels", true),
    ("apps/StatefulSet", "spec/selector/matchLabels", true),
    ("batch/Job", "spec/selector/matchLabels", false),
    (
        "batch/CronJob",
        "spec/jobTemplate/spec/selector/matchLabels",
        false,
    ),
    (
        "policy/PodDisruptionBudget",
        "spec/selector/matchLabels",
        false,
    ),
    (
        "networking.k8s.io/NetworkPolicy",
        "spec/podSelector/matchLabels",
        false,
    ),
    (
        "networking.k8s.io/NetworkPolicy",
        "spec/ingress/from/podSelector/matchLabels",
        false,
    ),
    (
        "networking.k8s.io/NetworkPolicy",
        "spec/egress/to/podSelector/matchLabels",
        false,
    ),
];

/// Selectors of a pod's placement, which get `commonLabels` in Deployments and StatefulSets.
const PLACEMENT_SELECTORS: &[&str] = &[
    "affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
    "affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
    "affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
    "affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
    "topologySpreadConstraints/labelSelector/matchLabels",
];

fn default_specs() -> Specs {
    let metadata_labels = METADATA_LABELS.iter();
    let template_labels: Vec<FieldSpec> = metadata_labels
        .map(|(gvk, path)| spec(gvk, path, true))
        .collect();
    let selectors = SELECTORS.iter();
    let mut common_labels: Vec<FieldSpec> = selectors
        .map(|(gvk, path, create)| spec(gvk, path, *create))
        .collect();
    for gvk in ["apps/Deployment", "apps/StatefulSet"] {
        let placed = PLACEMENT_SELECTORS.iter();
        common_labels
            .extend(placed.map(|path| spec(gvk, &format!("spec/template/spec/{path}"), false)));
    }
    common_labels.extend(template_labels.iter().cloned());
    let annotated = [
        ("", "metadata/annotations"),
        (
            "/v1/ReplicationController",
            "spec/template/metadata/annotations",
        ),
        ("Deployment", "spec/template/metadata/annotations"),
        ("ReplicaSet", "spec/template/metadata/annotations"),
        ("DaemonSet", "spec/template/metadata/annotations"),
        ("StatefulSet", "spec/template/metadata/annotations"),
        ("batch/Job", "spec/template/metadata/annotations"),
        ("batch/CronJob", "spec/jobTemplate/metadata/annotations"),
        (
            "batch/CronJob",
            "spec/jobTemplate/spec/template/metadata/annotations",
        ),
    ];
    let images = [
        "spec/containers[]/image",
        "spec/initContainers[]/image",
        "spec/template/spec/containers[]/image",
        "spec/template/spec/initContainers[]/image",
    ];
    let scaled = [
        "Deployment",
        "ReplicationController",
        "ReplicaSet",
        "StatefulSet",
    ];
    Specs {
        name_prefix: vec![spec("", "metadata/name", false)],
        name_suffix: vec![spec("", "metadata/name", false)],
        namespace: vec![
            spec("Namespace", "metadata/name", true),
            spec(
                "apiregistration.k8s.io/APIService",
                "spec/service/namespace",
                true,
            ),
            spec(
                "apiextensions.k8s.io/CustomResourceDefinition",
                "spec/conversion/webhook/clientConfig/service/namespace",
                false,
            ),
        ],
        labels: Vec::new(),
        template_labels,
        common_labels,
        common_annotations: annotated
            .iter()
            .map(|(gvk, path)| spec(gvk, path, true))
            .collect(),
        images: images.iter().map(|path| spec("", path, true)).collect(),
        replicas: scaled
            .iter()
            .map(|kind| spec(kind, "spec/replicas", true))
            .collect(),
        variables: variables(),
        references: references(),
    }
}

fn variables() -> Vec<FieldSpec> {
    let mut specs = Vec::new();
    for (kind, pod) in POD_SPECS.iter().filter(|(kind, _)| *kind != "PodTemplate") {
        // Variables are looked for in pods of any version.
        let kind = kind.trim_start_matches("/v1/");
        for containers in ["containers", "initContainers"] {
            let fields = VARIABLE_FIELDS.iter();
            specs.extend(
                fields.map(|field| spec(kind, &format!("{pod}/{containers}/{field}"), false)),
            );
        }
        // For CronJobs kustomize looks beside the pod's specification (`varreference.go`).
        let place = match kind == "CronJob" {
            true => pod.trim_end_matches("/spec"),
            false => pod,
        };
        if kind != "StatefulSet" {
            specs.push(spec(kind, &format!("{place}/volumes/nfs/server"), false));
        }
    }
    let others = [
        ("Deployment", "spec/template/metadata/annotations"),
        ("Ingress", "spec/rules/host"),
        ("Ingress", "spec/tls/hosts"),
        ("Ingress", "spec/tls/secretName"),
        ("Service", "spec/ports/port"),
        ("Service", "spec/ports/targetPort"),
        ("StatefulSet", "spec/volumeClaimTemplates/spec/nfs/server"),
        ("PersistentVolume", "spec/nfs/server"),
        ("", "metadata/labels"),
        ("", "metadata/annotations"),
    ];
    specs.extend(others.map(|(kind, path)| spec(kind, path, false)));
    specs
}

fn references() -> Vec<Reference> {
    let in_pods = |owners: &[(&str, &str)], fields: &[&str]| -> Vec<FieldSpec> {
        let owners = owners.iter();
        owners
            .flat_map(|(kind, pod)| {
                let fields = fields.iter();
                fields.map(move |field| spec(kind, &format!("{pod}/{field}"), false))
            })
            .collect()
    };
    let reference = |(target, fields): &(&str, &[(&str, &str)])| {
        let mut specs = match *target {
            "/v1/ConfigMap" => in_pods(POD_SPECS, CONFIG_MAP_FIELDS),
            "/v1/Secret" => in_pods(POD_SPECS, SECRET_FIELDS),
            "/v1/ServiceAccount" => in_pods(POD_OWNERS, &["serviceAccountName"]),
            "/v1/PersistentVolumeClaim" => {
                in_pods(POD_OWNERS, &["volumes/persistentVolumeClaim/claimName"])
            }
            "scheduling.k8s.io/v1/PriorityClass" => in_pods(POD_OWNERS, &["priorityClassName"]),
            _ => Vec::new(),
        };
        specs.extend(fields.iter().map(|(kind, path)| spec(kind, path, false)));
        Reference {
            target: parse_gvk(target),
            fields: specs,
        }
    };
    REFERENCES.iter().map(reference).collect()
}
