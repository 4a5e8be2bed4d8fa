//! Workloads behind an entrypoint of the cluster that no policy lets the outside reach.

use crate::cluster::WorkloadId;
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{Endpoint, Entity};
use crate::k8s::{NetworkPolicyPeer, Protocol};
use crate::lint::callers::{self, Caller};
use crate::lint::controllers::{self, Carrier, Home};
use crate::lint::entrance::{self, Entrance};
use crate::lint::ways_in::{Balancing, Traffic, WayIn, closed_inside, ways_in};
use crate::lint::words::NameList;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, snippet};
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::rc::Rc;
use std::sync::Arc;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a workload that is exposed by an `Ingress`, a Gateway API route, an OpenShift
    /// `Route`, a `LoadBalancer` or `NodePort` Service, `externalIPs` or a `hostPort`, and is
    /// isolated for ingress, where no policy admits anything on that port that could be the
    /// controller, the load balancer or an outside client.
    ///
    /// It also reports one where a policy denies the port to every controller in the manifests
    /// that may serve it: a cluster-wide policy, or a deny rule of Cilium or Calico.
    ///
    /// ## Why is this bad?
    ///
    /// The site times out, or the controller answers with 502 or 504. The controller's pods
    /// usually run in another namespace, so a `podSelector` alone never matches them, and
    /// "allow the same namespace" does not let them in.
    ///
    /// A peer that could match a controller that is not in the manifests counts as one: a
    /// namespace that is not declared, a label that mentions ingress, or any `ipBlock`. If the
    /// class of the Ingress or Gateway, or the kind of the route, tells which controller it is,
    /// only that one counts: a cloud load balancer (`alb`, `gce`, Application Gateway,
    /// `gke-l7-…`) connects from addresses, and Traefik does not run in `ingress-nginx`.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {app: web}
    ///   ports: [{port: 80, targetPort: 8080}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: Ingress
    /// metadata: {name: shop, namespace: shop}
    /// spec:
    ///   ingressClassName: nginx
    ///   defaultBackend: {service: {name: web, port: {number: 80}}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: same-namespace, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from: [{podSelector: {}}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {app: web}
    ///   ports: [{port: 80, targetPort: 8080}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: Ingress
    /// metadata: {name: shop, namespace: shop}
    /// spec:
    ///   ingressClassName: nginx
    ///   defaultBackend: {service: {name: web, port: {number: 80}}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: same-namespace, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from: [{podSelector: {}}]
    ///     - from:
    ///         - namespaceSelector:
    ///             matchLabels: {kubernetes.io/metadata.name: ingress-nginx}
    ///       ports: [{protocol: TCP, port: 8080}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the pods that forward the traffic are not always in the
    /// manifests. The help says what to allow.
    ///
    /// ## Configuration
    ///
    /// `ingressControllers` names the pods of your controllers and gateways. npcheck then does
    /// not guess.
    pub(super) struct EntrypointBlocked {
        name: "entrypoint-blocked",
        summary: "outside traffic cannot reach a workload behind an Ingress, route or load balancer",
        category: Category::Flows,
        severity: Severity::Error,
        tier: Stable,
        evidence: "2 of 2 warnings and errors on 82 public repositories (58 of them in excerpts) judged right",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for EntrypointBlocked {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let mut blocked: BTreeMap<(WorkloadId, Protocol, u16), Blocked<'_>> = BTreeMap::new();
        let inside = closed_inside(cx);
        // Thousands of ways may lead to the same pods: whoever comes by one is asked about once.
        let mut asked: BTreeMap<_, Option<Arc<Entrance<'_>>>> = BTreeMap::new();
        let ways: Vec<Rc<WayIn<'_>>> = (ways_in(cx).into_iter().chain(inside))
            .map(Rc::new)
            .collect();
        let served = Served::new(cx, &ways);
        for way in ways {
            for key in way.ports(cx) {
                let closed = asked
                    .entry((key, bringer(&way), way.home))
                    .or_insert_with(|| closed(cx, &way, key, &served));
                let Some(entrance) = closed.clone() else {
                    continue;
                };
                match blocked.entry(key) {
                    Entry::Occupied(mut known) => known.get_mut().others.add(&way.object),
                    Entry::Vacant(place) => {
                        place.insert(Blocked {
                            entrance,
                            way: Rc::clone(&way),
                            others: NameList::default(),
                        });
                    }
                }
            }
        }
        // What the same policies close is one cause, and one rule opens all of it.
        let mut by_cause: BTreeMap<_, Vec<Blocked<'_>>> = BTreeMap::new();
        for blocked in blocked.into_values() {
            let entrance = &blocked.entrance;
            let cause = (
                entrance.guard,
                entrance.policies.clone(),
                blocked.way.source,
            );
            by_cause.entry(cause).or_default().push(blocked);
        }
        for blocked in by_cause.into_values() {
            let others = blocked[1..].iter().map(|blocked| &*blocked.entrance);
            let of_same = blocked.iter().map(|blocked| &blocked.entrance);
            let of_same = of_same.filter(|it| it.workload == blocked[0].entrance.workload);
            let ports = of_same.map(|it| (it.protocol, it.port)).collect();
            let mut finding = blocked[0].describe(cx, &ports);
            if let Some(others) = entrance::others(cx.cluster, others) {
                finding = finding.note(format!("blocked by the same policies: {others}"));
            }
            cx.report(finding);
        }
    }
}

