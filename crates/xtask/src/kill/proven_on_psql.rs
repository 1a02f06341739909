//! The instruments proven on an actor that is known: psql, killed around its COMMIT.

use super::actor::Actor;
use super::cluster::{self, Cluster, DATABASE};
use super::gate::{Gate, Place, Release, Trap};
use super::label::Point;
use super::oracle::{Attic, lost};
use super::proc::{self, Signal, wait_for};
use super::proxy;
use super::writer::Writer;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);
const SCRIPT: &str = "BEGIN; INSERT INTO t VALUES (1); COMMIT;";

struct Bench {
    home: TempDir,
    cluster: Cluster,
}

impl Bench {
    fn new() -> Bench {
        let home =
            tempfile::Builder::new().prefix("nk").tempdir_in(super::folder()).expect("a private folder");
        super::open_to_all(home.path()).expect("our own folder");
        let pg = home.path().join("pg");
        Cluster::create(&pg).expect("initdb");
        let cluster = Cluster::start(&pg).expect("a server");
        cluster.psql("CREATE TABLE t (n int)").expect("a table");
        Bench { home, cluster }
    }

    /// psql with this script, caught at `point`.
    fn psql(&self, script: &str, point: &str, place: Place) -> (Actor, Arc<Gate>) {
        let trap = Trap { point: Point::parse(point).expect("a point"), place };
        let gate = Arc::new(Gate::new(Instant::now(), Some(trap)));
        let folder = self.home.path().join("proxy");
        proxy::open(&folder, self.cluster.socket_folder(), Arc::clone(&gate)).expect("a proxy");
        let file = self.home.path().join("script.sql");
        std::fs::write(&file, script).expect("our own folder");
        let mut psql: Command = cluster::psql_command(&folder, DATABASE).expect("psql");
        psql.arg("-f").arg(file).env("PGAPPNAME", "nica/dev/1/-");
        (Actor::start(psql, self.home.path(), "psql").expect("psql"), gate)
    }

    fn run(&self, script: &str) {
        self.cluster.psql(script).expect("a server");
    }

    fn rows(&self) -> String {
        self.cluster.psql("SELECT count(*) FROM t").expect("a server")
    }

    fn caught(&self, actor: &mut Actor, gate: &Gate) -> super::gate::Caught {
        let caught = gate.caught(LIMIT, || actor.ended().is_some()).expect("in time");
        caught.unwrap_or_else(|| panic!("the point was not reached: {}\n{:#?}", actor.printed(), gate.log()))
    }
}

#[test]
fn killed_before_commit_was_sent_and_the_bytes_are_lost() {
    let bench = Bench::new();
    let (mut psql, gate) = bench.psql(SCRIPT, "opening.commit-1", Place::Request);
    bench.caught(&mut psql, &gate);
    psql.kill().expect("ours");
    gate.release(Release::Lose);
    let backends = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'nica/%'";
    let gone = || (bench.cluster.psql(backends).ok()? == "0").then_some(());
    wait_for("wait for the session to end", LIMIT, gone).expect("the server sees the end");
    assert_eq!(bench.rows(), "0");
}

#[test]
fn a_commit_that_arrives_late_still_commits_unless_its_session_was_ended() {
    for (ended, expected) in [(false, "1"), (true, "0")] {
        let bench = Bench::new();
        let (mut psql, gate) = bench.psql(SCRIPT, "opening.commit-1", Place::Request);
        let backend = bench.caught(&mut psql, &gate).session.backend.expect("a database session");
        psql.kill().expect("ours");
        if ended {
            bench.cluster.psql(&format!("SELECT pg_terminate_backend({backend}, 5000)")).expect("a server");
        }
        gate.release(Release::Forward);
        wait_for("wait for the session to end", LIMIT, || (!proc::alive(backend)).then_some(()))
            .expect("its end");
        assert_eq!(bench.rows(), expected, "ended: {ended}");
    }
}

#[test]
fn killed_after_commit_was_applied_and_before_its_answer_came() {
    let bench = Bench::new();
    let (mut psql, gate) = bench.psql(SCRIPT, "opening.commit-1", Place::Answer);
    bench.caught(&mut psql, &gate);
    assert_eq!(bench.rows(), "1");
    psql.kill().expect("ours");
    gate.release(Release::Forward);
    assert_eq!(bench.rows(), "1");
}

