//! Live replicas as the kernel knows them, and what their addresses say.
//!
//! A replica is found by its environment (`NICA_REPLICA=ENV/COMPONENT/GENERATION/N`), its release by the bytes of
//! its executable; neither asks anybody who could be wrong.

use super::{Look, Workload};
use crate::kill::lines;
use crate::kill::proc;
use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

const ANSWER_LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn read(look: &Look<'_>) -> Result<BTreeMap<String, Workload>> {
    let mut found: BTreeMap<String, Workload> = BTreeMap::new();
    for pid in proc::descendants(look.above).into_iter().filter(|pid| proc::alive(*pid)) {
        let environment = proc::environment(pid);
        let Some(component) = component(&environment) else { continue };
        let workload = found.entry(component).or_insert_with(|| Workload {
            executables: Vec::new(),
            config: Vec::new(),
            version: String::new(),
            asked: String::new(),
        });
        workload.executables.push(executable(pid));
        workload.config.push(config(&environment, look.variables));
    }
    for (component, address) in look.listens {
        if let Some(workload) = found.get_mut(component) {
            workload.version = version(address).unwrap_or_else(|error| format!("unknown: {error:#}"));
        }
    }
    for (component, asked) in asked(look.state)? {
        if let Some(workload) = found.get_mut(&component) {
            workload.asked = asked;
        }
    }
    for workload in found.values_mut() {
        workload.executables.sort();
        workload.config.sort();
    }
    Ok(found)
}

/// Component → generation, as the supervisor tells whoever asks.
fn asked(state: &Path) -> Result<BTreeMap<String, String>> {
    let answer: serde_json::Value = serde_json::from_str(&lines::tell(state, r#"{"op":"observe"}"#)?)?;
    let components =
        answer["observed"]["components"].as_object().context("ask the supervisor what it was asked for")?;
    let generation = |seen: &serde_json::Value| seen["generation"].as_str().unwrap_or_default().to_string();
    Ok(components.iter().map(|(name, seen)| (name.clone(), generation(seen))).collect())
}

fn component(environment: &[String]) -> Option<String> {
    let replica = environment.iter().find_map(|word| word.strip_prefix("NICA_REPLICA="))?;
    Some(replica.split('/').nth(1)?.to_string())
}

/// The digest of what really runs, also when its file was replaced or deleted.
fn executable(pid: u32) -> String {
    match std::fs::read(format!("/proc/{pid}/exe")) {
        Ok(bytes) => hex::encode(Sha256::digest(bytes)),
        Err(error) => format!("unreadable: {error}"),
    }
}

fn config(environment: &[String], variables: &[&str]) -> Vec<String> {
    let counts = |word: &&String| word.split_once('=').is_some_and(|(name, _)| variables.contains(&name));
    let mut config: Vec<String> = environment.iter().filter(counts).cloned().collect();
    config.sort();
    config
}

/// What a component's address says it is.
pub(crate) fn version(address: &str) -> Result<String> {
    let answer: serde_json::Value = serde_json::from_str(&http_get(address, "/version")?)?;
    Ok(answer["version"].as_str().context("read the version")?.to_string())
}

/// The body of an answer with status 200.
fn http_get(address: &str, path: &str) -> Result<String> {
    let mut server = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
    server.set_read_timeout(Some(ANSWER_LIMIT))?;
    write!(server, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("read an answer")?;
    anyhow::ensure!(
        head.contains(" 200 "),
        "ask {address}{path}: {}",
        head.lines().next().unwrap_or_default()
    );
    Ok(body.to_string())
}
