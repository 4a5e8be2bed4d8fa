//! Policies whose indentation was lost, as happens to text that is copied from a web
//! page. To a parser they may be legal, and mean nothing.
//!
//! Refuses to know how indentation is found again; it decides that it is lost, and says
//! what it was.

use super::fields::{self, Shape};
use super::meta;
use super::network_policy;
use super::plugin_policy;
use super::reflow::{self, Blanks, Layout, Refusal};
use super::structure::Structure;
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{ClusterPolicyKind, PluginKind};
use crate::source::{Edit, Span};
use crate::yaml::general;
use crate::yaml::tree::{Node, Tree};

/// The fields that a policy has in and below `spec` and nowhere else, so that they stand
/// at the top only when indentation was lost.
struct Inner {
    /// Those of `spec` itself.
    of_spec: Vec<&'static str>,
    /// All of them.
    all: Vec<&'static str>,
}

impl Inner {
    fn of(policy: &'static Shape) -> Self {
        let spec = policy
            .field("spec")
            .and_then(|(_, field_type)| field_type.shape());
        let outer: Vec<&str> = policy.names().chain(fields::METADATA.names()).collect();
        let of_spec: Vec<&str> = spec.into_iter().flat_map(Shape::names).collect();
        let all = spec
            .into_iter()
            .flat_map(Shape::within)
            .flat_map(Shape::names);
        Self {
            all: all.filter(|name| !outer.contains(name)).collect(),
            of_spec,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.all.contains(&name)
    }
}

/// The finding about a document whose indentation was lost. `text` is the whole text of
/// the source, `document` the part that the document takes, `tree` what it was read as,
/// if it could be read.
///
/// It is the one finding about the document: whatever else is wrong follows from it.
pub(super) fn detect(text: &str, document: Span, tree: Option<&Tree<'_>>) -> Option<Diagnostic> {
    let lines = Lines::of(text, document);
    let Some(tree) = tree else {
        let shape = shape_of(lines.value_of("apiVersion")?, lines.value_of("kind")?)?;
        let is_flat = lines.are_flat(&Inner::of(shape));
        return is_flat.then(|| diagnostic(&lines, shape, None, lines.layouts(shape)));
    };
    let root = tree.root()?;
    // Labels may stand beside the fields, and be called like them: the first one counts.
    let is_ambiguous = !tree.duplicate_keys_in(root).is_empty();
    let text = |name: &str| match is_ambiguous {
        true => lines.value_of(name),
        false => root.get(name).and_then(Node::as_str),
    };
    let shape = shape_of(text("apiVersion")?, text("kind")?)?;
    let inner = Inner::of(shape);
    if is_flat_tree(root, &inner) {
        return Some(diagnostic(&lines, shape, Some(root), lines.layouts(shape)));
    }
    if !is_hollow(root) || !lines.are_in_one_column() || !is_misread(root, shape, &inner) {
        return None;
    }
    // Only the way back shows that indentation is what is missing.
    let layouts = lines
        .layouts(shape)
        .ok()
        .filter(|layouts| !layouts.is_empty())?;
    Some(diagnostic(&lines, shape, Some(root), Ok(layouts)))
}

/// The fields of a policy of this kind, whoever enforces it; `None` if it is no policy that is read
/// field by field.
fn shape_of(api_version: &str, kind: &str) -> Option<&'static Shape> {
    match api_version.split_once('/')?.0 {
        "networking.k8s.io" | "extensions" | "policy.networking.k8s.io" => fields::policy(kind),
        group => plugin_policy::shape(PluginKind::find(group, kind)?),
    }
}

/// Whether fields of `spec` stand beside an empty `spec`.
fn is_flat_tree(root: Node<'_>, inner: &Inner) -> bool {
    root.get("spec").is_some_and(Node::is_null)
        && root.entries().any(|entry| inner.has(&entry.key.key_text()))
}

