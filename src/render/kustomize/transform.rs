//! The transformers that set one thing in many objects: namespace, prefix and suffix,
//! labels and annotations, replicas.
//!
//! Refuses to know their order, and where kustomizations say what to set.

use super::fault::Fault;
use super::field_spec::{FieldSpec, Missing, apply, is_in_place};
use super::file::{self, Kustomization};
use super::notes::{drop_annotations, with_notes};
use crate::render::object_id::Gvk;
use crate::render::resource::Resource;
use crate::render::scalar::{Reading, Style};
use crate::render::value::Value;
use crate::source::Span;
use std::borrow::Cow;

/// Labels or annotations that are set.
#[derive(Debug)]
pub(crate) struct Pairs<'a, 't> {
    /// The field of the kustomization: `labels`, `commonLabels`, `commonAnnotations`.
    pub(crate) field: &'static str,
    /// What is set, a mapping.
    pub(crate) pairs: &'a Value<'t>,
    /// Where it is set.
    pub(crate) specs: &'a [FieldSpec],
}

impl<'t> Pairs<'_, 't> {
    /// Sets them in every object.
    pub(crate) fn apply(&self, resources: &mut [Resource<'t>]) -> Result<(), String> {
        for resource in resources {
            let gvk = resource.id.gvk.clone();
            let specs = self.specs.iter();
            let specs: Vec<&FieldSpec> =
                specs.filter(|spec| gvk.is_selected_by(&spec.gvk)).collect();
            let span = self.pairs.span();
            match specs
                .iter()
                .any(|spec| !spec.create && spec.is_at(&ANNOTATIONS))
            {
                true => with_notes(resource, span, |resource| {
                    self.apply_to(resource, &gvk, &specs)
                })?,
                false => self.apply_to(resource, &gvk, &specs)?,
            }
        }
        Ok(())
    }

    /// Sets them in one object.
    fn apply_to(
        &self,
        resource: &mut Resource<'t>,
        gvk: &Gvk,
        specs: &[&FieldSpec],
    ) -> Result<(), String> {
        let mut pairs: Vec<_> = self.pairs.fields().collect();
        pairs.sort_by(|a, b| a.key.text().cmp(&b.key.text()));
        let missing = Missing::Mapping(self.pairs.span());
        let mut is_changed = false;
        let mut before = resource.value.clone();
        for pair in &pairs {
            // The key is written without quotes, and is what it looks like.
            let key = match self.field {
                "transformers" => pair.key.text(),
                _ => pair.key.text_in_json(),
            };
            if Reading::of(&key) != Reading::Text {
                return Err(format!(
                    "kustomize fails on the key `{key}`, which is not a text"
                ));
            }
            // Null is a text of nothing here.
            let text = match pair.value.is_null() {
                true => Cow::Borrowed(""),
                false => pair.value.shared_text().unwrap_or_default(),
            };
            resource.twins += 1;
            let twin = resource.twins;
            let mut is_replaced = false;
            let mut style = Style::of(&text);
            let mut set = |value: &mut Value<'t>| {
                is_changed = true;
                // One node is set everywhere: it takes the style of each that it replaces.
                if style == Style::Plain {
                    style = Style::of(&text);
                }
                let old = value.get(&key).filter(Value::is_scalar);
                style = old.map_or(style, |old| old.style());
                let entry = Value::text_at(text.clone(), pair.value.span());
                let entry = entry.with_style(style).with_twin(twin);
                is_replaced |= set_entry(value, &key, pair.key.span(), entry)?;
                Ok(())
            };
            for spec in specs {
                apply(spec, (gvk, &mut resource.value), missing, &mut set)
                    .map_err(|error| format!("{}: {error}", resource.id))?;
            }
            if style != Style::of(&text) {
                resource.write_twins(twin, style);
            }
            // What is new has no twin yet. Copies are only made where they are compared.
            if is_replaced {
                resource.keep_twins_alike(&before);
                before = resource.value.clone();
            }
        }
        if is_changed {
            resource.step(self.field, self.pairs.span());
            resource.refresh();
        }
        Ok(())
    }
}

/// Sets an entry of a mapping; whether another value may have been there. A null stays one, as
/// kyaml adds the entry to a scalar, which is written without it until something makes a mapping
/// of it.
fn set_entry<'t>(
    value: &mut Value<'t>,
    key: &str,
    key_span: Span,
    entry: Value<'t>,
) -> Result<bool, String> {
    if value.is_mapping() {
        match value.get(key) {
            Some(old) if old.says_as(&entry) => {}
            Some(old) => {
                value.set(key.to_owned(), key_span, entry.of_twin(&old));
                return Ok(true);
            }
            None => value.set(key.to_owned(), key_span, entry),
        }
        return Ok(false);
    }
    if !value.is_null() {
        return Err("expected a mapping".to_owned());
    }
    value.hide(key.to_owned().into(), key_span, entry);
    Ok(true)
}

