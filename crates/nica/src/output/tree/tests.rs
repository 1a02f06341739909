//! Whole sessions, told event by event, and the pictures that somebody sees on the way.

use super::*;
use nica_engine::Digest;
use nica_engine::effect::{Desired, Generation};
use nica_engine::plan::Status;
use nica_engine::release::{ComponentKind, Migration, Phase, SeedFile, UndoClass};

const TERMINAL: Size = Size { rows: 24, cols: 80 };

/// A session: the tree, and the clock in milliseconds.
struct Session {
    tree: Tree,
    now_ms: u64,
}

impl Session {
    fn new() -> Session {
        Session { tree: Tree::new("2026.11.3 → prod"), now_ms: 0 }
    }

    fn opened(outline: Outline) -> Session {
        let outline = Arc::new(outline);
        let admitted = Event::Admitted { fence: 57, participants: vec!["database".into(), "target".into()] };
        let opened = Event::Opened { run: "prod-57-k3q9x2ab".into(), outline };
        Session::new().tell(0, opened).tell(0, admitted)
    }

    /// `after_ms`: since the event before.
    fn tell(mut self, after_ms: u64, event: Event) -> Session {
        self.now_ms += after_ms;
        self.tree = self.tree.tell(Duration::from_millis(self.now_ms), &Told::Event(event));
        self
    }

    /// The step begins now and is done so much later.
    fn step(self, n: usize, ms: u64) -> Session {
        self.tell(0, started(n, false)).tell(ms, done(n, false))
    }

    fn undo(self, n: usize, ms: u64) -> Session {
        self.tell(0, started(n, true)).tell(ms, done(n, true))
    }

    fn picture(&self, size: Size) -> String {
        self.picture_later(size, 0)
    }

    fn picture_later(&self, size: Size, ms: u64) -> String {
        draw(&self.tree, size, Duration::from_millis(self.now_ms + ms), false).join("\n")
    }

    fn whole(&self) -> String {
        draw(&self.tree, TERMINAL, Duration::from_millis(self.now_ms), true).join("\n")
    }
}

fn started(n: usize, undo: bool) -> Event {
    Event::Started { n, what: String::new(), undo }
}

fn done(n: usize, undo: bool) -> Event {
    Event::Done { n, what: String::new(), undo, ms: 0 }
}

fn rollout(component: &str, ready: u32, old: u32) -> Event {
    Event::Rollout { component: component.into(), ready, replicas: 4, old }
}

fn bake(seconds: f64, note: &str) -> Event {
    Event::Bake { seconds, of: 600.0, note: note.into() }
}

fn settled(ending: Ending) -> Event {
    Event::Settled { run: String::new(), ending, retained: Vec::new(), reason: None }
}

fn anchored() -> Event {
    Event::Anchored { entries: 12, last: Digest::of(b"the last entry") }
}

fn turned(component: Option<&str>, reason: &str, log: &[&str]) -> Event {
    let log = log.iter().map(ToString::to_string).collect();
    Event::TurnedBack { reason: reason.into(), component: component.map(str::to_string), log }
}

fn migration(id: &str, class: UndoClass) -> Migration {
    Migration {
        id: id.into(),
        up: Digest::of(b"up"),
        down: Some(Digest::of(b"down")),
        phase: Phase::Expand,
        class,
        park: Vec::new(),
        transactional: true,
        after: None,
    }
}

fn desired(program: &str, level: &str) -> Desired {
    Desired {
        kind: ComponentKind::Executable,
        digest: Digest::of(program.as_bytes()),
        args: Vec::new(),
        config: [("LOG_LEVEL".to_string(), level.to_string())].into(),
        secrets: Default::default(),
        replicas: 4,
        listen: "127.0.0.1:1".into(),
    }
}

