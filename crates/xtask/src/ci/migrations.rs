//! The job `migrations`: migrations and seeds on a fresh database, then the same again, then health.
//!
//! Judged past the program: the second run must not move a single row version, which `xmin` shows.

use super::Check;
use crate::demo::{Place, Postgres, Profile, plain_service};
use crate::suite::{self, Child, Counts};
use anyhow::{Context as _, Result};
use std::path::Path;
use std::time::Duration;

const DATABASE: &str = "nica_ci";
const RUN_LIMIT: Duration = Duration::from_secs(60);

pub(super) fn checks() -> Result<Vec<Check>> {
    let place = Place::make()?;
    let checks = on_a_fresh_database(&place);
    place.clear()?;
    let mut checks = checks?;
    println!("── nica-migrate");
    let tests = suite::libtest(&["cargo", "test", "--no-fail-fast", "--package", "nica-migrate"], &[])?;
    checks.push(Check::of("nica-migrate", tests));
    Ok(checks)
}

fn on_a_fresh_database(place: &Place) -> Result<Vec<Check>> {
    let program = plain_service(Profile::Dev, None, &place.folder)?;
    let postgres = Postgres::start(place)?;
    postgres.create_database(DATABASE)?;
    let url = postgres.url(DATABASE);
    let run = |name, word: &str| judged(name, &[&program.display().to_string(), word, "--url", &url]);

    let mut first = run("up-and-seeds", "migrate-seed")?;
    first.count = things(&postgres)?;
    let before = row_versions(&postgres)?;
    let second = run("again", "migrate-seed")?;
    let unmoved = before == row_versions(&postgres)?;
    println!("── nothing-moved");
    let unmoved = Check::of("nothing-moved", Counts::one(unmoved));
    Ok(vec![first, second, unmoved, run("health", "healthcheck")?])
}

fn judged(name: &'static str, command: &[&str]) -> Result<Check> {
    println!("── {name}");
    let mut output = String::new();
    let ended = Child::start(command, &[], Path::new("/"))?.read(RUN_LIMIT, |line| {
        output.push_str(line);
        output.push('\n');
    })?;
    if !ended.success {
        println!("{output}{}", ended.why);
    }
    Ok(Check::of(name, Counts::one(ended.success)))
}

/// Migrations and seed rows that are there.
fn things(postgres: &Postgres) -> Result<u64> {
    let rows = postgres
        .ask(DATABASE, "SELECT (SELECT count(*) FROM nica.migration) + (SELECT count(*) FROM nica.seed)");
    rows?.first().and_then(|count| count.parse().ok()).context("count migrations and seed rows")
}

/// Every row of every table with the transaction that wrote it, as one line a table.
fn row_versions(postgres: &Postgres) -> Result<Vec<String>> {
    let tables = postgres.ask(
        DATABASE,
        "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables \
         WHERE table_schema IN ('public', 'nica') AND table_name NOT IN ('lease', 'fence') ORDER BY 1",
    )?;
    let digest = |table: &String| {
        format!(
            "SELECT '{table}', count(*), md5(coalesce(string_agg(t.xmin || ' ' || t::text, E'\\n' ORDER BY t::text), '')) FROM {table} t"
        )
    };
    let each: Vec<String> = tables.iter().map(digest).collect();
    postgres.ask(DATABASE, &each.join(" UNION ALL "))
}
