//! `ipBlock` of a `NetworkPolicy` from a tree: an address block and the blocks that are
//! cut out of it.
//!
//! Refuses to know the syntax of addresses, and what a block means for pods.

use super::cidr;
use super::fields;
use super::network_policy::invalid_peer;
use super::reader::{self, Path, Reader};
use super::structure;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{IpBlock, is_ipv4_mapped};
use crate::source::{Span, Spanned};
use crate::yaml::tree::{Entry, Node};
use ipnet::IpNet;

/// Reads an `ipBlock` that is not null; `None` if its `cidr` cannot be read.
pub(super) fn read(entry: Entry<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<IpBlock> {
    let block = entry.value;
    if reader.is_opaque(block) || !block.is_mapping() {
        return None;
    }
    let node = block
        .find(&["cidr"])
        .filter(|cidr| cidr.as_str() != Some(""));
    let Some(node) = node else {
        if structure::has_unknown_field(block, &fields::IP_BLOCK) {
            reader.refuse_silently();
        } else {
            let key = block.entry("cidr").map_or(entry.key, |entry| entry.key);
            let diagnostic = invalid_peer(key.span(), "this `ipBlock` has no `cidr`");
            let help = "write the block that is meant; `0.0.0.0/0` and `::/0` cover all addresses";
            reader.refuse(path, diagnostic.help(help));
        }
        return None;
    };
    let cidr = read_cidr(node, path.field("cidr"), reader);
    let except = reader::field(block, "except", |entry| {
        if reader.is_opaque(entry.value) {
            return None;
        }
        let outer = cidr.as_ref().map(|cidr| (cidr.value, cidr.span));
        reader::items(entry.value, path.field("except"), |item, path| {
            except(item, outer, path, reader)
        })
    });
    Some(IpBlock {
        span: block.span(),
        cidr: cidr?,
        except,
    })
}

/// Reads one address block; `None` if it is none, or if another tool writes it.
pub(super) fn read_cidr(
    node: Node<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<IpNet>> {
    if reader.is_opaque(node) {
        return None;
    }
    let text = node.as_str()?;
    match cidr::parse(text) {
        Ok(block) => {
            if is_ipv4_mapped(block) {
                let message = format!("`{text}` is an IPv4 block written as IPv6");
                // Taken by the servers up to 1.35, refused since (KEP-4858).
                let diagnostic = invalid(node.span(), message)
                    .label("some programs take this for IPv4, others for IPv6")
                    .help("write the IPv4 block");
                reader.report(path, diagnostic);
            }
            Some(Spanned::new(block, node.span()))
        }
        Err(error) => {
            let mut diagnostic = invalid(node.span(), format!("`{text}` {}", error.fact));
            diagnostic.help = error.help;
            reader.refuse(path, diagnostic);
            None
        }
    }
}

fn except(
    item: Node<'_>,
    outer: Option<(IpNet, Span)>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<IpNet>> {
    if item.is_null() {
        reader.refuse(
            path,
            invalid(item.span(), "this entry of `except` is empty"),
        );
        return None;
    }
    let block = read_cidr(item, path, reader)?;
    let Some((outer, outer_span)) = outer else {
        return Some(block);
    };
    let inner = block.value;
    let (cidr, text) = (outer.trunc(), item.as_str().unwrap_or_default());
    let (message, label) = if inner.addr().is_ipv4() != outer.addr().is_ipv4() {
        let (inner, outer) = (
            cidr::family_name(inner.addr()),
            cidr::family_name(outer.addr()),
        );
        (
            format!("`{text}` cannot be cut out of `{cidr}`"),
            format!("is {inner}, the block is {outer}"),
        )
    } else if inner.trunc() == cidr {
        (
            format!("`{text}` is the whole of `{cidr}`"),
            "leaves no address of the block".to_owned(),
        )
    } else if inner.prefix_len() < outer.prefix_len() {
        let label = match inner.trunc().contains(&cidr) {
            true => "contains the whole block and more".to_owned(),
            false => "is larger than the block, and outside it".to_owned(),
        };
        (format!("`{text}` does not lie inside `{cidr}`"), label)
    } else if !cidr.contains(&inner.addr()) || inner.prefix_len() == outer.prefix_len() {
        (
            format!("`{text}` does not lie inside `{cidr}`"),
            "has no address of the block".to_owned(),
        )
    } else {
        return Some(block);
    };
    let diagnostic = invalid(item.span(), message)
        .label(label)
        .related(outer_span, "the block that it is cut out of")
        .help("`except` takes blocks that are smaller than `cidr` and lie inside it");
    reader.refuse(path, diagnostic);
    Some(block)
}

fn invalid(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new("invalid-cidr", Severity::Error, span, message)
}
