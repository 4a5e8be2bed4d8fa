//! Random kustomizations of several levels against a reference that is written from
//! kustomize's documentation, and against kubectl where that is installed.

use super::clusters::Random;
use npcheck::config::Config;
use npcheck::diagnostic::Diagnostic;
use npcheck::lint::Date;
use npcheck::render;
use npcheck::source::{SourceId, SourceMap};
use npcheck::workspace::Workspace;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::{env, fs};

/// How many are built, and how many of these kubectl builds as well.
const CASES: (u64, u64) = (400, 25);

/// Ways to write in YAML what JSON has one way for.
const SPELLINGS: [(&str, &[&str]); 4] = [
    (
        "\"web\"",
        &["web", "'web'", "!!str web", "!!str \"web\"", "!!str 'web'"],
    ),
    ("\"5\"", &["'5'", "!!str 5", "!!str \"5\""]),
    ("80", &["0x50", "0o120", "0b1010000", "+80", "!!int 80"]),
    ("2", &["0x2", "0b10", "+2", "!!int 2"]),
];

/// By kind and name.
type Objects = BTreeMap<(String, String), Value>;

/// The texts of a case, the directory that is built, and what it should become.
struct Case {
    files: Vec<(String, String)>,
    directory: String,
    expected: Objects,
}

fn pick<'p>(random: &mut Random, words: &[&'p str]) -> &'p str {
    words[random.below(words.len())]
}

/// A manifest in YAML: some of its scalars are written in another way, and mean the same.
fn spelled(random: &mut Random, manifest: &Value) -> String {
    let mut text = manifest.to_string();
    for (scalar, ways) in SPELLINGS {
        let written: Vec<usize> = text
            .match_indices(&format!(":{scalar}"))
            .map(|(at, _)| at + 1)
            .filter(|at| text[at + scalar.len()..].starts_with([',', '}']))
            .collect();
        for at in written.into_iter().rev() {
            if random.below(3) != 0 {
                continue;
            }
            let way = format!(" {}", pick(random, ways));
            text.replace_range(at..at + scalar.len(), &way);
        }
    }
    text
}

fn labels(random: &mut Random) -> Value {
    let mut labels = Map::new();
    for key in ["app", "tier", "env"] {
        if random.below(2) == 0 {
            let value = pick(random, &["web", "db", "dev", "5"]);
            labels.insert(key.to_owned(), json!(value));
        }
    }
    Value::Object(labels)
}

fn selector(random: &mut Random) -> Value {
    match random.below(4) {
        0 => json!({}),
        1 => json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]}),
        _ => json!({"matchLabels": labels(random)}),
    }
}

fn object(random: &mut Random, name: &str) -> Value {
    let mut metadata = json!({"name": name});
    if random.below(2) == 0 {
        metadata["namespace"] = json!(pick(random, &["shop", "blog"]));
    }
    if random.below(2) == 0 {
        metadata["labels"] = labels(random);
    }
    let (version, kind, spec) = match random.below(4) {
        0 => (
            "v1",
            "Pod",
            json!({"containers": [{"name": "c", "image": "x"}]}),
        ),
        1 => {
            let template = json!({"metadata": {"labels": labels(random)}, "spec": {"containers": [{"name": "c", "image": "x"}]}});
            let mut spec =
                json!({"selector": {"matchLabels": labels(random)}, "template": template});
            match random.below(3) {
                0 => spec["replicas"] = json!(2),
                1 => spec["replicas"] = json!("2"),
                _ => {}
            }
            ("apps/v1", "Deployment", spec)
        }
        2 => {
            let mut spec = json!({"ports": [{"port": 80}]});
            if random.below(2) == 0 {
                spec["selector"] = labels(random);
            }
            ("v1", "Service", spec)
        }
        _ => {
            let peer = match random.below(3) {
                0 => json!({"podSelector": selector(random)}),
                1 => json!({"namespaceSelector": selector(random)}),
                _ => {
                    json!({"namespaceSelector": selector(random), "podSelector": selector(random)})
                }
            };
            let spec = json!({"podSelector": selector(random), "ingress": [{"from": [peer]}]});
            ("networking.k8s.io/v1", "NetworkPolicy", spec)
        }
    };
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
}

