//! The form of the answer for machines, field by field, as docs/schemas/reach.schema.json
//! describes it.
//!
//! Refuses to know where its facts come from.

use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'r> {
    pub(super) version: u32,
    pub(super) command: &'static str,
    pub(super) from: &'r str,
    pub(super) to: &'r str,
    pub(super) ports: &'r [&'r str],
    pub(super) outcome: &'static str,
    pub(super) answers: Vec<Answer<'r>>,
    pub(super) notes: &'r [String],
    pub(super) problems: &'r [String],
    pub(super) clusters: &'r [&'r str],
    pub(super) not_judged: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'r> {
    pub(super) outcome: &'static str,
    pub(super) clusters: &'r [&'r str],
    pub(super) from: &'r [String],
    pub(super) to: &'r [String],
    pub(super) pairs: usize,
    pub(super) asked: Option<Vec<Ports>>,
    pub(super) allowed: Vec<Ports>,
    pub(super) blocked: Vec<Ports>,
    pub(super) unknown: Vec<Ports>,
    pub(super) translations: &'r [String],
    pub(super) dead_ends: &'r [String],
    pub(super) explained: Explained<'r>,
    pub(super) ways: Vec<WayOut>,
    pub(super) missing: Vec<Missing>,
    pub(super) plugin_differences: Vec<Difference>,
    pub(super) changes: Vec<ChangeOut<'r>>,
    pub(super) entrance: Option<EntranceOut<'r>>,
    pub(super) not_enforced: Vec<NotEnforced<'r>>,
    pub(super) built: Vec<BuiltOut<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuiltOut<'r> {
    pub(super) object: &'r str,
    pub(super) clusters: &'r [&'r str],
    pub(super) location: Place,
    pub(super) by: Vec<StepOut>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StepOut {
    pub(super) field: &'static str,
    pub(super) entry: Option<u32>,
    pub(super) location: Place,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntranceOut<'r> {
    pub(super) pods: &'r str,
    pub(super) object: &'r str,
    pub(super) location: Place,
    pub(super) is_open: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotEnforced<'r> {
    pub(super) end: &'r str,
    pub(super) policy: String,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) location: Option<Place>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explained<'r> {
    pub(super) from: &'r str,
    pub(super) to: &'r str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ports {
    pub(super) protocol: &'static str,
    pub(super) ports: Vec<(u16, u16)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WayOut {
    pub(super) source: Option<String>,
    pub(super) destination: Option<String>,
    pub(super) egress: Side,
    pub(super) ingress: Side,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Side {
    pub(super) outcome: &'static str,
    pub(super) message: String,
    pub(super) decisions: Vec<Decided>,
    pub(super) admin: Vec<Rule>,
    pub(super) network_policies: Vec<Policy>,
    pub(super) baseline: Vec<Rule>,
    pub(super) nearest_miss: Option<RuleId>,
    pub(super) tiers: Vec<TierOut>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TierOut {
    pub(super) tier: String,
    pub(super) does: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decided {
    pub(super) code: &'static str,
    pub(super) connections: Vec<Ports>,
    pub(super) rule: Option<RuleId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleId {
    pub(super) policy: String,
    pub(super) rule: usize,
    pub(super) path: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    pub(super) policy: String,
    pub(super) selects: &'static str,
    pub(super) location: Option<Place>,
    pub(super) rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    #[serde(flatten)]
    pub(super) id: RuleId,
    pub(super) kind: &'static str,
    pub(super) action: &'static str,
    pub(super) location: Option<Place>,
    pub(super) codes: Vec<&'static str>,
    pub(super) message: String,
    pub(super) decides: Vec<Ports>,
    pub(super) peers: Vec<Peer>,
    pub(super) ports: Vec<PortEntry>,
    pub(super) layer7: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Peer {
    pub(super) path: String,
    pub(super) location: Option<Place>,
    pub(super) selects: String,
    pub(super) matches: &'static str,
    pub(super) misses: Vec<MissOut>,
    pub(super) implied_namespace: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MissOut {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) location: Option<Place>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PortEntry {
    pub(super) path: String,
    pub(super) location: Place,
    pub(super) means: Vec<Ports>,
    pub(super) resolved: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Missing {
    pub(super) message: String,
    pub(super) location: Option<Place>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Difference {
    pub(super) matter: &'static str,
    pub(super) message: String,
    pub(super) allowed: Vec<Ports>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeOut<'r> {
    pub(super) places: Vec<ChangedPlace<'r>>,
    pub(super) opens: Vec<Opened<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangedPlace<'r> {
    pub(super) file: &'r str,
    pub(super) line: u32,
    pub(super) removed: &'r [String],
    pub(super) added: &'r [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opened<'r> {
    pub(super) from: &'r str,
    pub(super) to: &'r str,
    pub(super) connections: Vec<Ports>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) column: u32,
}
