//! The objects beside the network, each sent to the reader of its kind.
//!
//! Refuses to judge them: what is wrong with one is left out without a word, as it is not
//! what npcheck is asked about.

use super::object::Identity;
use super::{
    api_extension, cluster_network, config_map, custom, entrypoint, kustomization, meta, monitor,
    proxy_route, rbac,
};
use crate::k8s::{
    ApiExtensionKind, ContextObject, EntrypointKind, MonitorKind, ObjectMeta, PrometheusKind,
    RoleScope,
};
use crate::source::{Spanned, Text};
use crate::yaml::tree::Node;
use std::sync::Arc;

/// Reads an object; `None` if its kind is none of these, or it says nothing about traffic.
pub(super) fn read(node: Node<'_>, identity: &Identity<'_>) -> Option<ContextObject> {
    let meta = || metadata(node, identity);
    let (group, kind) = (identity.group(), identity.kind);
    if let Some(kind) = MonitorKind::find(group, kind) {
        let monitor = monitor::read(node, meta(), kind);
        return Some(ContextObject::Monitor(Arc::new(monitor)));
    }
    if let Some(route) = proxy_route::read(node, group, kind, meta) {
        return Some(ContextObject::Entrypoint(Arc::new(route)));
    }
    Some(match (group, kind) {
        ("networking.k8s.io" | "extensions", "Ingress") => {
            ContextObject::Entrypoint(Arc::new(entrypoint::read_ingress(node, meta())))
        }
        ("gateway.networking.k8s.io", "Gateway") => {
            ContextObject::Gateway(Arc::new(entrypoint::read_gateway(node, meta())))
        }
        ("gateway.networking.k8s.io", kind) => {
            let mut kinds = EntrypointKind::GATEWAY_ROUTES.into_iter();
            let kind = kinds.find(|known| known.name() == kind)?;
            let route = entrypoint::read_gateway_route(node, meta(), kind)?;
            ContextObject::Entrypoint(Arc::new(route))
        }
        // The group has been in use since OpenShift 3.6; before, it was the core group.
        ("route.openshift.io" | "", "Route") => {
            ContextObject::Entrypoint(Arc::new(entrypoint::read_route(node, meta())))
        }
        ("networking.istio.io", "VirtualService") => {
            let service = entrypoint::read_virtual_service(node, meta())?;
            ContextObject::Entrypoint(Arc::new(service))
        }
        ("networking.istio.io", "Gateway") => {
            ContextObject::Entrypoint(Arc::new(entrypoint::read_istio_gateway(node, meta())))
        }
        ("monitoring.coreos.com", kind) => {
            let mut kinds = PrometheusKind::ALL.into_iter();
            let kind = kinds.find(|known| known.name() == kind)?;
            ContextObject::Prometheus(Arc::new(monitor::read_prometheus(node, meta(), kind)))
        }
        ("admissionregistration.k8s.io", kind) => {
            let mut kinds = ApiExtensionKind::WEBHOOKS.into_iter();
            let kind = kinds.find(|known| known.name() == kind)?;
            ContextObject::ApiExtension(Arc::new(api_extension::read_webhooks(node, meta(), kind)))
        }
        ("apiregistration.k8s.io", "APIService") => {
            ContextObject::ApiExtension(Arc::new(api_extension::read_api_service(node, meta())))
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            // They are long, and hardly one has a conversion.
            node.find(&["spec", "conversion"])?;
            ContextObject::ApiExtension(Arc::new(api_extension::read_conversion(node, meta())))
        }
        ("", "ServiceAccount") => {
            ContextObject::ServiceAccount(Arc::new(rbac::read_service_account(node, meta())))
        }
        ("rbac.authorization.k8s.io", kind) => {
            let scope_of = |kind_of: fn(RoleScope) -> &'static str| {
                let mut scopes = [RoleScope::Namespace, RoleScope::Cluster].into_iter();
                scopes.find(|scope| kind_of(*scope) == kind)
            };
            match (
                scope_of(RoleScope::role_kind),
                scope_of(RoleScope::binding_kind),
            ) {
                (Some(scope), _) => {
                    ContextObject::Role(Arc::new(rbac::read_role(node, meta(), scope)))
                }
                (_, Some(scope)) => {
                    ContextObject::RoleBinding(Arc::new(rbac::read_binding(node, meta(), scope)))
                }
                (None, None) => return None,
            }
        }
        ("kustomize.config.k8s.io", "Kustomization" | "Component") => {
            ContextObject::Kustomization(Arc::new(kustomization::read(node, meta())))
        }
        ("kustomize.toolkit.fluxcd.io", "Kustomization") => {
            ContextObject::Placement(Arc::new(kustomization::read_flux(node, meta())?))
        }
        ("argoproj.io", "Application") => {
            ContextObject::Placement(Arc::new(kustomization::read_argo(node, meta())?))
        }
        ("", "ConfigMap") if !cluster_network::is_cilium_config(node) => {
            ContextObject::ConfigMap(Arc::new(config_map::read(node, meta)?))
        }
        _ => ContextObject::ClusterNetwork(Arc::new(cluster_network::read(node, identity, meta)?)),
    })
}

