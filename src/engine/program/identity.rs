//! What Cilium tells ends apart by: the labels of an identity, and selectors of them (C3 to
//! C6).
//!
//! Refuses to know policies, and which pods there are.

use super::condition::{Asks, LabelTest, Unmet};
use crate::cluster::CiliumOptions;
use crate::engine::PodView;
use crate::engine::endpoint::SERVICE_ACCOUNT_KEY;
use crate::k8s::{
    Controller, LabelSelector, NAMESPACE_NAME_LABEL, Operator, Truth, is_opaque, may_be_absent,
};

/// The label with the name of a pod's namespace.
pub(super) const NAMESPACE_KEY: &str = "io.kubernetes.pod.namespace";
/// In front of the labels of a pod's namespace.
pub(super) const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels";
/// The label with the name of the cluster.
pub(super) const CLUSTER_KEY: &str = "io.cilium.k8s.policy.cluster";
/// The own cluster, whatever it is called: no name of a cluster has a blank.
pub(super) const CLUSTER: &str = "this cluster";
/// The name of a cluster that is in no mesh.
const DEFAULT_NAME: &str = "default";
/// The name of a cluster that may be the own one.
const SOME_CLUSTER: &str = "${cluster-name}";
/// The name of a cluster that is not the own one: none is called so.
const ANOTHER_CLUSTER: &str = "";

/// An end that is neither a pod nor outside, which Cilium knows by a reserved label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// The node of the pod that is asked about.
    Host,
    /// Another node.
    RemoteNode,
    /// The API server, on another node.
    KubeApiserver,
    /// Cilium's Envoy.
    Ingress,
    /// Cilium's health checks.
    Health,
    /// An endpoint without labels yet.
    Init,
    /// An endpoint that Cilium does not manage.
    Unmanaged,
}

impl Entity {
    /// All of them, in the order of the columns.
    pub const ALL: [Self; 7] = [
        Self::Host,
        Self::RemoteNode,
        Self::KubeApiserver,
        Self::Ingress,
        Self::Health,
        Self::Init,
        Self::Unmanaged,
    ];

    /// Its reserved label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::RemoteNode => "remote-node",
            Self::KubeApiserver => "kube-apiserver",
            Self::Ingress => "ingress",
            Self::Health => "health",
            Self::Init => "init",
            Self::Unmanaged => "unmanaged",
        }
    }

    /// All its reserved labels.
    fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Host => &["host"],
            Self::RemoteNode => &["remote-node"],
            Self::KubeApiserver => &["kube-apiserver", "remote-node"],
            Self::Ingress => &["ingress"],
            Self::Health => &["health"],
            Self::Init => &["init"],
            Self::Unmanaged => &["unmanaged"],
        }
    }
}

/// Where a label comes from, as a selector's key says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// Anywhere.
    Any,
    /// `k8s:`.
    Kubernetes,
    /// `reserved:`.
    Reserved,
    /// Another one, which no end of npcheck's has.
    Other,
}

/// A requirement on the labels of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct IdentityRequirement {
    pub(super) source: Source,
    pub(super) key: String,
    pub(super) operator: Operator,
    pub(super) values: Vec<String>,
    /// Whether the selector does not say it, and Cilium adds it.
    pub(super) is_implied: bool,
    /// Whether identities keep a pod's label of this key.
    pub(super) is_kept: bool,
    /// Whether nobody knows if identities keep it.
    pub(super) may_be_dropped: bool,
    /// Whether the cluster speaks both families, on which the label of the outside depends.
    pub(super) is_dual_stack: bool,
}

/// A selector of identities: all requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Identities(pub(super) Vec<IdentityRequirement>);

/// What a selector of identities asks of pods, in the labels of their manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndLabel {
    /// A label of the pod; its service account is one, too.
    Pod(LabelTest),
    /// A label of its namespace.
    Namespace(LabelTest),
    /// What no pod has.
    OfNoPod,
}

/// The labels of an end.
#[derive(Clone, Copy)]
pub(super) enum IdentityView<'a, 'c> {
    /// Of a pod.
    Pod(&'a PodView<'c>),
    /// Reserved ones.
    Reserved(&'a [&'static str]),
    /// Of an address outside, which is an IPv4 address or not.
    Outside(bool),
}

