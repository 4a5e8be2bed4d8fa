//! Holds what is packed and published to the program: versions agree, every action of a
//! workflow is pinned, and the hooks are what the documentation says.

use super::program::root;
use std::fs;

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
