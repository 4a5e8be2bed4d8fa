//! The configuration that a command runs with: named on the command line, found in the
//! current directory or above it, or none.
//!
//! Refuses to know what its keys mean.

use super::complete;
use super::terminal::Terminal;
use crate::config::{self, Config, FILE_NAME, FILE_NAMES, Rendering};
use crate::lint::{Cni, Inventory, StagedPolicies};
use crate::load::{OwnFile, Tree};
use crate::source::{SourceId, SourceMap};
use crate::workspace::{PathOf, known_rules};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Where the configuration comes from.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is known of the cluster")]
pub(super) struct ConfigurationOptions {
    /// The configuration file; by default the nearest npcheck.yaml, here or in a directory above
    #[arg(long, value_name = "FILE", conflicts_with = "no_config", value_hint = clap::ValueHint::FilePath)]
    pub(super) config: Option<PathBuf>,
    /// Ignore npcheck.yaml
    #[arg(long)]
    no_config: bool,
}

/// Which clusters are looked at, and what is known of them: the same for every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is known of the cluster")]
pub(super) struct ClusterOptions {
    #[command(flatten)]
    pub(super) configuration: ConfigurationOptions,
    /// Look at one cluster of a tree that holds several: a scope of the configuration, or a
    /// directory
    #[arg(long, value_name = "NAME", add = complete::clusters())]
    pub(super) cluster: Option<String>,
    /// The CNI plugin of the cluster: calico, cilium, ovn-kubernetes, ...
    #[arg(long, value_name = "PLUGIN", value_parser = config::cni, add = complete::plugins())]
    cni: Option<Cni>,
    /// What is built before it is judged
    #[arg(
        long,
        value_name = "MODE",
        default_value = "auto",
        help_heading = "What is built"
    )]
    render: Render,
    /// Run helm for the charts in the tree: `--render helm`
    #[arg(long, conflicts_with = "render", help_heading = "What is built")]
    helm: bool,
    /// The manifests hold every pod and namespace of the cluster: what is not there does not
    /// exist
    #[arg(long)]
    pub(super) complete: bool,
}

/// What is built before it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Render {
    /// Kustomizations, and what Flux and Argo CD make of them; no program is run
    Auto,
    /// Nothing: the files count as they stand
    Off,
    /// What `auto` builds, and charts that lie in the tree: helm is run
    Helm,
}

/// Why a command that looks at what git has does not run helm.
pub(super) const HELM_READS_THE_DISK: &str =
    "helm renders the files on the disk, and not what git has";

impl ClusterOptions {
    /// What is to be built.
    pub(super) fn rendering(&self) -> Rendering {
        match self.render {
            _ if self.helm => Rendering::Helm,
            Render::Auto => Rendering::Auto,
            Render::Off => Rendering::Off,
            Render::Helm => Rendering::Helm,
        }
    }
}

/// What becomes of Calico's staged policies.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct StagedOptions {
    /// Treat Calico's staged policies as live, in place of the policies that they replace
    #[arg(long, help_heading = "What is known of the cluster")]
    pub(super) staged_policies: bool,
}

impl StagedOptions {
    fn policies(self) -> StagedPolicies {
        match self.staged_policies {
            true => StagedPolicies::Live,
            false => StagedPolicies::Staged,
        }
    }
}

/// A configuration, and the file that it was read from.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    pub(super) config: Config,
    pub(super) file: Option<OwnFile>,
}

/// The configuration cannot be used; it was said why.
pub(super) struct Unusable;

impl Configuration {
    /// Reads the configuration on the disk, and complains if that cannot be done.
    pub(super) fn load(
        options: &ClusterOptions,
        terminal: &mut Terminal,
    ) -> Result<Self, Unusable> {
        Self::of(options, &Tree::Disk, terminal)
    }

    /// Reads the configuration in a tree, and complains if that cannot be done. What the
    /// command line says goes before the file.
    pub(super) fn of(
        options: &ClusterOptions,
        tree: &Tree<'_>,
        terminal: &mut Terminal,
    ) -> Result<Self, Unusable> {
        let mut configuration = Self::file(&options.configuration, tree, terminal)?;
        configuration.config.rendering = options.rendering();
        for settings in configuration.config.all_settings_mut() {
            if options.complete {
                settings.inventory = Inventory::Complete;
            }
            settings.cni = options.cni.or(settings.cni);
        }
        Ok(configuration)
    }

    /// The same with staged policies that are taken to be live, if the options say so.
    pub(super) fn with_staged(mut self, options: StagedOptions) -> Self {
        for settings in self.config.all_settings_mut() {
            settings.staged_policies = options.policies();
        }
        self
    }

    /// What the file says, if there is one.
    pub(super) fn file(
        options: &ConfigurationOptions,
        tree: &Tree<'_>,
        terminal: &mut Terminal,
    ) -> Result<Self, Unusable> {
        let found = match &options.config {
            _ if options.no_config => Ok(None),
            Some(path) => tree.read(path).map(Some),
            None => tree.find_one_of(&FILE_NAMES),
        };
        let named = options.config.as_ref().map_or_else(
            || FILE_NAME.to_owned(),
            |path| path.to_string_lossy().into_owned(),
        );
        let file = found.map_err(|error| {
            terminal.complain(&named, &format!("cannot be read: {error}"));
            Unusable
        })?;
        let Some(file) = file else {
            return Ok(Self::default());
        };
        let config = Config::read(&file.text, &known_rules()).map_err(|error| {
            let place = error
                .place
                .map_or(String::new(), |(line, column)| format!(":{line}:{column}"));
            let help = error.help.map_or(String::new(), |help| format!("; {help}"));
            terminal.complain(
                &format!("{}{place}", file.name),
                &format!("{}{help}", error.message),
            );
            Unusable
        })?;
        Ok(Self {
            config,
            file: Some(file),
        })
    }

    /// The text of the configuration among others: where it is one of the files that were
    /// read, that one.
    pub(super) fn source(&self, sources: &mut SourceMap) -> Option<SourceId> {
        let file = self.file.as_ref()?;
        let plain = |name: &str| name.strip_prefix("./").unwrap_or(name).to_owned();
        let known = sources.ids().find(|id| {
            let source = sources.get(*id);
            plain(source.name()) == plain(&file.name) && source.text() == file.text
        });
        Some(known.unwrap_or_else(|| sources.add(&*file.name, &*file.text)))
    }

    /// The names of texts as the configuration's patterns see them.
    pub(super) fn path_of(&self) -> PathOf {
        match self.file.clone() {
            Some(file) => PathOf::new(move |name| file.relative(name)),
            None => PathOf::default(),
        }
    }
}