/// Sets labels; `create` where there are none.
fn set(place: Option<&mut Value>, pairs: &Value) {
    let (Some(place), Some(pairs)) = (place, pairs.as_object()) else {
        return;
    };
    if place.is_null() {
        *place = json!({});
    }
    for (key, value) in pairs {
        place[key] = value.clone();
    }
}

/// What one kustomization does to an object (kustomize, "Labels and Annotations", "Namespaces
/// and Names"): patches, then the namespace, the prefix, labels, and labels with selectors.
fn transform(object: &mut Value, kustomization: &Value) {
    for entry in kustomization["patches"].as_array().into_iter().flatten() {
        let patch: Value = serde_json::from_str(entry["patch"].as_str().unwrap()).unwrap();
        if let Some(operations) = patch.as_array() {
            if entry["target"]["kind"] == object["kind"] {
                operations.iter().for_each(|it| operate(object, it));
            }
            continue;
        }
        let is_it = ["kind", "apiVersion"]
            .iter()
            .all(|it| patch[*it] == object[*it])
            && patch["metadata"]["name"] == object["metadata"]["name"];
        if is_it {
            set(
                Some(&mut object["metadata"]["labels"]),
                &patch["metadata"]["labels"],
            );
        }
    }
    if let Some(namespace) = kustomization.get("namespace") {
        object["metadata"]["namespace"] = namespace.clone();
    }
    let called = object["metadata"]["name"].as_str().unwrap().to_owned();
    if let Some(prefix) = kustomization["namePrefix"].as_str() {
        object["metadata"]["name"] = json!(format!("{prefix}{called}"));
    }
    for entry in kustomization["labels"].as_array().into_iter().flatten() {
        if entry["pairs"].as_object().is_none_or(Map::is_empty) {
            continue;
        }
        set(Some(&mut object["metadata"]["labels"]), &entry["pairs"]);
        if entry["includeSelectors"] == true {
            set_selectors(object, &entry["pairs"]);
        }
    }
    if object["kind"] == "Deployment" && kustomization["replicas"][0]["name"] == json!(called) {
        let count = &kustomization["replicas"][0]["count"];
        // What stands in quotes keeps them.
        object["spec"]["replicas"] = match object["spec"]["replicas"].is_string() {
            true => json!(count.to_string()),
            false => count.clone(),
        };
    }
    if let Some(annotations) = kustomization.get("commonAnnotations") {
        set(Some(&mut object["metadata"]["annotations"]), annotations);
        if object["kind"] == "Deployment" {
            let template = &mut object["spec"]["template"]["metadata"];
            set(Some(&mut template["annotations"]), annotations);
        }
    }
    if let Some(tag) = kustomization["images"][0]["newTag"].as_str() {
        let pods = match object["kind"].as_str().unwrap() {
            "Pod" => &mut object["spec"],
            "Deployment" => &mut object["spec"]["template"]["spec"],
            _ => return,
        };
        pods["containers"][0]["image"] = json!(format!("x:{tag}"));
    }
}

/// What one kustomization does to all objects: each as it is transformed, and then replacements
/// of one name, by the name that the source had when it was read.
fn transform_all(objects: &mut [Value], read: &[String], kustomization: &Value) {
    for object in &mut *objects {
        transform(object, kustomization);
    }
    for replacement in kustomization["replacements"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let mut all = read.iter().zip(&*objects);
        let source = all.find(|(name, _)| replacement["source"]["name"] == **name);
        let name = source.expect("it is there").1["metadata"]["name"].clone();
        let kind = &replacement["targets"][0]["select"]["kind"];
        for object in objects.iter_mut().filter(|it| it["kind"] == *kind) {
            object["metadata"]["annotations"]["ref"] = name.clone();
        }
    }
}

