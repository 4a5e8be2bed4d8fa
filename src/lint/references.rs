//! Names of Services in what a container is told: its environment, what it takes from
//! ConfigMaps into it, and its arguments.
//!
//! Refuses to know what a program makes of the text; it looks for a host's name in the
//! places where hosts stand.

use crate::cluster::platform::{is_managed_service, port_of_scheme};
use crate::cluster::{Cluster, NamespaceId, ServiceId, WorkloadId};
use crate::k8s::Workload;
use crate::source::Text;

/// A Service that a container is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference<'c> {
    /// The Service.
    pub service: ServiceId,
    /// The port beside its name.
    pub port: Option<u16>,
    /// Whether the name is surely meant as an address: as `db` in `postgres://db/shop`,
    /// `db:5432` and `DB_HOST: db`, and not in `args: [db]`, which may be a command.
    pub is_address: bool,
    /// The ConfigMap that holds it, where a container takes all of its entries as variables:
    /// the workloads that share it hardly need everything in it.
    pub taken_whole: Option<&'c str>,
}

/// What the containers of a pod of the namespace `own` are told of Services, in order.
#[must_use]
pub fn references<'c>(
    cluster: &'c Cluster,
    own: NamespaceId,
    pod: &'c Workload,
) -> Vec<Reference<'c>> {
    let home = cluster.namespace(own).name.as_str();
    let of_variables = variables(cluster, home, pod).flat_map(|(name, value, taken_whole)| {
        let names_host = names_host(name);
        let of_variable = hosts(value).map(move |host| Host {
            is_address: host.is_address || (names_host && is_listed(value, host.name)),
            ..host
        });
        of_variable.map(move |host| (host, taken_whole))
    });
    let of_arguments = arguments(pod).flat_map(|(before, text)| {
        // An option and its value are two arguments, or two words of a shell's text.
        let is_value = takes_host(before);
        hosts(text).map(move |host| Host {
            is_address: host.is_address || is_value && host.name == text,
            ..host
        })
    });
    let of_arguments = of_arguments.map(|host| (host, None));
    let references = of_variables
        .chain(of_arguments)
        .filter_map(|(host, taken_whole)| {
            Some(Reference {
                service: service(cluster, own, host.name)?,
                port: host.port,
                is_address: host.is_address,
                taken_whole,
            })
        });
    let mut references: Vec<Reference<'_>> = references.collect();
    references.sort_unstable();
    references.dedup();
    references
}

/// A managed service outside of the cluster that a container is told of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutsideReference<'c> {
    /// Its host.
    pub host: &'c str,
    /// The port beside its name, or that of the scheme before it.
    pub port: Option<u16>,
}