/// A port that is closed to the outside, and what leads there.
struct Blocked<'c> {
    entrance: Arc<Entrance<'c>>,
    way: Rc<WayIn<'c>>,
    /// What else leads there, by name.
    others: NameList,
}

/// The workloads that controllers bring traffic to, by who brings it. Whatever they are called,
/// they are not the controller that does.
struct Served(BTreeMap<Bringer, BTreeSet<WorkloadId>>);

/// Who brings traffic by a way, and of whom nothing tells who it is, the object that asks for it.
type Bringer = (Traffic, Option<String>);

fn bringer(way: &WayIn<'_>) -> Bringer {
    let is_unknown = way.source == Traffic::Controller(Carrier::Unknown);
    (way.source, is_unknown.then(|| way.object.clone()))
}

impl Served {
    fn new<'c>(cx: &Context<'c>, ways: &[Rc<WayIn<'c>>]) -> Self {
        let mut served: BTreeMap<Bringer, BTreeSet<WorkloadId>> = BTreeMap::new();
        for way in ways {
            if let Traffic::Controller(_) = way.source {
                let workloads = way.ports(cx).into_iter().map(|(id, ..)| id);
                served.entry(bringer(way)).or_default().extend(workloads);
            }
        }
        Self(served)
    }

    /// Whether a workload is served by whoever brings traffic by this way: for ports of nodes,
    /// which any controller may use, by one of which the program is known.
    fn has(&self, way: &WayIn<'_>, id: WorkloadId) -> bool {
        if let Traffic::Controller(_) = way.source {
            let served = self.0.get(&bringer(way));
            return served.is_some_and(|ids| ids.contains(&id));
        }
        let mut known = self.0.iter().filter(|((_, object), _)| object.is_none());
        known.any(|(_, ids)| ids.contains(&id))
    }
}

/// A port that a way leads to, where policies close it to whoever brings its traffic.
fn closed<'c>(
    cx: &Context<'c>,
    way: &WayIn<'c>,
    key: (WorkloadId, Protocol, u16),
    served: &Served,
) -> Option<Arc<Entrance<'c>>> {
    let guarded = way.entrance(cx, key);
    let closed = guarded.filter(|entrance| !is_open(cx, way, entrance, served));
    closed.or_else(|| denied(cx, way, key, served).map(Arc::new))
}

/// The same where policies deny it to every controller that may bring the traffic, as far as the
/// manifests have its pods. Clients from outside are denied on purpose.
fn denied<'c>(
    cx: &Context<'c>,
    way: &WayIn<'c>,
    key: (WorkloadId, Protocol, u16),
    served: &Served,
) -> Option<Entrance<'c>> {
    let Traffic::Controller(carrier) = way.source else {
        return None;
    };
    if !cx.settings.ingress_controllers.is_empty() {
        return None;
    }
    let cluster = cx.cluster;
    let is_home = |id: &WorkloadId| {
        let namespace = cluster.workload(*id).namespace;
        way.home
            .is_none_or(|home| cluster.namespace(namespace).name == home)
    };
    let controllers = || match carrier.is_cilium() {
        true => vec![Endpoint::Entity(Entity::Ingress)],
        false => controllers::certain(cx, carrier)
            .into_iter()
            .filter(|id| is_home(id) && *id != key.0 && !served.has(way, *id))
            .map(|id| Endpoint::workload(cluster, id))
            .collect(),
    };
    Entrance::denied(cx, controllers, key)
}

