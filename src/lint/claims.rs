//! What names and descriptions say that a policy does, as far as a few words can be understood.
//!
//! Reads whole words, never parts of them, and understands nothing where a word stands that
//! could change the meaning: a false claim costs more than silence. Refuses to know what the
//! policy does.

use crate::k8s::{Direction, LabelSelector, NetworkPolicy};
use crate::source::Span;

/// That nothing is let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// How much of it.
    pub extent: Extent,
    /// The directions that it speaks of, ingress first; none where it names none.
    pub directions: Vec<Direction>,
}

/// How much a [`Denial`] denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// `deny-egress`: the direction, with exceptions perhaps.
    Direction,
    /// `default-deny`: what nothing else allows.
    Default,
    /// `deny-all`.
    Everything,
}

/// Annotations that hold a description.
const DESCRIPTIONS: &[&str] = &["kubernetes.io/description", "description", "purpose"];

impl Denial {
    /// What the name of a policy of a namespace says, and where; its description, where the
    /// name speaks neither of denying nor of allowing.
    #[must_use]
    pub fn of(policy: &NetworkPolicy, namespace: &str) -> Option<(Self, Span)> {
        let selector = policy.pod_selector.get();
        let values = selector.into_iter().flat_map(LabelSelector::values);
        let names = values.chain([namespace]);
        let known: Vec<&str> = names.flat_map(words).collect();
        let name = &policy.meta.name;
        if let Some(denial) = Self::in_name(name, &known) {
            return Some((denial, name.span));
        }
        let mut words = words(name).into_iter();
        if words.any(|word| is_one_of(word, DENY) || is_one_of(word, ALLOW)) {
            return None;
        }
        DESCRIPTIONS.iter().find_map(|key| {
            let text = &policy.meta.annotations.label(key)?.value;
            Some((Self::in_description(text)?, text.span))
        })
    }

    /// What a name says. `known` are words that say no more than whom it is about, as `web`
    /// in `deny-all-web`.
    fn in_name(name: &str, known: &[&str]) -> Option<Self> {
        let may_follow = |word: &str| is_filler(word) || known.contains(&word);
        let denial = Self::read(&words(name), |word| !is_exception(word), may_follow)?;
        // The pods may be called so themselves.
        let mut directions = denial.directions.iter();
        let is_clear = !directions.any(|direction| known.contains(&direction.field()));
        is_clear.then_some(denial)
    }

    /// What a description says, all of it being about nothing else.
    fn in_description(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        Self::read(&words(&text), is_filler, is_filler)
    }

    fn read(
        words: &[&str],
        may_precede: impl Fn(&str) -> bool,
        may_follow: impl Fn(&str) -> bool,
    ) -> Option<Self> {
        let verb = words.iter().position(|word| is_one_of(word, DENY))?;
        let (before, behind) = (&words[..verb], &words[verb + 1..]);
        let may_follow =
            |word: &&str| is_one_of(word, ALL) || direction(word).is_some() || may_follow(word);
        if !before.iter().all(|word| may_precede(word)) || !behind.iter().all(may_follow) {
            return None;
        }
        // `ingress-default-deny`; in `ingress-nginx-deny-all` it is the name of a program.
        let just_before = before.iter().rev().skip_while(|word| **word == "default");
        let just_before = just_before.map_while(|word| direction(word));
        let mut directions: Vec<Direction> = behind
            .iter()
            .filter_map(|word| direction(word))
            .chain(just_before)
            .collect();
        directions.sort_unstable();
        directions.dedup();
        let object = behind.iter().find(|word| direction(word).is_none());
        // `all-deny`, `egress-deny`: the object may stand first.
        let stands_first = |is_meant: fn(&str) -> bool| {
            behind.is_empty() && before.last().is_some_and(|word| is_meant(word))
        };
        let extent = if object.is_some_and(|word| is_one_of(word, ALL))
            || stands_first(|word| is_one_of(word, ALL))
        {
            Extent::Everything
        } else if before.last() == Some(&"default") || behind.contains(&"default") {
            Extent::Default
        } else if behind.first().is_some_and(|word| direction(word).is_some())
            || stands_first(|word| direction(word).is_some())
        {
            Extent::Direction
        } else {
            return None;
        };
        Some(Self { extent, directions })
    }
}

