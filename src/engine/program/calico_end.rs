//! Whom a selector of Calico's means: through labels of endpoints and of network sets, and
//! by address (K5 to K8, K10).
//!
//! Refuses to know policies, ports and tiers.

use super::calico_owners::{NAMESPACE_KEY, Owners, SetId, View};
use super::condition::{Asks, Unmet};
use crate::engine::PodView;
use crate::engine::addresses::{AddressRange, merge_ranges};
use crate::k8s::{
    CalicoEntity, CalicoSelector, Controller, Label, Labels, Looked, NAMESPACE_NAME_LABEL,
    Operator, Truth, is_opaque,
};
use std::net::IpAddr;
use std::sync::Arc;

/// The pods that a policy is about (K10), or a part of them that one of its rules is about.
#[derive(Clone, Debug)]
pub(super) struct CalicoSubject<'c> {
    pub(super) owners: Arc<Owners<'c>>,
    pub(super) namespace: Option<&'c str>,
    pub(super) selector: Option<&'c CalicoSelector>,
    pub(super) namespace_selector: Option<&'c CalicoSelector>,
    pub(super) service_account_selector: Option<&'c CalicoSelector>,
    /// What a rule asks of the end that its policy is about, at the address of a family.
    pub(super) own: Option<(CalicoEnd<'c>, bool)>,
}

impl<'c> CalicoSubject<'c> {
    /// Whether a pod is meant.
    pub(super) fn truth(&self, pod: &PodView<'c>) -> Truth {
        if pod.host_network || self.namespace.is_some_and(|own| own != pod.namespace.name) {
            return Truth::False;
        }
        let view = self.owners.view(pod);
        let parts = [
            self.selector.map(|selector| view.meets(selector)),
            self.namespace_selector.map(|selector| view.is_in(selector)),
            self.service_account_selector
                .map(|selector| view.is_run_by(selector)),
            self.own
                .as_ref()
                .map(|(end, is_ipv4)| end.truth(Some(pod), address_of(pod, *is_ipv4), *is_ipv4)),
        ];
        parts.into_iter().flatten().min().unwrap_or(Truth::True)
    }

    /// What keeps a rule from being about the pod, where the policy is.
    pub(super) fn unmet(&self, pod: &PodView<'c>) -> Vec<Unmet> {
        let Some((end, is_ipv4)) = &self.own else {
            return Vec::new();
        };
        end.unmet(Some(pod), address_of(pod, *is_ipv4), *is_ipv4)
    }

    pub(super) fn cuts(&self) -> Vec<AddressRange> {
        self.own
            .as_ref()
            .map_or_else(Vec::new, |(end, _)| end.cuts())
    }

    /// Labels of which a pod must have one to be meant; `None` if there are none such.
    pub(super) fn asked_for(&self) -> Option<Vec<(&str, &str)>> {
        let by_selector = self.selector.and_then(labels_of_pods);
        by_selector.or_else(|| self.own.as_ref().and_then(|(end, _)| end.asked_for()))
    }

    /// The same of the labels of namespaces.
    pub(super) fn asked_of_namespaces(&self) -> Option<Vec<(&str, &str)>> {
        match self.namespace {
            Some(own) => Some(vec![(NAMESPACE_NAME_LABEL, own)]),
            None => self.namespace_selector?.asked_of_namespaces(),
        }
    }
}

/// Labels of their manifests of which pods must have one to meet a selector.
fn labels_of_pods(selector: &CalicoSelector) -> Option<Vec<(&str, &str)>> {
    let is_of_manifests = |key: &str| {
        let is_of_others = key.starts_with("pcns.") || key.starts_with("pcsa.");
        !is_of_others && !key.starts_with("projectcalico.org/")
    };
    let asked = selector.asked_for()?;
    (asked.iter().all(|(key, _)| is_of_manifests(key))).then_some(asked)
}