/// The managed services that the containers of a pod of the namespace `own` are told of, in
/// order. What stands in a ConfigMap that is taken whole may be meant for another workload, and
/// does not count.
#[must_use]
pub fn outside_references<'c>(
    cluster: &'c Cluster,
    own: NamespaceId,
    pod: &'c Workload,
    is_shared: impl Fn(&str) -> bool,
) -> Vec<OutsideReference<'c>> {
    let own = cluster.namespace(own).name.as_str();
    let of_variables = variables(cluster, own, pod);
    let of_variables =
        of_variables.filter_map(|(_, value, map)| (!map.is_some_and(&is_shared)).then_some(value));
    let texts = of_variables.chain(arguments(pod).map(|(_, text)| text));
    let mut found: Vec<OutsideReference<'c>> = texts
        .flat_map(hosts)
        .filter(|host| is_managed_service(host.name))
        .map(|host| OutsideReference {
            host: host.name,
            port: host.port.or_else(|| port_of_scheme(host.scheme?)),
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether the containers of a workload are told of another host of the cluster by its name. What
/// stands in a ConfigMap that is taken whole may be meant for another workload, and does not
/// count. Neither does the API server, whose address is in the environment of every container.
#[must_use]
pub fn is_told_names(cluster: &Cluster, id: WorkloadId) -> bool {
    let workload = cluster.workload(id);
    let pod = &workload.object;
    let is_own = |service: ServiceId| cluster.workloads_behind(service).any(|it| it == id);
    let references = references(cluster, workload.namespace, pod).into_iter();
    let mut others = references.filter(|it| it.is_address && it.taken_whole.is_none());
    if others.any(|it| !is_own(it.service)) {
        return true;
    }
    let home = cluster.namespace(workload.namespace).name.as_str();
    let of_variables = variables(cluster, home, pod);
    let of_variables = of_variables.filter_map(|(_, value, map)| map.is_none().then_some(value));
    let texts = of_variables.chain(arguments(pod).map(|(_, text)| text));
    let mut hosts = texts.flat_map(hosts);
    hosts.any(|host| {
        let is_of_cluster = host.name.ends_with(".svc") || host.name.contains(".svc.");
        is_of_cluster
            && !host.name.starts_with("kubernetes.default.")
            && service(cluster, workload.namespace, host.name).is_none()
    })
}

/// The variables of the containers of a pod that may hold what it connects to: name, without a
/// prefix, and value, and the ConfigMap where all of it is taken.
fn variables<'c>(
    cluster: &'c Cluster,
    own: &'c str,
    pod: &'c Workload,
) -> impl Iterator<Item = (&'c str, &'c str, Option<&'c str>)> {
    let written = pod.containers.iter().flat_map(|it| &it.variables);
    let written = written.map(|it| (it.name.as_str(), it.value.as_str(), None));
    let all = written.chain(configured(cluster, own, pod));
    all.filter(|(name, ..)| !names_compared(name))
}

/// The arguments of the containers of a pod that may hold what it connects to, each with the one
/// before it.
fn arguments(pod: &Workload) -> impl Iterator<Item = (&str, &str)> {
    let of_container = pod.containers.iter().map(|it| &it.arguments);
    let all = of_container.flat_map(|arguments| {
        let before = std::iter::once("").chain(arguments.iter().map(Text::as_str));
        before.zip(arguments.iter().map(Text::as_str))
    });
    all.filter(|(before, text)| {
        let option = match text.split_once('=') {
            Some((option, _)) if option.starts_with('-') => option,
            _ => before,
        };
        !(option.starts_with('-') && names_compared(option.trim_start_matches('-')))
    })
}

/// The variables that the containers of a pod take from ConfigMaps: name, without a prefix,
/// and value, and the ConfigMap where all of it is taken.
fn configured<'c>(
    cluster: &'c Cluster,
    own: &'c str,
    pod: &'c Workload,
) -> impl Iterator<Item = (&'c str, &'c str, Option<&'c str>)> {
    let references = pod.containers.iter().flat_map(|it| &it.config_maps);
    references.flat_map(move |reference| {
        let objects = cluster.context_objects();
        let map = objects.config_map(own, &reference.config_map);
        let entries = map.into_iter().flat_map(|map| &map.data);
        entries.filter_map(move |entry| match &reference.key {
            None => {
                let map = Some(reference.config_map.as_str());
                Some((entry.name.as_str(), entry.value.as_str(), map))
            }
            Some(key) if *key == entry.name => {
                Some((reference.name.as_str(), entry.value.as_str(), None))
            }
            Some(_) => None,
        })
    })
}

/// The Service of a host's name: `db`, `db.shop`, `db.shop.svc.cluster.local`; or that of one
/// of its pods: `db-0.db`, `db-0.db.shop`.
fn service(cluster: &Cluster, own: NamespaceId, host: &str) -> Option<ServiceId> {
    let by_name = |host: &str| {
        let mut parts = host.split('.');
        let name = parts.next()?;
        let namespace = match parts.next() {
            Some(namespace) => cluster.namespace_by_name(namespace)?,
            None => own,
        };
        cluster.service_named(namespace, name)
    };
    by_name(host).or_else(|| by_name(host.split_once('.')?.1))
}

/// Whether a value is a name, or a list that has it between commas.
fn is_listed(value: &str, name: &str) -> bool {
    value.split(',').any(|item| item.trim() == name)
}

/// Whether a variable is by its name one for a host: `DB_HOST`, `PGHOST`, `UPSTREAM_URL`,
/// `BOOTSTRAP_SERVERS`.
fn names_host(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "ADDR",
        "ADDRESS",
        "ADDRESSES",
        "BROKERS",
        "ENDPOINT",
        "ENDPOINTS",
        "HOST",
        "HOSTNAME",
        "HOSTS",
        "PEERS",
        "SERVER",
        "SERVERS",
        "SERVICE",
        "URI",
        "URL",
    ];
    let name = name.to_ascii_uppercase();
    name.rsplit(['_', '-', '.'])
        .next()
        .is_some_and(|last| WORDS.contains(&last) || last.ends_with("HOST"))
}

