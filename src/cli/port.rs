//! The ports of a question as a person types them (`8080`, `8080/udp`, `http`,
//! `8000-8100`), and what they mean at a destination: through a Service, by name, or as
//! they stand.
//!
//! Pure. Refuses to know policies, and how an answer or a mistake is printed.

use super::endpoint::{Candidate, End, Mistake, Resolved};
use crate::cluster::{Cluster, ServiceId};
use crate::engine::{ConnectionSet, PortSet};
use crate::k8s::{Protocol, Service, ServicePort, TargetPort, Workload};

/// Some ports as they were typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortQuestion {
    /// As it was typed.
    pub(crate) text: String,
    meaning: Meaning,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    Numbers {
        protocol: Protocol,
        first: u16,
        last: u16,
    },
    /// Of every protocol that the destination has the name for, if none is said.
    Name {
        protocol: Option<Protocol>,
        name: String,
    },
}

/// What the ports of a question mean at one destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    /// The connections; `None` if no port was asked, so that all of them are the question.
    pub(crate) connections: Option<ConnectionSet>,
    /// The ports of a Service that lead to other ports of the pods, in words.
    pub(crate) translations: Vec<String>,
    /// The ports that lead nowhere at this destination, in words.
    pub(crate) dead_ends: Vec<String>,
}

impl PortQuestion {
    /// The ports that a text means.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistake> {
        let (port, protocol) = match text.split_once('/') {
            Some((port, protocol)) => (port, Some(protocol_of(protocol)?)),
            None => (text, None),
        };
        let meaning = if port.contains(|char: char| char.is_ascii_digit())
            && !port.contains(|char: char| !matches!(char, '0'..='9' | '-'))
        {
            let (first, last) = port.split_once('-').unwrap_or((port, port));
            let number = |text: &str| text.parse::<u16>().ok().filter(|number| *number > 0);
            match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => Meaning::Numbers {
                    protocol: protocol.unwrap_or(Protocol::Tcp),
                    first,
                    last,
                },
                (Some(first), Some(last)) => {
                    let reason =
                        format!("not a range of ports: it runs backwards; write `{last}-{first}`");
                    return Err(malformed(reason));
                }
                _ => return Err(malformed("not a port: ports go from 1 to 65535")),
            }
        } else if is_port_name(port) {
            Meaning::Name {
                protocol,
                name: port.to_owned(),
            }
        } else {
            return Err(malformed(
                "not a port: write `8080`, `8080/udp`, `8000-8100` or a name",
            ));
        };
        Ok(Self {
            text: text.to_owned(),
            meaning,
        })
    }

    /// Whether a Service's port is asked for.
    fn asks_for(&self, port: &ServicePort) -> bool {
        match &self.meaning {
            Meaning::Numbers {
                protocol,
                first,
                last,
            } => *protocol == port.protocol && (*first..=*last).contains(&port.port.value),
            Meaning::Name { protocol, name } => {
                let has_name = port
                    .name
                    .as_ref()
                    .is_some_and(|its_name| its_name.value == *name);
                has_name && protocol.is_none_or(|protocol| protocol == port.protocol)
            }
        }
    }
}

/// What the ports of a question mean at one of the destinations.
pub(crate) fn asked_at(
    questions: &[PortQuestion],
    cluster: &Cluster,
    destination: &Resolved,
    end: &End,
) -> Result<Asked, Mistake> {
    let mut asked = Asked {
        connections: None,
        translations: Vec::new(),
        dead_ends: Vec::new(),
    };
    if let (Some(service), End::Workload(id)) = (destination.service, end) {
        let through = Through {
            cluster,
            service,
            pod: &cluster.workload(*id).object,
        };
        through.ask(questions, &mut asked)?;
        return Ok(asked);
    }
    for question in questions {
        let connections = match (&question.meaning, end) {
            (
                Meaning::Numbers {
                    protocol,
                    first,
                    last,
                },
                _,
            ) => ConnectionSet::of(*protocol, PortSet::range(*first, *last)),
            (
                Meaning::Name { protocol, name },
                End::Workload(id) | End::Address(id, _) | End::Replica(id, _),
            ) => named(&cluster.workload(*id).object, name, *protocol),
            (
                Meaning::Name { .. },
                End::Hypothetical(_) | End::Addresses(_) | End::Entity(_) | End::Domain(_),
            ) => ConnectionSet::none(),
        };
        if connections.is_empty() {
            asked
                .dead_ends
                .push(unresolved(cluster, &question.text, end));
        }
        asked.add(&connections);
    }
    Ok(asked)
}

impl Asked {
    fn add(&mut self, connections: &ConnectionSet) {
        let before = self.connections.take().unwrap_or_default();
        self.connections = Some(before.union(connections));
    }
}

/// A pod that is reached through a Service.
struct Through<'c> {
    cluster: &'c Cluster,
    service: ServiceId,
    pod: &'c Workload,
}

