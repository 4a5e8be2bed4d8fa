//! Two states of a tree, as `--new-from` compares them: what a change cannot reach is built and
//! joined once, and what is built otherwise is what it would be without the other state.

use npcheck::config::Config;
use npcheck::k8s::Object;
use npcheck::source::{SourceId, SourceMap};
use npcheck::workspace::{Keep, PathOf, Texts, Workspace};
use std::collections::BTreeSet;
use std::sync::Arc;

const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\nspec: {podSelector: {matchLabels: {app: web}}}\n";
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\nspec: {containers: [{name: c}]}\n";

/// Overlays of one base, each with what makes its namespace.
fn tree(namespace: impl Fn(usize) -> String) -> Vec<(String, String)> {
    let base = "resources: [web.yaml, pod.yaml]\n";
    let mut texts = vec![
        ("base/kustomization.yaml".to_owned(), base.to_owned()),
        ("base/pod.yaml".to_owned(), POD.to_owned()),
        ("base/web.yaml".to_owned(), POLICY.to_owned()),
        ("alone/kustomization.yaml".to_owned(), "namespace: alone\nresources: [own.yaml]\ntransformers: [labels.yaml]\n".to_owned()),
        ("alone/labels.yaml".to_owned(), "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\npath: patch.yaml\ntarget: {kind: NetworkPolicy}\n".to_owned()),
        ("alone/own.yaml".to_owned(), POLICY.replace("web", "own")),
        ("alone/patch.yaml".to_owned(), "- {op: add, path: /metadata/labels, value: {a: b}}\n".to_owned()),
    ];
    for number in 0..6 {
        let text = format!(
            "namespace: {}\nresources: [../../base]\n",
            namespace(number)
        );
        texts.push((format!("overlays/{number}/kustomization.yaml"), text));
    }
    texts
}

/// The two states of a tree, the second as it is built beside the first, and by itself.
fn states(
    before: &[(String, String)],
    change: impl Fn(&mut Vec<(String, String)>),
) -> [Workspace; 3] {
    let mut after = before.to_vec();
    change(&mut after);
    let mut sources = SourceMap::default();
    let ids: Vec<SourceId> = (before.iter())
        .map(|(name, text)| sources.add(name, text))
        .collect();
    after.sort();
    let there: Vec<SourceId> = after
        .iter()
        .map(|text| match before.iter().position(|it| it == text) {
            Some(known) => ids[known],
            None => sources.add(&text.0, &text.1),
        })
        .collect();
    let (texts, config) = (Texts::read(sources), Config::default());
    let of = |ids: &[SourceId]| {
        Workspace::keeping(Keep::Builds, &texts, ids, &config, PathOf::default())
    };
    let first = of(&ids);
    let beside = first.other_state(&there);
    [first, beside, of(&there)]
}

fn edit(name: &str, text: &str) -> impl Fn(&mut Vec<(String, String)>) {
    let (name, text) = (name.to_owned(), text.to_owned());
    move |texts| {
        texts.retain(|(known, _)| *known != name);
        if !text.is_empty() {
            texts.push((name.clone(), text.clone()));
        }
    }
}

/// The policies of a tree, each by what stands in memory for it.
fn policies(workspace: &Workspace) -> BTreeSet<usize> {
    let objects = workspace.clusters().flat_map(|view| &view.part().objects);
    let policies = objects.filter_map(|object| match object {
        Object::NetworkPolicy(policy) => Some(Arc::as_ptr(policy) as usize),
        _ => None,
    });
    policies.collect()
}

#[test]
fn only_what_a_change_reaches_is_built_again() {
    let before = tree(|number| format!("team-{number}"));
    let anew = |name: &str, text: &str| {
        let [first, beside, _] = states(&before, edit(name, text));
        policies(&beside).difference(&policies(&first)).count()
    };
    // One overlay, a directory of its own, the base of six, and nothing that is built.
    assert_eq!(
        anew(
            "overlays/3/kustomization.yaml",
            "namespace: other\nresources: [../../base]\n"
        ),
        1
    );
    assert_eq!(anew("alone/own.yaml", &POLICY.replace("web", "mine")), 1);
    assert_eq!(
        anew("base/pod.yaml", &POD.replace("app: web", "app: other")),
        6
    );
    assert_eq!(anew("notes/pod.yaml", POD), 0);
}

#[test]
fn clusters_that_a_change_does_not_reach_are_joined_once() {
    // All in one namespace: each overlay is a cluster.
    let before = tree(|_| "shop".to_owned());
    let shared = |name: &str, text: &str| {
        let [first, beside, _] = states(&before, edit(name, text));
        let views = first.clusters().map(std::ptr::from_ref);
        let views: BTreeSet<_> = views.collect();
        let all = beside.clusters().len();
        let same = beside
            .clusters()
            .filter(|view| views.contains(&std::ptr::from_ref(*view)));
        (same.count(), all)
    };
    let (same, all) = shared("base/pod.yaml", &POD.replace("app: web", "app: other"));
    assert_eq!((same, all), (0, 6));
    let (same, all) = shared(
        "overlays/3/kustomization.yaml",
        &format!("# words\n{}", "namespace: shop\nresources: [../../base]\n"),
    );
    assert_eq!((same, all), (5, 6));
}

#[test]
fn a_state_beside_another_is_what_it_is_alone() {
    let overlay = "namespace: team-2\nresources: [../../base]\n";
    let more = "namespace: team-2\nresources: [../../base, more.yaml]\n";
    let changes: &[(&str, &str)] = &[
        ("base/web.yaml", &POLICY.replace("app: web", "app: other")),
        ("base/web.yaml", ""),
        ("base/kustomization.yaml", "resources: [web.yaml]\n"),
        ("base/kustomization.yml", "resources: [web.yaml]\n"),
        ("overlays/2/kustomization.yaml", overlay),
        ("overlays/2/kustomization.yaml", ""),
        ("overlays/2/kustomization.yaml", more),
        ("overlays/7/kustomization.yaml", overlay),
        ("overlays/2/more.yaml", &POLICY.replace("web", "more")),
        (
            "alone/patch.yaml",
            "- {op: add, path: /metadata/labels, value: {a: c}}\n",
        ),
        ("alone/patch.yaml", ""),
        ("alone/labels.yaml", ""),
        ("plain/web.yaml", POLICY),
    ];
    let shown = |workspace: &Workspace| -> Vec<String> {
        let parts = workspace.clusters().map(|view| {
            let part = view.part();
            format!(
                "{} {:?} {:?} {:?} {:?}",
                part.name, part.objects, part.diagnostics, part.opaque, part.roots
            )
        });
        parts.collect()
    };
    for namespace in ["team", "one"] {
        let before = tree(|number| match namespace {
            "one" => "one".to_owned(),
            name => format!("{name}-{number}"),
        });
        // Something is missing already that a change may bring.
        for missing in [false, true] {
            let mut before = before.clone();
            if missing {
                edit("overlays/2/kustomization.yaml", more)(&mut before);
                edit("alone/patch.yaml", "")(&mut before);
            }
            before.sort();
            for (name, text) in changes {
                let [_, beside, alone] = states(&before, edit(name, text));
                assert_eq!(
                    shown(&beside),
                    shown(&alone),
                    "{namespace} {missing} {name} {text}"
                );
            }
        }
    }
}
