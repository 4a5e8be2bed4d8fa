//! Files side by side in one directory of which one or the other is applied: `dev.yaml` and
//! `prod.yaml`, or `netpol.yaml` and `netpol-prod.yaml`, that define the same object otherwise.
//!
//! Refuses to know what the objects say, and which clusters come of it.

use crate::cluster::{Identity, Likeness, directory_of, likeness};
use crate::k8s::Object;
use crate::source::SourceMap;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Words that tell environments in the names of files, as repositories use them.
const ENVIRONMENTS: &[&str] = &[
    "acc",
    "acceptance",
    "demo",
    "dev",
    "devel",
    "develop",
    "development",
    "int",
    "integration",
    "live",
    "local",
    "nonprod",
    "preprod",
    "prd",
    "prod",
    "production",
    "qa",
    "sandbox",
    "stage",
    "staging",
    "stg",
    "test",
    "testing",
    "tst",
    "uat",
];

/// Endings of names of files that say what form they have.
const ENDINGS: [&str; 3] = [".yaml", ".yml", ".json"];

/// Files of which one or the other is applied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alternatives {
    /// Their names, sorted.
    pub files: Vec<String>,
    /// An object that they define otherwise: `namespace/Kind/name`.
    pub object: String,
    /// Whether their names tell environments; else they define the same objects for the most part.
    pub by_name: bool,
}

/// What files of one directory are alternatives, and where each file counts as standing.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By member: the directory that a file stands for, where it is not that which it is in.
    standing: BTreeMap<usize, String>,
    /// Those that were found.
    pub(super) found: Arc<[Alternatives]>,
}

/// A file with objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct ObjectsOfFile<'o> {
    /// Its position among the members.
    pub(super) member: usize,
    /// Its name, with the path.
    pub(super) name: &'o str,
    /// What it defines.
    pub(super) objects: &'o [Object],
}

impl Places {
    /// Those of some files.
    pub(super) fn of<'o>(
        sources: &SourceMap,
        files: impl Iterator<Item = ObjectsOfFile<'o>>,
    ) -> Self {
        let mut by_directory: BTreeMap<String, Vec<ObjectsOfFile<'o>>> = BTreeMap::new();
        for file in files {
            let directory = directory_of(file.name);
            by_directory.entry(directory).or_default().push(file);
        }
        let mut places = Self::default();
        let mut found = Vec::new();
        for (directory, files) in by_directory.iter().filter(|(_, files)| files.len() > 1) {
            let groups = groups(sources, files);
            let marks = marks(files, &groups);
            let standing = marks.into_iter().map(|(index, mark)| {
                let place = match directory.as_str() {
                    "" => mark,
                    directory => format!("{directory}/{mark}"),
                };
                (files[index].member, place)
            });
            places.standing.extend(standing);
            found.extend(groups.into_iter().map(|group| group.told(files)));
        }
        places.found = found.into();
        places
    }

    /// Where a member counts as standing, if that is not its directory.
    pub(super) fn standing(&self, member: usize) -> Option<&str> {
        self.standing.get(&member).map(String::as_str)
    }
}

/// Files of a directory that are alternatives to each other, by their position among its files.
struct Group {
    files: BTreeSet<usize>,
    object: String,
    by_name: bool,
}

