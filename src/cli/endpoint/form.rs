//! The grammar of the ends of a question.
//!
//! Refuses to look anything up, but for whether a first word is a namespace.

use super::{Candidate, Lookup};
use crate::cluster::NAMESPACE_NAME_LABEL;
use crate::engine::AddressRange;
use crate::k8s::{CiliumEntity, Label, Labels, WorkloadKind, is_opaque};
use crate::source::{SourceId, Span, Spanned, Text};
use ipnet::IpNet;
use std::net::IpAddr;

/// What was typed, by its shape.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// `any`
    Any,
    /// `internet`
    Internet,
    /// `10.0.0.0/8`, `203.0.113.7`
    Addresses(AddressRange),
    /// `node`: the pod's own node, and the others
    Node,
    /// `apiserver`
    ApiServer,
    /// `fqdn:api.example.org`
    Domain(String),
    /// `entity:ingress`, as Cilium calls it
    Entity(CiliumEntity),
    /// `web`, `shop/web`, `shop/deploy/web`, `deploy/web`
    Named {
        namespace: Option<String>,
        kind: Option<WorkloadKind>,
        name: String,
    },
    /// `shop/svc/web`
    Service {
        namespace: Option<String>,
        name: String,
    },
    /// `shop/app=web,tier=fe`
    Labelled {
        namespace: Option<String>,
        labels: Labels,
    },
    /// `shop/+app=new`; with the labels of a namespace that does not exist yet,
    /// `+team=x/+app=new`
    Hypothetical {
        namespace: String,
        new_labels: Option<Labels>,
        labels: Labels,
    },
}

/// Why a text means nothing in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// It has no shape that an end of a question may have.
    Malformed {
        /// What is wrong with it: lower case, no full stop.
        reason: String,
    },
    /// Nothing in the cluster is called so.
    Unknown {
        /// What there is none of: "no workload `shop/wbe`".
        reason: String,
        /// What is called nearly so, the nearest first.
        nearest: Vec<Candidate>,
    },
    /// It is clear what is meant, but the question makes no sense for it.
    Unanswerable {
        /// Why: lower case, no full stop.
        reason: String,
        /// What to look at.
        seen: Vec<Candidate>,
    },
    /// Several things in the cluster are called so.
    Ambiguous {
        /// All of them.
        candidates: Vec<Candidate>,
    },
}

/// The words that mean a Service where a kind may stand.
const SERVICE: [&str; 3] = ["svc", "service", "services"];

/// The kinds of objects that install a release of a chart, whose pods are named after them.
const RELEASES: [&str; 4] = ["helmrelease", "hr", "helmchart", "application"];

/// A name that Kubernetes gives to nothing: neither a name nor a value of a label has
/// brackets, and no other tool fills these in. It is the name of a namespace that is not named.
pub(crate) const UNNAMED: &str = "(new)";

impl Form {
    /// The word for every pod, and the outside.
    pub(crate) const ANY: &'static str = "any";
    /// The word for all public addresses.
    pub(crate) const INTERNET: &'static str = "internet";
    /// The word for nodes.
    pub(crate) const NODE: &'static str = "node";
    /// The word for the API server.
    pub(crate) const API_SERVER: &'static str = "apiserver";
    /// In front of a name of the DNS.
    pub(crate) const DOMAIN: &'static str = "fqdn:";
    /// In front of an entity of Cilium.
    pub(crate) const ENTITY: &'static str = "entity:";

