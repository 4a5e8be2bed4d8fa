//! What a person should know about a name of the DNS that is asked about: that Cilium's proxy
//! has to see the pods ask for it.
//!
//! Refuses to judge whether the name is allowed.

use super::super::endpoint::End;
use crate::cluster::Cluster;
use crate::engine::program::Program;
use crate::engine::{Endpoint, Judge};
use crate::k8s::{CiliumFqdn, Truth};
use crate::lint::dns_proxy::{self, DnsProxy};
use crate::lint::plugin_rules;
use std::cell::LazyCell;

/// The names that rules allow to pods which never ask for them through the proxy, in words.
pub(super) fn unseen_names<'c>(
    cluster: &'c Cluster,
    from: &[Endpoint<'c>],
    to: &[End],
) -> Vec<String> {
    let names = to.iter().filter_map(|end| match end {
        End::Domain(name) => Some(name),
        _ => None,
    });
    let mut names = names.peekable();
    if names.peek().is_none() {
        return Vec::new();
    }
    let program = Program::new(cluster);
    let places = plugin_rules::cilium_rules(cluster, &program);
    let proxy = DnsProxy::new(&places);
    let judge = Judge::new(cluster);
    let mut notes = Vec::new();
    for name in names {
        let asked = CiliumFqdn::Name(name.clone());
        let is_unseen = |end: &&Endpoint<'c>| {
            end.pod().is_some_and(|pod| {
                let mut allowing = places.iter().filter(|place| {
                    let mut names = dns_proxy::names(place).into_iter();
                    names.any(|it| it.value.matches(name))
                        && place.subject.truth(pod) != Truth::False
                });
                let open = LazyCell::new(|| dns_proxy::open_outside(&judge, pod));
                allowing.any(|place| dns_proxy::is_needed(place, &open))
                    && !proxy.seen_of(pod).has(&asked)
            })
        };
        let number = from.iter().filter(is_unseen).count();
        if number > 0 {
            let pods = match from.len() {
                1 => "these pods".to_owned(),
                all => format!("{number} of {all} sources"),
            };
            notes.push(format!(
                "policies allow `{name}`, but nothing gets there until a rule with `rules.dns` lets {pods} ask for it: \
                 Cilium's DNS proxy learns its addresses from answers that it sees"
            ));
        }
    }
    notes
}
