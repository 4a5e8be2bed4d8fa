//! Names of Services in what a container is told: its environment and its arguments.
//!
//! Refuses to know what a program makes of the text; it looks for a host's name in the
//! places where hosts stand.

use crate::cluster::{Cluster, NamespaceId, ServiceId};
use crate::k8s::Workload;

/// The Services that the containers of a pod of the namespace `own` are told to talk to,
/// in order.
#[must_use]
pub fn services(cluster: &Cluster, own: NamespaceId, pod: &Workload) -> Vec<ServiceId> {
    let own = cluster.namespace(own).name.as_str();
    let texts = pod
        .containers
        .iter()
        .flat_map(|container| &container.arguments);
    let hosts = texts.flat_map(|text| hosts(text));
    let services = hosts.filter_map(|host| {
        let mut parts = host.split('.');
        let (name, namespace) = (parts.next()?, parts.next().unwrap_or(own));
        cluster.service_by_name(namespace, name)
    });
    let mut services: Vec<ServiceId> = services.collect();
    services.sort_unstable();
    services.dedup();
    services
}

/// The words of a text that stand where names of hosts stand.
fn hosts(text: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text[at..].find(is_part_of_host)?;
            let rest = &text[start..];
            let length = rest
                .find(|next| !is_part_of_host(next))
                .unwrap_or(rest.len());
            at = start + length;
            if starts_a_host(&text[..start]) && ends_a_host(&text[at..]) {
                // A sentence may end behind a name.
                return Some(text[start..at].trim_end_matches('.'));
            }
        }
    })
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
    use super::hosts;

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
            assert_eq!(hosts(text).collect::<Vec<_>>(), *expected, "{text}");
        }
    }
}
