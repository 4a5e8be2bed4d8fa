//! `replacements`: a value of one object put into fields of others.
//!
//! Refuses to know where in the order of a build that happens.

use super::budget::Budget;
use super::fault::Fault;
use super::field_path::{self, each, find};
use super::file::{self, Kustomization};
use super::notes::{leads_to_annotations, noted, with_notes};
use super::objects;
use super::select::Selection;
use crate::render::library::Library;
use crate::render::resource::Resource;
use crate::render::scalar::Mistyped;
use crate::render::value::{Data, MAX_PARTS, Place, Value};
use crate::source::Span;
use std::sync::Arc;

/// How parts of a text are addressed.
struct Options {
    delimiter: String,
    index: i64,
    creates: bool,
}

impl Options {
    fn of(value: &Value<'_>) -> Self {
        let options = file::field(value, "options");
        let text = |name: &str| {
            let options = options.as_ref();
            options
                .map(|options| file::text(options, name))
                .unwrap_or_default()
        };
        Self {
            delimiter: text("delimiter"),
            index: text("index").parse().unwrap_or(0),
            creates: options
                .as_ref()
                .is_some_and(|it| file::is_true(it, "create")),
        }
    }
}

/// Makes all replacements of a kustomization, in order, as far as the budget of the build goes.
pub(super) fn apply<'t>(
    library: &'t Library<'_>,
    kustomization: &Kustomization<'t>,
    resources: &mut [Resource<'t>],
    (budget, faults): (&Budget, &mut Vec<Fault>),
) {
    let items = kustomization.items("replacements");
    for item in items {
        let Some(path) = file::field(&item, "path") else {
            run(&item, &item, resources, (budget, faults));
            continue;
        };
        let text = path.text().unwrap_or_default();
        let full = kustomization.path(text);
        match objects::values_of_file(library, &full) {
            None => faults.push(Fault::error(
                path.span(),
                format!("there is no file `{text}`"),
            )),
            Some(Err(fault)) => faults.push(fault),
            Some(Ok(documents)) => {
                for document in documents {
                    match document.is_sequence() {
                        true => {
                            for replacement in document.items() {
                                run(&replacement, &path, resources, (budget, faults));
                            }
                        }
                        false => run(&document, &path, resources, (budget, faults)),
                    }
                }
            }
        }
    }
}

/// Makes one replacement; `place` is what it is told with.
pub(super) fn run<'t>(
    replacement: &Value<'t>,
    place: &Value<'t>,
    resources: &mut [Resource<'t>],
    (budget, faults): (&Budget, &mut Vec<Fault>),
) {
    let mut may_change = |parts| budget.may_change(parts, replacement.span(), faults);
    // The source, and each target, are looked for among all objects.
    let targets = file::items(replacement, "targets");
    let rejects = targets.iter().map(|it| file::items(it, "reject").len());
    let looks = 1 + targets.len() + rejects.sum::<usize>() / 4;
    if !may_change(looks * resources.len()) {
        return;
    }
    let made = one(replacement, place, resources, &mut may_change);
    if let Err(message) = made {
        faults.push(Fault::error(replacement.span(), message));
    }
}

fn one<'t>(
    replacement: &Value<'t>,
    place: &Value<'t>,
    resources: &mut [Resource<'t>],
    may_change: &mut dyn FnMut(usize) -> bool,
) -> Result<(), String> {
    let targets = file::items(replacement, "targets");
    let fixed = file::field(replacement, "sourceValue");
    let source = match (file::field(replacement, "source"), fixed) {
        (Some(source), _) => Source::find(&source, resources)?,
        (None, Some(value)) => Source { value, home: None },
        (None, None) => return Err("a replacement needs a `source`".to_owned()),
    };
    if targets.is_empty() {
        return Err("a replacement needs `targets`".to_owned());
    }
    for target in &targets {
        let select = file::field(target, "select").ok_or("a target needs `select`")?;
        let select = Selection::read(&select)?;
        let rejects = file::items(target, "reject");
        let rejects: Vec<Selection> = rejects
            .iter()
            .map(Selection::read)
            .collect::<Result<_, _>>()?;
        let paths = file::items(target, "fieldPaths");
        let mut paths: Vec<String> = paths
            .iter()
            .filter_map(|path| path.text().map(str::to_owned))
            .collect();
        if paths.is_empty() {
            paths.push("metadata.name".to_owned());
        }
        let options = Options::of(target);
        for index in 0..resources.len() {
            let resource = &resources[index];
            let is_rejected = rejects.iter().any(|reject| {
                reject.asks_for_labels() && reject.fits(&resource.value)
                    || !reject.names_no_part() && reject.selects_id(resource)
            });
            if is_rejected || !select.fits(&resource.value) || !select.selects_id(resource) {
                continue;
            }
            if !may_change(paths.len() * resource.value.parts(MAX_PARTS)) {
                return Ok(());
            }
            let before = resource.value.clone();
            let id = resource.id.to_string();
            for path in &paths {
                let told = |error| format!("`{path}` of {}: {error}", id);
                let parts = field_path::split(path);
                if options.creates {
                    let create = Some((source.value.kind(), source.value.span()));
                    let make = |target: &mut Resource<'t>| {
                        each(&mut target.value, &parts, create, &mut |_| Ok(()))
                    };
                    at(&mut resources[index], &parts, make).map_err(&told)?;
                }
                let value = source.now(resources);
                let cause = (&value, replacement.span());
                let put = |target: &mut Resource<'t>| write(target, &parts, cause, &options);
                at(&mut resources[index], &parts, put).map_err(&told)?;
            }
            let resource = &mut resources[index];
            // A collection that is put into itself doubles each time.
            if !source.value.is_scalar() && resource.value.is_too_large() {
                resource.value = before;
                return Err(format!(
                    "{} becomes larger than the API server accepts",
                    resource.id
                ));
            }
            resource.keep_twins_alike(&before);
            resource.refresh();
            resource.step("replacements", place.span());
        }
    }
    Ok(())
}