impl<'a, 'c> IdentityView<'a, 'c> {
    /// The labels of a pod: one on the network of its node is taken to be on another node
    /// than whoever it is compared with.
    pub(super) fn of(pod: &'a PodView<'c>) -> Self {
        match pod.host_network {
            true => Self::Reserved(&["remote-node"]),
            false => Self::Pod(pod),
        }
    }

    /// The labels of an entity.
    pub(super) fn entity(entity: Entity) -> Self {
        Self::Reserved(entity.labels())
    }

    /// Whether an address outside has the reserved label that is asked for: that of its family
    /// in a cluster of both, `world` in any other (`getWorldLabel` in `pkg/labels/cidr.go`).
    fn is_world(&self, asked: &IdentityRequirement) -> bool {
        let (Self::Outside(is_ipv4), Source::Any | Source::Reserved) = (self, asked.source) else {
            return false;
        };
        match asked.key.as_str() {
            "world" => !asked.is_dual_stack,
            "world-ipv4" => asked.is_dual_stack && *is_ipv4,
            "world-ipv6" => asked.is_dual_stack && !*is_ipv4,
            _ => false,
        }
    }

    /// Who adds labels to a pod that its manifest does not have.
    fn controller(&self) -> Option<Controller<'c>> {
        match self {
            Self::Pod(pod) => pod.controller,
            Self::Reserved(_) | Self::Outside(_) => None,
        }
    }

    fn get(&self, asked: &IdentityRequirement) -> Option<&str> {
        let key = asked.key.as_str();
        match (self, asked.source) {
            (Self::Pod(pod), Source::Any | Source::Kubernetes) if asked.is_kept => {
                label_of(pod, key)
            }
            (Self::Reserved(names), Source::Any | Source::Reserved) => {
                names.contains(&key).then_some("")
            }
            (Self::Outside(_), _) => self.is_world(asked).then_some(""),
            _ => None,
        }
    }

    /// Whether a pod has a label of this key, be it in its identity or not.
    fn has_label(&self, key: &str) -> bool {
        match self {
            Self::Pod(pod) => pod.labels.get(key).is_some(),
            Self::Reserved(_) | Self::Outside(_) => false,
        }
    }

    /// Whether it is not known if there is a label of this key.
    fn is_unknown(&self, key: &str) -> bool {
        let Self::Pod(pod) = self else { return false };
        match key
            .strip_prefix(NAMESPACE_LABELS)
            .and_then(|key| key.strip_prefix('.'))
        {
            Some(key) => {
                let is_open =
                    !pod.namespace.are_labels_known || has_opaque_key(pod.namespace.labels);
                is_open && key != NAMESPACE_NAME_LABEL
            }
            None => {
                let is_open = !pod.are_labels_known || has_opaque_key(pod.labels);
                is_open && !matches!(key, NAMESPACE_KEY | CLUSTER_KEY | SERVICE_ACCOUNT_KEY)
            }
        }
    }
}

/// Whether another tool fills in the key of a label, which may be any.
fn has_opaque_key(labels: &crate::k8s::Labels) -> bool {
    labels.iter().any(|label| is_opaque(&label.key))
}

/// A label of a pod's identity, if identities keep those of this key (C4).
fn label_of<'a>(pod: &'a PodView<'_>, key: &str) -> Option<&'a str> {
    match key {
        NAMESPACE_KEY => return Some(pod.namespace.name),
        CLUSTER_KEY => return Some(CLUSTER),
        SERVICE_ACCOUNT_KEY => return Some(pod.service_account),
        _ => {}
    }
    match key
        .strip_prefix(NAMESPACE_LABELS)
        .and_then(|key| key.strip_prefix('.'))
    {
        Some(key) => pod.namespace.labels.get(key),
        None if key.starts_with("io.cilium.k8s") => None,
        None => pod.labels.get(key),
    }
}