    /// The shape of a text. The namespaces of the cluster tell `deploy/web` in the
    /// namespace `deploy` from the Deployment `web`.
    pub(super) fn parse(text: &str, lookup: &Lookup<'_>) -> Result<Self, Mistake> {
        match text {
            Self::ANY => return Ok(Self::Any),
            Self::INTERNET => return Ok(Self::Internet),
            Self::NODE => return Ok(Self::Node),
            Self::API_SERVER => return Ok(Self::ApiServer),
            "" => return Err(malformed("an endpoint is empty")),
            _ => {}
        }
        if let Some(name) = text.strip_prefix(Self::DOMAIN) {
            return domain(name);
        }
        if let Some(name) = text.strip_prefix(Self::ENTITY) {
            let mut known = CiliumEntity::ALL.into_iter();
            let found = known.find(|(known, _)| *known == name);
            let names = CiliumEntity::ALL.map(|(name, _)| name).join(", ");
            return found
                .map(|(_, entity)| Self::Entity(entity))
                .ok_or_else(|| malformed(format!("`{name}` is not an entity of Cilium: {names}")));
        }
        if let Ok(block) = text.parse::<IpNet>() {
            return Ok(Self::Addresses(block.into()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Addresses(address.into()));
        }
        if let Some(reason) = reason_for_no_address(text) {
            return Err(malformed(reason));
        }
        if text.starts_with('+') {
            return Self::parse_hypothetical(text, lookup);
        }
        let Some((head, rest)) = text.split_once('/') else {
            return if text.contains('=') {
                Ok(Self::Labelled {
                    namespace: None,
                    labels: labels(text, 0, lookup.source)?,
                })
            } else {
                Ok(Self::Named {
                    namespace: None,
                    kind: None,
                    name: text.to_owned(),
                })
            };
        };
        // The name of a namespace has no dots; the prefix of a label's key mostly has.
        if head.contains('=') || (head.contains('.') && rest.contains('=')) {
            return Ok(Self::Labelled {
                namespace: None,
                labels: labels(text, 0, lookup.source)?,
            });
        }
        Self::parse_in(head, rest, lookup)
    }

    fn parse_in(head: &str, rest: &str, lookup: &Lookup<'_>) -> Result<Self, Mistake> {
        let offset = head.len() + 1;
        if head.is_empty() || rest.is_empty() {
            return Err(malformed("a name before or after `/` is missing"));
        }
        let namespace = Some(head.to_owned());
        if rest == "*" {
            return Ok(Self::Labelled {
                namespace,
                labels: Labels::default(),
            });
        }
        if let Some(rest) = rest.strip_prefix('+') {
            let labels = labels(rest, offset + 1, lookup.source)?;
            return Ok(Self::Hypothetical {
                namespace: head.to_owned(),
                new_labels: None,
                labels,
            });
        }
        if rest.contains('=') {
            return Ok(Self::Labelled {
                namespace,
                labels: labels(rest, offset, lookup.source)?,
            });
        }
        let (namespace, word, name) = match rest.split_once('/') {
            Some((word, name)) => (namespace, Some(word), name),
            None if lookup.cluster.namespace_by_name(head).is_none() && is_kind(head) => {
                (None, Some(head), rest)
            }
            None => (namespace, None, rest),
        };
        let name = name.to_owned();
        let Some(word) = word else {
            return Ok(Self::Named {
                namespace,
                kind: None,
                name,
            });
        };
        let lower_case = word.to_ascii_lowercase();
        if SERVICE.contains(&lower_case.as_str()) {
            return Ok(Self::Service { namespace, name });
        }
        if RELEASES.contains(&lower_case.as_str()) {
            return Ok(Self::Named {
                namespace,
                kind: None,
                name,
            });
        }
        let kind = kind(&lower_case);
        if kind.is_none() && lookup.cluster.namespace_by_name(head).is_none() && is_kind(head) {
            return Err(malformed(format!(
                "the namespace comes before the kind: `{word}/{head}/{name}`"
            )));
        }
        let kind =
            kind.ok_or_else(|| malformed(format!("`{word}` is not a kind that makes pods")))?;
        Ok(Self::Named {
            namespace,
            kind: Some(kind),
            name,
        })
    }

    /// `+app=new` or `+team=x/+app=new`.
    fn parse_hypothetical(text: &str, lookup: &Lookup<'_>) -> Result<Self, Mistake> {
        let source = lookup.source;
        let Some(at) = text.find("/+") else {
            let Some(namespace) = lookup.namespace else {
                return Err(malformed(
                    "a pod that does not exist yet needs a namespace: `shop/+app=new`, \
                     or `+team=x/+app=new` for a new one",
                ));
            };
            let labels = labels(&text[1..], 1, source)?;
            return Ok(Self::Hypothetical {
                namespace: namespace.to_owned(),
                new_labels: None,
                labels,
            });
        };
        let of_namespace = labels(&text[1..at], 1, source)?;
        let name = of_namespace
            .get(NAMESPACE_NAME_LABEL)
            .unwrap_or(UNNAMED)
            .to_owned();
        if lookup.cluster.namespace_by_name(&name).is_some() {
            return Err(malformed(format!(
                "a namespace `{name}` exists: ask `{name}/{}`",
                &text[at + 1..]
            )));
        }
        let place = Span::new(source, 0, 0);
        let set_by_kubernetes = Label {
            key: Spanned::new(Text::from(NAMESPACE_NAME_LABEL), place),
            value: Spanned::new(Text::from(&name), place),
        };
        let of_namespace = of_namespace
            .iter()
            .cloned()
            .chain([set_by_kubernetes])
            .collect();
        let labels = labels(&text[at + 2..], at + 2, source)?;
        Ok(Self::Hypothetical {
            namespace: name,
            new_labels: Some(Labels::new(of_namespace)),
            labels,
        })
    }
}

/// `api.example.org`, in lower case.
fn domain(name: &str) -> Result<Form, Mistake> {
    let plain = name.trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        let may_be = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
        !label.is_empty() && label.len() <= 63 && label.chars().all(may_be)
    };
    if plain.len() <= 253 && plain.split('.').all(is_label) {
        return Ok(Form::Domain(plain));
    }
    Err(malformed(format!(
        "`{name}` is not a name of the DNS such as `api.example.org`"
    )))
}