/// Whether an object is only data for the pods of its namespace.
pub(super) fn is_data(node: Node<'_>, identity: &Identity<'_>) -> bool {
    (identity.group(), identity.kind) == ("", "ConfigMap")
        && !cluster_network::is_cilium_config(node)
}

/// Reads an object of a kind that npcheck does not read otherwise; `None` where its kind
/// says nothing about pods.
pub(super) fn read_custom(node: Node<'_>, identity: &Identity<'_>) -> Option<ContextObject> {
    let custom = custom::read(node, identity, || metadata(node, identity))?;
    Some(ContextObject::Custom(Arc::new(custom)))
}

/// Reads a mapping without `kind` that is an object all the same.
pub(super) fn read_kindless(node: Node<'_>) -> Option<ContextObject> {
    let meta = || {
        let api_version = Spanned::new("", node.span().before());
        meta::read(node, api_version, "", &mut Vec::new())
    };
    if cluster_network::is_install_config(node) {
        let network = cluster_network::read_install_config(node, meta());
        return Some(ContextObject::ClusterNetwork(Arc::new(network)));
    }
    if !kustomization::is_kustomization(node) {
        return None;
    }
    let meta = meta();
    Some(ContextObject::Kustomization(Arc::new(kustomization::read(
        node, meta,
    ))))
}

fn metadata(node: Node<'_>, identity: &Identity<'_>) -> ObjectMeta {
    meta::read(node, identity.api_version, "", &mut Vec::new())
}

/// The text at the end of a path of keys; `None` if it is missing, empty or no text.
pub(super) fn text(node: Node<'_>, path: &[&str]) -> Option<Spanned<Text>> {
    let text = meta::text(node.find(path)?)?;
    (!text.value.is_empty()).then_some(text)
}

/// The port number at the end of a path of keys.
pub(super) fn port(node: Node<'_>, path: &[&str]) -> Option<Spanned<u16>> {
    let node = node.find(path)?;
    let number = u16::try_from(node.as_int()?).ok()?;
    (number > 0).then(|| Spanned::new(number, node.span()))
}

#[cfg(test)]
mod tests {
    use crate::k8s::{
        BackendPort, ContextObject, MonitoredNamespaces, Object, OnFailure, PortReference,
    };
    use crate::source::{SourceMap, Spanned, Text};

    /// What the objects of a text say, a line each.
    fn read(text: &str) -> Vec<String> {
        let mut sources = SourceMap::default();
        let id = sources.add("test.yaml", text);
        let parsed = crate::manifest::read(id, "test.yaml", text);
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        let line = |object: Object| match object {
            Object::ContextObject(object) => {
                let meta = object.meta();
                format!(
                    "{}/{} {}",
                    object.kind(),
                    meta.name,
                    in_words(&object).join(" ")
                )
            }
            other => format!("{other:?}"),
        };
        // What custom resources tell of pods is tested beside their reader.
        let is_custom =
            |object: &Object| matches!(object, Object::ContextObject(ContextObject::Custom(_)));
        let objects = parsed.objects.into_iter();
        objects.filter(|it| !is_custom(it)).map(line).collect()
    }

