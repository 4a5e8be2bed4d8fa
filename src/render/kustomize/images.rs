//! The transformer that sets name, tag or digest of images.
//!
//! Refuses to know where kustomizations say which images.

use super::budget::Budget;
use super::fault::Fault;
use super::field_spec::{FieldSpec, Missing, apply, obstacle};
use super::file;
use super::select::expression;
use crate::render::object_id::Gvk;
use crate::render::resource::Resource;
use crate::render::value::{Field, MAX_PARTS, Value};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// The texts of some objects that may be images, so that each of thousands of images looks at
/// those objects alone that have it.
pub(crate) struct HeldImages {
    /// By text: the positions of the objects that have it, or had it.
    by_text: BTreeMap<String, BTreeSet<usize>>,
    /// The positions of the objects with a container whose image is a mapping or a list.
    misfits: BTreeSet<usize>,
}

impl HeldImages {
    /// What stands below the keys at which images are looked for.
    pub(crate) fn of(resources: &[Resource<'_>], specs: &[FieldSpec]) -> Self {
        let last = specs.iter().filter_map(|spec| spec.path.last());
        let last = last.map(|key| key.trim_end_matches("[]"));
        let keys: BTreeSet<&str> = last.chain(["image"]).collect();
        let mut held = Self {
            by_text: BTreeMap::new(),
            misfits: BTreeSet::new(),
        };
        for (position, resource) in resources.iter().enumerate() {
            held.look(position, &resource.value, &keys, false);
        }
        held
    }

    fn look(&mut self, position: usize, value: &Value<'_>, keys: &BTreeSet<&str>, is_image: bool) {
        if let Some(text) = value.text().filter(|_| is_image) {
            self.add(position, [text.to_owned()]);
        }
        for item in value.items() {
            self.look(position, &item, keys, is_image);
        }
        for field in value.fields() {
            let mut containers = field.value.items().filter(|_| is_containers(&field));
            if containers.any(|it| it.get("image").is_some_and(|image| !image.is_scalar())) {
                self.misfits.insert(position);
            }
            let is_image = is_image || keys.iter().any(|key| field.key.is(key));
            self.look(position, &field.value, keys, is_image);
        }
    }

    fn add(&mut self, position: usize, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            self.by_text.entry(text).or_default().insert(position);
        }
    }

    /// The objects that have an image of this name, maybe among others.
    fn holders(&self, written: &str, name: &ImageName) -> BTreeSet<usize> {
        let start = literal_start(written);
        let texts = self.by_text.range(start.to_owned()..);
        let texts = texts.take_while(|(text, _)| text.starts_with(start));
        let texts = texts.filter(|(text, _)| name.split(text).is_some());
        texts
            .flat_map(|(_, positions)| positions)
            .copied()
            .collect()
    }
}

/// What every text starts with that an expression matches from its start on.
fn literal_start(expression: &str) -> &str {
    let is_literal = |sign: char| sign.is_ascii_alphanumeric() || "/_-:@".contains(sign);
    let end = expression.find(|sign| !is_literal(sign));
    let (start, rest) = expression.split_at(end.unwrap_or(expression.len()));
    match rest.chars().next() {
        _ if expression.contains('|') => "",
        // The last letter may be missing.
        Some('*' | '?' | '{') => &start[..start.len().saturating_sub(1)],
        _ => start,
    }
}

