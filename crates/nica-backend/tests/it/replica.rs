//! A running copy of the program, started as the supervisor starts it: with two sockets that stay ours.

use crate::client::{At, ask};
use nica_migrate::DbUrl;
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_nica-backend");
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
const WAIT_MAX: Duration = Duration::from_secs(20);

/// The service socket that replicas share, as a supervisor holds it.
pub(crate) struct Shared {
    listener: TcpListener,
}

pub(crate) struct Replica {
    child: Child,
    folder: TempDir,
    pub(crate) service: At,
    pub(crate) admin: At,
    // Held like the supervisor holds it.
    _admin_listener: UnixListener,
}

impl Shared {
    pub(crate) fn bind() -> Shared {
        Shared { listener: TcpListener::bind("127.0.0.1:0").expect("a free port") }
    }

    pub(crate) fn at(&self) -> At {
        At::Tcp(self.listener.local_addr().expect("it is bound"))
    }
}

impl Replica {
    /// A copy with a socket of its own.
    pub(crate) fn start(url: &DbUrl, arguments: &[&str], settings: &[(&str, &str)]) -> Replica {
        Replica::on(&Shared::bind(), url, arguments, settings)
    }

    pub(crate) fn on(shared: &Shared, url: &DbUrl, arguments: &[&str], settings: &[(&str, &str)]) -> Replica {
        let folder = TempDir::new().expect("a folder");
        let admin = folder.path().join("admin.sock");
        let admin_listener = UnixListener::bind(&admin).expect("a socket");
        let passed = shared.listener.try_clone().expect("one descriptor more");
        let admin_passed = admin_listener.try_clone().expect("one descriptor more");
        // The shell moves the two sockets from 0 and 1, where `Command` can put them, to 3 and 4.
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$@" 3<&0 4<&1 </dev/null >"$LOG" 2>&1"#, "sh", BINARY, "serve"]);
        command.args(arguments).env_clear().env("LOG", folder.path().join("log"));
        command.stdin(Stdio::from(OwnedFd::from(passed))).stdout(Stdio::from(OwnedFd::from(admin_passed)));
        command.env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", "http:admin");
        command.env("DATABASE_URL", url.to_secret_string()).env("AUTH_SECRET", SECRET);
        command.env("NICA_REPLICA", "test/backend/0a1b2c3d4e5f/0").envs(settings.iter().copied());
        let child = command.spawn().expect("sh is there");
        Replica {
            child,
            folder,
            service: shared.at(),
            admin: At::Unix(admin),
            _admin_listener: admin_listener,
        }
    }

    /// Waits until `/readyz` answers 200 on the admin socket.
    pub(crate) async fn ready(mut self) -> Replica {
        let until = Instant::now() + WAIT_MAX;
        loop {
            let answer = ask(&self.admin, "GET", "/readyz", "").await;
            if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                return self;
            }
            assert!(self.child.try_wait().expect("our child").is_none(), "it ended: {}", self.log());
            assert!(Instant::now() < until, "never ready: {answer:?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("our child is there");
    }

    /// Waits for the end that a signal asked for.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + WAIT_MAX;
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status;
            }
            assert!(Instant::now() < until, "never ended: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
