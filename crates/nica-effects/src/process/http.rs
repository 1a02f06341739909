//! One GET over a unix socket: what probes and scrapes need, and no more.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;

const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("connect: {0}")]
    Connect(#[from] std::io::Error),
    #[error("ask: {0}")]
    Hyper(#[from] hyper::Error),
    #[error("read the body: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

pub(super) async fn get(socket: &Path, path: &str, limit: Duration) -> Result<Answer, HttpError> {
    tokio::time::timeout(limit, ask(socket, path)).await.unwrap_or(Err(HttpError::Late(limit)))
}

async fn ask(socket: &Path, path: &str) -> Result<Answer, HttpError> {
    let stream = TokioIo::new(UnixStream::connect(socket).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    let request = Request::get(path).header("host", "replica").header("connection", "close");
    let request = request.body(Empty::<Bytes>::new()).expect("the path is one of ours");
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body =
            Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await.map_err(HttpError::Body)?;
        Ok(Answer { status, body: body.to_bytes() })
    };
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answered = &mut answer => answered,
        closed = &mut connection => { closed?; answer.await }
    }
}
