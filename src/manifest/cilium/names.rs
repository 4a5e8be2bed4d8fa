//! Names of hosts in a rule of Cilium's, and patterns of them, with what the API server refuses.
//!
//! Refuses to know which addresses they have, and what a rule does with them.

use crate::k8s::CiliumFqdn;
use crate::manifest::invalid_value;
use crate::manifest::reader::{self, Path, Reader};
use crate::source::Spanned;
use crate::yaml::tree::Node;

/// How long a name may be (`MaxLength` in the CRD).
const MAX_LENGTH: usize = 255;

/// What may stand in a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// One name.
    Name,
    /// A name in which `*` stands for a part.
    Pattern,
}

/// Checks `matchName` and `matchPattern` of an entry.
pub(super) fn check_names(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) {
    let fields = ["matchName", "matchPattern"].into_iter().zip(names(item));
    for ((field, value), naming) in fields.zip([Naming::Name, Naming::Pattern]) {
        if let Some(value) = value {
            check_name(value, naming, path.field(field), reader);
        }
    }
}

/// Checks one text as the CRD does (`pkg/policy/api/fqdn.go`).
pub(super) fn check_name(value: Node<'_>, naming: Naming, path: Path<'_>, reader: &mut Reader<'_>) {
    let Some(text) = value.as_str().filter(|_| !reader::is_opaque(value)) else {
        return;
    };
    if is_valid(text, naming) {
        return;
    }
    let what = match naming {
        Naming::Name => "the name of a host",
        Naming::Pattern => "a pattern of names of hosts",
    };
    let diagnostic = invalid_value(value.span(), format!("`{text}` is not {what}"));
    let help = match naming {
        Naming::Name if is_valid(text, Naming::Pattern) => {
            "names with `*` belong in `matchPattern`"
        }
        _ => "write labels with dots between them, without scheme, port and path",
    };
    reader.refuse(path, diagnostic.help(help));
}

fn is_valid(text: &str, naming: Naming) -> bool {
    let is_inner = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_')
            || (byte == b'*' && naming == Naming::Pattern)
    };
    let labels = text.strip_suffix('.').unwrap_or(text).split('.');
    text.len() <= MAX_LENGTH
        && labels
            .into_iter()
            .all(|label| !label.is_empty() && label.bytes().all(is_inner))
}

/// A name or a pattern of names, where there is one of them.
pub(super) fn dns_name(item: Node<'_>) -> Option<Spanned<CiliumFqdn>> {
    match names(item) {
        [Some(name), None] => {
            let text = name.as_str()?.trim_end_matches('.').to_ascii_lowercase();
            Some(Spanned::new(CiliumFqdn::Name(text), name.span()))
        }
        [None, Some(pattern)] => {
            let text = pattern.as_str()?.to_ascii_lowercase();
            Some(Spanned::new(CiliumFqdn::Pattern(text), pattern.span()))
        }
        _ => None,
    }
}

/// `matchName` and `matchPattern`, where they are not empty.
pub(super) fn names(item: Node<'_>) -> [Option<Node<'_>>; 2] {
    ["matchName", "matchPattern"]
        .map(|name| item.find(&[name]).filter(|value| value.text() != Some("")))
}
