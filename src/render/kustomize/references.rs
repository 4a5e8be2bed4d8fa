//! Names of other objects, put right after those got other names.
//!
//! Refuses to know why names changed. After kustomize's `filters/nameref`.

use super::fault::Fault;
use super::field_spec::{FieldSpec, Missing, apply, obstacle, visit};
use super::specs::{Reference, Specs};
use crate::render::object_id::Gvk;
use crate::render::resource::Resource;
use crate::render::value::Value;
use std::collections::{HashMap, HashSet};

/// What an object may be referred to by, and what it is now.
struct Candidate {
    name: String,
    namespace: String,
    effective_namespace: String,
    first_namespace: String,
    is_cluster_scoped: bool,
    kind: String,
    gvks: Vec<(Gvk, String)>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

/// Who refers.
struct Referrer {
    effective_namespace: String,
    is_cluster_scoped: bool,
    /// The namespaces of the accounts that a RoleBinding names.
    account_namespaces: HashSet<String>,
    /// The kind that a `roleRef` names.
    role: Option<Gvk>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

/// The name, and the namespace, that a reference gets.
struct Found {
    name: String,
    namespace: String,
}

/// Puts all references right. An ambiguous one is told of.
pub(crate) fn fix<'t>(resources: &mut [Resource<'t>], specs: &Specs) -> Vec<String> {
    let references = &specs.references;
    // What no build changed is left to those who judge objects as they are written, unless a
    // kustomization says where names are.
    let is_own = *references != Specs::default_specs().references;
    let candidates: Vec<Candidate> = resources
        .iter()
        .filter(|resource| !resource.previous.is_empty())
        .map(candidate)
        .collect();
    let mut by_old_name: HashMap<&str, Vec<&Candidate>> = HashMap::new();
    for candidate in &candidates {
        let names: HashSet<&str> = candidate
            .gvks
            .iter()
            .map(|(_, name)| name.as_str())
            .collect();
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_unstable();
        for name in names {
            by_old_name.entry(name).or_default().push(candidate);
        }
    }
    let mut faults: Vec<String> = resources
        .iter()
        .filter(|it| is_own || matches!(it.value, Value::Made(_)))
        .filter_map(|it| misplaced(it, references))
        .collect();
    if by_old_name.is_empty() {
        return faults;
    }
    let mut fields_of: HashMap<Gvk, Vec<Field<'_>>> = HashMap::new();
    for resource in resources.iter_mut() {
        let referrer = referrer(resource);
        let first = &resource.original().gvk;
        if !fields_of.contains_key(first) {
            fields_of.insert(first.clone(), fields(references, first));
        }
        let fields = &fields_of[first];
        let gvk = resource.id.gvk.clone();
        for field in fields {
            let finder = Finder {
                by_old_name: &by_old_name,
                referrer: &referrer,
                target: field.target,
                is_role: field.is_role,
            };
            let mut is_needed = false;
            visit(&field.spec, (&gvk, &resource.value), &mut |value| {
                is_needed |= finder.may_change(value);
            });
            if !is_needed {
                continue;
            }
            let mut set = |value: &mut Value<'t>| {
                finder.set(value).unwrap_or_else(|fault| faults.push(fault));
                Ok(())
            };
            // The walk itself cannot fail: it was taken once.
            let _ = apply(
                &field.spec,
                (&gvk, &mut resource.value),
                Missing::Ignored,
                &mut set,
            );
        }
    }
    faults
}

/// That a field which may hold a name cannot be looked into.
fn misplaced(resource: &Resource<'_>, references: &[Reference]) -> Option<String> {
    let first = &resource.original().gvk;
    let fields = references.iter().flat_map(|reference| &reference.fields);
    let mut of_kind = fields.filter(|spec| first.is_selected_by(&spec.gvk));
    let gvk = &resource.id.gvk;
    let wrong = of_kind.find(|spec| {
        let spec = FieldSpec {
            gvk: Gvk::default(),
            ..(*spec).clone()
        };
        let mut is_nameless = false;
        visit(&spec, (gvk, &resource.value), &mut |value| {
            let has_none = |it: &Value<'_>| it.is_mapping() && it.get("name").is_none();
            is_nameless |= has_none(value) || value.items().any(|item| has_none(&item));
        });
        is_nameless || obstacle(&resource.value, &spec.path).is_some()
    })?;
    let path = wrong.path.join("/");
    Some(format!("{}: no name can be at `{path}`", resource.id))
}

