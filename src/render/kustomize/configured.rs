//! What a kustomization says of fields beyond kustomize's own lists: in files of `configurations`,
//! and by the definitions of `crds`.
//!
//! Refuses to know what the fields are changed to.

use super::accumulated::Accumulated;
use super::fault::Fault;
use super::specs::Specs;
use super::{Kustomization, Kustomize, crds, objects, schema};
use crate::k8s::PartEffect;
use crate::render::value::Value;

/// For how many parts of objects a field counts that a file names.
const FIELD: usize = 4;

impl<'t> Kustomize<'t, '_> {
    /// Adds the files of `configurations` and `crds` to the lists of fields.
    pub(super) fn configure(&self, kustomization: &Kustomization<'t>, all: &mut Accumulated<'t>) {
        let Self { library, .. } = self;
        let read = |path: &Value<'t>| -> Result<Vec<Value<'t>>, Fault> {
            let text = path.text().unwrap_or_default();
            let found = objects::values_of_file(library, &kustomization.path(text));
            found.unwrap_or_else(|| {
                Err(Fault::error(
                    path.span(),
                    format!("there is no file `{text}`"),
                ))
            })
        };
        let mut files = Vec::new();
        for field in ["configurations", "crds"] {
            for path in kustomization.items(field) {
                match read(&path) {
                    Ok(values) => {
                        if field == "configurations" {
                            let misfits = values.iter().flat_map(schema::misfits_of_configuration);
                            all.faults.extend(misfits);
                        }
                        for value in &values {
                            let specs = match field {
                                "crds" => crds::specs(value),
                                _ => Some(Specs::read(value)),
                            };
                            let too_many = || {
                                let message = format!(
                                    "these definitions lead to more than {} properties: what they \
                                     change is left out",
                                    crds::MAX_PROPERTIES
                                );
                                Fault::limit(path.span(), message, PartEffect::Changes)
                            };
                            match specs {
                                Some(specs) => files.push(specs),
                                None => all.faults.push(too_many()),
                            }
                        }
                    }
                    Err(fault) => all.faults.push(fault),
                }
            }
        }
        let mut place = ["configurations", "crds"].iter();
        let place = place.find_map(|field| kustomization.get(field));
        let span = place.map_or(kustomization.root.span().before(), |it| it.span());
        // One file may be named again and again.
        let fields = files.iter().map(Specs::count).sum::<usize>() + files.len() * files.len() / 8;
        if !(self.budget).may_change(FIELD * fields, span, &mut all.faults) {
            files.clear();
        }
        let conflict = all.configure(&files);
        all.faults.extend(conflict.map(|it| Fault::error(span, it)));
    }
}