/// The words of what the name of a policy says is denied, as `projecta` in
/// `deny-projecta-traffic`; `None` where it denies all, may mean an exception, or does not tell.
/// `known` are words that say no more than whom it is about.
#[must_use]
pub fn denied_object<'n>(name: &'n str, known: &[&str]) -> Option<Vec<&'n str>> {
    let words = words(name);
    let verb = words.iter().position(|word| is_one_of(word, DENY))?;
    let is_doubtful = |word: &str| {
        is_exception(word) || is_one_of(word, ALL) || ["default", "with"].contains(&word)
    };
    let (before, behind) = (&words[..verb], &words[verb + 1..]);
    let is_about = |word: &str| is_filler(word) || known.contains(&word);
    if words.iter().any(|word| is_doubtful(word)) || !before.iter().all(|word| is_about(word)) {
        return None;
    }
    // `deny-egress-monitoring` may be a denial with an exception.
    let is_clear = match behind {
        [first, second, ..] if direction(first).is_some() => ["to", "from"].contains(second),
        _ => true,
    };
    let object = behind.iter().copied();
    let object =
        object.filter(|word| direction(word).is_none() && !is_about(word) && *word != "from");
    let object: Vec<&str> = object.collect();
    (is_clear && !object.is_empty()).then_some(object)
}

/// Whether the name of a policy says that it allows something, in one of these directions or
/// without naming any.
#[must_use]
pub fn allows_something(name: &str, directions: &[Direction]) -> bool {
    let words = words(name);
    let Some(allow) = words.iter().position(|word| is_one_of(word, ALLOW)) else {
        return false;
    };
    // A list of what is allowed may be empty for now.
    let is_list = matches!(words.get(allow + 1), Some(&("list" | "lists")));
    let mut named = words.iter().filter_map(|word| direction(word)).peekable();
    let is_spoken_of = named.peek().is_none() || named.any(|it| directions.contains(&it));
    let mut words = words.iter();
    is_spoken_of && !is_list && !words.any(|word| is_one_of(word, DENY) || is_one_of(word, NOTHING))
}

/// Whether the name of a policy says that it allows DNS: `allow-dns`, `allow-egress-to-kube-dns`;
/// not so `allow-external-dns`, which is a program.
#[must_use]
pub fn allows_dns(name: &str) -> bool {
    const WHOSE: &[&str] = &["kube", "core", "cluster", "internal"];
    const BEHIND: &[&str] = &[
        "resolution",
        "lookup",
        "lookups",
        "query",
        "queries",
        "udp",
        "tcp",
        "kube",
        "system",
        "resolver",
        "coredns",
    ];
    let words = words(name);
    let Some(allow) = words.iter().position(|word| is_one_of(word, ALLOW)) else {
        return false;
    };
    let is_empty = |word: &str| is_filler(word) || direction(word).is_some() || word == "all";
    let mut rest = words[allow + 1..]
        .iter()
        .skip_while(|word| is_empty(word) || is_one_of(word, WHOSE));
    rest.next() == Some(&"dns") && rest.all(|word| is_empty(word) || is_one_of(word, BEHIND))
}

/// Somebody whom the name of a policy lets in or out, as `monitoring` in
/// `allow-from-monitoring`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterpart {
    /// The direction, where the name says one.
    pub direction: Option<Direction>,
    /// What may be the name of a namespace.
    pub name: String,
}

/// The names of namespaces that may be meant by the name of a policy, the longest first.
/// Only behind a word such as `from`: elsewhere the name of a product may stand as well.
#[must_use]
pub fn counterparts(name: &str) -> Vec<Counterpart> {
    /// What may stand behind the name of a namespace.
    const BEHIND: &[&str] = &[
        "to",
        "for",
        "on",
        "only",
        "namespace",
        "ns",
        "traffic",
        "access",
    ];
    /// How many words the name of a namespace has at most.
    const LONGEST: usize = 12;
    let words: Vec<&str> = name.split(['-', '_', '.']).collect();
    let Some(allow) = words.iter().position(|word| is_one_of(word, ALLOW)) else {
        return Vec::new();
    };
    let mut marked = None;
    let mut found = Vec::new();
    let mut start = allow + 1;
    loop {
        let rest = &words[start.min(words.len())..];
        for length in (1..=rest.len().min(LONGEST)).rev() {
            let is_whole = rest.get(length).is_none_or(|word| is_one_of(word, BEHIND));
            if let Some(direction) = marked.filter(|_| is_whole) {
                found.push(Counterpart {
                    direction,
                    name: rest[..length].join("-"),
                });
            }
        }
        match rest.first().copied() {
            Some("from") => marked = Some(Some(Direction::Ingress)),
            Some("to") => marked = Some(Some(Direction::Egress)),
            Some("namespace" | "ns") => marked = marked.or(Some(None)),
            Some(word) if direction(word).is_some() || is_filler(word) || word == "all" => {}
            _ => return found,
        }
        start += 1;
    }
}

