//! Names of managed services: hosts that are certainly outside of every cluster.
//!
//! Refuses to know of names that may lead back into a cluster: those of load balancers, and of
//! the API servers of managed clusters.

/// Domains, each with the leading dot.
const DOMAINS: &[&str] = &[
    // docs.aws.amazon.com, "AWS service endpoints".
    ".amazonaws.com",
    ".amazonaws.com.cn",
    // learn.microsoft.com, "Azure Private Endpoint private DNS zone values", public zones.
    ".database.windows.net",
    ".database.azure.com",
    ".documents.azure.com",
    ".cosmos.azure.com",
    ".redis.cache.windows.net",
    ".servicebus.windows.net",
    ".core.windows.net",
    ".vault.azure.net",
    // cloud.google.com, "Private Google Access", domain options.
    ".googleapis.com",
    // mongodb.com, "Atlas: connect", upstash.com, redis.io, neon.tech, supabase.com,
    // confluent.io, elastic.co, aiven.io, cloudamqp.com, digitalocean.com: connection strings.
    ".mongodb.net",
    ".upstash.io",
    ".redislabs.com",
    ".redis-cloud.com",
    ".neon.tech",
    ".supabase.co",
    ".confluent.cloud",
    ".elastic-cloud.com",
    ".aivencloud.com",
    ".cloudamqp.com",
    ".db.ondigitalocean.com",
];

/// Names within these domains that may be of the cluster itself.
const NOT_SURELY_OUTSIDE: &[&str] = &[".elb.", ".eks."];

/// Whether a host is a managed service outside of every cluster.
#[must_use]
pub fn is_managed_service(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    DOMAINS.iter().any(|domain| host.ends_with(domain))
        && !NOT_SURELY_OUTSIDE.iter().any(|part| host.contains(part))
}

/// The port that a connection to a URL of this scheme takes where it names none (IANA, and the
/// connection strings of PostgreSQL, MySQL, Redis, MongoDB and AMQP).
#[must_use]
pub fn port_of_scheme(scheme: &str) -> Option<u16> {
    Some(match scheme.to_ascii_lowercase().as_str() {
        "http" => 80,
        "https" => 443,
        "postgres" | "postgresql" => 5432,
        "mysql" | "mariadb" => 3306,
        "redis" | "rediss" => 6379,
        "mongodb" | "mongodb+srv" => 27017,
        "amqp" => 5672,
        "amqps" => 5671,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::is_managed_service;

    #[test]
    fn hosts_are_told_from_those_of_a_cluster() {
        for (host, expected) in [
            ("shop.abc123.eu-west-1.rds.amazonaws.com", true),
            ("Shop.postgres.database.azure.com", true),
            ("cluster0.x1y2.mongodb.net", true),
            ("storage.googleapis.com", true),
            ("a1b2.elb.eu-west-1.amazonaws.com", false),
            ("a1b2.gr7.eu-west-1.eks.amazonaws.com", false),
            ("amazonaws.com.example.org", false),
            ("db.shop.svc.cluster.local", false),
            ("db", false),
        ] {
            assert_eq!(is_managed_service(host), expected, "{host}");
        }
    }
}