    fn in_words(object: &ContextObject) -> Vec<String> {
        match object {
            ContextObject::Entrypoint(object) => {
                let backend = |backend: &crate::k8s::Backend| {
                    let port = match backend.port.as_ref().map(|port| &port.value) {
                        None => "-".to_owned(),
                        Some(BackendPort::Number(number)) => number.to_string(),
                        Some(BackendPort::Name(name)) => name.to_string(),
                        Some(BackendPort::OfPods(number)) => format!("pods:{number}"),
                    };
                    let namespace = object.backend_namespace(backend);
                    format!("{}={namespace}/{}:{port}", backend.path, backend.service)
                };
                let class = object.class.iter().map(|class| format!("class={class}"));
                let gateways = object
                    .gateways
                    .iter()
                    .map(|gateway| format!("gateway={:?}/{}", gateway.namespace, gateway.name));
                class
                    .chain(gateways)
                    .chain(object.backends.iter().map(backend))
                    .collect()
            }
            ContextObject::Gateway(object) => {
                let ports: Vec<u16> = object.ports.iter().map(|port| port.value).collect();
                vec![format!("class={} {ports:?}", object.class)]
            }
            ContextObject::Monitor(object) => {
                let namespaces = match &object.namespaces {
                    MonitoredNamespaces::Own => "own".to_owned(),
                    MonitoredNamespaces::Any => "any".to_owned(),
                    MonitoredNamespaces::Named(names) => names.join(","),
                };
                let endpoint = |endpoint: &crate::k8s::MonitorEndpoint| {
                    let port = endpoint.port.as_ref().map(|port| port.value.as_str());
                    let target = endpoint.target_port.as_ref().map(|port| match &port.value {
                        PortReference::Number(number) => number.to_string(),
                        PortReference::Name(name) => name.to_string(),
                    });
                    format!(
                        "{}>{}",
                        port.unwrap_or("-"),
                        target.unwrap_or("-".to_owned())
                    )
                };
                let endpoints = object.endpoints.iter().map(endpoint);
                let first = [namespaces, object.selector.to_string()];
                first.into_iter().chain(endpoints).collect()
            }
            ContextObject::Prometheus(object) => {
                vec![format!(
                    "{} host={}",
                    object.pod_labels.len(),
                    object.host_network
                )]
            }
            ContextObject::ClusterNetwork(object) => {
                let ranges = object.pod_cidrs.iter().map(|range| range.value.to_string());
                object
                    .network_type
                    .iter()
                    .map(ToString::to_string)
                    .chain(ranges)
                    .collect()
            }
            ContextObject::ApiExtension(object) => {
                let call = |call: &crate::k8s::ServiceCall| {
                    let ignores = call.on_failure == OnFailure::Ignore;
                    let service = format!("{}/{}:{}", call.namespace, call.service, call.port);
                    format!("{}={service} ignores={ignores}", call.path)
                };
                object.calls.iter().map(call).collect()
            }
            ContextObject::ConfigMap(object) => {
                let data = object.data.iter();
                data.map(|entry| format!("{}={}", entry.name, entry.value))
                    .collect()
            }
            ContextObject::ServiceAccount(object) => vec![format!("{:?}", object.automount_token)],
            ContextObject::Role(object) => vec![object.verbs.join(",")],
            ContextObject::RoleBinding(object) => {
                let account = |account: &crate::k8s::ServiceAccountReference| {
                    format!("{}/{}", account.namespace, account.name)
                };
                let role = format!("{}/{}", object.role_scope.role_kind(), object.role);
                let accounts = object.service_accounts.iter().map(account);
                std::iter::once(role).chain(accounts).collect()
            }
            ContextObject::Kustomization(object) => {
                let texts = |texts: &[Spanned<Text>]| {
                    let texts: Vec<&str> = texts.iter().map(|text| text.as_str()).collect();
                    texts.join(",")
                };
                let namespace = object.namespace.as_ref().map(|text| text.as_str());
                let namespace = format!("namespace={}", namespace.unwrap_or("-"));
                let patches = format!("patches={}", texts(&object.patches));
                vec![namespace, texts(&object.resources), patches]
            }
            ContextObject::Custom(object) => vec![object.home().to_owned()],
            ContextObject::Placement(object) => {
                vec![format!("{} in {}", object.path, object.namespace)]
            }
        }
    }