/// 0 restore point, 1 and 2 migrations, 3 seeds, 4 and 5 backend, 6 and 7 reader, 8 bake, 9 commit.
fn outline() -> Outline {
    let set = |name: &str, level: &str| Effect::SetDesired {
        component: name.into(),
        desired: desired("new", level),
        before: Some(desired("old", "info")),
    };
    let wait = |name: &str| Effect::Await {
        component: name.into(),
        generation: Generation("0123456789ab".into()),
        replicas: 4,
    };
    let steps = vec![
        Effect::RestorePoint,
        Effect::Sql { migration: migration("0042_diary_client_id", UndoClass::Parking) },
        Effect::Sql { migration: migration("0043_diary_tag", UndoClass::Lossless) },
        Effect::Seeds { files: vec![SeedFile { file: "0001_a.toml".into(), sha256: Digest::of(b"seed") }] },
        set("backend", "debug"),
        wait("backend"),
        set("reader", "info"),
        wait("reader"),
        Effect::Bake,
        Effect::Commit,
    ];
    Outline {
        version: "2026.11.3".into(),
        env: "prod".into(),
        plan: "7c1f2a9e".into(),
        approved_by: vec!["ana".into(), "rui".into()],
        statuses: vec![Status::Pending; steps.len()],
        steps,
        bake: Duration::from_secs(600),
        turned: None,
    }
}

