//! A real deploy in a real pseudo terminal of 24 rows and 80 columns, looked at through a terminal emulator.

use crate::place::Place;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::Read as _;
use std::process::Command;

struct Session {
    code: Option<i32>,
    screen: vt100::Parser,
    /// Every picture on the way.
    pictures: Vec<String>,
    bytes: Vec<u8>,
}

/// On a terminal that can move its cursor.
fn nica(place: &Place, args: &[&str]) -> Command {
    let mut command = place.command(args);
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
    command
}

/// Long enough to be seen.
const BAKE: &str = "1s";

/// Runs it on a terminal and waits for its end. `press`: Ctrl-C, once this is on the screen.
fn run(mut command: Command, press: Option<&str>) -> Session {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo terminal");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
    let name = ptsname(&ours, Vec::new()).expect("it has a name").into_string().expect("/dev/pts/N");
    tcsetwinsize(&ours, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 })
        .expect("it has a size");
    let theirs = File::options().read(true).write(true).open(name).expect("the other end");
    let share = || theirs.try_clone().expect("a descriptor more");
    let mut child = command.stdin(share()).stdout(share()).stderr(share()).spawn().expect("it starts");
    drop((theirs, command));
    let mut session = Session {
        code: None,
        screen: vt100::Parser::new(size(24), size(80), 100),
        pictures: Vec::new(),
        bytes: Vec::new(),
    };
    let (mut ours, mut buffer, mut press) = (File::from(ours), [0; 65536], press);
    // An error is the other end's last descriptor closing.
    while let Ok(n @ 1..) = ours.read(&mut buffer) {
        session.bytes.extend(&buffer[..n]);
        session.screen.process(&buffer[..n]);
        session.pictures.push(session.screen.screen().contents());
        if press.is_some_and(|text| session.screen.screen().contents().contains(text)) {
            press = None;
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
        }
    }
    session.code = child.wait().expect("ours").code();
    session
}

fn size(n: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(n).expect("a terminal has rows and columns")
}

impl Session {
    fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// The lines as they stand there, times aside.
    fn lines(&self) -> Vec<String> {
        self.contents().lines().map(|line| line.trim_end().to_string()).collect()
    }

    #[track_caller]
    fn shows(&self, parts: &[&str]) {
        let lines = self.lines();
        let mut rest = lines.iter();
        for part in parts {
            assert!(
                rest.any(|line| line.contains(part)),
                "{part:?} is not there, or not in order:\n{lines:#?}"
            );
        }
        assert!(!self.screen.screen().hide_cursor(), "the cursor is back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_of_24_by_80_shows_one_tree_and_keeps_it() {
    let place = Place::new().await;
    place.policy("serve", BAKE);
    let good = place.release("1", &[]).await;
    let deploy = nica(&place, &["deploy", "--env", "dev", "--release", &good]);
    let live = tokio::task::spawn_blocking(move || run(deploy, None)).await.expect("no panic");
    assert_eq!(live.code, Some(0), "{}", live.contents());
    live.shows(&[
        "deploy 1 → dev",
        "✓ admitted",
        "✓ api                1/1 ready",
        "✓ bake",
        "✓ finish",
        "live: 1 after",
    ]);
    assert_eq!(live.contents().matches("admitted").count(), 1, "drawn over, not below:\n{}", live.contents());
    assert!(live.pictures.iter().any(|picture| picture.contains("▸ bake")), "it was seen to bake");

    let ends = place.path("ends");
    std::fs::write(&ends, "").expect("there is room");
    place.policy(&format!("serve {}", ends.display()), BAKE);
    let bad = place.release("2", &[]).await;
    let deploy = nica(&place, &["deploy", "--env", "dev", "--release", &bad]);
    let back = tokio::task::spawn_blocking(move || run(deploy, None)).await.expect("no panic");
    assert_eq!(back.code, Some(20), "{}", back.contents());
    let log = "│ failed to start: this version ends at once";
    back.shows(&["✗ api", "failed to roll out api: crash loop", "┌ api", log, "↺ undo", "back at 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_leaves_the_tree_and_says_what_is_open() {
    let place = Place::new().await;
    place.policy("serve", BAKE);
    let file = place.release("1", &[]).await;
    let deploy = nica(&place, &["deploy", "--env", "dev", "--release", &file]);
    let stopped = tokio::task::spawn_blocking(move || run(deploy, Some("▸ bake"))).await.expect("no panic");
    assert_eq!(stopped.code, Some(130), "{}", stopped.contents());
    stopped.shows(&["✓ admitted", "✓ api", "▸ bake", "interrupted: the run is open", "Exit 130."]);
    let status = nica(&place, &["status"]).output().expect("it runs");
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    let parts = ["1 is baking, open for", "nobody acts", "= next: nica resume --env dev"];
    assert!(parts.iter().all(|part| status.contains(part)), "{status}");
    let resume = nica(&place, &["resume", "--env", "dev"]);
    let live = tokio::task::spawn_blocking(move || run(resume, None)).await.expect("no panic");
    assert_eq!(live.code, Some(0), "{}", live.contents());
    live.shows(&["deploy 1 → dev", "✓ finish", "live: 1 after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_cannot_move_its_cursor_gets_plain_lines() {
    let place = Place::new().await;
    place.policy("serve", BAKE);
    let file = place.release("1", &[]).await;
    let mut deploy = nica(&place, &["deploy", "--env", "dev", "--release", &file]);
    deploy.env("TERM", "dumb");
    let live = tokio::task::spawn_blocking(move || run(deploy, None)).await.expect("no panic");
    assert_eq!(live.code, Some(0), "{}", live.contents());
    assert!(!live.bytes.contains(&0x1b), "no escape sequence: {}", String::from_utf8_lossy(&live.bytes));
}