#[test]
fn a_statement_of_a_killed_client_waits_for_its_lock_and_then_takes_effect() {
    let bench = Bench::new();
    let lock = super::psql::Lock::take(&bench.cluster, "t").expect("a lock");
    let (mut psql, gate) =
        bench.psql("ALTER TABLE t ADD COLUMN m int", "opening.alter-table-t-add-column-1", Place::Sent);
    bench.caught(&mut psql, &gate);
    gate.release(Release::Forward);
    super::psql::await_blocked(&bench.cluster, "nica/%", LIMIT).expect("it waits for the lock");
    psql.kill().expect("ours");
    drop(lock);
    let columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0";
    let there = || (bench.cluster.psql(columns).ok()? == "2").then_some(());
    wait_for("wait for the orphan's column", LIMIT, there).expect("the orphan goes on");
}

#[test]
fn a_stopped_client_goes_on_where_it_was() {
    let bench = Bench::new();
    let (mut psql, gate) = bench.psql(SCRIPT, "opening.commit-1", Place::Answer);
    bench.caught(&mut psql, &gate);
    proc::signal(psql.pid(), Signal::STOP).expect("ours");
    wait_for("wait for T", LIMIT, || (proc::state(psql.pid()) == Some('T')).then_some(())).expect("stopped");
    gate.release(Release::Forward);
    assert!(psql.ended().is_none());
    proc::signal(psql.pid(), Signal::CONT).expect("ours");
    assert!(psql.wait(LIMIT).expect("ours").expect("it ends").success());
}

#[test]
fn a_killed_backend_restarts_the_cluster_and_undoes_what_was_open() {
    let bench = Bench::new();
    let (mut psql, gate) = bench.psql(SCRIPT, "opening.commit-1", Place::Request);
    let backend = bench.caught(&mut psql, &gate).session.backend.expect("a database session");
    proc::signal(backend, Signal::KILL).expect("ours");
    wait_for("wait for the end of the backend", LIMIT, || (!proc::alive(backend)).then_some(()))
        .expect("dead");
    gate.release(Release::Forward);
    bench.cluster.await_ready().expect("the cluster comes back");
    assert_eq!(bench.rows(), "0");
}

/// What the judge of rows must see, by what is done to the rows behind its back.
#[test]
fn every_acknowledged_value_is_looked_for_in_table_and_attic() {
    let bench = Bench::new();
    bench.run(
        "CREATE TABLE note (id text PRIMARY KEY, body text NOT NULL, mood text); CREATE SCHEMA nica_attic",
    );
    let writer = Writer::start(bench.cluster.socket_folder());
    wait_for("wait for rows", LIMIT, || (writer.count() >= 12).then_some(())).expect("people write");
    let (written, waits) = writer.end();
    assert!(waits.len() >= written.len(), "every acknowledged statement was timed");
    let lost = || lost(&bench.cluster, &Attic::read(&bench.cluster)?, &written).map(|lost| lost.len());
    let check = |script: &str, expected: usize| {
        bench.run(script);
        assert_eq!(lost().expect("a server"), expected, "{script}");
    };
    // Three are told, and how many there are beside them.
    let many = 4;
    check("SELECT 1", 0);
    check("UPDATE note SET mood = 'back' WHERE id = 'w-000001'", 1);
    check("UPDATE note SET mood = 'value-w-000001.' WHERE id = 'w-000001'", 0);
    check("UPDATE note SET mood = 'value-w-000005.' WHERE id = 'w-000005'", 1);
    check("UPDATE note SET mood = NULL WHERE id = 'w-000005'", 0);
    check("CREATE TABLE nica_attic.x AS SELECT id, mood FROM note; ALTER TABLE note DROP COLUMN mood", 0);
    check("DELETE FROM nica_attic.x WHERE id = 'w-000002'", 1);
    check("DROP TABLE nica_attic.x", many);
    check("DELETE FROM note WHERE id = 'w-000012'", many);
}
