//! The hash that kustomize puts behind the name of a generated ConfigMap or Secret: of its data
//! and its type, as JSON (kustomize, `api/hasher`; Kubernetes, `kubectl/util/hash`).
//!
//! Refuses to know which objects get one.

use crate::render::resource::{NameHash, Resource};
use crate::render::value::Value;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

/// What stands for the hash of a content that is not known.
const UNKNOWN: &str = "0000000000";

/// How many digits of the hash stand in a name.
const LENGTH: usize = 10;

/// Puts their hashes behind the names that get one.
pub(super) fn add(resources: &mut [Resource<'_>]) {
    for resource in resources {
        let hash = match resource.generated.map(|generated| generated.hash) {
            None | Some(NameHash::None) => continue,
            Some(NameHash::OfContent) => of_content(&resource.value),
            Some(NameHash::Unknown) => None,
        };
        let hash = hash.unwrap_or_else(|| UNKNOWN.to_owned());
        resource.remember();
        let name = format!("{}-{hash}", resource.id.name);
        let metadata = resource.value.get_mut("metadata");
        if let Some(value) = metadata.and_then(|it| it.get_mut("name")) {
            *value = Value::text_at(name, value.span());
        }
        resource.refresh();
    }
}

/// The hash of an object, if it holds nothing but texts.
fn of_content(object: &Value<'_>) -> Option<String> {
    let kind = object.text_of(&["kind"]);
    let (is_always_there, more) = match kind.as_str() {
        "ConfigMap" => (["data"].as_slice(), "binaryData"),
        "Secret" => (["data", "type"].as_slice(), "stringData"),
        _ => return None,
    };
    let mut content = Map::new();
    // kustomize looks for the name under a key of its own, where there is none.
    content.insert("name".to_owned(), "".into());
    content.insert("kind".to_owned(), kind.into());
    for field in is_always_there {
        let value = object.get(field).map_or(Some("".into()), |it| texts(&it))?;
        content.insert((*field).to_owned(), value);
    }
    if let Some(value) = object.get(more) {
        content.insert(more.to_owned(), texts(&value)?);
    }
    Some(digits(&as_go_encodes(&Json::Object(content).to_string())))
}

/// A text, or a mapping of texts.
fn texts(value: &Value<'_>) -> Option<Json> {
    let text = |value: &Value<'_>| {
        let text = value.text().filter(|_| value.is_text());
        text.map(|it| Json::String(it.to_owned()))
    };
    if !value.is_mapping() {
        return text(value);
    }
    let fields = value.fields();
    let fields = fields.map(|field| Some((field.key.text().into_owned(), text(&field.value)?)));
    fields
        .collect::<Option<Map<String, Json>>>()
        .map(Json::Object)
}

/// JSON as Go writes it: safe within HTML.
fn as_go_encodes(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(position) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        let (before, behind) = rest.split_at(position);
        text.push_str(before);
        let mut chars = behind.chars();
        if let Some(sign) = chars.next() {
            text.push_str(&format!("\\u{:04x}", u32::from(sign)));
        }
        rest = chars.as_str();
    }
    text.push_str(rest);
    text
}

/// The first digits of the SHA-256 of a text, without those that could make a word.
fn digits(text: &str) -> String {
    let bytes = Sha256::digest(text.as_bytes());
    let hexadecimal = bytes.iter().map(|byte| format!("{byte:02x}"));
    let digits: String = hexadecimal.collect();
    let digits = digits.chars().take(LENGTH).map(|digit| match digit {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        other => other,
    });
    digits.collect()
}
