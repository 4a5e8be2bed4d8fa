//! What is deployed, from what is written: kustomizations built as kustomize builds them,
//! every value with the text that a person would edit.
//!
//! Refuses to know the disk (it is handed texts), clusters and rules.

mod application_set;
mod argo;
mod artifact;
mod as_it_stands;
mod builds;
mod built;
mod chart;
mod checkout;
mod date;
mod deployed;
mod fill;
mod flux;
pub(crate) mod kustomize;
mod left_out;
mod lent;
mod library;
mod object_id;
mod print;
mod release;
mod resource;
mod roots;
mod scalar;
mod source_ignore;
mod substitute;
mod template;
mod told;
mod tree;
mod value;
mod wanted;

pub use builds::Builds;
pub use built::Written;
pub use chart::{Chart, is_rendered};
pub use fill::command as command_to_fill;
pub use lent::lent;
pub(crate) use library::Library;
pub use resource::Step;
pub use roots::{Build, ChangedObject, Deployment, Root, RootKind, charts, deployment};
pub use told::BROKEN_BUILD;
pub use wanted::{is_kustomization, is_manifest, wanted};

use crate::source::{SourceId, SourceMap, Span};
use kustomize::{Kustomize, Weight};

/// A kustomization as it would be applied, printed.
#[derive(Clone, Debug)]
pub struct Printed {
    /// The objects as YAML, in kustomize's order.
    pub text: String,
    /// What is wrong with the build, or missing from it.
    pub faults: Vec<BuildFault>,
    /// Whether that is all: nothing is unknown, and kustomize would build it.
    pub is_whole: bool,
}

/// What is wrong with a build, or missing from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildFault {
    /// The text that it is about.
    pub span: Span,
    /// The fact.
    pub message: String,
    /// Whether kustomize would refuse to build it, or a limit of npcheck's leaves out a part,
    /// rather than that npcheck does not see all.
    pub is_error: bool,
}

/// Builds the kustomization of a directory from the texts of `ids`, and prints it. `None` if
/// there is no kustomization.
#[must_use]
pub fn print(sources: &SourceMap, ids: &[SourceId], directory: &str) -> Option<Printed> {
    let library = Library::new(sources, ids.iter().copied());
    let directory = library::join("", directory);
    let build = Kustomize::new(&library).build(&directory)?;
    let mut printer = print::Printer::new(sources);
    for resource in &build.resources {
        printer.document(&resource.value);
    }
    Some(Printed {
        is_whole: build.faults.iter().all(|it| it.weight == Weight::Note),
        text: printer.finish(),
        faults: build
            .faults
            .into_iter()
            .map(|fault| BuildFault {
                span: fault.span,
                message: fault.message,
                is_error: fault.weight >= Weight::Restricted || fault.is_limit,
            })
            .collect(),
    })
}
