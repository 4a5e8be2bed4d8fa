//! Texts and a configuration become clusters here, and nowhere else: every command, and every
//! program that uses npcheck as a library, asks these clusters.
//!
//! Refuses to know command lines, formats and exit statuses.

mod alternatives;
mod autofix;
mod built;
mod contradictions;
mod copies;
mod deployed;
mod entries;
mod environments;
mod focused;
mod generated;
mod implied;
mod lint;
mod not_judged;
mod part;
mod proof;
mod reread;
mod staged;
mod texts;

pub use crate::render::{BROKEN_BUILD, ChangedObject, Step};
pub use alternatives::Alternatives;
pub use autofix::{Autofixed, Permission};
pub use built::BuiltObjects;
pub use lint::known_rules;
pub use not_judged::{DefinedTwice, InertPolicy, InertReason, NotJudged, OptionNotModelled};
pub use part::{OpaquePart, Part, PartRoot};
pub use reread::Changed;
pub use texts::{ReadText, Texts};

use crate::cluster::platform::Platform;
use crate::cluster::{Cluster, Cni};
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Edit, Severity};
use crate::edit;
use crate::engine::{Endpoint, PodView, Verdict, explain};
use crate::k8s::{Document, Documents, Object, Outcome};
use crate::lint::{Inventory, Settings, StagedPolicies};
use crate::load;
use crate::progress;
use crate::render::Builds;
use crate::source::{SourceId, SourceMap};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// The clusters of a tree. A copy shares everything.
#[derive(Clone, Debug)]
pub struct Workspace {
    texts: Texts,
    /// The texts that belong to it; there may be others, of another revision.
    ids: Arc<[SourceId]>,
    config: Arc<Config>,
    path_of: PathOf,
    /// The text of the configuration, for findings about it.
    config_source: Option<SourceId>,
    clusters: Vec<Arc<ClusterView>>,
    /// What the kustomizations of the tree made of its texts, where that is kept.
    builds: Option<Builds>,
}

/// What a workspace keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The clusters, for questions about them.
    Clusters,
    /// What kustomizations made as well, for questions about edits: only those are built again
    /// that take something of a text which changes. It takes more memory.
    Builds,
}

/// The name of a text as the patterns of the configuration see it: relative to its file.
#[derive(Clone)]
pub struct PathOf(Arc<dyn Fn(&str) -> String + Send + Sync>);

impl PathOf {
    /// By this function.
    pub fn new(path_of: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(path_of))
    }

    /// The name of a text as the patterns see it.
    #[must_use]
    pub fn call(&self, name: &str) -> String {
        (self.0)(name)
    }
}

impl Default for PathOf {
    /// The names as they are.
    fn default() -> Self {
        Self::new(str::to_owned)
    }
}

impl fmt::Debug for PathOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PathOf")
    }
}

/// One cluster of a tree, and what is known of it.
#[derive(Debug)]
pub struct ClusterView {
    part: Part,
    settings: Settings,
    cluster: Cluster,
    /// The same without definitions that contradict each other, where there are any.
    undecided: OnceLock<Cluster>,
    /// The same with every pod of a dump by itself, where that may matter.
    endpoints: OnceLock<Cluster>,
    /// The same with the pods that objects imply, where there are any.
    implied: OnceLock<Cluster>,
    not_judged: NotJudged,
}

impl Workspace {
    /// The clusters of these texts, each with its name.
    #[must_use]
    pub fn load<N, T>(texts: impl IntoIterator<Item = (N, T)>, config: &Config) -> Self
    where
        N: Into<String>,
        T: Into<String>,
    {
        let mut sources = SourceMap::default();
        let ids: Vec<SourceId> = texts
            .into_iter()
            .map(|(name, text)| sources.add(name, text))
            .collect();
        Self::of(&Texts::read(sources), &ids, config, PathOf::default())
    }

    /// The clusters of these files and directories, and what of them could not be read.
    #[must_use]
    pub fn read(paths: &[PathBuf], config: &Config) -> (Self, Vec<load::Problem>) {
        let loaded = load::load(paths, &mut io::empty(), &load::Limits::default());
        let ids: Vec<SourceId> = loaded.now.files.iter().map(|file| file.source).collect();
        let texts = Texts::read(loaded.sources);
        let workspace = Self::of(&texts, &ids, config, PathOf::default());
        (workspace, loaded.now.problems)
    }

    /// The clusters of some of the texts that were read.
    #[must_use]
    pub fn of(texts: &Texts, ids: &[SourceId], config: &Config, path_of: PathOf) -> Self {
        Self::keeping(Keep::Clusters, texts, ids, config, path_of)
    }

