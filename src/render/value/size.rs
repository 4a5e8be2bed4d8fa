//! How large a value is: what shares its parts may be larger than the text that it stands for.
//!
//! Refuses to know who wants to know.

use super::{Data, Value};

/// How many parts an object may have, see [`Value::parts`]: etcd takes 1.5 MiB, which is less.
/// What shares its parts may be of any size, and has to be known before it is written out.
pub(crate) const MAX_PARTS: usize = 1_000_000;

impl Value<'_> {
    /// How many parts it has, up to `limit`: scalars, collections and keys, and two bytes of a
    /// made text, so that each stands for at least two bytes of JSON.
    pub(crate) fn parts(&self, limit: usize) -> usize {
        let made = match self {
            Self::Read(_) => None,
            Self::Made(made) => Some(&made.data),
        };
        let mut parts = 1;
        let mut add = |value: &Self, own: usize| {
            if parts < limit {
                parts += own + value.parts(limit - parts);
            }
        };
        match made {
            None => {
                self.items().for_each(|item| add(&item, 0));
                self.fields().for_each(|field| add(&field.value, 1));
            }
            Some(Data::Sequence(items)) => items.iter().for_each(|item| add(item, 0)),
            Some(Data::Mapping(fields)) => fields.iter().for_each(|field| add(&field.value, 1)),
            Some(Data::Text(text) | Data::Plain(text) | Data::Untyped(text)) => {
                parts += text.len() / 2;
            }
            Some(Data::Mistyped(mistyped)) => parts += mistyped.text.len() / 2,
            Some(Data::Hidden(fields)) => fields.iter().for_each(|field| add(&field.value, 1)),
        }
        parts.min(limit)
    }

    /// Whether it is too large to be an object.
    pub(crate) fn is_too_large(&self) -> bool {
        self.parts(MAX_PARTS + 1) > MAX_PARTS
    }
}
