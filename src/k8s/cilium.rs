//! `CiliumNetworkPolicy`, `CiliumClusterwideNetworkPolicy` and `CiliumCIDRGroup` of
//! `cilium.io`, field by field.
//!
//! Refuses to know which pods, Services and groups exist. What follows from the text of a
//! rule alone is decided here: whom it means where lists are empty or missing, and whether
//! it isolates.

use super::meta::ObjectMeta;
use super::network_policy::{Direction, Protocol};
use super::selector::LabelSelector;
use crate::source::{Span, Spanned, Text};
use ipnet::IpNet;
use std::fmt;

/// What a `CiliumNetworkPolicy` or a `CiliumClusterwideNetworkPolicy` says.
#[derive(Clone, Debug)]
pub struct CiliumPolicy {
    /// `spec`, then the entries of `specs`.
    pub specs: Vec<CiliumSpec>,
    /// What the agent rejects, in the order of the text, unless an option of it says otherwise.
    /// The API server stores the object all the same, `kubectl` says that it was created, and
    /// nothing of it is enforced.
    pub faults: Vec<CiliumFault>,
}

/// Something for which the agent rejects a whole object.
#[derive(Clone, Debug)]
pub struct CiliumFault {
    /// The text that is wrong.
    pub span: Span,
    /// Where it is: `spec.ingress[0].toPorts[0]`.
    pub path: String,
    /// What is wrong with it, as a sentence goes on after "because".
    pub reason: String,
    /// Whether the agent takes it with the option `enable-node-selector-labels`.
    pub needs_node_labels: bool,
}

/// One rule set of a policy.
#[derive(Clone, Debug)]
pub struct CiliumSpec {
    /// Its text.
    pub span: Span,
    /// Where it is: `spec` or `specs[0]`.
    pub path: String,
    /// Whom it is about.
    pub subject: CiliumSubject,
    /// `enableDefaultDeny.ingress`.
    pub default_deny_ingress: Option<Spanned<bool>>,
    /// `enableDefaultDeny.egress`.
    pub default_deny_egress: Option<Spanned<bool>>,
    /// All rules: `ingress`, `ingressDeny`, `egress`, `egressDeny`, each in its order.
    pub rules: Vec<CiliumRule>,
    /// The lists that are there and have no rule, by their keys.
    pub empty_lists: Vec<Spanned<CiliumSection>>,
}

/// Whom a rule set is about.
#[derive(Clone, Debug)]
pub enum CiliumSubject {
    /// `endpointSelector`: pods.
    Endpoints(LabelSelector),
    /// `nodeSelector`: nodes, for the host firewall.
    Nodes(LabelSelector),
}

impl CiliumPolicy {
    /// Whether all of it is for nodes: a policy of the host firewall.
    #[must_use]
    pub fn is_for_nodes(&self) -> bool {
        let mut specs = self.specs.iter();
        let is_of_nodes = |spec: &CiliumSpec| matches!(spec.subject, CiliumSubject::Nodes(_));
        !self.specs.is_empty() && specs.all(is_of_nodes)
    }
}

impl CiliumSpec {
    /// Whether a rule of this direction isolates the pods that it selects: unless
    /// `enableDefaultDeny` says otherwise (`rule_validation.go`).
    #[must_use]
    pub fn isolates(&self, direction: Direction) -> bool {
        self.default_deny(direction).is_none_or(|said| said.value)
    }

    /// `enableDefaultDeny` of a direction.
    #[must_use]
    pub fn default_deny(&self, direction: Direction) -> Option<Spanned<bool>> {
        match direction {
            Direction::Ingress => self.default_deny_ingress,
            Direction::Egress => self.default_deny_egress,
        }
    }

    /// The rules of a direction, allow before deny.
    pub fn rules_of(&self, direction: Direction) -> impl Iterator<Item = &CiliumRule> {
        let rules = self.rules.iter();
        rules.filter(move |rule| rule.section.direction() == direction)
    }
}

/// The list that a rule stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CiliumSection {
    /// `ingress`.
    Ingress,
    /// `ingressDeny`.
    IngressDeny,
    /// `egress`.
    Egress,
    /// `egressDeny`.
    EgressDeny,
}

impl CiliumSection {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Ingress,
        Self::IngressDeny,
        Self::Egress,
        Self::EgressDeny,
    ];

    /// The field.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::IngressDeny => "ingressDeny",
            Self::Egress => "egress",
            Self::EgressDeny => "egressDeny",
        }
    }

    /// The direction of its rules.
    #[must_use]
    pub fn direction(self) -> Direction {
        match self {
            Self::Ingress | Self::IngressDeny => Direction::Ingress,
            Self::Egress | Self::EgressDeny => Direction::Egress,
        }
    }

    /// Whether its rules deny.
    #[must_use]
    pub fn is_deny(self) -> bool {
        matches!(self, Self::IngressDeny | Self::EgressDeny)
    }
}

