//! Each state of a database, injected for real, is told apart from all others.

use crate::common::{self, ENV, SERVICE, cluster, migration, session};
use crate::doors::{Door, door};
use nica_migrate::health::{Health, Limits, Needs, State, healthcheck};
use nica_migrate::scratch::ScratchCluster;
use nica_migrate::seed::{self, SeedFile};
use nica_migrate::source::{Manifest, Migration, Phase};
use nica_migrate::{DbUrl, schema};
use std::time::Duration;
use tokio::sync::OnceCell;

const SEEDS: &str = r#"
table = "food"
key = ["code"]
source = "TACO"
status = "verified"
[[row]]
code = 1
name = "Arroz"
[[row]]
code = 2
name = "Feijão"
"#;

fn migrations() -> Vec<Migration> {
    let contract = Manifest { phase: Phase::Contract, ..Manifest::default() };
    let drop = Migration::new("0003_drop_old", contract, "ALTER TABLE food DROP old".to_string(), None);
    vec![
        migration("0001_food", "CREATE TABLE food (code int PRIMARY KEY, name text, old int)", None),
        migration("0002_twice", "CREATE TABLE twice AS SELECT 1 AS x FROM generate_series(1, 2)", None),
        drop.expect("a good contract"),
    ]
}

fn seeds() -> Vec<SeedFile> {
    vec![SeedFile::parse("0001_food.toml", SEEDS).expect("good seeds")]
}

const PATIENT: Limits = Limits { slow: Duration::from_secs(20), give_up: Duration::from_secs(30) };

async fn look_with(url: &DbUrl, limits: &Limits) -> Health {
    let (migrations, seeds) = (migrations(), seeds());
    let needs = Needs { owner: Some((SERVICE, ENV)), migrations: &migrations, seeds: &seeds };
    healthcheck(url, &needs, limits).await
}

fn states(health: &Health) -> Vec<State> {
    health.problems.iter().map(|problem| problem.state).collect()
}

/// Everything applied, on a server that has nothing else to do.
async fn healthy() -> DbUrl {
    static TEMPLATE: OnceCell<()> = OnceCell::const_new();
    TEMPLATE.get_or_init(make_template).await;
    common::clone("healthy").await
}

async fn make_template() {
    let url = cluster().await.create_database("healthy").await.expect("a database");
    let mut client = session(&url).await;
    schema::genesis(&mut client, SERVICE, ENV).await.expect("genesis");
    let runner = common::runner(&url);
    for migration in migrations() {
        runner.up(&migration).await.expect("applied");
    }
    let tx = client.transaction().await.expect("a transaction");
    seed::apply(&tx, &seeds(), "first").await.expect("seeded");
    tx.commit().await.expect("committed");
}

/// What can be wrong inside of a database, and how it comes about.
const INSIDE: [(State, &str); 9] = [
    (
        State::ReadOnly,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$",
    ),
    (State::MigrationsBehind, "UPDATE nica.migration SET state = 'undone' WHERE id = '0002_twice'"),
    (
        State::AheadByContract,
        "INSERT INTO nica.migration (id, sha256, phase, class, state, fence, who, version)
         VALUES ('0099_gone', 'x', 'contract', 'sticky', 'applied', 0, 'w', '1')",
    ),
    (State::MigrationEdited, "UPDATE nica.migration SET sha256 = 'other' WHERE id = '0001_food'"),
    (
        State::LedgerMoved,
        r#"CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY);
         INSERT INTO schema_migrations VALUES ('7');
         INSERT INTO nica.blob VALUES (repeat('0', 64), 'adopted-ledger',
            '{"format":1,"n":1,"ids":[],"ledger":{"form":"dbmate","table":"schema_migrations","rows":[]}}')"#,
    ),
    (
        State::StepHalfDone,
        "INSERT INTO nica.migration (id, sha256, phase, class, state, fence, who, version)
         VALUES ('0098_half', 'x', 'expand', 'sticky', 'started', 0, 'w', '1')",
    ),
    (State::SeedMissing, "DELETE FROM food WHERE code = 2"),
    (State::SeedAltered, "UPDATE food SET name = 'Aveia' WHERE code = 1"),
    (State::InvalidIndex, "CREATE UNIQUE INDEX CONCURRENTLY broken ON twice (x)"),
];

async fn inject(url: &DbUrl, states: &[State]) {
    let client = session(url).await;
    // Last, because nothing could be injected after it.
    for (state, sql) in INSIDE.iter().rev().filter(|(state, _)| states.contains(state)) {
        let done = client.batch_execute(sql).await;
        // The build of the broken index fails, and leaves it behind.
        assert!(done.is_ok() != (*state == State::InvalidIndex), "{state}: {done:?}");
    }
}

fn limits(states: &[State]) -> Limits {
    let slow = if states.contains(&State::TooSlow) { Duration::ZERO } else { PATIENT.slow };
    Limits { slow, ..PATIENT }
}

