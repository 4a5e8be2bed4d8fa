//! ApplicationSets: the Applications that they make, as far as that can be told offline.
//!
//! Refuses to know what the Applications apply, and which clusters Argo CD knows beside its
//! own. After argo-cd (`applicationset/generators`); what cannot be told is said.

use super::argo::{IN_CLUSTER, OWN_SERVER};
use super::checkout::Checkouts;
use super::kustomize::values_of_text;
use super::library::{Library, parent};
use super::template::{Parameters, filled, parameters_of, render};
use super::value::Value;
use globset::{GlobBuilder, GlobMatcher};
use std::collections::{BTreeSet, HashMap};

/// How many sets of parameters a matrix may yield: those of its generators multiply, and one of
/// them may be a matrix in turn.
const MAX_YIELDED: usize = 10_000;

fn too_many() -> String {
    format!("a matrix yields more than {MAX_YIELDED} sets of parameters")
}

/// How often a path may be compared with a pattern of a generator.
const MAX_MATCHED: usize = 2_000_000;

fn too_many_matched() -> String {
    format!("a generator compares paths with patterns more than {MAX_MATCHED} times")
}

/// Whether what a set yields is not known because of a limit, by the reason that was given.
pub(crate) fn is_limit(reason: &str) -> bool {
    reason == too_many() || reason == too_many_matched()
}

/// What an ApplicationSet makes.
#[derive(Debug, Default)]
pub(crate) struct Made<'t> {
    /// The Applications that are certain.
    pub(crate) applications: Vec<Value<'t>>,
    /// Why there may be others.
    pub(crate) unknown: BTreeSet<String>,
}

/// Where an ApplicationSet stands, and how its templates are written.
struct Set<'a, 't, 's> {
    library: &'t Library<'s>,
    checkouts: &'a Checkouts,
    /// The path of its file.
    file: &'a str,
    /// Whether its templates are those of Go.
    is_go: bool,
}

/// The sets of parameters that a generator yields, one for each Application.
#[derive(Debug, Default)]
struct Yield {
    all: Vec<Parameters>,
    /// Why there may be others.
    unknown: BTreeSet<String>,
}

/// The Applications that an ApplicationSet makes, which stands in `file`.
pub(crate) fn applications<'t>(
    (library, checkouts): (&'t Library<'_>, &Checkouts),
    set: &Value<'t>,
    file: &str,
) -> Made<'t> {
    let mut made = Made::default();
    let is_go = set.text_of(&["spec", "goTemplate"]) == "true";
    let generators = set.find(&["spec", "generators"]);
    let of = Set {
        library,
        checkouts,
        file,
        is_go,
    };
    let patch = set.find(&["spec", "templatePatch"]);
    let patch = patch.filter(|patch| !patch.is_null());
    let Some(template) = set.find(&["spec", "template"]) else {
        made.unknown.insert("it has no template".to_owned());
        return made;
    };
    for generator in generators.iter().flat_map(Value::items) {
        let yielded = match of.expand(&generator, &Parameters::new()) {
            Ok(yielded) => yielded,
            Err(message) => {
                made.unknown.insert(message);
                continue;
            }
        };
        made.unknown.extend(yielded.unknown);
        // That of the generator stands inside of it, and outranks the one of the set.
        let mut template = template.clone();
        let own = generator.fields().filter_map(|it| it.value.get("template"));
        own.for_each(|own| template.overlay(&without_empty(own)));
        for parameters in yielded.all {
            let mut application = template.clone();
            let rendered = render(&mut application, &parameters);
            let patched = rendered.and_then(|()| match &patch {
                Some(patch) => of.patched(&mut application, patch, &parameters),
                None => Ok(()),
            });
            if let Err(message) = patched {
                made.unknown.insert(message);
                continue;
            }
            let span = set.span();
            let version = Value::text_at("argoproj.io/v1alpha1", span);
            application.set("apiVersion", span, version);
            application.set("kind", span, Value::text_at("Application", span));
            made.applications.push(application);
        }
    }
    made
}

