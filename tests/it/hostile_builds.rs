//! Builds that a few lines make endless: each meets a limit that says so, and the rest of the
//! tree is judged all the same.

use crate::program::{run, scratch, write};
use npcheck::diagnostic::Severity;
use npcheck::{Config, Workspace};
use std::fmt::Write;
use std::time::{Duration, Instant};

const HEAD: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
const COMPONENT: &str = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
    metadata: {name: p, namespace: a}\nspec: {podSelector: {}}\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: b-b}\n";

/// What is said of the build of these texts, and that it is over soon.
fn said(texts: &[(String, String)]) -> String {
    let start = Instant::now();
    let texts = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let workspace = Workspace::load(texts, &Config::default());
    // A build without its limit takes hours, or all memory.
    assert!(start.elapsed() < Duration::from_secs(120), "the build ends");
    let mut said = String::new();
    for view in workspace.clusters() {
        let errors = view.diagnostics().iter();
        for error in errors.filter(|it| it.severity == Severity::Error) {
            writeln!(said, "{}", error.message).unwrap();
        }
        for part in &view.part().opaque {
            writeln!(said, "unknown: {}", part.part.reason).unwrap();
        }
    }
    said
}

fn text(name: &str, text: impl Into<String>) -> (String, String) {
    (name.to_owned(), text.into())
}

/// Kustomizations of which each takes the one below twice.
fn doubled(levels: usize, ways: &[&str], bottom: &str) -> Vec<(String, String)> {
    let mut texts = vec![
        text(
            "k0/kustomization.yaml",
            format!("{HEAD}resources: [{bottom}]\n"),
        ),
        text("k0/p.yaml", POLICY),
    ];
    for level in 1..levels {
        let below = level - 1;
        let mut paths = Vec::new();
        for way in ways {
            let name = format!("k{level}{way}");
            let body = format!("{HEAD}namePrefix: {way}-\nresources: [../k{below}]\n");
            texts.push(text(&format!("{name}/kustomization.yaml"), body));
            paths.push(format!("../{name}"));
        }
        if ways.is_empty() {
            paths = vec![format!("../k{below}"), format!("../k{below}/../k{below}")];
        }
        let body = format!("{HEAD}resources: [{}]\n", paths.join(", "));
        texts.push(text(&format!("k{level}/kustomization.yaml"), body));
    }
    texts
}

#[test]
fn objects_that_double_with_every_level_are_taken_over_up_to_a_limit() {
    let said_of = said(&doubled(25, &["a", "b"], "p.yaml"));
    assert!(
        said_of.contains("unknown: this build takes over more than 100000 objects"),
        "{said_of}"
    );
}

#[test]
fn what_is_wrong_below_is_said_once_however_many_ways_lead_there() {
    let said_of = said(&doubled(60, &[], "missing.yaml"));
    assert_eq!(said_of.matches("missing.yaml").count(), 1, "{said_of}");
}

#[test]
fn components_that_use_each_other_are_used_up_to_a_limit() {
    let names: Vec<String> = (0..24).map(|number| format!("../c{number}")).collect();
    for is_circle in [true, false] {
        let mut texts = vec![
            text(
                "k/kustomization.yaml",
                format!("{HEAD}resources: [p.yaml]\ncomponents: [../c0]\n"),
            ),
            text("k/p.yaml", POLICY),
        ];
        for (number, own) in names.iter().enumerate() {
            let others = names.iter().enumerate();
            let others =
                others.filter(|(other, name)| *name != own && (is_circle || *other > number));
            let others: Vec<&str> = others.map(|(_, name)| name.as_str()).collect();
            let body = format!("{COMPONENT}components: [{}]\n", others.join(", "));
            texts.push(text(&format!("c{number}/kustomization.yaml"), body));
        }
        let said_of = said(&texts);
        assert!(
            said_of.contains("unknown: this build uses more than 5000 components"),
            "{said_of}"
        );
    }
}