/// The words of a text, which is in lower case.
pub(super) fn words(text: &str) -> Vec<&str> {
    let words = text.split(|character: char| !character.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .flat_map(|word| match word {
            "denyall" => vec!["deny", "all"],
            "allowall" => vec!["allow", "all"],
            word => vec![word],
        })
        .collect()
}

const DENY: &[&str] = &[
    "deny", "denies", "denied", "block", "blocks", "drop", "drops", "reject", "rejects",
];

const ALLOW: &[&str] = &["allow", "allows", "permit", "permits"];

const ALL: &[&str] = &[
    "all",
    "any",
    "anything",
    "everything",
    "everybody",
    "everyone",
];

const NOTHING: &[&str] = &["no", "none", "nothing", "nobody", "not", "never", "dis"];

/// Words that add nothing to what a name or a sentence says.
const FILLERS: &[&str] = &[
    "access",
    "and",
    "by",
    "connection",
    "connections",
    "default",
    "for",
    "in",
    "k8s",
    "kubernetes",
    "namespace",
    "netpol",
    "network",
    "networkpolicy",
    "np",
    "ns",
    "of",
    "pod",
    "pods",
    "policies",
    "policy",
    "rule",
    "rules",
    "the",
    "this",
    "to",
    "traffic",
];

/// Words before a denial that take some of it back.
const EXCEPTIONS: &[&str] = &[
    "accept",
    "accepts",
    "besides",
    "but",
    "cross",
    "disable",
    "dns",
    "except",
    "exception",
    "exceptions",
    "external",
    "inside",
    "inter",
    "internal",
    "intra",
    "non",
    "only",
    "open",
    "other",
    "others",
    "outside",
    "own",
    "partial",
    "private",
    "public",
    "remove",
    "same",
    "some",
    "undo",
    "unless",
    "untrusted",
    "whitelist",
    "without",
];

fn is_filler(word: &str) -> bool {
    is_one_of(word, FILLERS) || word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_exception(word: &str) -> bool {
    is_one_of(word, EXCEPTIONS) || is_one_of(word, ALLOW) || is_one_of(word, NOTHING)
}

pub(super) fn is_one_of(word: &str, list: &[&str]) -> bool {
    list.contains(&word)
}

fn direction(word: &str) -> Option<Direction> {
    match word {
        "ingress" | "inbound" | "incoming" => Some(Direction::Ingress),
        "egress" | "outbound" | "outgoing" => Some(Direction::Egress),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_denied() {
        for (name, expected) in [
            ("deny-projecta-traffic", Some("projecta")),
            ("deny-phi-zone-egress", Some("phi zone")),
            ("deny-egress-to-phi", Some("phi")),
            ("web-deny-from-lab", Some("lab")),
            ("block-database", Some("database")),
            ("deny-web", None),
            ("deny-all-dns", None),
            ("default-deny-monitoring", None),
            ("deny-egress-monitoring", None),
            ("deny-lab-except-ci", None),
            ("deny-other-namespaces", None),
            ("deny-egress", None),
            ("allow-lab-deny-ci", None),
        ] {
            let object = denied_object(name, &["web"]);
            let object = object.map(|words| words.join(" "));
            assert_eq!(object.as_deref(), expected, "{name}");
        }
    }

    fn in_words(denial: Option<Denial>) -> String {
        denial.map_or_else(String::new, |denial| {
            let directions = denial.directions.iter().map(|it| it.field());
            let directions: Vec<&str> = directions.collect();
            format!("{:?} {}", denial.extent, directions.join(","))
                .trim()
                .to_owned()
        })
    }

    #[test]
    fn names_deny() {
        let known = ["web", "egress"];
        for (name, expected) in [
            ("deny-all", "Everything"),
            ("denyall", "Everything"),
            ("web-deny-all", "Everything"),
            ("egress-deny-all", ""),
            ("deny-egress", ""),
            ("ingress-deny-all", "Everything ingress"),
            ("deny-all-web", "Everything"),
            ("deny-all-ingress", "Everything ingress"),
            ("deny-ingress-all", "Everything ingress"),
            ("ingress-nginx-deny-all", "Everything"),
            ("default-deny-all-traffic-2", "Everything"),
            ("block-all-ingress", "Everything ingress"),
            ("default-deny", "Default"),
            ("default.deny_ingress", "Default ingress"),
            ("default-deny-inbound-and-ingress", "Default ingress"),
            ("ingress-default-deny", "Default ingress"),
            ("deny-by-default", "Default"),
            ("deny-ingress", "Direction ingress"),
            ("foo-block-inbound", "Direction ingress"),
            ("ingress-deny", "Direction ingress"),
            ("web-all-deny", "Everything"),
            ("hub-deny-all", "Everything"),
            // Somebody is let in, or may be.
            ("default-deny-all-except-dns", ""),
            ("default-deny-allow-dns", ""),
            ("allow-dns-deny-all", ""),
            ("deny-all-other-namespaces", ""),
            ("deny-from-other-namespaces", ""),
            ("same-namespace-default-deny", ""),
            ("foo-deny-external-egress", ""),
            ("deny-egress-to-internet", ""),
            ("default-deny-shop", ""),
            ("no-deny", ""),
            ("no-default-deny", ""),
            ("deny", ""),
            ("denying-all", ""),
            ("allow-all", ""),
            ("default", ""),
        ] {
            assert_eq!(in_words(Denial::in_name(name, &known)), expected, "{name}");
        }
    }

    #[test]
    fn descriptions_deny() {
        for (text, expected) in [
            ("Deny all traffic by default.", "Everything"),
            ("Default deny for this namespace", "Default"),
            (
                "Denies all ingress traffic to the pods in this namespace",
                "Everything ingress",
            ),
            ("Deny all traffic from other namespaces", ""),
            ("Web gets in; deny all traffic", ""),
            ("Default deny with DNS", ""),
        ] {
            assert_eq!(in_words(Denial::in_description(text)), expected, "{text}");
        }
    }

    #[test]
    fn names_allow() {
        for (name, allows, dns) in [
            ("allow-web", true, false),
            ("web-allow-all", true, false),
            ("allow-nothing", false, false),
            ("allow-none", false, false),
            ("deny-all-allow-web", false, false),
            ("allow-ingress-only", false, false),
            ("allow-list", false, false),
            ("allowlist", false, false),
            ("disallow-web", false, false),
            ("web", false, false),
            ("allow-dns", true, true),
            ("allow-dns-egress", true, true),
            ("allow-egress-to-kube-dns", true, true),
            ("allow-all-dns-lookups", true, true),
            ("web-allow-dns", true, true),
            ("allow-dns-autoscaler", true, false),
            ("allow-external-dns", true, false),
            ("allow-dnsmasq", true, false),
            ("allow-dns-metrics", true, false),
            ("dns", false, false),
        ] {
            assert_eq!(
                allows_something(name, &[Direction::Egress]),
                allows,
                "{name}"
            );
            assert_eq!(allows_dns(name), dns, "{name}");
        }
    }

    #[test]
    fn names_speak_of_somebody() {
        for (name, expected) in [
            ("allow-from-monitoring", &["ingress monitoring"][..]),
            (
                "allow-ingress-from-monitoring-ns",
                &["ingress monitoring-ns", "ingress monitoring"],
            ),
            (
                "web-allow-to-bank-only",
                &["egress bank-only", "egress bank"],
            ),
            (
                "allow-from-namespace-bank",
                &["ingress namespace-bank", "ingress bank"],
            ),
            ("allow-namespace-bank", &["any bank"]),
            // `for` may be a part of the name.
            (
                "allow-from-apply-for-aid",
                &["ingress apply-for-aid", "ingress apply"],
            ),
            ("allow-data-lake", &[]),
            ("allow-ingress-nginx", &[]),
            ("allow-monitoring", &[]),
            ("allow", &[]),
            ("from-monitoring", &[]),
        ] {
            let found = counterparts(name);
            let found: Vec<String> = found
                .iter()
                .map(|it| {
                    format!(
                        "{} {}",
                        it.direction.map_or("any", Direction::field),
                        it.name
                    )
                })
                .collect();
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            assert!(
                expected.iter().all(|it| found.contains(it)),
                "{name}: {found:?}"
            );
            assert_eq!(expected.is_empty(), found.is_empty(), "{name}: {found:?}");
        }
    }
}