/// Sets name, tag or digest of several images, one after the other.
pub(crate) fn set_images<'t>(
    resources: &mut [Resource<'t>],
    images: &[Value<'t>],
    specs: &[FieldSpec],
    (budget, faults): (&Budget, &mut Vec<Fault>),
) {
    if images.is_empty() {
        return;
    }
    let mut held = HeldImages::of(resources, specs);
    for image in images {
        let looks = resources.len() * (1 + specs.len() / 16);
        if !budget.may_understand(image, faults) || !budget.may_change(looks, image.span(), faults)
        {
            return;
        }
        let mut may_change = |parts| budget.may_change(parts, image.span(), faults);
        match set(resources, &mut held, image, specs, &mut may_change) {
            Ok(true) => {}
            Ok(false) => return,
            Err(message) => faults.push(Fault::error(image.span(), message)),
        }
    }
}

/// Sets name, tag or digest of an image wherever it is used.
pub(crate) fn set_image<'t>(
    resources: &mut [Resource<'t>],
    image: &Value<'t>,
    specs: &[FieldSpec],
    (budget, faults): (&Budget, &mut Vec<Fault>),
) -> Result<(), String> {
    let parts = resources.iter().map(|it| it.value.parts(MAX_PARTS));
    if !budget.may_understand(image, faults)
        || !budget.may_change(parts.sum(), image.span(), faults)
    {
        return Ok(());
    }
    let held = &mut HeldImages::of(resources, specs);
    let mut may_change = |parts| budget.may_change(parts, image.span(), faults);
    set(resources, held, image, specs, &mut may_change).map(drop)
}

/// Sets one image; whether all of that may be done.
fn set<'t>(
    resources: &mut [Resource<'t>],
    held: &mut HeldImages,
    image: &Value<'t>,
    specs: &[FieldSpec],
    may_change: &mut dyn FnMut(usize) -> bool,
) -> Result<bool, String> {
    let text = |name: &str| file::text(image, name);
    let written = text("name");
    let name = ImageName::new(&written);
    let holders = held.holders(&written, &name);
    let (new_name, new_tag) = (text("newName"), text("newTag"));
    let (digest, suffix) = (text("digest"), text("tagSuffix"));
    for (position, resource) in resources.iter_mut().enumerate() {
        let may_hold = holders.contains(&position);
        let is_misfit = held.misfits.contains(&position);
        if is_misfit && resource.id.gvk.kind != "CustomResourceDefinition" {
            let id = &resource.id;
            return Err(format!("{id}: the image of a container is not a string"));
        }
        // Where nothing is built yet, nothing can be in the way of an image.
        if !may_hold && !matches!(resource.value, Value::Made(_)) {
            continue;
        }
        let gvk = resource.id.gvk.clone();
        if gvk.kind == "CustomResourceDefinition" {
            continue;
        }
        // All of an object is looked through for it.
        if may_hold && !may_change(resource.value.parts(MAX_PARTS)) {
            return Ok(false);
        }
        let mut made = Vec::new();
        let mut set = |value: &mut Value<'t>| {
            let old = value.text().ok_or("expected a scalar")?;
            let Some(parts) = name.split(old) else {
                return Ok(());
            };
            let [old_name, mut tag, mut old_digest] = parts.map(str::to_owned);
            match (new_tag.is_empty(), digest.is_empty(), suffix.is_empty()) {
                (false, _, _) => {
                    tag.clone_from(&new_tag);
                    old_digest.clone_from(&digest);
                }
                (true, false, _) => {
                    tag.clear();
                    old_digest.clone_from(&digest);
                }
                (true, true, false) => {
                    tag.push_str(&suffix);
                    old_digest.clear();
                }
                (true, true, true) => {}
            }
            let mut new = if new_name.is_empty() {
                old_name
            } else {
                new_name.clone()
            };
            if !tag.is_empty() {
                new = format!("{new}:{tag}");
            }
            if !old_digest.is_empty() {
                new = format!("{new}@{old_digest}");
            }
            made.push(new.clone());
            *value = value.rewritten(new);
            Ok(())
        };
        // Those of containers, wherever these are (kustomize, `imagetag/legacy.go`), come first.
        if may_hold && has_container(&resource.value, &name) {
            set_in_containers(&mut resource.value, &name, &mut set)
                .map_err(|error| format!("{}: {error}", resource.id))?;
        }
        for spec in specs {
            let has_image = may_hold && holds_image(spec, &gvk, &resource.value, &name);
            if has_image {
                apply(
                    spec,
                    (&gvk, &mut resource.value),
                    Missing::Ignored,
                    &mut set,
                )
                .map_err(|error| format!("{}: {error}", resource.id))?;
            } else if matches!(resource.value, Value::Made(_))
                && gvk.is_selected_by(&spec.gvk)
                && obstacle(&resource.value, &spec.path).is_some()
            {
                let path = spec.path.join("/");
                return Err(format!("{}: no image can be at `{path}`", resource.id));
            }
        }
        if !made.is_empty() {
            resource.step("images", image.span());
        }
        held.add(position, made);
    }
    Ok(true)
}