/// A namespace that is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Namespacing<'a, 't> {
    /// The namespace.
    pub(crate) namespace: &'a Value<'t>,
    /// Where it is set beside the metadata of objects.
    pub(crate) specs: &'a [FieldSpec],
    /// Whether what names one keeps it.
    pub(crate) unset_only: bool,
    /// Which subjects of bindings get it.
    pub(crate) subjects: Subjects,
}

/// Subjects of RoleBindings and ClusterRoleBindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// Those that are named `default`.
    Default,
    /// All ServiceAccounts.
    ServiceAccounts,
    /// None.
    Nobody,
}

/// Sets the namespace of every object that kustomize does not know to have none, renames
/// `Namespace` objects, and follows in the few fields that name a namespace.
pub(crate) fn set_namespace<'t>(
    resources: &mut [Resource<'t>],
    of: Namespacing<'_, 't>,
) -> Result<(), String> {
    let namespace = of.namespace;
    let text = namespace.shared_text().unwrap_or_default();
    let span = namespace.span();
    let missing = Missing::Scalar(span);
    let anywhere = FieldSpec::new(Gvk::default(), "metadata/namespace", true);
    for resource in resources {
        resource.remember();
        let gvk = resource.id.gvk.clone();
        let is_done =
            |value: &Value<'t>| value.is_scalar() && value.is_text() && value.text() == Some(&text);
        let is_kept =
            |value: &Value<'t>| of.unset_only && value.text().is_some_and(|text| !text.is_empty());
        let mut set = |value: &mut Value<'t>| {
            if !value.is_scalar() {
                return Err("expected a scalar".to_owned());
            }
            if !is_done(value) && !is_kept(value) {
                *value = Value::text_at(text.clone(), span);
            }
            Ok(())
        };
        let is_there = |spec: &FieldSpec, value: &Value<'t>| {
            is_in_place(spec, (&gvk, value), missing, &is_done)
        };
        if !gvk.is_cluster_scoped() && !is_there(&anywhere, &resource.value) {
            apply(&anywhere, (&gvk, &mut resource.value), missing, &mut set)?;
        }
        let is_binding = matches!(gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
        if is_binding {
            set_subjects(&mut resource.value, of.subjects, span, &mut set)?;
        }
        for spec in of.specs {
            let is_core = resource.value.text_of(&["apiVersion"]) == "v1";
            let is_elsewhere = spec.is_at(&["metadata", "namespace"])
                || spec.is_at(&["metadata", "name"]) && !is_core
                || is_binding && spec.is_at(&["subjects", "namespace"]);
            if !is_elsewhere && !is_there(spec, &resource.value) {
                let mut work =
                    |it: &mut Resource<'t>| apply(spec, (&gvk, &mut it.value), missing, &mut set);
                let done = match spec.is_at(&ANNOTATIONS) {
                    true => with_notes(resource, span, work),
                    false => work(resource),
                };
                done.map_err(|error| format!("{}: {error}", resource.id))?;
            }
        }
        resource.refresh();
        resource.step("namespace", span);
    }
    Ok(())
}

/// Sets the namespace of subjects: those that are named `default` are taken for the account of
/// the namespace.
fn set_subjects<'t>(
    value: &mut Value<'t>,
    subjects: Subjects,
    span: Span,
    set: &mut dyn FnMut(&mut Value<'t>) -> Result<(), String>,
) -> Result<(), String> {
    let is_one = |subject: &Value<'_>| match subjects {
        Subjects::Default => subject.text_of(&["name"]) == "default",
        Subjects::ServiceAccounts => subject.text_of(&["kind"]) == "ServiceAccount",
        Subjects::Nobody => false,
    };
    let own = value.get("subjects");
    let is_odd = |own: &Value<'_>| own.items().any(|subject| !subject.is_mapping());
    if subjects != Subjects::Nobody && own.as_ref().is_some_and(is_odd) {
        return Err("a subject is not a mapping".to_owned());
    }
    if !own.is_some_and(|own| own.items().any(|subject| is_one(&subject))) {
        return Ok(());
    }
    let subjects = value.get_mut("subjects").and_then(Value::items_mut);
    for subject in subjects.into_iter().flatten().filter(|it| is_one(it)) {
        if subject.get("namespace").is_none() {
            subject.set("namespace", span, Value::text_at("", span));
        }
        if let Some(namespace) = subject.get_mut("namespace") {
            set(namespace)?;
        }
    }
    Ok(())
}

/// kustomize writes every annotation as a text, whatever it was: a collection, which has none,
/// as an empty one. Annotations of which none is left are gone.
pub(crate) fn write_annotations(resource: &mut Resource<'_>) {
    let Some(annotations) = resource.value.find(&ANNOTATIONS) else {
        return;
    };
    if annotations.fields().next().is_none() {
        return drop_annotations(&mut resource.value);
    }
    if annotations.fields().all(|field| field.value.is_text()) {
        return;
    }
    let metadata = resource.value.get_mut("metadata");
    let annotations = metadata.and_then(|metadata| metadata.get_mut("annotations"));
    let fields = annotations.and_then(Value::fields_mut);
    for field in fields.into_iter().flatten() {
        if !field.value.is_text() {
            let text = match &field.value {
                Value::Read(node) if node.is_null() => node.raw().to_owned(),
                other => other.text().unwrap_or_default().to_owned(),
            };
            field.value = Value::text_at(text, field.value.span());
        }
    }
}

