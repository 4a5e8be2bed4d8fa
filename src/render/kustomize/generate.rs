//! ConfigMaps and Secrets that a kustomization generates: their names, labels and data.
//!
//! Refuses to know what they are good for, and the hash in their names.

use super::fault::Fault;
use super::file::{self, Kustomization};
use crate::render::library::Library;
use crate::render::resource::{Behavior, Generated, NameHash, Resource};
use crate::render::value::Value;
use crate::source::Span;
use std::borrow::Cow;
use std::collections::HashSet;

/// The objects that a kustomization generates.
pub(crate) fn all<'t>(
    library: &'t Library<'_>,
    kustomization: &Kustomization<'t>,
    faults: &mut Vec<Fault>,
) -> Vec<Resource<'t>> {
    let mut resources = Vec::new();
    for (field, kind) in [
        ("configMapGenerator", "ConfigMap"),
        ("secretGenerator", "Secret"),
    ] {
        for item in kustomization.items(field) {
            let generator = Generator {
                library,
                kustomization,
                item: &item,
                kind,
                has_global_options: true,
            };
            resources.push(generator.generate(faults));
        }
    }
    resources
}

/// What one of kustomize's own generators makes, which stands in a file of its own. `None` if it
/// is none of them.
pub(crate) fn of_config<'t>(
    library: &'t Library<'_>,
    kustomization: &Kustomization<'t>,
    config: &Value<'t>,
    faults: &mut Vec<Fault>,
) -> Option<Resource<'t>> {
    let kind = match file::text(config, "kind").as_str() {
        "ConfigMapGenerator" => "ConfigMap",
        "SecretGenerator" => "Secret",
        "IAMPolicyGenerator" => return Some(service_account(config, faults)),
        _ => return None,
    };
    let mut item = config.clone();
    for field in ["name", "namespace"] {
        let own = config.find(&["metadata", field]);
        if let Some(own) = own.filter(|_| file::field(config, field).is_none()) {
            item.set(field, own.span(), own);
        }
    }
    let generator = Generator {
        library,
        kustomization,
        item: &item,
        kind,
        has_global_options: false,
    };
    Some(generator.generate(faults))
}

/// The ServiceAccount that kustomize makes of an IAMPolicyGenerator.
fn service_account<'t>(config: &Value<'t>, faults: &mut Vec<Fault>) -> Resource<'t> {
    let span = config.span();
    let scalar = |text: String| Value::text_at(text, span);
    let cloud = file::text(config, "cloud");
    if cloud != "gke" {
        let message = format!("kustomize makes no policies for the cloud `{cloud}`");
        faults.push(Fault::error(span, message));
    }
    let account = format!(
        "{}@{}.iam.gserviceaccount.com",
        config.text_of(&["serviceAccount", "name"]),
        config.text_of(&["serviceAccount", "projectId"])
    );
    let mut annotations = Value::mapping_at(span);
    annotations.set("iam.gke.io/gcp-service-account", span, scalar(account));
    let mut metadata = Value::mapping_at(span);
    metadata.set("annotations", span, annotations);
    for field in ["name", "namespace"] {
        let own = config.find(&["kubernetesService", field]);
        if let Some(own) = own.filter(|own| !own.is_null()) {
            metadata.set(field, own.span(), own);
        }
    }
    let mut value = Value::mapping_at(span);
    value.set("apiVersion", span, scalar("v1".to_owned()));
    value.set("kind", span, scalar("ServiceAccount".to_owned()));
    value.set("metadata", span, metadata);
    Resource::new(value)
}

struct Generator<'a, 't, 's> {
    library: &'t Library<'s>,
    kustomization: &'a Kustomization<'t>,
    item: &'a Value<'t>,
    kind: &'static str,
    /// Whether `generatorOptions` of the kustomization count for it.
    has_global_options: bool,
}