/// A field that may hold a name.
struct Field<'r> {
    /// The kind of the objects whose names these are.
    target: &'r Gvk,
    spec: FieldSpec,
    is_role: bool,
}

/// The fields of objects that were of a kind at first.
fn fields<'r>(references: &'r [Reference], first: &Gvk) -> Vec<Field<'r>> {
    let mut fields = Vec::new();
    for reference in references {
        let of_kind = reference.fields.iter();
        let of_kind = of_kind.filter(|spec| first.is_selected_by(&spec.gvk));
        fields.extend(of_kind.map(|spec| {
            Field {
                target: &reference.target,
                // The kind may be another by now; the field is looked for all the same.
                spec: FieldSpec {
                    gvk: Gvk::default(),
                    ..spec.clone()
                },
                is_role: spec
                    .path
                    .ends_with(&["roleRef".to_owned(), "name".to_owned()]),
            }
        }));
    }
    fields
}

fn candidate(resource: &Resource<'_>) -> Candidate {
    Candidate {
        name: resource.id.name.clone(),
        namespace: resource.id.namespace.clone(),
        effective_namespace: resource.id.effective_namespace().to_owned(),
        first_namespace: resource.original().effective_namespace().to_owned(),
        is_cluster_scoped: resource.id.gvk.is_cluster_scoped(),
        kind: resource.id.gvk.kind.clone(),
        gvks: resource
            .previous
            .iter()
            .map(|id| (id.gvk.clone(), id.name.clone()))
            .collect(),
        prefixes: resource.prefixes.clone(),
        suffixes: resource.suffixes.clone(),
    }
}

fn referrer(resource: &Resource<'_>) -> Referrer {
    let subjects = resource.value.get("subjects");
    let is_binding = resource.id.gvk.kind == "RoleBinding";
    let accounts = subjects
        .iter()
        .filter(|_| is_binding)
        .flat_map(Value::items);
    let role = resource.value.get("roleRef").map(|role| Gvk {
        group: role.text_of(&["apiGroup"]),
        version: String::new(),
        kind: role.text_of(&["kind"]),
    });
    Referrer {
        effective_namespace: resource.id.effective_namespace().to_owned(),
        is_cluster_scoped: resource.id.gvk.is_cluster_scoped(),
        account_namespaces: accounts
            .filter(|subject| subject.text_of(&["kind"]) == "ServiceAccount")
            .filter_map(|subject| subject.get("namespace"))
            .map(|namespace| namespace.text().unwrap_or_default().to_owned())
            .collect(),
        role: role.filter(|role| !role.group.is_empty() && !role.kind.is_empty()),
        prefixes: resource.prefixes.clone(),
        suffixes: resource.suffixes.clone(),
    }
}

/// The subjects of RoleBindings that name no namespace though they have the field
/// (`resmap/reswrangler.go`, `getNamespacesForRoleBinding`).
pub(crate) fn without_namespace(resources: &[Resource<'_>]) -> Vec<Fault> {
    let bindings = resources
        .iter()
        .filter(|it| it.id.gvk.kind == "RoleBinding");
    let subjects = bindings.filter_map(|it| it.value.get("subjects"));
    let subjects = subjects.flat_map(|it| it.items().collect::<Vec<_>>());
    let accounts = subjects.filter(|it| it.text_of(&["kind"]) == "ServiceAccount");
    let namespaces = accounts.filter_map(|it| it.get("namespace"));
    let wrong = namespaces.filter(|namespace| !namespace.is_text());
    wrong
        .map(|it| Fault::error(it.span(), "kustomize expects the name of a namespace here"))
        .collect()
}

/// Looks for what a name refers to.
struct Finder<'a> {
    by_old_name: &'a HashMap<&'a str, Vec<&'a Candidate>>,
    referrer: &'a Referrer,
    target: &'a Gvk,
    is_role: bool,
}