/// Where annotations are.
pub(super) const ANNOTATIONS: [&str; 2] = ["metadata", "annotations"];

/// Which end of a name something is put at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// `namePrefix`.
    Front,
    /// `nameSuffix`.
    Back,
}

/// Puts a text at an end of every name, but for kinds whose names mean something.
pub(crate) fn extend_names<'t>(
    resources: &mut [Resource<'t>],
    addition: &Value<'t>,
    end: End,
    specs: &[FieldSpec],
) -> Result<(), String> {
    let text = addition.text().unwrap_or_default();
    let field = match end {
        End::Front => "namePrefix",
        End::Back => "nameSuffix",
    };
    for resource in resources {
        let first = resource.original().gvk.clone();
        let is_kept = matches!(
            first.kind.as_str(),
            "CustomResourceDefinition" | "Namespace"
        ) || first.kind == "APIService" && first.group == "apiregistration.k8s.io";
        if is_kept {
            continue;
        }
        let gvk = resource.id.gvk.clone();
        for spec in specs.iter().filter(|spec| first.is_selected_by(&spec.gvk)) {
            if spec.is_at(&["metadata", "name"]) {
                match end {
                    End::Front => resource.prefixes.push(text.to_owned()),
                    End::Back => resource.suffixes.push(text.to_owned()),
                }
                resource.remember();
            }
            let mut set = |value: &mut Value<'t>| {
                let old = value.text().ok_or("expected a scalar")?;
                let new = match end {
                    End::Front => format!("{text}{old}"),
                    End::Back => format!("{old}{text}"),
                };
                *value = value.rewritten(new);
                Ok(())
            };
            let mut work = |resource: &mut Resource<'t>| {
                let missing = Missing::Scalar(addition.span());
                apply(spec, (&gvk, &mut resource.value), missing, &mut set)
            };
            let done = match spec.is_at(&ANNOTATIONS) {
                true => with_notes(resource, addition.span(), work),
                false => work(resource),
            };
            done.map_err(|error| format!("{}: {error}", resource.id))?;
        }
        resource.refresh();
        resource.step(field, addition.span());
    }
    Ok(())
}

/// Labels all objects as built by kustomize, where `buildMetadata` asks for it.
pub(crate) fn label_managed(
    resources: &mut [Resource<'_>],
    kustomization: &Kustomization<'_>,
) -> Result<(), Fault> {
    let options = kustomization.items("buildMetadata");
    let mut options = options.iter();
    let Some(option) = options.find(|it| it.text() == Some("managedByLabel")) else {
        return Ok(());
    };
    let span = option.span();
    for resource in resources {
        if let Some(metadata) = resource.value.get_mut("metadata") {
            let labels = metadata.get("labels").filter(|labels| !labels.is_null());
            let mut labels = labels.unwrap_or_else(|| Value::mapping_at(span));
            if !labels.is_mapping() {
                let message = format!("the labels of {} are not a mapping", resource.id);
                return Err(Fault::error(span, message));
            }
            let by = Value::text_at("kustomize-v5.5.0", span);
            labels.set("app.kubernetes.io/managed-by", span, by);
            metadata.set("labels", span, labels);
        }
    }
    Ok(())
}

/// Sets the number of replicas of the objects of a name; returns whether there are any.
pub(crate) fn set_replicas<'t>(
    resources: &mut [Resource<'t>],
    replica: &Value<'t>,
    specs: &[FieldSpec],
) -> Result<bool, String> {
    let name = file::text(replica, "name");
    let count = file::field(replica, "count");
    let text = count
        .as_ref()
        .and_then(Value::shared_text)
        .unwrap_or_default();
    let span = count.as_ref().map_or(replica.span(), Value::span);
    let mut is_found = false;
    for spec in specs {
        for resource in resources.iter_mut() {
            let is_it = |id: &crate::render::object_id::ObjectId| {
                id.name == name && id.gvk.is_selected_by(&spec.gvk)
            };
            if !resource.every_id().any(is_it) {
                continue;
            }
            is_found = true;
            let gvk = resource.id.gvk.clone();
            let mut set = |value: &mut Value<'t>| {
                // What stands in quotes keeps them.
                let new = Value::plain_at(text.clone(), span);
                *value = match value.text() {
                    Some("") => new,
                    _ => new.with_style(value.style()),
                };
                Ok(())
            };
            apply(
                spec,
                (&gvk, &mut resource.value),
                Missing::Scalar(span),
                &mut set,
            )?;
            resource.step("replicas", span);
        }
    }
    Ok(is_found)
}