/// The directories that the Applications of a set may apply, which stands in `file`: the paths of
/// its template, with anything in the place of parameters. Where a path is nothing but a
/// parameter, it is one of those that the set looks for in the repository.
pub(crate) fn paths(checkouts: &Checkouts, set: &Value<'_>, file: &str) -> Vec<GlobMatcher> {
    let spec = set.find(&["spec", "template", "spec"]);
    let field = |name: &str| spec.as_ref().and_then(|spec| spec.get(name));
    let several = field("sources");
    let sources = several.iter().flat_map(Value::items);
    let mut patterns: Vec<String> = Vec::new();
    for source in sources.chain(field("source")) {
        let path = source.text_of(&["path"]);
        match anything_for_parameters(&path) {
            pattern if pattern == "*" => {
                let known = patterns.len();
                add_searched(set, &mut patterns);
                patterns.extend((patterns.len() == known).then_some(pattern));
            }
            pattern => patterns.extend(Some(pattern).filter(|it| !it.is_empty())),
        }
    }
    let root = checkouts.root(file).unwrap_or_default();
    let globs = patterns.iter().filter_map(|pattern| {
        let pattern = pattern.trim_start_matches("./").trim_matches('/');
        let pattern = match root {
            "" => pattern.to_owned(),
            root => format!("{}/{pattern}", globset::escape(root)),
        };
        let glob = GlobBuilder::new(&pattern).literal_separator(false).build();
        glob.ok().map(|glob| glob.compile_matcher())
    });
    globs.collect()
}

/// A pattern for a text with parameters, of which each may be anything.
fn anything_for_parameters(text: &str) -> String {
    let mut pattern = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        pattern += &globset::escape(before);
        pattern.push('*');
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    pattern + &globset::escape(rest)
}

/// The patterns of the directories that the generators of a set look for, wherever they stand.
fn add_searched(value: &Value<'_>, found: &mut Vec<String>) {
    for item in value.items() {
        add_searched(&item, found);
    }
    for field in value.fields() {
        if field.key.is("git") {
            let listed = |name: &str| field.value.get(name);
            let paths = |list: &Option<Value<'_>>| -> Vec<String> {
                let items = list.iter().flat_map(Value::items);
                items.map(|it| it.text_of(&["path"])).collect()
            };
            found.extend(paths(&listed("directories")));
            let files = paths(&listed("files")).into_iter();
            found.extend(files.map(|path| parent(&path).to_owned()));
        } else {
            add_searched(&field.value, found);
        }
    }
}

