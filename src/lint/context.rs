//! What a rule may look at, and where it puts what it finds.

use super::comments::Comments;
use super::facts::Facts;
use super::run::Limit;
use super::{RuleMeta, Settings};
use crate::cluster::platform;
use crate::cluster::{Cluster, ClusterPolicyId, NamespaceId, PolicyId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{Engine, LeftOpen, PolicyRef};
use crate::k8s;
use crate::source::{SourceMap, Span};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much of the cluster the manifests hold.
#[derive(Clone, Debug, Default)]
pub enum Inventory {
    /// Operators, charts and other repositories may make more pods and namespaces:
    /// absence proves nothing by itself.
    #[default]
    Open,
    /// What is not there does not exist, in these namespaces.
    CompleteIn(BTreeSet<String>),
    /// What is not there does not exist.
    Complete,
}

impl Inventory {
    /// Whether every pod of this namespace is among the inputs.
    #[must_use]
    pub fn is_complete_in(&self, namespace: &str) -> bool {
        match self {
            Self::Open => false,
            Self::CompleteIn(namespaces) => namespaces.contains(namespace),
            Self::Complete => true,
        }
    }

    /// Whether a namespace that no manifest declares has no labels but those that are known.
    #[must_use]
    pub fn knows_labels_of(&self, cluster: &Cluster, namespace: &str) -> bool {
        let is_bare = platform::has_all_labels_known(namespace);
        self.is_complete_in(namespace) || is_bare && !cluster.asks_for_platform_labels()
    }

    /// What no manifest says about a cluster, for answers that must not take it for granted.
    #[must_use]
    pub fn left_open(&self, cluster: &Cluster) -> LeftOpen {
        let may_have_more = |id: &NamespaceId| {
            let namespace = cluster.namespace(*id);
            namespace.declared.is_none() && !self.knows_labels_of(cluster, &namespace.name)
        };
        LeftOpen {
            namespaces: cluster.namespace_ids().filter(may_have_more).collect(),
            addresses: true,
        }
    }

    /// Whether every namespace is among the inputs.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }
}

/// What one rule sees, and its findings so far.
pub struct Context<'a> {
    /// What each document became.
    pub documents: &'a k8s::Documents,
    /// The comments of the documents.
    pub comments: Arc<Comments<'a>>,
    /// The texts, for fixes that follow the style of the text around them.
    pub sources: &'a SourceMap,
    /// The objects, joined.
    pub cluster: &'a Cluster,
    /// Who may talk to whom.
    pub engine: &'a Engine<'a>,
    /// The same cluster before a change, where there is a change to look at.
    pub earlier: Option<&'a Engine<'a>>,
    /// What is known beyond the manifests.
    pub settings: &'a Settings,
    /// Every rule that exists, whether it runs or not.
    pub known_rules: &'a [&'static RuleMeta],
    is_met_elsewhere: &'a (dyn Fn(&str, &k8s::LabelSelector) -> bool + Sync),
    /// What several rules ask for, worked out once.
    pub(super) facts: Arc<Facts<'a>>,
    meta: &'static RuleMeta,
    findings: Vec<Diagnostic>,
    limits: Vec<Limit>,
    /// How many labelled things were compared; see [`may_compare`](Self::may_compare).
    compared: AtomicU64,
    /// How many pairs of pods were judged; see [`may_judge`](Self::may_judge).
    judged: AtomicU64,
}

/// How many pods and namespaces each policy and each of them pays for, where a rule asks what a
/// selector that matches nothing was meant for, and how many there are besides. Real clusters
/// need a hundredth of it.
const COMPARISONS: u64 = 128;
const MIN_COMPARISONS: u64 = 1_000_000;

/// The same for pairs of pods that a rule judges one by one, for each workload and besides.
const JUDGEMENTS: u64 = 16;
const MIN_JUDGEMENTS: u64 = 20_000;

impl<'a> Context<'a> {
    pub(super) fn new(
        input: &super::Input<'a>,
        comments: Arc<Comments<'a>>,
        facts: Arc<Facts<'a>>,
        meta: &'static RuleMeta,
    ) -> Self {
        Self {
            facts,
            documents: input.documents,
            comments,
            sources: input.sources,
            cluster: input.cluster,
            engine: input.engine,
            earlier: input.earlier,
            settings: input.settings,
            known_rules: input.known_rules,
            is_met_elsewhere: input.is_met_elsewhere,
            meta,
            findings: Vec::new(),
            limits: Vec::new(),
            compared: AtomicU64::new(0),
            judged: AtomicU64::new(0),
        }
    }