/// A kustomization of one object with these lines.
fn with(object: &str, lines: &str) -> Vec<(String, String)> {
    vec![
        text(
            "kustomization.yaml",
            format!("{HEAD}resources: [p.yaml]\n{lines}"),
        ),
        text("p.yaml", format!("{object}---\n{POLICY}")),
    ]
}

/// ConfigMaps with these numbers, and a policy.
fn maps(count: usize) -> String {
    let map =
        |number| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{number}}}\n---\n");
    (0..count).map(map).collect()
}

#[test]
fn changes_that_look_at_all_objects_are_made_up_to_a_limit() {
    let entries = |count: usize, entry: &dyn Fn(usize) -> String| -> String {
        (0..count).map(entry).collect()
    };
    let labels = entries(500, &|number| format!("- pairs: {{l{number}: v}}\n"));
    let images = entries(3_000, &|number| {
        format!("- {{name: i{number}, newTag: v1}}\n")
    });
    let replicas = entries(3_000, &|number| {
        format!("- {{name: m{number}, count: 2}}\n")
    });
    for (field, entries, objects) in [
        ("labels", labels, 500),
        ("images", images, 3_000),
        ("replicas", replicas, 3_000),
    ] {
        let said_of = said(&with(&maps(objects), &format!("{field}:\n{entries}")));
        let limit = "unknown: this build looks at more than 4000000 parts of objects";
        assert!(said_of.contains(limit), "{field}: {said_of:.2000}");
    }
}

#[test]
fn patches_go_through_objects_up_to_a_limit() {
    let entries = (0..20_000).map(|number| format!("  k{number}: v\n"));
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n";
    let map = map.to_owned() + &entries.collect::<String>();
    let patch = "- target: {kind: ConfigMap, name: m}\n  \
                 patch: '[{\"op\": \"add\", \"path\": \"/metadata/labels\", \"value\": {}}]'\n";
    let said_of = |count| said(&with(&map, &format!("patches:\n{}", patch.repeat(count))));
    assert_eq!(said_of(3), "");
    let said_of = said_of(220);
    let limit = "unknown: this build looks at more than 4000000 parts of objects";
    assert!(said_of.contains(limit), "{said_of:.2000}");
}

/// A pod of so many containers, of which a patch changes one.
fn patched_pod(containers: usize) -> Vec<(String, String)> {
    let all = (0..containers).map(|number| format!("  - {{name: c{number}, image: a}}\n"));
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: m}\nspec:\n  containers:\n";
    let patch = "patches:\n- patch: '{apiVersion: v1, kind: Pod, metadata: {name: m}, \
                 spec: {containers: [{name: c0, image: b}]}}'\n";
    with(&(pod.to_owned() + &all.collect::<String>()), patch)
}

#[test]
fn items_of_lists_that_merge_by_key_are_compared_up_to_a_limit() {
    assert_eq!(said(&patched_pod(300)), "");
    let said_of = said(&patched_pod(4_000));
    let limit = "unknown: this build looks at more than 4000000 parts of objects";
    assert!(said_of.contains(limit), "{said_of:.2000}");
}

#[test]
fn a_build_that_is_printed_in_part_is_not_everything() {
    let directory = scratch("limit-of-a-printed-build");
    for (name, text) in patched_pod(4_000) {
        write(&directory, &name, text);
    }
    let printed = run(&directory, &["render", "."]);
    assert!(
        printed.stdout.contains("kind: NetworkPolicy"),
        "{printed:.2000?}"
    );
    let limit = "this build looks at more than 4000000 parts of objects";
    assert!(printed.stderr.contains(limit), "{}", printed.stderr);
    assert_eq!(printed.status, 2);
}

#[test]
fn a_patch_that_copies_parts_into_themselves_ends_with_the_size_of_objects() {
    let copy = r#"{"op": "copy", "from": "/x", "path": "/x/-"}"#;
    let operations = vec![copy; 60].join(", ");
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\nx: [1]\n";
    let patch = format!("patches:\n- target: {{kind: ConfigMap}}\n  patch: '[{operations}]'\n");
    let said_of = said(&with(object, &patch));
    assert!(
        said_of.contains("the object becomes larger than the API server accepts"),
        "{said_of}"
    );
    // One patch after the other.
    let patch = format!("- target: {{kind: ConfigMap}}\n  patch: '[{copy}]'\n");
    let said_of = said(&with(object, &format!("patches:\n{}", patch.repeat(60))));
    assert!(
        said_of.contains("the object becomes larger than the API server accepts"),
        "{said_of}"
    );
}

