//! `ConfigMap`, as far as containers take variables from it.
//!
//! Refuses to know what a program makes of the text.

use super::meta::ObjectMeta;
use super::workload::Variable;
use crate::source::Text;

/// A `ConfigMap`.
#[derive(Clone, Debug)]
pub struct ConfigMap {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// The entries of `data` that are short enough to be the value of a variable, in the order
    /// of the text.
    pub data: Box<[Variable]>,
}

/// Where a container takes variables from: `envFrom`, or one entry of `env` with
/// `valueFrom.configMapKeyRef`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMapReference {
    /// The name of the `ConfigMap`, in the namespace of the pod.
    pub config_map: Text,
    /// The name of the variable for one key; the prefix of all names otherwise.
    pub name: Text,
    /// The key that is taken; every key where `None`.
    pub key: Option<Text>,
}
