//! Small nasty clusters at random, as objects: everything that the semantics name occurs,
//! and a cluster depends on its number only.

use ipnet::IpNet;
use npcheck::k8s::*;
use npcheck::source::{SourceMap, Span, Spanned};
use std::net::IpAddr;
use std::sync::Arc;

const NAMESPACES: [&str; 4] = ["default", "alpha", "beta", "gamma"];
const NAMESPACE_LABELS: [(&str, &[&str]); 2] =
    [("team", &["red", "blue", ""]), ("env", &["prod", "dev"])];
const POD_LABELS: [(&str, &[&str]); 3] = [
    ("app", &["a", "b", "c", ""]),
    ("role", &["web", "db"]),
    ("pod-template-hash", &["x1", "x2"]),
];
const NAMES: [&str; 5] = ["http", "dns", "admin", "side", "init"];
const NUMBERS: [u16; 7] = [1, 53, 80, 81, 8080, 65534, 65535];
const BLOCKS: [&str; 12] = [
    "0.0.0.0/0",
    "0.0.0.0/1",
    "10.0.0.0/8",
    "10.0.0.77/24",
    "10.0.0.2/31",
    "10.0.1.0/24",
    "255.255.255.255/32",
    "::/0",
    "fd00::/8",
    "fd00::1/64",
    "fd00::2/127",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
];

/// Numbers that look random (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x9E37_79B9_7F4A_7C15)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// 0 to `end - 1`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Missing, null or a value.
    fn field<T>(&mut self, missing: usize, value: impl FnOnce(&mut Self) -> T) -> Field<T> {
        match self.below(100) {
            roll if roll < missing => Field::Missing,
            roll if roll < missing + 8 => Field::Null { key: span() },
            _ => Field::Value {
                key: span(),
                value: value(self),
            },
        }
    }

    fn list<T>(&mut self, most: usize, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(most + 1);
        (0..count).map(|_| item(self)).collect()
    }

    fn some<T>(&mut self, most: usize, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = 1 + self.below(most);
        (0..count).map(|_| item(self)).collect()
    }
}

/// The cluster of a number, in the order of "the files".
pub(crate) fn objects(seed: u64) -> Vec<Object> {
    let random = &mut Random::new(seed);
    let mut objects = Vec::new();
    for name in NAMESPACES
        .iter()
        .filter(|_| random.percent(70))
        .collect::<Vec<_>>()
    {
        let mut meta = meta(name, None, random);
        meta.labels = labels(random, &NAMESPACE_LABELS);
        objects.push(Object::Namespace(Arc::new(Namespace { meta })));
    }
    for index in 0..random.below(3) {
        let mut meta = meta(&format!("n{index}"), None, random);
        meta.labels = labels(random, &NAMESPACE_LABELS);
        let addresses = random.list(2, |random| address(random, index as u8 + 1));
        objects.push(Object::Node(Arc::new(Node {
            meta,
            addresses,
            pod_cidrs: Vec::new(),
        })));
    }
    let family = random.below(4);
    let has_hosts = random.percent(30);
    for index in 0..2 + random.below(5) {
        objects.push(workload(random, index, family, has_hosts));
    }
    for index in 0..random.below(6) {
        objects.push(Object::NetworkPolicy(Arc::new(policy(random, index))));
    }
    if random.percent(60) {
        for index in 0..1 + random.below(4) {
            objects.push(Object::ClusterNetworkPolicy(Arc::new(cluster_policy(
                random, index,
            ))));
        }
    }
    random.shuffle(&mut objects);
    objects
}

/// A rule that may allow more.
pub(crate) fn rule(random: &mut Random) -> NetworkPolicyRule {
    NetworkPolicyRule {
        span: span(),
        dash: None,
        peers: random.field(15, |random| random.list(3, peer)),
        ports: random.field(30, |random| random.list(3, port)),
    }
}

fn span() -> Span {
    let mut map = SourceMap::default();
    let source = map.add("", "");
    Span::new(source, 0, 0)
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, span())
}

fn meta(name: &str, namespace: Option<&str>, random: &mut Random) -> ObjectMeta {
    ObjectMeta {
        span: span(),
        api_version: Spanned::new("".into(), span()),
        name: spanned(name.into()),
        namespace: namespace
            .filter(|name| *name != "default" || random.percent(50))
            .map(|name| spanned(name.into())),
        labels: Labels::default(),
        annotations: Labels::default(),
        owner: None,
        is_accepted: random.percent(95),
        holes: npcheck::k8s::Holes::default(),
    }
}

