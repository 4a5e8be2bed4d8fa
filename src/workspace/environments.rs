//! Which texts of a tree make one cluster together, where directories contradict each other:
//! `dev/` and `prod/` that both define `shop/Deployment/web` are two clusters, and what
//! stands beside them belongs to both.
//!
//! Knows paths and which objects a text defines. Refuses to know what the objects say; who
//! calls says which of them contradict each other.

use super::contradictions::Contradictions;
use std::collections::{BTreeMap, BTreeSet};

/// The texts that make one cluster.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Environment {
    /// The directory that sets it apart; empty where there is only one.
    pub(super) name: String,
    /// The texts, by their position, in order.
    pub(super) texts: Vec<usize>,
}

/// How many objects all clusters together may hold, as a multiple of what was read, and
/// beyond that.
const ROOM: (usize, usize) = (8, 50_000);

/// Directories of which each holds a definition of one object, so that no two of them are
/// in one cluster. Between a directory and one below it only the definitions themselves are
/// told apart: what else lies in either is applied with both.
struct Family<'p> {
    /// The directory that holds them.
    at: Vec<&'p str>,
    /// Their names in it, sorted; the empty one is that directory's own files.
    branches: Vec<&'p str>,
    /// Families of the same number have branches of the same names: what is `dev` in one is
    /// `dev` in the others.
    kin: usize,
}

/// A directory that sets a cluster apart, and the families on the way to it with the branch
/// that each takes.
struct Leaf<'p> {
    path: Vec<&'p str>,
    taken: Vec<(usize, &'p str)>,
}

/// Deals out texts to clusters. `directories` are those of the texts, `weights` how many
/// objects each has; the members of the `contradictions` are texts, by their position.
pub(super) fn environments(
    directories: &[&str],
    weights: &[usize],
    contradictions: &Contradictions<'_>,
) -> Vec<Environment> {
    let families = families(&contradictions.directories);
    let leaves = leaves(&families);
    if leaves.len() < 2 {
        return vec![Environment {
            name: String::new(),
            texts: (0..directories.len()).collect(),
        }];
    }
    let conditions: Vec<Vec<(usize, &str)>> = directories
        .iter()
        .enumerate()
        .map(|(text, directory)| {
            let mut conditions = conditions(&families, &parts(directory));
            let is_member = contradictions.members.contains(&text);
            conditions.retain(|(family, branch)| is_member || families[*family].parts(branch));
            conditions
        })
        .collect();
    let mut room = ROOM.0 * weights.iter().sum::<usize>() + ROOM.1;
    let mut seen: BTreeSet<Vec<usize>> = BTreeSet::new();
    let mut environments: Vec<Environment> = Vec::new();
    for leaf in &leaves {
        let choices: Vec<Option<&str>> = (0..families.len())
            .map(|family| leaf.choice(&families, family))
            .collect();
        let holds = |(family, branch): &(usize, &str)| choices[*family] == Some(*branch);
        let mut texts: Vec<usize> = (0..directories.len())
            .filter(|text| conditions[*text].iter().all(holds))
            .collect();
        let weight = |texts: &[usize]| texts.iter().map(|text| weights[*text]).sum::<usize>();
        if weight(&texts) > room {
            // What all share is judged with the others; the rest is better than nothing.
            texts.retain(|text| !conditions[*text].is_empty());
        }
        room = room.saturating_sub(weight(&texts));
        if seen.insert(texts.clone()) {
            environments.push(Environment {
                name: leaf.name(&families, &environments),
                texts,
            });
        }
    }
    environments
}

/// The families that contradictions make, the outer ones before those within their branches.
fn families<'p>(contradictions: &BTreeSet<BTreeSet<&'p str>>) -> Vec<Family<'p>> {
    // By directory: sets of its branches that contradict each other.
    let mut sets: BTreeMap<Vec<&str>, Vec<BTreeSet<&str>>> = BTreeMap::new();
    let mut open: Vec<Vec<Vec<&str>>> = contradictions
        .iter()
        .map(|directories| directories.iter().map(|path| parts(path)).collect())
        .collect();
    while let Some(paths) = open.pop() {
        let at = common(&paths);
        let mut by_branch: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
        for path in paths {
            let branch = path.get(at.len()).copied().unwrap_or_default();
            by_branch.entry(branch).or_default().push(path);
        }
        if by_branch.len() < 2 {
            continue;
        }
        let branches: BTreeSet<&str> = by_branch.keys().copied().collect();
        join(sets.entry(at).or_default(), branches);
        open.extend(by_branch.into_values().filter(|within| within.len() > 1));
    }
    let mut families: Vec<Family<'p>> = Vec::new();
    for (at, sets) in sets {
        for branches in sets {
            let kin = families.len();
            families.push(Family {
                at: at.clone(),
                branches: branches.into_iter().collect(),
                kin,
            });
        }
    }
    relate(&mut families);
    families
}

