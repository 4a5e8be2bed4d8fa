//! How fast the relation of all pairs is worked out, beside a loop over pods and policies
//! that shares no idea with the engine but the answer.
//!
//! `cargo bench --bench engine`; the ratios of interest are in `docs/performance.md`. The
//! naive loop walks a few sources only and is scaled up by the reader: its time grows with
//! the sources, as every one of them meets every pod.

mod naive;
mod synthetic;

use divan::Bencher;
use npcheck::cluster::{Cluster, PolicyId, Workload};
use npcheck::engine::Engine;
use npcheck::graph::difference;
use npcheck::lint::policy_subjects::PolicySubjects;
use synthetic::Profile;

fn main() {
    divan::main();
}

/// From the parsed objects to the whole relation.
#[divan::bench(args = [Profile::MEDIUM, Profile::LARGE, Profile::FLAT], sample_count = 20)]
fn relation(bencher: Bencher, profile: &Profile) {
    let cluster = Cluster::new(profile.objects());
    bencher.bench(|| {
        let engine = Engine::new(&cluster);
        divan::black_box(engine.relation());
    });
}

/// One row after the other, as it is printed: who may talk to whom, without printing.
#[divan::bench(args = [Profile::MEDIUM], sample_count = 5)]
fn every_flow(bencher: Bencher, profile: &Profile) {
    let cluster = Cluster::new(profile.objects());
    let engine = Engine::new(&cluster);
    let relation = engine.relation();
    bencher.bench(|| relation.flows().count());
}

/// What the change of one policy opens and closes, both relations being known.
#[divan::bench(args = [Profile::MEDIUM, Profile::LARGE], sample_count = 10)]
fn difference_of_one_policy(bencher: Bencher, profile: &Profile) {
    let objects = profile.objects();
    let mut fewer = objects.clone();
    let first = fewer
        .iter()
        .position(synthetic::is_policy)
        .expect("every profile has policies");
    fewer.remove(first);
    let (before, after) = (Cluster::new(objects), Cluster::new(fewer));
    let (before, after) = (Engine::new(&before), Engine::new(&after));
    let _ = before.relation();
    let _ = after.relation();
    bencher.bench(|| difference(&before, &after).is_empty());
}

/// The policies that select the pods of each workload, found by a label that they ask for.
#[divan::bench(args = [Profile::MEDIUM, Profile::FLAT], sample_count = 10)]
fn policies_by_label(bencher: Bencher, profile: &Profile) {
    let cluster = Cluster::new(profile.objects());
    let expected = selected(&cluster, |workload| {
        cluster.policies_in(workload.namespace).collect()
    });
    bencher.bench(|| {
        let subjects = PolicySubjects::new(&cluster);
        let about =
            |workload: &Workload| subjects.about(workload.namespace, &workload.object.labels);
        assert_eq!(selected(&cluster, about), expected, "none is left out");
    });
}

/// The same, where every policy of the namespace is asked.
#[divan::bench(args = [Profile::MEDIUM, Profile::FLAT], sample_count = 3, sample_size = 1)]
fn policies_one_by_one(bencher: Bencher, profile: &Profile) {
    let cluster = Cluster::new(profile.objects());
    bencher.bench(|| {
        selected(&cluster, |workload| {
            cluster.policies_in(workload.namespace).collect()
        })
    });
}

/// How many pairs there are of a workload and a policy that selects it, among those that may.
fn selected(cluster: &Cluster, among: impl Fn(&Workload) -> Vec<PolicyId>) -> usize {
    let of_workload = |workload: &Workload| {
        let selects = |id: &PolicyId| {
            let selector = cluster.policy(*id).object.pod_selector.get();
            selector.is_none_or(|it| it.matches(&workload.object.labels))
        };
        among(workload).iter().filter(|id| selects(id)).count()
    };
    cluster.workloads().iter().map(of_workload).sum()
}

/// The loop that the engine replaces: for every pair of pods, every policy of both
/// namespaces. One of every 100 sources.
#[divan::bench(args = [Profile::MEDIUM], sample_count = 3, sample_size = 1)]
fn naive_hundredth(bencher: Bencher, profile: &Profile) {
    let cluster = Cluster::new(profile.objects());
    let engine = Engine::new(&cluster);
    let relation = engine.relation();
    let open = |source| {
        let to = |destination| !relation.connections(source, destination).is_empty();
        cluster
            .workload_ids()
            .filter(|destination| to(*destination))
            .count()
    };
    let sources = || cluster.workload_ids().step_by(100);
    let expected: usize = sources().map(open).sum();
    bencher.bench(|| {
        let counted: usize = sources()
            .map(|source| naive::open_from(&cluster, source))
            .sum();
        assert_eq!(counted, expected, "both count the same open pairs");
    });
}
