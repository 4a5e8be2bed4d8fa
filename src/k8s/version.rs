//! Releases of Kubernetes, as far as they differ in what their API server takes.
//!
//! Refuses to know which one a cluster runs.

use std::fmt;
use std::str::FromStr;

/// A minor release of Kubernetes 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KubernetesVersion(u32);

impl KubernetesVersion {
    /// The release that is strict about addresses: it rejects blocks with bits behind
    /// their prefix, and IPv4 blocks that are written as IPv6, in objects that are created
    /// (KEP-4858, feature gate `StrictIPCIDRValidation`).
    pub const STRICT_ADDRESSES: Self = Self(36);
}

/// `1.36`.
impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

/// A text that is no version such as `1.36`, `v1.36` or `1.36.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownVersion;

impl FromStr for KubernetesVersion {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
        let (major, minor) = (parts.next(), parts.next());
        let is_number =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_known =
            major == Some("1") && parts.next().is_none_or(is_number) && parts.next().is_none();
        let minor = minor.filter(|minor| is_known && is_number(minor));
        let minor = minor.and_then(|minor| minor.parse().ok());
        minor.map(Self).ok_or(UnknownVersion)
    }
}

#[cfg(test)]
mod tests {
    use super::{KubernetesVersion, UnknownVersion};

    #[test]
    fn versions_are_read_as_people_write_them() {
        for text in ["1.36", "v1.36", "1.36.2", "v1.36.0"] {
            assert_eq!(
                text.parse(),
                Ok(KubernetesVersion::STRICT_ADDRESSES),
                "{text}"
            );
        }
        for text in [
            "", "1", "1.", "1.x", "2.0", "1.36.", "1.36.2.1", "36", "1.36-gke",
        ] {
            assert_eq!(
                text.parse::<KubernetesVersion>(),
                Err(UnknownVersion),
                "{text}"
            );
        }
    }
}
