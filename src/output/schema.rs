//! The JSON Schemas of what npcheck prints as JSON.
//!
//! Refuses to know how any of it is made; tests hold the two together.

/// A schema by the name of its file in `docs/schemas/`, without `.schema.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Schema {
    /// `npcheck lint -o json`
    Findings,
    /// `npcheck graph -o json`
    Graph,
    /// A line of `npcheck graph -o json-lines`
    GraphLine,
    /// `npcheck reach -o json`
    Reach,
}

impl Schema {
    /// The schema's text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Findings => include_str!("schema/findings.schema.json"),
            Self::Graph => include_str!("schema/graph.schema.json"),
            Self::GraphLine => include_str!("schema/graph-line.schema.json"),
            Self::Reach => include_str!("schema/reach.schema.json"),
        }
    }
}
