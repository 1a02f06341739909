//! As much of an HTTP/1.1 client as the demo's users need, over std's sockets.
//!
//! It never tries again: whatever a person would see as a failure is a failure here. Only a kept connection that the
//! server has visibly closed before anything was sent is opened anew, as every browser does.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A person has given up by then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
const BODY_BYTES_MAX: u64 = 4 << 20;

pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// JSON, or empty.
    pub(crate) body: &'a str,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Which release answered, where the answer says so.
    pub(crate) version: Option<String>,
    pub(crate) body: String,
    pub(super) closes: bool,
}

/// Names the release that answered.
pub(crate) const VERSION_HEADER: &str = "x-nica-version";

pub(crate) struct Client {
    address: SocketAddr,
    keep: bool,
    kept: Option<BufReader<TcpStream>>,
}

impl Client {
    /// With `keep` the connection is used again as long as the server leaves it open.
    pub(crate) fn new(address: SocketAddr, keep: bool) -> Client {
        Client { address, keep, kept: None }
    }

    pub(crate) fn send(&mut self, request: &Request<'_>) -> io::Result<Response> {
        let mut stream = match self.kept.take().filter(is_open) {
            Some(stream) => stream,
            None => self.connect()?,
        };
        stream.get_mut().write_all(self.text(request).as_bytes())?;
        let response = read(&mut stream)?;
        if self.keep && !response.closes {
            self.kept = Some(stream);
        }
        Ok(response)
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }

    fn text(&self, request: &Request<'_>) -> String {
        let Request { method, path, body } = request;
        let connection = if self.keep { "keep-alive" } else { "close" };
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: {connection}\r\naccept: application/json\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
    }
}

/// Whether the server left the connection open and said nothing unasked.
fn is_open(stream: &BufReader<TcpStream>) -> bool {
    let socket = stream.get_ref();
    if !stream.buffer().is_empty() || socket.set_nonblocking(true).is_err() {
        return false;
    }
    let silent = matches!(socket.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
    silent && socket.set_nonblocking(false).is_ok()
}

fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Response> {
    let status = line(stream)?;
    let status = status.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    let status = status.ok_or_else(|| broken("an answer that is not HTTP/1"))?;
    let mut response = Response { status, version: None, body: String::new(), closes: false };
    let mut length = None;
    let mut chunked = false;
    loop {
        let header = line(stream)?;
        let Some((name, value)) = header.split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                length = Some(value.parse().map_err(|_| broken("a length that is no number"))?)
            }
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => response.closes = value.eq_ignore_ascii_case("close"),
            VERSION_HEADER => response.version = Some(value.to_string()),
            _ => {}
        }
    }
    let bodiless = matches!(status, 204 | 304);
    let body = match (bodiless, chunked, length) {
        (true, ..) => Vec::new(),
        (false, true, _) => chunks(stream)?,
        (false, false, Some(length)) => exactly(stream, length)?,
        (false, false, None) => {
            response.closes = true;
            let mut body = Vec::new();
            stream.take(BODY_BYTES_MAX).read_to_end(&mut body)?;
            body
        }
    };
    response.body = String::from_utf8_lossy(&body).into_owned();
    Ok(response)
}

fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if !line.ends_with('\n') {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection closed before the answer"));
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

fn chunks(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(stream)?;
        let size = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
            .map_err(|_| broken("a chunk without a size"))?;
        body.extend(exactly(stream, size)?);
        line(stream)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn exactly(stream: &mut BufReader<TcpStream>, length: u64) -> io::Result<Vec<u8>> {
    if length > BODY_BYTES_MAX {
        return Err(broken("an answer that is too long"));
    }
    let mut body = vec![0; usize::try_from(length).expect("checked above")];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::testing::Server;

    const GET: Request<'_> = Request { method: "GET", path: "/a", body: "" };

    fn answered(answer: &str) -> io::Result<Response> {
        let server = Server::answering(answer);
        Client::new(server.address, true).send(&GET)
    }

    #[test]
    fn bodies_are_read_by_length_by_chunk_and_to_the_end() {
        let by_length = answered("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-NICA-Version: 7\r\n\r\nok")
            .expect("an answer");
        assert_eq!(
            (by_length.status, by_length.body.as_str(), by_length.version.as_deref()),
            (200, "ok", Some("7"))
        );
        let chunked = "HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n";
        let chunked = answered(chunked).expect("an answer");
        assert_eq!((chunked.status, chunked.body.as_str()), (503, "abc"));
        let to_the_end = answered("HTTP/1.0 200 OK\r\n\r\nall").expect("an answer");
        assert_eq!((to_the_end.body.as_str(), to_the_end.closes), ("all", true));
    }

    #[test]
    fn half_an_answer_is_a_failure() {
        for answer in
            ["", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "HTTP/1.1 200 OK\r\n", "nonsense\r\n\r\n"]
        {
            assert!(answered(answer).is_err(), "{answer:?}");
        }
    }

    #[test]
    fn nobody_there_is_a_failure() {
        let server = Server::answering("");
        let address = server.address;
        drop(server);
        assert_eq!(
            Client::new(address, false).send(&GET).expect_err("gone").kind(),
            io::ErrorKind::ConnectionRefused
        );
    }

    #[test]
    fn a_kept_connection_is_used_again_until_the_server_closes_it() {
        let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let mut client = Client::new(server.address, true);
        (0..3).for_each(|_| drop(client.send(&GET).expect("an answer")));
        assert_eq!(server.connections(), 1);
        let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let mut client = Client::new(server.address, true);
        (0..3).for_each(|_| drop(client.send(&GET).expect("an answer")));
        assert_eq!(server.connections(), 3);
    }
}
