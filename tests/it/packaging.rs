//! Holds what is packed and published to the program: versions agree, every action of a
//! workflow is pinned, and the hooks are what the documentation says.

use super::fixing::manifests;
use super::program::root;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The value behind `key = "…"`, the first one of the file.
fn value(text: &str, key: &str) -> String {
    let start = format!("{key} = \"");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_else(|| panic!("there is no {key}"))
        .to_owned()
}

#[test]
fn every_package_has_the_version_of_the_program() {
    let version = value(&read("Cargo.toml"), "version");
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    let hook = read("pyproject.toml");
    assert_eq!(value(&hook, "version"), version);
    assert!(hook.contains(&format!("dependencies = [\"npcheck=={version}\"]")));
    let changelog = read("CHANGELOG.md");
    let newest = changelog
        .lines()
        .find(|line| line.starts_with("## ["))
        .unwrap();
    assert!(
        newest == "## [Unreleased]" || newest.starts_with(&format!("## [{version}]")),
        "the changelog starts with {newest}"
    );
}

#[test]
fn the_package_has_what_its_tests_read() {
    let listed = Command::new(env!("CARGO"))
        .args([
            "package",
            "--list",
            "--allow-dirty",
            "--offline",
            "--locked",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let packed: BTreeSet<&str> = listed.lines().collect();
    let mut files = Vec::new();
    manifests(&root().join("tests/fixtures"), &mut files);
    assert!(files.len() > 200, "only {} manifests", files.len());
    for file in files {
        let name = file.strip_prefix(root()).unwrap().to_string_lossy();
        assert!(packed.contains(&*name), "{name} is not in the package");
    }
}

#[test]
fn workflows_are_pinned_and_start_without_permissions() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let name = path.display();
        assert!(text.contains("\npermissions: {}\n"), "{name}");
        for line in text
            .lines()
            .filter(|line| line.trim_start().starts_with("- uses:"))
        {
            let (_, action) = line.split_once("uses: ").unwrap();
            let (_, pin) = action
                .split_once('@')
                .unwrap_or_else(|| panic!("{name}: {line}"));
            let hash = pin.split(' ').next().unwrap();
            let is_hash = hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_hash && pin.contains(" # v"), "{name}: {line}");
            seen += 1;
        }
        for line in text
            .lines()
            .filter(|line| line.trim_start().starts_with("run:"))
        {
            assert!(
                !line.contains("${{"),
                "{name}: inputs go by environment: {line}"
            );
        }
    }
    assert!(seen > 5, "only {seen} actions were found");
}

/// maturin takes the `pyproject.toml` of the directory that it runs in, and no other.
#[test]
fn the_wheel_is_made_beside_its_pyproject() {
    let release = read(".github/workflows/release.yml");
    let readme = read("packaging/README.md");
    assert!(
        release.contains("cd packaging/python"),
        "the release workflow"
    );
    assert!(
        readme.contains("cd packaging/python && maturin build"),
        "packaging/README.md"
    );
    for text in [&release, &readme] {
        assert!(!text.contains("--manifest-path packaging"), "{text}");
    }
}

#[test]
fn every_hook_runs_the_same_command() {
    let hooks = read(".pre-commit-hooks.yaml");
    let entry = "  entry: npcheck lint --staged --new-from HEAD\n";
    for (id, language) in [
        ("npcheck", "rust"),
        ("npcheck-wheel", "python"),
        ("npcheck-system", "system"),
    ] {
        let start = hooks
            .find(&format!("- id: {id}\n"))
            .expect("the hook is there");
        let hook = hooks[start..].split("\n\n").next().unwrap();
        assert!(
            hook.contains(&format!("  language: {language}\n")),
            "{hook}"
        );
        assert!(hook.contains(entry), "{hook}");
        assert!(hook.contains("  pass_filenames: false\n"), "{hook}");
        assert!(hook.contains("  always_run: true\n"), "{hook}");
    }
    assert_eq!(hooks.matches("- id:").count(), 3);
}

#[test]
fn the_manifest_of_krew_has_every_target_of_a_release() {
    let (krew, release) = (
        read("packaging/krew/npcheck.yaml"),
        read(".github/workflows/release.yml"),
    );
    let targets: Vec<&str> = release
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- {os: "))
        .filter_map(|line| line.split_once("target: ")?.1.strip_suffix('}'))
        .collect();
    assert_eq!(targets.len(), 5, "{targets:?}");
    for target in targets {
        assert!(
            krew.contains(&format!("npcheck-{target}.tar.gz")),
            "{target}"
        );
        assert!(krew.contains(&format!("\"@SHA256_{target}@\"")), "{target}");
    }
}

/// What an input holds must not become a part of a script.
#[test]
fn the_action_takes_its_inputs_by_the_environment() {
    let text = read("action.yml");
    let action: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let steps = action["runs"]["steps"].as_sequence().unwrap();
    for step in steps {
        let script = step["run"].as_str().unwrap_or_default();
        assert!(!script.contains("${{"), "{script}");
    }
    let version = action["inputs"]["version"]["default"].as_str().unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}

/// The jobs of `examples/ci`: YAML, actions pinned, and every npcheck command line one that
/// npcheck takes, of this version.
#[test]
fn the_jobs_for_ci_are_what_npcheck_takes() {
    let version = env!("CARGO_PKG_VERSION");
    for name in ["argocd.yml", "flux.yml", "github.yml", "gitlab.yml"] {
        let text = read(&format!("examples/ci/{name}"));
        let job: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert!(job.is_mapping(), "{name}");
        let mut commands = 0;
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
        {
            for command in line.split(" | ").filter_map(command_line) {
                let arguments = command.split_whitespace().map(|word| word.replace('"', ""));
                let matches = npcheck::cli::command().try_get_matches_from(arguments);
                assert!(matches.is_ok(), "{name}: {command}: {matches:?}");
                commands += 1;
            }
            if let Some((_, action)) = line.split_once("uses: ") {
                let (action, pin) = action.split_once('@').unwrap();
                let is_pinned = match action {
                    "npcheck/npcheck" => pin == format!("v{version}"),
                    _ => read(".github/workflows/ci.yml").contains(&format!("{action}@{pin}")),
                };
                assert!(is_pinned, "{name}: {line}");
            }
            if let Some((_, installed)) = line.split_once("npcheck==") {
                assert!(installed.starts_with(version), "{name}: {line}");
            }
        }
        let expected = if name == "github.yml" { 0 } else { 2 };
        assert!(commands >= expected, "{name}: {commands} commands");
    }
    let hook: serde_yaml::Value =
        serde_yaml::from_str(&read("examples/ci/pre-commit.yaml")).unwrap();
    let repository = &hook["repos"][0];
    assert_eq!(
        repository["rev"].as_str(),
        Some(format!("v{version}").as_str())
    );
    let id = repository["hooks"][0]["id"].as_str().unwrap();
    assert!(read(".pre-commit-hooks.yaml").contains(&format!("- id: {id}\n")));
}

/// The part of a line that calls npcheck.
fn command_line(text: &str) -> Option<&str> {
    let text = text.trim_start().trim_start_matches("- ");
    let text = text.strip_prefix("run: ").unwrap_or(text);
    text.starts_with("npcheck ").then_some(text)
}
