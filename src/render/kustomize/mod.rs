//! kustomize: from a directory with a kustomization to the objects that `kustomize build`
//! makes of it, each with the texts that its parts stand for.
//!
//! Refuses to know who asks for a build, clusters, and rules. It follows kustomize 5.5
//! (`api/internal/target/kusttarget.go` for the order); what kustomize rejects is told, and
//! the build goes on without it, so that one mistake does not hide everything else.

mod accumulated;
mod budget;
mod definitions;
mod empty;
mod external;
mod fault;
mod field_path;
mod field_spec;
mod file;
mod circle;
mod component;
mod configured;
mod crds;
mod generate;
mod identity;
mod images;
mod json_patch;
mod merge;
mod merge_keys;
mod name_hash;
mod notes;
mod objects;
mod order;
mod patch;
mod references;
mod remote;
mod replacement;
mod schema;
mod select;
mod specs;
mod through_json;
mod transform;
mod variables;

pub(crate) use fault::{Fault, Weight};
pub(crate) use file::Kustomization;
pub(crate) use objects::{as_written as objects_as_written, values_of_text};
pub(crate) use remote::is_remote;

use super::library::Library;
use super::object_id::Gvk;
use super::resource::{Generated, Resource};
use super::value::Value;
use crate::source::Span;
use accumulated::Accumulated;
use budget::Budget;
use definitions::Defined;
use external::External;
use identity::check_ids;
use patch::Patch;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use transform::{End, Namespacing, Pairs, Subjects};
use variables::Variable;

/// How deep kustomizations may build on each other.
const MAX_DEPTH: usize = 64;

/// How many objects a build may have.
const MAX_OBJECTS: usize = 1_000_000;

/// Builds kustomizations; what several build on is built once.
pub(crate) struct Kustomize<'t, 's> {
    library: &'t Library<'s>,
    /// By directory, and whether origins are noted.
    built: RefCell<HashMap<(String, bool), Rc<Accumulated<'t>>>>,
    /// Whether the build that is under way notes where its objects come from.
    notes_origins: Cell<bool>,
    /// The definitions of the API that hold, where a kustomization names some.
    defined: Option<Rc<Defined<'t>>>,
    /// Whether a kustomization may name any.
    may_define: bool,
    /// What the build that is under way may still do.
    budget: Budget,
}

/// What a kustomization makes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Build<'t> {
    /// The objects, in the order in which kustomize prints them.
    pub(crate) resources: Vec<Resource<'t>>,
    /// What is wrong with it, or missing from it.
    pub(crate) faults: Vec<Fault>,
    /// The targets of its patches, and whether they match nothing.
    pub(crate) patches: Vec<(Span, bool)>,
}

impl<'t, 's> Kustomize<'t, 's> {
    /// Builds from these texts.
    pub(crate) fn new(library: &'t Library<'s>) -> Self {
        Self {
            library,
            built: RefCell::default(),
            notes_origins: Cell::default(),
            defined: None,
            may_define: schema::may_define(library),
            budget: Budget::default(),
        }
    }

