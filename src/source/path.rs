//! Paths as manifests write them: with slashes, relative to the directory of a file.
//!
//! Refuses to know the disk.

/// A path relative to a directory, without `.` and `..` as far as they can be resolved. An
/// absolute one stays what it is; backslashes separate as well.
pub(crate) fn join(directory: &str, path: &str) -> String {
    let is_absolute = path.starts_with('/') || directory.starts_with('/');
    let directory = if path.starts_with('/') { "" } else { directory };
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split(['/', '\\']).chain(path.split(['/', '\\'])) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if is_absolute { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// A path below a root that it cannot leave: `..` at the root is the root (filepath-securejoin, by
/// which Flux joins paths).
pub(crate) fn below_root(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_a_root_stays_there() {
        for (path, expected) in [
            ("./apps", "apps"),
            ("/apps/", "apps"),
            ("../../apps", "apps"),
            ("apps/../../base/./prod", "base/prod"),
            ("..", ""),
        ] {
            assert_eq!(below_root(path), expected, "{path}");
        }
    }

    #[test]
    fn paths_are_joined() {
        for (directory, path, expected) in [
            ("", "a.yaml", "a.yaml"),
            ("", "./a/b.yaml", "a/b.yaml"),
            ("apps/shop", "policy.yaml", "apps/shop/policy.yaml"),
            ("apps/shop", "../base", "apps/base"),
            ("apps", "../../base", "../base"),
            ("/srv/apps", "../base/", "/srv/base"),
            ("", "/srv/apps", "/srv/apps"),
            ("apps", "/srv/apps", "/srv/apps"),
            ("apps\\shop", "..\\base", "apps/base"),
        ] {
            assert_eq!(join(directory, path), expected, "{directory} {path}");
        }
    }
}
