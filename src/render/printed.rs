//! Roots as they would be applied, as text: what `npcheck render` shows.
//!
//! Refuses to know how they are built.

use super::kustomize::{Fault, Kustomize, Weight};
use super::library::{self, Library};
use super::print::Printer;
use super::resource::Resource;
use super::roots;
use crate::source::{SourceId, SourceMap, Span};

/// A root as it would be applied, printed.
#[derive(Clone, Debug)]
pub struct Printed {
    /// The objects as YAML, in the order of the build.
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
    let mut printed = Printed::new();
    printed.add(sources, &build.resources, build.faults);
    Some(printed)
}

/// Builds what Flux, Argo CD or a chart deploys under a name, as `npcheck files --roots` says it,
/// from the texts of `ids`, and prints it. `None` if nothing has that name.
#[must_use]
pub fn print_root(sources: &SourceMap, ids: &[SourceId], name: &str) -> Option<Printed> {
    let mut printed: Option<Printed> = None;
    roots::watch(sources, ids, &mut |root, resources, faults| {
        if root == name {
            let printed = printed.get_or_insert_with(Printed::new);
            printed.add(sources, resources, faults.to_vec());
        }
    });
    printed
}

impl Printed {
    fn new() -> Self {
        Self {
            text: String::new(),
            faults: Vec::new(),
            is_whole: true,
        }
    }

    fn add(&mut self, sources: &SourceMap, resources: &[Resource<'_>], faults: Vec<Fault>) {
        let mut printer = Printer::new(sources);
        for resource in resources {
            printer.document(&resource.value);
        }
        self.text.push_str(&printer.finish());
        self.is_whole &= faults.iter().all(|it| it.weight == Weight::Note);
        self.faults
            .extend(faults.into_iter().map(|fault| BuildFault {
                span: fault.span,
                is_error: fault.weight >= Weight::Restricted || fault.is_limit,
                message: fault.message,
            }));
    }
}