#[test]
fn migrations_are_certified_before_anything_is_admitted() {
    let session = Session::new().tell(0, Event::Certifying { migrations: 1 });
    insta::assert_snapshot!(session.picture_later(TERMINAL, 3100), @"
    deploy 2026.11.3 → prod
      ▸ certify            1 migration on a throw-away database               3.1 s
      · admitted
    ");
    let session = session.tell(8000, Event::Certified { migrations: 1, ms: 8000 });
    let session =
        session.tell(500, Event::Opened { run: "prod-57-k3q9x2ab".into(), outline: Arc::new(outline()) });
    insta::assert_snapshot!(session.picture(TERMINAL), @"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ certify            1 migration on a throw-away database               8.0 s
      · admitted · restore point · migrations · seeds · config · backend · reader …
    ");
}

/// Up to the first component, which is being rolled out.
fn rolling() -> Session {
    let session = Session::opened(outline()).step(0, 100).step(1, 80).step(2, 20).step(3, 300).step(4, 5);
    session.tell(0, started(5, false)).tell(9_400, rollout("backend", 3, 2))
}

fn baking() -> Session {
    let rolled = rolling().tell(1_000, done(5, false)).step(6, 5).step(7, 4_000);
    rolled
        .tell(0, started(8, false))
        .tell(200_500, bake(200.5, "backend 8120 requests, 0 errors · reader 900 requests, 0 errors"))
}

fn crash_loop(log: &[&str]) -> Session {
    let reason = "crash loop: replica exits with code 1, 2 times, before it was ready long enough";
    rolling().tell(300, turned(Some("backend"), reason, log))
}

const LOG: [&str; 3] = [
    "starting",
    "error: failed to read configuration: AUTH_SECRET has 8 bytes, at least 32 are needed",
    "\u{1b}[2Jgone",
];

#[test]
fn before_a_run_is_opened_there_is_what_was_asked() {
    insta::assert_snapshot!(Session::new().picture(TERMINAL), @r#"
    deploy 2026.11.3 → prod
      · admitted
    "#);
}

#[test]
fn a_good_deploy_grows_line_by_line() {
    insta::assert_snapshot!(Session::opened(outline()).picture(TERMINAL), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ admitted           fence 57 at database, target
      · restore point · migrations · seeds · config · backend · reader · validate …
    "#);
    insta::assert_snapshot!(rolling().picture(TERMINAL), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ admitted           fence 57 at database, target
      ✓ restore point                                                         0.1 s
      ✓ migrations         2 expand (1 lossless, 1 parking)                   0.1 s
      ✓ seeds              1 file                                             0.3 s
      ✓ config             backend-558e                                       0.0 s
      ▸ backend            3/4 ready   2 old draining                         9.4 s
      · reader · validate · bake 10 min · finish
    "#);
    insta::assert_snapshot!(baking().picture_later(TERMINAL, 500), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ admitted           fence 57 at database, target
      ✓ restore point                                                         0.1 s
      ✓ migrations         2 expand (1 lossless, 1 parking)                   0.1 s
      ✓ seeds              1 file                                             0.3 s
      ✓ config             backend-558e                                       0.0 s
      ✓ backend            4/4 ready                                         10.4 s
      ✓ reader             4/4 ready                                          4.0 s
      ▸ validate           backend 8120 requests, 0 errors · reader 900 …   201.0 s
      ▸ bake               6 min 39 s left                                  201.0 s
      · finish
    "#);
    let live =
        baking().tell(399_500, done(8, false)).step(9, 4).tell(30, settled(Ending::Live)).tell(0, anchored());
    insta::assert_snapshot!(live.whole(), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ admitted           fence 57 at database, target
      ✓ restore point                                                         0.1 s
      ✓ migrations         2 expand (1 lossless, 1 parking)                   0.1 s
      ✓ seeds              1 file                                             0.3 s
      ✓ config             backend-558e                                       0.0 s
      ✓ backend            4/4 ready                                         10.4 s
      ✓ reader             4/4 ready                                          4.0 s
      ✓ validate           backend 8120 requests, 0 errors · reader 900 …   600.0 s
      ✓ bake                                                                600.0 s
      ✓ finish             ledger entry 12, 5f26e5ca                          0.0 s
    "#);
}

#[test]
fn a_crash_loop_shows_its_last_words_and_the_way_back() {
    let crashed = crash_loop(&LOG);
    insta::assert_snapshot!(crashed.picture_later(TERMINAL, 100), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ admitted           fence 57 at database, target
      ✓ restore point                                                         0.1 s
      ✓ migrations         2 expand (1 lossless, 1 parking)                   0.1 s
      ✓ seeds              1 file                                             0.3 s
      ✓ config             backend-558e                                       0.0 s
      ✗ backend            3/4 ready   2 old draining                         9.7 s
    failed to roll out backend: crash loop: replica exits with code 1, 2 times,
    before it was ready long enough
        ┌ backend, last lines
        │ starting
        │ error: failed to read configuration: AUTH_SECRET has 8 bytes, at least 3…
        │ ·[2Jgone
      ↺ undo               going back                                         0.1 s
    "#);
    let undoing =
        crashed.undo(4, 50).tell(0, Event::Waiting { what: "backend of the baseline to serve".into() });
    insta::assert_snapshot!(undoing.picture_later(TERMINAL, 900), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ admitted           fence 57 at database, target
      ✓ restore point                                                         0.1 s
      ✓ migrations         2 expand (1 lossless, 1 parking)                   0.1 s
      ✓ seeds              1 file                                             0.3 s
      ✓ config             backend-558e                                       0.0 s
      ✗ backend            3/4 ready   2 old draining                         9.7 s
    failed to roll out backend: crash loop: replica exits with code 1, 2 times,
    before it was ready long enough
        ┌ backend, last lines
        │ starting
        │ error: failed to read configuration: AUTH_SECRET has 8 bytes, at least 3…
        │ ·[2Jgone
      ↺ undo               backend back, waiting for backend of the           0.9 s
                           baseline to serve
    "#);
    let back = undoing
        .undo(3, 20)
        .tell(0, Event::Retained { n: 2, what: String::new() })
        .undo(1, 30)
        .tell(10, settled(Ending::Back))
        .tell(0, anchored());
    insta::assert_snapshot!(back.whole(), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ admitted           fence 57 at database, target
      ✓ restore point                                                         0.1 s
      ✓ migrations         2 expand (1 lossless, 1 parking)                   0.1 s
      ✓ seeds              1 file                                             0.3 s
      ✓ config             backend-558e                                       0.0 s
      ✗ backend            3/4 ready   2 old draining                         9.7 s
    failed to roll out backend: crash loop: replica exits with code 1, 2 times,
    before it was ready long enough
        ┌ backend, last lines
        │ starting
        │ error: failed to read configuration: AUTH_SECRET has 8 bytes, at least 32
        │ are needed
        │ ·[2Jgone
      ↺ undo               backend back, seeds back, 0043_diary_tag kept,     0.1 s
                           0042_diary_client_id down, ledger entry 12,
                           5f26e5ca
    "#);
}

#[test]
fn a_bake_that_refuses_is_where_it_failed() {
    let reason = "backend: 9 of 812 requests failed, at most 1 % are allowed";
    insta::assert_snapshot!(baking().tell(0, turned(Some("backend"), reason, &[])).picture(TERMINAL), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ admitted           fence 57 at database, target
      ✓ restore point                                                         0.1 s
      ✓ migrations         2 expand (1 lossless, 1 parking)                   0.1 s
      ✓ seeds              1 file                                             0.3 s
      ✓ config             backend-558e                                       0.0 s
      ✓ backend            4/4 ready                                         10.4 s
      ✓ reader             4/4 ready                                          4.0 s
      ✗ validate           backend 8120 requests, 0 errors · reader 900 …   200.5 s
    turned back: backend: 9 of 812 requests failed, at most 1 % are allowed
      ↺ undo               going back                                         0.0 s
    "#);
}

#[test]
fn a_world_that_is_not_the_planned_one_is_refused_before_any_step() {
    let refused = Session::opened(outline()).tell(20, settled(Ending::Refused));
    insta::assert_snapshot!(refused.whole(), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ admitted           fence 57 at database, target
      · restore point · migrations · seeds · config · backend · reader · validate …
    "#);
}

#[test]
fn an_interrupted_run_stands_where_it_is() {
    let mut session = rolling();
    session.tree = session.tree.tell(Duration::from_secs(10), &Told::Interrupted);
    insta::assert_snapshot!(session.whole(), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ admitted           fence 57 at database, target
      ✓ restore point                                                         0.1 s
      ✓ migrations         2 expand (1 lossless, 1 parking)                   0.1 s
      ✓ seeds              1 file                                             0.3 s
      ✓ config             backend-558e                                       0.0 s
      ▸ backend            3/4 ready   2 old draining                         9.4 s
      · reader · validate · bake 10 min · finish
      · interrupted: the running effect ends first; a second signal ends at once
    "#);
}

#[test]
fn whoever_takes_over_sees_what_was_done_before() {
    let mut outline = outline();
    outline.statuses[..5].fill(Status::Done);
    outline.statuses[5] = Status::Started;
    let session = Session::new()
        .tell(0, Event::Admitted { fence: 58, participants: vec!["database".into(), "target".into()] })
        .tell(
            0,
            Event::Resumed {
                run: "prod-57-k3q9x2ab".into(),
                direction: "forward",
                outline: Arc::new(outline),
            },
        )
        .tell(10, started(5, false))
        .tell(900, rollout("backend", 3, 1))
        .tell(10, Event::Readmitted { fence: 59, why: "the connection broke".into() });
    insta::assert_snapshot!(session.picture(TERMINAL), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ admitted           again, as fence 59: the connection broke
      ✓ restore point
      ✓ migrations         2 expand (1 lossless, 1 parking)
      ✓ seeds              1 file
      ✓ config             backend-558e
      ▸ backend            3/4 ready   1 old draining                         0.9 s
      · reader · validate · bake 10 min · finish
    "#);
}

#[test]
fn whoever_takes_over_a_run_that_goes_back_sees_why() {
    let turned = Some("the time to go forward has passed".to_string());
    let outline = Arc::new(Outline { turned, ..outline() });
    let resumed = Event::Resumed { run: "prod-57-k3q9x2ab".into(), direction: "back", outline };
    insta::assert_snapshot!(Session::new().tell(0, resumed).undo(4, 700).picture(TERMINAL), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
    turned back: the time to go forward has passed
      ↺ undo               backend back                                       0.7 s
    "#);
}

#[test]
fn when_rows_are_short_finished_groups_become_one_line() {
    insta::assert_snapshot!(rolling().picture(Size { rows: 7, cols: 80 }), @r#"
    deploy 2026.11.3 → prod   plan 7c1f2a9e   approved by ana, rui
      ✓ admitted · restore point · migrations · seeds · config
      ▸ backend            3/4 ready   2 old draining                         9.4 s
      · reader · validate · bake 10 min · finish
    "#);
}

#[test]
fn every_picture_fits_its_terminal() {
    let long: Vec<String> = (0..40).map(|n| format!("line {n} 食品 {}", "x".repeat(200))).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let sessions = [Session::new(), rolling(), baking(), crash_loop(&long), crash_loop(&long).undo(4, 10)];
    for session in &sessions {
        for (rows, cols) in [(24, 80), (10, 80), (4, 40), (24, 24), (50, 300)] {
            let lines = draw(&session.tree, Size { rows, cols }, Duration::from_secs(20), false);
            let wide = lines.iter().map(|line| unicode_width::UnicodeWidthStr::width(line.as_str())).max();
            assert!(lines.len() < rows, "{rows} rows: {lines:#?}");
            assert!(wide < Some(cols), "{cols} columns: {lines:#?}");
        }
    }
}

#[test]
fn what_a_log_says_cannot_move_the_cursor() {
    let picture = crash_loop(&LOG).whole();
    assert!(picture.chars().all(|c| c == '\n' || !c.is_control()), "{picture:?}");
}
