//! The cluster's network: a namespace with a bridge, nodes on it, and one link to the machine.
//!
//! The machine itself gets a link and one route, which go when the namespace goes: its forwarding and its firewall
//! are never touched. Packets are forwarded inside the cluster's namespaces only.

use super::names::{Net, Range};
use crate::kill::proc;
use anyhow::{Context as _, Result};
use std::process::Command;

/// Every IPv4 route of the machine, in all tables.
pub(crate) fn routes() -> Result<Vec<Net>> {
    let table = ip(&["-4", "route", "show", "table", "all"])?;
    Ok(table.lines().filter_map(route).collect())
}

/// `198.18.0.0/20 via …`, `local 127.0.0.1 dev …`.
fn route(line: &str) -> Option<Net> {
    let mut words = line.split_whitespace();
    let first = words.next()?;
    Net::parse(first).or_else(|| Net::parse(words.next()?))
}

/// From the machine: a link into the network namespace of this process, and the way to the whole range.
pub(crate) fn connect(range: Range, init: u32) -> Result<()> {
    let (label, whole) = (range.label(), range.whole().to_string());
    let (outer, inner) = (format!("{}/30", range.outer_end()), range.inner_end().to_string());
    ip(&["link", "add", &label, "type", "veth", "peer", "name", UPLINK, "netns", &init.to_string()])?;
    ip(&["address", "add", &outer, "dev", &label])?;
    ip(&["link", "set", &label, "up"])?;
    ip(&["route", "add", &whole, "via", &inner, "dev", &label])?;
    Ok(())
}

/// Nothing when it is gone already, as it is once the namespace has ended.
pub(crate) fn disconnect(range: Range) -> Result<()> {
    let label = range.label();
    if !has_link(&label) {
        return Ok(());
    }
    match ip(&["link", "delete", &label]) {
        Err(error) if has_link(&label) => Err(error),
        _ => Ok(()),
    }
}

pub(crate) fn has_link(label: &str) -> bool {
    std::path::Path::new("/sys/class/net").join(label).exists()
}

const UPLINK: &str = "up0";
const BRIDGE: &str = "br0";

/// Inside the cluster's namespace: loopback, the link's other end, the bridge.
pub(crate) fn build(range: Range, nodes: u8) -> Result<()> {
    let gateway = format!("{}/{}", range.gateway(), 24);
    ip(&["link", "set", "lo", "up"])?;
    ip(&["address", "add", &format!("{}/30", range.inner_end()), "dev", UPLINK])?;
    ip(&["link", "set", UPLINK, "up"])?;
    ip(&["link", "add", BRIDGE, "type", "bridge"])?;
    ip(&["address", "add", &gateway, "dev", BRIDGE])?;
    ip(&["link", "set", BRIDGE, "up"])?;
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("forward inside the cluster's namespace")?;
    for node in 0..nodes {
        ip(&["route", "add", &range.pods(node).to_string(), "via", &range.node(node).to_string()])?;
    }
    if nodes > 0 {
        ip(&["route", "add", &range.services().to_string(), "via", &range.node(0).to_string()])?;
    }
    Ok(())
}

/// From inside the cluster's namespace: a node, whose own namespace is that of process `room`, is put on the bridge.
pub(crate) fn attach(range: Range, node: u8, nodes: u8, room: u32) -> Result<()> {
    let (port, room) = (format!("node{node}"), room.to_string());
    let gateway = range.gateway().to_string();
    ip(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &room])?;
    ip(&["link", "set", &port, "master", BRIDGE, "up"])?;
    let inside = |words: &[&str]| {
        let mut command = Command::new("nsenter");
        command.args(["--target", &room, "--net", "--", "ip"]).args(words);
        proc::must_succeed(&mut command, "put a node on the network")
    };
    inside(&["link", "set", "lo", "up"])?;
    inside(&["address", "add", &format!("{}/24", range.node(node)), "dev", "eth0"])?;
    inside(&["link", "set", "eth0", "up"])?;
    inside(&["route", "add", "default", "via", &gateway])?;
    for other in (0..nodes).filter(|other| *other != node) {
        inside(&["route", "add", &range.pods(other).to_string(), "via", &range.node(other).to_string()])?;
    }
    Ok(())
}

fn ip(words: &[&str]) -> Result<String> {
    proc::must_succeed(Command::new("ip").args(words), &format!("run `ip {}`", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_from_what_ip_prints() {
        let check = |line: &str, expected: Option<&str>| {
            assert_eq!(route(line).map(|net| net.to_string()).as_deref(), expected, "{line}");
        };
        check("198.18.0.0/20 via 198.18.15.1 dev nica-0", Some("198.18.0.0/20"));
        check("local 127.0.0.0/8 dev lo table local proto kernel scope host", Some("127.0.0.0/8"));
        check("broadcast 192.0.2.255 dev eth0 table local", Some("192.0.2.255/32"));
        check("default via 192.0.2.1 dev eth0", None);
        check("", None);
    }
}
