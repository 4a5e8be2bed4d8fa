//! Platform facts: what the distribution of a cluster, its injectors and its operators are
//! known to set, make and run, although no manifest says so. Tables, each row with where it
//! comes from, and the recognition of a distribution from the manifests.
//!
//! Refuses to guess: where a table is silent, nothing is claimed, neither that something is
//! there nor that it is missing.

mod distribution;
mod injectors;
mod managed_services;
mod namespaces;
mod operands;
mod operators;
mod parts;
mod pods;
mod ranges;
mod recognition;

pub use distribution::Distribution;
pub use injectors::{
    AMBIENT_PORT, Injected, InjectedClient, MERGED_METRICS_PORT, ProxyPort, has_istio_proxy,
    injected, injected_clients, is_in_ambient_mesh, proxy_ports,
};
pub use managed_services::{is_managed_service, port_of_scheme};
pub use namespaces::{
    Known, has_all_labels_known, has_label, labels_of, makes_namespace, sets_label,
};
pub use operands::{Operand, operands_of};
pub use operators::{Operator, operator_of};
pub use parts::{is_one_of, named_with_others};
pub use pods::{KnownPods, Role, known_pods};
pub use ranges::{Ranges, ranges};
pub use recognition::{Evidence, Recognition};

/// What is known of the platform of a cluster: the distributions that its manifests were
/// recognised by, or those that somebody has named.
#[derive(Clone, Debug, Default)]
pub struct Platform {
    recognised: Vec<Evidence>,
    /// Those of which too little was seen to recognise them.
    hinted: Vec<Distribution>,
}

impl Platform {
    /// The platform that manifests were recognised by.
    pub(super) fn recognised(recognition: Recognition) -> Self {
        let (recognised, hinted) = recognition.into_evidence();
        Self { recognised, hinted }
    }

    /// The platform that somebody has named, whatever the manifests say.
    #[must_use]
    pub fn named(distributions: &[Distribution], by: &str) -> Self {
        let evidence = |distribution: &Distribution| Evidence {
            distribution: *distribution,
            by: vec![by.to_owned()],
            is_certain: true,
        };
        Self {
            recognised: distributions.iter().map(evidence).collect(),
            hinted: Vec::new(),
        }
    }

    /// The distributions, in the order of [`Distribution`], each with what says so. Several
    /// where the manifests are meant for several.
    #[must_use]
    pub fn evidence(&self) -> &[Evidence] {
        &self.recognised
    }

    /// Whether a cluster of these manifests may be of this distribution because something
    /// says so.
    #[must_use]
    pub fn is(&self, distribution: Distribution) -> bool {
        let mut recognised = self.recognised.iter();
        recognised.any(|evidence| evidence.distribution == distribution)
    }

    /// Whether it is, or something hints at it and nothing says that it is another one: too
    /// little to judge by, but enough to not write what would be wrong there.
    #[must_use]
    pub fn may_be(&self, distribution: Distribution) -> bool {
        let mut others = self.recognised.iter().map(|it| it.distribution);
        let is_another = others.any(|other| !other.is_beside_others());
        self.is(distribution) || !is_another && self.hinted.contains(&distribution)
    }

    /// Whether it is of this distribution and, as far as anybody can tell, of no other.
    #[must_use]
    pub fn is_only(&self, distribution: Distribution) -> bool {
        let mut others = self.recognised.iter().filter(|evidence| {
            let other = evidence.distribution;
            other != distribution && !other.is_beside_others()
        });
        self.is(distribution) && others.next().is_none()
    }

    /// The same where something that belongs to the cluster itself says so.
    #[must_use]
    pub fn is_certainly(&self, distribution: Distribution) -> bool {
        let is_it = |evidence: &Evidence| evidence.distribution == distribution;
        let mut certain = self.recognised.iter().filter(|it| it.is_certain);
        self.is_only(distribution) && certain.any(is_it)
    }

    /// The usual ranges of pods and Services, where one distribution is recognised.
    #[must_use]
    pub fn ranges(&self) -> Option<Ranges> {
        let mut found = self
            .recognised
            .iter()
            .filter(|evidence| !evidence.distribution.is_beside_others());
        match (found.next(), found.next()) {
            (Some(only), None) => ranges(only.distribution),
            _ => None,
        }
    }
}
