//! A registry on this machine, and pushing to one: what comes back is the digest by which the image is known from then on.
//!
//! Debian's `docker-registry`, on loopback. Nodes of a test cluster reach it at the machine's end of their link: a second
//! one over the same files, which can only be read.

use super::build::Built;
use super::store::Store;
use super::tools::Tools;
use crate::demo::Place;
use crate::kill::proc;
use anyhow::{Context as _, Result};
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const START_LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Registry {
    pub(crate) at: SocketAddr,
    program: PathBuf,
    files: PathBuf,
    children: Vec<Child>,
    /// What runs from there ends with us, however we end.
    place: Place,
}

impl Registry {
    pub(crate) fn start(tools: &Tools, at: SocketAddr) -> Result<Registry> {
        let place = Place::make()?;
        let program = place.folder.join("docker-registry");
        fs::copy(&tools.registry, &program).context("copy the registry's program")?;
        let files = place.folder.join("images");
        let mut registry = Registry { at, program, files, children: Vec::new(), place };
        registry.serve(at, false)?;
        Ok(registry)
    }

    /// Where nobody listens yet.
    pub(crate) fn on_loopback(tools: &Tools) -> Result<Registry> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        Registry::start(tools, free.context("find a free port")?)
    }

    /// The same images at another address of this machine, to be read.
    pub(crate) fn show_at(&mut self, at: SocketAddr) -> Result<()> {
        self.serve(at, true)
    }

    fn serve(&mut self, at: SocketAddr, read_only: bool) -> Result<()> {
        let config = self.place.folder.join(format!("registry-{}.yml", self.children.len()));
        let files = self.files.display();
        let text = format!(
            "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: \
             {{rootdirectory: {files}}}\n  maintenance:\n    uploadpurging: {{enabled: false}}\n    readonly: \
             {{enabled: {read_only}}}\nhttp: {{addr: \"{at}\", secret: {}}}\n",
            hex::encode(rand::random::<[u8; 16]>()),
        );
        fs::write(&config, text).context("write the registry's settings")?;
        let log = fs::File::create(config.with_extension("log")).context("open the registry's log")?;
        let mut command = Command::new(&self.program);
        command.arg("serve").arg(&config).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Its own tracing would look for somebody to tell.
        command.env("OTEL_TRACES_EXPORTER", "none");
        self.children.push(command.spawn().context("start the registry")?);
        proc::wait_for(&format!("see a registry at {at}"), START_LIMIT, || TcpStream::connect(at).ok())
            .map(drop)
    }

    pub(crate) fn push(&self, store: &Store, built: &Built) -> Result<String> {
        push(store, built, self.at)
    }

    pub(crate) fn stay(mut self) -> Result<()> {
        println!("serving {} until Ctrl-C", self.at);
        for child in &mut self.children {
            child.wait().context("wait for the registry")?;
        }
        self.end()
    }

    pub(crate) fn end(mut self) -> Result<()> {
        for mut child in self.children.drain(..) {
            child.kill()?;
            child.wait()?;
        }
        self.place.clear().map(drop)
    }
}

/// Pushes under its version and gives back the reference by digest.
pub(crate) fn push(store: &Store, built: &Built, at: SocketAddr) -> Result<String> {
    let said = tempfile::NamedTempFile::new().context("make a file")?;
    let repository = format!("{at}/{}", built.kind.name());
    let mut command = store.buildah();
    command
        .args(["push", "--quiet", "--tls-verify=false", "--format", "v2s2", "--digestfile"])
        .arg(said.path());
    command.args([&built.name, &format!("docker://{repository}:{}", built.version)]);
    proc::must_succeed(&mut command, &format!("push {}", built.name))?;
    let digest = fs::read_to_string(said.path()).context("read the digest")?;
    Ok(format!("{repository}@{}", digest.trim()))
}
