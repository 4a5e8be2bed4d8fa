//! The verdict on one pair of endpoints: every policy that can matter is asked, and what
//! each of them said is kept, so that the answer can be explained.
//!
//! Builds no index and no matrix: for all pairs at once that is the wrong way, for one
//! pair the shortest. Refuses to know how answers are printed.

mod alike;
mod asked;
mod difference;
mod index;
mod labels;
pub(super) mod peers;
mod ports;
mod possibility;
mod reason;
mod set_aside;
mod side;
mod spoken;
mod stage;
mod subjects;

pub use alike::EndClasses;
pub use asked::{AskedPolicies, AskedRule};
pub use difference::{Matter, OtherPlugins, PluginDifference, PluginDifferences};
pub use peers::{Miss, PeerTrace, PeersTrace, Requirement, Wanted};
pub use ports::{PortTrace, PortsTrace};
pub use possibility::{Match, Verdict};
pub use reason::{Decision, NearestMiss, ReasonCode};
pub use set_aside::{SetAside, SetAsideReason, set_aside};
pub use side::{PolicyTrace, RuleTrace, Scope, SideTrace, StageTrace};
pub use spoken::EndIndex;

use super::program::{Program, Reading, network_policy};
use super::{Address, AddressRange, ConnectionSet, Endpoint, HashMap, address_pairs};
use crate::cluster::{Cluster, NamespaceId};
use crate::k8s::{Direction, NetworkPolicyPort};
use index::IndexedProgram;
use side::{Detail, Scene, Selected, Selection};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What one pair of endpoints may say to each other, and why.
#[derive(Clone, Debug)]
pub struct Explanation<'c> {
    /// The ways that a connection may take: mostly one, several where both ends have
    /// several known addresses. What one of them allows is allowed (S9).
    pub ways: Vec<Way<'c>>,
    /// What follows.
    pub verdict: Verdict,
}

/// A connection between one address of each end.
#[derive(Clone, Debug)]
pub struct Way<'c> {
    /// The address of the source.
    pub source: Address,
    /// The address of the destination.
    pub destination: Address,
    /// The source's side.
    pub egress: Arc<SideTrace<'c>>,
    /// The destination's side.
    pub ingress: Arc<SideTrace<'c>>,
}

impl<'c> Way<'c> {
    /// Both sides, the source's first.
    #[must_use]
    pub fn sides(&self) -> [&SideTrace<'c>; 2] {
        [&self.egress, &self.ingress]
    }

    /// What both sides allow.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.egress.verdict.and(&self.ingress.verdict)
    }
}

/// Judges pairs of endpoints of a cluster, and keeps what several pairs need. Several threads
/// may ask the same one.
#[derive(Debug)]
pub struct Judge<'c, 'e> {
    cluster: &'c Cluster,
    reading: Reading<'e>,
    /// By namespace: the policies that can select its pods.
    programs: Mutex<HashMap<Option<NamespaceId>, Arc<IndexedProgram<'c>>>>,
    /// How much was compared so far.
    work: AtomicUsize,
}

/// An end of many pairs, with the policies that are asked about it.
#[derive(Clone, Debug)]
pub struct PreparedEnd<'s, 'l> {
    end: &'s Endpoint<'l>,
    selection: Selection,
    /// Its side where no rule says anything about the other end.
    silent: OnceLock<Arc<SideTrace<'l>>>,
}

/// What decides which connections leave an end for another one of which no address is known: the
/// policies that are asked, and the families of its own addresses. Ends of which it is equal are
/// judged alike, unless one of them is the same pod as the other end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AskedPoliciesOfEnd {
    namespace: Option<NamespaceId>,
    selection: Selected,
    /// IPv4 and IPv6.
    families: [bool; 2],
}

impl<'l> PreparedEnd<'_, 'l> {
    /// How much is compared at least for its side of a pair; see [`Judge::work`].
    #[must_use]
    pub fn least_work(&self) -> usize {
        self.selection.least_work
    }

    /// Whether what becomes of it may depend on labels of its namespace that nobody knows.
    #[must_use]
    pub fn is_in_unknown_namespace(&self) -> bool {
        let pod = self.end.pod();
        pod.is_some_and(|pod| !pod.namespace.are_labels_known)
    }

    /// The end.
    #[must_use]
    pub fn end(&self) -> &Endpoint<'l> {
        self.end
    }
}

