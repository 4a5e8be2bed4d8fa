//! Policies that do not say which namespace they are for, and workloads that policies are about.

use crate::cluster::{Layout, NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{NetworkPolicy, ObjectMeta};
use crate::lint::absence::Presence;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use crate::source::SourceId;
use std::collections::{BTreeMap, BTreeSet};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a workload without `metadata.namespace` if a policy of a namespace with other
    /// workloads selects nothing there but would select its pods.
    ///
    /// Reports a policy without `metadata.namespace` if something shows which namespace is
    /// meant: other objects of its file name one, the pods that it selects are in another one,
    /// or the inventory is complete. If only other files of its directory name a namespace, it
    /// is an info, one per directory.
    ///
    /// A Cilium or Calico policy without it is reported if it selects nothing in `default`, and
    /// pods of one other namespace.
    ///
    /// It is not reported if a `kustomization.yaml`, a Flux `Kustomization` or an Argo CD
    /// `Application` sets the namespace, if the workloads next to it have none either, or if
    /// nothing around it has one: `kubectl -n` is a valid way to set it.
    ///
    /// ## Why is this bad?
    ///
    /// Such a policy ends up in whichever namespace `kubectl` currently uses, `default` if none
    /// is set. A policy in the wrong namespace selects nothing and isolates nothing, and nobody
    /// notices. npcheck evaluates it in `default`.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: cart, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: cart}}
    ///   template:
    ///     metadata: {labels: {app: cart}}
    ///     spec: {containers: [{name: main, image: example/cart:1}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: cart
    /// spec:
    ///   podSelector: {matchLabels: {app: cart}}
    ///   ingress: []
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: cart, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: cart}}
    ///   template:
    ///     metadata: {labels: {app: cart}}
    ///     spec: {containers: [{name: main, image: example/cart:1}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: cart
    ///   namespace: shop
    /// spec:
    ///   podSelector: {matchLabels: {app: cart}}
    ///   ingress: []
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows which namespace is meant.
    pub(super) struct MissingNamespace {
        name: "missing-namespace",
        summary: "a policy, or a workload that one is about, without a namespace",
        category: Category::Hygiene,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &["unmatched-pod-selector"],
        since: "0.1.0",
    }
}

impl Rule for MissingNamespace {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        for finding in of_workloads(cx) {
            cx.report(finding);
        }
        let layout = cx.layout();
        for finding in of_plugin_policies(cx, &layout) {
            cx.report(finding);
        }
        let without: Vec<PolicyId> = cx
            .cluster
            .policy_ids()
            .filter(|id| !is_namespace_known(cx, &layout, *id))
            .collect();
        if without.is_empty() {
            return;
        }
        let neighbours = Neighbours::new(cx, &layout, &without);
        let mut unsure: BTreeMap<String, Vec<PolicyId>> = BTreeMap::new();
        for id in without {
            let policy = &cx.cluster.policy(id).object;
            if let Some(evidence) = evidence(cx, id, policy, &neighbours) {
                cx.report(finding(cx, id, &evidence));
            } else if !selects_what_it_names(cx, id, policy) {
                let directory = layout.directory(policy.meta.span.source);
                unsure.entry(directory).or_default().push(id);
            }
        }
        for (directory, policies) in unsure {
            let is_usual = neighbours.without_namespace.contains(&directory);
            let named = neighbours.named_beside.get(&directory);
            // Where others name `default`, that may well be what this one means.
            let tells = |named: &&BTreeSet<&str>| !is_usual && !named.contains("default");
            if let Some(named) = named.filter(tells) {
                cx.report(info(cx, &policies, named));
            }
        }
    }
}

/// Whether a policy says which namespace it is for, or something else does.
fn is_namespace_known(cx: &Context<'_>, layout: &Layout<'_>, id: PolicyId) -> bool {
    let policy = &cx.cluster.policy(id).object;
    let source = policy.meta.span.source;
    // One that is written and no text leaves the policy refused, and in no namespace.
    policy.meta.namespace.is_some()
        || !policy.meta.holes.is_empty()
        || !policy.meta.is_accepted
        || layout.is_placed(source)
        || layout.is_patch(source)
}

/// Findings about policies of the CNI plugin without a namespace that select nothing where they are
/// evaluated, and pods of one other namespace.
fn of_plugin_policies(cx: &Context<'_>, layout: &Layout<'_>) -> Vec<Diagnostic> {
    let cluster = cx.cluster;
    let mut found = Vec::new();
    for place in cx.selectors_beyond().iter().filter(|it| !it.is_peer()) {
        let (meta, source) = (place.meta(), place.meta().span.source);
        let is_placed = layout.is_placed(source) || layout.is_patch(source);
        let is_known = meta.namespace.is_some() || !meta.holes.is_empty() || !meta.is_accepted;
        let (Some(own), Some(selector)) = (place.own_namespace(), &place.pods) else {
            continue;
        };
        if is_placed || is_known || selector.is_empty() || selector.is_opaque() {
            continue;
        }
        let home: Vec<NamespaceId> = cluster.namespace_by_name(own).into_iter().collect();
        let matching = match place.may_match_one_in(&cx.labelled(), cluster, &home) {
            true => Vec::new(),
            false => (cx.engine).matching_workloads(cluster.namespace_ids(), selector),
        };
        let mut namespaces = matching.iter().map(|id| cluster.workload(*id).namespace);
        let Some(namespace) = namespaces.next() else {
            continue;
        };
        if namespaces.all(|it| it == namespace) {
            let name = &meta.name;
            let finding = cx
                .finding(name.span, without_namespace(name))
                .about(place.display(), "metadata.namespace");
            found.push(in_one_namespace(cx, finding, namespace));
        }
    }
    found
}