/// Whether a rule lets in the outside, or somebody who could bring its traffic.
fn is_open(cx: &Context<'_>, way: &WayIn<'_>, entrance: &Entrance<'_>, served: &Served) -> bool {
    let source = way.source;
    // Clients come with addresses of the outside, which no selector of pods matches. What a
    // port of the nodes is opened for is less certain: many a chart does so by default.
    match source {
        Traffic::Clients(
            Balancing::LoadBalancer
            | Balancing::CloudLoadBalancer
            | Balancing::ExternalIps
            | Balancing::Gateway,
        ) => {
            let is_address = |_, peer: &NetworkPolicyPeer| peer.ip_block.get().is_some();
            return entrance.admits_addresses(cx.engine)
                || entrance.admits_at_service_port(cx, is_address);
        }
        // Pods of a node call its agents at such a port, too.
        Traffic::Inside | Traffic::Clients(Balancing::HostPort) => {
            return entrance.admits_somebody();
        }
        Traffic::Clients(Balancing::NodePort) | Traffic::Controller(_) | Traffic::Router => {}
    }
    let is_served = |id| id == entrance.workload || served.has(way, id);
    let is_controller = |id| Caller::IngressController.looks_like(cx, id) && !is_served(id);
    let is_configured = !cx.settings.ingress_controllers.is_empty();
    let is_another = |peer: &NetworkPolicyPeer| {
        matches!(source, Traffic::Controller(Carrier::Program(program))
            if !is_configured && controllers::is_of_another_program(program, peer))
    };
    let home = way.home.filter(|_| !is_configured);
    let is_elsewhere = |policy, peer: &NetworkPolicyPeer| {
        home.is_some_and(|home| !callers::may_be_in(cx, policy, peer, home))
    };
    let is_it = |policy, peer: &NetworkPolicyPeer| {
        !is_elsewhere(policy, peer)
            && Caller::IngressController.may_match(cx, policy, peer, is_served)
            && controllers::on_host_network(cx, peer).is_none()
            && !is_another(peer)
    };
    // Cilium's proxy calls the pods with an identity of its own: nodes, addresses and other
    // pods that get in do not bring its traffic.
    let is_proxy =
        !is_configured && matches!(source, Traffic::Controller(carrier) if carrier.is_cilium());
    let may_be_proxy = matches!(source, Traffic::Controller(carrier)
        if carrier.is_cilium() || carrier == Carrier::Unknown);
    let does_plugin_admit = || {
        may_be_proxy && entrance.plugin_admits_proxy(cx.engine)
            || !is_proxy && entrance.plugin_admits(cx.engine, is_controller)
    };
    entrance.admits(is_it) || entrance.admits_at_service_port(cx, is_it) || does_plugin_admit()
}

