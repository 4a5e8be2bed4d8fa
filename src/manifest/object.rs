//! Which objects a document holds: lists and templates unwrapped, each object sent to
//! the reader of its kind.
//!
//! Refuses to know what is in an object of any kind, and how text becomes nodes.

use super::identity;
use super::read_as::ReadAs;
use super::{
    Focus, Parsed, calico, cilium, cluster_network_policy, context_object, duplicate_key, meta,
    network_policy, plugin_policy, service, workload,
};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{Document, Object, Opacity, Outcome, PluginKind, PluginResource, PolicyScope};
use crate::source::{Span, Spanned};
use crate::yaml::tree::{Node, Tree};
use std::sync::Arc;

/// Reads all objects of a document into `parsed`; of a list those that matter to the focus.
pub(super) fn read(tree: &Tree<'_>, document: Span, focus: &Focus, parsed: &mut Parsed) {
    let first = parsed.documents.len();
    let mut reader = Reader {
        tree,
        focus,
        parsed,
    };
    match tree.root() {
        Some(root) if !root.is_null() => reader.root(root, document),
        _ => reader.document(document, Outcome::Empty),
    }
    assign_comments(tree.text, tree.comments(), &mut parsed.documents[first..]);
}

/// Reads all objects of a sequence that is a part of a list's items, but for its comments;
/// `None` if not all of them are objects.
pub(super) fn read_items(
    tree: &Tree<'_>,
    list: List<'_>,
    focus: &Focus,
    parsed: &mut Parsed,
) -> Option<()> {
    let items = tree.root().filter(|root| root.is_sequence())?.items();
    let mut reader = Reader {
        tree,
        focus,
        parsed,
    };
    for item in items {
        item.get("kind").and_then(spanned_text)?;
        item.get("apiVersion").and_then(spanned_text)?;
        reader.value(item, item.written_span(), Some(list));
    }
    Some(())
}

/// The list that an object is an item of.
#[derive(Clone, Copy)]
pub(super) struct List<'t> {
    /// The kind of an item that says neither `kind` nor `apiVersion`.
    pub(super) item_kind: Spanned<&'t str>,
    /// Its `apiVersion`.
    pub(super) api_version: Option<Spanned<&'t str>>,
}

/// What an object says it is.
#[derive(Clone, Copy)]
pub(super) struct Identity<'t> {
    /// `kind`.
    pub(super) kind: &'t str,
    /// `apiVersion`.
    pub(super) api_version: Spanned<&'t str>,
}

impl<'t> Identity<'t> {
    /// The API group, empty for the core group.
    pub(super) fn group(&self) -> &'t str {
        self.api_version
            .value
            .split_once('/')
            .map_or("", |(group, _)| group)
    }
}

/// The version of the API that has policies.
const NETWORKING: &str = "networking.k8s.io/v1";

struct Reader<'t, 'p> {
    tree: &'t Tree<'t>,
    focus: &'p Focus,
    parsed: &'p mut Parsed,
}