/// A part of what one end of a rule asks of an owner of its address.
#[derive(Clone, Debug)]
enum Part<'c> {
    Namespaces(&'c CalicoSelector),
    OwnNamespace(&'c str),
    Labels(&'c CalicoSelector),
    NotLabels(&'c CalicoSelector),
    Account(&'c CalicoSelector),
    AccountNames(Vec<&'c str>),
    /// The pods of a Service, by its name and its selector.
    Service(&'c str, &'c Labels),
    /// Those of a Service that does not exist: none.
    AbsentService(&'c str),
}

impl<'c> Part<'c> {
    /// The field that asks for it, what it says, and the labels that it is about.
    fn words(&self) -> (&'static str, String, Vec<String>) {
        let keys = |selector: &CalicoSelector, prefix: &str| -> Vec<String> {
            let keys = selector.keys().into_iter();
            keys.map(|key| format!("{prefix}{key}")).collect()
        };
        match self {
            Self::Namespaces(selector) => (
                "namespaceSelector",
                selector.to_string(),
                keys(selector, "pcns."),
            ),
            Self::OwnNamespace(own) => {
                let key = NAMESPACE_KEY.to_owned();
                ("namespace", (*own).to_owned(), vec![key])
            }
            Self::Labels(selector) => ("selector", selector.to_string(), keys(selector, "")),
            Self::NotLabels(selector) => ("notSelector", selector.to_string(), keys(selector, "")),
            Self::Account(selector) => (
                "serviceAccounts.selector",
                selector.to_string(),
                keys(selector, "pcsa."),
            ),
            Self::AccountNames(names) => {
                let key = "projectcalico.org/serviceaccount".to_owned();
                ("serviceAccounts.names", names.join(", "), vec![key])
            }
            Self::Service(name, selector) => {
                let keys = selector.iter().map(|label| label.key.value.to_string());
                ("services", (*name).to_owned(), keys.collect())
            }
            Self::AbsentService(name) => ("services", (*name).to_owned(), Vec::new()),
        }
    }

    fn truth(&self, view: View<'_, 'c>) -> Truth {
        match self {
            Self::Namespaces(selector) => view.is_in(selector),
            Self::OwnNamespace(own) => (view.namespace().map(|(name, _)| name) == Some(own)).into(),
            Self::Labels(selector) => view.meets(selector),
            Self::NotLabels(selector) => !view.meets(selector),
            Self::Account(selector) => view.is_run_by(selector),
            Self::AccountNames(names) => match view.look("projectcalico.org/serviceaccount") {
                Looked::Value(name) => names.contains(&name).into(),
                Looked::Absent => Truth::False,
                Looked::SomeValue | Looked::Added(_) | Looked::Unknown => Truth::Unknown,
            },
            Self::Service(_, selector) => {
                let has = |label: &Label| match view.look(&label.key) {
                    Looked::Value(found) => (found == label.value.as_str()).into(),
                    Looked::Absent => Truth::False,
                    Looked::Added(controller) => {
                        let met = controller.meets(&label.key, Operator::In, &[&label.value]);
                        met.unwrap_or(Truth::Unknown)
                    }
                    Looked::SomeValue | Looked::Unknown => Truth::Unknown,
                };
                let is_pod = Truth::from(matches!(view, View::Pod(..)));
                selector.iter().map(has).fold(is_pod, Truth::min)
            }
            Self::AbsentService(_) => Truth::False,
        }
    }
}

/// One end of a rule (K7, K8).
#[derive(Clone, Debug)]
pub(super) struct CalicoEnd<'c> {
    owners: Arc<Owners<'c>>,
    /// What a known owner of the address must meet; none where the end names no owner.
    parts: Vec<Part<'c>>,
    /// The sets that may meet them.
    sets: Vec<SetId>,
    /// What no known owner of the address may meet, and the sets that may.
    no_owner: Option<(&'c CalicoSelector, Vec<SetId>)>,
    nets: Vec<AddressRange>,
    not_nets: Vec<AddressRange>,
    /// Whether connections must be IPv4, or IPv6.
    pub(super) is_ipv4: Option<bool>,
    /// Whether the pod at the address must itself meet the parts, or must not.
    pub(super) meets_itself: Option<bool>,
    /// What else it asks for, which no manifest tells.
    untold: Option<Untold<'c>>,
    /// The names of the sets that meet the parts, where the rule counts them: their addresses
    /// meet the parts as well.
    domains: Vec<&'c str>,
}

/// What an end may ask for that is not in the manifests.
#[derive(Clone, Debug)]
enum Untold<'c> {
    /// The port that a connection comes from.
    SourcePorts,
    /// The endpoints of a Service, by its namespace and name: one without a selector, or one
    /// that is not there.
    Endpoints(String),
    /// The addresses of these domain names.
    Domains(Vec<&'c str>),
}

impl Untold<'_> {
    /// Whether an end is one of these.
    fn truth(&self, is_pod: bool) -> Truth {
        match self {
            Self::Domains(names) => are_led_to(names, is_pod),
            _ => Truth::Unknown,
        }
    }
}

/// Whether names lead to an end. They lead to a pod only where one is of the cluster's own.
fn are_led_to(names: &[&str], is_pod: bool) -> Truth {
    let may_be_own = |name: &&str| *name == "*" || name.ends_with(".local");
    match names.is_empty() || (is_pod && !names.iter().any(may_be_own)) {
        true => Truth::False,
        false => Truth::Unknown,
    }
}

impl<'c> CalicoEnd<'c> {
    /// The same end where it is that of the source, whose ports nobody knows beforehand.
    pub(super) fn of_source(mut self, entity: &CalicoEntity) -> Self {
        if !entity.ports.is_empty() || !entity.not_ports.is_empty() {
            self.untold = Some(Untold::SourcePorts);
        }
        self
    }

    /// The same end where it is the destination of a rule of egress that allows: the only one
    /// that counts the names of sets (docs.tigera.io, "Global network set").
    pub(super) fn with_domains_of_sets(mut self) -> Self {
        if !self.parts.is_empty() {
            self.domains = self.owners.domains(&self.sets);
        }
        self
    }

    /// The end of a rule of a policy, which may be in a namespace.
    pub(super) fn new(
        owners: &Arc<Owners<'c>>,
        entity: &'c CalicoEntity,
        namespace: Option<&'c str>,
    ) -> Self {
        let mut parts = Vec::new();
        let selects_owners = entity.selector.is_some()
            || entity.not_selector.is_some()
            || entity.service_account_selector.is_some()
            || !entity.service_account_names.is_empty();
        match (&entity.namespace_selector, namespace) {
            (Some(selector), _) => parts.push(Part::Namespaces(&selector.value)),
            (None, Some(own)) if selects_owners => parts.push(Part::OwnNamespace(own)),
            _ => {}
        }
        parts.extend(entity.selector.as_ref().map(|it| Part::Labels(&it.value)));
        let account = entity.service_account_selector.as_ref();
        parts.extend(account.map(|it| Part::Account(&it.value)));
        if !entity.service_account_names.is_empty() {
            let names = entity.service_account_names.iter();
            parts.push(Part::AccountNames(
                names.map(|name| name.value.as_str()).collect(),
            ));
        }
        // Its pods stand for the endpoints of a Service (U).
        let mut untold = None;
        if let Some(service) = &entity.service {
            let home = service.namespace.as_deref().or(namespace);
            let found = owners.service(entity, namespace);
            match found.and_then(|it| it.selector.as_ref()) {
                Some(selector) if !selector.is_empty() => {
                    parts.extend(home.map(Part::OwnNamespace));
                    parts.push(Part::Service(&service.name, selector));
                }
                _ if found.is_none() && owners.lacks(home, &service.name) => {
                    parts.push(Part::AbsentService(&service.name));
                }
                _ => {
                    let home = home.unwrap_or_default();
                    untold = Some(Untold::Endpoints(format!("{home}/{}", service.name)));
                }
            }
        }
        if !entity.domains.is_empty() {
            let names = entity.domains.iter().map(|name| name.value.as_str());
            untold = Some(Untold::Domains(names.collect()));
        }
        let mut no_owner = None;
        if let Some(selector) = &entity.not_selector {
            if parts.is_empty() {
                let selector = &selector.value;
                let asked = labels_of_pods(selector);
                let sets = owners.sets_meeting(asked, &|view| view.meets(selector));
                no_owner = Some((selector, sets));
            } else {
                parts.push(Part::NotLabels(&selector.value));
            }
        }
        let sets = match parts.is_empty() {
            true => Vec::new(),
            false => owners.sets_meeting(asked_by(&parts), &|view| meets(&parts, view)),
        };
        let ranges = |nets: &[crate::source::Spanned<ipnet::IpNet>]| {
            merge_ranges(nets.iter().map(|net| net.value.into()).collect())
        };
        Self {
            owners: Arc::clone(owners),
            parts,
            sets,
            no_owner,
            nets: ranges(&entity.nets),
            not_nets: ranges(&entity.not_nets),
            is_ipv4: None,
            meets_itself: None,
            untold,
            domains: Vec::new(),
        }
    }

    /// Whether an owner of an address meets all the parts.
    fn meets(&self, view: View<'_, 'c>) -> Truth {
        meets(&self.parts, view)
    }

    /// Labels of which a pod must have one for it to hold; `None` if there are none such, and
    /// where another owner of its address may meet it.
    pub(super) fn asked_for(&self) -> Option<Vec<(&str, &str)>> {
        asked_by(&self.parts).filter(|_| self.needs_the_pod())
    }

    /// The same of the labels of namespaces.
    pub(super) fn asked_of_namespaces(&self) -> Option<Vec<(&str, &str)>> {
        let asked = self.parts.iter().find_map(|part| match part {
            Part::Namespaces(selector) => selector.asked_of_namespaces(),
            Part::OwnNamespace(own) => Some(vec![(NAMESPACE_NAME_LABEL, *own)]),
            _ => None,
        });
        asked.filter(|_| self.needs_the_pod())
    }

    /// Whether nobody but a pod itself can meet the parts at its address.
    fn needs_the_pod(&self) -> bool {
        self.sets.is_empty() && self.domains.is_empty() && !self.owners.shares_addresses()
    }

    /// Whether an owner of an address meets the parts, or a name of a set that does leads
    /// there.
    fn is_owned(&self, pod: Option<&PodView<'c>>, address: Option<IpAddr>) -> Truth {
        let known = (self.owners).known(pod, address, &self.sets, &|view| self.meets(view));
        known.max(are_led_to(&self.domains, pod.is_some()))
    }

    /// Whether it means everybody.
    pub(super) fn is_everybody(&self) -> bool {
        self.parts.is_empty()
            && self.no_owner.is_none()
            && self.nets.is_empty()
            && self.not_nets.is_empty()
            && self.is_ipv4.is_none()
            && self.meets_itself.is_none()
            && self.untold.is_none()
    }

    /// Whether it asks anything of the owners of an address.
    pub(super) fn names_owners(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Whether it depends on the address of a pod, besides its labels.
    pub(super) fn depends_on_address(&self) -> bool {
        let selects = !self.parts.is_empty() || self.no_owner.is_some();
        !self.nets.is_empty() || !self.not_nets.is_empty() || (selects && self.owners.has_others())
    }

    /// Whether it holds for a pod, or for an address outside, in a connection of a family.
    pub(super) fn truth(
        &self,
        pod: Option<&PodView<'c>>,
        address: Option<IpAddr>,
        is_ipv4: bool,
    ) -> Truth {
        if self.is_ipv4.is_some_and(|wanted| wanted != is_ipv4) {
            return Truth::False;
        }
        let mut truths = Vec::with_capacity(5);
        if !self.parts.is_empty() {
            truths.push(self.is_owned(pod, address));
        }
        if let Some((selector, sets)) = &self.no_owner {
            let known = (self.owners).known(pod, address, sets, &|view| view.meets(selector));
            truths.push(!known);
        }
        if !self.nets.is_empty() {
            truths.push(self.is_within(&self.nets, pod, address, is_ipv4));
        }
        if !self.not_nets.is_empty() {
            truths.push(!self.is_within(&self.not_nets, pod, address, is_ipv4));
        }
        if let Some(wanted) = self.meets_itself {
            let itself = pod.filter(|pod| !pod.host_network);
            let truth = itself.map_or(Truth::False, |pod| self.meets(self.owners.view(pod)));
            truths.push(if wanted { truth } else { !truth });
        }
        if let Some(untold) = &self.untold {
            truths.push(untold.truth(pod.is_some()));
        }
        truths.into_iter().min().unwrap_or(Truth::True)
    }

    /// What keeps it from holding: nothing where it holds. What several owners of the address
    /// meet only together is all named.
    pub(super) fn unmet(
        &self,
        pod: Option<&PodView<'c>>,
        address: Option<IpAddr>,
        is_ipv4: bool,
    ) -> Vec<Unmet> {
        let truth = self.truth(pod, address, is_ipv4);
        if truth == Truth::True {
            return Vec::new();
        }
        let itself = pod.filter(|pod| !pod.host_network);
        let view = itself.map(|pod| self.owners.view(pod));
        let unmet = |name, text: String, keys: &[&str], truth| Unmet {
            asks: Asks::Field { name, text },
            found: match view {
                Some(view) => (keys.iter())
                    .map(|key| ((*key).to_owned(), view.in_words(key)))
                    .collect(),
                None => Vec::new(),
            },
            truth,
        };
        let mut all = Vec::new();
        let known = match self.parts.is_empty() {
            true => Truth::True,
            false => (self.owners).known(pod, address, &self.sets, &|view| self.meets(view)),
        };
        let named = are_led_to(&self.domains, pod.is_some());
        if known == Truth::False && named != Truth::False {
            let names = self.domains.iter().map(|name| (*name).to_owned());
            all.push(Unmet {
                asks: Asks::Domains(names.collect()),
                found: Vec::new(),
                truth: named,
            });
        } else if let Some(rejected) = self.rejected(known, &self.sets) {
            all.push(rejected);
        } else if known != Truth::True {
            // Another owner of the address may come nearer than the pod itself.
            let of_parts = self.parts.iter().map(|part| {
                let truth = view.map_or(Truth::False, |view| part.truth(view));
                (part, truth.max(known))
            });
            let is_unmet = |(_, truth): &(&Part<'_>, Truth)| *truth != Truth::True;
            all.extend(of_parts.filter(is_unmet).map(|(part, truth)| {
                let (name, text, keys) = part.words();
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                unmet(name, text, &keys, truth)
            }));
        }
        if let Some((selector, sets)) = &self.no_owner {
            let known = (self.owners).known(pod, address, sets, &|view| view.meets(selector));
            if let Some(rejected) = self.rejected(known, sets) {
                all.push(rejected);
            } else if known != Truth::False {
                let (keys, text) = (selector.keys(), selector.to_string());
                all.push(unmet("notSelector", text, &keys, !known));
            }
        }
        let mut add = |asks, truth| {
            if truth != Truth::True {
                let found = Vec::new();
                all.push(Unmet { asks, found, truth });
            }
        };
        if !self.nets.is_empty() {
            let within = self.is_within(&self.nets, pod, address, is_ipv4);
            add(Asks::Nets(self.nets.clone()), within);
        }
        if !self.not_nets.is_empty() {
            let outside = !self.is_within(&self.not_nets, pod, address, is_ipv4);
            add(Asks::NotNets(self.not_nets.clone()), outside);
        }
        if let Some(wanted) = self.is_ipv4 {
            let version = Asks::IpVersion(if wanted { 4 } else { 6 });
            add(version, (wanted == is_ipv4).into());
        }
        match &self.untold {
            None => {}
            Some(Untold::SourcePorts) => add(Asks::SourcePorts, Truth::Unknown),
            Some(Untold::Endpoints(service)) => {
                add(Asks::Endpoints(service.clone()), Truth::Unknown);
            }
            Some(untold @ Untold::Domains(names)) => {
                let names = names.iter().map(|name| (*name).to_owned());
                add(Asks::Domains(names.collect()), untold.truth(pod.is_some()));
            }
        }
        if all.is_empty() {
            let parts = self.parts.iter().map(Part::words);
            all.extend(parts.map(|(name, text, _)| unmet(name, text, &[], truth)));
        }
        all
    }

    /// Those of some sets that the API server rejects, where an owner of an address may meet a
    /// condition through them.
    fn rejected(&self, known: Truth, sets: &[SetId]) -> Option<Unmet> {
        let sets = match known {
            Truth::Unknown => self.owners.rejected_sets(sets),
            Truth::True | Truth::False => Vec::new(),
        };
        (!sets.is_empty()).then(|| Unmet {
            asks: Asks::RejectedSets(sets),
            found: Vec::new(),
            truth: known,
        })
    }

    /// Whether an address lies in some ranges; one that is not known is somewhere in the
    /// ranges of pods, or of nodes (S9).
    fn is_within(
        &self,
        ranges: &[AddressRange],
        pod: Option<&PodView<'_>>,
        address: Option<IpAddr>,
        is_ipv4: bool,
    ) -> Truth {
        if let Some(address) = address {
            // They are sorted, and none overlaps the next.
            let at = ranges.partition_point(|range| range.last < address);
            return ranges
                .get(at)
                .is_some_and(|range| range.contains(address))
                .into();
        }
        let is_on_host = pod.is_some_and(|pod| pod.host_network);
        let possible = &self.owners.unknown[usize::from(is_on_host)][usize::from(!is_ipv4)];
        let mut possible = possible.iter().peekable();
        if possible.peek().is_none() || possible.clone().all(|it| it.without(ranges).is_empty()) {
            return Truth::True.min(match possible.peek() {
                Some(_) => Truth::True,
                None => Truth::Unknown,
            });
        }
        match possible.any(|it| ranges.iter().any(|range| range.overlaps(it))) {
            true => Truth::Unknown,
            false => Truth::False,
        }
    }

    /// The ranges of addresses that it tells apart.
    pub(super) fn cuts(&self) -> Vec<AddressRange> {
        let mut cuts: Vec<AddressRange> = self.nets.iter().chain(&self.not_nets).copied().collect();
        if !self.parts.is_empty() {
            cuts.extend(self.owners.cuts(&self.sets));
        }
        if let Some((_, sets)) = &self.no_owner {
            cuts.extend(self.owners.cuts(sets));
        }
        cuts
    }
}

/// Whether an owner of an address meets all of some parts.
fn meets<'c>(parts: &[Part<'c>], view: View<'_, 'c>) -> Truth {
    let parts = parts.iter().map(|part| part.truth(view));
    parts.min().unwrap_or(Truth::True)
}

/// Labels of which an owner must have one to meet some parts; `None` if there are none such.
fn asked_by<'p>(parts: &'p [Part<'_>]) -> Option<Vec<(&'p str, &'p str)>> {
    parts.iter().find_map(|part| match part {
        Part::Labels(selector) => labels_of_pods(selector),
        Part::Service(_, selector) => {
            let mut labels = selector.iter();
            let label = labels.find(|it| {
                !is_opaque(&it.key) && !is_opaque(&it.value) && !Controller::may_add(&it.key)
            })?;
            Some(vec![(label.key.value.as_str(), label.value.value.as_str())])
        }
        _ => None,
    })
}

fn address_of(pod: &PodView<'_>, is_ipv4: bool) -> Option<IpAddr> {
    let mut addresses = pod.addresses.iter().copied();
    addresses.find(|address| address.is_ipv4() == is_ipv4)
}