/// Findings about workloads without a namespace that policies are about which have one: they do
/// something only if the workload ends up there.
fn of_workloads(cx: &Context<'_>) -> Vec<Diagnostic> {
    let (cluster, inventories) = (cx.cluster, cx.inventories());
    let mut policies: BTreeMap<WorkloadId, Vec<PolicyId>> = BTreeMap::new();
    for id in cluster.policy_ids() {
        let (policy, home) = (&cluster.policy(id).object, cluster.policy(id).namespace);
        let selector = policy.pod_selector.get();
        let selector = selector.filter(|it| !it.is_empty() && !it.is_opaque());
        let Some(selector) = selector.filter(|_| policy.meta.namespace.is_some()) else {
            continue;
        };
        // Where nothing is known of the namespace, its pods may simply be elsewhere.
        let is_known = cluster.workloads_in(home).len() > 0 && !inventories.is_open(home);
        let Some(pods) = inventories.homeless(selector).next().filter(|_| is_known) else {
            continue;
        };
        if cx.labelled().may_match(&[home], selector).is_empty() {
            policies.entry(pods).or_default().push(id);
        }
    }
    let found = policies.iter();
    found
        .map(|(workload, policies)| of_workload(cx, *workload, policies))
        .collect()
}

fn of_workload(cx: &Context<'_>, id: WorkloadId, policies: &[PolicyId]) -> Diagnostic {
    let cluster = cx.cluster;
    let name = &cluster.workload(id).object.meta.name;
    let policy = cluster.policy(policies[0]);
    let home = &cluster.namespace(policy.namespace).name;
    let of = cluster.policy_name(policies[0]);
    let message =
        format!("`{name}` has no namespace, and policy `{of}` is about it only in `{home}`");
    let finding = cx
        .finding(name.span, message)
        .about(cluster.workload_name(id), "metadata.namespace")
        .label("it ends up wherever `kubectl` points")
        .help(format!(
            "write `namespace: {home}` below `name:`, or apply it with `kubectl -n {home}`"
        ));
    policies.iter().fold(finding, |finding, policy| {
        let selector = cluster.policy(*policy).object.pod_selector.get();
        match selector {
            Some(selector) => finding.related(selector.requirements_span(), "selects it there"),
            None => finding,
        }
    })
}

/// What the other objects beside some policies say of their namespaces.
struct Neighbours<'a> {
    /// By file of a policy: the namespaces that its objects name.
    named: BTreeMap<SourceId, BTreeSet<&'a str>>,
    /// Files with a workload or Service that names no namespace.
    mixed: BTreeSet<SourceId>,
    /// Directories with a workload or Service that names no namespace.
    without_namespace: BTreeSet<String>,
    /// By directory of a policy: the namespaces that its objects name.
    named_beside: BTreeMap<String, BTreeSet<&'a str>>,
}

impl<'a> Neighbours<'a> {
    fn new(cx: &Context<'a>, layout: &Layout<'_>, policies: &[PolicyId]) -> Self {
        let cluster = cx.cluster;
        let sources = policies.iter().map(|id| {
            let policy = &cluster.policy(*id).object;
            policy.meta.span.source
        });
        let mut neighbours = Self {
            named: sources.clone().map(|it| (it, BTreeSet::new())).collect(),
            mixed: BTreeSet::new(),
            without_namespace: BTreeSet::new(),
            named_beside: sources
                .map(|it| (layout.directory(it), BTreeSet::new()))
                .collect(),
        };
        let workloads = cluster.workloads().iter().map(|it| &it.object.meta);
        let services = cluster.services().iter().map(|it| &it.object.meta);
        for meta in workloads.chain(services) {
            neighbours.add(meta, layout);
            if meta.namespace.is_none() {
                let source = meta.span.source;
                neighbours.mixed.insert(source);
                neighbours
                    .without_namespace
                    .insert(layout.directory(source));
            }
        }
        for policy in cluster.policies() {
            neighbours.add(&policy.object.meta, layout);
        }
        neighbours.named.retain(|_, named| !named.is_empty());
        neighbours.named_beside.retain(|_, named| !named.is_empty());
        neighbours
    }

    fn add(&mut self, meta: &'a ObjectMeta, layout: &Layout<'_>) {
        let source = meta.span.source;
        // One that a kustomization sets is not written in the file.
        let written = meta.namespace.as_ref();
        let Some(namespace) = written.filter(|namespace| namespace.span.source == source) else {
            return;
        };
        if let Some(named) = self.named.get_mut(&source) {
            named.insert(namespace.as_str());
        }
        if let Some(beside) = self.named_beside.get_mut(&layout.directory(source)) {
            beside.insert(namespace.as_str());
        }
    }
}