#[tokio::test]
async fn healthy_is_said_without_a_but() {
    let health = look_with(&healthy().await, &PATIENT).await;
    assert_eq!((health.verdict, health.exit_code()), ("healthy", 0), "{health:?}");
    assert!(health.notes.is_empty(), "{:?}", health.notes);
}

/// Each state alone, each pair, and all at once: nothing else is said, and the first is the verdict.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_are_never_confused() {
    let all: Vec<State> = INSIDE.iter().map(|(state, _)| *state).chain([State::TooSlow]).collect();
    let mut cases: Vec<Vec<State>> = vec![all.clone()];
    for (i, one) in all.iter().enumerate() {
        cases.push(vec![*one]);
        cases.extend(all[i + 1..].iter().map(|other| vec![*one, *other]));
    }
    assert_eq!(cases.len(), 1 + 10 + 45);
    for case in cases {
        let url = healthy().await;
        inject(&url, &case).await;
        let health = look_with(&url, &limits(&case)).await;
        assert_eq!(states(&health), case, "{health:#?}");
        assert_eq!((health.verdict, health.exit_code()), (case[0].code(), 1));
        cluster().await.drop_database(url.database()).await.expect("dropped");
    }
}

async fn check_door(url: &str, expected: State, exit_code: u8) {
    let health = look_with(&DbUrl::parse(url).expect("a url"), &PATIENT).await;
    assert_eq!(states(&health), [expected], "{url}: {health:#?}");
    assert_eq!(health.exit_code(), exit_code, "{url}");
    assert!(!format!("{health:?}").contains("secret"), "{health:?}");
}

#[tokio::test]
async fn doors_that_stay_shut_are_told_apart() {
    let Door { named, unnamed, plain, root, other_root } = door().await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = silent.local_addr().expect("an address");
    check_door("postgres://odd:secret@127.0.0.1:1/postgres", State::Unreachable, 40).await;
    check_door("postgres://odd:secret@no-such-host.invalid/postgres", State::Unreachable, 40).await;
    check_door(&format!("postgres://odd:secret@{silent}/postgres?connect_timeout=1"), State::TooSlow, 1)
        .await;
    check_door(&format!("postgres://odd:secret@{named}/postgres"), State::AuthRefused, 1).await;
    check_door(&format!("postgres://nobody_here:secret@{named}/postgres"), State::AuthRefused, 1).await;
    check_door(&format!("postgres://odd@{named}/postgres"), State::AuthRefused, 1).await;
    check_door(&format!("postgres://odd:secret@{plain}/postgres?sslmode=require"), State::TlsRefused, 1)
        .await;
    let full = "/postgres?sslmode=verify-full&sslrootcert=";
    check_door(&format!("postgres://odd:secret@{named}{full}{other_root}"), State::TlsRefused, 1).await;
    check_door(&format!("postgres://odd:secret@{unnamed}{full}{root}"), State::TlsRefused, 1).await;
    check_door(&format!("postgres://odd@{plain}/nowhere"), State::WrongDatabase, 1).await;
}

#[tokio::test]
async fn database_of_somebody_else_is_wrong() {
    let url = healthy().await;
    session(&url).await.batch_execute("UPDATE nica.control SET env = 'prod'").await.expect("sql");
    let health = look_with(&url, &PATIENT).await;
    assert_eq!(states(&health), [State::WrongDatabase]);
    assert!(health.problems[0].sentence.contains("nica/prod, not nica/test"), "{health:?}");
}

#[tokio::test]
async fn database_without_nica_is_behind_and_lacks_its_seeds() {
    let health = look_with(&common::empty_database().await, &PATIENT).await;
    assert_eq!(states(&health), [State::MigrationsBehind, State::SeedMissing]);
    let first = &health.problems[0];
    assert_eq!(first.items, ["0001_food", "0002_twice"], "a contract is not what a deployment waits for");
    assert!(first.sentence.contains("NICA has never been here"), "{first:?}");
}

