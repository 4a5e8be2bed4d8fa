//! Charts that lie in the tree, as somebody installs them: what `helm template` is asked, and
//! under which name its text is found among the others.
//!
//! Refuses to know Helm, and who runs it.

use super::kustomize::{Fault, objects_as_written};
use super::library::{Library, join};
use super::print::Printer;
use super::resource::Resource;
use super::value::Value;
use crate::k8s::PartEffect;
use crate::source::Span;

/// How the names of texts begin that Helm printed.
const RENDERED: &str = "helm template ";

/// Whether a text of this name is what Helm printed, and in no file.
#[must_use]
pub fn is_rendered(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    file.starts_with(RENDERED)
}

/// A chart with its values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chart {
    /// The directory of its `Chart.yaml`.
    pub directory: String,
    /// The name of the release.
    pub release: String,
    /// The namespace that it is installed in; empty where nobody says.
    pub namespace: String,
    /// The files with values, the last one outranking those before.
    pub files: Vec<String>,
    /// Values that outrank those of the files, as YAML; empty for none.
    pub inline: String,
    /// Further options, such as `--set=a=b`.
    pub options: Vec<String>,
}

impl Chart {
    /// The options of `helm template`.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let mut options = vec!["--skip-tests".to_owned()];
        if !self.namespace.is_empty() {
            options.push(format!("--namespace={}", self.namespace));
        }
        let files = self.files.iter();
        options.extend(files.map(|file| format!("--values={}", as_path(file))));
        if !self.inline.is_empty() {
            options.push("--values=-".to_owned());
        }
        options.extend(self.options.iter().cloned());
        options
    }

    /// The path of the chart, so that Helm takes it for nothing else.
    #[must_use]
    pub fn path(&self) -> String {
        as_path(&self.directory)
    }

    /// The name of its text.
    #[must_use]
    pub fn name(&self) -> String {
        let release = self.release.replace(['/', '\\'], "-");
        let mut title = match self.namespace.replace(['/', '\\'], "-") {
            namespace if namespace.is_empty() => release,
            namespace => format!("{namespace} {release}"),
        };
        let more = [
            self.files.join("\n"),
            self.inline.clone(),
            self.options.join("\n"),
        ];
        if more.iter().any(|text| !text.is_empty()) {
            title = format!("{title} {:08x}", checksum(&more.join("\0")));
        }
        join(&self.directory, &format!("{RENDERED}{title}.yaml"))
    }

    /// Whether the names can be those of a release: Helm takes no others.
    fn is_plausible(&self) -> bool {
        let is_name = |name: &str| {
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        };
        !self.release.is_empty() && is_name(&self.release) && is_name(&self.namespace)
    }

    /// Its objects, if its text is here; otherwise somebody may run Helm for it, and `place`
    /// names the part that is missing, which has this effect.
    pub(crate) fn objects<'t>(
        self,
        library: &'t Library<'_>,
        place: Span,
        effect: PartEffect,
    ) -> Result<Vec<Resource<'t>>, Fault> {
        let name = self.name();
        if library.source(&name).is_some() {
            return objects_as_written(library, &name);
        }
        let title = match self.directory.rsplit_once('/') {
            Some((_, title)) => title,
            None => &self.directory,
        };
        let message = format!(
            "the chart in `{title}` is rendered by Helm, which was not run; `--helm` runs it"
        );
        let fault = Fault::opaque(place, message, effect).within(&self.namespace);
        if self.is_plausible() {
            library.want_chart(self);
        }
        Err(fault)
    }
}

/// Whether a chart lies in a directory.
pub(crate) fn is_chart(library: &Library<'_>, directory: &str) -> bool {
    library.source(&join(directory, "Chart.yaml")).is_some()
}

/// Whether a file is a part of a chart.
pub(crate) fn is_of_chart(library: &Library<'_>, path: &str) -> bool {
    let mut directories =
        std::iter::successors(path.rsplit_once('/'), |(outer, _)| outer.rsplit_once('/'));
    directories.any(|(directory, _)| is_chart(library, directory)) || is_chart(library, "")
}

/// The charts of a tree with their own values, but for those within others.
pub(crate) fn plain_charts(library: &Library<'_>) -> Vec<Chart> {
    let directories = library
        .paths()
        .filter_map(|path| match path.rsplit_once('/') {
            Some((directory, "Chart.yaml")) => Some(directory),
            _ => (path == "Chart.yaml").then_some(""),
        });
    let is_own = |directory: &&str| {
        let is_library = library
            .documents(&join(directory, "Chart.yaml"))
            .and_then(Result::ok)
            .and_then(|trees| trees.first()?.root())
            .is_some_and(|root| Value::Read(root).text_of(&["type"]) == "library");
        !is_library && (directory.is_empty() || !is_of_chart(library, directory))
    };
    let charts = directories.filter(is_own).map(|directory| Chart {
        directory: directory.to_owned(),
        release: match directory.rsplit('/').next() {
            None | Some("") => "release-name".to_owned(),
            Some(name) => name.to_owned(),
        },
        ..Chart::default()
    });
    charts.collect()
}

/// Values as a text.
pub(crate) fn written(library: &Library<'_>, values: &Value<'_>) -> String {
    let mut printer = Printer::new(library.sources());
    printer.document(values);
    printer.finish()
}

/// A path that is neither an option nor an address.
fn as_path(path: &str) -> String {
    match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("./{path}"),
    }
}

/// Tells texts apart (FNV-1a).
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::Chart;

    #[test]
    fn a_chart_is_asked_for_without_a_word_that_helm_could_take_for_another() {
        let chart = Chart {
            directory: "-charts/web".to_owned(),
            release: "--post-renderer=x".to_owned(),
            files: vec!["https/values.yaml".to_owned()],
            inline: "a: 1\n".to_owned(),
            ..Chart::default()
        };
        assert!(!chart.is_plausible());
        assert_eq!(chart.path(), "./-charts/web");
        let expected = ["--skip-tests", "--values=./https/values.yaml", "--values=-"];
        assert_eq!(chart.options(), expected);
    }

    #[test]
    fn the_same_release_with_other_values_is_another_text() {
        let one = Chart {
            directory: "charts/web".to_owned(),
            release: "web".to_owned(),
            namespace: "shop".to_owned(),
            ..Chart::default()
        };
        let other = Chart {
            inline: "a: 1\n".to_owned(),
            ..one.clone()
        };
        assert_eq!(one.name(), "charts/web/helm template shop web.yaml");
        assert_ne!(one.name(), other.name());
    }
}