/// What tells that another namespace than the one that `kubectl` is set to was meant.
enum Evidence {
    /// All other objects of the file are in this one.
    File(String),
    /// The pods that it selects are in this one.
    Pods(NamespaceId),
    /// Everything is known, and nothing says that `default` was meant.
    Complete,
}

fn evidence(
    cx: &Context<'_>,
    id: PolicyId,
    policy: &NetworkPolicy,
    neighbours: &Neighbours<'_>,
) -> Option<Evidence> {
    let source = policy.meta.span.source;
    if let Some(namespace) = namespace_of_selected(cx, id, policy) {
        return Some(Evidence::Pods(namespace));
    }
    if neighbours.mixed.contains(&source) {
        return None;
    }
    if let Some(named) = neighbours.named.get(&source) {
        let named: Vec<&str> = named.iter().copied().collect();
        return Some(Evidence::File(words::names(&named)));
    }
    let is_complete = cx.settings.inventory.is_complete_in("default");
    let may_select = || {
        let home = cx.cluster.policy(id).namespace;
        let selector = policy.pod_selector.get();
        let is_there = |selector| cx.inventories().presence(cx, home, selector);
        selector.is_some_and(|selector| is_there(selector) == Presence::SpokenFor)
    };
    let selects_nobody = is_complete && cx.engine.selected(id).is_empty() && !may_select();
    selects_nobody.then_some(Evidence::Complete)
}

/// The one namespace with pods that the policy's selector matches, if there are none where
/// the policy is.
fn namespace_of_selected(
    cx: &Context<'_>,
    id: PolicyId,
    policy: &NetworkPolicy,
) -> Option<NamespaceId> {
    let selector = policy.pod_selector.get()?;
    if selector.is_empty() || selector.is_opaque() || !cx.engine.selected(id).is_empty() {
        return None;
    }
    let namespaces = cx.cluster.namespace_ids();
    let matching = cx.engine.matching_workloads(namespaces, selector);
    let mut matching = matching.into_iter().map(|id| cx.cluster.workload(id));
    let namespace = matching.next()?.namespace;
    matching
        .all(|workload| workload.namespace == namespace)
        .then_some(namespace)
}

/// Whether the policy names pods that are there, and that name no namespace either: both go
/// to the same place.
fn selects_what_it_names(cx: &Context<'_>, id: PolicyId, policy: &NetworkPolicy) -> bool {
    let selector = policy.pod_selector.get();
    selector.is_some_and(|selector| !selector.is_empty()) && !cx.engine.selected(id).is_empty()
}

fn finding(cx: &Context<'_>, id: PolicyId, evidence: &Evidence) -> Diagnostic {
    let name = &cx.cluster.policy(id).object.meta.name;
    let message = without_namespace(name);
    let finding = cx.policy_finding(id, "metadata.namespace", name.span, message);
    match evidence {
        Evidence::File(namespaces) => finding
            .label(format!(
                "the other objects of this file are in {namespaces}"
            ))
            .help("write `namespace:` below `name:`"),
        Evidence::Pods(namespace) => in_one_namespace(cx, finding, *namespace),
        Evidence::Complete => finding
            .label("it selects no pod of `default`")
            .help("write `namespace:` below `name:`"),
    }
}

fn without_namespace(name: &str) -> String {
    format!("`{name}` has no namespace, so it ends up wherever `kubectl` points")
}

fn in_one_namespace(cx: &Context<'_>, finding: Diagnostic, namespace: NamespaceId) -> Diagnostic {
    let namespace = &cx.cluster.namespace(namespace).name;
    finding
        .label(format!("the pods that it selects are in `{namespace}`"))
        .help(format!("write `namespace: {namespace}` below `name:`"))
}

/// One info for the policies of a directory, in which others name these namespaces.
fn info(cx: &Context<'_>, policies: &[PolicyId], named: &BTreeSet<&str>) -> Diagnostic {
    let name = |id: &PolicyId| &cx.cluster.policy(*id).object.meta.name;
    let (first, others) = policies
        .split_first()
        .expect("a directory has one at least");
    let message = match others.len() {
        0 => format!(
            "`{}` has no namespace; npcheck evaluates it in `default`",
            name(first)
        ),
        more => format!(
            "`{}` and {} next to it have no namespace; npcheck evaluates them in `default`",
            name(first),
            words::count(more, "other"),
        ),
    };
    let named: Vec<&str> = named.iter().copied().collect();
    let finding = cx
        .policy_finding(*first, "metadata.namespace", name(first).span, message)
        .with_severity(Severity::Info)
        .label(format!(
            "others of this directory are in {}",
            words::names(&named)
        ));
    let finding = others.iter().fold(finding, |finding, other| {
        finding.related(name(other).span, "and this one")
    });
    finding.help("write `namespace:` below `name:`, or let a `kustomization.yaml` set it")
}
