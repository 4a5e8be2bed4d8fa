//! The ends that are neither pods nor addresses: nodes, the API server, names of the DNS, and
//! what else Cilium calls an entity; for other plugins the addresses that stand for them.
//!
//! Refuses to know what policies say of them.

use super::{End, Form, Lookup, Mistake, Resolved};
use crate::cluster::{Cluster, Cni};
use crate::engine::{AddressRange, Entity};
use crate::k8s::{CiliumEntity, CiliumFqdn, CiliumPeers, PluginSpec};
use ipnet::IpNet;

/// The label of the pods of the API server, where kubeadm and its like make them.
const API_SERVER_LABEL: (&str, &str) = ("component", "kube-apiserver");

impl Lookup<'_> {
    pub(super) fn resolve_special(
        &self,
        form: &Form,
        resolved: &mut Resolved,
    ) -> Result<(), Mistake> {
        let cni = self.cluster.enforcement().cni().map(|cni| cni.value);
        let is_cilium = cni == Some(Cni::Cilium);
        if let Form::Domain(name) = form
            && let Some(mistake) = super::unknown::domain_of_service(self.cluster, name)
        {
            return Err(mistake);
        }
        match form {
            Form::Node if is_cilium => {
                resolved.is_selection = true;
                let nodes = [Entity::Host, Entity::RemoteNode];
                resolved.ends.extend(nodes.map(End::Entity));
            }
            Form::Node => {
                let nodes = self.cluster.nodes().iter().flat_map(|node| &node.addresses);
                let mut ranges: Vec<AddressRange> = nodes.map(|it| (*it).into()).collect();
                ranges.extend(self.node_cidrs().map(AddressRange::from));
                if ranges.is_empty() {
                    return Err(unknown(
                        "the addresses of nodes are not known: no Node is among the manifests",
                        "cluster.nodeCIDRs",
                    ));
                }
                resolved.ends.extend(ranges.into_iter().map(End::Addresses));
            }
            Form::ApiServer if is_cilium => {
                resolved.ends.push(End::Entity(Entity::KubeApiserver));
                let note = "the API server is taken to be on another node: one outside of the \
                            cluster is matched by `world` and its addresses, too";
                resolved.notes.push(note.to_owned());
            }
            Form::ApiServer => self.resolve_api_server(resolved)?,
            Form::Domain(name) if is_cilium => resolved.ends.push(End::Domain(name.clone())),
            Form::Domain(name) => {
                let reason = format!(
                    "only Cilium tells names of the DNS apart: ask for the addresses of `{name}`"
                );
                return Err(unanswerable(reason));
            }
            Form::Entity(entity) if is_cilium => self.resolve_entity(*entity, resolved)?,
            Form::Entity(_) => {
                let reason = "only Cilium has entities: ask for `node`, `apiserver`, `internet`, \
                              or with --cni cilium";
                return Err(unanswerable(reason.to_owned()));
            }
            _ => {}
        }
        Ok(())
    }

    /// The pods of the API server on the network of its nodes, else the addresses that the
    /// configuration gives it.
    fn resolve_api_server(&self, resolved: &mut Resolved) -> Result<(), Mistake> {
        let (key, value) = API_SERVER_LABEL;
        let ids = self.cluster.workload_ids().filter(|id| {
            let pod = &self.cluster.workload(*id).object;
            self.has_pods(*id) && pod.host_network && pod.labels.get(key) == Some(value)
        });
        resolved.ends.extend(ids.map(End::Workload));
        if !resolved.ends.is_empty() {
            return Ok(());
        }
        let settings = self.cluster.enforcement().api_server_ranges();
        let ranges = settings.iter().copied().map(AddressRange::from);
        resolved.ends.extend(ranges.map(End::Addresses));
        match resolved.ends.is_empty() {
            true => Err(unknown(
                "the addresses of the API server are not known",
                "cluster.apiServerCIDRs",
            )),
            false => Ok(()),
        }
    }

    fn node_cidrs(&self) -> impl Iterator<Item = IpNet> {
        self.cluster.enforcement().node_ranges().iter().copied()
    }

    fn resolve_entity(&self, entity: CiliumEntity, resolved: &mut Resolved) -> Result<(), Mistake> {
        let world = [AddressRange::IPV4, AddressRange::IPV6];
        let ranges = match entity {
            CiliumEntity::World => &world[..],
            CiliumEntity::WorldIpv4 => &world[..1],
            CiliumEntity::WorldIpv6 => &world[1..],
            _ => &[],
        };
        let ranges = ranges.iter().copied();
        resolved.ends.extend(ranges.map(End::Addresses));
        let one = match entity {
            CiliumEntity::World | CiliumEntity::WorldIpv4 | CiliumEntity::WorldIpv6 => {
                return Ok(());
            }
            CiliumEntity::All | CiliumEntity::Cluster | CiliumEntity::ClusterMesh => {
                resolved.is_selection = true;
                let ids = self.cluster.workload_ids().filter(|id| self.has_pods(*id));
                resolved.ends.extend(ids.map(End::Workload));
                resolved.ends.extend(Entity::ALL.map(End::Entity));
                if entity == CiliumEntity::All {
                    resolved.ends.extend(world.map(End::Addresses));
                }
                return Ok(());
            }
            CiliumEntity::None => {
                return Err(unanswerable("the entity `none` is nobody".to_owned()));
            }
            CiliumEntity::Host => Entity::Host,
            CiliumEntity::Init => Entity::Init,
            CiliumEntity::Ingress => Entity::Ingress,
            CiliumEntity::Unmanaged => Entity::Unmanaged,
            CiliumEntity::RemoteNode => Entity::RemoteNode,
            CiliumEntity::Health => Entity::Health,
            CiliumEntity::KubeApiserver => Entity::KubeApiserver,
        };
        resolved.ends.push(End::Entity(one));
        Ok(())
    }
}