/// The source and the key that a selector's key names.
pub(super) fn split_key(key: &str, default: Source) -> (Source, &str) {
    match key.split_once(':') {
        None => (default, key),
        Some(("any", key)) => (Source::Any, key),
        Some(("k8s", key)) => (Source::Kubernetes, key),
        Some(("reserved", key)) => (Source::Reserved, key),
        Some((_, key)) => (Source::Other, key),
    }
}

impl Identities {
    /// The requirements of a selector; keys without a source have this one.
    pub(super) fn new(selector: Option<&LabelSelector>, default: Source) -> Self {
        let requirement = |key: &str, operator, values: Vec<String>| {
            let (source, key) = split_key(key, default);
            IdentityRequirement {
                source,
                key: key.to_owned(),
                operator,
                values,
                is_implied: false,
                is_kept: true,
                may_be_dropped: false,
                is_dual_stack: true,
            }
        };
        let Some(selector) = selector else {
            return Self::default();
        };
        let labels = selector.match_labels.iter().map(|label| {
            requirement(
                &label.key,
                Operator::In,
                vec![label.value.value.to_string()],
            )
        });
        let expressions = selector.match_expressions.iter().map(|entry| {
            let values = entry.values.iter().map(|value| value.value.to_string());
            requirement(&entry.key, entry.operator.value, values.collect())
        });
        Self(labels.chain(expressions).collect())
    }

    /// Adds a requirement on a label of Kubernetes.
    pub(super) fn require(&mut self, key: &str, operator: Operator, values: &[&str]) {
        self.0.push(IdentityRequirement {
            source: Source::Kubernetes,
            key: key.to_owned(),
            operator,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            is_implied: false,
            is_kept: true,
            may_be_dropped: false,
            is_dual_stack: true,
        });
    }

    /// The same under options of the agent: where identities keep only the labels that a filter
    /// leaves, and are of a cluster of this name.
    pub(super) fn under(mut self, options: &CiliumOptions) -> Self {
        let filter = &options.labels;
        for requirement in &mut self.0 {
            requirement.spell_clusters(options.cluster_name.as_deref());
            requirement.is_kept = filter.keeps(&requirement.key);
            requirement.may_be_dropped = filter.may_drop(&requirement.key);
        }
        self
    }

    /// The same in a cluster that speaks both families, or one.
    pub(super) fn in_families(mut self, is_dual_stack: bool) -> Self {
        for requirement in &mut self.0 {
            requirement.is_dual_stack = is_dual_stack;
        }
        self
    }

    /// Adds a requirement that the selector does not say (C6).
    pub(super) fn imply(&mut self, key: &str, operator: Operator, values: &[&str]) {
        self.require(key, operator, values);
        if let Some(added) = self.0.last_mut() {
            added.is_implied = true;
        }
    }

    /// The namespace that Cilium adds.
    pub(super) fn implied_namespace(&self) -> Option<&str> {
        let mut implied = self.0.iter().filter(|it| it.is_implied);
        let implied = implied.find(|it| it.key == NAMESPACE_KEY && it.operator == Operator::In);
        implied.and_then(|it| it.values.first().map(String::as_str))
    }

    /// What keeps it from holding for an end. What Cilium adds goes without saying where the
    /// rest does not hold for an end that is no pod.
    pub(super) fn unmet(&self, view: IdentityView<'_, '_>) -> Vec<Unmet> {
        let unmet = self.0.iter().map(|it| (it, it.truth(view)));
        let unmet = unmet.filter(|(_, truth)| *truth != Truth::True);
        unmet.map(|(it, truth)| it.unmet(view, truth)).collect()
    }

    /// All that it asks of pods; `None` where another tool fills in some of it, and where it may
    /// mean pods of another cluster.
    pub(super) fn labels(&self) -> Option<Vec<EndLabel>> {
        let is_known =
            !self.0.iter().any(IdentityRequirement::is_opaque) && !self.may_mean_another_cluster();
        is_known.then(|| {
            let asked = self.0.iter().filter_map(IdentityRequirement::asked_of_pods);
            asked.collect()
        })
    }

