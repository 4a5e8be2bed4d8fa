//! The JSON Schemas of what npcheck prints as JSON.
//!
//! Refuses to know how any of it is made; tests hold the two together.

/// A schema by the name of its file in `docs/schemas/`, without `.schema.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Schema {
    /// `npcheck diff -o json`
    Diff,
    /// `npcheck exposure -o json`
    Exposure,
    /// `npcheck lint -o json`
    Findings,
    /// `npcheck graph -o json`
    Graph,
    /// A line of `npcheck graph -o json-lines`
    GraphLine,
    /// `npcheck paths -o json`
    Paths,
    /// `npcheck reach -o json`
    Reach,
    /// `npcheck test -o json`
    Test,
    /// `npcheck-tests.yaml`
    Tests,
}

impl Schema {
    /// The schema's text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Diff => include_str!("schema/diff.schema.json"),
            Self::Exposure => include_str!("schema/exposure.schema.json"),
            Self::Findings => include_str!("schema/findings.schema.json"),
            Self::Graph => include_str!("schema/graph.schema.json"),
            Self::GraphLine => include_str!("schema/graph-line.schema.json"),
            Self::Paths => include_str!("schema/paths.schema.json"),
            Self::Reach => include_str!("schema/reach.schema.json"),
            Self::Test => include_str!("schema/test.schema.json"),
            Self::Tests => include_str!("schema/tests.schema.json"),
        }
    }
}