fn unknown(what: &str, key: &str) -> Mistake {
    unanswerable(format!(
        "{what}, and npcheck.yaml has no `{key}`; ask for an address, or name the CNI plugin \
         with --cni if it tells them apart"
    ))
}

fn unanswerable(reason: String) -> Mistake {
    Mistake::Unanswerable {
        reason,
        seen: Vec::new(),
    }
}

/// What of it may be typed in a cluster, with a word on what it is.
pub(crate) fn special_names(cluster: &Cluster) -> Vec<(String, &'static str)> {
    let mut names = vec![
        (Form::NODE.to_owned(), "the nodes"),
        (Form::API_SERVER.to_owned(), "the API server"),
    ];
    let cni = cluster.enforcement().cni().map(|cni| cni.value);
    if cni != Some(Cni::Cilium) {
        return names;
    }
    let entities = CiliumEntity::ALL.into_iter().map(|(name, _)| name);
    let entities = entities.filter(|name| *name != CiliumEntity::None.name());
    let prefix = Form::ENTITY;
    names.extend(entities.map(|name| (format!("{prefix}{name}"), "an entity of Cilium")));
    let specs = cluster.plugin_policies().iter().flat_map(|policy| {
        let PluginSpec::Cilium(policy) = &policy.spec else {
            return &[][..];
        };
        &policy.specs[..]
    });
    let rules = specs.flat_map(|spec| &spec.rules);
    for field in rules.flat_map(|rule| &rule.peer_fields) {
        let CiliumPeers::Fqdns(entries) = &field.peers else {
            continue;
        };
        names.extend(entries.iter().filter_map(|entry| match &entry.value {
            CiliumFqdn::Name(name) => Some((format!("{}{name}", Form::DOMAIN), "a DNS name")),
            CiliumFqdn::Pattern(_) => None,
        }));
    }
    names
}