    #[test]
    fn reads_what_says_where_others_end_up() {
        let text = "
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: shop
resources: [../base, policy.yaml]
components: [extra]
patches:
  - {path: a.yaml, target: {kind: Pod}}
  - {patch: '- op: remove'}
patchesStrategicMerge: [b.yaml]
---
bases: [../base]
---
bases: [../base]
colour: red
---
resources: {cpu: 1}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: shop}
spec: {path: ./apps/shop, targetNamespace: shop}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: infra}
spec: {path: ./infra}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: bank}
spec: {source: {path: apps/bank}, destination: {namespace: bank}}
";
        let expected = [
            "Kustomization/ namespace=shop ../base,policy.yaml,extra patches=a.yaml,b.yaml",
            "Kustomization/ namespace=- ../base patches=",
            "Placement/shop ./apps/shop in shop",
            "Placement/bank apps/bank in bank",
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn reads_what_leads_to_services() {
        let text = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: new, namespace: shop}
spec:
  ingressClassName: nginx
  defaultBackend: {service: {name: web, port: {name: http}}}
  rules:
    - http:
        paths:
          - {path: /, backend: {service: {name: api, port: {number: 8080}}}}
          - {path: /bucket, backend: {resource: {kind: Bucket, name: b}}}
---
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: old, annotations: {kubernetes.io/ingress.class: gce}}
spec:
  backend: {serviceName: web, servicePort: http}
  rules: [{http: {paths: [{backend: {serviceName: api, servicePort: 80}}]}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route, namespace: shop}
spec:
  parentRefs: [{name: public, namespace: gateways}, {kind: Service, name: api}]
  rules:
    - backendRefs:
        - {name: web, port: 80}
        - {name: api, namespace: other, port: 81}
        - {kind: InferencePool, name: models}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: gateways}
spec: {gatewayClassName: envoy, listeners: [{port: 443}, {port: 80}]}
---
apiVersion: route.openshift.io/v1
kind: Route
metadata: {name: site, namespace: shop}
spec:
  to: {kind: Service, name: web}
  alternateBackends: [{kind: Service, name: canary}]
  port: {targetPort: 8080}
";
        let expected = [
            "Ingress/new class=nginx spec.defaultBackend=shop/web:http \
             spec.rules[0].http.paths[0].backend=shop/api:8080",
            "Ingress/old class=gce spec.backend=default/web:http \
             spec.rules[0].http.paths[0].backend=default/api:80",
            "HTTPRoute/route gateway=Some(\"gateways\")/public \
             spec.rules[0].backendRefs[0]=shop/web:80 spec.rules[0].backendRefs[1]=other/api:81",
            "Gateway/public class=envoy [443, 80]",
            "Route/site spec.to=shop/web:pods:8080 \
             spec.alternateBackends[0]=shop/canary:pods:8080",
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn reads_what_scrapes_what_is_called_and_who_may_call() {
        let text = "
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  namespaceSelector: {matchNames: [shop, bank]}
  endpoints: [{port: metrics}, {targetPort: 9090}, {targetPort: admin}]
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: all}
spec: {selector: {}, namespaceSelector: {any: true}, podMetricsEndpoints: [{portNumber: 9100}]}
---
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: main}
spec: {podMetadata: {labels: {team: ops}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: checks}
webhooks:
  - {failurePolicy: Ignore, clientConfig: {service: {name: hook, namespace: shop, port: 8443}}}
  - {clientConfig: {url: 'https://example.org'}}
  - {clientConfig: {service: {name: hook, namespace: shop}}}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec: {service: {name: metrics-server, namespace: kube-system}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  conversion:
    strategy: Webhook
    webhook: {clientConfig: {service: {name: hook, namespace: shop}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
  - {apiGroups: [''], resources: [pods], verbs: [list, get]}
  - {nonResourceURLs: [/metrics], verbs: [post]}
  - {apiGroups: [apps], resources: [deployments], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: robot-reads, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects:
  - {kind: ServiceAccount, name: robot}
  - {kind: User, name: alice}
";
        let expected = [
            "ServiceMonitor/web shop,bank app=web metrics>- ->9090 ->admin",
            "PodMonitor/all any everything ->9100",
            "Prometheus/main 1 host=false",
            "ValidatingWebhookConfiguration/checks \
             webhooks[0].clientConfig.service=shop/hook:8443 ignores=true \
             webhooks[2].clientConfig.service=shop/hook:443 ignores=false",
            "APIService/v1beta1.metrics.k8s.io spec.service=kube-system/metrics-server:443 \
             ignores=false",
            "CustomResourceDefinition/widgets.example.org \
             spec.conversion.webhook.clientConfig.service=shop/hook:443 ignores=false",
            "ServiceAccount/robot Some(false)",
            "Role/reader get,list",
            "RoleBinding/robot-reads ClusterRole/view shop/robot",
        ];
        assert_eq!(read(text), expected);
    }
}