/// Whether something in `spec` has no value, as if what belongs to it were elsewhere.
fn is_hollow(root: Node<'_>) -> bool {
    let has_null = |node: Node<'_>| node.entries().any(|entry| entry.value.is_null());
    root.find(&["spec"]).is_some_and(|spec| {
        has_null(spec)
            || spec
                .entries()
                .any(|entry| entry.value.items().any(has_null))
    })
}

/// Whether there are keys in the wrong place; one alone is just misplaced.
fn is_misread(root: Node<'_>, shape: &'static Shape, inner: &Inner) -> bool {
    let unknown = Structure::of(root, shape).unknown;
    unknown.len() > 1
        && unknown
            .iter()
            .any(|field| inner.has(&field.entry.key.key_text()))
}

/// The lines of one document.
struct Lines<'t> {
    text: &'t str,
    /// From the start of the document's first line to its end.
    span: Span,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str, document: Span) -> Self {
        let start = text[..document.start as usize]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let span = Span {
            start: start as u32,
            ..document
        };
        Self {
            text: &text[span.range()],
            span,
        }
    }

    /// The lines that are neither blank nor comments, with their column.
    fn content(&self) -> impl Iterator<Item = (usize, &'t str)> {
        self.text.lines().filter_map(|line| {
            let content = line.trim();
            let is_content = !content.is_empty() && !content.starts_with('#');
            is_content.then(|| (line.len() - line.trim_start().len(), content))
        })
    }

    /// The text of a scalar field at the top.
    fn value_of(&self, name: &str) -> Option<&'t str> {
        self.content().find_map(|(_, line)| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?;
            let value = value.split(" #").next().unwrap_or_default().trim();
            (!value.is_empty()).then_some(value.trim_matches(['"', '\'']))
        })
    }

    /// Whether nine of ten lines below an empty `spec:` stand in one column, though they
    /// hold fields that belong into each other.
    fn are_flat(&self, inner: &Inner) -> bool {
        let keys = self.below_spec().filter_map(|(_, line)| key_of(line));
        let mut keys: Vec<&str> = keys.filter(|key| inner.has(key)).collect();
        keys.sort_unstable();
        keys.dedup();
        self.are_beside_spec()
            && keys.len() >= 3
            && keys.iter().any(|key| !inner.of_spec.contains(key))
    }

    /// Whether nine of ten lines below an empty `spec:` stand in one column, and that is not further
    /// in than `spec:` itself: what is further in, and in the style of `{}`, has lost nothing.
    fn are_beside_spec(&self) -> bool {
        let mut lines = self.content();
        let spec = lines.find(|(_, line)| key_of(line) == Some("spec"));
        let first = self.below_spec().next();
        let (Some((spec, _)), Some((column, _))) = (spec, first) else {
            return false;
        };
        column <= spec && self.are_in_one_column()
    }

    /// Whether nine of ten lines below an empty `spec:` stand in one column.
    fn are_in_one_column(&self) -> bool {
        let mut columns = self.below_spec().map(|(column, _)| column).peekable();
        let Some(first) = columns.peek().copied() else {
            return false;
        };
        let (mut all, mut same) = (0, 0);
        for column in columns {
            all += 1;
            same += usize::from(column == first);
        }
        same * 10 >= all * 9
    }

    /// The content below `spec:`, nothing if that has a value.
    fn below_spec(&self) -> impl Iterator<Item = (usize, &'t str)> {
        let mut lines = self
            .content()
            .skip_while(|(_, line)| key_of(line) != Some("spec"));
        let value = lines.next().map(|(_, line)| {
            line.trim_start_matches("spec")
                .trim_start_matches(':')
                .trim()
        });
        let is_empty = value.is_some_and(|value| value.is_empty() || value.starts_with('#'));
        lines.filter(move |_| is_empty)
    }

    /// The ways to indent the lines that make a policy which an API server takes.
    fn layouts(&self, shape: &'static Shape) -> Result<Vec<Layout>, Refusal> {
        let valid = |blanks: Blanks| {
            let mut layouts = reflow::layouts(self.text, shape, blanks)?;
            layouts.retain(|layout| is_valid(&self.indented(layout), self.span, shape));
            Ok(layouts)
        };
        // Indentation that is left is believed as long as it makes sense.
        let kept = valid(Blanks::Kept);
        if kept.as_ref().is_ok_and(|layouts| !layouts.is_empty()) {
            kept
        } else {
            valid(Blanks::Ignored)
        }
    }

    /// The edits that indent the lines as a layout has it.
    fn edits(&self, layout: &Layout) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut start = self.span.start;
        for (line, indentation) in self.text.split_inclusive('\n').zip(&layout.indentation) {
            let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
            let wanted = indentation.unwrap_or(blanks);
            if wanted != blanks && !line.trim().is_empty() {
                let span = Span {
                    start,
                    end: start + blanks as u32,
                    ..self.span
                };
                edits.push(Edit {
                    span,
                    replacement: " ".repeat(wanted),
                });
            }
            start += line.len() as u32;
        }
        edits
    }

    /// The text as a layout has it.
    fn indented(&self, layout: &Layout) -> String {
        let lines = self.text.split_inclusive('\n').zip(&layout.indentation);
        lines
            .map(|(line, indentation)| match indentation {
                Some(indentation) => [
                    &" ".repeat(*indentation),
                    line.trim_start_matches([' ', '\t']),
                ]
                .concat(),
                None => line.to_owned(),
            })
            .collect()
    }

    /// The place of a key, the first time that it starts a line.
    fn span_of(&self, key: &str) -> Option<Span> {
        let mut start = self.span.start;
        for line in self.text.split_inclusive('\n') {
            let blanks = (line.len() - line.trim_start().len()) as u32;
            if key_of(line.trim()) == Some(key) {
                let start = start + blanks;
                return Some(Span {
                    start,
                    end: start + key.len() as u32,
                    ..self.span
                });
            }
            start += line.len() as u32;
        }
        None
    }
}

