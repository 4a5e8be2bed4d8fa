//! Webhook configurations, aggregated APIs and conversion webhooks from a tree.
//!
//! Refuses to know which requests they are called for.

use super::context_object::{port, text};
use crate::k8s::{ApiExtension, ApiExtensionKind, ObjectMeta, OnFailure, ServiceCall};
use crate::yaml::tree::Node;

/// The port of a Service that is called where none is written
/// (admissionregistration/v1 types.go).
const DEFAULT_PORT: u16 = 443;

/// Reads a `ValidatingWebhookConfiguration` or a `MutatingWebhookConfiguration`.
pub(super) fn read_webhooks(
    node: Node<'_>,
    meta: ObjectMeta,
    kind: ApiExtensionKind,
) -> ApiExtension {
    let webhooks = node.find(&["webhooks"]).into_iter().flat_map(Node::items);
    let call = |(index, webhook): (usize, Node<'_>)| {
        let service = webhook.find(&["clientConfig", "service"])?;
        let policy = text(webhook, &["failurePolicy"]);
        let on_failure = match policy {
            Some(policy) if policy.value == "Ignore" => OnFailure::Ignore,
            _ => OnFailure::Refuse,
        };
        let path = format!("webhooks[{index}].clientConfig.service");
        read_call(service, path, on_failure)
    };
    ApiExtension {
        meta,
        kind,
        calls: webhooks.enumerate().filter_map(call).collect(),
    }
}

/// Reads an `APIService`; one without a Service is served by the API server itself.
pub(super) fn read_api_service(node: Node<'_>, meta: ObjectMeta) -> ApiExtension {
    let service = node.find(&["spec", "service"]);
    let call = service
        .and_then(|service| read_call(service, "spec.service".to_owned(), OnFailure::Refuse));
    ApiExtension {
        meta,
        kind: ApiExtensionKind::ApiService,
        calls: call.into_iter().collect(),
    }
}

/// Reads the conversion webhook of a `CustomResourceDefinition`, of the current version or
/// of v1beta1.
pub(super) fn read_conversion(node: Node<'_>, meta: ObjectMeta) -> ApiExtension {
    let conversion = node.find(&["spec", "conversion"]);
    let is_webhook = conversion
        .and_then(|conversion| text(conversion, &["strategy"]))
        .is_some_and(|strategy| strategy.value == "Webhook");
    let places: [&[&str]; 2] = [
        &["webhook", "clientConfig", "service"],
        &["webhookClientConfig", "service"],
    ];
    let call = |path: &&[&str]| {
        let service = conversion.filter(|_| is_webhook)?.find(path)?;
        let path = format!("spec.conversion.{}", path.join("."));
        read_call(service, path, OnFailure::Refuse)
    };
    ApiExtension {
        meta,
        kind: ApiExtensionKind::CustomResourceDefinition,
        calls: places.iter().find_map(call).into_iter().collect(),
    }
}

fn read_call(service: Node<'_>, path: String, on_failure: OnFailure) -> Option<ServiceCall> {
    Some(ServiceCall {
        path,
        service: text(service, &["name"])?,
        namespace: text(service, &["namespace"])?.value,
        port: port(service, &["port"]).map_or(DEFAULT_PORT, |port| port.value),
        on_failure,
    })
}