#[test]
fn a_replacement_that_puts_a_value_into_itself_ends_with_the_size_of_objects() {
    let replacement = "- source: {kind: ConfigMap, name: m, fieldPath: data.a}\n  targets: \
        [{select: {kind: ConfigMap}, fieldPaths: [data.a], options: {delimiter: '-', index: 99}}]\n";
    let lines = format!("replacements:\n{}", replacement.repeat(60));
    let said_of = said(&with(MAP, &lines));
    assert!(
        said_of.contains("the string becomes longer than the API server accepts"),
        "{said_of}"
    );
    let mut lines = "replacements:\n".to_owned();
    for number in 0..60 {
        writeln!(
            lines,
            "- source: {{kind: ConfigMap, name: m, fieldPath: data}}\n  targets: [{{select: \
             {{kind: ConfigMap}}, fieldPaths: [data.x{number}], options: {{create: true}}}}]"
        )
        .unwrap();
    }
    let said_of = said(&with(MAP, &lines));
    assert!(
        said_of.contains("becomes larger than the API server accepts"),
        "{said_of}"
    );
}

#[test]
fn variables_are_replaced_up_to_a_limit() {
    let long = "x".repeat(100_000);
    let object = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m, annotations: {{v: {long}}}}}\n\
         data: {{a: '{}'}}\n",
        "$(V)".repeat(1_000)
    );
    let lines = "configurations: [fields.yaml]\nvars:\n- name: V\n  objref: {kind: ConfigMap, name: m, \
         apiVersion: v1}\n  fieldref: {fieldpath: metadata.annotations.v}\n";
    let mut texts = with(&object, lines);
    let fields = "varReference:\n- {kind: ConfigMap, path: data/a}\n";
    texts.push(text("fields.yaml", fields));
    let said_of = said(&texts);
    assert!(
        said_of.contains("the values of variables become longer than 16777216 bytes"),
        "{said_of}"
    );
}

#[test]
fn generators_that_multiply_yield_up_to_a_limit() {
    let list = |key: char| {
        let elements: Vec<String> = (0..40).map(|it| format!("{{{key}: x{it}}}")).collect();
        format!("{{list: {{elements: [{}]}}}}", elements.join(", "))
    };
    let matrix =
        |one: String, other: String| format!("{{matrix: {{generators: [{one}, {other}]}}}}");
    let all = matrix(matrix(list('a'), list('b')), matrix(list('c'), list('d')));
    let set = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: s, namespace: \
         argocd}}\nspec:\n  generators: [{all}]\n  template:\n    metadata: {{name: \
         'x-{{{{a}}}}-{{{{b}}}}'}}\n    spec:\n      source: {{repoURL: 'https://r.test/r', path: \
         k}}\n      destination: {{namespace: 'n-{{{{a}}}}'}}\n"
    );
    let said_of = said(&[text("set.yaml", set), text("k/p.yaml", POLICY)]);
    assert!(
        said_of.contains("a matrix yields more than 10000 sets of parameters"),
        "{said_of}"
    );
}