/// What `from` may open to `to`: equal to the edge of this pair in the graph of all pairs. A
/// namespace that no manifest declares has no labels but its name (S2); other gaps in the
/// input are unknown.
///
/// An object that an API server would refuse reaches nothing, and nobody reaches it. A
/// range of addresses must not be cut by a block of a policy; see [`uniform_ranges`].
/// From outside to outside everything is allowed, as nobody in the cluster is asked.
#[cfg(feature = "internals")]
#[must_use]
pub fn judge(cluster: &Cluster, from: &Endpoint<'_>, to: &Endpoint<'_>) -> Verdict {
    if is_refused(cluster, from) || is_refused(cluster, to) {
        return Verdict::certain(ConnectionSet::none());
    }
    let (from, to) = (from.in_graph(cluster), to.in_graph(cluster));
    Judge::new(cluster).judged(&from, &to).verdict
}

/// Whether the end is a workload that an API server would refuse, so that it has no pods.
#[cfg(feature = "internals")]
fn is_refused(cluster: &Cluster, end: &Endpoint<'_>) -> bool {
    let id = end.pod().and_then(|pod| pod.workload);
    id.is_some_and(|id| !cluster.workload(id).object.meta.is_accepted)
}

/// What the `ports` of a rule mean at a destination (S7); all connections where there are
/// none.
#[must_use]
pub fn ports_at(entries: &[NetworkPolicyPort], destination: &Endpoint<'_>) -> Match {
    let ports = network_policy::ports(entries);
    ports::compare(ports.as_ref(), destination).matches
}

/// The same for the ports of a rule of any policy.
#[must_use]
pub fn ports_of(rule: &super::program::Rule<'_>, destination: &Endpoint<'_>) -> Match {
    ports::compare(rule.ports.as_ref(), destination).matches
}

/// What `from` may open to `to`, and what every policy that matters says to it.
///
/// What is not among the inputs, as the labels of a namespace that is only used
/// ([`NamespaceView::are_labels_known`](super::NamespaceView::are_labels_known)) or text
/// that another tool fills in, is unknown here, and so may be a part of the verdict.
///
/// A range of addresses must not be cut by a block of a policy; see [`uniform_ranges`].
#[must_use]
pub fn explain<'c>(
    cluster: &'c Cluster,
    from: &Endpoint<'c>,
    to: &Endpoint<'c>,
) -> Explanation<'c> {
    Judge::new(cluster).explain(from, to)
}

impl<'c> Judge<'c, 'c> {
    /// Judges as the cluster's own plugin does.
    #[must_use]
    pub fn new(cluster: &'c Cluster) -> Self {
        Self::with_reading(cluster, Reading::of(cluster))
    }
}

impl<'c, 'e> Judge<'c, 'e> {
    fn with_reading(cluster: &'c Cluster, reading: Reading<'e>) -> Self {
        Self {
            cluster,
            reading,
            programs: Mutex::default(),
            work: AtomicUsize::new(0),
        }
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &'c Cluster {
        self.cluster
    }

    /// How much was compared so far: chains, rules and peers, each with the values of its
    /// selectors. The same questions cost the same, on however many threads they are asked.
    #[must_use]
    pub fn work(&self) -> usize {
        self.work.load(Ordering::Relaxed)
    }

    /// The same as the function [`explain`].
    #[must_use]
    pub fn explain<'l>(&self, from: &Endpoint<'l>, to: &Endpoint<'l>) -> Explanation<'l>
    where
        'c: 'l,
    {
        let explanation = self.judged(from, to);
        if explanation.verdict.unknown().is_empty() {
            return explanation;
        }
        labels::narrow(explanation, self, from, to)
    }

    /// The same as [`decide`](Self::decide) for one pair.
    #[must_use]
    pub fn explain_briefly<'l>(&self, from: &Endpoint<'l>, to: &Endpoint<'l>) -> Explanation<'l>
    where
        'c: 'l,
    {
        let source = self.prepare(Direction::Egress, from);
        let destination = self.prepare(Direction::Ingress, to);
        self.decide(&source, &destination)
    }