impl<'t> Generator<'_, 't, '_> {
    fn generate(&self, faults: &mut Vec<Fault>) -> Resource<'t> {
        let span = self.item.span();
        let scalar = |text: &str| Value::text_at(text.to_owned(), span);
        let mut metadata = Value::mapping_at(span);
        let name = file::field(self.item, "name").filter(|name| name.text() != Some(""));
        let name = name.unwrap_or_else(|| {
            let message = format!("a generated {} needs a name", self.kind);
            faults.push(Fault::error(span, message));
            scalar("")
        });
        // A string for good, whatever is added to it.
        let text = name.text().unwrap_or_default().to_owned();
        metadata.set("name", span, Value::text_at(text, name.span()));
        let says_one = |value: &Value<'_>| !value.is_null() && value.text() != Some("");
        if let Some(namespace) = file::field(self.item, "namespace").filter(says_one) {
            metadata.set("namespace", namespace.span(), namespace);
        }
        let options = file::field(self.item, "options");
        let global = self.kustomization.get("generatorOptions");
        let global = global.filter(|_| self.has_global_options);
        for field in ["labels", "annotations"] {
            let mut pairs = Value::mapping_at(span);
            for options in [&global, &options].into_iter().flatten() {
                let given = file::field(options, field);
                for pair in given.iter().flat_map(Value::fields) {
                    pairs.set(pair.key.text().into_owned(), pair.key.span(), pair.value);
                }
            }
            if !pairs.is_empty() {
                metadata.set(field, span, pairs);
            }
        }
        let mut value = Value::mapping_at(span);
        value.set("apiVersion", span, scalar("v1"));
        value.set("kind", span, scalar(self.kind));
        value.set("metadata", span, metadata);
        let mut data = Value::mapping_at(span);
        let mut known = HashSet::new();
        let (pairs, is_whole) = self.data(faults);
        for (key, text, place) in pairs {
            let is_new = known.insert(key.clone());
            if !is_new {
                let message = format!("the key `{key}` is generated twice");
                faults.push(Fault::error(place, message));
            }
            let text = match self.kind {
                "Secret" => Cow::Owned(base64(text.as_bytes())),
                _ => text,
            };
            let text = Value::text_at(text, place);
            match is_new {
                true => data.add(key, place, text),
                false => data.set(key, place, text),
            }
        }
        if !data.is_empty() || self.kind == "Secret" {
            value.set("data", span, data);
        }
        if self.kind == "Secret" {
            let given = file::field(self.item, "type");
            value.set("type", span, given.unwrap_or_else(|| scalar("Opaque")));
        }
        let says = |name: &str| {
            let options = [&options, &global].into_iter().flatten();
            options.into_iter().any(|it| file::is_true(it, name))
        };
        if says("immutable") {
            value.set("immutable", span, Value::plain_at("true", span));
        }
        let behavior = match file::text(self.item, "behavior").as_str() {
            "merge" => Behavior::Merge,
            "replace" => Behavior::Replace,
            _ => Behavior::Create,
        };
        let mut resource = Resource::new(value);
        resource.generated = Some(Generated {
            behavior,
            hash: match says("disableNameSuffixHash") {
                true => NameHash::None,
                false if is_whole => NameHash::OfContent,
                false => NameHash::Unknown,
            },
        });
        resource
    }

    /// The keys and texts, in the order of their sources, and whether these are all.
    fn data(&self, faults: &mut Vec<Fault>) -> (Vec<(String, Cow<'t, str>, Span)>, bool) {
        let mut data = Vec::new();
        let mut is_whole = true;
        let mut envs = file::items(self.item, "envs");
        envs.extend(file::field(self.item, "env"));
        for env in envs {
            let text = self.file(&env, env.text().unwrap_or_default(), faults);
            is_whole &= text.is_some();
            let lines = text.unwrap_or_default().lines().map(str::trim_start);
            let pairs = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            data.extend(pairs.map(|line| {
                let (key, value) = line.split_once('=').unwrap_or((line, ""));
                (key.to_owned(), Cow::Borrowed(value), env.span())
            }));
        }
        for entry in file::items(self.item, "files") {
            let text = entry.text().unwrap_or_default().to_owned();
            let (key, path) = text.split_once('=').unwrap_or_else(|| {
                let name = text.rsplit('/').next().unwrap_or_default();
                (name, &text)
            });
            match self.file(&entry, path, faults) {
                Some(content) => data.push((key.to_owned(), Cow::Borrowed(content), entry.span())),
                None => is_whole = false,
            }
        }
        for literal in file::items(self.item, "literals") {
            let text = literal.text().unwrap_or_default();
            let Some((key, value)) = text.split_once('=') else {
                let message = format!("kustomize expects `key=value`, not `{text}`");
                faults.push(Fault::error(literal.span(), message));
                continue;
            };
            data.push((
                key.to_owned(),
                Cow::Owned(unquoted(value).to_owned()),
                literal.span(),
            ));
        }
        (data, is_whole)
    }

    /// The text of a file; one that is missing does no harm to what npcheck looks at.
    fn file(&self, place: &Value<'_>, path: &str, faults: &mut Vec<Fault>) -> Option<&'t str> {
        let Self { library, kind, .. } = *self;
        let full = self.kustomization.path(path);
        let found = library.text(&full);
        if found.is_none() && library.is_missing(&full) {
            let message = format!("there is no file `{path}` for this {kind}");
            faults.push(Fault::note(place.span(), message));
        }
        found
    }
}

/// Puts a generated object into one that is there: its labels and annotations are added,
/// its data added or taken.
pub(crate) fn merge<'t>(old: &mut Resource<'t>, mut new: Resource<'t>, behavior: Behavior) {
    let merged = |path: &[&str], keeps_old: bool| {
        let mut merged = new.value.find(path).filter(|_| !keeps_old);
        let mut sides = [old.value.find(path), new.value.find(path)];
        if !keeps_old {
            sides[0] = None;
        }
        for field in sides.iter().flatten().flat_map(Value::fields) {
            let place = merged.get_or_insert_with(|| Value::mapping_at(field.key.span()));
            place.set(field.key.text().into_owned(), field.key.span(), field.value);
        }
        merged
    };
    let metadata: Vec<_> = ["labels", "annotations"]
        .iter()
        .map(|field| (*field, merged(&["metadata", field], true)))
        .collect();
    let data = merged(&["data"], behavior == Behavior::Merge);
    let span = new.value.span();
    if let Some(place) = new.value.get_mut("metadata") {
        for (field, merged) in metadata {
            if let Some(merged) = merged {
                place.set(field, span, merged);
            }
        }
        for field in ["name", "namespace"] {
            match old.value.find(&["metadata", field]) {
                Some(own) => place.set(field, span, own),
                None => {
                    place.remove(field);
                }
            }
        }
    }
    if let Some(data) = data {
        new.value.set("data", span, data);
    }
    old.value = new.value;
    // One that either side wants without a hash has none.
    let hash = new.generated.map_or(NameHash::None, |it| it.hash);
    if let Some(generated) = &mut old.generated {
        generated.hash = generated.hash.max(hash);
    }
    old.refresh();
}

/// A value without the quotes around it.
fn unquoted(value: &str) -> &str {
    let inner = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(value)
}

/// The bytes as a Secret holds them.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * index) & 63) as usize];
            let is_filled = index <= chunk.len();
            text.push(if is_filled { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn secrets_are_encoded() {
        for (text, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }
}