/// Each label is compared with all others of an object only where it replaces one.
#[test]
fn many_labels_are_set_in_many_objects() {
    const LABELS: usize = 200;
    const POLICIES: usize = 40;
    let directory = scratch("hostile-labels");
    let policy = |number: usize| {
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p{number}}}\n\
             spec: {{podSelector: {{matchLabels: {{l7: own}}}}, \
             ingress: [{{from: [{{podSelector: {{matchLabels: {{l8: own}}}}}}]}}]}}\n"
        )
    };
    let policies: String = (0..POLICIES).map(policy).collect();
    write(&directory, "base/policies.yaml", policies);
    let labels: String = (0..LABELS).map(|it| format!("  l{it}: v{it}\n")).collect();
    let base = format!("resources: [policies.yaml]\ncommonLabels:\n{labels}");
    write(&directory, "base/kustomization.yaml", base);
    // What one of them is changed to, all places that have it are.
    let overlay = "resources: [../base]\ncommonLabels: {l7: other, l150: other}\n";
    write(&directory, "overlay/kustomization.yaml", overlay);
    let count = |root: &str, text: &str| {
        let built = run(&directory, &["render", root]);
        assert_eq!(built.status, 0, "{}", built.stderr);
        // Behind a value stands where it comes from.
        let lines = built.stdout.lines();
        let lines = lines.map(|line| line.split("  #").next().unwrap_or_default().trim());
        lines.filter(|line| *line == text).count()
    };
    for (root, text, times) in [
        ("base", "l199: v199", 3),
        ("base", "l7: v7", 3),
        ("base", "l8: own", 0),
        ("overlay", "l7: other", 3),
        ("overlay", "l150: other", 3),
        ("overlay", "l150: v150", 0),
        ("overlay", "l151: v151", 3),
    ] {
        assert_eq!(count(root, text), times * POLICIES, "{root} {text}");
    }
}

/// An entry of Flux that replaces variables in what it applies.
fn flux(variables: &str, app: String) -> Vec<(String, String)> {
    let entry = format!(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: app, \
         namespace: flux-system}}\nspec:\n  path: ./app\n  sourceRef: {{kind: GitRepository, name: \
         flux-system}}\n  postBuild:\n    substitute:\n{variables}---\n\
         apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: \
         flux-system, namespace: flux-system}}\nspec: {{url: 'https://r.test/r'}}\n"
    );
    vec![text("clusters/app.yaml", entry), text("app/p.yaml", app)]
}

#[test]
fn variables_of_flux_are_replaced_up_to_a_limit() {
    let policy = |value: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: a, \
             annotations: {{a: '{value}'}}}}\nspec: {{podSelector: {{}}}}\n"
        )
    };
    let long = format!("      v: {}\n", "x".repeat(20_000));
    let limit = "unknown: the values of variables become longer than 4194304 bytes";
    assert_eq!(said(&flux(&long, policy("${v}"))), "");
    for value in ["${v}".repeat(1_000), "${v//x/${v}}".to_owned()] {
        let said_of = said(&flux(&long, policy(&value)));
        assert!(said_of.contains(limit), "{said_of:.2000}");
    }
}

#[test]
fn what_is_applied_again_and_again_is_built_up_to_a_limit() {
    let elements = (0..400).map(|it| format!("      - {{n: x{it}}}\n"));
    let elements: String = elements.collect();
    let set = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: s, namespace: \
         argocd}}\nspec:\n  goTemplate: true\n  generators:\n  - list:\n      elements:\n{elements}  \
         template:\n    metadata: {{name: '{{{{.n}}}}'}}\n    spec:\n      source: {{repoURL: \
         'https://r.test/r', path: k}}\n      destination: {{namespace: '{{{{.n}}}}'}}\n"
    );
    // Looking at a long text takes the time of many objects.
    let long = format!(
        "{POLICY}{}",
        format!("# {}\n", "-".repeat(90)).repeat(44_000)
    );
    let said_of = said(&[text("set.yaml", set), text("k/p.yaml", long)]);
    let limit = "unknown: everything that is built here has more than 21";
    assert!(said_of.contains(limit), "{said_of:.2000}");
}

