//! The listening sockets of all components, held here, by the keeper and by every replica.
//!
//! A socket is bound once and lives as long as any of the three. A new supervisor takes them from the keeper; when
//! that is gone too, from a replica.

use super::replica::Found;
use crate::process::ProcessError;
use crate::process::keeper::Warden;
use crate::process::state::StateDir;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// Connections that wait while no replica accepts; the kernel cuts it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Where a replica has its service socket.
const SERVICE_FD: i32 = 3;

pub(super) struct Sockets {
    held: BTreeMap<String, OwnedFd>,
    warden: Warden,
}

impl Sockets {
    pub(super) fn find(state: &StateDir, replicas: &[Found]) -> Result<Sockets, ProcessError> {
        let (warden, held) = Warden::start(state)?;
        let mut sockets = Sockets { held, warden };
        for replica in replicas {
            sockets.take_from(replica);
        }
        Ok(sockets)
    }

    /// Needs the permission to trace the replica; where that is not given, the bind will say who has the address.
    fn take_from(&mut self, replica: &Found) {
        if replica.listen.is_empty() || self.held.contains_key(&replica.listen) {
            return;
        }
        let taken = pidfd_getfd(&replica.process.pidfd, SERVICE_FD, PidfdGetfdFlags::empty());
        match taken.map_err(io::Error::from).and_then(|fd| self.keep(&replica.listen, fd)) {
            Ok(()) => tracing::info!(address = replica.listen, "the socket was taken from a replica"),
            Err(error) => {
                tracing::warn!(address = replica.listen, %error, "the replica's socket cannot be taken")
            }
        }
    }

    fn keep(&mut self, address: &str, fd: OwnedFd) -> io::Result<()> {
        self.warden.hold(address, fd.try_clone()?);
        self.held.insert(address.into(), fd);
        Ok(())
    }

    /// A copy of the socket on this address, bound when it is not yet. None where nothing is listened on.
    pub(super) fn on(&mut self, address: &str) -> io::Result<Option<OwnedFd>> {
        if address.is_empty() {
            return Ok(None);
        }
        if !self.held.contains_key(address) {
            self.keep(address, open(address)?)?;
        }
        self.held[address].try_clone().map(Some)
    }

    /// Lets go of what nobody wants or serves any more.
    pub(super) fn only(&mut self, used: &BTreeSet<&str>) {
        let gone: Vec<String> =
            self.held.keys().filter(|address| !used.contains(address.as_str())).cloned().collect();
        for address in gone {
            self.held.remove(&address);
            self.warden.release(&address);
        }
    }

    pub(super) fn end(self) {
        self.warden.end();
    }
}

fn open(address: &str) -> io::Result<OwnedFd> {
    let address: SocketAddr = address
        .parse()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("{address}: {error}")))?;
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}