/// Whether a variable or an option is by its name one for what is compared with something, or
/// told to browsers, and that nobody connects to: the origins and hosts that a request may name,
/// what a proxy is left out for, where a browser is sent back to, who made a token and for whom.
fn names_compared(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "AUDIENCE",
        "AUDIENCES",
        "CALLBACK",
        "CORS",
        "CSP",
        "CSRF",
        "FRAME",
        "ORIGINS",
        "REDIRECT",
        "REDIRECTS",
        "REFERER",
        "REFERERS",
        "REFERRER",
        "REFERRERS",
        "WHITELIST",
        "ALLOWLIST",
    ];
    let name = name.to_ascii_uppercase();
    let words: Vec<&str> = name.split(['_', '-', '.']).collect();
    let has = |word: &str| words.contains(&word);
    let ends_with = |one: &str, other: &str| words.ends_with(&[one, other]);
    // The hosts that a program is allowed to be asked for; `ALLOWED_HOSTS` is Django's.
    let is_filter = (has("ALLOWED") || has("TRUSTED"))
        && words.last().is_some_and(|last| {
            ["HOSTS", "DOMAINS", "URIS", "URLS", "HOST", "PROXIES"].contains(last)
        });
    // The address of an issuer, `ISSUER_URL`, is where its keys are fetched; that of an origin is
    // where a cache fetches what it lacks.
    let is_name = matches!(words.last(), Some(&"ISSUER" | &"ORIGIN"));
    words.iter().any(|word| WORDS.contains(word))
        || is_filter
        || is_name
        || ends_with("NO", "PROXY")
        || name == "NOPROXY"
}

/// A word of a text that stands where names of hosts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Host<'t> {
    name: &'t str,
    /// The number behind it: `db:5432`, `nc db 5432`.
    port: Option<u16>,
    /// What stands before `://`.
    scheme: Option<&'t str>,
    is_address: bool,
}

/// The scheme of the URL whose host a text ends before: `postgres` of `postgres://app:x@`.
fn scheme_before(before: &str) -> Option<&str> {
    let (before, between) = before.rsplit_once("://")?;
    // With a path or a blank between them, the URL is another one's.
    if between.contains(|next: char| next == '/' || next.is_whitespace()) {
        return None;
    }
    let is_part = |next: char| next.is_ascii_alphanumeric() || "+-.".contains(next);
    before.rsplit(|next| !is_part(next)).next()
}

/// The words of a text that stand where names of hosts stand.
fn hosts(text: &str) -> impl Iterator<Item = Host<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text[at..].find(is_part_of_host)?;
            let rest = &text[start..];
            let length = rest
                .find(|next| !is_part_of_host(next))
                .unwrap_or(rest.len());
            at = start + length;
            let (before, after) = (&text[..start], &text[at..]);
            if starts_a_host(before) && ends_a_host(after) {
                // A sentence may end behind a name.
                let name = text[start..at].trim_end_matches('.');
                let port = after.strip_prefix([':', ' ']).and_then(number);
                return Some(Host {
                    name,
                    port,
                    scheme: scheme_before(before),
                    is_address: is_name(name)
                        && (before.ends_with("//")
                            || before.ends_with('@')
                            || port.is_some()
                            || takes_host(before)
                            || name.contains(".svc")),
                });
            }
        }
    })
}

/// The number that a text starts with, if it is a port's.
fn number(text: &str) -> Option<u16> {
    let end = text.find(|next: char| !next.is_ascii_digit());
    let (number, rest) = text.split_at(end.unwrap_or(text.len()));
    // An address, a version, a time is no port.
    let is_whole = !rest.starts_with(|next: char| next == '.' || next.is_ascii_alphabetic());
    number.parse().ok().filter(|number| *number > 0 && is_whole)
}

/// Whether a word of a command may be a name: no option, and no number that belongs to one.
fn is_name(word: &str) -> bool {
    !word.starts_with('-') && word.contains(|next: char| !next.is_ascii_digit())
}

