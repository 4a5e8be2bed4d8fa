//! What is called nearly as what was typed, for the answer to a name that means nothing
//! or too much.
//!
//! Refuses to know how the answer is printed.

use super::form::Mistake;
use crate::cluster::{Cluster, ServiceId, WorkloadId};
use crate::k8s::{Labels, WorkloadKind};
use crate::source::Span;

/// Something that may have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// What to type for it.
    pub(crate) name: String,
    /// Where it is defined; `None` if nowhere.
    pub(crate) span: Option<Span>,
}

/// How many candidates are named.
const MAX: usize = 5;

pub(super) fn namespace(cluster: &Cluster, text: &str, name: &str) -> Mistake {
    let rest = text.strip_prefix(name).unwrap_or_default();
    if let Some(namespace) = cluster.undeployed().namespace(name) {
        return Mistake::Unanswerable {
            reason: format!(
                "namespace `{name}` is in none of the clusters: nothing deploys the file that declares it"
            ),
            seen: vec![Candidate {
                name: name.to_owned(),
                span: Some(namespace.meta.name.span),
            }],
        };
    }
    let candidates = cluster.namespaces().iter().map(|namespace| {
        let span = namespace
            .declared
            .as_ref()
            .map(|declared| declared.meta.name.span);
        let span = span.or_else(|| namespace.labels.iter().next().map(|label| label.value.span));
        let typed = format!("{}{rest}", namespace.name);
        (
            distance(&namespace.name, name),
            Candidate { name: typed, span },
        )
    });
    Mistake::Unknown {
        reason: format!("no namespace `{name}`"),
        nearest: nearest(candidates, name),
    }
}

pub(super) fn workload(
    cluster: &Cluster,
    text: &str,
    (namespace, name): (Option<&str>, &str),
) -> Mistake {
    if let Some(mistake) = host(cluster, text) {
        return mistake;
    }
    let away =
        |its_namespace: &str| usize::from(namespace.is_some_and(|wanted| wanted != its_namespace));
    let workloads = cluster.workload_ids().map(|id| {
        let workload = cluster.workload(id);
        let its_name = &workload.object.meta.name;
        let far = distance(its_name, name) + away(&cluster.namespace(workload.namespace).name);
        (
            far,
            Candidate {
                name: cluster.workload_name(id),
                span: Some(its_name.span),
            },
        )
    });
    let services = cluster.service_ids().map(|id| {
        let service = cluster.service(id);
        let far = distance(&service.object.meta.name, name);
        let far = far + away(&cluster.namespace(service.namespace).name);
        (far, service_candidate(cluster, id))
    });
    let nearest = nearest(workloads.chain(services), name);
    Mistake::Unknown {
        reason: format!("no workload `{text}`"),
        nearest,
    }
}

/// Of a name of the DNS, where the text is one: what may be asked instead.
fn host(cluster: &Cluster, text: &str) -> Option<Mistake> {
    let is_part = |part: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !part.is_empty() && part.bytes().all(is_plain)
    };
    let parts: Vec<&str> = text.strip_suffix('.').unwrap_or(text).split('.').collect();
    let is_alphabetic = |last: &&str| last.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_host = parts.len() > 1
        && parts.iter().all(|part| is_part(part))
        && parts.last().is_some_and(is_alphabetic);
    if !is_host {
        return None;
    }
    // `cart.shop.svc.cluster.local`, whatever the cluster's domain is.
    if let [name, namespace, "svc", ..] = parts[..] {
        let known = service_named(cluster, namespace, name);
        return Some(name_of_service(text, namespace, name, known));
    }
    let mut workloads = cluster.workloads().iter();
    if workloads.any(|workload| workload.object.meta.name.value.contains('.')) {
        return None;
    }
    Some(Mistake::Unknown {
        reason: format!(
            "no workload `{text}`, and a DNS name is not resolved offline: ask about its \
             address, about `internet`, or, under Cilium, about `fqdn:{text}`"
        ),
        nearest: Vec::new(),
    })
}

/// Of the text of a name that is that of a Service here: its pods are no end outside.
pub(super) fn domain_of_service(cluster: &Cluster, domain: &str) -> Option<Mistake> {
    let parts: Vec<&str> = domain.split('.').collect();
    let ([name, namespace] | [name, namespace, "svc", ..]) = parts[..] else {
        return None;
    };
    let known = service_named(cluster, namespace, name)?;
    Some(name_of_service(domain, namespace, name, Some(known)))
}

fn service_named(cluster: &Cluster, namespace: &str, name: &str) -> Option<Candidate> {
    let mut ids = cluster.service_ids().filter(|id| {
        let service = cluster.service(*id);
        service.object.meta.name.value == name
            && cluster.namespace(service.namespace).name == namespace
    });
    ids.next().map(|id| service_candidate(cluster, id))
}

fn name_of_service(text: &str, namespace: &str, name: &str, known: Option<Candidate>) -> Mistake {
    Mistake::Unknown {
        reason: format!(
            "`{text}` is the DNS name of a Service, which is asked about as `{namespace}/svc/{name}`"
        ),
        nearest: known.into_iter().collect(),
    }
}

pub(super) fn service(cluster: &Cluster, text: &str, name: &str, named: &[ServiceId]) -> Mistake {
    if !named.is_empty() {
        let candidates = named
            .iter()
            .map(|id| service_candidate(cluster, *id))
            .collect();
        return Mistake::Ambiguous { candidates };
    }
    let candidates = cluster.service_ids().map(|id| {
        (
            distance(&cluster.service(id).object.meta.name, name),
            service_candidate(cluster, id),
        )
    });
    Mistake::Unknown {
        reason: format!("no Service `{text}`"),
        nearest: nearest(candidates, name),
    }
}