fn labels(random: &mut Random, pool: &[(&str, &[&str])]) -> Labels {
    let mut found = Vec::new();
    for (key, values) in pool {
        if random.percent(60) {
            found.push(label(key, random.pick(values)));
        }
    }
    if random.percent(3) {
        // S2: a namespace's own label cannot be set by hand.
        found.push(label(
            "kubernetes.io/metadata.name",
            random.pick(&NAMESPACES),
        ));
    }
    Labels::new(found)
}

fn label(key: &str, value: &str) -> Label {
    Label {
        key: spanned(key.into()),
        value: spanned(value.into()),
    }
}

fn address(random: &mut Random, last: u8) -> IpAddr {
    if random.percent(50) {
        [10, 0, last % 2, last].into()
    } else {
        [0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)].into()
    }
}

fn workload(random: &mut Random, index: usize, family: usize, has_hosts: bool) -> Object {
    let kind = if random.percent(50) {
        WorkloadKind::Pod
    } else {
        random.pick(&KINDS)
    };
    let namespace = random.pick(&NAMESPACES);
    let mut meta = meta(&format!("w{index}"), Some(namespace), random);
    if index > 0 && random.percent(8) {
        let kind = random
            .pick(&[WorkloadKind::Deployment, WorkloadKind::Pod])
            .name()
            .into();
        meta.owner = Some(OwnerReference {
            kind,
            name: format!("w{}", index - 1).into(),
        });
    }
    let mut addresses = Vec::new();
    if kind == WorkloadKind::Pod && random.percent(80) {
        addresses = match family {
            0 => vec![],
            1 => vec![[10, 0, index as u8 % 2, index as u8].into()],
            // Every pod its own mixture of families.
            _ => random.list(3, |random| address(random, index as u8)),
        };
        addresses.dedup();
    }
    let labels = labels(random, &POD_LABELS);
    Object::Workload(Arc::new(Workload {
        meta,
        kind,
        replicas: None,
        is_indexed: Truth::False,
        labels,
        annotations: Labels::default(),
        labels_span: span(),
        host_network: has_hosts && random.percent(35),
        is_host_network_known: true,
        node_name: None,
        addresses: addresses.into(),
        containers: random.some(2, container).into(),
        service_account: None,
        automount_token: None,
        dns_policy: None,
        nameservers: Box::default(),
        are_ports_known: true,
        implied: None,
    }))
}

/// Kinds whose pods can have everything that policies see; those of virtual machines cannot.
const KINDS: [WorkloadKind; 10] = [
    WorkloadKind::Pod,
    WorkloadKind::Deployment,
    WorkloadKind::ReplicaSet,
    WorkloadKind::StatefulSet,
    WorkloadKind::DaemonSet,
    WorkloadKind::Job,
    WorkloadKind::CronJob,
    WorkloadKind::ReplicationController,
    WorkloadKind::DeploymentConfig,
    WorkloadKind::Rollout,
];

fn container(random: &mut Random) -> Container {
    Container {
        name: npcheck::source::Text::new(),
        image: npcheck::source::Text::new(),
        is_init: random.percent(25),
        restarts_always: random.percent(50),
        ports: random
            .list(3, |random| ContainerPort {
                name: random
                    .percent(75)
                    .then(|| spanned(npcheck::source::Text::from(random.pick(&NAMES)))),
                protocol: protocol(random),
                number: spanned(random.pick(&NUMBERS)),
                host_port: None,
            })
            .into(),
        config_maps: Box::default(),
        probe_ports: Box::default(),
        variables: Box::default(),
        arguments: Box::default(),
    }
}

fn protocol(random: &mut Random) -> Protocol {
    random.pick(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp])
}

