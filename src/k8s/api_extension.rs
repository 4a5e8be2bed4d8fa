//! The objects that make the API server call a Service: admission webhooks, aggregated
//! APIs, conversion webhooks.
//!
//! Refuses to know where the API server runs, and which pods are behind the Service.

use super::meta::ObjectMeta;
use crate::source::{Spanned, Text};

/// The kinds of [`ApiExtension`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiExtensionKind {
    /// `ValidatingWebhookConfiguration`.
    ValidatingWebhookConfiguration,
    /// `MutatingWebhookConfiguration`.
    MutatingWebhookConfiguration,
    /// `APIService`.
    ApiService,
    /// `CustomResourceDefinition` with `spec.conversion.strategy: Webhook`.
    CustomResourceDefinition,
}

impl ApiExtensionKind {
    /// The kinds of `admissionregistration.k8s.io` that hold webhooks.
    pub const WEBHOOKS: [Self; 2] = [
        Self::ValidatingWebhookConfiguration,
        Self::MutatingWebhookConfiguration,
    ];

    /// As `kind` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ValidatingWebhookConfiguration => "ValidatingWebhookConfiguration",
            Self::MutatingWebhookConfiguration => "MutatingWebhookConfiguration",
            Self::ApiService => "APIService",
            Self::CustomResourceDefinition => "CustomResourceDefinition",
        }
    }
}

/// An object that makes the API server call Services.
#[derive(Clone, Debug)]
pub struct ApiExtension {
    /// Its metadata; it has no namespace.
    pub meta: ObjectMeta,
    /// Its kind.
    pub kind: ApiExtensionKind,
    /// The calls, in the order of the text; a webhook by URL is none.
    pub calls: Vec<ServiceCall>,
}

/// A Service that the API server calls.
#[derive(Clone, Debug)]
pub struct ServiceCall {
    /// The place in the object, as `webhooks[0].clientConfig.service`.
    pub path: String,
    /// `name` of the Service.
    pub service: Spanned<Text>,
    /// `namespace` of the Service.
    pub namespace: Text,
    /// `port` of the Service, 443 where none is written.
    pub port: u16,
    /// What becomes of requests when the call fails.
    pub on_failure: OnFailure,
}

/// What becomes of requests when the API server cannot call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// They go through unchecked (`failurePolicy: Ignore`).
    Ignore,
    /// They are refused.
    Refuse,
}
