//! Pods that no manifest has, as ends to ask the engine about.
//!
//! Refuses to know which pods those are, and whether they exist: who asks says so.

use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL};
use crate::engine::{Endpoint, NamespaceView, PodView};
use crate::k8s::{Label, Labels};
use crate::source::{Span, Spanned, Text};

/// Labels of these keys and values; `span` is the text that makes one think of them.
pub fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>, span: Span) -> Labels {
    let label = |(key, value): (&str, &str)| Label {
        key: Spanned::new(Text::from(key), span),
        value: Spanned::new(Text::from(value), span),
    };
    Labels::new(pairs.into_iter().map(label).collect())
}

/// Asks about a pod with these labels, and no others, in the namespace of this name. Of a
/// namespace that no manifest mentions nothing is known but its name.
pub fn with_pod<T>(
    cluster: &Cluster,
    namespace: &str,
    labels: &Labels,
    span: Span,
    ask: impl FnOnce(&Endpoint<'_>) -> T,
) -> T {
    let of_namespace = self::labels([(NAMESPACE_NAME_LABEL, namespace)], span);
    let view = match cluster.namespace_by_name(namespace) {
        Some(id) => NamespaceView::of(cluster, id),
        None => NamespaceView {
            id: None,
            name: namespace,
            labels: &of_namespace,
            are_labels_known: false,
        },
    };
    ask(&Endpoint::Pod(PodView::hypothetical(view, labels)))
}
