//! What would let the internet in where an ingress controller or gateway brings it: a rule
//! for those pods, never one for every address.
//!
//! Refuses to know how a change is found.

use super::{Question, change, group};
use crate::cli::endpoint::{Form, Lookup, Resolved};
use crate::cluster::WorkloadId;
use crate::output::{Change, IngressEntrance};

/// The entrance to a destination that the internet cannot reach, and the changes that open it
/// for the entrance; none where the entrance may connect already. `None` where another end
/// was asked about, or no entrance is known.
pub(super) fn entrance(
    question: &Question<'_>,
    group: &group::Group<'_>,
) -> Option<(IngressEntrance, Vec<Change>)> {
    if question.from.text != Form::INTERNET {
        return None;
    }
    let cluster = question.scene.cluster;
    let destination = group.example.1.endpoint.pod()?.workload?;
    let found = cluster.ingress_path_to(destination)?;
    let name = |id: WorkloadId| cluster.workload_name(id);
    let resolve = |id: WorkloadId| {
        let lookup = Lookup {
            cluster,
            namespace: None,
            source: question.source,
        };
        lookup.resolve(&name(id)).ok()
    };
    // A port of a Service is one of its pods' for the entrance as well.
    let to = Resolved {
        service: question.to.service,
        ..resolve(destination)?
    };
    let inner = Question {
        options: question.options,
        scene: question.scene,
        from: resolve(found.controller)?,
        to,
        ports: question.ports.clone(),
        source: question.source,
        explained: usize::MAX,
    };
    let groups = inner.groups().ok()?;
    let [group] = &groups[..] else { return None };
    // Where no port is asked for, some are enough.
    let is_some_enough = question.ports.is_empty() && !group.allowed.is_empty();
    let is_open = is_some_enough || !group.outcome.is_blocked_somewhere();
    let changes = match is_open {
        true => Vec::new(),
        false => change::changes(
            inner.scene,
            inner.inventory(),
            group,
            (&inner.from, &inner.to),
        ),
    };
    let meta = &found.entrypoint.meta;
    let entrance = IngressEntrance {
        pods: name(found.controller),
        object: format!(
            "{}/{}/{}",
            meta.namespace_name(),
            found.entrypoint.kind.name(),
            meta.name
        ),
        span: meta.name.span,
        is_open,
        only: (is_open && group.outcome.is_blocked_somewhere()).then(|| group.allowed.clone()),
    };
    Some((entrance, changes))
}