/// Whether a field is a list of containers.
fn is_containers(field: &Field<'_>) -> bool {
    field.value.is_sequence() && (field.key.is("containers") || field.key.is("initContainers"))
}

/// Whether an item is a container with this image.
fn has_image(item: &Value<'_>, name: &ImageName) -> bool {
    let image = item.get("image");
    let text = image.as_ref().and_then(Value::text);
    text.is_some_and(|text| name.split(text).is_some())
}

/// Whether there is a container with this image anywhere.
fn has_container(value: &Value<'_>, name: &ImageName) -> bool {
    value.items().any(|item| has_container(&item, name))
        || value.fields().any(|field| {
            has_container(&field.value, name)
                || is_containers(&field) && field.value.items().any(|it| has_image(&it, name))
        })
}

/// Calls `set` for this image of all containers.
fn set_in_containers<'t>(
    value: &mut Value<'t>,
    name: &ImageName,
    set: &mut dyn FnMut(&mut Value<'t>) -> Result<(), String>,
) -> Result<(), String> {
    if value.is_sequence() {
        let items = value.items_mut().into_iter().flatten();
        for item in items.filter(|item| has_container(item, name)) {
            set_in_containers(item, name, set)?;
        }
    } else if value.is_mapping() {
        for field in value.fields_mut().into_iter().flatten() {
            if has_container(&field.value, name) {
                set_in_containers(&mut field.value, name, set)?;
            }
            if is_containers(field) {
                let items = field.value.items_mut().into_iter().flatten();
                let mut images = items.filter_map(|item| {
                    let is_it = has_image(item, name);
                    item.get_mut("image").filter(|_| is_it)
                });
                images.try_for_each(&mut *set)?;
            }
        }
    }
    Ok(())
}

/// Whether the image stands at one of the fields, so that most objects stay as they are.
fn holds_image(spec: &FieldSpec, gvk: &Gvk, value: &Value<'_>, name: &ImageName) -> bool {
    let mut is_there = false;
    super::field_spec::visit(spec, (gvk, value), &mut |value| {
        is_there |= value.text().is_some_and(|text| name.split(text).is_some());
    });
    is_there
}

/// Which images a name stands for: it is a regular expression (`internal/image/image.go`).
struct ImageName(Option<Regex>);

impl ImageName {
    fn new(name: &str) -> Self {
        let behind = "(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?$";
        Self(expression(&format!("^{name}{behind}")))
    }

    /// Name, tag and digest of an image, if it is one of these.
    fn split<'i>(&self, image: &'i str) -> Option<[&'i str; 3]> {
        let is_it = self.0.as_ref().is_some_and(|it| it.is_match(image));
        is_it.then(|| split_image(image))
    }
}

/// Name, tag and digest of an image. A colon in front of the first slash belongs to a port of
/// the registry.
fn split_image(image: &str) -> [&str; 3] {
    let path = image.find('/').unwrap_or_default();
    let place = |sign: char| image[path..].find(sign).map(|place| place + path);
    match (place(':'), place('@')) {
        (None, None) => [image, "", ""],
        (Some(tag), None) => [&image[..tag], &image[tag + 1..], ""],
        (Some(tag), Some(digest)) if tag < digest => {
            [&image[..tag], &image[tag + 1..digest], &image[digest + 1..]]
        }
        (_, Some(digest)) => [&image[..digest], "", &image[digest + 1..]],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_expression_starts_with_is_what_all_its_texts_start_with() {
        for (written, start) in [
            ("nginx", "nginx"),
            ("ghcr.io/team/web", "ghcr"),
            ("web*", "we"),
            ("web?", "we"),
            ("web{0,1}", "we"),
            ("web+", "web"),
            ("web|api", ""),
            ("(?i)web", ""),
            (".*", ""),
            ("*", ""),
            ("", ""),
        ] {
            assert_eq!(literal_start(written), start, "{written}");
        }
    }
}
