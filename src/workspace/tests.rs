//! A tree after an edit is the tree that is read with the edited texts.

use super::*;
use crate::source::Span;

const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {}}], ports: [{port: 80, protocol: TCP}]}]
";

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, image: web, envFrom: [{configMapRef: {name: own}}]}]}
";

/// A tree of kustomizations that build on each other, and of some that do not.
fn tree() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "alone/kustomization.yaml",
            "namespace: alone\nresources: [web.yaml]\n",
        ),
        ("alone/web.yaml", POLICY),
        (
            "base/kustomization.yaml",
            "resources: [web.yaml, pod.yaml]\n",
        ),
        ("base/pod.yaml", POD),
        ("base/web.yaml", POLICY),
        (
            "component/kustomization.yaml",
            "kind: Component\npatches: [{path: patch.yaml}]\n",
        ),
        (
            "component/patch.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {tier: front}}\n",
        ),
        (
            "dev/kustomization.yaml",
            "namespace: dev\nresources: [../base]\ncomponents: [../component]\n",
        ),
        ("notes/list.yaml", "apiVersion: v1\nkind: List\nitems: []\n"),
        (
            "prod/kustomization.yaml",
            "namespace: prod\nresources: [../base, more]\n\
             configMapGenerator: [{name: own, envs: [own.env]}]\n",
        ),
        ("prod/more/kustomization.yaml", "resources: [more.yaml]\n"),
        (
            "prod/more/more.yaml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n",
        ),
        ("prod/own.env", "NAME=value\n"),
        (
            "unlisted/kustomization.yaml",
            "namespace: unlisted\nresources: []\n",
        ),
        ("unlisted/web.yaml", POLICY),
    ]
}

/// All that is told of the clusters.
fn told(workspace: &Workspace) -> String {
    let parts = workspace.clusters.iter().map(|view| {
        let Part {
            name,
            texts,
            documents,
            diagnostics,
            objects,
            roots,
            changed,
            opaque,
            ..
        } = &view.part;
        format!(
            "{name} {texts:#?} {documents:#?} {diagnostics:#?} {objects:#?} {roots:#?} \
             {changed:#?} {opaque:#?}"
        )
    });
    parts.collect()
}

#[test]
fn after_an_edit_it_is_the_tree_of_the_edited_texts() {
    let config = Config::default();
    let texts = tree();
    let mut reused = 0;
    // What stands there instead of the first of the text: nothing, more, and what breaks it.
    let edits = [
        ("kind: ", "kind: My"),
        ("{", "{a: "),
        ("", "# text\n"),
        ("web", "api"),
        (":", ""),
    ];
    let before = Workspace::load(texts.clone(), &config);
    for (index, (name, text)) in texts.iter().enumerate() {
        for (old, new) in edits {
            let Some(start) = text.find(old) else {
                continue;
            };
            let id = before.ids[index];
            let edit = |old: &str, new: &str| Edit {
                span: Span::new(id, start as u32, (start + old.len()) as u32),
                replacement: new.to_owned(),
            };
            let after = before.edited(&[edit(old, new)]).expect("one edit");
            let mut edited = texts.clone();
            let replaced = text.replacen(old, new, 1);
            edited[index].1 = &replaced;
            let again = Workspace::load(edited, &config);
            assert_eq!(told(&after), told(&again), "{name}: {old} becomes {new}");
            let back = after.edited(&[edit(new, old)]).expect("one edit");
            assert_eq!(told(&back), told(&before), "{name}: back from {new}");
            let built = after.builds.as_ref().expect("it was edited");
            let kept = built.after(&[id].into(), before.sources());
            reused += usize::from(!kept.is_empty());
        }
    }
    assert!(
        reused > 20,
        "{reused} edits leave something of what was built"
    );
}

#[test]
fn edits_beside_others_that_are_known_lead_to_the_tree_of_the_edited_texts() {
    let config = Config::default();
    let texts = tree();
    let before = Workspace::load(texts.clone(), &config);
    let edit = |index: usize, new: &str| {
        let id = before.ids[index];
        Edit {
            span: Span::new(id, 0, 0),
            replacement: new.to_owned(),
        }
    };
    let mut shared = 0;
    for first in 0..texts.len() {
        let known = before.edited(&[edit(first, "# known\n")]);
        let known = known.expect("one edit");
        for second in 0..texts.len() {
            let other = match second == first {
                true => edit(first, "# other\n"),
                false => edit(second, "kind: Other\n---\n"),
            };
            let mut edits = vec![edit(first, "# known\n"), other];
            // With the known edit, and without it.
            for edits in [edits.clone(), edits.split_off(1)] {
                let again = before.edited(&edits);
                let beside = before.edited_beside(&edits, &known);
                let (Ok(again), Ok(beside)) = (again, beside) else {
                    continue;
                };
                assert_eq!(told(&beside), told(&again), "{edits:?}");
                let is_shared = |id: &&SourceId| {
                    let [known, beside] = [&known, &beside].map(|it| it.texts.get(**id));
                    Arc::ptr_eq(known, beside)
                };
                shared +=
                    usize::from(before.ids.iter().all(|id| {
                        is_shared(&id) || edits.iter().any(|edit| edit.span.source == *id)
                    }));
            }
        }
    }
    assert!(shared > 100, "{shared}");
}
