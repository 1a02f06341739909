//! How the cases look at a cluster: with its own kubectl, and by plain HTTP.

pub(crate) use crate::cluster::ask;
use crate::cluster::state::State;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

const ASK_LIMIT: Duration = Duration::from_secs(3);

pub(crate) struct Pod {
    pub name: String,
    pub node: String,
    pub ready: bool,
}

pub(crate) fn pods(state: &State, selector: &str) -> Result<Vec<Pod>> {
    let text = ask(state, &["get", "pods", "--selector", selector, "--output=json"])?;
    let list: Value = serde_json::from_str(&text)?;
    let pod = |pod: &Value| Pod {
        name: pod["metadata"]["name"].as_str().unwrap_or_default().to_string(),
        node: pod["spec"]["nodeName"].as_str().unwrap_or_default().to_string(),
        ready: pod["status"]["containerStatuses"][0]["ready"] == true,
    };
    Ok(list["items"].as_array().context("read a list of pods")?.iter().map(pod).collect())
}

pub(crate) fn create(state: &State, objects: &Value) -> Result<()> {
    let file = state.home().join("case.json");
    std::fs::write(&file, objects.to_string())?;
    ask(state, &["create", "--filename", &file.display().to_string()]).map(drop)
}

/// The body of one HTTP answer.
pub(crate) fn get(address: Ipv4Addr, port: u16) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&(address, port).into(), ASK_LIMIT)?;
    stream.set_read_timeout(Some(ASK_LIMIT))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("read an answer")?;
    ensure!(head.contains(" 200 "), "read an answer: {head}");
    Ok(body.to_string())
}