/// Whether a text ends with what the name of a host comes behind: `-h`, `--host`, `DB_HOST=`, `nc
/// -z`.
fn takes_host(before: &str) -> bool {
    const PROGRAMS: &[&str] = &["nc", "ncat", "wait-for", "wait-for-it", "wait-for-it.sh"];
    let before = before.trim_end_matches(['"', '\'']);
    let is_assigned = before.ends_with('=');
    let mut words = before.trim_end_matches('=').split_whitespace().rev();
    let Some(last) = words.next() else {
        return false;
    };
    if is_assigned {
        return last.to_ascii_uppercase().ends_with("HOST") || names_host(last);
    }
    if ["-h", "-H", "--host", "--hostname"].contains(&last) {
        return true;
    }
    let mut program = std::iter::once(last).chain(words);
    let program = program.find(|word| is_name(word));
    program.is_some_and(|program| PROGRAMS.contains(&program))
}

fn starts_a_host(before: &str) -> bool {
    before.is_empty()
        || before.ends_with("//")
        || before.ends_with(|last: char| "@=,; \t\n'\"([{".contains(last))
}

/// Whether what stands behind a name ends it as a host's: nothing, a port, a path. The name
/// of a scheme or of a user stands before a colon, too.
fn ends_a_host(after: &str) -> bool {
    match after.strip_prefix(':') {
        Some(rest) => rest.starts_with(|next: char| next.is_ascii_digit()),
        None => !after.starts_with(['=', '@', '\\']),
    }
}

fn is_part_of_host(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::{hosts, names_compared};

    #[test]
    fn what_is_compared_is_no_address() {
        for name in [
            "CORS_ALLOWED_ORIGINS",
            "CORS_ORIGIN",
            "ALLOWED_HOSTS",
            "DJANGO_ALLOWED_HOSTS",
            "CSRF_TRUSTED_ORIGINS",
            "NO_PROXY",
            "no_proxy",
            "ALLOWED_REDIRECT_URIS",
            "OAUTH2_PROXY_REDIRECT_URL",
            "JWT_ISSUER",
            "JWT_AUDIENCE",
            "X_FRAME_OPTIONS",
            "cors-allowed-origins",
        ] {
            assert!(names_compared(name), "{name}");
        }
        for name in [
            "DB_HOST",
            "HTTP_PROXY",
            "PROXY_URL",
            "HOSTS",
            "UPSTREAM_HOSTS",
            "OIDC_ISSUER_URL",
            "ORIGIN_URL",
            "FRONTEND_URL",
        ] {
            assert!(!names_compared(name), "{name}");
        }
    }

    #[test]
    fn hosts_are_found_where_hosts_stand() {
        let table: &[(&str, &[&str])] = &[
            ("db", &["db"]),
            ("db:5432", &["db"]),
            ("postgres://app:secret@db/shop", &["db"]),
            (
                "http://db.shop.svc.cluster.local:80/x",
                &["db.shop.svc.cluster.local"],
            ),
            ("--host=db", &["db"]),
            ("psql -h db -U app", &["psql", "-h", "db", "-U", "app"]),
            ("a,db:1,b", &["a", "db", "b"]),
            ("redis://other", &["other"]),
            ("postgres://db:secret@other/", &["other"]),
            ("my-db", &["my-db"]),
            ("/var/db", &[]),
            ("db=1", &["1"]),
        ];
        for (text, expected) in table {
            let found: Vec<&str> = hosts(text).map(|host| host.name).collect();
            assert_eq!(found, *expected, "{text}");
        }
    }

    #[test]
    fn addresses_are_told_from_words() {
        let table: &[(&str, &[&str])] = &[
            ("db", &[]),
            ("db:5432", &["db 5432"]),
            ("postgres://app:secret@db/shop", &["db"]),
            ("redis://cache", &["cache"]),
            ("until nc -z cache 6379; do sleep 2; done", &["cache 6379"]),
            (
                "-Dquery=sso.iam.svc.cluster.local",
                &["sso.iam.svc.cluster.local"],
            ),
            ("serve web 1.2.3", &[]),
            ("pg_dump -h db -d shop", &["db"]),
            ("--host=db", &["db"]),
            ("DB_HOST=db PGDATABASE=shop migrate", &["db"]),
            ("nc -z -w 2 cache", &["cache"]),
            ("wait-for-it cache", &["cache"]),
            ("echo backing up db", &[]),
            ("for it in db cache; do createdb $it; done", &[]),
        ];
        for (text, expected) in table {
            let found = hosts(text).filter(|host| host.is_address && host.name != "sleep");
            let in_words = |host: super::Host<'_>| match host.port {
                Some(port) => format!("{} {port}", host.name),
                None => host.name.to_owned(),
            };
            let found: Vec<String> = found.map(in_words).collect();
            assert_eq!(found, *expected, "{text}");
        }
    }
}