fn selector(random: &mut Random, pool: &[(&str, &[&str])]) -> LabelSelector {
    let mut selector = LabelSelector::everything(span());
    if random.percent(25) {
        return selector;
    }
    for (key, values) in pool {
        if random.percent(30) {
            selector.match_labels.push(label(key, random.pick(values)));
        }
    }
    for _ in 0..random.below(3) {
        let (key, values) = random.pick(pool);
        let key = if random.percent(15) { "absent" } else { key };
        let operator = random.pick(&[
            Operator::In,
            Operator::NotIn,
            Operator::Exists,
            Operator::DoesNotExist,
        ]);
        let values = match operator {
            Operator::In | Operator::NotIn => random.some(2, |random| {
                spanned(
                    if random.percent(10) {
                        "other"
                    } else {
                        random.pick(values)
                    }
                    .into(),
                )
            }),
            Operator::Exists | Operator::DoesNotExist => Vec::new(),
        };
        selector.match_expressions.push(LabelSelectorRequirement {
            span: span(),
            key: spanned(key.into()),
            operator: spanned(operator),
            values,
        });
    }
    selector
}

fn namespace_selector(random: &mut Random) -> LabelSelector {
    if random.percent(70) {
        return selector(random, &NAMESPACE_LABELS);
    }
    let mut selector = LabelSelector::everything(span());
    selector.match_labels.push(label(
        "kubernetes.io/metadata.name",
        random.pick(&NAMESPACES),
    ));
    selector
}

fn peer(random: &mut Random) -> NetworkPolicyPeer {
    let mut peer = NetworkPolicyPeer {
        span: span(),
        dash: None,
        pod_selector: Field::Missing,
        namespace_selector: Field::Missing,
        ip_block: Field::Missing,
    };
    let choice = random.below(4);
    if choice == 0 {
        peer.ip_block = Field::Value {
            key: span(),
            value: ip_block(random),
        };
    }
    if choice == 1 || choice == 2 {
        peer.pod_selector = Field::Value {
            key: span(),
            value: selector(random, &POD_LABELS),
        };
    }
    if choice == 2 || choice == 3 {
        peer.namespace_selector = Field::Value {
            key: span(),
            value: namespace_selector(random),
        };
    }
    if choice == 3 && random.percent(20) {
        peer.pod_selector = Field::Null { key: span() };
    }
    peer
}

fn ip_block(random: &mut Random) -> IpBlock {
    let cidr = block(random);
    let inside: Vec<IpNet> = BLOCKS
        .iter()
        .map(|text| text.parse().expect("the blocks are valid"))
        .filter(|except: &IpNet| {
            cidr.contains(&except.trunc()) && cidr.prefix_len() < except.prefix_len()
        })
        .collect();
    let except = random.field(40, |random| {
        if inside.is_empty() {
            Vec::new()
        } else {
            random.list(2, |random| spanned(random.pick(&inside)))
        }
    });
    IpBlock {
        span: span(),
        cidr: spanned(cidr),
        except,
    }
}

fn block(random: &mut Random) -> IpNet {
    random.pick(&BLOCKS).parse().expect("the blocks are valid")
}

fn port(random: &mut Random) -> NetworkPolicyPort {
    let first = random.pick(&NUMBERS);
    let mut port = NetworkPolicyPort {
        span: span(),
        dash: None,
        protocol: random.field(40, |random| spanned(protocol(random))),
        port: Field::Missing,
        end_port: Field::Missing,
    };
    match random.below(4) {
        0 => {}
        1 => {
            let name = random.pick(&NAMES).to_owned();
            port.port = Field::Value {
                key: span(),
                value: spanned(PortReference::Name(name.into())),
            };
        }
        choice => {
            port.port = Field::Value {
                key: span(),
                value: spanned(PortReference::Number(first)),
            };
            let last = random.pick(&NUMBERS).max(first);
            if choice == 3 {
                port.end_port = Field::Value {
                    key: span(),
                    value: spanned(last),
                };
            }
        }
    }
    port
}

fn policy(random: &mut Random, index: usize) -> NetworkPolicy {
    let namespace = random.pick(&NAMESPACES);
    NetworkPolicy {
        meta: meta(&format!("p{index}"), Some(namespace), random),
        spec_key: span(),
        pod_selector: random.field(10, |random| selector(random, &POD_LABELS)),
        policy_types: random.field(35, |random| {
            random.list(2, |random| {
                spanned(random.pick(&[Direction::Ingress, Direction::Egress]))
            })
        }),
        ingress: random.field(25, |random| random.list(2, rule)),
        egress: random.field(25, |random| random.list(2, rule)),
        silent: Vec::new(),
    }
}

fn pods(random: &mut Random) -> PodsSelection {
    if random.percent(50) {
        return PodsSelection::Namespaces(namespace_selector(random));
    }
    PodsSelection::Pods {
        namespace_selector: namespace_selector(random),
        pod_selector: selector(random, &POD_LABELS),
    }
}

