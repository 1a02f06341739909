//! What other suites of this program need of a cluster: its kubectl, and images from a registry of this machine.

use super::kubectl;
use super::node;
use super::state::State;
use crate::kill::proc;
use anyhow::{Context as _, Result};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;

/// The machine, as nodes and pods reach it.
pub(crate) fn machine_address(state: &State) -> Ipv4Addr {
    state.range.outer_end()
}

pub(crate) fn ask(state: &State, words: &[&str]) -> Result<String> {
    proc::must_succeed(kubectl(state).args(words), &format!("run `kubectl {}`", words.join(" ")))
}

/// YAML or JSON.
pub(crate) fn apply(state: &State, objects: &str) -> Result<()> {
    let mut command = kubectl(state);
    command
        .args(["apply", "--filename=-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("start kubectl")?;
    child
        .stdin
        .take()
        .expect("it is piped")
        .write_all(objects.as_bytes())
        .context("tell kubectl what to apply")?;
    let out = child.wait_with_output().context("wait for kubectl")?;
    anyhow::ensure!(out.status.success(), "apply objects: {}", String::from_utf8_lossy(&out.stderr).trim());
    Ok(())
}

/// A registry that listens on loopback, for whose images nodes go to the same port at the machine's end of their link.
pub(crate) fn trust_registry(state: &State, registry: SocketAddr) -> Result<()> {
    let address = format!("{}:{}", machine_address(state), registry.port());
    for number in 0..state.nodes {
        // containerd reads it with each pull.
        let folder =
            node::folder(&state.home(), number).join("etc/containerd/certs.d").join(registry.to_string());
        std::fs::create_dir_all(&folder).with_context(|| format!("make folder {}", folder.display()))?;
        std::fs::write(folder.join("hosts.toml"), node::REGISTRY.replace("{registry}", &address))
            .context("tell a node about a registry")?;
    }
    Ok(())
}
