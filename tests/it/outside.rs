//! What kustomizations name out of the repository: it is told at the line, never opened, and
//! nothing of it is printed or written.

use crate::program::write;
use crate::repository::Repository;
use std::fs;
use std::os::unix::fs::symlink;

/// What must not be seen; it is a policy with a mistake that `--fix` would fix, too.
const SECRET: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
    metadata: {name: hunter2, namespace: shop}\nspec:\n  podSelector: {}\n  policyTypes: [Ingress]\n  \
    ingress: [{from: [{ipBlock: {cidr: 10.0.0.7/8}}]}]\n";

const KUSTOMIZATION: &str = "resources: [secret.yaml]\n";

/// A repository with a kustomization, and beside it what must not be seen.
fn repository(name: &str, kustomization: &str) -> Repository {
    let mut repository = Repository::new(&format!("outside-{name}"));
    let beside = repository.root.clone();
    fs::remove_dir_all(beside.join(".git")).unwrap();
    write(&beside, "secret.yaml", SECRET);
    write(&beside, "kustomization.yaml", KUSTOMIZATION);
    repository.root = beside.join("repo");
    fs::create_dir_all(&repository.root).unwrap();
    repository.git(["-c", "init.defaultBranch=main", "init", "--quiet"]);
    repository.write("kustomization.yaml", kustomization);
    repository.write(
        "own.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n",
    );
    symlink("../secret.yaml", repository.root.join("link.yaml")).unwrap();
    symlink("..", repository.root.join("linked")).unwrap();
    repository
}

#[test]
fn what_leads_out_of_the_repository_is_told_and_not_read() {
    let absolute = "resources: [ABSOLUTE]\n";
    let cases = [
        ("absolute", absolute, "ABSOLUTE", true),
        (
            "above",
            "resources: [../secret.yaml]\n",
            "../secret.yaml",
            true,
        ),
        ("directory", "resources: [own.yaml, ..]\n", "..", true),
        ("missing", "resources: [../none]\n", "../none", true),
        ("link", "resources: [link.yaml]\n", "link.yaml", true),
        ("linked", "resources: [linked]\n", "linked", true),
        (
            "component",
            "resources: [own.yaml]\ncomponents: [../]\n",
            "../",
            true,
        ),
        (
            "patch",
            "resources: [own.yaml]\npatches: [{path: ../secret.yaml}]\n",
            "../secret.yaml",
            true,
        ),
        (
            "replacement",
            "resources: [own.yaml]\nreplacements: [{path: ../secret.yaml}]\n",
            "../secret.yaml",
            true,
        ),
        (
            "configuration",
            "resources: [own.yaml]\nconfigurations: [../secret.yaml]\n",
            "../secret.yaml",
            true,
        ),
        (
            "transformer",
            "resources: [own.yaml]\ntransformers: [../secret.yaml]\n",
            "../secret.yaml",
            true,
        ),
        (
            "files",
            "configMapGenerator: [{name: a, files: [../secret.yaml]}]\n",
            "../secret.yaml",
            false,
        ),
        (
            "envs",
            "secretGenerator: [{name: a, envs: [link.yaml]}]\n",
            "link.yaml",
            false,
        ),
    ];
    for (name, text, path, hides_objects) in cases {
        let secret = |repository: &Repository| repository.root.join("../secret.yaml");
        let repository = repository(name, text);
        let real = fs::canonicalize(secret(&repository)).unwrap();
        let real = real.to_str().unwrap();
        repository.write("kustomization.yaml", text.replace("ABSOLUTE", real));
        let path = path.replace("ABSOLUTE", real);
        let told = format!("`{path}` leads out of the repository");
        for command in [
            &["lint", "-o", "full"][..],
            &["lint", "--fix=widening"],
            &["render", "."],
            &["graph", "-o", "json-lines"],
            &["files", "--roots"],
        ] {
            let run = repository.run(command);
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(!said.contains("hunter2"), "{name} {command:?}: {said}");
            if command[0] != "graph" && (command[0] != "files" || hides_objects) {
                assert!(said.contains(&told), "{name} {command:?}: {said}");
            }
            assert!(!said.contains("there is no"), "{name} {command:?}: {said}");
            if ["lint", "render"].contains(&command[0]) {
                assert_eq!(run.status, 2, "{name} {command:?}: {said}");
            }
        }
        assert_eq!(fs::read_to_string(secret(&repository)).unwrap(), SECRET);
    }
}

#[test]
fn a_base_beside_the_directory_that_was_asked_for_is_read() {
    let repository = Repository::new("outside-inside");
    repository.write("apps/base/kustomization.yaml", "resources: [np.yaml]\n");
    repository.write("apps/base/np.yaml", SECRET);
    repository.write("apps/prod/kustomization.yaml", "resources: [../base]\n");
    symlink(
        "../base/np.yaml",
        repository.root.join("apps/prod/link.yaml"),
    )
    .unwrap();
    let linked = "resources: [link.yaml]\n";
    for text in [
        "resources: [../base]\n",
        "resources: [../base/np.yaml]\n",
        linked,
    ] {
        repository.write("apps/prod/kustomization.yaml", text);
        for (directory, root) in [("", "apps/prod"), ("apps/prod", "."), ("apps", "./prod")] {
            let run = repository.run_in(directory, &["render", root]);
            assert!(
                run.stdout.contains("hunter2"),
                "{text} {root}: {}",
                run.stderr
            );
        }
    }
}