    /// What one side alone would let through, gaps taken as by [`explain`]: for `Egress` what
    /// `subject` may open to `other` whatever the policies of `other` say, for `Ingress` what
    /// `other` may open to `subject` whatever its own policies say.
    ///
    /// With several known addresses this is what one of the ways lets through.
    #[must_use]
    pub fn one_side(
        &self,
        direction: Direction,
        subject: &Endpoint<'_>,
        other: &Endpoint<'_>,
    ) -> Verdict {
        let (subject, other) = (
            &subject.in_graph(self.cluster),
            &other.in_graph(self.cluster),
        );
        if let (Some(one), Some(two)) = (subject.pod(), other.pod())
            && one.is_same_pod(two)
        {
            return Verdict::certain(ConnectionSet::all());
        }
        let pairs = match direction {
            Direction::Egress => address_pairs(subject, other),
            Direction::Ingress => address_pairs(other, subject),
        };
        let verdicts = pairs.into_iter().map(|(source, destination)| {
            let (address, destination) = match direction {
                Direction::Egress => (destination, other),
                Direction::Ingress => (source, subject),
            };
            let side = self.side(direction, subject, (other, address), destination);
            side.verdict.clone()
        });
        verdicts
            .reduce(|one, other| one.or(&other))
            .expect("there is a pair of addresses")
    }

    /// An end of many pairs, as their source (`Egress`) or as their destination.
    #[must_use]
    pub fn prepare<'s, 'l>(
        &self,
        direction: Direction,
        end: &'s Endpoint<'l>,
    ) -> PreparedEnd<'s, 'l>
    where
        'c: 'l,
    {
        let selection = self.selection(direction, end);
        self.work.fetch_add(selection.work, Ordering::Relaxed);
        PreparedEnd {
            end,
            selection,
            silent: OnceLock::new(),
        }
    }