    /// Labels of pods of which one must be there, as key and value; `None` if there are none such.
    /// None of them is one that controllers add.
    pub(super) fn asked_for(&self) -> Option<Vec<(&str, &str)>> {
        let is_of_pods = |it: &&IdentityRequirement| {
            let key = it.key.as_str();
            it.is_plain()
                && it.operator == Operator::In
                && !it.is_opaque()
                // Reserved labels have no value.
                && !it.values.iter().any(String::is_empty)
                && !key.starts_with("io.cilium.k8s")
                && key != NAMESPACE_KEY
                && !Controller::may_add(key)
        };
        let asked = self.0.iter().find(is_of_pods)?;
        let values = asked.values.iter();
        Some(
            values
                .map(|value| (asked.key.as_str(), value.as_str()))
                .collect(),
        )
    }

    /// Labels of namespaces of which that of a pod must have one, as key and value; `None` if
    /// there are none such.
    pub(super) fn asked_of_namespaces(&self) -> Option<Vec<(&str, &str)>> {
        let asked = self.0.iter().find_map(|it| {
            let key = match it.key.as_str() {
                NAMESPACE_KEY => NAMESPACE_NAME_LABEL,
                _ => it.namespace_key()?,
            };
            let is_known = it.is_plain() && it.operator == Operator::In && !it.is_opaque();
            is_known.then_some((key, &it.values))
        });
        let (key, values) = asked?;
        Some(values.iter().map(|value| (key, value.as_str())).collect())
    }

    /// Whether it may mean the pods of another cluster of a mesh.
    pub(super) fn may_mean_another_cluster(&self) -> bool {
        let of_pods = self.0.iter().filter(|it| it.is_plain());
        let mut of_cluster = of_pods.filter(|it| it.key == CLUSTER_KEY);
        of_cluster.any(|it| it.is_opaque() || !it.holds(Some(CLUSTER)))
    }

    /// Whether it asks for a key, from Kubernetes or from anywhere.
    pub(super) fn asks_for(&self, key: &str) -> bool {
        self.0.iter().any(|it| it.is_plain() && it.key == key)
    }

    /// Whether it holds for an end.
    pub(super) fn truth(&self, view: IdentityView<'_, '_>) -> Truth {
        let mut least = Truth::True;
        for requirement in &self.0 {
            least = least.min(requirement.truth(view));
            // Most selectors miss most ends by the first thing that they ask for.
            if least == Truth::False {
                break;
            }
        }
        least
    }

    /// The one namespace whose pods it can match, if it names one.
    pub(super) fn namespace(&self) -> Option<&str> {
        let mut named = self
            .0
            .iter()
            .filter(|it| it.is_plain() && it.key == NAMESPACE_KEY && it.operator == Operator::In);
        let named = named.find_map(|it| match it.values.as_slice() {
            [only] => Some(only.as_str()),
            _ => None,
        });
        named.filter(|name| !is_opaque(name))
    }
}

