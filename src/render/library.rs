//! The texts that a build may take parts from, by path, each read when somebody asks for
//! it and once only.
//!
//! Refuses to know the disk: it is handed names and texts. Paths are those names without
//! `.` and `..` as far as they can be resolved.

use super::chart::Chart;
use super::deployed::Deployed;
pub(crate) use crate::source::path::{below_root, join};
use crate::source::{Absence, SourceId, SourceMap, Span};
use crate::yaml::{ReadError, Tree, block, general, json, split};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};
use std::rc::Rc;
use std::sync::OnceLock;

/// The names that a kustomization file may have, in the order in which kustomize looks.
pub(crate) const KUSTOMIZATION_NAMES: &[&str] =
    &["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The texts of a run.
#[derive(Debug)]
pub(crate) struct Library<'s> {
    sources: &'s SourceMap,
    catalog: Rc<Catalog<'s>>,
    /// What was read of each text, by the position of the source: so many together, as most
    /// builds take few of them.
    read: Box<[OnceLock<Box<[Reading<'s>]>>]>,
    inline: Shelf<'s>,
    /// The texts of which something was read.
    taken: RefCell<BTreeSet<SourceId>>,
}

/// How many texts the library makes room for together.
const SHELF: usize = 64;

/// The documents of a text, once they were read.
type Reading<'s> = OnceLock<Result<Vec<Tree<'s>>, Box<ReadError>>>;

/// Which texts there are, whatever was read of them.
#[derive(Debug)]
struct Catalog<'s> {
    files: BTreeMap<Cow<'s, str>, SourceId>,
    directories: BTreeSet<String>,
    /// Charts of which the text is not here.
    wanted_charts: RefCell<BTreeSet<Chart>>,
    /// How much may still be built of them.
    deployed: Deployed,
}

/// Trees that are added while others are in use.
#[derive(Debug, Default)]
struct Shelf<'s>(OnceLock<Box<Shelved<'s>>>);

#[derive(Debug)]
struct Shelved<'s> {
    trees: Vec<Tree<'s>>,
    next: Shelf<'s>,
}

impl<'s> Shelf<'s> {
    /// Keeps the trees for as long as the shelf stands.
    fn add(&self, trees: Vec<Tree<'s>>) -> &[Tree<'s>] {
        let mut shelf = self;
        let mut trees = Some(trees);
        loop {
            let shelved = shelf.0.get_or_init(|| {
                Box::new(Shelved {
                    trees: trees.take().unwrap_or_default(),
                    next: Shelf::default(),
                })
            });
            if trees.is_none() {
                return &shelved.trees;
            }
            shelf = &shelved.next;
        }
    }
}

impl Drop for Shelf<'_> {
    /// One after the other: a long shelf would nest too deep.
    fn drop(&mut self) {
        let mut rest = self.0.take();
        while let Some(mut shelved) = rest {
            rest = shelved.next.0.take();
        }
    }
}

impl<'s> Library<'s> {
    /// The texts of `ids`.
    pub(crate) fn new(sources: &'s SourceMap, ids: impl Iterator<Item = SourceId>) -> Self {
        let mut files = BTreeMap::new();
        let mut directories = BTreeSet::new();
        for source in ids {
            let name = sources.get(source).name();
            let path = match join("", name) {
                path if path == name => Cow::Borrowed(name),
                path => Cow::Owned(path),
            };
            let mut directory = parent(&path);
            while !directories.contains(directory) {
                directories.insert(directory.to_owned());
                directory = parent(directory);
            }
            files.insert(path, source);
        }
        let bytes = files
            .values()
            .map(|source| sources.get(*source).text().len());
        let catalog = Catalog {
            deployed: Deployed::new(bytes.sum()),
            files,
            directories,
            wanted_charts: RefCell::default(),
        };
        Self::of(sources, Rc::new(catalog))
    }

    fn of(sources: &'s SourceMap, catalog: Rc<Catalog<'s>>) -> Self {
        let shelves = sources.ids().len().div_ceil(SHELF);
        Self {
            sources,
            catalog,
            read: (0..shelves).map(|_| OnceLock::new()).collect(),
            inline: Shelf::default(),
            taken: RefCell::default(),
        }
    }

    /// The texts of which something was read here: what was made of them is the same as long
    /// as these are.
    pub(crate) fn taken(self) -> BTreeSet<SourceId> {
        self.taken.into_inner()
    }