pub(super) fn refused(cluster: &Cluster, id: WorkloadId) -> Mistake {
    let name = cluster.workload_name(id);
    let reason = format!("the API server would reject `{name}`, so that it has no pods");
    let span = Some(cluster.workload(id).object.meta.name.span);
    Mistake::Unanswerable {
        reason,
        seen: vec![Candidate { name, span }],
    }
}

pub(super) fn refused_service(cluster: &Cluster, text: &str, id: ServiceId) -> Mistake {
    let reason = format!("the API server would reject the Service `{text}`: lint says why");
    Mistake::Unanswerable {
        reason,
        seen: vec![service_candidate(cluster, id)],
    }
}

pub(super) fn without_selector(cluster: &Cluster, text: &str, id: ServiceId) -> Mistake {
    let reason = format!("the Service `{text}` has no selector, so that its pods are not known");
    Mistake::Unanswerable {
        reason,
        seen: vec![service_candidate(cluster, id)],
    }
}

pub(super) fn without_pods(cluster: &Cluster, text: &str, id: ServiceId) -> Mistake {
    let service = cluster.service(id);
    let selector = service.object.selector.as_ref().map(written);
    let selector = selector.unwrap_or_default();
    let reason = format!("the Service `{text}` selects no pod here; one with its labels is");
    let namespace = &cluster.namespace(service.namespace).name;
    let hypothetical = Candidate {
        name: format!("{namespace}/+{selector}"),
        span: None,
    };
    Mistake::Unanswerable {
        reason,
        seen: vec![hypothetical, service_candidate(cluster, id)],
    }
}

pub(super) fn labels(
    cluster: &Cluster,
    text: &str,
    namespace: Option<&str>,
    labels: &Labels,
) -> Mistake {
    let wanted = written(labels);
    let candidates = cluster.workloads().iter().filter_map(|workload| {
        let its_namespace = &cluster.namespace(workload.namespace).name;
        // Of its labels, those with the keys that were asked for.
        let same_keys = workload
            .object
            .labels
            .iter()
            .filter(|label| labels.get(&label.key).is_some());
        let same_keys = Labels::new(same_keys.cloned().collect());
        let span = same_keys.iter().next()?.key.span;
        let away = namespace.is_some_and(|namespace| namespace != its_namespace);
        let its_labels = written(&same_keys);
        let far = distance(&its_labels, &wanted) + usize::from(away);
        Some((
            far,
            Candidate {
                name: format!("{its_namespace}/{its_labels}"),
                span: Some(span),
            },
        ))
    });
    let reason = format!("no pod has the labels `{text}`");
    Mistake::Unknown {
        reason,
        nearest: nearest(candidates, &wanted),
    }
}

pub(super) fn ambiguous(cluster: &Cluster, text: &str, ids: &[WorkloadId]) -> Mistake {
    let has_kind = text.matches('/').count() > 1;
    let candidate = |id: &WorkloadId| {
        let workload = cluster.workload(*id);
        let namespace = &cluster.namespace(workload.namespace).name;
        let name = &workload.object.meta.name;
        let kind = typed_kind(workload.object.kind);
        // Without a kind the namespaces may already tell them apart.
        let twins = ids
            .iter()
            .filter(|other| cluster.workload(**other).namespace == workload.namespace);
        let typed = if has_kind || twins.count() > 1 {
            format!("{namespace}/{kind}/{name}")
        } else {
            format!("{namespace}/{name}")
        };
        Candidate {
            name: typed,
            span: Some(name.span),
        }
    };
    Mistake::Ambiguous {
        candidates: ids.iter().map(candidate).collect(),
    }
}

fn typed_kind(kind: WorkloadKind) -> &'static str {
    kind.short_names()
        .first()
        .expect("every kind has a short name")
}

fn service_candidate(cluster: &Cluster, id: ServiceId) -> Candidate {
    let service = cluster.service(id);
    let name = &service.object.meta.name;
    let namespace = &cluster.namespace(service.namespace).name;
    Candidate {
        name: format!("{namespace}/svc/{name}"),
        span: Some(name.span),
    }
}

fn written(labels: &Labels) -> String {
    let written: Vec<_> = labels
        .iter()
        .map(|label| format!("{}={}", label.key, label.value))
        .collect();
    written.join(",")
}

/// How many slips of a finger lie between two names; a part of a name is near as well.
fn distance(name: &str, typed: &str) -> usize {
    let slips = strsim::damerau_levenshtein(name, typed);
    let is_part =
        typed.len() > 2 && (name.contains(typed) || typed.contains(name) && name.len() > 2);
    if is_part { slips.min(2) } else { slips }
}

/// The candidates that are near enough to have been meant, the nearest first; where none
/// is and there are only a few, all of them.
fn nearest(candidates: impl Iterator<Item = (usize, Candidate)>, typed: &str) -> Vec<Candidate> {
    let mut all: Vec<_> = candidates.collect();
    all.sort_by(|(far, one), (other_far, other)| {
        far.cmp(other_far).then_with(|| one.name.cmp(&other.name))
    });
    all.dedup_by(|(_, one), (_, other)| one.name == other.name);
    // In a short name one slip is much already.
    let limit = match typed.chars().count() {
        0..4 => 1,
        4..9 => 2,
        length => length / 3,
    };
    let near = all.partition_point(|(far, _)| *far <= limit);
    let shown = if near == 0 && all.len() <= MAX {
        all.len()
    } else {
        near.min(MAX)
    };
    all.into_iter()
        .take(shown)
        .map(|(_, candidate)| candidate)
        .collect()
}