impl Family<'_> {
    /// Whether everything in a branch is told apart, and not the definitions alone: that is so of
    /// directories side by side.
    fn parts(&self, branch: &str) -> bool {
        let beside = self.branches.iter().filter(|it| !it.is_empty());
        !branch.is_empty() && beside.count() > 1
    }
}

/// Adds a set to sets of which no two have a member in common.
fn join<'p>(sets: &mut Vec<BTreeSet<&'p str>>, mut new: BTreeSet<&'p str>) {
    sets.retain(|set| {
        let is_apart = set.is_disjoint(&new);
        if !is_apart {
            new.extend(set);
        }
        is_apart
    });
    sets.push(new);
}

/// Gives families that have a name of a branch in common one number.
fn relate(families: &mut [Family<'_>]) {
    let mut first_with: BTreeMap<&str, usize> = BTreeMap::new();
    for index in 0..families.len() {
        for position in 0..families[index].branches.len() {
            let name = families[index].branches[position];
            if name.is_empty() {
                continue;
            }
            let (old, new) = match first_with.get(name) {
                Some(first) => (families[index].kin, families[*first].kin),
                None => {
                    first_with.insert(name, index);
                    continue;
                }
            };
            for family in families.iter_mut().filter(|family| family.kin == old) {
                family.kin = new;
            }
        }
    }
}

/// The branches in which no other family stands, in the order of their paths.
fn leaves<'p>(families: &[Family<'p>]) -> Vec<Leaf<'p>> {
    let mut leaves = Vec::new();
    for family in families {
        for branch in &family.branches {
            let mut path = family.at.clone();
            path.extend(Some(*branch).filter(|branch| !branch.is_empty()));
            let has_other =
                !branch.is_empty() && families.iter().any(|other| other.at.starts_with(&path));
            if has_other {
                continue;
            }
            let mut taken = conditions(families, &path);
            if branch.is_empty() {
                taken.retain(|(index, _)| !std::ptr::eq(&families[*index], family));
            }
            let index = families.iter().position(|it| std::ptr::eq(it, family));
            taken.extend(index.filter(|_| branch.is_empty()).map(|index| (index, "")));
            leaves.push(Leaf { path, taken });
        }
    }
    leaves.sort_by(|a, b| a.path.cmp(&b.path));
    leaves
}

/// The families whose branches the directory lies in, each with the branch.
fn conditions<'p>(families: &[Family<'p>], directory: &[&str]) -> Vec<(usize, &'p str)> {
    let mut conditions = Vec::new();
    for (index, family) in families.iter().enumerate() {
        if !directory.starts_with(&family.at) {
            continue;
        }
        let branch = directory.get(family.at.len()).copied().unwrap_or_default();
        if let Ok(position) = family.branches.binary_search(&branch) {
            conditions.push((index, family.branches[position]));
        }
    }
    conditions
}

impl<'p> Leaf<'p> {
    /// The branch of a family that belongs to the cluster of this leaf: the one on the way to
    /// it; elsewhere the one of the same name; and of directories that have nothing to do
    /// with it the first.
    fn choice(&self, families: &[Family<'p>], family: usize) -> Option<&'p str> {
        if let Some((_, branch)) = self.taken.iter().find(|(index, _)| *index == family) {
            return Some(*branch);
        }
        let family = &families[family];
        let mut related = self.taken.iter().rev();
        let related = related.find(|(index, _)| families[*index].kin == family.kin);
        match related {
            Some((_, branch)) => family.branches.iter().find(|it| *it == branch).copied(),
            None => family.branches.first().copied(),
        }
    }

    /// Its name: the name of its directory where that is the same in several places, else the
    /// path.
    fn name(&self, families: &[Family<'_>], before: &[Environment]) -> String {
        let path = match self.path.is_empty() {
            true => ".".to_owned(),
            false => self.path.join("/"),
        };
        let [(family, branch)] = self.taken[..] else {
            return path;
        };
        let kin = families[family].kin;
        let places = families.iter().filter(|family| family.kin == kin).count();
        let is_free = before.iter().all(|other| other.name != branch);
        match places > 1 && is_free && !branch.is_empty() {
            true => branch.to_owned(),
            false => path,
        }
    }
}

/// The parts of a path.
fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

/// What all paths begin with.
fn common<'p>(paths: &[Vec<&'p str>]) -> Vec<&'p str> {
    let Some((first, others)) = paths.split_first() else {
        return Vec::new();
    };
    let length = others.iter().fold(first.len(), |length, other| {
        let same = first.iter().zip(other).take_while(|(a, b)| a == b);
        same.count().min(length)
    });
    first[..length].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clusters of some texts, as `name: directories`.
    fn dealt(directories: &[&str], contradictions: &[&[&str]]) -> Vec<String> {
        let members = 0..directories.len();
        dealt_with(directories, contradictions, members.collect())
    }