/// One operation of a JSON patch: those that are made here.
fn operate(object: &mut Value, operation: &Value) {
    let value = operation["value"].clone();
    match operation["path"].as_str().unwrap() {
        "/metadata/annotations/note" => object["metadata"]["annotations"]["note"] = value,
        "/spec/ingress/-" => object["spec"]["ingress"]
            .as_array_mut()
            .unwrap()
            .push(value),
        "/spec/type" => object["spec"]["type"] = value,
        path => panic!("{path}"),
    }
}

/// A JSON patch for all objects of a kind, be they there or not.
fn json_patch(random: &mut Random) -> Value {
    let note = json!({"op": "add", "path": "/metadata/annotations/note", "value": pick(random, &["a", "b"])});
    let (kind, mut operations) = match random.below(4) {
        0 => ("Pod", vec![]),
        1 => ("Deployment", vec![]),
        2 => {
            let rule = json!({"from": [{"podSelector": selector(random)}]});
            (
                "NetworkPolicy",
                vec![json!({"op": "add", "path": "/spec/ingress/-", "value": rule})],
            )
        }
        _ => {
            let operation = json!({"op": "add", "path": "/spec/type", "value": "NodePort"});
            ("Service", vec![operation])
        }
    };
    if operations.is_empty() || random.below(2) == 0 {
        operations.push(note);
    }
    json!({"target": {"kind": kind}, "patch": json!(operations).to_string()})
}

fn set_selectors(object: &mut Value, pairs: &Value) {
    let spec = &mut object["spec"].clone();
    match object["kind"].as_str().unwrap() {
        "Deployment" => {
            set(Some(&mut spec["selector"]["matchLabels"]), pairs);
            set(Some(&mut spec["template"]["metadata"]["labels"]), pairs);
        }
        "Service" => set(Some(&mut spec["selector"]), pairs),
        "NetworkPolicy" => {
            set(spec["podSelector"].get_mut("matchLabels"), pairs);
            let rules = spec["ingress"].as_array_mut().into_iter().flatten();
            for peer in rules.flat_map(|rule| rule["from"].as_array_mut().unwrap()) {
                let pods = peer.get_mut("podSelector");
                set(pods.and_then(|pods| pods.get_mut("matchLabels")), pairs);
            }
        }
        _ => {}
    }
    object["spec"] = spec.clone();
}

