//! Which lists of which objects a strategic merge patch merges, and by which keys: the
//! `x-kubernetes-patch-merge-key` of the Kubernetes API, or of definitions that a kustomization
//! names in `openapi`. All other lists are replaced, those of NetworkPolicies and of other
//! custom resources among them.
//!
//! Refuses to know how lists are merged.

use crate::render::object_id::Gvk;
use crate::yaml::Node;

/// The definitions of an API that a kustomization names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Definitions<'t> {
    /// `definitions`, a mapping by name.
    all: Node<'t>,
    /// Whether they take the place of Kubernetes' own, to which they are added else.
    pub(crate) is_instead: bool,
}

impl<'t> Definitions<'t> {
    /// Those of a document, which may have none.
    pub(crate) fn of(document: Node<'t>, is_instead: bool) -> Self {
        let all = document.get("definitions").unwrap_or(document);
        Self { all, is_instead }
    }

    /// That of an object.
    fn object(&self, gvk: &Gvk) -> Option<Node<'t>> {
        let is_it = |known: Node<'_>| {
            let text = |name: &str| known.get(name).and_then(Node::text).unwrap_or_default();
            text("group") == gvk.group && text("version") == gvk.version && text("kind") == gvk.kind
        };
        let found = self.all.entries().map(|entry| entry.value).filter(|it| {
            let kinds = it.get("x-kubernetes-group-version-kind");
            kinds.is_some_and(|kinds| kinds.items().any(is_it))
        });
        found.last()
    }

    /// What a schema stands for: itself, or the definition that it names, which may be one of
    /// Kubernetes' own.
    fn resolved(self, mut schema: Node<'t>) -> Option<Schema<'t>> {
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = schema.get("$ref").and_then(Node::text) else {
                return Some(Schema::Defined(self, schema));
            };
            let name = reference.strip_prefix("#/definitions/")?;
            match self.all.get(name) {
                Some(named) => schema = named,
                None if self.is_instead => return None,
                None => return Known::of_definition(name).map(Schema::Known),
            }
        }
        None
    }
}

/// How many definitions may lead to one another.
const MAX_REFERENCES: usize = 64;

/// What is known of a value by its place in the API.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Schema<'t> {
    /// By Kubernetes' API.
    Known(Known),
    /// By a schema of definitions that a kustomization names.
    Defined(Definitions<'t>, Node<'t>),
}

/// What is known of a value by its place in Kubernetes' API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    fields: &'static [Field],
    merge: Option<&'static [&'static str]>,
}

/// A field that leads to lists that merge, or is one.
#[derive(Clone, Copy, Debug)]
struct Field {
    name: &'static str,
    known: Known,
}

impl<'t> Schema<'t> {
    /// That of an object; `None` for kinds that kustomize does not know.
    pub(crate) fn of(gvk: &Gvk, definitions: Option<Definitions<'t>>) -> Option<Self> {
        if let Some(definitions) = definitions {
            if let Some(schema) = definitions.object(gvk) {
                return Some(Self::Defined(definitions, schema));
            }
            if definitions.is_instead {
                return None;
            }
        }
        Known::of(gvk).map(Self::Known)
    }

    /// That of a field of a mapping. What nothing is known of has nothing that merges.
    pub(crate) fn field(self, name: &str) -> Option<Self> {
        match self {
            Self::Known(known) => Some(Self::Known(known.field(name))),
            Self::Defined(definitions, schema) => {
                let properties = schema.get("properties");
                let own = properties.and_then(|properties| properties.get(name));
                let found = own.or_else(|| schema.get("additionalProperties"))?;
                definitions.resolved(found)
            }
        }
    }

    /// That of the items of a list.
    pub(crate) fn item(self) -> Option<Self> {
        match self {
            Self::Known(known) => Some(Self::Known(map(known.fields))),
            Self::Defined(definitions, schema) => definitions.resolved(schema.get("items")?),
        }
    }

    /// The keys by which the items of this list merge; none for a list of plain values.
    /// `None` for a list that is replaced, and for what is no list.
    pub(crate) fn merge(self) -> Option<Vec<&'t str>> {
        match self {
            Self::Known(known) => known.merge.map(<[&str]>::to_vec),
            Self::Defined(_, schema) => {
                let text = |name: &str| schema.get(name).and_then(Node::text);
                if text("x-kubernetes-patch-strategy") != Some("merge") {
                    return None;
                }
                let keys = schema.get("x-kubernetes-list-map-keys");
                let keys = keys.map(|keys| keys.items().filter_map(Node::text).collect());
                Some(keys.unwrap_or_else(|| {
                    let key = text("x-kubernetes-patch-merge-key");
                    key.into_iter().collect()
                }))
            }
        }
    }
}

impl Known {
    fn of(gvk: &Gvk) -> Option<Self> {
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

    /// That of a definition by its name.
    fn of_definition(name: &str) -> Option<Self> {
        let fields = match name.strip_prefix("io.k8s.api.core.v1.")? {
            "PodTemplateSpec" => POD,
            "PodSpec" => POD_SPEC,
            "Container" => CONTAINER,
            "EphemeralContainer" => EPHEMERAL_CONTAINER,
            _ => return None,
        };
        Some(map(fields))
    }

    /// That of a field of a mapping. What is not in the tables has nothing that merges.
    fn field(self, name: &str) -> Self {
        let found = self.fields.iter().find(|field| field.name == name);
        found.map_or(map(&[]), |field| field.known)
    }
}

const fn map(fields: &'static [Field]) -> Known {
    Known {
        fields,
        merge: None,
    }
}

const fn field(name: &'static str, fields: &'static [Field]) -> Field {
    let known = map(fields);
    Field { name, known }
}

const fn list(
    name: &'static str,
    keys: &'static [&'static str],
    fields: &'static [Field],
) -> Field {
    let merge = Some(keys);
    let known = Known { fields, merge };
    Field { name, known }
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