impl Finder<'_> {
    /// Whether a value may hold a name that changes.
    fn may_change(&self, value: &Value<'_>) -> bool {
        let is_known = |text: &str| self.by_old_name.contains_key(text);
        match value.text() {
            Some(text) => is_known(text),
            None if value.is_mapping() => is_known(&value.text_of(&["name"])),
            None => value.items().any(|item| self.may_change(&item)),
        }
    }

    fn set<'t>(&self, value: &mut Value<'t>) -> Result<(), String> {
        if value.is_null() || !self.may_change(value) {
            return Ok(());
        }
        if value.is_sequence() {
            let items = value.items_mut().into_iter().flatten();
            for item in items {
                self.set(item)?;
            }
            return Ok(());
        }
        if value.is_mapping() {
            return self.set_mapping(value);
        }
        let old = value.text().unwrap_or_default().to_owned();
        if let Some(found) = self.find(&old, None, false)?
            && found.name != old
        {
            *value = value.rewritten(found.name);
        }
        Ok(())
    }

    /// A mapping with `name` and maybe `namespace`.
    fn set_mapping(&self, value: &mut Value<'_>) -> Result<(), String> {
        let Some(name) = value.get("name") else {
            return Ok(());
        };
        let old = name.text().unwrap_or_default().to_owned();
        let namespace = value
            .get("namespace")
            .and_then(|it| it.text().map(str::to_owned));
        let Some(found) = self.find(&old, namespace.as_deref(), true)? else {
            return Ok(());
        };
        if found.name != old {
            value.set("name", name.span(), Value::text_at(found.name, name.span()));
        }
        if !found.namespace.is_empty() && namespace.as_deref() != Some(found.namespace.as_str()) {
            let span = value.get("namespace").map_or(name.span(), |it| it.span());
            value.set("namespace", span, Value::text_at(found.namespace, span));
        }
        Ok(())
    }

    /// What the name stands for now, if that is certain.
    fn find(
        &self,
        old: &str,
        namespace: Option<&str>,
        is_pair: bool,
    ) -> Result<Option<Found>, String> {
        let all = self.by_old_name.get(old).map_or(&[][..], Vec::as_slice);
        let visible = all
            .iter()
            .copied()
            .filter(|candidate| self.can_see(candidate));
        let visible: Vec<&Candidate> = visible.collect();
        // The namespace is the one that objects were in at first, else the one of now.
        let was_there = namespace.filter(|namespace| {
            visible
                .iter()
                .any(|candidate| candidate.first_namespace == *namespace)
        });
        let mut candidates: Vec<&Candidate> = visible
            .into_iter()
            .filter(|candidate| match (was_there, namespace) {
                (Some(first), _) => candidate.first_namespace == first,
                (None, Some(now)) => candidate.effective_namespace == now,
                (None, None) => true,
            })
            .filter(|candidate| candidate.was(self.target, old))
            .filter(|candidate| match (&self.referrer.role, self.is_role) {
                (Some(role), true) => candidate.was_kind(role),
                _ => true,
            })
            .collect();
        if candidates.len() > 1 {
            candidates.retain(|candidate| self.shares_names(candidate, true));
        }
        if candidates.len() > 1 {
            candidates.retain(|candidate| self.shares_names(candidate, false));
        }
        let Some(first) = candidates.first() else {
            return Ok(None);
        };
        let is_same = |other: &&Candidate| {
            other.name == first.name && (!is_pair || other.namespace == first.namespace)
        };
        if !candidates.iter().all(is_same) {
            return Err(format!("the name `{old}` may refer to several objects"));
        }
        Ok(Some(Found {
            name: first.name.clone(),
            namespace: first.namespace.clone(),
        }))
    }

    /// Whether objects of these namespaces can refer to each other.
    fn can_see(&self, candidate: &Candidate) -> bool {
        self.referrer.is_cluster_scoped
            || candidate.is_cluster_scoped
            || candidate.effective_namespace == self.referrer.effective_namespace
            || candidate.kind == "ServiceAccount"
                && self
                    .referrer
                    .account_namespaces
                    .contains(&candidate.namespace)
    }

    /// Whether both got their prefixes and suffixes by the same kustomizations.
    fn shares_names(&self, candidate: &Candidate, may_be_empty: bool) -> bool {
        let agree = |own: &[String], other: &[String]| {
            let is_empty = own.is_empty() || other.is_empty();
            may_be_empty && is_empty || own.ends_with(other) || other.ends_with(own)
        };
        let exactly =
            |own: &[String], other: &[String]| may_be_empty || own.is_empty() == other.is_empty();
        let (prefixes, suffixes) = (&self.referrer.prefixes, &self.referrer.suffixes);
        agree(prefixes, &candidate.prefixes)
            && agree(suffixes, &candidate.suffixes)
            && exactly(prefixes, &candidate.prefixes)
            && exactly(suffixes, &candidate.suffixes)
    }
}

impl Candidate {
    fn was(&self, target: &Gvk, name: &str) -> bool {
        self.gvks.iter().any(|(_, old)| old == name) && self.was_kind(target)
    }

    fn was_kind(&self, target: &Gvk) -> bool {
        self.gvks.iter().any(|(gvk, _)| gvk.is_selected_by(target))
    }
}