    /// The same with what is to be kept.
    #[must_use]
    pub fn keeping(
        keep: Keep,
        texts: &Texts,
        ids: &[SourceId],
        config: &Config,
        path_of: PathOf,
    ) -> Self {
        let empty = Self::empty(texts, ids, Arc::new(config.clone()), path_of);
        let empty = Self {
            builds: (keep == Keep::Builds).then(Builds::default),
            ..empty
        };
        empty.with_clusters(|_| None)
    }

    fn empty(texts: &Texts, ids: &[SourceId], config: Arc<Config>, path_of: PathOf) -> Self {
        Self {
            texts: texts.clone(),
            ids: ids.into(),
            config,
            path_of,
            config_source: None,
            clusters: Vec::new(),
            builds: None,
        }
    }

    /// Another state of the tree, of which these are the texts: what they have in common is built
    /// and joined once, if this one keeps what was built.
    #[must_use]
    pub fn other_state(&self, ids: &[SourceId]) -> Self {
        let here: BTreeSet<SourceId> = self.ids.iter().copied().collect();
        let there: BTreeSet<SourceId> = ids.iter().copied().collect();
        let differing: BTreeSet<SourceId> = here.symmetric_difference(&there).copied().collect();
        let known = (self.builds.as_ref())
            .map(|builds| builds.of_other_state(differing.clone(), self.sources()));
        let config = Arc::clone(&self.config);
        let empty = Self::empty(&self.texts, ids, config, self.path_of.clone());
        let other = Self {
            builds: known,
            ..empty
        };
        let by_name: HashMap<&str, &Arc<ClusterView>> =
            (self.clusters.iter()).map(|it| (it.name(), it)).collect();
        let other = other.with_clusters(|part| {
            let view = by_name.get(part.name.as_str())?;
            let is_same = part.texts.is_disjoint(&differing) && view.part.is_same_as(part);
            is_same.then(|| Arc::clone(view))
        });
        other.without_builds()
    }

    /// The same without what kustomizations made.
    #[must_use]
    pub fn without_builds(self) -> Self {
        Self {
            builds: None,
            ..self
        }
    }

    /// The same with the text of the configuration among the texts, so that what is wrong with
    /// its entries is a finding there.
    #[must_use]
    pub fn with_config_source(self, config_source: Option<SourceId>) -> Self {
        Self {
            config_source,
            ..self
        }
    }

    /// Builds the clusters, but for those that are `known`.
    fn with_clusters(mut self, known: impl Fn(&Part) -> Option<Arc<ClusterView>> + Sync) -> Self {
        progress::begin("building clusters", 0);
        let path_of = |name: &str| self.path_of.call(name);
        let built = self.builds.as_ref();
        let (parts, builds) = part::parts(&self.texts, &self.ids, &self.config, path_of, built);
        self.builds = self.builds.is_some().then_some(builds);
        let config = &self.config;
        progress::begin("joining clusters", parts.len());
        let clusters = parts.into_par_iter().map(|part| {
            let view = known(&part).unwrap_or_else(|| Arc::new(ClusterView::new(part, config)));
            progress::advance();
            view
        });
        self.clusters = clusters.collect();
        self
    }

    /// The same after some edits of its texts. Only the clusters of texts that change are
    /// built again.
    ///
    /// # Errors
    ///
    /// If two of the edits overlap.
    pub fn edited(&self, edits: &[Edit]) -> Result<Self, edit::Conflict> {
        self.edited_beside(edits, self)
    }

    /// The same where it is known what some of the edits lead to: texts that are as they are there
    /// are not read again, and what is built of these alone is taken from there.
    pub(super) fn edited_beside(
        &self,
        edits: &[Edit],
        known: &Self,
    ) -> Result<Self, edit::Conflict> {
        let (texts, changed) = self.texts.edited(edits, &known.texts)?;
        let is_known = |view: &&Arc<ClusterView>, part: &Part| {
            view.part.name == part.name
                && view.part.texts == part.texts
                && view.part.texts.is_disjoint(&changed)
        };
        let builds = known.builds.as_ref();
        let builds = builds.map(|builds| builds.after(&changed, self.sources()));
        let edited = Self {
            builds: Some(builds.unwrap_or_default()),
            texts,
            clusters: Vec::new(),
            ..self.clone()
        };
        Ok(edited.with_clusters(|part| {
            let mut views = known.clusters.iter();
            views.find(|view| is_known(view, part)).cloned()
        }))
    }

    /// The texts, also those of other revisions.
    #[must_use]
    pub fn sources(&self) -> &SourceMap {
        self.texts.sources()
    }

    /// What was read in each text.
    #[must_use]
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The clusters, in the order of the scopes and of their names. There is always one, be
    /// it empty.
    pub fn clusters(&self) -> impl ExactSizeIterator<Item = &ClusterView> + Clone {
        self.clusters.iter().map(AsRef::as_ref)
    }