/// A rule.
#[derive(Clone, Debug)]
pub struct CiliumRule {
    /// Its text.
    pub span: Span,
    /// Its hyphen, in block style.
    pub dash: Option<Span>,
    /// The list that it stands in.
    pub section: CiliumSection,
    /// Its place in that list, from 0.
    pub index: usize,
    /// The fields that name peers and have a value, in the order of the API.
    pub peer_fields: Vec<CiliumPeerField>,
    /// The keys of such fields that are null, which is as if they were missing.
    pub null_fields: Vec<Spanned<&'static str>>,
    /// `toPorts`; `None` if missing, null or empty, which are the same.
    pub to_ports: Option<Spanned<Vec<CiliumPortRule>>>,
    /// `icmps`, if there is an entry: then the rule is about no port of TCP, UDP and SCTP.
    pub icmps: Option<Span>,
}

/// Whom a rule means, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CiliumMeaning {
    /// Whoever one of the entries of the peer fields matches.
    Listed,
    /// Everybody: there are ports, and nobody is named.
    Everybody,
    /// Nobody: a list is empty, or nothing at all is said.
    Nobody,
}

impl CiliumRule {
    /// Whom it means (C7: `mergeEndpointSelectors`, `createL4Filter`).
    #[must_use]
    pub fn meaning(&self) -> CiliumMeaning {
        if self.peer_fields.iter().any(CiliumPeerField::is_empty_wall) {
            return CiliumMeaning::Nobody;
        }
        if self.peer_fields.iter().any(|field| !field.peers.is_empty()) {
            return CiliumMeaning::Listed;
        }
        match self.to_ports {
            Some(_) => CiliumMeaning::Everybody,
            None => CiliumMeaning::Nobody,
        }
    }

    /// The place as findings name it: `ingressDeny[0]`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}[{}]", self.section.field(), self.index)
    }

    /// What restricts the rule above the ports: `rules`, TLS, a listener, authentication.
    pub fn layer7(&self) -> Option<&Spanned<CiliumLayer7>> {
        let ports = self.to_ports.as_ref()?;
        ports.value.iter().find_map(|ports| ports.layer7.as_ref())
    }
}

/// A field of a rule that names peers.
#[derive(Clone, Debug)]
pub struct CiliumPeerField {
    /// Its key.
    pub key: Span,
    /// Its name: `fromEndpoints`.
    pub name: &'static str,
    /// Its entries.
    pub peers: CiliumPeers,
}

impl CiliumPeerField {
    /// Whether it is an explicit empty list of a field where that means nobody; empty
    /// `toFQDNs`, `toServices` and groups are as if they were missing.
    #[must_use]
    pub fn is_empty_wall(&self) -> bool {
        let is_wall = !matches!(
            self.peers,
            CiliumPeers::Fqdns(_) | CiliumPeers::Services(_) | CiliumPeers::Groups(_)
        );
        is_wall && self.peers.is_empty()
    }
}

/// The entries of a peer field.
#[derive(Clone, Debug)]
pub enum CiliumPeers {
    /// `fromEndpoints`, `toEndpoints`.
    Endpoints(Vec<LabelSelector>),
    /// `fromCIDR`, `toCIDR`.
    Cidrs(Vec<Spanned<IpNet>>),
    /// `fromCIDRSet`, `toCIDRSet`.
    CidrSets(Vec<CiliumCidrSet>),
    /// `fromEntities`, `toEntities`.
    Entities(Vec<Spanned<CiliumEntity>>),
    /// `fromNodes`, `toNodes`.
    Nodes(Vec<LabelSelector>),
    /// `fromGroups`, `toGroups`: of a cloud.
    Groups(Vec<Span>),
    /// `toServices`.
    Services(Vec<CiliumServicePeer>),
    /// `toFQDNs`.
    Fqdns(Vec<Spanned<CiliumFqdn>>),
}

impl CiliumPeers {
    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Endpoints(entries) | Self::Nodes(entries) => entries.is_empty(),
            Self::Cidrs(entries) => entries.is_empty(),
            Self::CidrSets(entries) => entries.is_empty(),
            Self::Entities(entries) => entries.is_empty(),
            Self::Groups(entries) => entries.is_empty(),
            Self::Services(entries) => entries.is_empty(),
            Self::Fqdns(entries) => entries.is_empty(),
        }
    }
}