impl IdentityRequirement {
    /// Whether labels of Kubernetes can meet it.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.source, Source::Any | Source::Kubernetes)
    }

    /// Whether another tool fills in some of it.
    fn is_opaque(&self) -> bool {
        is_opaque(&self.key) || self.values.iter().any(|value| is_opaque(value))
    }

    /// Spells the names of clusters that a selector writes as [`label_of`] does: a name may be
    /// that of the own cluster where nobody says how that is called. `default` is none that a
    /// cluster of a mesh may have (`ClusterInfo.Validate` in `pkg/clustermesh/types`), so that it
    /// can only mean the own one.
    fn spell_clusters(&mut self, own: Option<&str>) {
        if self.is_implied || !self.is_plain() || self.key != CLUSTER_KEY {
            return;
        }
        for name in self.values.iter_mut().filter(|name| !is_opaque(name)) {
            let spelled = match own {
                // Spelled before.
                _ if name == CLUSTER => CLUSTER,
                Some(own) if name == own => CLUSTER,
                None if name == DEFAULT_NAME => CLUSTER,
                Some(_) => ANOTHER_CLUSTER,
                None => SOME_CLUSTER,
            };
            spelled.clone_into(name);
        }
    }

    /// The key of the label of the namespace that it is about.
    fn namespace_key(&self) -> Option<&str> {
        let key = self.key.strip_prefix(NAMESPACE_LABELS)?;
        key.strip_prefix('.')
    }

    /// The same of a label of this key.
    fn test(&self, key: &str) -> LabelTest {
        LabelTest {
            key: key.to_owned(),
            operator: self.operator,
            values: self.values.clone(),
        }
    }

    /// What it asks of pods, whose labels are those of [`label_of`]; `None` where every pod
    /// meets it.
    fn asked_of_pods(&self) -> Option<EndLabel> {
        let test = self.test(&self.key);
        let has_always = |value: Option<&str>| (!test.holds(value)).then_some(EndLabel::OfNoPod);
        if !self.is_plain() || !self.is_kept {
            return has_always(None);
        }
        match self.key.as_str() {
            NAMESPACE_KEY => Some(EndLabel::Namespace(self.test(NAMESPACE_NAME_LABEL))),
            CLUSTER_KEY => has_always(Some(CLUSTER)),
            SERVICE_ACCOUNT_KEY => Some(EndLabel::Pod(test)),
            key => match self.namespace_key() {
                Some(key) => Some(EndLabel::Namespace(self.test(key))),
                None if key.starts_with("io.cilium.k8s") => has_always(None),
                None => Some(EndLabel::Pod(test)),
            },
        }
    }

    fn unmet(&self, view: IdentityView<'_, '_>, truth: Truth) -> Unmet {
        let of_namespace = self.namespace_key();
        let key = of_namespace.unwrap_or(&self.key);
        let test = self.test(key);
        let added = view
            .controller()
            .filter(|_| self.is_plain() && self.is_kept);
        let added = added.and_then(|controller| controller.in_words(&self.key));
        let found = view.get(self).map(str::to_owned).or(added);
        Unmet {
            found: vec![(key.to_owned(), found)],
            truth,
            asks: match self.key.as_str() {
                _ if !self.is_plain() => Asks::Reserved(test),
                _ if of_namespace.is_some() => Asks::NamespaceLabel(test),
                NAMESPACE_KEY => Asks::Namespace {
                    test,
                    is_implied: self.is_implied,
                },
                SERVICE_ACCOUNT_KEY => Asks::ServiceAccount(test),
                CLUSTER_KEY => Asks::Cluster,
                key => Asks::Label {
                    is_filtered: !self.is_kept && view.has_label(key),
                    may_be_filtered: self.may_be_dropped && view.has_label(key),
                    test,
                },
            },
        }
    }

    /// Whether it holds for an end.
    pub(super) fn truth(&self, view: IdentityView<'_, '_>) -> Truth {
        if self.is_opaque() {
            return Truth::Unknown;
        }
        let found = view.get(self);
        if found.is_none() && self.is_plain() {
            if let Some(truth) = self.met_by_controller(view) {
                return truth;
            }
            if view.is_unknown(&self.key) {
                return Truth::Unknown;
            }
        }
        let compares = matches!(self.operator, Operator::In | Operator::NotIn);
        let is_open = |found| compares && is_opaque(found) || may_be_absent(found);
        if found.is_some_and(is_open) {
            return Truth::Unknown;
        }
        match self.may_be_dropped && self.holds(found) != self.holds(None) {
            true => Truth::Unknown,
            false => self.holds(found).into(),
        }
    }

    /// Whether the label that a pod's controller adds meets it; `None` if identities have no such
    /// label.
    fn met_by_controller(&self, view: IdentityView<'_, '_>) -> Option<Truth> {
        let controller = view.controller().filter(|_| self.is_kept)?;
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        let truth = controller.meets(&self.key, self.operator, &values)?;
        let is_same = truth == self.holds(None).into();
        Some(match self.may_be_dropped && !is_same {
            true => Truth::Unknown,
            false => truth,
        })
    }

    /// Whether it holds where this is the label's value.
    fn holds(&self, found: Option<&str>) -> bool {
        let is_listed = found.is_some_and(|found| self.values.iter().any(|it| it == found));
        match self.operator {
            Operator::In => is_listed,
            Operator::NotIn => !is_listed,
            Operator::Exists => found.is_some(),
            Operator::DoesNotExist => found.is_none(),
        }
    }
}
