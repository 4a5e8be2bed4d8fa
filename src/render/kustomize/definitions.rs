//! Which definitions of the API hold while a build goes on: those of the first kustomization that
//! names some in `openapi`. They take the place of Kubernetes' own unless those were wanted
//! before (kyaml, `openapi.SetSchema` and `initSchema`).
//!
//! Refuses to know what the definitions say.

use super::fault::Fault;
use super::file::Kustomization;
use super::merge_keys::{Definitions, Schema};
use super::remote::is_remote;
use crate::render::library::Library;
use crate::render::object_id::Gvk;
use crate::yaml::Node;
use std::cell::RefCell;

/// The version of Kubernetes' API that kustomize has built in (`kyaml/openapi/kubernetesapi`).
const VERSION: &str = "v1.21.2";

/// The definitions of a build.
#[derive(Debug, Default)]
pub(super) struct Defined<'t>(RefCell<State<'t>>);

#[derive(Clone, Copy, Debug, Default)]
struct State<'t> {
    /// Whether a kustomization said which ones hold.
    is_set: bool,
    /// Those that it named.
    named: Option<Node<'t>>,
    /// Whether those that hold were read.
    is_read: bool,
    /// Whether Kubernetes' own are among them.
    has_own: bool,
    /// Those that were named, once they were read.
    read: Option<Node<'t>>,
}

impl<'t> Defined<'t> {
    /// Comes to a kustomization; returns what is wrong with those that it names.
    pub(super) fn enter(
        &self,
        library: &'t Library<'_>,
        kustomization: &Kustomization<'t>,
    ) -> Option<Fault> {
        let openapi = kustomization.get("openapi")?;
        let (path, version) = (openapi.get("path"), openapi.get("version"));
        let span = path.as_ref().or(version.as_ref())?.span();
        let wrong = |message: String| Some(Fault::error(span, message));
        let text = path.as_ref().and_then(|path| path.text());
        let full = text.map(|text| kustomization.path(text));
        if let (Some(text), Some(full)) = (text, &full)
            && library.source(full).is_none()
        {
            return match is_remote(text) {
                true => None,
                false => wrong(format!("there is no file `{text}`")),
            };
        }
        let mut state = self.0.borrow_mut();
        if state.is_set {
            return None;
        }
        match (full, version) {
            (Some(_), Some(_)) => {
                wrong("`openapi` takes a path or a version, and this has both".to_owned())
            }
            (Some(full), None) => {
                let document = library.documents(&full)?.ok()?.first()?;
                state.named = document.root();
                state.is_set = true;
                state.is_read = false;
                None
            }
            (None, Some(version)) if version.text() == Some(VERSION) => {
                state.is_set = true;
                state.is_read = false;
                None
            }
            (None, Some(version)) if version.text() != Some("") => {
                wrong(format!("kustomize knows the API of {VERSION} only"))
            }
            _ => None,
        }
    }

    /// Meets an object: whether it has a namespace is looked up where kustomize does not know.
    pub(super) fn meet(&self, gvk: &Gvk) {
        if Schema::of(gvk, None).is_some() {
            return;
        }
        let mut state = self.0.borrow_mut();
        match (state.is_read, state.named) {
            (true, _) => {}
            (false, Some(_)) => state.read(),
            // They will be read with the others.
            (false, None) => state.has_own = true,
        }
    }

    /// Those that hold for a patch.
    pub(super) fn for_patch(&self) -> Option<Definitions<'t>> {
        let mut state = self.0.borrow_mut();
        state.read();
        let document = state.read?;
        Some(Definitions::of(document, !state.has_own))
    }
}

impl State<'_> {
    fn read(&mut self) {
        if !std::mem::replace(&mut self.is_read, true) {
            match self.named {
                Some(_) => self.read = self.named,
                None => self.has_own = true,
            }
        }
    }
}