impl Group {
    fn told(self, files: &[ObjectsOfFile<'_>]) -> Alternatives {
        let names = self.files.iter().map(|file| files[*file].name.to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        Alternatives {
            files: names,
            object: self.object,
            by_name: self.by_name,
        }
    }
}

/// The groups among the files of a directory. Each file is compared with the first that defines
/// an object, and with the one before it: so the work grows with the definitions.
fn groups(sources: &SourceMap, files: &[ObjectsOfFile<'_>]) -> Vec<Group> {
    let mut by_object: HashMap<Identity<'_>, Vec<(usize, &Object)>> = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        for object in file.objects {
            let Some(identity) = Identity::of(object) else {
                continue;
            };
            by_object.entry(identity).or_default().push((index, object));
        }
    }
    let mut several: Vec<(String, Vec<(usize, &Object)>)> = by_object
        .into_iter()
        .filter(|(_, definitions)| definitions.iter().any(|it| it.0 != definitions[0].0))
        .map(|(identity, definitions)| (identity.to_string(), definitions))
        .collect();
    several.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut pairs: BTreeMap<(usize, usize), Option<bool>> = BTreeMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (object, definitions) in &several {
        let first = definitions.iter().skip(1).map(|it| (&definitions[0], it));
        let before = definitions.windows(2).map(|pair| (&pair[0], &pair[1]));
        for ((a, one), (b, other)) in first.chain(before) {
            if a == b || !differ(sources, one, other) {
                continue;
            }
            let pair = pairs.entry((*a, *b));
            let why = pair.or_insert_with(|| alternative(&files[*a], &files[*b]));
            if let Some(by_name) = *why {
                join(
                    &mut groups,
                    Group {
                        files: [*a, *b].into(),
                        object: object.clone(),
                        by_name,
                    },
                );
            }
        }
    }
    groups.retain(|group| {
        let stems: BTreeSet<&str> = (group.files.iter().map(|it| stem(files[*it].name))).collect();
        stems.len() > 1
    });
    groups
}

/// Adds a group to groups of which no two have a file in common.
fn join(groups: &mut Vec<Group>, mut new: Group) {
    groups.retain_mut(|group| {
        let is_apart = group.files.is_disjoint(&new.files);
        if !is_apart {
            new.files.append(&mut group.files);
            new.object = std::mem::take(&mut group.object);
            new.by_name |= group.by_name;
        }
        is_apart
    });
    groups.push(new);
}

/// Whether two definitions of an object are not one and the same. Workloads may differ in what
/// npcheck does not read, as an image.
fn differ(sources: &SourceMap, one: &Object, other: &Object) -> bool {
    let text = |object: &Object| sources.text(object.meta().span).trim_end();
    match one {
        Object::Workload(_) => text(one) != text(other),
        _ => likeness(one, other) == Likeness::Different,
    }
}

/// Why one of two files that contradict each other is applied, and not both: the name of one says
/// for which environment it is, and that of the other says another one or none (true); or they
/// define the same objects, two at least and three out of four of either (false).
fn alternative(a: &ObjectsOfFile<'_>, b: &ObjectsOfFile<'_>) -> Option<bool> {
    if environment(stem(a.name)) != environment(stem(b.name)) {
        return Some(true);
    }
    let identities = |file: &ObjectsOfFile<'_>| -> BTreeSet<String> {
        let identities = file.objects.iter().filter_map(Identity::of);
        identities.map(|it| it.to_string()).collect()
    };
    let [a, b] = [identities(a), identities(b)];
    let shared = a.intersection(&b).count();
    let is_same = shared >= 2 && 4 * shared >= 3 * a.len().max(b.len());
    is_same.then_some(false)
}

