//! A deployer that is stopped (SIGSTOP) keeps no lock and changes nothing when it wakes. It is a real process: this
//! test binary again, told what to do line by line.

use crate::common::{ENV, database, holder, named, session, signal, text};
use nica_migrate::DbUrl;
use nica_migrate::fence::{Admission, FenceError, Guarded, Lease, Limits, admit};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const TTL: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn stopped_deployer_changes_nothing_when_it_wakes() {
    let url = database().await;
    session(&url).await.batch_execute("CREATE TABLE t (x int)").await.expect("a table");
    let mut actor = Actor::start(&url);
    assert_eq!(actor.ask("take"), "1");
    assert_eq!(actor.ask("insert"), "inserted");
    signal(actor.pid(), "STOP");
    let stopped = Instant::now();

    let lease = Lease::wait(&url, &holder("bia"), TTL, LIMIT).await.expect("it lapses after the ttl");
    assert!(stopped.elapsed() < TTL * 2, "{:?}", stopped.elapsed());
    let mut client = named(&url, &format!("nica/{ENV}/{}/-", lease.number())).await;
    admit(&mut client, lease.number(), ENV, LIMIT, Admission::Plain).await.expect("admitted");
    let tx = Guarded::begin(&mut client, lease.number(), &Limits::default()).await.expect("ours");
    tx.batch_execute("LOCK t").await.expect("the stopped one keeps no lock");
    tx.commit().await.expect("ours");

    signal(actor.pid(), "CONT");
    assert_eq!(actor.ask("commit"), "LostAnswer");
    assert_eq!(actor.ask("held"), "false");
    assert_eq!(actor.ask("again"), "Superseded");
    assert_eq!(text(&client, "SELECT count(*)::text FROM t").await, "0");
}

struct Actor {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Actor {
    fn start(url: &DbUrl) -> Actor {
        let me = std::env::current_exe().expect("this binary");
        let mut command = Command::new(me);
        command.args(["--exact", "fence::stopped::actor", "--ignored", "--nocapture", "--test-threads=1"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a second process");
        let to = child.stdin.take().expect("piped");
        let from = BufReader::new(child.stdout.take().expect("piped"));
        let mut actor = Actor { child, to, from };
        writeln!(actor.to, "{}", url.to_secret_string()).expect("it listens");
        actor
    }

    fn pid(&self) -> i32 {
        self.child.id().try_into().expect("a pid")
    }

    /// Answers are marked, so that the harness's own lines do not matter.
    fn ask(&mut self, what: &str) -> String {
        writeln!(self.to, "{what}").expect("it listens");
        loop {
            let mut line = String::new();
            assert_ne!(self.from.read_line(&mut line).expect("it answers"), 0, "{what}: the actor ended");
            if let Some((_, answer)) = line.trim_end().split_once("> ") {
                return answer.to_string();
            }
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "started by the test above"]
fn actor() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut lines = std::io::stdin().lines().map(|line| line.expect("a line"));
    let url = DbUrl::parse(&lines.next().expect("an address first")).expect("an address");
    runtime.block_on(act(url, lines));
}

async fn act(url: DbUrl, mut lines: impl Iterator<Item = String>) {
    let mut next = || lines.next().expect("the test asks for all of it");
    let answer = |text: String| writeln!(std::io::stdout(), "> {text}").expect("the test listens");
    assert_eq!(next(), "take");
    let lease = Lease::take(&url, &holder("ana"), TTL).await.expect("an answer").expect("free");
    let mut client = named(&url, &format!("nica/{ENV}/{}/-", lease.number())).await;
    admit(&mut client, lease.number(), ENV, LIMIT, Admission::Plain).await.expect("admitted");
    answer(lease.number().to_string());

    assert_eq!(next(), "insert");
    let tx = Guarded::begin(&mut client, lease.number(), &Limits::default()).await.expect("ours");
    tx.batch_execute("INSERT INTO t VALUES (1)").await.expect("a row");
    answer("inserted".to_string());

    assert_eq!(next(), "commit");
    answer(kind(tx.commit().await));
    assert_eq!(next(), "held");
    answer(lease.is_held().to_string());
    assert_eq!(next(), "again");
    let mut client = named(&url, "nica/test/1/late").await;
    answer(kind(Guarded::begin(&mut client, 1, &Limits::default()).await.map(drop)));
}

fn kind(answer: Result<(), FenceError>) -> String {
    match answer {
        Ok(()) => "done".to_string(),
        Err(error) => format!("{error:?}").split([' ', '(']).next().expect("a name").to_string(),
    }
}
