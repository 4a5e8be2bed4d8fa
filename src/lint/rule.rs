//! What a rule is: a name, a page, and hooks that look at objects.

use super::{Context, Suppression};
use crate::cluster::{NamespaceId, PolicyId};
use crate::diagnostic::{FixClass, Severity};
use crate::k8s;

/// Which kind of mistake a rule is about; the chapters of the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// The text does not say what its author sees in it.
    Text,
    /// Selectors that select something else, or nothing.
    Selectors,
    /// Name resolution.
    Dns,
    /// What is isolated, and what is not.
    Isolation,
    /// Flows that are open or closed against the intent.
    Flows,
    /// Addresses and blocks of them.
    Addresses,
    /// Ports and protocols.
    Ports,
    /// Order in the house.
    Hygiene,
    /// The cluster-wide policies.
    ClusterWide,
    /// The policies of CNI plugins.
    Plugins,
    /// How npcheck itself is used.
    Tool,
}

impl Category {
    /// All of them, in the order of the manual.
    pub const ALL: [Self; 11] = [
        Self::Text,
        Self::Selectors,
        Self::Dns,
        Self::Isolation,
        Self::Flows,
        Self::Addresses,
        Self::Ports,
        Self::Hygiene,
        Self::ClusterWide,
        Self::Plugins,
        Self::Tool,
    ];

    /// The chapter's title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Text => "Text and shape",
            Self::Selectors => "Selectors",
            Self::Dns => "DNS",
            Self::Isolation => "Isolation",
            Self::Flows => "Flows",
            Self::Addresses => "Addresses",
            Self::Ports => "Ports",
            Self::Hygiene => "Hygiene",
            Self::ClusterWide => "Cluster-wide policies",
            Self::Plugins => "Policies of CNI plugins",
            Self::Tool => "The tool itself",
        }
    }
}

/// How far the findings of a rule have proved right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleTier {
    /// On real manifests at least 19 of 20 of its warnings and errors are accepted.
    Stable,
    /// Not shown to be that good yet: it runs where somebody asks for it.
    Preview,
}

impl RuleTier {
    /// The word for it on pages and in every format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Preview => "preview",
        }
    }
}

/// What is known of a rule without running it.
#[derive(Debug)]
pub struct RuleMeta {
    /// Its name in lower case with hyphens: its only identity.
    pub name: &'static str,
    /// What it finds, one line of Markdown.
    pub summary: &'static str,
    /// Its page in the manual, Markdown: the rule's doc comment.
    pub page: &'static str,
    /// Its chapter.
    pub category: Category,
    /// The severity that its findings have where the inventory is complete; a finding
    /// with less evidence may have a lower one.
    pub severity: Severity,
    /// What its fix does to connectivity; `None` where it has none.
    pub fix: Option<FixClass>,
    /// Rules whose findings are left out on a text that a finding of this rule marks, as its
    /// primary or as a related one: this rule names their root cause.
    pub mutes: &'static [&'static str],
    /// How far its findings have proved right.
    pub tier: RuleTier,
    /// What put it into its tier: how its findings on real manifests were judged, one line.
    pub evidence: &'static str,
    /// Whether a stable rule runs where nobody has asked for it. One that does not is for
    /// those who want it: its findings are no mistakes by themselves.
    pub is_on_by_default: bool,
    /// The version that brought it.
    pub since: &'static str,
}

/// A rule. Each hook is called once per object of its kind (or once per run); all are
/// independent, and a rule implements the ones that it needs.
///
/// Rules about text that the reader of manifests notices by itself (broken YAML, unknown
/// fields) implement none: they own the page of what the reader reports in their name.
pub trait Rule: Sync {
    /// What is known of it without running it.
    fn meta(&self) -> &'static RuleMeta;

    /// Looks at one `NetworkPolicy`.
    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        let _ = (cx, id, policy);
    }

    /// Looks at one namespace and what is in it.
    fn check_namespace(&self, cx: &mut Context<'_>, id: NamespaceId) {
        let _ = (cx, id);
    }

    /// Looks at everything.
    fn check_cluster(&self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// Looks at one suppression in a manifest, after all other hooks of all rules.
    fn check_suppression(&self, cx: &mut Context<'_>, suppression: &Suppression) {
        let _ = (cx, suppression);
    }
}

/// Declares a rule: a unit struct whose doc comment is the rule's page, and its
/// [`RuleMeta`] as `Self::META`.
///
/// `tier` is a variant of [`RuleTier`]; `is_on_by_default` may be left out where it is true,
/// as for nearly all.
macro_rules! declare_rule {
    (
        $(#[doc = $page:literal])*
        pub(super) struct $rule:ident {
            name: $name:literal,
            summary: $summary:literal,
            category: $category:expr,
            severity: $severity:expr,
            tier: $tier:ident,
            evidence: $evidence:literal,
            fix: $fix:expr,
            mutes: $mutes:expr,
            $(is_on_by_default: $is_on_by_default:literal,)?
            since: $since:literal $(,)?
        }
    ) => {
        $(#[doc = $page])*
        pub(super) struct $rule;

        impl $rule {
            /// What is known of the rule without running it.
            const META: $crate::lint::RuleMeta = $crate::lint::RuleMeta {
                name: $name,
                summary: $summary,
                page: concat!($($page, "\n"),*),
                category: $category,
                severity: $severity,
                tier: $crate::lint::RuleTier::$tier,
                evidence: $evidence,
                fix: $fix,
                mutes: $mutes,
                // The first of these is what was written, if it was.
                is_on_by_default: [$($is_on_by_default,)? true][0],
                since: $since,
            };
        }
    };
}
pub(crate) use declare_rule;
