//! The one serde `Deserializer` from a tree into the types of `k8s-openapi`.
//!
//! It reads as the API server does, but does not give up: a value of a wrong type is
//! noted and read as if it were not written, so that the rest of the object still
//! counts. Text that another tool fills in is read as not written, without a note.
//!
//! Refuses to know what the fields mean, apart from which ones npcheck never looks at.

use super::{invalid_value, quote, unquote};
use crate::diagnostic::Diagnostic;
use crate::k8s::is_opaque;
use crate::yaml::scalar::Scalar;
use crate::yaml::tree::{Entries, Items, Kind, Node};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use std::cell::RefCell;
use std::fmt;

/// How many values of a wrong type are told one by one for each object.
const MAX_REPORTED: usize = 20;

/// The fields that npcheck reads of the large types; the others are passed over, which
/// is most of the work for a dump of pods.
const READ: &[(&str, &[&str])] = &[
    (
        "PodSpec",
        &[
            "automountServiceAccountToken",
            "containers",
            "dnsConfig",
            "dnsPolicy",
            "hostNetwork",
            "initContainers",
            "nodeName",
            "serviceAccount",
            "serviceAccountName",
        ],
    ),
    (
        "Container",
        &[
            "args",
            "command",
            "env",
            "envFrom",
            "image",
            "name",
            "ports",
            "restartPolicy",
        ],
    ),
    ("EnvVar", &["name", "value", "valueFrom"]),
    ("PodStatus", &["hostIP", "phase", "podIP", "podIPs"]),
    ("NodeStatus", &["addresses"]),
    (
        "ServiceSpec",
        &[
            "clusterIP",
            "externalIPs",
            "externalTrafficPolicy",
            "ipFamilies",
            "ipFamilyPolicy",
            "ports",
            "type",
        ],
    ),
];

/// A value that an API server would not take for its field.
#[derive(Clone, Debug)]
pub(super) struct Mismatch<'t> {
    /// The value.
    pub(super) node: Node<'t>,
    /// What it should be: "a number", "text".
    pub(super) expected: &'static str,
}

/// Reads `node` as a `T`, and what did not fit on the way.
pub(super) fn read<'t, T: DeserializeOwned + Default>(node: Node<'t>) -> (T, Vec<Mismatch<'t>>) {
    let mismatches = RefCell::new(Vec::new());
    let deserializer = Deserializer {
        node,
        mismatches: &mismatches,
    };
    let value = T::deserialize(deserializer).unwrap_or_else(|_: Error| {
        // Only a visitor that wants more than a type can refuse, such as the one of dates.
        mismatches.borrow_mut().push(Mismatch {
            node,
            expected: "well-formed",
        });
        T::default()
    });
    (value, mismatches.into_inner())
}

/// Reports what did not fit in the object `root`; returns whether all did.
pub(super) fn report(
    mismatches: &[Mismatch<'_>],
    root: Node<'_>,
    object: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> bool {
    for mismatch in mismatches.iter().take(MAX_REPORTED) {
        let node = mismatch.node;
        let message = format!("this value must be {}", mismatch.expected);
        let diagnostic = invalid_value(node.span(), message).about(object, root.path_to(node.id()));
        diagnostics.push(match mismatch.expected {
            "text" if node.scalar().is_some() => quote(diagnostic, node),
            "a whole number" => unquote(diagnostic, node),
            _ => diagnostic,
        });
    }
    if let (Some(last), Some(more)) = (
        diagnostics.last_mut(),
        mismatches.len().checked_sub(MAX_REPORTED + 1),
    ) {
        last.notes.push(format!(
            "{} more values of this object have a wrong type",
            more + 1
        ));
    }
    mismatches.is_empty()
}

/// A node as something to deserialize from.
#[derive(Clone, Copy)]
struct Deserializer<'t, 'm> {
    node: Node<'t>,
    mismatches: &'m RefCell<Vec<Mismatch<'t>>>,
}

impl<'t> Deserializer<'t, '_> {
    fn note(self, expected: &'static str) {
        if !self.is_hole() {
            self.mismatches.borrow_mut().push(Mismatch {
                node: self.node,
                expected,
            });
        }
    }

    fn is_hole(self) -> bool {
        self.node.is_null() || self.node.text().is_some_and(is_opaque)
    }

    /// The whole number that it is, 0 if it is none or out of bounds.
    fn integer(self, min: i64, max: i64) -> i64 {
        match self.node.as_int() {
            Some(value) if (min..=max).contains(&value) => value,
            _ => {
                self.note("a whole number");
                0
            }
        }
    }
}

/// A visitor asked for something that Kubernetes objects do not have, or refused a value.
#[derive(Debug)]
struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'de> de::Deserializer<'de> for Deserializer<'_, '_> {
    type Error = Error;

    /// Only `IntOrString` leaves the type open among the fields that are read.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.scalar() {
            Some(Scalar::String(text)) => visitor.visit_str(text),
            Some(Scalar::Int(value)) if i32::try_from(value).is_ok() => visitor.visit_i64(value),
            _ => {
                self.note("a whole number or text");
                visitor.visit_str("")
            }
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some(value) = self.node.as_bool() else {
            self.note("`true` or `false`");
            return visitor.visit_bool(false);
        };
        visitor.visit_bool(value)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = self.integer(i32::MIN.into(), i32::MAX.into());
        visitor.visit_i32(i32::try_from(value).expect("it lies within these bounds"))
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(self.integer(i64::MIN, i64::MAX))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.scalar() {
            Some(Scalar::String(text)) => visitor.visit_str(text),
            Some(_) => {
                self.note("text");
                visitor.visit_str(
                    self.node
                        .text()
                        .filter(|_| !self.node.is_null())
                        .unwrap_or(""),
                )
            }
            None => {
                self.note("text");
                visitor.visit_str("")
            }
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.node.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.node.kind() != Kind::Sequence {
            self.note("a list");
        }
        visitor.visit_seq(List {
            items: self.node.items(),
            mismatches: self.mismatches,
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.node.kind() != Kind::Mapping {
            self.note("a mapping");
        }
        let read = READ
            .iter()
            .find(|(of, _)| *of == name)
            .map(|(_, fields)| *fields);
        visitor.visit_map(Fields {
            entries: self.node.entries(),
            value: None,
            read,
            mismatches: self.mismatches,
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier
    }
}

struct List<'t, 'm> {
    items: Items<'t>,
    mismatches: &'m RefCell<Vec<Mismatch<'t>>>,
}

impl<'de> SeqAccess<'de> for List<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(node) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(Deserializer {
            node,
            mismatches: self.mismatches,
        })
        .map(Some)
    }
}

struct Fields<'t, 'm> {
    entries: Entries<'t>,
    value: Option<Node<'t>>,
    /// The fields to read; all of them if there is no list.
    read: Option<&'static [&'static str]>,
    mismatches: &'m RefCell<Vec<Mismatch<'t>>>,
}

impl<'de> MapAccess<'de> for Fields<'_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        for entry in self.entries.by_ref() {
            let key = entry.key.key_text();
            if self.read.is_some_and(|read| !read.contains(&&*key)) {
                continue;
            }
            self.value = Some(entry.value);
            return seed.deserialize((&*key).into_deserializer()).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let node = self
            .value
            .take()
            .expect("serde asks for a value after its key");
        seed.deserialize(Deserializer {
            node,
            mismatches: self.mismatches,
        })
    }
}
