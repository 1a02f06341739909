//! A small HTTP program that behaves as a replica should, or misbehaves as `BEHAVIOUR` says: for the tests.
//!
//! It takes its sockets from LISTEN_FDS, accepts only once it is ready, and on SIGTERM stops accepting, goes on
//! answering with `Connection: close` for a while, and then ends its connections in order.
#![allow(
    unsafe_code,
    clippy::disallowed_methods,
    reason = "a test program: adopts descriptors, reads variables"
)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    reason = "a test program: its output is evidence"
)]

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::os::fd::FromRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

struct App {
    version: String,
    ready: AtomicBool,
    draining: AtomicBool,
    served: AtomicU64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let read = |name: &str, default: &str| std::env::var(name).unwrap_or(default.into());
    let (behaviour, drain_ms) = (read("BEHAVIOUR", ""), read("DRAIN_MS", "500").parse().expect("a number"));
    let (kind, ms) = behaviour.split_once(':').unwrap_or((&behaviour, "0"));
    let ms = Duration::from_millis(ms.parse().expect("a number"));
    let app = Arc::new(App {
        version: read("VERSION", "0"),
        ready: AtomicBool::new(false),
        draining: AtomicBool::new(false),
        served: AtomicU64::new(0),
    });
    println!("starting version {}", app.version);
    if kind == "exit" {
        eprintln!("failed to read configuration: this version exits");
        std::process::exit(3);
    }
    tokio::spawn(admin(app.clone()));
    let mut term = signal(SignalKind::terminate()).expect("SIGTERM can be listened for");
    match kind {
        "never-ready" => drop(term.recv().await),
        "deaf" => std::future::pending().await,
        "slow" => tokio::time::sleep(ms).await,
        "crash-ready" => drop(tokio::spawn(async move {
            tokio::time::sleep(ms).await;
            std::process::abort();
        })),
        _ => {}
    }
    if kind == "never-ready" {
        return;
    }
    app.ready.store(true, Relaxed);
    serve(app, term, Duration::from_millis(drain_ms)).await;
}

async fn serve(app: Arc<App>, mut term: tokio::signal::unix::Signal, drain: Duration) {
    // SAFETY: the supervisor put a listening TCP socket there for us, and nobody else in this process takes it.
    let listener = unsafe { std::net::TcpListener::from_raw_fd(3) };
    listener.set_nonblocking(true).expect("a socket can be set");
    let listener = TcpListener::from_std(listener).expect("it listens");
    let (end, ending) = watch::channel(false);
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => drop(tokio::spawn(connection(TokioIo::new(stream), app.clone(), ending.clone()))),
            _ = term.recv() => break,
        }
    }
    drop(listener);
    app.draining.store(true, Relaxed);
    tokio::time::sleep(drain).await;
    drop(ending);
    let _ = end.send(true);
    end.closed().await;
}

async fn connection(io: TokioIo<tokio::net::TcpStream>, app: Arc<App>, mut ending: watch::Receiver<bool>) {
    let service = service_fn(move |request| answer(request, app.clone()));
    let mut connection =
        std::pin::pin!(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ending.wait_for(|end| *end) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer(request: Request<Incoming>, app: Arc<App>) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(ms) = request.uri().path().strip_prefix("/slow/") {
        tokio::time::sleep(Duration::from_millis(ms.parse().unwrap_or(0))).await;
    }
    app.served.fetch_add(1, Relaxed);
    let mut response = Response::new(Full::from(app.version.clone()));
    if app.draining.load(Relaxed) {
        response.headers_mut().insert("connection", "close".parse().expect("a header"));
    }
    Ok(response)
}

async fn admin(app: Arc<App>) {
    let fd =
        2 + std::env::var("LISTEN_FDS").expect("started by a supervisor").parse::<i32>().expect("a number");
    // SAFETY: the last of the sockets that the supervisor gave us, taken once.
    let listener = unsafe { std::os::unix::net::UnixListener::from_raw_fd(fd) };
    listener.set_nonblocking(true).expect("a socket can be set");
    let listener = UnixListener::from_std(listener).expect("it listens");
    while let Ok((stream, _)) = listener.accept().await {
        let app = app.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let app = app.clone();
            async move { Ok::<_, Infallible>(look(request.uri().path(), &app)) }
        });
        let builder = hyper::server::conn::http1::Builder::new();
        tokio::spawn(async move { builder.serve_connection(TokioIo::new(stream), service).await });
    }
}

fn look(path: &str, app: &App) -> Response<Full<Bytes>> {
    let ready = app.ready.load(Relaxed) && !app.draining.load(Relaxed);
    let (status, body) = match path {
        "/readyz" if !ready => (503, "not ready".to_string()),
        "/readyz" => (200, "ready".to_string()),
        "/version" => (200, app.version.clone()),
        "/metrics" => (200, format!("# TYPE served counter\nserved_total {}\n", app.served.load(Relaxed))),
        _ => (404, String::new()),
    };
    Response::builder().status(status).body(Full::from(body)).expect("a status and a body")
}
