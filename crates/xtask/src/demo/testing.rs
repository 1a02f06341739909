//! A server that gives one and the same answer to everybody, for the tests of the demo's users.

use super::http::Response;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// An empty answer closes the connection.
    pub(crate) fn answering(answer: &str) -> Server {
        Server::slow(answer, Duration::ZERO)
    }

    pub(crate) fn slow(answer: &str, delay: Duration) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (connections, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop, answer) = (Arc::clone(&connections), Arc::clone(&stopped), answer.to_string());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
                let answer = answer.clone();
                std::thread::spawn(move || serve(stream, &answer, delay));
            }
        });
        Server { address, connections, stopped, thread: Some(thread) }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        self.thread.take().expect("taken once").join().expect("it only accepts");
    }
}

/// Answers until the client closes, or once when the answer says so or has no length.
fn serve(stream: TcpStream, answer: &str, delay: Duration) {
    let mut stream = BufReader::new(stream);
    while let Some(length) = head(&mut stream) {
        let mut body = vec![0; length];
        let read = stream.read_exact(&mut body);
        std::thread::sleep(delay);
        let wrote = stream.get_mut().write_all(answer.as_bytes());
        let kept =
            answer.to_lowercase().contains("content-length: 0") && !answer.contains("connection: close");
        if read.is_err() || wrote.is_err() || !kept {
            return;
        }
    }
}

/// Reads a request's head; gives back the length of its body.
fn head(stream: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            return Some(length);
        }
    }
}

pub(crate) fn response(status: u16, version: Option<&str>) -> Response {
    Response { status, version: version.map(str::to_string), body: String::new(), closes: false }
}
