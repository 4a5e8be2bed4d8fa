//! The command that tells what nobody could build offline: who runs it, and passes in what it
//! prints, has the whole.
//!
//! Refuses to run anything, and to know what is done with the output.

use super::library::{KUSTOMIZATION_NAMES, Library, join, parent};
use super::value::Value;
use super::{argo, flux};
use crate::k8s::{PartEffect, UnknownPart};
use crate::source::SourceMap;
use std::fmt::Write;

/// The command for a part that is unknown, if there is one: `root` is the directory of the
/// kustomization that is built with it, where it is known.
#[must_use]
pub fn command(sources: &SourceMap, part: &UnknownPart, root: Option<&str>) -> Option<String> {
    let span = part.span;
    let library = Library::new(sources, std::iter::once(span.source));
    let path = join("", sources.get(span.source).name());
    let trees = library.documents(&path)?.ok()?;
    let mut objects = trees.iter().filter_map(|tree| tree.root()).map(Value::Read);
    // Some parts are named by the place in front of their object.
    let is_it = |object: &Value<'_>| object.span().contains(span);
    let object = objects.find(is_it)?;
    if part.effect == PartEffect::AddsPods {
        return template(&object, part);
    }
    if argo::is_application(&object) {
        let name = object.text_of(&["metadata", "name"]);
        return Some(format!("argocd app manifests {}", quoted(&name)));
    }
    if object.get("sops").is_some() {
        let file = quoted(sources.get(span.source).name());
        return Some(format!("sops decrypt {file}"));
    }
    if flux::is_kustomization(&object) {
        return None;
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_kustomization = KUSTOMIZATION_NAMES.contains(&name);
    if !is_kustomization && root.is_none() {
        return None;
    }
    let directory = match root.unwrap_or(parent(&path)) {
        "" => ".",
        directory => directory,
    };
    let of_helm = ["helmCharts", "helmChartInflationGenerator"];
    let option = match entry_at(object, &of_helm, part) {
        Some(_) => "--enable-helm ",
        None => "",
    };
    Some(format!("kustomize build {option}{}", quoted(directory)))
}

/// What renders the chart that an object names.
fn template(object: &Value<'_>, part: &UnknownPart) -> Option<String> {
    let name = object.text_of(&["metadata", "name"]);
    let release = |of: Option<&Value<'_>>, path: &[&str]| {
        let own = of.map(|it| it.text_of(path)).unwrap_or_default();
        if own.is_empty() { name.clone() } else { own }
    };
    let (release, chart, repository) = if argo::is_application(object) {
        let source = entry_at(object.get("spec")?, &["source", "sources"], part)?;
        let chart = [source.text_of(&["chart"]), source.text_of(&["path"])];
        let repository = match chart[0].is_empty() {
            true => String::new(),
            false => source.text_of(&["repoURL"]),
        };
        let chart = chart.into_iter().find(|it| !it.is_empty())?;
        let own = release(Some(&source), &["helm", "releaseName"]);
        (own, chart, repository)
    } else {
        let spec = object.get("spec")?;
        let paths: [&[&str]; 3] = [
            &["chart", "spec", "chart"],
            &["chartRef", "name"],
            &["chart"],
        ];
        let mut charts = paths.iter().map(|path| spec.text_of(path));
        let chart = charts.find(|it| !it.is_empty())?;
        let own = release(Some(&spec), &["releaseName"]);
        (own, chart, spec.text_of(&["repo"]))
    };
    if chart.is_empty() || release.is_empty() {
        return None;
    }
    let mut command = format!("helm template {} ", quoted(&release));
    match repository.strip_prefix("oci://") {
        Some(_) => {
            let whole = format!("{}/{chart}", repository.trim_end_matches('/'));
            command += &quoted(&whole);
        }
        None => {
            command += &quoted(&chart);
            if repository.starts_with("http") {
                let _ = write!(command, " --repo {}", quoted(&repository));
            }
        }
    }
    if let Some(namespace) = &part.namespace {
        let _ = write!(command, " --namespace {}", quoted(namespace));
    }
    Some(command)
}

/// The entry of one of these fields that the place of a part lies in.
fn entry_at<'t>(object: Value<'t>, fields: &[&str], part: &UnknownPart) -> Option<Value<'t>> {
    let found = fields.iter().filter_map(|field| object.get(field));
    let mut entries = found.flat_map(|it| {
        let items: Vec<Value<'t>> = it.items().collect();
        if items.is_empty() { vec![it] } else { items }
    });
    entries.find(|entry| entry.span().contains(part.span))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) && !word.starts_with('-') {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_of_strangers_are_one_word_for_a_shell() {
        assert_eq!(quoted("apps/web"), "apps/web");
        assert_eq!(quoted("$(id)"), "'$(id)'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("--post-renderer"), "'--post-renderer'");
    }
}
