//! `npcheck render` of roots by their names: what it prints is what is judged.

use super::program::{Run, root, run, run_with_stdin};

fn render(arguments: &[&str]) -> Run {
    run(root(), &[&["render", "-q"], arguments].concat())
}

/// The connections of what was read, without the names of clusters.
fn graph(run: &Run) -> Vec<String> {
    let mut lines: Vec<String> = run.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_root_of_flux_or_argo_cd_is_printed_as_it_is_judged() {
    for (name, tree, cluster) in [
        ("prod", "examples/gitops/flux", None),
        ("prod", "examples/gitops", Some("prod")),
        ("Application/shop", "examples/gitops/argocd", None),
        ("Application/shop", "examples/gitops", Some("in-cluster")),
    ] {
        let printed = render(&[name, tree]);
        assert_eq!(printed.status, 0, "{name}: {printed:?}");
        // Each object says where it stands.
        let objects = printed.stdout.matches("---\n# examples/gitops/").count();
        let all = printed.stdout.matches("---\n").count();
        assert!(objects > 0 && objects == all, "{name}: {printed:?}");
        let command = ["graph", "-q", "-o", "csv"];
        let selected: Vec<&str> = cluster.map_or(Vec::new(), |it| vec!["--cluster", it]);
        let of_tree = run(root(), &[&command[..], &[tree], &selected].concat());
        let all = [&command[..], &["-"]].concat();
        let of_text = run_with_stdin(root(), &all, printed.stdout.as_bytes());
        assert!(of_tree.stdout.lines().count() > 2, "{name}: {of_tree:?}");
        assert_eq!(graph(&of_tree), graph(&of_text), "{name} of {tree}");
    }
}

#[test]
fn a_name_that_nothing_has_is_told_with_the_way_to_the_names() {
    let printed = render(&["Application/cart", "examples/gitops"]);
    assert_eq!(printed.status, 2, "{printed:?}");
    assert!(
        printed.stderr.contains("`npcheck files --roots` lists"),
        "{printed:?}"
    );
    // Directories are built as before.
    let directory = render(&["examples/gitops/kustomize/overlays/prod"]);
    assert_eq!(directory.status, 0, "{directory:?}");
    assert!(directory.stdout.contains("kind: Deployment"));
}