#[test]
fn generators_compare_paths_with_patterns_up_to_a_limit() {
    let patterns: String = (0..2_000)
        .map(|it| format!("      - path: apps/*/x{it}*\n"))
        .collect();
    let set = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: s, namespace: \
         argocd}}\nspec:\n  generators:\n  - git:\n      repoURL: https://r.test/r\n      revision: \
         HEAD\n      directories:\n{patterns}  template:\n    metadata: {{name: \
         '{{{{path.basename}}}}'}}\n    spec:\n      source: {{repoURL: 'https://r.test/r', path: \
         '{{{{path}}}}'}}\n      destination: {{namespace: a}}\n"
    );
    let mut texts = vec![text("set.yaml", set)];
    let directories = (0..1_200).map(|it| text(&format!("apps/d{it}/y/p.yaml"), POLICY));
    texts.extend(directories);
    let said_of = said(&texts);
    let limit = "a generator compares paths with patterns more than 2000000 times";
    assert!(said_of.contains(limit), "{said_of:.2000}");
}

#[test]
fn replacements_look_for_their_objects_up_to_a_limit() {
    let target = "  - {select: {kind: ConfigMap, name: m0}, fieldPaths: [data.a], \
                  options: {create: true}}\n";
    let replacement = format!(
        "- source: {{kind: ConfigMap, name: m1, fieldPath: metadata.name}}\n  targets:\n{}",
        target.repeat(20)
    );
    let said_of = |count| {
        let lines = format!("replacements:\n{}", replacement.repeat(count));
        said(&with(&maps(2_000), &lines))
    };
    assert_eq!(said_of(2), "");
    let said_of = said_of(220);
    let limit = "unknown: this build looks at more than 4000000 parts of objects";
    assert!(said_of.contains(limit), "{said_of:.2000}");
}

/// What is said where the changes of a build have come to their end.
const LOOKED_AT: &str = "unknown: this build looks at more than 4000000 parts of objects";

/// Entries, one after the other.
fn entries(count: usize, entry: impl Fn(usize) -> String) -> String {
    (0..count).map(entry).collect()
}

#[test]
fn fields_that_files_name_are_set_up_to_a_limit() {
    let fields = |count| {
        entries(count, |it| {
            format!("- {{path: spec/f{it}, create: true}}\n")
        })
    };
    let built = |lines: &str, field: &str, count| {
        let mut texts = with(&maps(300), lines);
        let text = format!("{field}:\n{}", fields(count));
        texts.push(("fields.yaml".to_owned(), text));
        said(&texts)
    };
    for (lines, field) in [
        ("commonLabels: {a: b}\n", "commonLabels"),
        ("commonAnnotations: {a: b}\n", "commonAnnotations"),
        ("namespace: shop\n", "namespace"),
        ("namePrefix: a-\n", "namePrefix"),
        ("labels: [{pairs: {a: b}}]\n", "labels"),
    ] {
        let lines = format!("configurations: [fields.yaml]\n{lines}");
        let few = built(&lines, field, 3);
        assert!(!few.contains(LOOKED_AT), "{field}: {few:.2000}");
        let many = built(&lines, field, 1_000);
        assert!(many.contains(LOOKED_AT), "{field}: {many:.2000}");
    }
    // One file, named again and again.
    let files = vec!["fields.yaml"; 1_500].join(", ");
    let lines = format!("configurations: [{files}]\ncommonLabels: {{a: b}}\n");
    let said_of = built(&lines, "replicas", 1_000);
    assert!(said_of.contains(LOOKED_AT), "{said_of:.2000}");
}

#[test]
fn images_of_one_object_are_set_up_to_a_limit() {
    let pod = |count| {
        let containers = entries(count, |it| format!("  - {{name: c{it}, image: i{it}}}\n"));
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: m}}\nspec:\n  containers:\n{containers}"
        )
    };
    let images = |count| {
        let images = entries(count, |it| format!("- {{name: i{it}, newTag: v2}}\n"));
        format!("images:\n{images}")
    };
    assert_eq!(said(&with(&pod(100), &images(100))), "");
    let said_of = said(&with(&pod(2_000), &images(2_000)));
    assert!(said_of.contains(LOOKED_AT), "{said_of:.2000}");
}