/// What is put elsewhere.
struct Source<'t> {
    /// What it was at first.
    value: Value<'t>,
    /// Where it stands: kustomize reads it again each time that it puts it somewhere, which may
    /// have changed it. `None` for a text of its own.
    home: Option<(usize, Vec<String>)>,
}

impl<'t> Source<'t> {
    fn find(source: &Value<'t>, resources: &[Resource<'t>]) -> Result<Self, String> {
        let selection = Selection::read(source)?;
        let mut found = resources
            .iter()
            .enumerate()
            .filter(|(_, resource)| selection.selects_id(resource));
        let (index, resource) = found.next().ok_or("the source selects no object")?;
        if found.next().is_some() {
            return Err("the source selects several objects".to_owned());
        }
        let path = Some(file::text(source, "fieldPath")).filter(|path| !path.is_empty());
        let path = path.unwrap_or_else(|| "metadata.name".to_owned());
        let parts = field_path::split(&path);
        // Where origins are noted, annotations are never empty.
        let has_origin = resource.is_noted && leads_to_annotations(parts.iter().map(|it| &**it));
        let value = look_up(resource, &parts)
            .filter(|value| !value.is_null() && (has_origin || !value.is_empty()))
            .ok_or_else(|| format!("the source {} has no `{path}`", resource.id))?;
        let options = Options::of(source);
        if options.delimiter.is_empty() {
            let home = Some((index, parts));
            return Ok(Self { value, home });
        }
        let text = value.text().ok_or("a `delimiter` only splits strings")?;
        let index = usize::try_from(options.index).map_err(|_| "`index` is below 0")?;
        let part = text
            .split(options.delimiter.as_str())
            .nth(index)
            .ok_or_else(|| format!("there is no part {index} in `{text}`"))?;
        Ok(Self {
            value: Value::text_at(part.to_owned(), value.span()),
            home: None,
        })
    }

    /// What it is by now.
    fn now(&self, resources: &[Resource<'t>]) -> Value<'t> {
        let home = self.home.as_ref();
        let now = home.and_then(|(index, path)| look_up(&resources[*index], path));
        now.unwrap_or_else(|| self.value.clone())
    }
}

/// What stands at a path of an object, with what is noted of it where that is a part of it.
fn look_up<'t>(resource: &Resource<'t>, path: &[String]) -> Option<Value<'t>> {
    let is_noted = leads_to_annotations(path.iter().map(String::as_str)) && resource.has_notes();
    match is_noted {
        true => find(&noted(resource, resource.value.span()), path),
        false => find(&resource.value, path),
    }
}

/// Does something at a path of an object, which may lead to what is noted of it.
fn at<'t, T>(
    resource: &mut Resource<'t>,
    path: &[String],
    work: impl FnOnce(&mut Resource<'t>) -> T,
) -> T {
    let span = resource.value.span();
    match leads_to_annotations(path.iter().map(String::as_str)) {
        true => with_notes(resource, span, work),
        false => work(resource),
    }
}

fn write<'t>(
    resource: &mut Resource<'t>,
    path: &[String],
    (value, cause): (&Value<'t>, Span),
    options: &Options,
) -> Result<(), String> {
    let create = options.creates.then(|| (value.kind(), value.span()));
    let mut set = |target: &mut Value<'t>| put(target, (value, cause), options);
    match each(&mut resource.value, path, create, &mut set)? {
        0 => Err("there is no such field".to_owned()),
        _ => Ok(()),
    }
}

/// Puts the value into a field. A scalar keeps its type, only its text is another: that of a
/// mapping or a list is empty. `cause` is what asks for it.
fn put<'t>(
    target: &mut Value<'t>,
    (value, cause): (&Value<'t>, Span),
    options: &Options,
) -> Result<(), String> {
    if !target.is_scalar() {
        if !options.delimiter.is_empty() {
            return Err("a `delimiter` only splits strings".to_owned());
        }
        // A copy: what the original changes with has no say in it.
        *target = value.apart();
        return Ok(());
    }
    let mut text = value.shared_text().unwrap_or_default();
    if !options.delimiter.is_empty() {
        let old = target.text().unwrap_or_default();
        // A text that is put into itself doubles each time.
        if old.len() + text.len() > 2 * MAX_PARTS {
            return Err("the string becomes longer than the API server accepts".to_owned());
        }
        let mut parts: Vec<&str> = old.split(options.delimiter.as_str()).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, &text),
            Ok(index) if index >= parts.len() => parts.push(&text),
            Ok(index) => parts[index] = &text,
        }
        text = parts.join(&options.delimiter).into();
    }
    let span = value.span();
    let data = match target.kept_type() {
        None if target.is_untyped() => Data::Untyped(text),
        None => Data::Text(text),
        Some(kept) if kept.takes(&text) => Data::Plain(text),
        Some(expected) => Data::Mistyped(Arc::new(Mistyped {
            text,
            expected,
            cause,
        })),
    };
    let place = Place { span, dash: None };
    let written = Value::made(data, place).with_style(target.style());
    *target = written.with_twin(target.twin());
    Ok(())
}