impl<'t> Reader<'t, '_> {
    /// Reads the value of a document. `span` is the text that it is reported with.
    fn root(&mut self, node: Node<'t>, span: Span) {
        let is_object =
            |item: Node<'_>| item.get("apiVersion").is_some() && item.get("kind").is_some();
        if !node.is_sequence() {
            return self.value(node, span, None);
        }
        if !node.items().any(is_object) {
            return self.named(node, span, "", Outcome::NotKubernetes);
        }
        let start = Span::new(span.source, node.span().start, node.span().start + 1);
        let message = "a Kubernetes document cannot be a list";
        let diagnostic = super::invalid_value(start, message).label("kubectl rejects it");
        let help =
            "write a document for each object, or put them into the `items` of a `kind: List`";
        self.parsed.diagnostics.push(diagnostic.help(help));
        self.named(node, span, "", Outcome::Broken);
    }

    /// Reads a value that may be an object, a list of objects, or something else.
    fn value(&mut self, node: Node<'t>, span: Span, list: Option<List<'t>>) {
        let text = |name: &str| node.get(name).and_then(spanned_text);
        let (kind, api_version) = match (text("kind"), text("apiVersion"), list) {
            // Both or none (`decodeToList` in apimachinery's `unstructured/helpers.go`).
            (None, None, Some(list)) => (Some(list.item_kind), list.api_version),
            (kind, api_version, _) => (kind, api_version),
        };
        if self.unwrap(node, span, kind, api_version, list.is_some()) {
            return;
        }
        let (Some(kind), Some(api_version)) = (kind, api_version) else {
            self.other(node, span, kind);
            return;
        };
        let is_template = [kind.value, api_version.value]
            .iter()
            .any(|text| is_template(text));
        if is_template {
            self.named(node, span, kind.value, Outcome::Opaque(Opacity::Template));
            return;
        }
        let identity = Identity {
            kind: kind.value,
            api_version,
        };
        let focus = list.map_or(Focus::EVERYTHING, |_| self.focus);
        self.object(node, span, identity, focus);
    }

    /// Reads the items of a list or of an OpenShift template; returns whether it is one.
    ///
    /// To kubectl, `items` makes a list of an object of any kind, and nothing else of it
    /// is applied (`unstructuredJSONScheme` in apimachinery's `unstructured/helpers.go`).
    fn unwrap(
        &mut self,
        node: Node<'t>,
        span: Span,
        kind: Option<Spanned<&'t str>>,
        api_version: Option<Spanned<&'t str>>,
        is_item: bool,
    ) -> bool {
        let Some(kind) = kind else { return false };
        let is_template = kind.value == "Template"
            && api_version.is_some_and(|version| {
                version.value == "v1" || version.value.starts_with("template.openshift.io/")
            });
        if let Some(objects) = node.get("objects").filter(|_| is_template) {
            for object in objects.items() {
                self.value(object, object.written_span(), None);
            }
            return objects.is_sequence();
        }
        let Some(items) = node.entry("items") else {
            return false;
        };
        let items = items.value;
        let is_scalar = |item: Node<'_>| !item.is_mapping() && !item.is_null();
        // kubectl refuses the one as well as the other; but tools that collect answers of an
        // API server do write typed lists into a list (S3).
        let is_typed_item = is_item && kind.value.len() > "List".len();
        // A version that cannot be parsed leaves the list without a kind (`GroupVersionKind`).
        let is_version = api_version.is_none_or(|version| version.value.matches('/').count() < 2);
        let fault = match items.is_sequence() {
            _ if !is_version && !is_item => Some((
                items,
                "the `apiVersion` of this list is not a valid version",
            )),
            true if is_typed_item && kind.value.ends_with("List") => {
                let message = format!("`{}` is an item of a list", kind.value);
                let warning = super::invalid_value(first_line(items), message)
                    .label("kubectl rejects such a list: apply its items by themselves")
                    .with_severity(Severity::Warning);
                self.parsed.diagnostics.push(warning);
                None
            }
            true if is_item => Some((items, "a list cannot be an item of a list")),
            _ if is_item => return false,
            true => items
                .items()
                .find(|item| is_scalar(*item))
                .map(|item| (item, "an item of a list must be an object")),
            false if items.is_null() => None,
            false => Some((items, "`items` must be a list")),
        };
        if let Some((at, message)) = fault {
            let diagnostic = super::invalid_value(first_line(at), message);
            let diagnostic = diagnostic.label("kubectl rejects the list and everything in it");
            self.parsed.diagnostics.push(diagnostic);
            self.named(node, span, kind.value, Outcome::Broken);
            return true;
        }
        self.report_dropped(node, kind.value);
        let list = List {
            item_kind: Spanned::new(
                kind.value.strip_suffix("List").unwrap_or(kind.value),
                kind.span,
            ),
            api_version,
        };
        if items.items().next().is_none() {
            self.named(node, span, kind.value, Outcome::OtherKind);
        }
        for item in items.items() {
            self.value(item, item.written_span(), Some(list));
        }
        true
    }

    /// Says what of an object is not applied because `items` makes a list of it.
    fn report_dropped(&mut self, node: Node<'t>, kind: &str) {
        let Some(dropped) = node.entry("spec").or_else(|| node.entry("data")) else {
            return;
        };
        let Some(items) = node.entry("items") else {
            return;
        };
        let message = format!("only the `items` of this `{kind}` are applied");
        let diagnostic = Diagnostic::new(
            "ignored-text",
            Severity::Warning,
            dropped.key.span(),
            message,
        );
        let diagnostic = diagnostic
            .label("is ignored")
            .related(
                items.key.span(),
                "kubectl takes an object with this field for a list",
            )
            .help("turn the items into documents of their own, or remove `items`");
        self.parsed.diagnostics.push(diagnostic);
    }

    /// Notes a value that is no object.
    fn other(&mut self, node: Node<'t>, span: Span, kind: Option<Spanned<&'t str>>) {
        let is_policy = kind.is_some_and(|kind| kind.value.ends_with("NetworkPolicy"));
        if kind.is_none() && node.get("apiVersion").and_then(Node::as_str) == Some(NETWORKING) {
            let version = node.get("apiVersion").unwrap_or(node);
            let diagnostic = super::invalid_value(version.span(), "this object has no `kind`");
            let help = "write `kind: NetworkPolicy` if that is meant";
            self.parsed.diagnostics.push(diagnostic.help(help));
            return self.named(node, span, "", Outcome::Broken);
        }
        // The same of what can be nothing but an object of Kubernetes' own.
        let version = node.get("apiVersion").and_then(Node::as_str);
        let is_own = matches!(version, Some("v1" | "apps/v1" | "batch/v1"));
        let has = |name: &str| node.get(name).is_some_and(Node::is_mapping);
        if kind.is_none()
            && node.entry("kind").is_none()
            && is_own
            && has("metadata")
            && has("spec")
        {
            let version = node.get("apiVersion").unwrap_or(node);
            let diagnostic = super::invalid_value(version.span(), "this object has no `kind`");
            let help = "write its `kind`; the API server does not guess it";
            self.parsed.diagnostics.push(diagnostic.help(help));
            return self.named(node, span, "", Outcome::Broken);
        }
        if let Some(kind) = kind.filter(|_| is_policy && node.get("spec").is_some()) {
            let message = format!(
                "this `{}` has no `apiVersion`, so no tool can know it",
                kind.value
            );
            let help = "start it with `apiVersion: networking.k8s.io/v1`";
            let diagnostic = super::invalid_value(kind.span, message).label("of which API group?");
            self.parsed.diagnostics.push(diagnostic.help(help));
            return self.named(node, span, kind.value, Outcome::Broken);
        }
        if let Some(object) = context_object::read_kindless(node).filter(|_| kind.is_none()) {
            self.named(node, span, "", Outcome::ContextObject);
            self.parsed.objects.push(Object::ContextObject(object));
            return;
        }
        let is_encrypted = node.get("sops").is_some_and(Node::is_mapping);
        let outcome = if is_encrypted {
            Outcome::Opaque(Opacity::Sops)
        } else {
            Outcome::NotKubernetes
        };
        self.named(node, span, kind.map_or("", |kind| kind.value), outcome);
    }

    /// Reads an object by its kind.
    fn object(&mut self, node: Node<'t>, span: Span, identity: Identity<'t>, focus: &Focus) {
        let meant = || {
            let is_misplaced = identity::is_closed(identity.group());
            PluginKind::meant(identity.kind).filter(|_| is_misplaced)
        };
        let kind = PluginKind::find(identity.group(), identity.kind).or_else(meant);
        if let Some(kind) = kind.filter(|kind| plugin_policy::is_policy(node, kind)) {
            return self.plugin_policy(node, span, identity, kind);
        }
        if self.plugin_resource(node, span, identity).is_some() {
            return;
        }
        let reader = ReadAs::of(&identity);
        let Some(reader) = reader.filter(|reader| !reader.borrows_pods(node)) else {
            return self.context_object(node, span, identity, focus);
        };
        if let Some(opacity) = opacity(node) {
            return self.named(node, span, identity.kind, Outcome::Opaque(opacity));
        }
        self.named(node, span, identity.kind, Outcome::Object);
        if reader.is_of_own_namespace() && self.leaves_out(focus) {
            return;
        }
        let diagnostics = &mut self.parsed.diagnostics;
        let object = display(node, identity.kind, reader.is_namespaced());
        duplicate_key::report(self.tree, node, &object, diagnostics);
        let mut meta = meta::read(node, identity.api_version, &object, diagnostics);
        if !matches!(
            reader,
            ReadAs::NetworkPolicy | ReadAs::ClusterNetworkPolicy(_)
        ) {
            meta.is_accepted &= meta::check_names(node, &object, diagnostics);
            let kind = identity.kind;
            let is_there = identity::check_group(node, &meta, kind, &object, diagnostics);
            meta.is_accepted &= is_there;
        }
        self.parsed.objects.push(match reader {
            ReadAs::Workload(kind) => Object::Workload(Arc::new(workload::read(
                node,
                meta,
                kind,
                &object,
                diagnostics,
            ))),
            ReadAs::Namespace => Object::Namespace(Arc::new(crate::k8s::Namespace { meta })),
            ReadAs::Node => Object::Node(Arc::new(service::read_node(
                node,
                meta,
                &object,
                diagnostics,
            ))),
            ReadAs::Service => {
                Object::Service(Arc::new(service::read(node, meta, &object, diagnostics)))
            }
            ReadAs::NetworkPolicy => Object::NetworkPolicy(Arc::new(network_policy::read(
                node,
                identity.kind,
                meta,
                diagnostics,
            ))),
            ReadAs::ClusterNetworkPolicy(kind) => Object::ClusterNetworkPolicy(Arc::new(
                cluster_network_policy::read(node, kind, meta, diagnostics),
            )),
        });
    }

    /// Reads an object beside the network, or of a kind that npcheck knows nothing of.
    fn context_object(
        &mut self,
        node: Node<'t>,
        span: Span,
        identity: Identity<'t>,
        focus: &Focus,
    ) {
        self.named(node, span, identity.kind, Outcome::OtherKind);
        if context_object::is_data(node, &identity) && self.leaves_out(focus) {
            return;
        }
        let read = context_object::read(node, &identity).filter(|_| opacity(node).is_none());
        if let (Some(_), Some(document)) = (&read, self.parsed.documents.last_mut()) {
            document.outcome = Outcome::ContextObject;
        }
        let object = read.or_else(|| context_object::read_custom(node, &identity));
        let object = object.map(Object::ContextObject);
        self.parsed.objects.extend(object);
    }

    /// Whether the object of the last document is left out.
    fn leaves_out(&mut self, focus: &Focus) -> bool {
        let mut last = self.parsed.documents.last().into_iter();
        let is_left_out = last.any(|document| focus.leaves_out(document));
        self.parsed.left_out += usize::from(is_left_out);
        is_left_out
    }

    /// Reads a policy that only some CNI plugin or service mesh knows.
    fn plugin_policy(
        &mut self,
        node: Node<'t>,
        span: Span,
        identity: Identity<'t>,
        kind: &'static PluginKind,
    ) {
        if let Some(opacity) = opacity(node) {
            return self.named(node, span, identity.kind, Outcome::Opaque(opacity));
        }
        self.named(node, span, identity.kind, Outcome::PluginPolicy);
        let diagnostics = &mut self.parsed.diagnostics;
        let mut ignored = Vec::new();
        let found = if kind.is_read_whole() || kind.is_network() {
            diagnostics
        } else {
            &mut ignored
        };
        let object = display(node, kind.name, kind.scope != PolicyScope::Cluster);
        duplicate_key::report(self.tree, node, &object, found);
        let meta = meta::read(node, identity.api_version, &object, found);
        let policy = plugin_policy::read(node, meta, kind, object, found);
        let object = Object::PluginPolicy(Arc::new(policy));
        self.parsed.objects.push(object);
    }

    /// Reads an object that policies of a CNI plugin refer to, if it is one.
    fn plugin_resource(
        &mut self,
        node: Node<'t>,
        span: Span,
        identity: Identity<'t>,
    ) -> Option<()> {
        let is_calico = matches!(
            identity.group(),
            "projectcalico.org" | "crd.projectcalico.org"
        );
        let (is_known, is_namespaced) = match identity.kind {
            "CiliumCIDRGroup" => (identity.group() == "cilium.io", false),
            "Tier" | "GlobalNetworkSet" => (is_calico, false),
            "NetworkSet" => (is_calico, true),
            _ => return None,
        };
        if !is_known {
            return None;
        }
        if let Some(opacity) = opacity(node) {
            self.named(node, span, identity.kind, Outcome::Opaque(opacity));
            return Some(());
        }
        self.named(node, span, identity.kind, Outcome::PluginResource);
        let diagnostics = &mut self.parsed.diagnostics;
        let object = display(node, identity.kind, is_namespaced);
        duplicate_key::report(self.tree, node, &object, diagnostics);
        let meta = meta::read(node, identity.api_version, &object, diagnostics);
        let resource = match identity.kind {
            "CiliumCIDRGroup" => {
                PluginResource::CidrGroup(cilium::read_cidr_group(node, meta, diagnostics))
            }
            "Tier" => PluginResource::Tier(calico::read_tier(node, meta, diagnostics)),
            _ => {
                let set = calico::read_network_set(node, meta, !is_namespaced, diagnostics);
                PluginResource::NetworkSet(set)
            }
        };
        let object = Object::PluginResource(Arc::new(resource));
        self.parsed.objects.push(object);
        Some(())
    }

    fn named(&mut self, node: Node<'t>, span: Span, kind: &str, outcome: Outcome) {
        self.document(span, outcome);
        let document = self.parsed.documents.last_mut().expect("it was just added");
        let metadata = node.get("metadata");
        let text = |name: &str| metadata?.find(&[name])?.text();
        let name = text("name").or_else(|| text("generateName"));
        document.kind = node.share(kind);
        document.namespace = node.share(text("namespace").unwrap_or_default());
        document.name = node.share(name.unwrap_or_default());
    }

    fn document(&mut self, span: Span, outcome: Outcome) {
        self.parsed.documents.push(super::nameless(span, outcome));
    }
}