fn kustomization(random: &mut Random, objects: &[Value], read: &[String]) -> Value {
    let mut kustomization = json!({});
    if random.below(3) == 0 {
        // A number in quotes stays a text.
        let team = pick(random, &["a", "1"]);
        kustomization["commonAnnotations"] = json!({"team": team});
    }
    if random.below(3) == 0 {
        kustomization["buildMetadata"] = json!(["originAnnotations"]);
    }
    if let Some(source) = read.get(random.below(2 * read.len() + 1)) {
        let kind = pick(random, &["Pod", "Deployment", "Service", "NetworkPolicy"]);
        kustomization["replacements"] = json!([{
            "source": {"name": source},
            "targets": [{"select": {"kind": kind}, "fieldPaths": ["metadata.annotations.ref"], "options": {"create": true}}],
        }]);
    }
    if random.below(3) == 0 {
        kustomization["namespace"] = json!(pick(random, &["prod", "stage"]));
    }
    if random.below(3) == 0 {
        kustomization["namePrefix"] = json!(pick(random, &["p-", "p-", ""]));
    }
    if random.below(4) == 0 {
        kustomization["images"] = json!([{"name": "x", "newTag": pick(random, &["1", "v2"])}]);
    }
    let mut deployments = objects.iter().filter(|it| it["kind"] == "Deployment");
    if let Some(deployment) = deployments.next().filter(|_| random.below(2) == 0) {
        let count = random.below(3);
        kustomization["replicas"] =
            json!([{"name": deployment["metadata"]["name"], "count": count}]);
    }
    let entries = (0..random.below(3)).map(|_| {
        // kustomize sets one node in several places, and what is set again in one of them
        // changes in all: labels without selectors have keys of their own here.
        match random.below(2) {
            0 => json!({"pairs": labels(random), "includeSelectors": true}),
            _ => json!({"pairs": {"team": pick(random, &["a", "b"])}}),
        }
    });
    kustomization["labels"] = json!(entries.collect::<Vec<_>>());
    if let Some(object) = objects.first().filter(|_| random.below(2) == 0) {
        let mut patch = json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": {"name": object["metadata"]["name"], "labels": {"patched": "yes-it-is"}}});
        if let Some(namespace) = object["metadata"].get("namespace") {
            patch["metadata"]["namespace"] = namespace.clone();
        }
        kustomization["patches"] = json!([{"patch": patch.to_string()}]);
    }
    if random.below(2) == 0 {
        let mut patches = kustomization["patches"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        patches.push(json_patch(random));
        kustomization["patches"] = json!(patches);
    }
    kustomization
}

fn case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let mut files = Vec::new();
    let mut objects: Vec<Value> = Vec::new();
    let mut read: Vec<String> = Vec::new();
    let mut below: Option<String> = None;
    let mut number = 0;
    for level in ["base", "middle", "top"] {
        let mut resources: Vec<String> = below.iter().map(|it| format!("../{it}")).collect();
        for _ in 0..1 + random.below(3) {
            let name = format!("{}-{number}", pick(&mut random, &["web", "db"]));
            let object = object(&mut random, &name);
            let text = spelled(&mut random, &object);
            files.push((format!("{level}/r{number}.yaml"), text));
            resources.push(format!("r{number}.yaml"));
            objects.push(object);
            read.push(name);
            number += 1;
        }
        // A Component works on all that its parent has so far, before the parent does.
        let component = (random.below(3) == 0).then(|| kustomization(&mut random, &objects, &read));
        if let Some(mut component) = component.clone() {
            transform_all(&mut objects, &read, &component);
            component["apiVersion"] = json!("kustomize.config.k8s.io/v1alpha1");
            component["kind"] = json!("Component");
            let file = format!("{level}-part/kustomization.yaml");
            files.push((file, component.to_string()));
        }
        let mut made = kustomization(&mut random, &objects, &read);
        transform_all(&mut objects, &read, &made);
        made["resources"] = json!(resources);
        if component.is_some() {
            made["components"] = json!([format!("../{level}-part")]);
        }
        files.push((format!("{level}/kustomization.yaml"), made.to_string()));
        below = Some(level.to_owned());
    }
    Case {
        files,
        directory: "top".to_owned(),
        expected: objects.into_iter().map(keyed).collect(),
    }
}

fn keyed(mut object: Value) -> ((String, String), Value) {
    let metadata = object["metadata"].as_object_mut().unwrap();
    // npcheck says where all comes from in comments.
    if let Some(annotations) = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove("config.kubernetes.io/origin");
    }
    // None are as good as an empty mapping of them.
    for field in ["labels", "annotations"] {
        let pairs = metadata.get(field).and_then(Value::as_object);
        if pairs.is_none_or(Map::is_empty) {
            metadata.remove(field);
        }
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let key = (text(&object["kind"]), text(&object["metadata"]["name"]));
    (key, object)
}

fn read(text: &str) -> Objects {
    let documents = serde_yaml::Deserializer::from_str(text);
    let values = documents.map(|document| serde::Deserialize::deserialize(document).unwrap());
    let values = values.filter(|value: &Value| !value.is_null());
    values.map(keyed).collect()
}

