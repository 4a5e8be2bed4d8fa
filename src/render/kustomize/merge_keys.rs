//! Which lists of which objects a strategic merge patch merges, and by which keys: the
//! `x-kubernetes-patch-merge-key` of the Kubernetes API. All other lists are replaced,
//! those of NetworkPolicies and of custom resources among them.
//!
//! Refuses to know how lists are merged.

use crate::render::object_id::Gvk;

/// What is known of a value by its place in the API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema {
    fields: &'static [Field],
    /// The keys by which the items of this list merge; none for a list of plain values.
    /// `None` for a list that is replaced, and for what is no list.
    pub(crate) merge: Option<&'static [&'static str]>,
}

/// A field that leads to lists that merge, or is one.
#[derive(Clone, Copy, Debug)]
struct Field {
    name: &'static str,
    schema: Schema,
}

impl Schema {
    /// That of an object; `None` for kinds that kustomize does not know.
    pub(crate) fn of(gvk: &Gvk) -> Option<Self> {
        let kind = (gvk.group.as_str(), gvk.version.as_str(), gvk.kind.as_str());
        let fields: &'static [Field] = match kind {
            ("", "v1", "Pod") => POD,
            ("", "v1", "PodTemplate") => POD_TEMPLATE_OBJECT,
            ("", "v1", "ReplicationController")
            | ("apps", "v1", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet")
            | ("batch", "v1", "Job") => WORKLOAD,
            ("batch", "v1" | "v1beta1", "CronJob") => CRON_JOB,
            ("", "v1", "Service") => SERVICE,
            ("", "v1", "ServiceAccount") => SERVICE_ACCOUNT,
            (
                "admissionregistration.k8s.io",
                "v1" | "v1beta1",
                "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration",
            ) => WEBHOOKS,
            (
                ""
                | "apps"
                | "batch"
                | "autoscaling"
                | "policy"
                | "networking.k8s.io"
                | "rbac.authorization.k8s.io"
                | "storage.k8s.io"
                | "apiextensions.k8s.io"
                | "apiregistration.k8s.io"
                | "scheduling.k8s.io"
                | "discovery.k8s.io"
                | "coordination.k8s.io",
                "v1" | "v1beta1",
                _,
            ) => OBJECT,
            _ => return None,
        };
        Some(map(fields))
    }

    /// That of a field of a mapping. What is not in the tables has nothing that merges.
    pub(crate) fn field(self, name: &str) -> Self {
        let found = self.fields.iter().find(|field| field.name == name);
        found.map_or(map(&[]), |field| field.schema)
    }

    /// That of the items of a list.
    pub(crate) fn item(self) -> Self {
        map(self.fields)
    }
}

const fn map(fields: &'static [Field]) -> Schema {
    Schema {
        fields,
        merge: None,
    }
}

const fn field(name: &'static str, fields: &'static [Field]) -> Field {
    let schema = map(fields);
    Field { name, schema }
}

const fn list(
    name: &'static str,
    keys: &'static [&'static str],
    fields: &'static [Field],
) -> Field {
    let merge = Some(keys);
    let schema = Schema { fields, merge };
    Field { name, schema }
}

const METADATA: Field = field(
    "metadata",
    &[
        list("finalizers", &[], &[]),
        list("ownerReferences", &["uid"], &[]),
    ],
);

const OBJECT: &[Field] = &[METADATA];

const POD: &[Field] = &[METADATA, field("spec", POD_SPEC)];

const POD_TEMPLATE: Field = field("template", POD);

const POD_TEMPLATE_OBJECT: &[Field] = &[METADATA, POD_TEMPLATE];

const WORKLOAD: &[Field] = &[METADATA, field("spec", &[POD_TEMPLATE])];

const CRON_JOB: &[Field] = &[METADATA, field("spec", &[field("jobTemplate", WORKLOAD)])];

const SERVICE: &[Field] = &[
    METADATA,
    field("spec", &[list("ports", &["port", "protocol"], &[])]),
];

const SERVICE_ACCOUNT: &[Field] = &[METADATA, list("secrets", &["name"], &[])];

const WEBHOOKS: &[Field] = &[METADATA, list("webhooks", &["name"], &[])];

const POD_SPEC: &[Field] = &[
    list("containers", &["name"], CONTAINER),
    list("initContainers", &["name"], CONTAINER),
    list("ephemeralContainers", &["name"], EPHEMERAL_CONTAINER),
    list("volumes", &["name"], &[]),
    list("hostAliases", &["ip"], &[]),
    list("imagePullSecrets", &["name"], &[]),
    list(
        "topologySpreadConstraints",
        &["topologyKey", "whenUnsatisfiable"],
        &[],
    ),
];

const CONTAINER: &[Field] = &[
    list("ports", &["containerPort", "protocol"], &[]),
    list("env", &["name"], &[]),
    list("volumeMounts", &["mountPath"], &[]),
    list("volumeDevices", &["devicePath"], &[]),
];

const EPHEMERAL_CONTAINER: &[Field] = &[
    list("env", &["name"], &[]),
    list("volumeMounts", &["mountPath"], &[]),
    list("volumeDevices", &["devicePath"], &[]),
];