    /// The same as [`explain`](Self::explain) without the rules that certainly match nothing of
    /// the pair: verdicts and decisions are equal, and many pairs are judged in little time.
    #[must_use]
    pub fn decide<'l>(
        &self,
        source: &PreparedEnd<'_, 'l>,
        destination: &PreparedEnd<'_, 'l>,
    ) -> Explanation<'l>
    where
        'c: 'l,
    {
        let explanation = self.judged_as(source, destination, Detail::Deciding);
        let ends = [source.end, destination.end];
        // Which labels are tried depends on all rules.
        match explanation.verdict.unknown().is_empty()
            || !labels::is_about_labels(&explanation, ends)
        {
            true => explanation,
            false => self.explain(source.end, destination.end),
        }
    }

    /// The side of an end, as source (`Egress`) or destination, with an end that only rules
    /// without peers are about: that is the same for all of them.
    #[must_use]
    pub fn with_anybody<'l>(
        &self,
        direction: Direction,
        end: &PreparedEnd<'_, 'l>,
    ) -> Arc<SideTrace<'l>>
    where
        'c: 'l,
    {
        let anybody = (end.end, Address::Unknown { is_ipv4: true });
        self.side_of(end, (direction, Detail::Anybody), anybody, end.end)
    }

    /// What decides about the connections that leave an end.
    #[must_use]
    pub fn asked_about(&self, end: &Endpoint<'_>) -> AskedPoliciesOfEnd {
        let end = end.in_graph(self.cluster);
        let addresses = end.pod().map_or(&[][..], |pod| pod.addresses);
        let families = [true, false].map(|is_ipv4| {
            let mut addresses = addresses.iter();
            addresses.any(|address| address.is_ipv4() == is_ipv4)
        });
        AskedPoliciesOfEnd {
            namespace: end.pod().and_then(|pod| pod.namespace.id),
            selection: self.prepare(Direction::Egress, &end).selection.selected(),
            families,
        }
    }

    fn judged<'l>(&self, from: &Endpoint<'l>, to: &Endpoint<'l>) -> Explanation<'l>
    where
        'c: 'l,
    {
        self.judged_in(from, to, Detail::All)
    }

    fn judged_in<'l>(
        &self,
        from: &Endpoint<'l>,
        to: &Endpoint<'l>,
        detail: Detail,
    ) -> Explanation<'l>
    where
        'c: 'l,
    {
        let source = self.prepare(Direction::Egress, from);
        let destination = self.prepare(Direction::Ingress, to);
        self.judged_as(&source, &destination, detail)
    }

    fn judged_as<'l>(
        &self,
        source: &PreparedEnd<'_, 'l>,
        destination: &PreparedEnd<'_, 'l>,
        detail: Detail,
    ) -> Explanation<'l>
    where
        'c: 'l,
    {
        let (from, to) = (source.end, destination.end);
        if let (Some(source), Some(destination)) = (from.pod(), to.pod())
            && source.is_same_pod(destination)
        {
            return same_pod();
        }
        let way = |(at, goal)| Way {
            source: at,
            destination: goal,
            egress: self.side_of(source, (Direction::Egress, detail), (to, goal), to),
            ingress: self.side_of(destination, (Direction::Ingress, detail), (from, at), to),
        };
        let ways: Vec<Way<'l>> = address_pairs(from, to).into_iter().map(way).collect();
        let verdicts = ways.iter().map(Way::verdict);
        let verdict = verdicts
            .reduce(|one, other| one.or(&other))
            .expect("there is a pair of addresses");
        Explanation { ways, verdict }
    }

    /// A side by its verdict and what decides about it.
    fn side<'l>(
        &self,
        direction: Direction,
        subject: &Endpoint<'l>,
        other: (&Endpoint<'l>, Address),
        destination: &Endpoint<'l>,
    ) -> Arc<SideTrace<'l>>
    where
        'c: 'l,
    {
        let subject = self.prepare(direction, subject);
        self.side_of(&subject, (direction, Detail::Deciding), other, destination)
    }

    fn side_of<'l>(
        &self,
        subject: &PreparedEnd<'_, 'l>,
        (direction, detail): (Direction, Detail),
        (other, other_address): (&Endpoint<'l>, Address),
        destination: &Endpoint<'l>,
    ) -> Arc<SideTrace<'l>>
    where
        'c: 'l,
    {
        let program = self.program(subject.end);
        let scene = Scene {
            program: &program,
            enforcement: self.reading.enforcement,
            direction,
            subject: subject.end,
            other,
            other_address,
            destination,
            detail,
            work: &self.work,
        };
        side::judge_side(scene, &subject.selection, &subject.silent)
    }

    fn selection<'l>(&self, direction: Direction, subject: &Endpoint<'l>) -> Selection
    where
        'c: 'l,
    {
        Selection::new(&self.program(subject), direction, subject)
    }

    /// The policies that can select an end.
    fn program(&self, end: &Endpoint<'_>) -> Arc<IndexedProgram<'c>> {
        let namespace = end.pod().and_then(|pod| pod.namespace.id);
        let programs = || self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = programs().get(&namespace) {
            return Arc::clone(program);
        }
        // Two threads may make the same one: better than that all wait for each.
        let program = Program::for_namespace(self.cluster, namespace, self.reading);
        let program = Arc::new(IndexedProgram::new(program));
        Arc::clone(programs().entry(namespace).or_insert(program))
    }
}

/// A pod that speaks to itself (S4).
fn same_pod<'c>() -> Explanation<'c> {
    let [egress, ingress] = [Direction::Egress, Direction::Ingress]
        .map(|direction| Arc::new(side::open_side(direction, Scope::SamePod)));
    let verdict = egress.verdict.clone();
    let [source, destination] = [Address::Unknown { is_ipv4: true }; 2];
    Explanation {
        ways: vec![Way {
            source,
            destination,
            egress,
            ingress,
        }],
        verdict,
    }
}

/// A range of addresses in pieces that no accepted policy of the cluster tells apart, in
/// order (S8).
#[must_use]
pub fn uniform_ranges(cluster: &Cluster, range: &AddressRange) -> Vec<AddressRange> {
    range.cut(Program::new(cluster).ranges())
}
