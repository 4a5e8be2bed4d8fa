//! What proofs do at less cost is what joining and compiling everything again would give.

use super::*;
use crate::config::Config;
use crate::yaml::differential;

/// What matters of a cluster to connections.
fn told(cluster: &Cluster) -> String {
    let lists = (cluster.namespaces(), cluster.workloads());
    let policies = (cluster.policies(), cluster.plugin_policies());
    let others = (cluster.services(), cluster.enforcement());
    format!("{lists:#?} {policies:#?} {others:#?}")
}

/// Clusters of some documents each: neighbours are mostly a document and mutations of it.
fn workspaces() -> impl Iterator<Item = Workspace> {
    let texts = differential::texts();
    let groups: Vec<Vec<String>> = texts.chunks(4).step_by(3).map(<[String]>::to_vec).collect();
    groups.into_iter().map(|documents| {
        let named = (0..).map(|number| format!("{number}.yaml"));
        Workspace::load(named.zip(documents), &Config::default())
    })
}

#[test]
fn pods_put_beside_a_cluster_are_joined_as_all_others_are() {
    let (mut same, mut others) = (0, 0);
    for workspace in workspaces() {
        for view in workspace.clusters() {
            let cluster = view.first_definitions();
            let mut placeholders = graph::placeholders(&Selectable::new(cluster), |_| true);
            // Those of two states are mostly the same.
            placeholders.extend_from_within(..);
            let all = [&view.part.objects[..], &placeholders].concat();
            let again = view.with_objects(all);
            match cluster.with_hypothetical_pods(&placeholders) {
                Some(beside) => {
                    assert_eq!(told(&beside), told(&again));
                    same += usize::from(!placeholders.is_empty());
                }
                None => others += 1,
            }
        }
    }
    assert!(same > 100 && others < same / 10, "{same} {others}");
}

/// What is written onto pods and namespaces, a policy for others than there are, and one pod.
const WRITTEN: &str = "\
{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: w}, spec: {rules: [
  {match: {any: [{resources: {kinds: [Pod]}}]},
   mutate: {patchStrategicMerge: {metadata: {labels: {+(tier): web}}}}},
  {match: {any: [{resources: {kinds: [Namespace]}}]},
   mutate: {patchStrategicMerge: {metadata: {labels: {zone: x, istio-injection: disabled}}}}}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: there, labels: {istio-injection: enabled}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: pod, namespace: there, labels: {app: pod}}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: there},
 spec: {podSelector: {matchLabels: {app: absent}}, policyTypes: [Ingress], ingress: [{from: [
   {podSelector: {matchLabels: {tier: web}}},
   {namespaceSelector: {matchLabels: {istio-injection: enabled}},
    podSelector: {matchLabels: {app: other}}},
   {namespaceSelector: {matchLabels: {team: y}}, podSelector: {matchLabels: {app: other}}},
   {namespaceSelector: {matchExpressions: [{key: zone, operator: Exists}]}}]}]}}
";

#[test]
fn labels_that_may_be_written_are_open_on_pods_put_beside_a_cluster() {
    let workspace = Workspace::load([("all.yaml", WRITTEN)], &Config::default());
    let view = workspace.clusters().next().expect("there is always one");
    let cluster = view.first_definitions();
    let placeholders = graph::placeholders(&Selectable::new(cluster), |_| true);
    let all = [&view.part.objects[..], &placeholders].concat();
    let beside = cluster.with_hypothetical_pods(&placeholders);
    let beside = beside.expect("no namespace is declared by them");
    let is_open = |labels: &crate::k8s::Labels, key: &str| {
        let label = labels.label(key);
        label.is_some_and(|label| crate::k8s::may_be_set_by(&label.value).is_some())
    };
    let known = cluster.workloads().len();
    let new = beside.workloads().iter();
    let pods = new.filter(|pod| is_open(&pod.object.labels, "tier"));
    assert!(pods.count() > known);
    let namespaces = beside.namespaces().iter();
    assert!(namespaces.filter(|it| is_open(&it.labels, "zone")).count() > 1);
    assert_eq!(told(&beside), told(&view.with_objects(all)));
}

#[test]
fn namespaces_are_selected_by_their_labels_as_by_compiled_policies() {
    let mut selected = 0;
    for workspace in workspaces() {
        for view in workspace.clusters() {
            let cluster = view.first_definitions();
            let (engine, selectable) = (Engine::new(cluster), Selectable::new(cluster));
            let policies = cluster.policies().iter();
            let peers = policies.flat_map(|policy| policy.object.peers());
            for selector in peers.filter_map(|it| it.peer.namespace_selector.get()) {
                let found = selectable.matching_namespaces(selector);
                assert_eq!(found, engine.matching_namespaces(selector), "{selector:?}");
                let has_it = |id: &_| selector.matches(&cluster.namespace(*id).labels);
                let written: Vec<_> = cluster.namespace_ids().filter(has_it).collect();
                assert_eq!(cluster.namespaces_matching(selector), written);
                selected += found.len();
            }
        }
    }
    assert!(selected > 50, "{selected}");
}

#[test]
fn what_items_prove_to_change_nothing_the_whole_text_proves() {
    let today = "2026-11-27".parse().expect("a date");
    let (mut unchanged, mut others) = (0, 0);
    // A third of them: of three mutations of a document one is enough.
    for document in differential::texts().into_iter().step_by(3) {
        let lines: Vec<&str> = document.trim_end().lines().collect();
        let item = lines.join("\n  ");
        let list = format!("apiVersion: v1\nkind: List\nitems:\n- {item}\n");
        let before = Workspace::load([("dump.yaml", list)], &Config::default());
        let report = before.lint_for_fixes(None, today);
        for fix in report.findings.iter().filter_map(|it| it.fix.as_ref()) {
            if !is_unchanged(&before, &fix.edits) {
                others += 1;
                continue;
            }
            let after = before.edited(&fix.edits).expect("they do not overlap");
            let change = Change {
                start: &before,
                before: &before,
                after: &after,
            };
            let proof = prove(change, Some(FixClass::Safe));
            assert!(proof.is_ok(), "{:?} {fix:#?} {document}", proof.err());
            unchanged += 1;
        }
    }
    assert!(unchanged > 6 && others > 15, "{unchanged} {others}");
}