/// Why an object of a kind that npcheck reads cannot be judged before another tool has
/// worked on it. A name that is filled in later is no reason, a template is one: it may
/// make any number of objects.
fn opacity(node: Node<'_>) -> Option<Opacity> {
    if node.get("sops").is_some_and(Node::is_mapping) {
        return Some(Opacity::Sops);
    }
    let metadata = node.get("metadata")?;
    let names = ["name", "generateName", "namespace"].into_iter();
    for name in names.filter_map(|name| metadata.find(&[name])?.text()) {
        if is_template(name) {
            return Some(Opacity::Template);
        }
        if name.starts_with("ENC[AES256_GCM") {
            return Some(Opacity::Sops);
        }
    }
    None
}

/// Whether a text is made by a template language; `${{PARAM}}` is OpenShift's.
fn is_template(text: &str) -> bool {
    text.match_indices("{{")
        .any(|(at, _)| !text[..at].ends_with('$'))
}

/// The object as diagnostics name it: `namespace/Kind/name`, or `Kind/name`.
fn display(node: Node<'_>, kind: &str, is_namespaced: bool) -> String {
    let metadata = node.get("metadata");
    let text = |name: &str| metadata?.find(&[name])?.text();
    let name = text("name")
        .or_else(|| text("generateName"))
        .unwrap_or_default();
    match text("namespace").filter(|namespace| !namespace.is_empty()) {
        _ if !is_namespaced => format!("{kind}/{name}"),
        Some(namespace) => format!("{namespace}/{kind}/{name}"),
        None => format!("default/{kind}/{name}"),
    }
}

