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

#[cfg(test)]
mod tests {
    use super::*;

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
