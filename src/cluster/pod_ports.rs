//! The ports that pods declare, by name and by number, so that each of thousands of ports of
//! Services finds its own.
//!
//! Refuses to know what policies say about them.

use super::{Cluster, WorkloadId};
use crate::k8s::{self, Protocol, ServicePort, TargetPort};
use crate::source::Text;
use std::collections::{HashMap, HashSet};

/// With fewer ports, looking at each is cheaper than looking one up.
const MIN_PORTS: usize = 16;

/// The ports of the workloads that declare many.
#[derive(Debug, Default)]
pub(super) struct PodPorts(HashMap<WorkloadId, DeclaredPorts>);

/// The ports of one workload.
#[derive(Debug, Default)]
struct DeclaredPorts {
    by_name: HashMap<(Text, Protocol), Vec<u16>>,
    numbers: HashSet<(Protocol, u16)>,
}

impl DeclaredPorts {
    fn of(workload: &k8s::Workload) -> Self {
        let mut declared = Self::default();
        for port in workload.ports() {
            let number = port.number.value;
            declared.numbers.insert((port.protocol, number));
            if let Some(name) = &port.name {
                let name = (name.value.clone(), port.protocol);
                declared.by_name.entry(name).or_default().push(number);
            }
        }
        declared
    }
}

impl PodPorts {
    fn new(cluster: &Cluster) -> Self {
        let workloads = cluster.workload_ids().zip(&cluster.workloads);
        let workloads = workloads.map(|(id, workload)| (id, &workload.object));
        let with_many = workloads.filter(|(_, object)| object.ports().nth(MIN_PORTS).is_some());
        Self(
            with_many
                .map(|(id, it)| (id, DeclaredPorts::of(it)))
                .collect(),
        )
    }
}

impl Cluster {
    /// The ports of a workload's pods that a port of a Service leads to; see
    /// [`ServicePort::ports_of`].
    #[must_use]
    pub fn ports_behind(&self, entry: &ServicePort, workload: WorkloadId) -> Vec<u16> {
        match (self.many_ports(workload), &entry.target_port) {
            (Some(declared), TargetPort::Name(name)) => {
                let name = (name.clone(), entry.protocol);
                declared.by_name.get(&name).cloned().unwrap_or_default()
            }
            _ => entry.ports_of(&self.workload(workload).object),
        }
    }

    /// Whether a workload's pods declare a port.
    #[must_use]
    pub fn declares_port(&self, workload: WorkloadId, protocol: Protocol, port: u16) -> bool {
        match self.many_ports(workload) {
            Some(declared) => declared.numbers.contains(&(protocol, port)),
            None => {
                let mut ports = self.workload(workload).object.ports();
                ports.any(|it| it.protocol == protocol && it.number.value == port)
            }
        }
    }

    fn many_ports(&self, workload: WorkloadId) -> Option<&DeclaredPorts> {
        let PodPorts(ports) = self.pod_ports.get_or_init(|| PodPorts::new(self));
        ports.get(&workload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;
    use crate::source::SourceMap;

    #[test]
    fn ports_are_found_as_by_a_look_at_each() {
        let mut text = String::new();
        for (pod, count) in [3, MIN_PORTS + 5].into_iter().enumerate() {
            let port = |it: usize| {
                // Two ports of one name, and one name of two protocols.
                let protocol = ["TCP", "UDP", "TCP"][it % 3];
                let (name, number) = (it / 2, 80 + it);
                format!("{{name: p{name}, containerPort: {number}, protocol: {protocol}}}")
            };
            let ports: Vec<String> = (0..count).map(port).collect();
            text += &format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: w{pod}, labels: {{a: x}}}}\n\
                 spec: {{containers: [{{name: c, image: c, ports: [{}]}}]}}\n---\n",
                ports.join(", ")
            );
        }
        text += "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n\
                 spec:\n  selector: {a: x}\n  ports:\n";
        for it in 0..10 {
            text += &format!(
                "  - {{name: t{it}, port: {}, targetPort: p{it}}}\n",
                80 + it
            );
            text += &format!("  - {{name: n{it}, port: {}, protocol: UDP}}\n", 80 + it);
        }
        let mut sources = SourceMap::default();
        let id = sources.add("a.yaml", text.as_str());
        let cluster = Cluster::new(manifest::read(id, "a.yaml", &text).objects);
        let entries = &cluster.services()[0].object.ports;
        let mut found = 0;
        for id in cluster.workload_ids() {
            let pod = &cluster.workload(id).object;
            for entry in entries {
                let ports = cluster.ports_behind(entry, id);
                assert_eq!(ports, entry.ports_of(pod), "{entry:?}");
                found += ports.len();
                let (protocol, number) = (entry.protocol, entry.port.value);
                let mut declared = pod.ports();
                let is_declared =
                    declared.any(|it| it.protocol == protocol && it.number.value == number);
                let is_found = cluster.declares_port(id, protocol, number);
                assert_eq!(is_found, is_declared, "{entry:?}");
            }
        }
        assert!(found > 20, "{found}");
    }
}
