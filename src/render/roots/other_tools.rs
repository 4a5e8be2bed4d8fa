//! Tools beside kustomize, Flux, Argo CD and Helm that apply manifests of a tree: what their own
//! files name, and what commands in other files apply, is not left to nobody.
//!
//! Refuses to know what they make of it.

use super::Finder;
use crate::render::library::{is_within, parent};
use globset::{GlobBuilder, GlobMatcher};
use std::collections::BTreeSet;

/// What the name of a file of a tool has between its dots; these tools look for it by that name.
const NAMES: &[&str] = &[
    "skaffold", "devspace", "helmfile", "garden", "kluctl", "zarf", "werf", "Taskfile", "vendir",
    "porter", "Tiltfile",
];

/// What a file of another tool says of itself: Skaffold, Zarf, kapp-controller, Rancher's Fleet,
/// Open Cluster Management, Sveltos, kluctl, steps of pipelines.
const MARKS: &[&str] = &[
    "apiVersion: skaffold/",
    "kind: ZarfPackageConfig",
    "apiVersion: kappctrl.k14s.io/",
    "apiVersion: fleet.cattle.io/",
    "kind: PolicyGenerator",
    "apiVersion: apps.open-cluster-management.io/",
    "apiVersion: config.projectsveltos.io/",
    "deployments:\n- path: ",
    "deployments:\n  - path: ",
    "/k8s-deploy@",
    "KubernetesManifest@",
];

/// Commands that apply what they name, wherever they stand: in a Makefile, in a pipeline.
const COMMANDS: &[&str] = &["kubectl", "oc apply", "kapp deploy", "kustomize build"];

/// The file by which Fleet knows that a directory is a bundle: it applies what lies below.
const FLEET: [&str; 2] = ["fleet.yaml", "fleet.yml"];

/// Such files are written by hand: a text of more bytes is none.
const MAX_BYTES: usize = 64 * 1024;

/// What other tools apply.
pub(super) struct OtherTools {
    /// By the file that names them: what it names.
    named: Vec<(String, Vec<GlobMatcher>)>,
    /// The directories that Fleet applies.
    bundles: BTreeSet<String>,
}

impl OtherTools {
    /// What the files of a tree say.
    pub(super) fn of(finder: &Finder<'_, '_>) -> Self {
        let Finder { library, .. } = finder;
        // What a generator makes of the files that it names is for no other tool to list.
        let of_kustomizations = finder.kustomizations.iter();
        let generators: BTreeSet<String> = of_kustomizations
            .flat_map(|(_, kustomization)| {
                let items = kustomization.items("generators").into_iter();
                items.map(|item| kustomization.path(item.text().unwrap_or_default()))
            })
            .collect();
        let mut tools = Self {
            named: Vec::new(),
            bundles: BTreeSet::new(),
        };
        for path in library.paths() {
            let name = path.rsplit('/').next().unwrap_or_default();
            if FLEET.contains(&name) {
                tools.bundles.insert(parent(path).to_owned());
            }
            let text = library.text(path).filter(|text| text.len() <= MAX_BYTES);
            let text = text.unwrap_or_default();
            let is_named = name.split('.').any(|part| NAMES.contains(&part))
                || parent(path).rsplit('/').next() == Some("helmfile.d");
            let is_of_tool = is_named || generators.contains(path) || holds(text, MARKS);
            let patterns = match is_of_tool {
                true => named([text].into_iter()),
                false if holds(text, COMMANDS) => named(commands(text)),
                false => continue,
            };
            tools.named.push((path.to_owned(), patterns));
        }
        tools
    }

    /// Whether a tool names a manifest; if a kustomization lies beside it, by itself and not by
    /// the directory, of which the tool takes the kustomization.
    pub(super) fn apply(&self, path: &str, is_beside_kustomization: bool) -> bool {
        let mut bundles = self.bundles.iter();
        if !is_beside_kustomization && bundles.any(|bundle| is_within(path, bundle)) {
            return true;
        }
        // How to apply a file may stand in the file itself, whoever does so.
        let mut others = self.named.iter().filter(|(file, _)| file != path);
        others.any(|(file, patterns)| {
            // Relative to the file that names it, or to the root of the repository.
            let around = std::iter::successors(Some(parent(file)), |directory| {
                (!directory.is_empty()).then(|| parent(directory))
            });
            let relative = around.filter_map(|directory| match directory {
                "" => Some(path),
                directory => path.strip_prefix(directory)?.strip_prefix('/'),
            });
            relative.clone().any(|relative| {
                let above = std::iter::successors(Some(relative), |path| {
                    let above = parent(path);
                    (!is_beside_kustomization && !above.is_empty()).then_some(above)
                });
                let above: Vec<&str> = above.collect();
                let mut patterns = patterns.iter();
                patterns.any(|pattern| above.iter().any(|path| pattern.is_match(path)))
            })
        })
    }
}

fn holds(text: &str, words: &[&str]) -> bool {
    let mut words = words.iter().map(|word| word.as_bytes());
    words.any(|word| memchr::memmem::find(text.as_bytes(), word).is_some())
}

/// The lines of a text with commands that apply something.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines();
    lines.filter(|line| holds(line, COMMANDS) && !line.trim_start().starts_with('#'))
}

/// The paths and patterns in pieces of a text: what looks like one, and what stands where one
/// is expected.
fn named<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<GlobMatcher> {
    let mut paths: BTreeSet<&str> = BTreeSet::new();
    for text in texts {
        let is_between = |c: char| c.is_whitespace() || ",;[]{}()\"'`=&|".contains(c);
        let words = text.split(is_between).filter(|word| !word.is_empty());
        let mut is_path_next = false;
        for word in words {
            if word.starts_with('-') {
                is_path_next =
                    word == "-" && is_path_next || ["-f", "-k", "--filename"].contains(&word);
                continue;
            }
            if let Some(key) = word.strip_suffix(':') {
                is_path_next = key.ends_with("path") || key.ends_with("paths");
                continue;
            }
            let ends = [".yaml", ".yml", ".json"];
            let is_path = word.contains(['/', '*']) || ends.iter().any(|end| word.ends_with(end));
            if is_path_next || is_path {
                let path = word.trim_start_matches(['.', '/']).trim_end_matches('/');
                let path = path.strip_suffix("/...").unwrap_or(path);
                paths.extend(Some(path).filter(|it| it.contains(char::is_alphanumeric)));
            }
        }
    }
    let globs = paths.iter().filter_map(|path| {
        let glob = GlobBuilder::new(path).literal_separator(true).build();
        glob.ok().map(|glob| glob.compile_matcher())
    });
    globs.collect()
}