/// An entry of `fromCIDRSet` or `toCIDRSet`.
#[derive(Clone, Debug)]
pub struct CiliumCidrSet {
    /// Its text.
    pub span: Span,
    /// The addresses.
    pub addresses: CiliumAddresses,
    /// `except`.
    pub except: Vec<Spanned<IpNet>>,
}

/// The addresses of a [`CiliumCidrSet`].
#[derive(Clone, Debug)]
pub enum CiliumAddresses {
    /// `cidr`.
    Cidr(Spanned<IpNet>),
    /// `cidrGroupRef`.
    Group(Spanned<String>),
    /// `cidrGroupSelector`.
    Groups(LabelSelector),
}

/// A value of `fromEntities` or `toEntities`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CiliumEntity {
    /// Everybody.
    All,
    /// What is outside the cluster.
    World,
    /// The same, IPv4 only.
    WorldIpv4,
    /// The same, IPv6 only.
    WorldIpv6,
    /// Everything in the cluster.
    Cluster,
    /// The same in every cluster of a mesh.
    ClusterMesh,
    /// The pod's own node.
    Host,
    /// Endpoints without labels yet.
    Init,
    /// Cilium's Envoy.
    Ingress,
    /// Endpoints that Cilium does not manage.
    Unmanaged,
    /// Other nodes.
    RemoteNode,
    /// Health checks.
    Health,
    /// Nobody.
    None,
    /// The API server.
    KubeApiserver,
}

impl CiliumEntity {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 14] = [
        ("all", Self::All),
        ("world", Self::World),
        ("world-ipv4", Self::WorldIpv4),
        ("world-ipv6", Self::WorldIpv6),
        ("cluster", Self::Cluster),
        ("cluster-mesh", Self::ClusterMesh),
        ("host", Self::Host),
        ("init", Self::Init),
        ("ingress", Self::Ingress),
        ("unmanaged", Self::Unmanaged),
        ("remote-node", Self::RemoteNode),
        ("health", Self::Health),
        ("none", Self::None),
        ("kube-apiserver", Self::KubeApiserver),
    ];

    /// As the API spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, entity)| *entity == self)
            .map_or("", |(name, _)| name)
    }
}

/// An entry of `toServices`.
#[derive(Clone, Debug)]
pub struct CiliumServicePeer {
    /// Its text.
    pub span: Span,
    /// Which Services.
    pub services: CiliumServices,
    /// `namespace`; any if it is missing.
    pub namespace: Option<Spanned<String>>,
}

/// The Services of a [`CiliumServicePeer`].
#[derive(Clone, Debug)]
pub enum CiliumServices {
    /// `k8sService.serviceName`.
    Named(Spanned<String>),
    /// `k8sServiceSelector.selector`.
    Selected(LabelSelector),
    /// Neither: no Service.
    None,
}

impl LabelSelector {
    /// The same of objects whose labels all come from Kubernetes, as those of Services and groups
    /// of CIDRs do: `k8s:app` and `app` mean the same one.
    #[must_use]
    pub fn without_sources(&self) -> Self {
        let mut plain = self.clone();
        let labels = plain.match_labels.iter_mut().map(|label| &mut label.key);
        let expressions = plain.match_expressions.iter_mut();
        for key in labels.chain(expressions.map(|entry| &mut entry.key)) {
            if let Some((_, name)) = key.value.split_once(':') {
                key.value = Text::from(name);
            }
        }
        plain
    }
}

/// An entry of `toFQDNs`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CiliumFqdn {
    /// `matchName`, in lower case, without a dot at the end.
    Name(String),
    /// `matchPattern`, in lower case.
    Pattern(String),
}

impl fmt::Display for CiliumFqdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Name(text) | Self::Pattern(text)) = self;
        f.write_str(text)
    }
}

impl CiliumFqdn {
    /// A name that it is about, and no narrower entry, as far as a name can tell.
    #[must_use]
    pub fn example(&self) -> String {
        const ANY: &str = "any-name-of-npcheck";
        match self {
            Self::Name(name) => name.clone(),
            Self::Pattern(pattern) if pattern == "*" => format!("{ANY}.{ANY}.{ANY}"),
            Self::Pattern(pattern) => match pattern.strip_prefix("**.") {
                Some(rest) => format!("{ANY}.{ANY}.{}", rest.replace('*', ANY)),
                None => pattern.replace('*', ANY),
            },
        }
    }

    /// Whether it is about a name: `*` is any part of a name without dots, `**.` at the start
    /// any number of labels, and `*` alone everything (`pkg/fqdn/matchpattern`).
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        match self {
            Self::Name(own) => *own == name,
            Self::Pattern(pattern) if pattern == "*" => true,
            Self::Pattern(pattern) => match pattern.strip_prefix("**.") {
                Some(rest) => (name.match_indices('.'))
                    .any(|(at, _)| at > 0 && matches_glob(rest, &name[at + 1..])),
                None => matches_glob(pattern, &name),
            },
        }
    }
}