impl Blocked<'_> {
    /// `ports` are all of the pods' that the same policies close, of which this is one.
    fn describe(&self, cx: &Context<'_>, ports: &BTreeSet<(Protocol, u16)>) -> Diagnostic {
        let (cluster, entrance) = (cx.cluster, &self.entrance);
        let port = entrance.port;
        let way = &self.way;
        let who = match way.source {
            Traffic::Controller(it) if it.is_cilium() => "Cilium's proxy",
            Traffic::Controller(Carrier::Program(program)) => program,
            Traffic::Controller(_) => "an ingress controller or gateway",
            Traffic::Clients(Balancing::CloudLoadBalancer) => "the cloud's load balancer",
            Traffic::Router => "the router",
            Traffic::Clients(_) => "clients from outside",
            Traffic::Inside => "anybody",
        };
        let message = entrance.closed_to(cluster, who);
        let label = match way.source {
            Traffic::Clients(Balancing::LoadBalancer) => {
                format!("of type `LoadBalancer`, with port {port} of those pods behind it")
            }
            Traffic::Clients(Balancing::NodePort) => {
                format!("of type `NodePort`, with port {port} of those pods behind it")
            }
            Traffic::Clients(Balancing::ExternalIps) => {
                format!("has `externalIPs`, with port {port} of those pods behind it")
            }
            Traffic::Clients(Balancing::HostPort) => {
                "its `hostPort` leads from the node to this port".to_owned()
            }
            Traffic::Clients(Balancing::Gateway) => {
                format!("opens {port} of those pods to clients")
            }
            Traffic::Inside => format!(
                "sends traffic to port {port} of those pods, where no rule lets anybody in; their other ports are open"
            ),
            Traffic::Controller(_)
            | Traffic::Router
            | Traffic::Clients(Balancing::CloudLoadBalancer) => {
                format!("sends traffic to port {port} of those pods")
            }
        };
        let mut finding = cx
            .finding(way.span, message)
            .about(way.object.clone(), way.path.clone())
            .label(label);
        let controller = self.host_network_controller(cx);
        if way.source == Traffic::Inside {
            return entrance
                .point_out(cluster, finding.with_severity(Severity::Info))
                .help(self.help(cx, ports));
        }
        if controller.is_some() || !cx.settings.inventory.is_complete() {
            finding = finding.with_severity(Severity::Warning);
        }
        finding = entrance.point_out(cluster, finding);
        let is_by_node = way.source != Traffic::Clients(Balancing::CloudLoadBalancer);
        if matches!(way.source, Traffic::Clients(_)) && is_by_node {
            finding = finding.note(
                "traffic that comes through the pod's own node is allowed whatever policies say",
            );
        }
        if let Some(controller) = controller {
            let name = cluster.workload_name(controller);
            finding = finding.note(format!(
                "`{name}` is on the host network: selectors do not match it, only an `ipBlock` does"
            ));
        }
        if !self.others.is_empty() {
            finding = finding.note(format!("also behind: {}", self.others));
        }
        let remedy = entrance.remedy_of_denial(cluster, who);
        finding.help(remedy.unwrap_or_else(|| self.help(cx, ports)))
    }

    fn host_network_controller(&self, cx: &Context<'_>) -> Option<WorkloadId> {
        let peers = self
            .entrance
            .rules
            .iter()
            .flat_map(|(_, _, rule)| rule.peers.items());
        peers
            .into_iter()
            .find_map(|peer| controllers::on_host_network(cx, peer))
    }

    /// The namespace of the controller, as far as that is known.
    fn home<'a>(&'a self, cx: &'a Context<'_>) -> Option<&'a str> {
        let seen = match cx.home_of_controllers() {
            Some(Home::Namespace(id)) if self.host_network_controller(cx).is_none() => Some(id),
            _ => None,
        };
        let seen = seen.map(|id| cx.cluster.namespace(id).name.as_str());
        self.way.home.or(seen)
    }

    fn help(&self, cx: &Context<'_>, ports: &BTreeSet<(Protocol, u16)>) -> String {
        let join = |texts: Vec<String>| texts.join(", ");
        let all = ports.iter();
        let port = join(
            all.clone()
                .map(|(protocol, port)| snippet::port(*protocol, *port))
                .collect(),
        );
        let in_words = join(
            all.map(|(protocol, port)| format!("{protocol} {port}"))
                .collect(),
        );
        let rule = |peer: &str| format!("`- {{from: [{{{peer}}}], ports: [{port}]}}`");
        let way = &self.way;
        match way.source {
            Traffic::Inside => {
                format!("allow the callers on {in_words}, or remove the port from the Service")
            }
            Traffic::Clients(Balancing::CloudLoadBalancer) => format!(
                "allow the load balancer's addresses with `ipBlock`, or everybody on that port: `- {{ports: [{port}]}}`"
            ),
            Traffic::Clients(_) => format!(
                "allow the clients' addresses, or everybody on that port: \
                 `- {{ports: [{port}]}}`"
            ),
            Traffic::Router => {
                let label = "policy-group.network.openshift.io/ingress: \"\"";
                let peer = format!("namespaceSelector: {{matchLabels: {{{label}}}}}");
                format!("allow OpenShift's router: {}", rule(&peer))
            }
            // Its proxy is no pod, and has an identity of its own.
            Traffic::Controller(it) if it.is_cilium() => format!(
                "allow the entity `ingress` on {in_words}, in a CiliumNetworkPolicy: \
                 `- {{fromEntities: [ingress]}}`"
            ),
            Traffic::Controller(_) if self.entrance.is_guarded_by_plugin() => {
                format!(
                    "allow the controller on {in_words}: by its namespace, or by the entity `ingress` for Cilium's own Ingresses and Gateways"
                )
            }
            Traffic::Controller(_) => match self.home(cx) {
                Some(name) => {
                    let peer = snippet::namespace_selector(name);
                    format!("allow the controller in `{name}`: {}", rule(&peer))
                }
                None if cx.home_of_controllers().is_some() => format!(
                    "the controller is on the host network: allow the nodes' addresses with `ipBlock` on {in_words}"
                ),
                None => format!("allow the namespace of the controller on {in_words}"),
            },
        }
    }
}