/// By file, what tells it from its alternatives: the word for its environment, or what its name
/// has that not all of them have. Other files whose names begin or end with such a word belong to
/// the same one.
fn marks(files: &[ObjectsOfFile<'_>], groups: &[Group]) -> BTreeMap<usize, String> {
    let mut marks: BTreeMap<usize, String> = BTreeMap::new();
    let mut unmarked: BTreeSet<usize> = BTreeSet::new();
    for group in groups {
        let stems = group
            .files
            .iter()
            .map(|file| (*file, stem(files[*file].name)));
        let stems: Vec<(usize, &str)> = stems.collect();
        let environments = stems.iter().filter_map(|(_, stem)| environment(stem));
        let environments: Vec<String> = environments.collect();
        let distinct: BTreeSet<&String> = environments.iter().collect();
        let are_environments = group.by_name && distinct.len() == environments.len();
        for (file, stem) in &stems {
            let mark = match are_environments {
                true => environment(stem).unwrap_or_default(),
                false => rest(stem, &stems),
            };
            match mark.is_empty() {
                true => drop(unmarked.insert(*file)),
                false => drop(marks.insert(*file, mark)),
            }
        }
    }
    let known: BTreeSet<String> = marks.values().cloned().collect();
    let in_groups: BTreeSet<usize> = groups.iter().flat_map(|it| &it.files).copied().collect();
    for (index, file) in files.iter().enumerate() {
        let words: Vec<String> = words(stem(file.name));
        let ends = [words.first(), words.last()];
        let mut of = ends.into_iter().flatten().filter(|it| known.contains(*it));
        if let Some(mark) = of.next().filter(|_| !in_groups.contains(&index)) {
            marks.insert(index, mark.clone());
        }
    }
    // What has no mark is one alternative together.
    let stems: BTreeSet<&str> = unmarked.iter().map(|it| stem(files[*it].name)).collect();
    let name = match stems.first() {
        Some(only) if stems.len() == 1 && !known.contains(*only) => (*only).to_owned(),
        _ => "others".to_owned(),
    };
    marks.extend(unmarked.into_iter().map(|file| (file, name.clone())));
    marks
}

/// The words of a name that not all of the names have, in order.
fn rest(stem: &str, all: &[(usize, &str)]) -> String {
    let is_of_all = |word: &String| {
        let mut others = all.iter();
        others.all(|(_, other)| words(other).contains(word))
    };
    let rest = words(stem).into_iter().filter(|word| !is_of_all(word));
    rest.collect::<Vec<_>>().join("-")
}

/// The environment that a name tells, if it tells one.
fn environment(stem: &str) -> Option<String> {
    let mut told = words(stem).into_iter();
    let environment = told.find(|word| ENVIRONMENTS.contains(&word.as_str()))?;
    told.all(|word| !ENVIRONMENTS.contains(&word.as_str()))
        .then_some(environment)
}

/// The words of a name, in lower case.
fn words(stem: &str) -> Vec<String> {
    let words = stem.split(['-', '_', '.']);
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect()
}

/// The name of a file without its directory and its ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut endings = ENDINGS.iter();
    let stem = endings.find_map(|ending| name.strip_suffix(ending));
    stem.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    /// A policy of this name, for pods of this label.
    fn policy(name: &str, label: &str) -> String {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}}}\nspec: {{podSelector: {{matchLabels: {{app: {label}}}}}}}\n---\n"
        )
    }

    /// Several of them: `name=label` each.
    fn policies(all: &str) -> String {
        let pairs = all.split(' ').filter_map(|it| it.split_once('='));
        pairs.map(|(name, label)| policy(name, label)).collect()
    }

    /// Where files count as standing, for those that count as standing elsewhere.
    fn standing(files: &[(&str, &str)]) -> Vec<String> {
        let mut sources = SourceMap::default();
        let ids = files
            .iter()
            .map(|(name, text)| sources.add(*name, policies(text)));
        let ids: Vec<_> = ids.collect();
        let read = ids
            .iter()
            .map(|id| manifest::read(*id, sources.get(*id).name(), sources.get(*id).text()));
        let read: Vec<_> = read.collect();
        let all = files.iter().zip(&read).enumerate();
        let all = all.map(|(member, ((name, _), read))| ObjectsOfFile {
            member,
            name,
            objects: &read.objects,
        });
        let places = Places::of(&sources, all);
        let place =
            |member: usize| Some(format!("{}: {}", files[member].0, places.standing(member)?));
        (0..files.len()).filter_map(place).collect()
    }

    #[test]
    fn names_that_tell_environments_are_alternatives_with_what_is_named_after_them() {
        assert_eq!(
            standing(&[
                ("k/dev.yaml", "a=x"),
                ("k/prod.yaml", "a=y"),
                ("k/more-dev.yml", "b=x"),
                ("k/shared.yaml", "c=x"),
            ]),
            [
                "k/dev.yaml: k/dev",
                "k/prod.yaml: k/prod",
                "k/more-dev.yml: k/dev"
            ]
        );
        assert_eq!(
            standing(&[
                ("app.stage.yaml", "a=x"),
                ("app.prod.yaml", "a=y"),
                ("netpol_prod.yaml", "b=x"),
                ("netpol_stage.yaml", "b=y"),
            ]),
            [
                "app.stage.yaml: stage",
                "app.prod.yaml: prod",
                "netpol_prod.yaml: prod",
                "netpol_stage.yaml: stage"
            ]
        );
    }

    #[test]
    fn what_names_no_environment_is_the_alternative_to_what_does() {
        assert_eq!(
            standing(&[("netpol.yaml", "a=x"), ("netpol-prod.yaml", "a=y")]),
            ["netpol.yaml: netpol", "netpol-prod.yaml: prod"]
        );
        assert_eq!(
            standing(&[
                ("app.yaml", "a=x"),
                ("app-prod.yaml", "a=y"),
                ("db.yaml", "b=x"),
                ("db-prod.yaml", "b=y"),
            ]),
            [
                "app.yaml: others",
                "app-prod.yaml: prod",
                "db.yaml: others",
                "db-prod.yaml: prod"
            ]
        );
    }

    #[test]
    fn files_that_define_the_same_objects_are_alternatives_whatever_their_names() {
        assert_eq!(
            standing(&[("site-eu.yaml", "a=x b=x"), ("site-us.yaml", "a=y b=x")]),
            ["site-eu.yaml: eu", "site-us.yaml: us"]
        );
        let three = [
            ("blue.yaml", "a=x b=x c=x d=x"),
            ("green.yaml", "a=y b=x c=x d=x"),
            ("red.yaml", "a=z b=x c=x"),
        ];
        assert_eq!(standing(&three).len(), 3);
    }

    #[test]
    fn a_policy_that_is_there_twice_by_accident_is_no_alternative() {
        let cases: &[&[(&str, &str)]] = &[
            // One policy in two files, alone or among others, and what all files begin with.
            &[("web.yaml", "a=x"), ("api.yaml", "a=y")],
            &[("web.yaml", "a=x b=x c=x"), ("api.yaml", "a=y d=x e=x")],
            &[
                ("web.yaml", "all=x ns=x web=x"),
                ("api.yaml", "all=y ns=x api=x"),
            ],
            // Two for one environment, two forms of one file, and two in one file.
            &[("web-dev.yaml", "a=x"), ("api-dev.yaml", "a=y")],
            &[("web.yaml", "a=x b=x"), ("web.json", "a=y b=x")],
            &[("dev.yaml", "a=x a=y"), ("prod.yaml", "b=x")],
            // Those in several directories: there the directories are told apart.
            &[("k/dev.yaml", "a=x"), ("k/old/prod.yaml", "a=y")],
            // The same twice is no contradiction.
            &[("dev.yaml", "a=x b=x"), ("prod.yaml", "a=x b=x")],
        ];
        for files in cases {
            assert!(standing(files).is_empty(), "{files:?}");
        }
    }
}
