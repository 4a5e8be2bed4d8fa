//! A kustomization file: where it stands, and reading its fields, whose names kustomize takes
//! in any case.
//!
//! Refuses to know what the fields do.

use super::fault::Fault;
use super::schema;
use crate::render::library::{Library, join};
use crate::render::value::{Field, Value};
use crate::source::Span;

/// A kustomization.
#[derive(Clone, Debug)]
pub(crate) struct Kustomization<'t> {
    /// The directory that it stands in, and that its paths are relative to.
    pub(crate) directory: String,
    /// What is written in it.
    pub(crate) root: Value<'t>,
}

/// The value of a field of a mapping, whatever its case; `None` if it is null or missing. Of
/// several the last by name counts, as kustomize turns the file into JSON with sorted keys.
pub(crate) fn field<'t>(value: &Value<'t>, name: &str) -> Option<Value<'t>> {
    let fields = value.fields();
    let named = fields
        .filter(|field| field.key.text().eq_ignore_ascii_case(name) && !field.value.is_null());
    let last = named.max_by(|one, other| one.key.text().cmp(&other.key.text()));
    last.map(|field| field.value)
}

/// The text of a field, empty if there is none.
pub(crate) fn text(value: &Value<'_>, name: &str) -> String {
    let found = field(value, name);
    found
        .and_then(|value| value.text().map(str::to_owned))
        .unwrap_or_default()
}

/// Whether a field says `true`.
pub(crate) fn is_true(value: &Value<'_>, name: &str) -> bool {
    field(value, name).is_some_and(|value| match &value {
        Value::Read(node) => node.as_bool() == Some(true),
        Value::Made(_) => value.text() == Some("true"),
    })
}

/// The items of a field that is a list.
pub(crate) fn items<'t>(value: &Value<'t>, name: &str) -> Vec<Value<'t>> {
    let list = field(value, name);
    list.map(|list| list.items().collect()).unwrap_or_default()
}

impl<'t> Kustomization<'t> {
    /// Reads that of a directory. `None` if there is none.
    pub(crate) fn read(library: &'t Library<'_>, directory: &str) -> Option<Result<Self, Fault>> {
        let paths = library.kustomizations(directory);
        let path = paths.first()?;
        let source = library.source(path)?;
        let whole = Span::new(source, 0, 0);
        if paths.len() > 1 {
            let message = format!(
                "there are two kustomization files in one directory: {}",
                paths.join(", ")
            );
            return Some(Err(Fault::error(whole, message)));
        }
        Some(match library.documents(path)? {
            Err(error) => Err(Fault::error(error.span, error.message.clone())),
            Ok(trees) => match trees.iter().find_map(|tree| tree.root()) {
                Some(root) if root.is_mapping() => Ok(Self {
                    directory: directory.to_owned(),
                    root: Value::Read(root),
                }),
                _ => Err(Fault::error(whole, "this kustomization is empty")),
            },
        })
    }

    /// The value of a field; `None` if it is null or missing.
    pub(crate) fn get(&self, name: &str) -> Option<Value<'t>> {
        field(&self.root, name)
    }

    /// The items of a field that is a list.
    pub(crate) fn items(&self, name: &str) -> Vec<Value<'t>> {
        items(&self.root, name)
    }

    /// Whether it is a Component.
    pub(crate) fn is_component(&self) -> bool {
        text(&self.root, "kind") == "Component"
    }

    /// A path of this kustomization, as the library has it.
    pub(crate) fn path(&self, relative: &str) -> String {
        join(&self.directory, relative)
    }

    /// What kustomize rejects at once: another kind, nothing at all, fields that it does not
    /// know, and values of another type than it wants (its file is read as YAML 1.1, where
    /// `n` is a boolean).
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = schema::misfits(&self.root);
        let is_of_type =
            |field: &Field<'_>| ["apiVersion", "kind"].iter().any(|it| field.key.is(it));
        let says_nothing = |value: &Value<'_>| value.is_null() || value.text() == Some("");
        let mut fields = self.root.fields();
        if fields.all(|field| is_of_type(&field) || says_nothing(&field.value)) {
            let message = "this kustomization is empty";
            faults.push(Fault::error(self.root.span().before(), message));
        }
        let version = match text(&self.root, "kind").as_str() {
            "" | "Kustomization" => "kustomize.config.k8s.io/v1beta1",
            "Component" => "kustomize.config.k8s.io/v1alpha1",
            _ => {
                let kind = self.get("kind").map_or(self.root.span(), |it| it.span());
                let message = "kustomize expects the kind Kustomization or Component here";
                faults.push(Fault::error(kind, message));
                return faults;
            }
        };
        if let Some(own) = self
            .get("apiVersion")
            .filter(|it| it.text() != Some(version))
        {
            let message = format!("kustomize expects the version {version} here");
            faults.push(Fault::error(own.span(), message));
        }
        faults
    }
}

/// That kustomize wants a text here, if it is none.
pub(super) fn not_a_text(value: &Value<'_>) -> Option<Fault> {
    let Value::Read(node) = value else {
        return None;
    };
    if node.is_null() || node.as_str().is_some() {
        return None;
    }
    let message = match node.as_bool() {
        Some(_) => "kustomize reads this as a boolean and expects a string",
        None if node.text().is_some() => "kustomize reads this as a number and expects a string",
        None => "kustomize expects a string here",
    };
    Some(Fault::error(node.span(), message))
}
