//! Operators that connect to the pods that they make, and do their work only where they can.
//!
//! Refuses to know where an operator was installed: the namespaces are the usual ones.

/// An operator that connects to its pods.
#[derive(Debug)]
pub struct Operator {
    /// What it is, as people call it.
    pub name: &'static str,
    /// The API group of its objects.
    pub group: &'static str,
    /// The kind of the objects that it makes pods of.
    pub kind: &'static str,
    /// The port of the pods that it connects to, over TCP.
    pub port: u16,
    /// The namespaces that it is usually installed in, the commonest first.
    pub homes: &'static [&'static str],
    /// A word that is part of the names of its own pods or of its release.
    pub word: &'static str,
}

const fn operator(
    name: &'static str,
    (group, kind): (&'static str, &'static str),
    port: u16,
    homes: &'static [&'static str],
    word: &'static str,
) -> Operator {
    Operator {
        name,
        group,
        kind,
        port,
        homes,
        word,
    }
}

const OPERATORS: &[Operator] = &[
    // cloudnative-pg.io, "Networking": the operator has to reach every instance on 8000.
    operator(
        "CloudNativePG",
        ("postgresql.cnpg.io", "Cluster"),
        8000,
        &["cnpg-system"],
        "cnpg",
    ),
    // enterprisedb.com, "EDB CloudNativePG Cluster", the same under another group.
    operator(
        "EDB's operator for Postgres",
        ("postgresql.k8s.enterprisedb.io", "Cluster"),
        8000,
        &["postgresql-operator-system"],
        "postgresql-operator",
    ),
    // elastic.co, "Kubernetes network policies": the operator asks Elasticsearch on 9200.
    operator(
        "ECK",
        ("elasticsearch.k8s.elastic.co", "Elasticsearch"),
        9200,
        &["elastic-system"],
        "eck",
    ),
    // k8ssandra/cass-operator, pkg/httphelper/client.go: the management API.
    operator(
        "cass-operator",
        ("cassandra.datastax.com", "CassandraDatacenter"),
        8080,
        &["cass-operator", "k8ssandra-operator"],
        "cass",
    ),
];

/// The operator that makes pods of objects of this kind and connects to them.
#[must_use]
pub fn operator_of(group: &str, kind: &str) -> Option<&'static Operator> {
    let mut operators = OPERATORS.iter();
    operators.find(|it| it.group == group && it.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::super::operands_of;
    use super::*;

    #[test]
    fn every_operator_makes_pods_with_its_port() {
        for operator in OPERATORS {
            let operands = operands_of(operator.group, operator.kind);
            let mut operands = operands.iter();
            assert!(
                operands.any(|it| it.ports().contains(&operator.port)),
                "{}",
                operator.name
            );
        }
    }
}
