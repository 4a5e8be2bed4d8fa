//! What a kustomization says of fields beyond kustomize's own lists: in files of `configurations`,
//! and by the definitions of `crds`.
//!
//! Refuses to know what the fields are changed to.

use super::accumulated::Accumulated;
use super::fault::Fault;
use super::specs::Specs;
use super::{Kustomization, Kustomize, external, objects, schema};
use crate::render::value::Value;

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
        for (field, specs) in [
            ("configurations", Specs::read as fn(&Value<'_>) -> Specs),
            ("crds", external::crd_specs),
        ] {
            for path in kustomization.items(field) {
                match read(&path) {
                    Ok(values) => {
                        if field == "configurations" {
                            let misfits = values.iter().flat_map(schema::misfits_of_configuration);
                            all.faults.extend(misfits);
                        }
                        files.extend(values.iter().map(specs));
                    }
                    Err(fault) => all.faults.push(fault),
                }
            }
        }
        let conflict = all.configure(&files);
        let mut place = ["configurations", "crds"].iter();
        let place = place.find_map(|field| kustomization.get(field));
        let span = place.map_or(kustomization.root.span().before(), |it| it.span());
        all.faults.extend(conflict.map(|it| Fault::error(span, it)));
    }
}