    fn take(&self, source: SourceId) -> &'s str {
        self.taken.borrow_mut().insert(source);
        self.sources.get(source).text()
    }

    /// The same texts, of which nothing was read.
    pub(crate) fn unread(&self) -> Self {
        Self::of(self.sources, Rc::clone(&self.catalog))
    }

    /// Notes that the text of a chart is wanted.
    pub(crate) fn want_chart(&self, chart: Chart) {
        self.catalog.wanted_charts.borrow_mut().insert(chart);
    }

    /// The charts of which the text was wanted and is not here.
    pub(crate) fn wanted_charts(&self) -> BTreeSet<Chart> {
        self.catalog.wanted_charts.borrow().clone()
    }

    /// How much may still be built of these texts, whoever reads them.
    pub(crate) fn deployed(&self) -> &Deployed {
        &self.catalog.deployed
    }

    /// The texts themselves.
    pub(crate) fn sources(&self) -> &'s SourceMap {
        self.sources
    }

    /// The paths of all texts, in order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.catalog.files.keys().map(Cow::as_ref)
    }

    /// The paths of the texts below a directory, in order.
    pub(crate) fn below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = &'a str> {
        let from = if directory.is_empty() {
            String::new()
        } else {
            format!("{directory}/")
        };
        let range = (Bound::Included(from.as_str()), Bound::Unbounded);
        let files = self.catalog.files.range::<str, _>(range);
        files
            .map(|(path, _)| path.as_ref())
            .take_while(move |path| path.starts_with(&from))
    }

    /// The source of a path.
    pub(crate) fn source(&self, path: &str) -> Option<SourceId> {
        self.catalog.files.get(path).copied()
    }

    /// The whole text of a path.
    pub(crate) fn text(&self, path: &str) -> Option<&'s str> {
        Some(self.take(self.source(path)?))
    }

    /// Whether a file or a directory must not be read: it leads out of the repository. Whoever
    /// has its text takes it.
    pub(crate) fn is_refused(&self, path: &str) -> bool {
        let Self { sources, .. } = *self;
        let is_noted = |path: &str| sources.absence(path) == Some(Absence::Refused);
        let mut files = KUSTOMIZATION_NAMES.iter().map(|name| join(path, name));
        let is_noted = is_noted(path) || files.any(|file| is_noted(&file));
        is_noted && self.source(path).is_none() && self.kustomizations(path).is_empty()
    }

    /// Whether somebody looked for a file, and there is none.
    pub(crate) fn is_missing(&self, path: &str) -> bool {
        let Self { sources, .. } = *self;
        sources.absence(path) == Some(Absence::Missing)
    }

    /// Whether any text lies in this directory or below.
    pub(crate) fn is_directory(&self, path: &str) -> bool {
        self.catalog.directories.contains(path)
    }

    /// The kustomization files of a directory; more than one is a mistake.
    pub(crate) fn kustomizations(&self, directory: &str) -> Vec<String> {
        let names = KUSTOMIZATION_NAMES.iter();
        names
            .map(|name| join(directory, name))
            .filter(|path| self.source(path).is_some())
            .collect()
    }

    /// The documents of a path; `None` if there is no such text.
    pub(crate) fn documents(&self, path: &str) -> Option<Result<&[Tree<'s>], &ReadError>> {
        let source = self.source(path)?;
        let shelf = self.read[source.index() / SHELF]
            .get_or_init(|| (0..SHELF).map(|_| OnceLock::new()).collect());
        let documents = shelf[source.index() % SHELF].get_or_init(|| {
            let text = self.take(source);
            read(source, text, 0..text.len())
        });
        Some(match documents {
            Ok(trees) => Ok(trees),
            Err(error) => Err(error),
        })
    }

    /// The documents of a part of a text, such as a patch in a block scalar.
    pub(crate) fn documents_in(&self, span: Span) -> Result<&[Tree<'s>], Box<ReadError>> {
        let text = self.take(span.source);
        let trees = read(span.source, text, span.range())?;
        Ok(self.inline.add(trees))
    }
}

/// Reads every document in a range of a text; the first that cannot be read spoils all, as
/// for kustomize.
fn read<'s>(
    source: SourceId,
    text: &'s str,
    range: Range<usize>,
) -> Result<Vec<Tree<'s>>, Box<ReadError>> {
    let mut trees = Vec::new();
    for piece in split::pieces(&text[range.clone()]) {
        let mut document = range.start + piece.range.start..range.start + piece.range.end;
        while text[document.clone()].trim_start().starts_with(['{', '[']) {
            let Ok((tree, end)) = json::read(source, text, document.clone()) else {
                break;
            };
            trees.push(tree);
            document.start = end;
        }
        if text[document.clone()].trim().is_empty() {
            continue;
        }
        let tree = block::read(source, text, document.clone());
        trees.push(tree.map_or_else(|| general::read(source, text, document), Ok)?);
    }
    Ok(trees)
}

/// The directory of a path: empty for a bare name.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// Whether a path is a directory or lies in it.
pub(crate) fn is_within(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory);
    directory.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
