//! `healthcheck --http`: asks the service of this machine whether it is alive, as an image's HEALTHCHECK does.

use super::{Outcome, exit};
use crate::config::{self, Address};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// For each step: below what whoever calls gives the whole of it.
const LIMIT: Duration = Duration::from_secs(1);
const ANSWER_MAX: u64 = 16 * 1024;

pub(super) fn run() -> Outcome {
    let address = match config::admin(&config::process_environment) {
        Ok(address) => address,
        Err(mistakes) => return Outcome::failed(exit::USAGE, &mistakes),
    };
    match ask(&address) {
        Ok(answer) if is_healthy(&answer) => Outcome { stdout: "ok\n".into(), ..Outcome::default() },
        Ok(answer) => {
            let head = answer.lines().next().unwrap_or("nothing");
            Outcome::failed(
                exit::FAILED,
                &format!("failed to see the service healthy: {address} answers {head}"),
            )
        }
        Err(error) => {
            Outcome::failed(exit::FAILED, &format!("failed to reach the service at {address}: {error}"))
        }
    }
}

fn ask(address: &Address) -> io::Result<String> {
    match address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(LIMIT))?;
            exchange(stream)
        }
        Address::Tcp(listens) => {
            let stream = TcpStream::connect_timeout(&reached(*listens), LIMIT)?;
            stream.set_read_timeout(Some(LIMIT))?;
            exchange(stream)
        }
    }
}

/// Whoever listens everywhere is reached on this machine.
fn reached(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    (ip, listens.port()).into()
}

fn exchange(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(b"GET /healthcheck HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn is_healthy(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""status":"ok""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_good_answer_is_healthy() {
        let good = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"status\":\"ok\"}";
        for (answer, expected) in [
            (good.to_string(), true),
            (good.replace("200 OK", "503 Service Unavailable"), false),
            (good.replace("ok", "no"), false),
            (String::new(), false),
        ] {
            assert_eq!(is_healthy(&answer), expected, "{answer}");
        }
    }

    #[test]
    fn an_address_that_means_everywhere_is_asked_on_loopback() {
        for (listens, asked) in
            [("0.0.0.0:9090", "127.0.0.1:9090"), ("[::]:1", "[::1]:1"), ("198.18.0.1:9", "198.18.0.1:9")]
        {
            assert_eq!(reached(listens.parse().expect("an address")).to_string(), asked);
        }
    }
}