fn cluster_policy(random: &mut Random, index: usize) -> ClusterNetworkPolicy {
    let (kind, tier) = random.pick(&[
        (ClusterPolicyKind::AdminNetworkPolicy, Tier::Admin),
        (
            ClusterPolicyKind::BaselineAdminNetworkPolicy,
            Tier::Baseline,
        ),
        (ClusterPolicyKind::ClusterNetworkPolicy, Tier::Admin),
        (ClusterPolicyKind::ClusterNetworkPolicy, Tier::Baseline),
    ]);
    let is_baseline_kind = kind == ClusterPolicyKind::BaselineAdminNetworkPolicy;
    ClusterNetworkPolicy {
        meta: meta(&format!("c{index}"), None, random),
        kind,
        tier,
        priority: spanned(if is_baseline_kind {
            1001
        } else {
            random.pick(&[0, 1, 1, 1000])
        }),
        subject: spanned(pods(random)),
        ingress: random.list(3, |random| cluster_rule(random, Direction::Ingress)),
        egress: random.list(3, |random| cluster_rule(random, Direction::Egress)),
        silent: Vec::new(),
    }
}

fn cluster_rule(random: &mut Random, direction: Direction) -> ClusterNetworkPolicyRule {
    let is_egress = direction == Direction::Egress;
    ClusterNetworkPolicyRule {
        span: span(),
        dash: None,
        name: None,
        action: spanned(random.pick(&[Action::Accept, Action::Deny, Action::Pass])),
        peers: random.some(2, |random| {
            let selection = match random.below(10) {
                0..3 if is_egress => {
                    PeerSelection::Networks(random.some(2, |random| spanned(block(random))))
                }
                3 if is_egress => PeerSelection::Nodes(selector(random, &NAMESPACE_LABELS)),
                4 if is_egress => PeerSelection::DomainNames(Vec::new()),
                _ => PeerSelection::Pods(pods(random)),
            };
            ClusterNetworkPolicyPeer {
                span: span(),
                selection,
            }
        }),
        ports: random.percent(60).then(|| random.some(3, cluster_port)),
    }
}

fn cluster_port(random: &mut Random) -> ClusterNetworkPolicyPort {
    let protocol = protocol(random);
    let first = random.pick(&NUMBERS);
    let matches = match random.below(4) {
        0 => PortMatch::Numbers {
            protocol,
            first: 1,
            last: u16::MAX,
        },
        1 => PortMatch::Numbers {
            protocol,
            first,
            last: random.pick(&NUMBERS).max(first),
        },
        2 => PortMatch::Numbers {
            protocol,
            first,
            last: first,
        },
        _ => PortMatch::Name(random.pick(&NAMES).into()),
    };
    ClusterNetworkPolicyPort {
        span: span(),
        matches,
    }
}

/// The objects with some exchanged for those of another cluster, some lost, some new.
pub(crate) fn changed(before: &[Object], seed: u64) -> Vec<Object> {
    let random = &mut Random::new(seed + 3_000_000);
    let mut after = before.to_vec();
    let donor = self::objects(seed + 4_000_000);
    for _ in 0..1 + random.below(3) {
        if random.percent(40) && !after.is_empty() {
            after.swap_remove(random.below(after.len()));
        }
        if random.percent(60) && !donor.is_empty() {
            let new = donor[random.below(donor.len())].clone();
            after.retain(|object| !is_same(object, &new));
            after.push(new);
        }
    }
    after
}

fn is_same(a: &Object, b: &Object) -> bool {
    let kind = |object: &Object| match object {
        Object::Workload(workload) => workload.kind.name(),
        Object::ClusterNetworkPolicy(policy) => policy.kind.name(),
        Object::Namespace(_) => "Namespace",
        Object::NetworkPolicy(_) => "NetworkPolicy",
        Object::PluginResource(object) => object.kind(),
        Object::PluginPolicy(policy) => policy.kind.qualified,
        Object::Service(_) => "Service",
        Object::Node(_) => "Node",
        Object::ContextObject(_) => "context object",
    };
    let name = |object: &Object| {
        (
            object.meta().namespace_name().to_owned(),
            object.meta().name.value.clone(),
        )
    };
    kind(a) == kind(b) && name(a) == name(b)
}
