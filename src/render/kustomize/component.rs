//! Components: kustomizations that change what the one that uses them has so far.
//!
//! Refuses to know what a kustomization does.

use super::accumulated::Accumulated;
use super::fault::Fault;
use super::identity::check_ids;
use super::{Kustomization, Kustomize, MAX_DEPTH, circle, is_remote, remote};
use crate::render::value::Value;

impl<'t> Kustomize<'t, '_> {
    /// Uses the component that a path names for all that is there.
    pub(super) fn add_component(
        &self,
        kustomization: &Kustomization<'t>,
        path: &Value<'t>,
        mut all: Accumulated<'t>,
        open: &mut Vec<String>,
    ) -> Accumulated<'t> {
        let text = path.text().unwrap_or_default();
        let span = path.span();
        if is_remote(text) {
            all.faults.push(remote::component(path));
            return all;
        }
        if let Err(spent) = self.budget.rework(all.resources.len(), span) {
            all.faults.extend(spent.fault());
            return all;
        }
        let directory = kustomization.path(text);
        if let Some(message) = circle::forbidden(open, &directory) {
            all.faults.push(Fault::error(span, message));
            return all;
        }
        let Self { library, .. } = self;
        let message = match Kustomization::read(library, &directory) {
            _ if open.len() >= MAX_DEPTH => {
                format!("kustomizations build on each other deeper than {MAX_DEPTH} levels")
            }
            None => format!("there is no kustomization in `{directory}`"),
            Some(Err(fault)) => {
                all.faults.push(fault);
                return all;
            }
            Some(Ok(component)) if !component.is_component() => {
                format!("`{directory}` is not a Component; it belongs among `resources`")
            }
            Some(Ok(component)) => {
                open.push(directory);
                let mut all = self.accumulate(&component, all, open);
                open.pop();
                all.gather_specs();
                // Here, no hash tells generated objects apart.
                if all.faults.is_empty()
                    && let Err(message) = check_ids(all.resources.iter())
                {
                    all.faults.push(Fault::error(span, message));
                }
                return all;
            }
        };
        all.faults.push(Fault::error(span, message));
        all
    }
}