impl Through<'_> {
    fn service(&self) -> &Service {
        &self.cluster.service(self.service).object
    }

    fn ask(&self, questions: &[PortQuestion], asked: &mut Asked) -> Result<(), Mistake> {
        if questions.is_empty() {
            for port in &self.service().ports {
                self.follow(port, asked);
            }
        }
        for question in questions {
            let ports: Vec<_> = self
                .service()
                .ports
                .iter()
                .filter(|port| question.asks_for(port))
                .collect();
            if let (
                true,
                Meaning::Numbers {
                    protocol,
                    first,
                    last,
                },
            ) = (self.service().is_headless(), &question.meaning)
            {
                // Without an address of its own a Service only names its pods: who asks
                // the DNS for it connects to the pods' own ports.
                asked.add(&ConnectionSet::of(*protocol, PortSet::range(*first, *last)));
                continue;
            }
            if ports.is_empty() {
                return Err(self.no_such_port(question));
            }
            for port in ports {
                self.follow(port, asked);
            }
        }
        Ok(())
    }

    /// Adds what a port of the Service leads to on the pod.
    fn follow(&self, port: &ServicePort, asked: &mut Asked) {
        let service = self.cluster.service(self.service);
        let namespace = &self.cluster.namespace(service.namespace).name;
        let service = &service.object.meta.name;
        let from = format!("{namespace}/svc/{service} {}/{}", port.port, port.protocol);
        let connections = match &port.target_port {
            TargetPort::Number(number) => {
                if *number != port.port.value {
                    asked.translations.push(format!(
                        "{from} leads to {number}/{} of its pods",
                        port.protocol
                    ));
                }
                ConnectionSet::of(port.protocol, PortSet::single(*number))
            }
            TargetPort::Name(name) => {
                let connections = named(self.pod, name, Some(port.protocol));
                if connections.is_empty() {
                    let pod = &self.pod.meta.name;
                    asked.dead_ends.push(format!(
                        "{from} leads to the port `{name}`, and no container of `{pod}` has one of \
                         that name and protocol"
                    ));
                } else {
                    let numbers = connections.get(port.protocol);
                    let to = format!("`{name}`, which is {numbers}/{} of its pods", port.protocol);
                    asked.translations.push(format!("{from} leads to {to}"));
                }
                connections
            }
        };
        asked.add(&connections);
    }

    fn no_such_port(&self, question: &PortQuestion) -> Mistake {
        let nearest = self.service().ports.iter().map(|port| Candidate {
            name: format!(
                "{}/{}",
                port.port,
                port.protocol.name().to_ascii_lowercase()
            ),
            span: Some(port.span),
        });
        let service = &self.service().meta.name;
        Mistake::Unanswerable {
            reason: format!(
                "the Service `{service}` has no port `{}`; it has",
                question.text
            ),
            seen: nearest.collect(),
        }
    }
}

/// The ports of a pod that have a name.
fn named(pod: &Workload, name: &str, protocol: Option<Protocol>) -> ConnectionSet {
    let meant = pod.named_ports().filter(|(its_name, its_protocol, _)| {
        *its_name == name && protocol.is_none_or(|protocol| protocol == *its_protocol)
    });
    meant.fold(ConnectionSet::none(), |all, (_, protocol, number)| {
        all.union(&ConnectionSet::of(protocol, PortSet::single(number)))
    })
}

/// That a name means nothing at a destination, and the names that would.
fn unresolved(cluster: &Cluster, name: &str, end: &End) -> String {
    let (End::Workload(id) | End::Address(id, _) | End::Replica(id, _)) = end else {
        return format!(
            "`{name}` is not a port of `{}`: only pods have ports with names",
            end.name(cluster)
        );
    };
    let pod = &cluster.workload(*id).object;
    let names: Vec<_> = pod
        .named_ports()
        .map(|(name, protocol, number)| format!("`{name}` ({number}/{protocol})"))
        .collect();
    let known = if names.is_empty() {
        "no port with a name".to_owned()
    } else {
        names.join(", ")
    };
    format!(
        "no container of `{}` has a port `{name}`; it has {known}",
        pod.meta.name
    )
}

fn protocol_of(protocol: &str) -> Result<Protocol, Mistake> {
    let found = Protocol::ALL
        .into_iter()
        .find(|known| known.name().eq_ignore_ascii_case(protocol));
    let reason = || format!("not a port: the protocol is tcp, udp or sctp, not `{protocol}`");
    found.ok_or_else(|| malformed(reason()))
}

/// The names that a port may have (RFC 6335): up to 15 lower-case letters, digits and
/// hyphens, at least one letter, no hyphen at an end or beside another.
fn is_port_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 15
        && name.bytes().all(is_allowed)
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

/// What is wrong with the text of a port; the text itself is said by who complains.
fn malformed(reason: impl Into<String>) -> Mistake {
    Mistake::Malformed {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_people_write_them() {
        let numbers = |protocol, first, last| {
            Some(Meaning::Numbers {
                protocol,
                first,
                last,
            })
        };
        let name = |protocol, name: &str| {
            Some(Meaning::Name {
                protocol,
                name: name.to_owned(),
            })
        };
        let table = [
            ("8080", numbers(Protocol::Tcp, 8080, 8080)),
            ("53/udp", numbers(Protocol::Udp, 53, 53)),
            ("53/UDP", numbers(Protocol::Udp, 53, 53)),
            ("132/sctp", numbers(Protocol::Sctp, 132, 132)),
            ("8000-8100", numbers(Protocol::Tcp, 8000, 8100)),
            ("1-65535/udp", numbers(Protocol::Udp, 1, 65535)),
            ("http", name(None, "http")),
            ("dns/udp", name(Some(Protocol::Udp), "dns")),
            ("0", None),
            ("65536", None),
            ("9-8", None),
            ("80-", None),
            ("9p", name(None, "9p")),
            ("-80", None),
            ("80/icmp", None),
            ("80/", None),
            ("", None),
            ("HTTP", None),
            ("-a", None),
            ("a--b", None),
            ("much-too-long-for-it", None),
        ];
        for (text, meaning) in table {
            assert_eq!(
                PortQuestion::parse(text)
                    .ok()
                    .map(|question| question.meaning),
                meaning,
                "{text}"
            );
        }
    }
}