#[tokio::test]
async fn ahead_by_expand_retained_and_local_are_healthy_and_said() {
    let url = healthy().await;
    let client = session(&url).await;
    let sql = "INSERT INTO nica.migration (id, sha256, phase, class, state, fence, who, version) VALUES
            ('0098_more', 'x', 'expand', 'sticky', 'applied', 0, 'w', '1'),
            ('0097_kept', 'x', 'expand', 'sticky', 'retained', 0, 'w', '1'),
            ('0096_gone', 'x', 'expand', 'sticky', 'undone', 0, 'w', '1'),
            ('0002_squashed', 'x', 'contract', 'sticky', 'applied', 0, 'w', '1');
        DELETE FROM nica.migration WHERE id = '0003_drop_old';
        INSERT INTO nica.seed (\"table\", key, sum) VALUES ('other', '{\"code\": 1}', 'x');
        UPDATE nica.seed SET local = true WHERE key = '{\"code\": 2}'; UPDATE food SET name = 'x' WHERE code = 2";
    client.batch_execute(sql).await.expect("sql");
    let health = look_with(&url, &PATIENT).await;
    assert!(health.healthy, "{health:#?}");
    let notes: Vec<_> = health.notes.iter().map(|n| format!("{}: {}", n.code, n.items.join(" "))).collect();
    let expected = [
        "contract-pending: 0003_drop_old",
        "ahead-by-expand: 0097_kept 0098_more",
        "retained: 0097_kept",
        "newer-seeds: other {\"code\": 1}",
        "seed-local: food {\"code\": 2}",
    ];
    assert_eq!(notes, expected);
}

#[tokio::test]
async fn question_behind_a_lock_is_too_slow_and_what_was_seen_before_is_kept() {
    let url = healthy().await;
    inject(&url, &[State::ReadOnly]).await;
    let mut other = session(&url).await;
    let tx = other.build_transaction().read_only(false).start().await.expect("a transaction");
    tx.batch_execute("LOCK TABLE nica.migration IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let limits = Limits { slow: PATIENT.slow, give_up: Duration::from_millis(300) };
    let health = look_with(&url, &limits).await;
    assert_eq!(states(&health), [State::ReadOnly, State::TooSlow], "{health:#?}");
    assert!(health.millis < 3_000, "{health:?}");
}

#[tokio::test]
async fn role_that_may_not_look_is_refused() {
    let url = healthy().await;
    session(&url).await.batch_execute("CREATE ROLE health_reader LOGIN").await.expect("a role");
    let health = look_with(&url.with_user("health_reader", None), &PATIENT).await;
    assert_eq!(states(&health), [State::AuthRefused], "{health:#?}");
    assert!(health.problems[0].sentence.contains("use the role that migrates"), "{health:?}");
}

#[tokio::test]
async fn seed_that_its_column_cannot_hold_is_altered() {
    let url = healthy().await;
    let change = "ALTER TABLE food ALTER code TYPE date USING '2020-01-01'::date + code";
    session(&url).await.batch_execute(change).await.expect("sql");
    let health = look_with(&url, &PATIENT).await;
    assert_eq!(states(&health), [State::SeedAltered], "{health:#?}");
}

/// A real one: a copy that follows its primary.
#[tokio::test]
async fn standby_is_read_only() {
    let primary = ScratchCluster::start().await.expect("a primary");
    let admin = session(&primary.url("postgres")).await;
    let folder = primary.folder().display().to_string();
    let run = |command: String| format!("COPY (SELECT 1) TO PROGRAM '{command} >/dev/null 2>&1'");
    let copy = format!("pg_basebackup -h {folder} -U scratch -D {folder}/copy -R -X stream -c fast");
    let start = format!(
        "pg_ctl -D {folder}/copy -l {folder}/copy.log -o \"-k {folder} -p 5433 -c max_connections=200 -h ''''\" -w start"
    );
    // Its neighbours are where the program really is, whatever link led to it.
    let postgres = nica_migrate::scratch::find_binaries().expect("a server").postgres.canonicalize();
    let bin = postgres.expect("it is there").parent().expect("a folder").display().to_string();
    for command in [copy, start] {
        admin.batch_execute(&run(format!("{bin}/{command}"))).await.expect("a standby");
    }
    let url = DbUrl::parse(&format!("postgres://scratch@/postgres?host={folder}&port=5433")).expect("a url");
    let health = healthcheck(&url, &Needs::default(), &PATIENT).await;
    let stop = run(format!("{bin}/pg_ctl -D {folder}/copy -m immediate -w stop"));
    admin.batch_execute(&stop).await.expect("stopped");
    assert_eq!(states(&health), [State::ReadOnly], "{health:#?}");
    assert!(health.problems[0].sentence.contains("standby"), "{health:?}");
}

#[tokio::test]
async fn document_keeps_its_form() {
    let url = healthy().await;
    inject(&url, &[State::SeedMissing]).await;
    let mut health = look_with(&url, &PATIENT).await;
    (health.database, health.millis) = ("postgres://scratch@localhost/x".to_string(), 7);
    let text = serde_json::to_string_pretty(&health).expect("JSON");
    insta::assert_snapshot!(text, @r#"
    {
      "format": 1,
      "database": "postgres://scratch@localhost/x",
      "healthy": false,
      "verdict": "seed-missing",
      "problems": [
        {
          "code": "seed-missing",
          "sentence": "food {\"code\": 2} is missing; run migrate-seed or deploy",
          "items": [
            "food {\"code\": 2}"
          ]
        }
      ],
      "notes": [],
      "millis": 7
    }
    "#);
}

#[test]
fn codes_are_fourteen_and_in_the_order_of_the_verdict() {
    assert!(State::ALL.is_sorted());
    let mut codes: Vec<_> = State::ALL.iter().map(|state| state.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), 14);
}
