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
mod printed;
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
pub use printed::{BuildFault, Printed, print, print_root};
pub use resource::Step;
pub use roots::{Build, ChangedObject, Deployment, Root, RootKind, charts, deployment};
pub use told::BROKEN_BUILD;
pub use wanted::{is_kustomization, is_manifest, wanted};