    /// What became of every document, by text; of a text of several clusters what it is in the
    /// first of them.
    #[must_use]
    pub fn documents(&self) -> BTreeMap<SourceId, Arc<[Document]>> {
        let mut documents = BTreeMap::new();
        let views = self.clusters.iter();
        for text in views.flat_map(|view| view.documents().texts()) {
            if let Some(first) = text.first() {
                let source = first.span.source;
                documents.entry(source).or_insert_with(|| Arc::clone(text));
            }
        }
        documents
    }

    /// What is wrong with the documents of all clusters, as they are deployed, each fault once.
    /// A build may make of a document what is right.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        let mut told = BTreeSet::new();
        let views = self.clusters.iter();
        views
            .flat_map(|view| &view.part.diagnostics)
            .filter(move |it| told.insert((it.primary.span, it.rule, it.message.as_str())))
    }

    /// The builds that kustomize would reject, unless the configuration says that this is no
    /// matter.
    pub fn broken_builds(&self) -> impl Iterator<Item = &Diagnostic> {
        let is_wanted = known_rules()
            .iter()
            .any(|rule| rule.name == BROKEN_BUILD && self.config.is_enabled(rule));
        let views = self.clusters.iter().filter(move |_| is_wanted);
        let mut told = BTreeSet::new();
        views
            .flat_map(|view| &view.part.diagnostics)
            .filter(|it| it.rule == BROKEN_BUILD && it.severity == Severity::Error)
            .filter(move |it| told.insert(it.primary.span))
    }

    /// What no cluster judges, all together.
    #[must_use]
    pub fn not_judged(&self) -> NotJudged {
        let views = self.clusters.iter();
        views.fold(NotJudged::default(), |all, view| all.and(&view.not_judged))
    }

    /// What the configuration names and the tree does not have: scopes without a file, and
    /// namespaces whose inventory is said to be complete. In words, not escaped.
    #[must_use]
    pub fn idle_settings(&self) -> Vec<String> {
        let mut idle = Vec::new();
        for (index, scope) in self.config.scopes.iter().enumerate() {
            if self
                .clusters
                .iter()
                .all(|view| view.part.scope != Some(index))
            {
                idle.push(format!("no file belongs to scope `{}`", scope.name));
            }
        }
        let mut unknown = BTreeSet::new();
        for view in &self.clusters {
            if let Inventory::CompleteIn(namespaces) = &view.settings.inventory {
                unknown.extend(namespaces.iter().map(String::as_str));
            }
        }
        for view in &self.clusters {
            unknown.retain(|name| view.cluster.namespace_by_name(name).is_none());
        }
        let namespaces = unknown.iter().map(|name| {
            format!("`inventory` names namespace `{name}`, which no manifest mentions")
        });
        idle.extend(namespaces);
        idle
    }

    /// Leaves only the cluster of this name.
    ///
    /// # Errors
    ///
    /// If there is none, with the names that there are.
    pub fn only(mut self, name: &str) -> Result<Self, Vec<String>> {
        let names = || self.clusters.iter().map(|view| view.name().to_owned());
        if !names().any(|known| known == name) {
            return Err(names().collect());
        }
        self.clusters.retain(|view| view.name() == name);
        Ok(self)
    }
}

impl ClusterView {
    fn new(mut part: Part, config: &Config) -> Self {
        let settings = match part.scope {
            Some(scope) => config.scopes[scope].settings.clone(),
            None => config.settings.clone(),
        };
        part.objects = as_taken(part.objects, &settings);
        let cluster = informed(Cluster::new(part.objects.clone()), &part, &settings);
        Self {
            not_judged: NotJudged::new(&part, &cluster),
            undecided: OnceLock::new(),
            implied: OnceLock::new(),
            endpoints: OnceLock::new(),
            cluster,
            settings,
            part,
        }
    }

