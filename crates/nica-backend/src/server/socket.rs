//! Listening sockets: our own, or those that a parent hands over and keeps.

use crate::config::Address;
use std::net::IpAddr;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("listen on {address}: {error}; free the address or set {variable} to another one")]
    Bind { address: Address, variable: &'static str, error: std::io::Error },
    #[error(
        "take over descriptor {fd} as the {name} socket: {error}; the parent must pass listening sockets as \
         LISTEN_FDNAMES says"
    )]
    Inherit { fd: RawFd, name: &'static str, error: std::io::Error },
}

/// A listening socket that no runtime drives yet.
pub enum Socket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// One client's bytes.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Socket {
    /// # Errors
    /// The address is taken or not ours.
    pub fn bind(address: &Address, variable: &'static str) -> Result<Socket, SocketError> {
        let bound = match address {
            Address::Tcp(tcp) => std::net::TcpListener::bind(tcp).map(Socket::Tcp),
            Address::Unix(path) => {
                // Left behind by a process that was killed. A living owner would still answer on it, and two
                // services on one path are a mistake that nobody makes twice.
                let _ = std::fs::remove_file(path);
                std::os::unix::net::UnixListener::bind(path).map(Socket::Unix)
            }
        };
        bound.map_err(|error| SocketError::Bind { address: address.clone(), variable, error })
    }

    /// Takes a listening socket over from the parent. Call it once per descriptor.
    ///
    /// # Errors
    /// The descriptor is not open or no stream socket.
    pub fn inherit(fd: RawFd, name: &'static str) -> Result<Socket, SocketError> {
        inherit(fd).map_err(|error| SocketError::Inherit { fd, name, error })
    }

    /// Hands it to the runtime that this is called in.
    pub(super) fn listen(self) -> std::io::Result<Listener> {
        match self {
            Socket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket).map(Listener::Tcp)
            }
            Socket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                UnixListener::from_std(socket).map(Listener::Unix)
            }
        }
    }
}

impl Listener {
    pub(super) async fn accept(&self) -> std::io::Result<(Box<dyn Stream>, Option<IpAddr>)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are small and written whole; waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                Ok((Box::new(stream), Some(peer.ip())))
            }
            Listener::Unix(listener) => Ok((Box::new(listener.accept().await?.0), None)),
        }
    }
}

fn inherit(fd: RawFd) -> std::io::Result<Socket> {
    let fd = own(fd)?;
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    let is_unix = rustix::net::getsockname(&fd)?.address_family() == rustix::net::AddressFamily::UNIX;
    Ok(if is_unix { Socket::Unix(fd.into()) } else { Socket::Tcp(fd.into()) })
}

/// The descriptor as ours, when it is open at all.
#[allow(unsafe_code, reason = "a number from the environment becomes a descriptor in no other way")]
fn own(fd: RawFd) -> std::io::Result<OwnedFd> {
    std::fs::metadata(format!("/proc/self/fd/{fd}"))?;
    // SAFETY: the descriptor is open, and by the contract of LISTEN_FDS it was opened for us and nobody else in
    // this process uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
