//! One HTTP request from outside, as a user's would be: a new connection to the service address.

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("get an answer from {0} within {LIMIT:?}")]
    TooSlow(String),
    #[error("reach {0}: {1}")]
    Io(String, std::io::Error),
    #[error("read the answer of {0}: {1}")]
    Http(String, hyper::Error),
}

/// The status of `GET http://<address><path>`.
pub async fn get(address: &str, path: &str) -> Result<u16, ProbeError> {
    let attempt = tokio::time::timeout(LIMIT, attempt(address, path));
    attempt.await.unwrap_or_else(|_| Err(ProbeError::TooSlow(address.to_string())))
}

async fn attempt(address: &str, path: &str) -> Result<u16, ProbeError> {
    let http = |error| ProbeError::Http(address.to_string(), error);
    let stream = TcpStream::connect(address).await.map_err(|e| ProbeError::Io(address.to_string(), e))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get(path)
        .header("host", address)
        .header("user-agent", "nica-probe")
        .body(Empty::<Bytes>::new())
        .expect("a path and two headers make a request");
    let status = sender.send_request(request).await.map(|response| response.status().as_u16()).map_err(http);
    connection.abort();
    status
}
