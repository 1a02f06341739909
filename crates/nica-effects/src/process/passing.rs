//! One line and at most one file descriptor over a unix socket (SCM_RIGHTS), blocking, with a limit.
//!
//! A question is one connection: connect, a line (perhaps with a socket), a line back (perhaps with a socket).
//! Nothing is kept between questions, so there is nothing to lose.

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

pub(super) const LIMIT: Duration = Duration::from_secs(1);
const LINE_BYTES_MAX: usize = 64 * 1024;

pub(super) fn ask(
    socket: &Path,
    line: &str,
    fd: Option<BorrowedFd<'_>>,
) -> io::Result<(String, Option<OwnedFd>)> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    send(&stream, line, fd)?;
    receive(&stream)
}

pub(super) fn send(stream: &UnixStream, line: &str, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let bytes = format!("{line}\n");
    let mut sent = sendmsg_once(stream, bytes.as_bytes(), fd)?;
    while sent < bytes.len() {
        sent += sendmsg_once(stream, &bytes.as_bytes()[sent..], None)?;
    }
    Ok(())
}

fn sendmsg_once(stream: &UnixStream, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds: Vec<BorrowedFd<'_>> = fd.into_iter().collect();
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&fds));
    }
    Ok(sendmsg(stream.as_fd(), &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
}

pub(super) fn receive(stream: &UnixStream) -> io::Result<(String, Option<OwnedFd>)> {
    let (mut line, mut fd) = (Vec::new(), None);
    while line.last() != Some(&b'\n') {
        if line.len() > LINE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "line is too long"));
        }
        let (part, got) = recvmsg_once(stream)?;
        if part.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend(part);
        fd = fd.or(got);
    }
    line.pop();
    let line = String::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((line, fd))
}

fn recvmsg_once(stream: &UnixStream) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message =
        recvmsg(stream.as_fd(), &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    Ok((bytes[..message.bytes].to_vec(), fds.next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_survives_the_trip_and_both_ends_share_it() {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        send(&ours, "hold", Some(listener.as_fd())).expect("the message fits");
        let (line, fd) = receive(&theirs).expect("the message is there");
        let copy = std::net::TcpListener::from(fd.expect("a descriptor came along"));
        assert_eq!(line, "hold");
        assert_eq!(copy.local_addr().ok(), listener.local_addr().ok());
    }

    #[test]
    fn a_closed_connection_is_an_error_and_not_an_empty_line() {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        drop(ours);
        assert!(receive(&theirs).is_err());
    }
}
