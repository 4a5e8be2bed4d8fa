//! Names of Services in what a container is told: its environment and its arguments.
//!
//! Refuses to know what a program makes of the text; it looks for a host's name in the
//! places where hosts stand.

use crate::cluster::{Cluster, NamespaceId, ServiceId};
use crate::k8s::Workload;

/// The Services that the containers of a pod are told to talk to, in order.
#[must_use]
pub fn services(cluster: &Cluster, own: NamespaceId, pod: &Workload) -> Vec<ServiceId> {
    let texts: Vec<&str> = pod
        .containers
        .iter()
        .flat_map(|container| &container.arguments)
        .map(String::as_str)
        .collect();
    let is_named = |id: &ServiceId| {
        let service = cluster.service(*id);
        let namespace = &cluster.namespace(service.namespace).name;
        let name = &service.object.meta.name;
        let is_own = service.namespace == own;
        !name.is_empty()
            && texts
                .iter()
                .any(|text| names_host(text, name, namespace, is_own))
    };
    cluster.service_ids().filter(is_named).collect()
}

/// Whether a text has the host `name` (of the own namespace), `name.namespace`, or a longer
/// form of it.
fn names_host(text: &str, name: &str, namespace: &str, is_own: bool) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let starts = before.is_empty()
            || before.ends_with("//")
            || before.ends_with(|last: char| "@=,; \t\n'\"([{".contains(last));
        if !starts {
            return false;
        }
        if let Some(rest) = after.strip_prefix('.') {
            let rest = rest.strip_prefix(namespace);
            return rest.is_some_and(|rest| !rest.starts_with(is_part_of_name));
        }
        is_own && ends_a_host(after)
    })
}

/// Whether what stands behind a name ends it as a host's: nothing, a port, a path. The name
/// of a scheme or a user stands before a colon, too.
fn ends_a_host(after: &str) -> bool {
    match after.strip_prefix(':') {
        Some(rest) => rest.starts_with(|next: char| next.is_ascii_digit()),
        None => !after.starts_with(|next: char| is_part_of_name(next) || "=@\\\\".contains(next)),
    }
}

fn is_part_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-' || character == '_'
}

#[cfg(test)]
mod tests {
    use super::names_host;

    #[test]
    fn hosts_are_found_where_hosts_stand() {
        let table = [
            ("db", true),
            ("db:5432", true),
            ("postgres://app:secret@db/shop", true),
            ("http://db.shop.svc.cluster.local:80/x", true),
            ("db.shop", true),
            ("--host=db", true),
            ("psql -h db -U app", true),
            ("a,db:1,b", true),
            ("db://other", false),
            ("postgres://db:secret@other/", false),
            ("db.bank", false),
            ("db.shopping", false),
            ("my-db", false),
            ("db-0", false),
            ("/var/db", false),
            ("db=1", false),
        ];
        for (text, expected) in table {
            assert_eq!(names_host(text, "db", "shop", true), expected, "{text}");
        }
        assert!(!names_host("db:5432", "db", "shop", false));
        assert!(names_host("db.shop:5432", "db", "shop", false));
    }
}
