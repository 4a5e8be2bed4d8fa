//! Address blocks as text: what Kubernetes takes for one, and what is wrong with one
//! that it does not take.
//!
//! Refuses to know which field a block stands in; that `except` lies within its `cidr`
//! is checked where both are at hand.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr};

/// What is wrong with a text that should be an address block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CidrError {
    /// The fact, to be put behind the quoted text: "has no prefix length".
    pub(super) fact: String,
    /// What to write, where that is clear.
    pub(super) help: Option<String>,
}

impl CidrError {
    fn new(fact: impl Into<String>) -> Self {
        Self {
            fact: fact.into(),
            help: None,
        }
    }

    fn help(fact: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            fact: fact.into(),
            help: Some(help.into()),
        }
    }
}

/// The block that a text means, host bits as written.
///
/// Leading zeros are an error: some programs read them as octal, and API servers
/// refuse them since they are strict about addresses (KEP-4858).
pub(super) fn parse(text: &str) -> Result<IpNet, CidrError> {
    let Some((address, length)) = text.split_once('/') else {
        return Err(without_length(text));
    };
    let address = parse_address(address)?;
    let longest: u8 = if address.is_ipv4() { 32 } else { 128 };
    let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let prefix_length = length
        .parse::<u8>()
        .ok()
        .filter(|number| is_number && *number <= longest);
    let Some(prefix_length) = prefix_length else {
        return Err(match length.parse::<Ipv4Addr>() {
            Ok(_) => CidrError::help(
                "has a netmask instead of a prefix length",
                "write the number of leading one bits, as in `/24` for `/255.255.255.0`",
            ),
            Err(_) if is_number => CidrError::new(format!(
                "has a prefix length of {length}, and an {} address has {longest} bits",
                family_name(address)
            )),
            Err(_) => CidrError::new("has no number behind its `/`"),
        });
    };
    if length.len() > 1 && length.starts_with('0') {
        return Err(CidrError::help(
            "has a prefix length with a leading zero",
            format!("write `{address}/{prefix_length}`"),
        ));
    }
    Ok(match address {
        IpAddr::V4(address) => IpNet::V4(Ipv4Net::new_assert(address, prefix_length)),
        IpAddr::V6(address) => IpNet::V6(Ipv6Net::new_assert(address, prefix_length)),
    })
}

/// "IPv4" or "IPv6".
pub(super) fn family_name(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

fn without_length(text: &str) -> CidrError {
    match text.parse::<IpAddr>() {
        Ok(address) => {
            let longest = if address.is_ipv4() { 32 } else { 128 };
            CidrError::help(
                "is an address without a prefix length",
                format!("for this one address write `{address}/{longest}`"),
            )
        }
        Err(_) if text.is_empty() => CidrError::new("is empty"),
        Err(_) => CidrError::help(
            "is not a valid address block",
            "write a block like `10.0.0.0/8` or `2001:db8::/32`; names of hosts cannot be used here",
        ),
    }
}

fn parse_address(text: &str) -> Result<IpAddr, CidrError> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some(address) = without_leading_zeros(text) {
        return Err(CidrError::help(
            "has an address with leading zeros, which some programs read as octal",
            format!("write `{address}/…` if decimal numbers are meant"),
        ));
    }
    if text.contains('%') && text.contains(':') {
        return Err(CidrError::new(
            "has an address with a zone, which is a matter of one machine",
        ));
    }
    let parts = text.split('.').count();
    let is_dotted = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    Err(match text {
        "" => CidrError::new("has no address in front of its `/`"),
        _ if is_dotted && parts != 4 => CidrError::new(format!(
            "has an address of {parts} {}, and an IPv4 address has four",
            if parts == 1 { "number" } else { "numbers" }
        )),
        _ if is_dotted => CidrError::new("has an address with a number above 255"),
        _ => CidrError::new(format!(
            "has `{text}` in front of its `/`, which is not an IP address"
        )),
    })
}

/// The IPv4 address that is left when leading zeros are dropped, if there are any.
fn without_leading_zeros(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<String> = text
        .split('.')
        .map(|part| {
            let digits = part.trim_start_matches('0');
            if digits.is_empty() && !part.is_empty() {
                "0".to_owned()
            } else {
                digits.to_owned()
            }
        })
        .collect();
    parts.join(".").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::is_ipv4_mapped;

    #[test]
    fn blocks_are_read_with_their_host_bits() {
        for text in [
            "10.0.0.0/8",
            "10.0.0.77/8",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::1/32",
            "255.255.255.255/32",
        ] {
            assert_eq!(
                parse(text).map(|block| block.to_string()),
                Ok(text.to_owned())
            );
        }
        let long = "2001:0DB8:0:0:0:0:0:0/32";
        assert_eq!(
            parse(long).map(|block| block.to_string()),
            Ok("2001:db8::/32".to_owned())
        );
        let is_mapped = |text| is_ipv4_mapped(parse(text).expect("an IPv6 block"));
        assert!(is_mapped("::ffff:10.0.0.0/104") && !is_mapped("::/0"));
    }

    #[test]
    fn what_is_no_block_says_why() {
        let table = [
            ("10.0.0.1", "is an address without a prefix length"),
            ("2001:db8::1", "is an address without a prefix length"),
            ("", "is empty"),
            ("example.com", "is not a valid address block"),
            ("10.0.0.0/", "has no number behind its `/`"),
            ("10.0.0.0/x", "has no number behind its `/`"),
            ("10.0.0.0/-1", "has no number behind its `/`"),
            ("10.0.0.0/+8", "has no number behind its `/`"),
            ("10.0.0.0/8/8", "has no number behind its `/`"),
            (
                "10.0.0.0/33",
                "has a prefix length of 33, and an IPv4 address has 32 bits",
            ),
            (
                "10.0.0.0/999",
                "has a prefix length of 999, and an IPv4 address has 32 bits",
            ),
            (
                "::/129",
                "has a prefix length of 129, and an IPv6 address has 128 bits",
            ),
            (
                "10.0.0.0/255.0.0.0",
                "has a netmask instead of a prefix length",
            ),
            ("10.0.0.0/08", "has a prefix length with a leading zero"),
            (
                "010.0.0.0/8",
                "has an address with leading zeros, which some programs read as octal",
            ),
            (
                "10.0.0/8",
                "has an address of 3 numbers, and an IPv4 address has four",
            ),
            (
                "10/8",
                "has an address of 1 number, and an IPv4 address has four",
            ),
            ("10.0.0.256/8", "has an address with a number above 255"),
            ("/8", "has no address in front of its `/`"),
            (
                "fe80::1%eth0/64",
                "has an address with a zone, which is a matter of one machine",
            ),
            (
                "10.0.0.0 /8",
                "has `10.0.0.0 ` in front of its `/`, which is not an IP address",
            ),
        ];
        for (text, fact) in table {
            assert_eq!(
                parse(text).map_err(|error| error.fact),
                Err(fact.to_owned()),
                "{text}"
            );
        }
    }
}
