//! A small HTTP/1.1 client that hides nothing: one connection, its answers, and whether it was closed.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// More than any answer of a test may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub(crate) enum At {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

pub(crate) fn request(method: &str, path: &str, body: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path).header("host", "test");
    let request = if body.is_empty() { request } else { request.header("content-type", "application/json") };
    request.body(Full::new(Bytes::from(body.to_string()))).expect("a request")
}

impl Connection {
    pub(crate) async fn open(at: &At) -> std::io::Result<Connection> {
        let sender = match at {
            At::Tcp(address) => handshake(TcpStream::connect(address).await?).await,
            At::Unix(path) => handshake(UnixStream::connect(path as &Path).await?).await,
        };
        Ok(Connection(sender))
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        tokio::time::timeout(ANSWER_MAX, self.exchange(request)).await.map_err(|_| "no answer".to_string())?
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let text = |error: hyper::Error| format!("{error:?}");
        self.0.ready().await.map_err(text)?;
        let response = self.0.send_request(request).await.map_err(text)?;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.map_err(text)?.to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer { status: head.status, headers: head.headers, text })
    }
}

async fn handshake<T>(stream: T) -> SendRequest<Full<Bytes>>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("a client handshake sends nothing");
    tokio::spawn(connection);
    sender
}

/// One request on a connection of its own.
pub(crate) async fn ask(at: &At, method: &str, path: &str, body: &str) -> Result<Answer, String> {
    let mut connection = Connection::open(at).await.map_err(|error| format!("{error:?}"))?;
    connection.send(request(method, path, body)).await
}

pub(crate) async fn get(at: &At, path: &str) -> Answer {
    ask(at, "GET", path, "").await.expect(path)
}

pub(crate) async fn put(at: &At, path: &str, body: &str) -> Answer {
    ask(at, "PUT", path, body).await.expect(path)
}