/// The first line of a value: where it begins.
fn first_line(node: Node<'_>) -> Span {
    let span = node.written_span();
    let line = node
        .source_text()
        .get(span.range())
        .and_then(|text| text.lines().next());
    let length = line.map_or(0, str::len) as u32;
    Span::new(span.source, span.start, span.start + length)
}

fn spanned_text(node: Node<'_>) -> Option<Spanned<&str>> {
    let text = node.as_str().filter(|text| !text.is_empty())?;
    Some(Spanned::new(text, node.span()))
}

/// Gives every document the comments that stand in it, above it, or behind it on its
/// last line; the last one gets the rest.
pub(super) fn assign_comments(text: &str, comments: &[Span], documents: &mut [Document]) {
    let mut comments = comments;
    let Some((last, others)) = documents.split_last_mut() else {
        return;
    };
    let mut end = 0;
    for document in others {
        // Thousands of items may stand on one line.
        if document.span.end > end {
            end = document.span.end + rest_of_line(text, document.span.end);
        }
        let own = comments.iter().take_while(|comment| comment.start < end);
        let (own, rest) = comments.split_at(own.count());
        document.comments = shared(own);
        comments = rest;
    }
    last.comments = shared(comments);
}

/// Most documents have none, which takes no memory.
fn shared(comments: &[Span]) -> Arc<[Span]> {
    match comments {
        [] => Arc::default(),
        some => some.into(),
    }
}

fn rest_of_line(text: &str, from: u32) -> u32 {
    let rest = &text.as_bytes()[from as usize..];
    memchr::memchr(b'\n', rest).unwrap_or(rest.len()) as u32
}