/// The key that a line starts with, maybe behind a hyphen.
fn key_of(line: &str) -> Option<&str> {
    let line = line.strip_prefix("- ").unwrap_or(line).trim_start();
    let colon = line.find(':')?;
    let behind = &line[colon + 1..];
    (behind.is_empty() || behind.starts_with([' ', '\t'])).then_some(&line[..colon])
}

fn diagnostic(
    lines: &Lines<'_>,
    shape: &'static Shape,
    root: Option<Node<'_>>,
    layouts: Result<Vec<Layout>, Refusal>,
) -> Diagnostic {
    let span = lines.span_of("spec").unwrap_or(lines.span);
    let message = "the indentation of this policy was lost";
    let diagnostic = Diagnostic::new("flattened-manifest", Severity::Error, span, message);
    let has_empty_spec = root.is_none_or(|root| root.find(&["spec"]).is_none());
    let diagnostic = match has_empty_spec {
        true => diagnostic.label("is empty: what belongs inside it is next to it"),
        false => diagnostic.label("what should be nested is on one level below this"),
    };
    let takes_empty_spec = std::ptr::eq(shape, &fields::NETWORK_POLICY) && has_empty_spec;
    let diagnostic = match root.is_some_and(is_named) && takes_empty_spec {
        true => diagnostic.note(
            "a lenient API server reads it as a policy with an empty `spec`, which denies all ingress to every pod of its namespace",
        ),
        false => diagnostic.note("the API server rejects it as it is"),
    };
    let layouts = match layouts {
        Ok(layouts) => layouts,
        Err(refusal) => {
            return diagnostic
                .note(reason(refusal, lines))
                .help("indent it by hand");
        }
    };
    match layouts.as_slice() {
        [] => diagnostic
            .note("no indentation of its lines makes a valid policy")
            .help("indent it by hand, and correct what else is wrong"),
        [only] => {
            let title = "restore the indentation".to_owned();
            let edits = lines.edits(only);
            let fix = Fix {
                title: title.clone(),
                class: FixClass::Widening,
                edits,
            };
            diagnostic
                .note("there is exactly one way to indent its lines that makes a valid policy")
                .help(title)
                .fix(fix)
        }
        [first, second, ..] => {
            let message = format!(
                "there are {} ways to indent its lines that make a valid policy",
                layouts.len()
            );
            let mut diagnostic = diagnostic.note(message);
            let differs =
                |number: &usize| first.indentation[*number] != second.indentation[*number];
            if let Some(number) = (0..first.indentation.len()).find(differs) {
                diagnostic = several(diagnostic, lines, number, &layouts);
            }
            diagnostic.help("indent it by hand, as it was meant")
        }
    }
}