#[test]
fn expressions_that_repeat_are_understood_up_to_a_limit() {
    let patch = "- target: {name: 'm((a{0,100}){0,100})'}\n  \
                 patch: '[{\"op\": \"add\", \"path\": \"/data\", \"value\": {}}]'\n";
    let said_of = |count| said(&with(MAP, &format!("patches:\n{}", patch.repeat(count))));
    assert!(!said_of(3).contains(LOOKED_AT));
    let said_of = said_of(450);
    assert!(said_of.contains(LOOKED_AT), "{said_of:.2000}");
}

#[test]
fn generators_that_name_one_file_generate_up_to_a_limit() {
    let generators = |count, source: &str| {
        let generators = entries(count, |it| format!("- {{name: g{it}, {source}}}\n"));
        format!("configMapGenerator:\n{generators}")
    };
    let built = |lines: &str| {
        let mut texts = with(MAP, lines);
        texts.push(text("all.env", entries(2_000, |it| format!("k{it}=v\n"))));
        texts.push(text("large.txt", "x".repeat(2_000_000)));
        said(&texts)
    };
    assert_eq!(built(&generators(2, "envs: [all.env]")), "");
    let said_of = built(&generators(300, "envs: [all.env]"));
    assert!(said_of.contains(LOOKED_AT), "{said_of:.2000}");
    let said_of = built(&generators(1, "files: [large.txt]"));
    let limit = "the generated ConfigMap becomes larger than the API server accepts";
    assert!(said_of.contains(limit), "{said_of:.2000}");
    // Each is put into what those before have made.
    let merged = entries(3_000, |it| {
        format!("- {{name: g0, behavior: merge, literals: [k{it}=v]}}\n")
    });
    let said_of = built(&(generators(1, "literals: [a=b]") + &merged));
    assert!(said_of.contains(LOOKED_AT), "{said_of:.2000}");
}

#[test]
fn definitions_that_name_each_other_are_followed_up_to_a_limit() {
    let property = |it| format!("\"p{it}\": {{\"$ref\": \"x.K\"}}");
    let built = |count| {
        let properties: Vec<String> = (0..count).map(property).collect();
        let schema = format!("{{\"properties\": {{{}}}}}", properties.join(", "));
        let mut texts = with(MAP, "crds: [k.json]\n");
        let definitions = format!("{{\"x.K\": {{\"Schema\": {schema}}}}}");
        texts.push(text("k.json", definitions));
        said(&texts)
    };
    assert_eq!(built(1), "");
    let said_of = built(10);
    let limit = "unknown: these definitions lead to more than 200000 properties";
    assert!(said_of.contains(limit), "{said_of:.2000}");
}

#[test]
fn what_objects_were_before_counts_among_what_is_taken_over() {
    let built = |objects, levels| {
        let mut texts = vec![
            text("k0/kustomization.yaml", "resources: [o.yaml]\n"),
            text("k0/o.yaml", maps(objects)),
        ];
        for level in 1..levels {
            let below = level - 1;
            let body = format!("resources: [../k{below}]\nnamePrefix: a-\nnamespace: n{level}\n");
            texts.push(text(&format!("k{level}/kustomization.yaml"), body));
        }
        said(&texts)
    };
    assert_eq!(built(10, 45), "");
    let said_of = built(400, 45);
    let limit = "unknown: this build takes over more than 100000 objects";
    assert!(said_of.contains(limit), "{said_of:.2000}");
}

#[test]
fn what_builds_of_one_directory_have_again_counts_for_all_of_them() {
    let faults = entries(500, |it| format!("- {{path: missing{it}.yaml}}\n"));
    let built = |roots| {
        let mut texts = vec![
            text(
                "base/kustomization.yaml",
                format!("resources: [p.yaml]\npatches:\n{faults}"),
            ),
            text("base/p.yaml", POLICY),
        ];
        for root in 0..roots {
            let body = format!("resources: [../base]\nnamespace: n{root}\n");
            texts.push(text(&format!("o{root}/kustomization.yaml"), body));
        }
        said(&texts)
    };
    let limit = "everything that is built here has more than";
    assert!(!built(3).contains(limit));
    let said_of = built(1_400);
    assert!(said_of.contains(limit), "{said_of:.2000}");
}