    /// Its name among the clusters of the tree; empty if there is only one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.part.name
    }

    /// What it is made of.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// What became of the documents of its texts.
    #[must_use]
    pub fn documents(&self) -> &Documents {
        &self.part.documents
    }

    /// What is wrong with its texts.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.part.diagnostics
    }

    /// Whether Calico stages policies in it, be they taken to be live or not.
    #[must_use]
    pub fn has_staged_policies(&self) -> bool {
        let documents = self.part.documents.iter();
        let mut kinds = documents.map(|document| &document.kind);
        kinds.any(|kind| kind.starts_with("Staged"))
    }

    /// What is known of it beyond the manifests.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What belongs to it and has no say in any verdict.
    #[must_use]
    pub fn not_judged(&self) -> &NotJudged {
        &self.not_judged
    }

    /// The objects, joined, for verdicts: of an object that is defined twice, and not alike,
    /// nothing is taken for certain.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        if self.not_judged.defined_twice().is_empty() {
            return &self.cluster;
        }
        self.undecided.get_or_init(|| {
            informed(
                Cluster::undecided(&self.part.objects),
                &self.part,
                &self.settings,
            )
        })
    }

    /// Whether [`endpoints`](Self::endpoints) are another cluster than the usual one.
    #[must_use]
    pub fn has_endpoints(&self) -> bool {
        let cluster = self.cluster();
        let cni = cluster.enforcement().cni().map(|cni| cni.value);
        !cluster.represented().is_empty() && cni == Some(Cni::Cilium)
    }

    /// The same for questions about every single pod. Cilium gives each pod an identity of
    /// the labels that it has itself, so that a Pod or ReplicaSet of a dump is an end of its
    /// own there, whatever the template of its owner says.
    #[must_use]
    pub fn endpoints(&self) -> &Cluster {
        if !self.has_endpoints() {
            return self.cluster();
        }
        self.endpoints.get_or_init(|| {
            informed(
                Cluster::of_endpoints(&self.part.objects),
                &self.part,
                &self.settings,
            )
        })
    }

    /// The same with the pods of releases of charts, which are there though no manifest is.
    #[must_use]
    pub fn with_implied_pods(&self) -> &Cluster {
        let cluster = self.cluster();
        self.implied_pods().map_or(cluster, |pods| {
            self.implied.get_or_init(|| {
                let mut objects = self.part.objects.clone();
                objects.extend(pods);
                informed(Cluster::undecided(&objects), &self.part, &self.settings)
            })
        })
    }

    /// The objects, joined, of each the first definition.
    #[must_use]
    pub fn first_definitions(&self) -> &Cluster {
        &self.cluster
    }

    /// Which connections one workload may open to another, by their names as
    /// `namespace/Kind/name`; `None` if the cluster does not have both.
    #[must_use]
    pub fn reach(&self, from: &str, to: &str) -> Option<Verdict> {
        let cluster = self.cluster();
        let find = |name: &str| {
            let mut ids = cluster.workload_ids();
            ids.find(|id| cluster.workload_name(*id) == name)
        };
        let [from, to] =
            [find(from)?, find(to)?].map(|id| Endpoint::Pod(PodView::workload(cluster, id)));
        Some(explain(cluster, &from, &to).verdict)
    }

    /// The cluster that it would be with these objects instead.
    #[must_use]
    pub fn with_objects(&self, objects: Vec<Object>) -> Cluster {
        let objects = as_taken(objects, &self.settings);
        informed(Cluster::new(objects), &self.part, &self.settings)
    }

    /// The cluster for verdicts that it would be with these objects instead.
    #[must_use]
    pub fn hypothetical(&self, objects: &[Object]) -> Cluster {
        let objects = as_taken(objects.to_vec(), &self.settings);
        informed(Cluster::undecided(&objects), &self.part, &self.settings)
    }

    /// The cluster for verdicts that it would be with these objects as well.
    #[must_use]
    pub fn with_more(&self, more: &[Object]) -> Cluster {
        let objects = [&self.part.objects[..], more].concat();
        match self.not_judged.defined_twice().is_empty() {
            true => self.with_objects(objects),
            false => self.hypothetical(&objects),
        }
    }

    /// Whether there is no object that npcheck could say anything about.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let mut documents = self.part.documents.iter();
        !documents
            .any(|document| matches!(document.outcome, Outcome::Object | Outcome::PluginPolicy))
    }
}

/// The objects as the API server of the cluster takes them, if its version is known; what is
/// staged gone live, if that is asked for.
fn as_taken(objects: Vec<Object>, settings: &Settings) -> Vec<Object> {
    let objects = match settings.staged_policies {
        StagedPolicies::Staged => objects,
        StagedPolicies::Live => staged::gone_live(objects),
    };
    match settings.kubernetes {
        None => objects,
        Some(version) => {
            let taken = objects.into_iter().map(|object| object.taken_by(version));
            taken.collect()
        }
    }
}

/// What is known of a cluster beyond its objects goes to it here, and nowhere else.
fn informed(cluster: Cluster, part: &Part, settings: &Settings) -> Cluster {
    let mut cluster = cluster
        .with_enforcement(&settings.enforcement())
        .with_unknown_parts(part.unknown_parts())
        .with_built_together(Arc::clone(&part.built_together))
        .with_undeployed(Arc::clone(&part.undeployed));
    if !settings.distributions.is_empty() {
        let by = "the configuration";
        cluster.set_platform(Platform::named(&settings.distributions, by));
    }
    cluster
}

#[cfg(test)]
mod tests;