/// Says where two readings part, and what each of them is.
fn several(
    diagnostic: Diagnostic,
    lines: &Lines<'_>,
    number: usize,
    layouts: &[Layout],
) -> Diagnostic {
    let mut start = lines.span.start;
    for line in lines.text.split_inclusive('\n').take(number) {
        start += line.len() as u32;
    }
    let line = lines.text.lines().nth(number).unwrap_or_default();
    let blanks = (line.len() - line.trim_start().len()) as u32;
    let end = start + line.trim_end().len() as u32;
    let span = Span {
        start: start + blanks,
        end,
        ..lines.span
    };
    let mut diagnostic = diagnostic.related(span, "the ways differ here");
    let mut parents: Vec<&str> = layouts
        .iter()
        .map(|layout| layout.parents[number])
        .collect();
    parents.dedup();
    for parent in parents {
        let place = match parent {
            "" => "the object itself".to_owned(),
            "ingress" | "egress" => format!("the rule of `{parent}` above it"),
            "from" | "to" => format!("the peer of `{parent}` above it"),
            _ => format!("`{parent}`"),
        };
        diagnostic = diagnostic.note(format!("one way: `{}` is part of {place}", line.trim()));
    }
    diagnostic
}

fn reason(refusal: Refusal, lines: &Lines<'_>) -> String {
    let quoted = |number: usize| {
        lines
            .text
            .lines()
            .nth(number)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    match refusal {
        Refusal::Line(number) => {
            format!(
                "npcheck cannot restore it: `{}` may continue on the next line",
                quoted(number)
            )
        }
        Refusal::Misfit(number) => {
            format!(
                "npcheck cannot restore it: `{}` fits nowhere",
                quoted(number)
            )
        }
        Refusal::Many => "npcheck cannot restore it: there are too many ways".to_owned(),
    }
}

fn is_named(root: Node<'_>) -> bool {
    root.find(&["metadata", "name"]).is_some()
}

/// Whether a text is a policy that an API server takes in every respect.
fn is_valid(text: &str, span: Span, shape: &'static Shape) -> bool {
    let Ok(tree) = general::read(span.source, text, 0..text.len()) else {
        return false;
    };
    let Some(root) = tree.root() else {
        return false;
    };
    let is_whole = ["apiVersion", "kind", "spec"]
        .iter()
        .all(|name| root.find(&[name]).is_some());
    if !is_whole || !is_named(root) || Structure::of(root, shape).count() > 0 {
        return false;
    }
    let Some(version) = root.entry("apiVersion") else {
        return false;
    };
    let text = version.value.as_str().unwrap_or_default();
    let version = crate::source::Spanned::new(text, version.value.span());
    let mut diagnostics = Vec::new();
    let meta = meta::read(root, version, "", &mut diagnostics);
    let kind = root.get("kind").and_then(Node::as_str).unwrap_or_default();
    let group = version.value.split('/').next().unwrap_or_default();
    let is_cluster_wide = |known: &ClusterPolicyKind| known.name() == kind;
    let meta = if let Some(kind) = PluginKind::find(group, kind) {
        plugin_policy::read(root, meta, kind, String::new(), &mut diagnostics).meta
    } else if let Some(kind) = ClusterPolicyKind::ALL.into_iter().find(is_cluster_wide) {
        super::cluster_network_policy::read(root, kind, meta, &mut diagnostics).meta
    } else {
        network_policy::read(root, kind, meta, &mut diagnostics).meta
    };
    meta.is_accepted && tree.duplicate_keys_in(root).is_empty()
}
