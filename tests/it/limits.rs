//! Questions that are too large: a limit that is named, and never a green answer.
//!
//! Refuses to measure time: what a limit is for is in `docs/performance.md`.

use crate::program::{Run, run, scratch, write};
use std::fmt::Write as _;

/// Cluster-wide policies of one priority, every second of which denies what the others accept.
fn contradicting_policies(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let action = ["Accept", "Deny"][number % 2];
        writeln!(
            text,
            "---\n\
             apiVersion: policy.networking.k8s.io/v1alpha2\n\
             kind: ClusterNetworkPolicy\n\
             metadata: {{name: policy-{number}}}\n\
             spec:\n  \
               tier: Admin\n  \
               priority: 5\n  \
               subject: {{namespaces: {{}}}}\n  \
               ingress: [{{action: {action}, from: [{{namespaces: {{}}}}]}}]"
        )
        .unwrap();
    }
    text
}

fn lint(directory: &std::path::Path) -> Run {
    let rule = "admin-priority-conflict";
    run(directory, &["lint", "-o", "concise", "--select", rule, "."])
}

#[test]
fn policies_that_all_contradict_each_other_are_compared_up_to_a_limit() {
    let directory = scratch("limit-of-conflicts");
    write(&directory, "policies.yaml", contradicting_policies(20));
    let few = lint(&directory);
    assert_eq!(few.stdout.lines().count(), 100, "{few:?}");
    assert_eq!(few.status, 1, "{few:?}");

    write(&directory, "policies.yaml", contradicting_policies(160));
    let many = lint(&directory);
    assert!(many.stdout.contains("contradict each other"), "{many:?}");
    let limit = "`admin-priority-conflict`: 160 cluster-wide policy objects of one priority are \
                 too many to compare all of their rules";
    assert!(many.stderr.contains(limit), "{}", many.stderr);
    assert_eq!(many.status, 2);
}