    /// Builds the same from another library of the same texts.
    pub(crate) fn beside<'u>(&self, library: &'u Library<'s>) -> Kustomize<'u, 's> {
        Kustomize {
            library,
            built: RefCell::default(),
            notes_origins: Cell::default(),
            defined: None,
            may_define: self.may_define,
            budget: Budget::default(),
        }
    }

    /// Builds the kustomization of a directory; `None` if there is none.
    pub(crate) fn build(&self, directory: &str) -> Option<Build<'t>> {
        let kustomization = Kustomization::read(self.library, directory)?;
        Some(match kustomization {
            Ok(kustomization) => self.build_as(&kustomization),
            Err(fault) => fault.into(),
        })
    }

    /// Builds a kustomization as it is handed over, which need not be that of its file.
    pub(crate) fn build_as(&self, kustomization: &Kustomization<'t>) -> Build<'t> {
        let Self { library, .. } = *self;
        if !self.may_define || !schema::names_definitions(library, kustomization) {
            return self.build_outermost(kustomization);
        }
        // What it builds on becomes something else than it is for others.
        let apart = Self {
            library,
            built: RefCell::default(),
            notes_origins: Cell::default(),
            defined: Some(Rc::default()),
            may_define: true,
            budget: Budget::default(),
        };
        apart.build_outermost(kustomization)
    }

    /// What becomes of objects that something else made, such as a chart: `kustomization` has
    /// patches and images for them.
    pub(crate) fn rework(
        &self,
        kustomization: &Kustomization<'t>,
        resources: Vec<Resource<'t>>,
    ) -> (Vec<Resource<'t>>, Vec<Fault>) {
        self.budget.renew();
        let all = Accumulated {
            resources,
            ..Accumulated::default()
        };
        let all = self.accumulate(kustomization, all, &mut Vec::new());
        let Self {
            library, budget, ..
        } = self;
        library
            .deployed()
            .take(budget.objects_spent(all.resources.len()));
        (all.resources, all.faults)
    }

    fn build_outermost(&self, kustomization: &Kustomization<'t>) -> Build<'t> {
        let Self { library, .. } = self;
        let start = kustomization.root.span().before();
        let deployed = library.deployed();
        if let Some(fault) = deployed.spent(start) {
            return fault.into();
        }
        self.budget.renew();
        // For any option of it, and for all that is built on.
        let options = kustomization.items("buildMetadata");
        self.notes_origins.set(!options.is_empty());
        let mut open = vec![kustomization.directory.clone()];
        let mut all = self.accumulate(kustomization, Accumulated::default(), &mut open);
        name_hash::add(&mut all.resources);
        let specs = all.specs();
        let ambiguous = references::fix(&mut all.resources, &specs);
        all.faults.extend(
            ambiguous
                .into_iter()
                .map(|message| Fault::error(start, message)),
        );
        let mut faults = std::mem::take(&mut all.faults);
        variables::resolve(
            &mut all.resources,
            &all.variables,
            &specs.variables,
            &mut faults,
        );
        all.resources.retain(|resource| !order::is_local(resource));
        all.resources
            .iter_mut()
            .for_each(transform::write_annotations);
        faults.extend(transform::label_managed(&mut all.resources, kustomization).err());
        faults.extend(order::sort(&mut all.resources, kustomization).err());
        faults.extend(objects::repeated_keys(&all.resources));
        faults.extend(references::without_namespace(&all.resources));
        faults.extend(all.resources.iter().filter_map(identity::missing));
        faults.extend(all.resources.iter().filter_map(identity::mistyped));
        let wrong = through_json::print(&mut all.resources).into_iter();
        faults.extend(wrong.map(|it| Fault::error(it.span, it.message)));
        let mut seen = HashSet::new();
        faults.retain(|fault| seen.insert((fault.span, fault.message.clone())));
        let patches = all.patches.iter();
        let patches = patches.map(|patch| (patch.span, patch.is_idle)).collect();
        let objects = all.resources.len();
        deployed.take(objects + faults.len() / 4 + self.budget.objects_spent(objects));
        Build {
            resources: all.resources,
            faults,
            patches,
        }
    }

    /// What a directory yields to those that build on it.
    fn accumulated(
        &self,
        directory: &str,
        place: &Value<'t>,
        open: &mut Vec<String>,
    ) -> Rc<Accumulated<'t>> {
        let key = (directory.to_owned(), self.notes_origins.get());
        if let Some(known) = self.built.borrow().get(&key) {
            return known.clone();
        }
        let failed = |message: String| {
            let fault = Fault::error(place.span(), message);
            Rc::new(Accumulated {
                faults: vec![fault],
                ..Accumulated::default()
            })
        };
        if let Some(message) = circle::forbidden(open, directory) {
            return failed(message);
        }
        if open.len() >= MAX_DEPTH {
            return failed(format!(
                "kustomizations build on each other deeper than {MAX_DEPTH} levels"
            ));
        }
        let made = match Kustomization::read(self.library, directory) {
            None => return failed(format!("there is no kustomization in `{directory}`")),
            Some(Err(fault)) => Rc::new(Accumulated {
                faults: vec![fault],
                ..Accumulated::default()
            }),
            Some(Ok(kustomization)) if kustomization.is_component() => {
                return failed(format!(
                    "`{directory}` is a Component; it belongs among `components`"
                ));
            }
            Some(Ok(kustomization)) => {
                open.push(directory.to_owned());
                let made = self.accumulate(&kustomization, Accumulated::default(), open);
                open.pop();
                Rc::new(made)
            }
        };
        self.built.borrow_mut().insert(key, made.clone());
        made
    }

    /// Does what a kustomization says to what is there: nothing, or for a Component all that
    /// its parent has so far.
    fn accumulate(
        &self,
        kustomization: &Kustomization<'t>,
        mut all: Accumulated<'t>,
        open: &mut Vec<String>,
    ) -> Accumulated<'t> {
        all.faults.extend(kustomization.faults());
        let Self { library, .. } = *self;
        all.faults
            .extend(remote::restricted(library, kustomization));
        let refused = remote::refused(library, kustomization);
        all.faults.extend(refused.iter().cloned());
        if let Some(defined) = &self.defined {
            all.faults.extend(defined.enter(library, kustomization));
        }
        let mut ids: HashSet<(Gvk, String, String)> = all
            .resources
            .iter()
            .map(|resource| resource.id.key())
            .collect();
        let mut paths = kustomization.items("resources");
        paths.extend(kustomization.items("bases"));
        for path in &paths {
            self.add_path(kustomization, path, &mut all, &mut ids, open);
        }
        let from_below = all.faults.len();
        self.configure(kustomization, &mut all);
        let mut faults = std::mem::take(&mut all.faults);
        let Self {
            library, budget, ..
        } = self;
        for generated in generate::all(library, kustomization, budget, &mut faults) {
            all.absorb(generated, budget, &mut faults);
        }
        let mut external = External {
            kustomize: self,
            kustomization,
            open,
        };
        for generated in external.generate(&mut faults) {
            all.absorb(generated, &self.budget, &mut faults);
        }
        all.faults = faults;
        for path in kustomization.items("components") {
            all = self.add_component(kustomization, &path, all, open);
        }
        self.transform(kustomization, &mut all, open);
        let mut faults = std::mem::take(&mut all.faults);
        let variables = kustomization.items("vars");
        let variables: Vec<Variable<'t>> = variables.iter().map(Variable::read).collect();
        for variable in &variables {
            faults.extend(variable.mark(&mut all.resources).err());
        }
        variables::add(&mut all.variables, variables, &mut faults);
        remote::settle(&mut faults, from_below, kustomization, &all.resources);
        remote::keep_refusals(&mut faults, &refused);
        all.faults = faults;
        all.tell_once();
        all
    }

    /// Adds what a path of `resources` names: a file, or a directory that is built.
    fn add_path(
        &self,
        kustomization: &Kustomization<'t>,
        path: &Value<'t>,
        all: &mut Accumulated<'t>,
        ids: &mut HashSet<(Gvk, String, String)>,
        open: &mut Vec<String>,
    ) {
        let text = path.text().unwrap_or_default();
        let full = kustomization.path(text);
        let span = path.span();
        let added = if self.library.source(&full).is_some() && !is_remote(text) {
            match objects::of_file(self.library, &full) {
                Ok(mut resources) => {
                    let is_noted = self.notes_origins.get();
                    for resource in &mut resources {
                        resource.is_noted = is_noted;
                        self.meet(&resource.id.gvk);
                    }
                    resources
                }
                Err(fault) => return all.faults.push(fault),
            }
        } else if is_remote(text) {
            return all.faults.push(remote::resource(path));
        } else if self.library.is_directory(&full) {
            let made = self.accumulated(&full, path, open);
            all.faults.extend(made.faults.iter().cloned());
            if let Err(spent) = self.budget.take(&made.resources, span) {
                return all.faults.extend(spent.fault());
            }
            all.patches.extend(made.patches.iter().copied());
            let conflict = all.add_specs(made.specs.as_ref());
            all.faults.extend(conflict.map(|it| Fault::error(span, it)));
            variables::add(
                &mut all.variables,
                made.variables.iter().cloned(),
                &mut all.faults,
            );
            made.resources.clone()
        } else {
            let message = format!("there is no file or directory `{text}`");
            return all.faults.push(Fault::error(span, message));
        };
        let is_there = |it: &Resource<'t>| ids.contains(&it.id.key());
        if added.first().is_some_and(is_there)
            && let Err(spent) = self.budget.take(&added, span)
        {
            return all.faults.extend(spent.fault());
        }
        if all.resources.len() + added.len() > MAX_OBJECTS {
            let message = format!("this build has more than {MAX_OBJECTS} objects");
            return all.faults.push(Fault::error(span, message));
        }
        for resource in added {
            if !ids.insert(resource.id.key()) {
                let message = format!("{} is there twice", resource.id);
                all.faults.push(Fault::error(span, message));
            }
            all.resources.push(resource);
        }
    }

    /// Meets an object of this kind, which may have to be looked up.
    fn meet(&self, gvk: &Gvk) {
        if let Some(defined) = &self.defined {
            defined.meet(gvk);
        }
    }

    /// The transformers, in kustomize's order.
    fn transform(
        &self,
        kustomization: &Kustomization<'t>,
        all: &mut Accumulated<'t>,
        open: &mut Vec<String>,
    ) {
        let library = self.library;
        all.defined.clone_from(&self.defined);
        let specs = all.specs();
        let mut may_collide = check_ids(all.resources.iter()).is_ok();
        let mut faults = std::mem::take(&mut all.faults);
        let merged = kustomization.items("patchesStrategicMerge");
        let early = [
            Patch::strategic_merge(library, kustomization, &merged, &mut faults),
            Patch::of_field(
                library,
                kustomization,
                "patches",
                (&self.budget, &mut faults),
            ),
        ];
        for patch in early.iter().flatten() {
            if !all.patch(patch, &self.budget, &mut faults) {
                break;
            }
            if may_collide
                && patch.lists_anew()
                && let Err(message) = check_ids(all.resources.iter())
            {
                faults.push(Fault::error(patch.step.span, message));
                may_collide = false;
            }
        }
        let objects = all.resources.len();
        let all_pairs = budget::pairs_of(kustomization);
        let budget = &self.budget;
        let may_set =
            |(specs, pairs): (&[_], usize), resources: &[_], place: &Value<'t>, faults: &mut _| {
                budget.may_set_fields((specs, pairs, all_pairs), resources, place.span(), faults)
            };
        let tell = |place: &Value<'t>, result: Result<(), String>, faults: &mut Vec<Fault>| {
            if let Err(message) = result {
                faults.push(Fault::error(place.span(), message));
            }
        };
        let namespace = kustomization.get("namespace");
        if let Some(namespace) = namespace.filter(|it| it.text() != Some(""))
            && may_set(
                (&specs.namespace, 1),
                &all.resources,
                &namespace,
                &mut faults,
            )
        {
            let of = Namespacing {
                namespace: &namespace,
                specs: &specs.namespace,
                unset_only: false,
                subjects: Subjects::Default,
            };
            let result = transform::set_namespace(&mut all.resources, of);
            let result = result.and_then(|()| check_ids(all.resources.iter()));
            may_collide &= result.is_ok();
            tell(&namespace, result, &mut faults);
        }
        for (field, end, fields) in [
            ("namePrefix", End::Front, &specs.name_prefix),
            ("nameSuffix", End::Back, &specs.name_suffix),
        ] {
            let addition = kustomization.get(field);
            if let Some(addition) = addition.filter(|it| it.text() != Some(""))
                && may_set((fields, 1), &all.resources, &addition, &mut faults)
            {
                let result = transform::extend_names(&mut all.resources, &addition, end, fields);
                tell(&addition, result, &mut faults);
            }
        }
        for label in kustomization.items("labels") {
            let Some(pairs) = file::field(&label, "pairs") else {
                continue;
            };
            let result = specs::label_fields(&label, &specs).and_then(|fields| {
                let of = (fields.as_slice(), pairs.fields().count());
                if !may_set(of, &all.resources, &label, &mut faults) {
                    return Ok(());
                }
                let pairs = Pairs {
                    field: "labels",
                    pairs: &pairs,
                    specs: &fields,
                };
                pairs.apply(&mut all.resources)
            });
            tell(&label, result, &mut faults);
        }
        for (field, fields) in [
            ("commonLabels", &specs.common_labels),
            ("commonAnnotations", &specs.common_annotations),
        ] {
            if let Some(pairs) = kustomization.get(field)
                && may_set(
                    (fields, pairs.fields().count()),
                    &all.resources,
                    &pairs,
                    &mut faults,
                )
            {
                let of = Pairs {
                    field,
                    pairs: &pairs,
                    specs: fields,
                };
                tell(&pairs, of.apply(&mut all.resources), &mut faults);
            }
        }
        let told = (&self.budget, &mut faults);
        for patch in Patch::of_field(library, kustomization, "patchesJson6902", told) {
            if !all.patch(&patch, &self.budget, &mut faults) {
                break;
            }
        }
        for replica in kustomization.items("replicas") {
            let looks = objects * specs.replicas.len().div_ceil(4);
            if !budget.may_change(looks, replica.span(), &mut faults) {
                break;
            }
            let message =
                match transform::set_replicas(&mut all.resources, &replica, &specs.replicas) {
                    Ok(true) => continue,
                    Ok(false) => format!(
                        "there is nothing named `{}` that has replicas",
                        file::text(&replica, "name")
                    ),
                    Err(message) => message,
                };
            faults.push(Fault::error(replica.span(), message));
        }
        let mut images = kustomization.items("images");
        images.extend(kustomization.items("imageTags"));
        let told = (budget, &mut faults);
        images::set_images(&mut all.resources, &images, &specs.images, told);
        let told = (budget, &mut faults);
        replacement::apply(library, kustomization, &mut all.resources, told);
        let mut external = External {
            kustomize: self,
            kustomization,
            open,
        };
        external.transform(all, &mut faults);
        // A hash tells generated objects apart.
        let has_hash = |it: &&Resource<'_>| it.generated.is_some_and(Generated::has_hash);
        if let Err(message) = check_ids(all.resources.iter().filter(|it| !has_hash(it)))
            && may_collide
        {
            faults.push(Fault::error(kustomization.root.span().before(), message));
        }
        all.faults = faults;
    }
}