#[test]
fn random_kustomizations_become_what_the_documentation_says() {
    let folder = env::temp_dir().join(format!("npcheck-builds-{}", std::process::id()));
    let has_kubectl = Command::new("kubectl")
        .arg("version")
        .arg("--client")
        .output()
        .is_ok();
    for seed in 0..CASES.0 {
        let case = case(seed);
        let mut sources = SourceMap::default();
        for (name, text) in &case.files {
            sources.add(name.as_str(), text.as_str());
        }
        let ids: Vec<SourceId> = sources.ids().collect();
        let printed = render::print(&sources, &ids, &case.directory).expect("a kustomization");
        assert_eq!(printed.faults, [], "seed {seed}");
        assert_eq!(read(&printed.text), case.expected, "seed {seed}");
        if has_kubectl && seed < CASES.1 {
            for (name, text) in &case.files {
                let path = folder.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let root = folder.join(&case.directory);
            let built = Command::new("kubectl")
                .arg("kustomize")
                .arg(root)
                .output()
                .unwrap();
            let text = String::from_utf8(built.stdout).unwrap();
            assert_eq!(read(&text), case.expected, "kubectl, seed {seed}");
        }
    }
    drop(fs::remove_dir_all(folder));
}

/// What is said of texts, and whether it says that a kustomization adds labels to selectors.
fn findings(files: &[(String, String)]) -> BTreeMap<(&'static str, String), bool> {
    let today: Date = "2026-11-27".parse().expect("a date");
    let texts = files.iter();
    let texts = texts.map(|(name, text)| (name.as_str(), text.as_str()));
    let workspace = Workspace::load(texts, &Config::default());
    let blames = |it: &Diagnostic| {
        let mut remarks = it.related.iter().map(|label| &label.message);
        remarks.any(|remark| remark.starts_with("this kustomization adds"))
    };
    let findings = workspace.lint(today).findings.into_iter();
    let findings = findings.map(|it| ((it.rule, it.message.clone()), blames(&it)));
    findings.collect()
}

/// What becomes of the kustomization of a case.
fn printed(files: &[(String, String)], directory: &str) -> String {
    let mut sources = SourceMap::default();
    for (name, text) in files {
        sources.add(name.as_str(), text.as_str());
    }
    let ids: Vec<SourceId> = sources.ids().collect();
    let printed = render::print(&sources, &ids, directory);
    printed.expect("a kustomization").text
}

/// Rules about files and kustomizations, of which the printed build knows nothing, and about
/// what stands beside an object in its file or directory.
const OF_FILES: [&str; 5] = [
    "broken-build",
    "missing-namespace",
    "overlay-narrows-peer",
    "overlay-selects-service",
    "patch-without-target",
];

#[test]
fn findings_of_a_tree_are_those_of_its_build() {
    let mut count = 0;
    for seed in 0..CASES.0 / 2 {
        let Case {
            files, directory, ..
        } = case(seed);
        // A rule that one patch puts into several policies is spoken of only if it holds for all:
        // there is one text to change.
        if files
            .iter()
            .any(|(_, text)| text.contains("/spec/ingress/-"))
        {
            continue;
        }
        let built = [("built.yaml".to_owned(), printed(&files, &directory))];
        let (of_tree, of_build) = (findings(&files), findings(&built));
        // Of what a build printed nobody can say which labels a kustomization added.
        let known = of_tree
            .iter()
            .filter(|(it, blames)| !**blames || of_build.contains_key(it));
        // Nor that a selector and a pod have nothing in common but those, which is no sign that
        // the one was meant for the other.
        let adds_labels = files
            .iter()
            .any(|(_, text)| text.contains("includeSelectors"));
        let seen = of_build.keys().filter(|it| {
            let is_of_signs = ["unmatched-pod-selector", "unmatched-peer-selector"].contains(&it.0);
            !(adds_labels && is_of_signs) || of_tree.contains_key(*it)
        });
        let [of_tree, of_build] = [known.map(|(it, _)| it).collect(), seen.collect()].map(
            |all: Vec<&(&'static str, String)>| {
                let others = all.into_iter().filter(|(rule, _)| !OF_FILES.contains(rule));
                others.collect::<BTreeSet<_>>()
            },
        );
        assert_eq!(of_tree, of_build, "seed {seed}");
        count += of_tree.len();
    }
    assert!(count > 0, "some of the trees have findings");
}

#[test]
fn the_order_of_files_shows_neither_in_builds_nor_in_findings() {
    for seed in 0..CASES.0 / 4 {
        let Case {
            files, directory, ..
        } = case(seed);
        let mut reversed = files.clone();
        reversed.reverse();
        assert_eq!(findings(&reversed), findings(&files), "seed {seed}");
        let (one, other) = (printed(&reversed, &directory), printed(&files, &directory));
        assert_eq!(one, other, "seed {seed}");
    }
}
