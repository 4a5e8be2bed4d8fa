//! `icmps` of a rule of Cilium's, as far as the API server refuses them.
//!
//! Refuses to know what they let through: no rule with them is about TCP, UDP or SCTP.

use super::layer7::require_one_of;
use crate::manifest::invalid_value;
use crate::manifest::reader::{self, Path, Reader};
use crate::yaml::tree::Node;

/// How many entries `fields` may have (`MaxItems` in the CRD).
const MAX_FIELDS: usize = 40;

/// The names of types, of both families (`pkg/policy/api/icmp.go`).
const TYPES: [&str; 34] = [
    "EchoReply",
    "DestinationUnreachable",
    "Redirect",
    "Echo",
    "EchoRequest",
    "RouterAdvertisement",
    "RouterSelection",
    "TimeExceeded",
    "ParameterProblem",
    "Timestamp",
    "TimestampReply",
    "Photuris",
    "ExtendedEchoRequest",
    // As the CRD of some releases has it.
    "ExtendedEcho Reply",
    "ExtendedEchoReply",
    "PacketTooBig",
    "MulticastListenerQuery",
    "MulticastListenerReport",
    "MulticastListenerDone",
    "RouterSolicitation",
    "NeighborSolicitation",
    "NeighborAdvertisement",
    "RedirectMessage",
    "RouterRenumbering",
    "ICMPNodeInformationQuery",
    "ICMPNodeInformationResponse",
    "InverseNeighborDiscoverySolicitation",
    "InverseNeighborDiscoveryAdvertisement",
    "HomeAgentAddressDiscoveryRequest",
    "HomeAgentAddressDiscoveryReply",
    "MobilePrefixSolicitation",
    "MobilePrefixAdvertisement",
    "DuplicateAddressRequestCodeSuffix",
    "DuplicateAddressConfirmationCodeSuffix",
];

/// Looks through the entries of `icmps`.
pub(super) fn check(list: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) {
    for (index, entry) in list.items().enumerate() {
        let entry_path = path.item(index);
        let path = entry_path.field("fields");
        let Some(fields) = entry.find(&["fields"]) else {
            continue;
        };
        if let Some(extra) = fields.items().nth(MAX_FIELDS) {
            let message = format!("the list has more than {MAX_FIELDS} entries");
            let diagnostic = invalid_value(extra.span(), message).label("is one too many");
            reader.refuse(path, diagnostic);
        }
        for (index, field) in fields.items().enumerate() {
            check_field(field, path.item(index), reader);
        }
    }
}

fn check_field(field: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) {
    if !field.is_mapping() {
        return;
    }
    require_one_of(field, "family", &["IPv4", "IPv6"], path, reader);
    let Some(value) = field.find(&["type"]) else {
        let diagnostic = invalid_value(field.span(), "the entry has no `type`");
        return reader.refuse(path, diagnostic);
    };
    // The CRD looks at texts only.
    let Some(text) = value.as_str().filter(|_| !reader::is_opaque(value)) else {
        return;
    };
    let is_number = (text.parse::<u8>()).is_ok_and(|number| number.to_string() == text);
    if !is_number && !TYPES.contains(&text) {
        let message = format!("`{text}` is not a type of ICMP");
        let help = "write a number from 0 to 255, or a name such as `EchoRequest`";
        let diagnostic = invalid_value(value.span(), message).help(help);
        reader.refuse(path.field("type"), diagnostic);
    }
}