/// A template without what says nothing: empty texts, which the API demands in places.
fn without_empty(mut template: Value<'_>) -> Value<'_> {
    for field in template.fields_mut().into_iter().flatten() {
        let value = std::mem::replace(&mut field.value, Value::plain_at("null", field.key.span()));
        field.value = without_empty(value);
    }
    if let Some(fields) = template.fields_mut() {
        fields.retain(|field| field.value.text() != Some(""));
    }
    template
}

impl<'t> Set<'_, 't, '_> {
    /// Changes an Application as the `templatePatch` says; its lists take the place of others.
    fn patched(
        &self,
        application: &mut Value<'t>,
        patch: &Value<'t>,
        parameters: &Parameters,
    ) -> Result<(), String> {
        let text = filled(patch.text().unwrap_or_default(), parameters)?;
        let text = Value::text_at(text, patch.span());
        let read = values_of_text(self.library, &text);
        let read = read.map_err(|fault| fault.message)?;
        match &read[..] {
            [] => Ok(()),
            [patch] if patch.is_mapping() => {
                application.overlay(patch);
                Ok(())
            }
            _ => Err("its `templatePatch` is not a mapping".to_owned()),
        }
    }

    /// What a generator yields; within a matrix it may use the parameters of the one before.
    fn expand(&self, generator: &Value<'t>, outer: &Parameters) -> Result<Yield, String> {
        let mut generator = generator.clone();
        if !outer.is_empty() {
            render(&mut generator, outer)?;
        }
        let mut yielded = self.expand_kind(&generator)?;
        if let Some(selector) = generator.get("selector") {
            let wanted = selector.get("matchLabels").map(|it| parameters_of(&it));
            let wanted = wanted.unwrap_or_default();
            if selector.fields().any(|field| !field.key.is("matchLabels")) {
                return Err("a generator has a selector with expressions".to_owned());
            }
            let fits = |one: &Parameters| {
                wanted
                    .iter()
                    .all(|(key, value)| one.get(key) == Some(value))
            };
            yielded.all.retain(fits);
        }
        Ok(yielded)
    }

    fn expand_kind(&self, generator: &Value<'t>) -> Result<Yield, String> {
        if let Some(list) = generator.get("list") {
            let elements = list.get("elements");
            if list.get("elementsYaml").is_some()
                || !elements.as_ref().is_some_and(Value::is_sequence)
            {
                return Err("the elements of a list are a template".to_owned());
            }
            let elements = elements.iter().flat_map(Value::items);
            return Ok(Yield::of(elements.map(|it| parameters_of(&it)).collect()));
        }
        if let Some(git) = generator.get("git") {
            return self.of_git(&git).map(Yield::of);
        }
        if let Some(clusters) = generator.get("clusters") {
            return own_cluster(&clusters);
        }
        if let Some(matrix) = generator.get("matrix") {
            return self.matrix(&matrix);
        }
        if let Some(merge) = generator.get("merge") {
            return self.merge(&merge);
        }
        let kind = generator
            .fields()
            .next()
            .map(|field| field.key.text().into_owned());
        Err(format!(
            "what the generator `{}` yields is not known",
            kind.unwrap_or_default()
        ))
    }

    /// Every pair of what two generators yield.
    fn matrix(&self, matrix: &Value<'t>) -> Result<Yield, String> {
        let many = too_many;
        let inner = matrix.get("generators");
        let mut yielded = Yield::of(vec![Parameters::new()]);
        for generator in inner.iter().flat_map(Value::items) {
            let mut all = Vec::new();
            for one in std::mem::take(&mut yielded.all) {
                let more = self.expand(&generator, &one)?;
                if all.len() + more.all.len() > MAX_YIELDED {
                    return Err(many());
                }
                yielded.unknown.extend(more.unknown);
                all.extend(more.all.into_iter().map(|other| {
                    let mut both = one.clone();
                    both.extend(other);
                    both
                }));
            }
            yielded.all = all;
        }
        Ok(yielded)
    }

    /// What the first generator yields, with what the others have for the same keys.
    fn merge(&self, merge: &Value<'t>) -> Result<Yield, String> {
        let keys = merge.get("mergeKeys");
        let keys: Vec<String> = keys
            .iter()
            .flat_map(Value::items)
            .filter_map(|key| key.text().map(str::to_owned))
            .collect();
        let key_of = |one: &Parameters| -> Vec<Option<String>> {
            keys.iter().map(|key| one.get(key).cloned()).collect()
        };
        let inner = merge.get("generators");
        let mut merged: Option<Yield> = None;
        for generator in inner.iter().flat_map(Value::items) {
            let more = self.expand(&generator, &Parameters::new())?;
            let Some(base) = &mut merged else {
                merged = Some(more);
                continue;
            };
            base.unknown.extend(more.unknown);
            let mut same: HashMap<Vec<Option<String>>, Parameters> = HashMap::new();
            for other in more.all {
                same.entry(key_of(&other)).or_default().extend(other);
            }
            for one in &mut base.all {
                if let Some(others) = same.get(&key_of(one)) {
                    one.extend(others.clone());
                }
            }
        }
        Ok(merged.unwrap_or_default())
    }

    /// The parameters of directories or files of the repository.
    fn of_git(&self, git: &Value<'t>) -> Result<Vec<Parameters>, String> {
        let patterns = |field: &str| -> Vec<(String, bool)> {
            let list = git.get(field);
            let items = list.iter().flat_map(Value::items);
            items
                .map(|it| (it.text_of(&["path"]), it.text_of(&["exclude"]) == "true"))
                .collect()
        };
        let (directories, files) = (patterns("directories"), patterns("files"));
        let all = || {
            directories
                .iter()
                .chain(&files)
                .map(|(path, _)| path.as_str())
        };
        if all().any(|path| path.contains("{{")) {
            return Err("the paths of a generator are a template".to_owned());
        }
        let Self {
            checkouts, file, ..
        } = self;
        let address = git.text_of(&["repoURL"]);
        if !checkouts.may_be_of(file, &address) {
            return Err(format!("{address} is another repository"));
        }
        let root = checkouts.root(file).unwrap_or_default();
        let prefix = match root {
            "" => String::new(),
            root => format!("{root}/"),
        };
        let [mut of_directories, mut of_files] =
            [&directories, &files].map(|patterns| Patterns::new(patterns));
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let Self { library, .. } = self;
        for path in library.below(root) {
            let relative = &path[prefix.len()..];
            let mut directory = parent(relative);
            while !directory.is_empty() && seen.insert(directory) {
                directory = parent(directory);
            }
            if of_files.select(relative)? {
                found.extend(self.of_file(path, relative)?);
            }
        }
        let is_hidden = |directory: &str| directory.split('/').any(|part| part.starts_with('.'));
        for directory in seen.into_iter().filter(|it| !is_hidden(it)) {
            if of_directories.select(directory)? {
                found.push(self.path_parameters(directory));
            }
        }
        if found.is_empty() {
            let paths: Vec<&str> = all().collect();
            return Err(format!("nothing here matches `{}`", paths.join("`, `")));
        }
        let prefix = git.text_of(&["pathParamPrefix"]);
        let values = git.get("values");
        let finished = found.into_iter().map(|parameters| {
            let mut parameters = prefixed(parameters, &prefix);
            for field in values.iter().flat_map(Value::fields) {
                let value = filled(field.value.text().unwrap_or_default(), &parameters)?;
                parameters.insert(format!("values.{}", field.key.text()), value);
            }
            Ok(parameters)
        });
        finished.collect()
    }

    /// What a file of data says: a mapping, or a list of them.
    fn of_file(&self, path: &str, relative: &str) -> Result<Vec<Parameters>, String> {
        let Some(Ok(trees)) = self.library.documents(path) else {
            return Err(format!("`{path}` cannot be read"));
        };
        let mut found = Vec::new();
        for value in trees.iter().filter_map(|tree| tree.root()).map(Value::Read) {
            let items = match value.is_sequence() {
                true => value.items().collect(),
                false => vec![value],
            };
            for item in &items {
                let mut parameters = parameters_of(item);
                parameters.extend(self.path_parameters(parent(relative)));
                let name = relative.rsplit('/').next().unwrap_or_default();
                parameters.insert("path.filename".to_owned(), name.to_owned());
                parameters.insert("path.filenameNormalized".to_owned(), normalized(name));
                found.push(parameters);
            }
        }
        Ok(found)
    }

    fn path_parameters(&self, directory: &str) -> Parameters {
        let name = directory.rsplit('/').next().unwrap_or_default();
        let path = if self.is_go { "path.path" } else { "path" };
        let mut parameters = Parameters::from([
            (path.to_owned(), directory.to_owned()),
            ("path.basename".to_owned(), name.to_owned()),
            ("path.basenameNormalized".to_owned(), normalized(name)),
        ]);
        for (index, part) in directory.split('/').enumerate() {
            let key = match self.is_go {
                true => format!("path.segments.{index}"),
                false => format!("path[{index}]"),
            };
            parameters.insert(key, part.to_owned());
        }
        parameters
    }
}

impl Yield {
    fn of(all: Vec<Parameters>) -> Self {
        let unknown = BTreeSet::new();
        Self { all, unknown }
    }
}

/// The cluster that Argo CD itself runs in, which is there unless a selector wants labels.
fn own_cluster(clusters: &Value<'_>) -> Result<Yield, String> {
    let selector = clusters.get("selector");
    if selector.is_some_and(|selector| !selector.is_empty()) {
        return Err("which clusters its selector chooses is not known".to_owned());
    }
    let mut parameters = Parameters::from([
        ("name".to_owned(), IN_CLUSTER.to_owned()),
        ("nameNormalized".to_owned(), IN_CLUSTER.to_owned()),
        ("server".to_owned(), OWN_SERVER.to_owned()),
    ]);
    let values = clusters.get("values");
    for field in values.iter().flat_map(Value::fields) {
        let value = filled(field.value.text().unwrap_or_default(), &parameters)?;
        parameters.insert(format!("values.{}", field.key.text()), value);
    }
    let unknown = "which clusters Argo CD knows beside its own is not known";
    Ok(Yield {
        all: vec![parameters],
        unknown: BTreeSet::from([unknown.to_owned()]),
    })
}

/// The patterns of a generator, ready to match.
struct Patterns {
    included: Vec<GlobMatcher>,
    excluded: Vec<GlobMatcher>,
    left: usize,
}

impl Patterns {
    fn new(patterns: &[(String, bool)]) -> Self {
        let of = |is_excluding: bool| {
            let chosen = patterns.iter().filter(|(_, it)| *it == is_excluding);
            let globs = chosen.filter_map(|(pattern, _)| {
                let pattern = pattern.trim_start_matches("./");
                let glob = GlobBuilder::new(pattern).literal_separator(true).build();
                Some(glob.ok()?.compile_matcher())
            });
            globs.collect()
        };
        Self {
            included: of(false),
            excluded: of(true),
            left: MAX_MATCHED,
        }
    }

    /// Whether a path fits one of the patterns, and none that excludes.
    fn select(&mut self, path: &str) -> Result<bool, String> {
        let count = self.included.len() + self.excluded.len();
        self.left = self.left.checked_sub(count).ok_or_else(too_many_matched)?;
        let fits = |globs: &[GlobMatcher]| globs.iter().any(|glob| glob.is_match(path));
        Ok(fits(&self.included) && !fits(&self.excluded))
    }
}

/// The parameters of a path under the name that a generator gives them.
fn prefixed(parameters: Parameters, prefix: &str) -> Parameters {
    let is_of_path =
        |key: &str| key == "path" || key.starts_with("path.") || key.starts_with("path[");
    let renamed =
        parameters.into_iter().map(
            |(key, value)| match !prefix.is_empty() && is_of_path(&key) {
                true => (format!("{prefix}.{key}"), value),
                false => (key, value),
            },
        );
    renamed.collect()
}

/// A name as Kubernetes takes it.
pub(crate) fn normalized(name: &str) -> String {
    let kept = |c: char| match c.is_ascii_alphanumeric() || c == '.' {
        true => c.to_ascii_lowercase(),
        false => '-',
    };
    let name: String = name.chars().map(kept).collect();
    name.trim_matches(['-', '.']).to_owned()
}