/// Whether a name matches a pattern in which `*` stands for anything but a dot.
fn matches_glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.trim_end_matches('.').as_bytes(), name.as_bytes());
    // Places in the pattern that a part of the name leads to.
    let mut places = vec![false; pattern.len() + 1];
    let advance = |places: &mut Vec<bool>| {
        for at in 0..pattern.len() {
            if places[at] && pattern[at] == b'*' {
                places[at + 1] = true;
            }
        }
    };
    places[0] = true;
    advance(&mut places);
    for byte in name {
        let mut next = vec![false; pattern.len() + 1];
        for at in 0..pattern.len() {
            match (places[at], pattern[at]) {
                (true, b'*') if *byte != b'.' => next[at] = true,
                (true, wanted) if wanted == *byte => next[at + 1] = true,
                _ => {}
            }
        }
        places = next;
        advance(&mut places);
    }
    places[pattern.len()]
}

/// An entry of `toPorts`.
#[derive(Clone, Debug)]
pub struct CiliumPortRule {
    /// Its text.
    pub span: Span,
    /// `ports`; none means that the entry matches no port.
    pub ports: Vec<CiliumPort>,
    /// What restricts it above the ports.
    pub layer7: Option<Spanned<CiliumLayer7>>,
    /// `rules.dns`: the names that may be asked for, which the DNS proxy learns the addresses
    /// of.
    pub dns: Vec<Spanned<CiliumFqdn>>,
}

/// What restricts a port above layer 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CiliumLayer7 {
    /// `rules.http`.
    Http,
    /// `rules.dns`.
    Dns,
    /// Other `rules`.
    Other,
    /// `serverNames`, `terminatingTLS`, `originatingTLS`.
    Tls,
    /// `listener`.
    Listener,
}

impl CiliumLayer7 {
    /// What it is about, in a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP rules",
            Self::Dns => "DNS rules",
            Self::Other => "rules of another protocol",
            Self::Tls => "TLS settings",
            Self::Listener => "a listener",
        }
    }
}

/// An entry of `ports`.
#[derive(Clone, Debug)]
pub struct CiliumPort {
    /// Its text.
    pub span: Span,
    /// `port`.
    pub port: Spanned<CiliumPortReference>,
    /// `endPort`, where it is above the port; otherwise it is ignored.
    pub end_port: Option<Spanned<u16>>,
    /// `protocol`.
    pub protocol: CiliumProtocol,
}

/// `port` of a [`CiliumPort`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CiliumPortReference {
    /// A number; 0 is every port.
    Number(u16),
    /// A name, in lower case.
    Name(String),
}

/// `protocol` of a [`CiliumPort`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CiliumProtocol {
    /// TCP, UDP and SCTP: `ANY`, empty, missing.
    Any,
    /// One of them.
    Of(Protocol),
    /// `ICMP` or `ICMPv6`, whose types stand for ports.
    Icmp,
    /// Another one, such as `GRE`, which has no ports.
    Portless,
}

impl CiliumProtocol {
    /// The protocols that npcheck answers for.
    #[must_use]
    pub fn protocols(self) -> &'static [Protocol] {
        match self {
            Self::Any => &Protocol::ALL,
            Self::Of(Protocol::Tcp) => &[Protocol::Tcp],
            Self::Of(Protocol::Udp) => &[Protocol::Udp],
            Self::Of(Protocol::Sctp) => &[Protocol::Sctp],
            Self::Icmp | Self::Portless => &[],
        }
    }
}

/// A `CiliumCIDRGroup`.
#[derive(Clone, Debug)]
pub struct CiliumCidrGroup {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// `spec.externalCIDRs`.
    pub cidrs: Vec<Spanned<IpNet>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_as_the_dns_proxy_does() {
        let table = [
            ("*.example.org", "api.example.org", true),
            ("*.example.org", "a.b.example.org", false),
            ("*.example.org", "example.org", false),
            ("**.example.org", "a.b.example.org", true),
            ("**.example.org", "example.org", false),
            ("api-*.example.*", "api-7.example.net", true),
            ("*", "anything.at.all", true),
            ("api.*", "API.example", true),
        ];
        for (pattern, name, expected) in table {
            let pattern = CiliumFqdn::Pattern(pattern.to_owned());
            assert_eq!(pattern.matches(name), expected, "{pattern:?} {name}");
        }
        assert!(CiliumFqdn::Name("example.org".to_owned()).matches("example.org."));
    }
}