/// Why a text that is meant as an address or a block is none; `None` if it looks like no
/// address.
fn reason_for_no_address(text: &str) -> Option<String> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if let (Ok(address), Some(length)) = (address.parse::<IpAddr>(), length) {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        return Some(format!(
            "not a block of addresses: `{length}` is not a prefix length from 0 to {bits}"
        ));
    }
    let looks_like_ipv4 = address.split('.').count() == 4 && address.split('.').all(is_digits);
    let is_hexadecimal = |text: &str| text.bytes().all(|it| it.is_ascii_hexdigit() || it == b':');
    let looks_like_ipv6 = address.matches(':').count() > 1 && is_hexadecimal(address);
    let ends_as_block = length.is_none_or(is_digits);
    if (looks_like_ipv4 || looks_like_ipv6) && ends_as_block {
        return Some(format!("`{address}` is not a valid address"));
    }
    // `10.0.0.1-10.0.0.9`
    let mut ends = text.split('-');
    let is_range = text.contains('-') && ends.all(|end| end.parse::<IpAddr>().is_ok());
    is_range.then(|| {
        "not a block of addresses: write a range as blocks, such as `10.0.0.0/29`".to_owned()
    })
}

/// The kind that kubectl means by a word in lower case.
pub(super) fn kind(word: &str) -> Option<WorkloadKind> {
    WorkloadKind::ALL
        .into_iter()
        .find(|kind| kind.short_names().contains(&word))
}

/// Whether kubectl knows a kind of object that has pods by a word.
pub(crate) fn is_kind(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    kind(&word).is_some() || SERVICE.contains(&word.as_str())
}

/// `app=web,tier=fe`, which begins at `offset` of the text of `source`; empty for none.
fn labels(text: &str, offset: usize, source: SourceId) -> Result<Labels, Mistake> {
    let mut labels: Vec<Label> = Vec::new();
    let mut start = offset;
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let Some((key, value)) = part.split_once('=') else {
            return Err(malformed(format!(
                "`{part}` is not a label: labels are written `key=value`"
            )));
        };
        if key.is_empty() || key.ends_with('!') || value.starts_with('=') {
            return Err(malformed(format!(
                "`{part}` is not a label: only `key=value` can be asked for"
            )));
        }
        if let Some(reason) = reason_for_no_value(part, value) {
            return Err(malformed(reason));
        }
        if labels.iter().any(|label| label.key.value == key) {
            return Err(malformed(format!("the label `{key}` appears twice")));
        }
        let spanned = |text: &str, start: usize| {
            let span = Span::new(source, start as u32, (start + text.len()) as u32);
            Spanned::new(Text::from(text), span)
        };
        labels.push(Label {
            key: spanned(key, start),
            value: spanned(value, start + key.len() + 1),
        });
        start += part.len() + 1;
    }
    Ok(Labels::new(labels))
}

/// Why no label has this value, which is written as a part of the text; `None` if one may.
fn reason_for_no_value(part: &str, value: &str) -> Option<String> {
    let may_be_in_value = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let wrong = value.chars().find(|it| !may_be_in_value(*it))?;
    if is_opaque(value) {
        return None;
    }
    let meant = part.replace(['+', '&', ';'], ",");
    let are_several = meant.matches('=').count() > 1 && meant != part;
    Some(if are_several {
        format!("`{part}` is not a label: several are written `{meant}`")
    } else {
        format!("`{part}` is not a label: no value has `{wrong}` in it")
    })
}

pub(super) fn malformed(reason: impl Into<String>) -> Mistake {
    Mistake::Malformed {
        reason: reason.into(),
    }
}
