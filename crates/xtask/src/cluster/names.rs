//! A cluster's name and its addresses: what makes several of them fit beside each other.
//!
//! Addresses come from 198.18.0.0/15, which is set aside for tests of network equipment and is routed nowhere. Each
//! cluster takes one of 32 ranges of it; whoever starts one looks which are free, in our own books and in the
//! machine's routes.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Kernel names of links end at 15 bytes, and a socket's path at 108.
const NAME_BYTES_MAX: usize = 12;
const FIRST: u32 = u32::from_be_bytes([198, 18, 0, 0]);
const RANGES: u32 = 32;
/// Addresses in one range: a /20.
const RANGE_SIZE: u32 = 1 << 12;
pub(crate) const NODES_MAX: u8 = 4;

/// Lower-case letters, digits and dashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn parse(text: &str) -> Result<Name> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let right = !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(fits);
        ensure!(
            right && !text.starts_with('-'),
            "read cluster name {text:?}: it is 1 to {NAME_BYTES_MAX} lower-case letters, digits and dashes"
        );
        Ok(Name(text.to_string()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One of the 32 ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range(u32);

impl Range {
    /// The first that nobody holds and no route of the machine touches.
    pub(crate) fn choose(held: &[Range], routes: &[Net]) -> Option<Range> {
        let free =
            |range: &Range| !held.contains(range) && !routes.iter().any(|route| route.meets(&range.whole()));
        (0..RANGES).map(Range).find(free)
    }

    fn at(self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from(FIRST + self.0 * RANGE_SIZE + offset)
    }

    pub(crate) fn whole(self) -> Net {
        Net { first: self.at(0), bits: 20 }
    }

    /// The bridge's address: the API server listens there, and it is the nodes' way out.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        self.at(1)
    }

    pub(crate) fn node(self, number: u8) -> Ipv4Addr {
        self.at(10 + u32::from(number))
    }

    pub(crate) fn pods(self, node: u8) -> Net {
        Net { first: self.at(256 * (4 + u32::from(node))), bits: 24 }
    }

    /// All pods of real nodes and nothing else: kube-proxy hides every other sender behind a node's address.
    pub(crate) fn all_pods(self) -> Net {
        Net { first: self.at(256 * 4), bits: 22 }
    }

    pub(crate) fn services(self) -> Net {
        Net { first: self.at(256 * 8), bits: 22 }
    }

    /// The first service address is the API server's own, `kubernetes.default`.
    pub(crate) fn api_service(self) -> Ipv4Addr {
        self.at(256 * 8 + 1)
    }

    pub(crate) fn dns(self) -> Ipv4Addr {
        self.at(256 * 8 + 53)
    }

    /// The cluster's end of the link to the machine, and the machine's end.
    pub(crate) fn inner_end(self) -> Ipv4Addr {
        self.at(256 * 15 + 1)
    }

    pub(crate) fn outer_end(self) -> Ipv4Addr {
        self.at(256 * 15 + 2)
    }

    /// Name of the link on the machine, and of the cgroup in every hierarchy; the machine has one of each.
    pub(crate) fn label(self) -> String {
        format!("nica-{}", self.0)
    }
}

/// An address range, as `ip` writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Net {
    first: Ipv4Addr,
    bits: u8,
}

impl Net {
    /// `198.18.0.0/20`, or one address; none for `default` and what is not IPv4.
    pub(crate) fn parse(text: &str) -> Option<Net> {
        let (first, bits) = text.split_once('/').unwrap_or((text, "32"));
        Some(Net {
            first: first.parse().ok()?,
            bits: bits.parse().ok().filter(|bits| (1..=32).contains(bits))?,
        })
    }

    pub(crate) fn meets(&self, other: &Net) -> bool {
        let bits = self.bits.min(other.bits);
        let head = |net: &Net| u32::from(net.first) >> (32 - u32::from(bits));
        head(self) == head(other)
    }
}

impl std::fmt::Display for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_into_links_and_paths_or_is_refused() {
        for good in ["a", "dev", "test-17", "123456789012"] {
            assert_eq!(Name::parse(good).expect(good).as_str(), good);
        }
        for bad in ["", "Dev", "a_b", "../x", "-a", "1234567890123", "a b"] {
            let error = Name::parse(bad).expect_err(bad).to_string();
            assert!(error.contains("lower-case"), "{error}");
        }
    }

    #[test]
    fn the_first_range_that_is_free_here_and_in_the_routes_is_taken() {
        let check = |held: &[u32], routes: &[&str], expected: Option<u32>| {
            let held: Vec<Range> = held.iter().copied().map(Range).collect();
            let routes: Vec<Net> = routes.iter().map(|text| Net::parse(text).expect("a range")).collect();
            assert_eq!(Range::choose(&held, &routes), expected.map(Range), "{held:?} {routes:?}");
        };
        check(&[], &[], Some(0));
        check(&[0, 1], &[], Some(2));
        check(&[0], &["198.18.16.0/24"], Some(2));
        check(&[], &["198.18.15.2/32", "192.0.2.0/24"], Some(1));
        check(&[], &["198.18.0.0/16"], Some(16));
        check(&[], &["198.18.0.0/15"], None);
        check(&(0..32).collect::<Vec<_>>(), &[], None);
    }

    #[test]
    fn parts_of_a_range_do_not_overlap_and_stay_inside() {
        let range = Range(31);
        let pods = (0..NODES_MAX).map(|node| range.pods(node));
        let (machines, link) =
            (Net { first: range.at(0), bits: 24 }, Net { first: range.at(256 * 15), bits: 30 });
        assert!(pods.clone().all(|net| net.meets(&range.all_pods())) && !machines.meets(&range.all_pods()));
        let parts: Vec<Net> = pods.chain([machines, range.services(), link]).collect();
        for (at, part) in parts.iter().enumerate() {
            assert!(part.meets(&range.whole()), "{part}");
            assert!(parts[at + 1..].iter().all(|other| !part.meets(other)), "{part}");
        }
        assert_eq!(range.whole().to_string(), "198.19.240.0/20");
        assert!(!Range(30).whole().meets(&range.whole()));
        assert_eq!(range.gateway().to_string(), "198.19.240.1");
        assert!(range.node(NODES_MAX).to_string().starts_with("198.19.240."));
    }

    #[test]
    fn only_ranges_are_read() {
        assert_eq!(Net::parse("10.0.0.0/8").map(|net| net.to_string()).as_deref(), Some("10.0.0.0/8"));
        assert_eq!(Net::parse("10.0.0.7").map(|net| net.to_string()).as_deref(), Some("10.0.0.7/32"));
        assert_eq!(Net::parse("default"), None);
        assert_eq!(Net::parse("0.0.0.0/0"), None);
        assert_eq!(Net::parse("fe80::/64"), None);
    }
}