    /// The same where some of the texts alone define what is contradicted.
    fn dealt_with(
        directories: &[&str],
        contradictions: &[&[&str]],
        members: BTreeSet<usize>,
    ) -> Vec<String> {
        let sets = contradictions.iter();
        let contradictions = Contradictions {
            directories: sets.map(|set| set.iter().copied().collect()).collect(),
            members,
        };
        let weights = vec![1; directories.len()];
        let environments = environments(directories, &weights, &contradictions);
        let shown = environments.iter().map(|environment| {
            let texts = environment.texts.iter().map(|text| directories[*text]);
            let texts: Vec<&str> = texts.collect();
            format!("{}: {}", environment.name, texts.join(" "))
        });
        shown.collect()
    }

    #[test]
    fn a_tree_without_contradictions_is_one_cluster() {
        assert_eq!(dealt(&["a", "b/c", ""], &[]), [": a b/c "]);
    }

    #[test]
    fn directories_that_contradict_each_other_are_clusters_and_share_the_rest() {
        assert_eq!(
            dealt(&["base", "dev", "prod/apps", ""], &[&["dev", "prod/apps"]]),
            ["dev: base dev ", "prod: base prod/apps "]
        );
    }

    #[test]
    fn the_same_names_in_several_places_are_one_cluster() {
        assert_eq!(
            dealt(
                &["a/dev", "a/prod", "b/dev", "b/prod", "b/test"],
                &[&["a/dev", "a/prod"], &["b/dev", "b/prod", "b/test"]]
            ),
            ["dev: a/dev b/dev", "prod: a/prod b/prod", "test: b/test"]
        );
    }

    #[test]
    fn unlike_names_take_the_first_of_the_others() {
        assert_eq!(
            dealt(
                &["a/x", "a/y", "b/v", "b/w"],
                &[&["a/x", "a/y"], &["b/v", "b/w"]]
            ),
            ["a/x: a/x b/v", "a/y: a/y b/v", "b/w: a/x b/w"]
        );
    }

    #[test]
    fn contradictions_within_a_branch_part_it_again() {
        assert_eq!(
            dealt(
                &["eu/dev", "eu/prod", "us", "all"],
                &[&["eu/dev", "eu/prod", "us"]]
            ),
            ["eu/dev: eu/dev all", "eu/prod: eu/prod all", "us: us all"]
        );
    }

    #[test]
    fn files_of_a_directory_may_contradict_those_below_it() {
        assert_eq!(
            dealt(&["k8s", "k8s/dev"], &[&["k8s", "k8s/dev"]]),
            ["k8s: k8s", "k8s/dev: k8s/dev"]
        );
    }

    #[test]
    fn what_else_lies_in_one_directory_above_another_is_of_both() {
        assert_eq!(
            dealt_with(
                &["k8s", "k8s", "k8s/policies", "k8s/policies", "k8s/app"],
                &[&["k8s", "k8s/policies"]],
                [0, 2].into()
            ),
            [
                "k8s: k8s k8s k8s/policies k8s/app",
                "k8s/policies: k8s k8s/policies k8s/policies k8s/app"
            ]
        );
        assert_eq!(
            dealt_with(
                &["k8s", "k8s", "k8s/dev", "k8s/dev", "k8s/prod"],
                &[&["k8s", "k8s/dev", "k8s/prod"]],
                [0, 2, 4].into()
            ),
            [
                "k8s: k8s k8s",
                "k8s/dev: k8s k8s/dev k8s/dev",
                "k8s/prod: k8s k8s/prod"
            ]
        );
    }
}