    /// A finding of the running rule with its usual severity; [`report`](Self::report) it
    /// when it is complete.
    #[must_use]
    pub fn finding(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.meta.name, self.meta.severity, span, message)
    }

    /// A finding about a part of a policy.
    #[must_use]
    pub fn policy_finding(
        &self,
        id: PolicyId,
        path: impl Into<String>,
        span: Span,
        message: impl Into<String>,
    ) -> Diagnostic {
        self.finding(span, message)
            .about(self.policy_object(id), path)
    }

    /// A policy as findings name it: `namespace/NetworkPolicy/name`.
    #[must_use]
    pub fn policy_object(&self, id: PolicyId) -> String {
        let policy = self.cluster.policy(id);
        let namespace = &self.cluster.namespace(policy.namespace).name;
        format!("{namespace}/NetworkPolicy/{}", policy.object.meta.name)
    }

    /// A cluster-wide policy as findings name it: `Kind/name`.
    #[must_use]
    pub fn cluster_policy_object(&self, id: ClusterPolicyId) -> String {
        let policy = self.cluster.cluster_policy(id);
        format!("{}/{}", policy.kind.name(), policy.meta.name)
    }

    /// A policy of any kind as findings name it.
    #[must_use]
    pub fn object_of(&self, policy: PolicyRef) -> String {
        match policy {
            PolicyRef::Network(id) => self.policy_object(id),
            PolicyRef::Cluster(id) => self.cluster_policy_object(id),
            PolicyRef::Plugin(id) => self.cluster.plugin_policy(id).display(),
            PolicyRef::Part(id) => self.cluster.unknown_part(id).reason.clone(),
            PolicyRef::Agent => "enable-policy: always".to_owned(),
        }
    }

    /// Whether somebody has asked for the running rule by name.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        self.settings.asked_for.contains(self.meta.name)
    }

    /// Says that the running rule did not look at everything, because that would take too
    /// long: `missing` is what was not looked at, lower case, without a full stop.
    pub fn report_limit(&mut self, missing: impl std::fmt::Display) {
        self.limits.push(Limit {
            rule: self.meta.name,
            missing: missing.to_string(),
        });
    }

    /// Whether the running rule may compare a selector with so many pods or namespaces more, in
    /// search of what it was meant for. Where it may not, the limit is reported.
    #[must_use]
    pub fn may_compare(&self, count: usize) -> bool {
        let before = self.compared.fetch_add(count as u64, Ordering::Relaxed);
        before.saturating_add(count as u64) <= self.most_comparisons()
    }

    fn most_comparisons(&self) -> u64 {
        let cluster = self.cluster;
        let things = cluster.workloads().len() + cluster.namespaces().len();
        let policies = cluster.policy_ids().len() + cluster.plugin_policies().len();
        MIN_COMPARISONS + COMPARISONS * (things + policies) as u64
    }

    /// Whether the running rule may judge one more pair of pods by itself, which takes longer than
    /// to look it up. Where it may not, the limit is reported.
    #[must_use]
    pub fn may_judge(&self) -> bool {
        self.judged.fetch_add(1, Ordering::Relaxed) < self.most_judgements()
    }

    fn most_judgements(&self) -> u64 {
        MIN_JUDGEMENTS + JUDGEMENTS * self.cluster.workloads().len() as u64
    }

    /// Whether a selector of pods that matches nothing here, at this path of its policy, matches
    /// pods in another build of its text: then the text is right, and an environment has no such
    /// pods.
    #[must_use]
    pub fn is_met_in_another_build(&self, path: &str, selector: &k8s::LabelSelector) -> bool {
        (self.is_met_elsewhere)(path, selector)
    }

    /// Adds a finding.
    pub fn report(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }

    /// `closed` where every pod of the namespace is known, else `open`.
    #[must_use]
    pub fn severity_by_inventory(
        &self,
        namespace: NamespaceId,
        closed: Severity,
        open: Severity,
    ) -> Severity {
        if self
            .settings
            .inventory
            .is_complete_in(&self.cluster.namespace(namespace).name)
        {
            closed
        } else {
            open
        }
    }

    /// The findings, and what was not looked at.
    pub(super) fn into_parts(mut self) -> (Vec<Diagnostic>, Vec<Limit>) {
        if self.compared.load(Ordering::Relaxed) > self.most_comparisons() {
            self.report_limit(
                "too many selectors match nothing to look for what all of them were meant for",
            );
        }
        if self.judged.load(Ordering::Relaxed) > self.most_judgements() {
            self.report_limit("policies close so many pairs of pods that not all were looked at");
        }
        (self.findings, self.limits)
    }
}
