//! `migrate-seed` with nothing to do on a large set, and `healthcheck` of the same.
//!
//! The set is the checkout's own plus generated files: 500 migrations and 10,000 seed rows altogether. The program is the
//! shipped one, built with that set inside.

use super::figures::{Figure, Share};
use crate::demo::{Place, Postgres, Profile, copy_folder, plain_service};
use crate::repo;
use anyhow::{Context as _, Result, ensure};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const MIGRATIONS: usize = 500;
const SEED_ROWS: usize = 10_000;
const ROWS_PER_FILE: usize = 1_000;
const DATABASE: &str = "nica_bench";
const TIMES: usize = 20;

pub(super) fn run() -> Result<Vec<Figure>> {
    let place = Place::make()?;
    let figures = measure(&place);
    place.clear()?;
    figures
}

fn measure(place: &Place) -> Result<Vec<Figure>> {
    let program = plain_service(Profile::Release, Some(&write_sources()?), &place.folder)?;
    let postgres = Postgres::start(place)?;
    postgres.create_database(DATABASE)?;
    let url = postgres.url(DATABASE);
    let run = |word: &str| {
        let out = Command::new(&program).args([word, "--url", &url]).stdin(Stdio::null()).output();
        let out = out.with_context(|| format!("start {word}"))?;
        ensure!(out.status.success(), "see {word} succeed: {}", String::from_utf8_lossy(&out.stderr));
        Ok(())
    };
    run("migrate-seed")?;
    let there = postgres
        .ask(DATABASE, "SELECT (SELECT count(*) FROM nica.migration), (SELECT count(*) FROM nica.seed)")?;
    println!("there are {} migrations and seed rows", there.join("").replace('\t', " and "));
    let millis = Duration::from_millis;
    Ok(vec![
        Figure::measure("migrate-seed with nothing to do", Share::Median, millis(150), TIMES, || {
            run("migrate-seed")
        })?,
        Figure::measure("healthcheck", Share::Median, millis(50), TIMES, || run("healthcheck"))?,
    ])
}

/// The checkout's own migrations and seeds, and generated ones up to the promised number.
fn write_sources() -> Result<PathBuf> {
    let folder = repo::root().join("target/bench/migrate");
    for name in ["migrations", "seeds"] {
        copy_folder(&repo::root().join(name), &folder.join(name))?;
    }
    for number in entries(&folder.join("migrations"))?.len()..MIGRATIONS {
        write_migration(&folder.join(format!("migrations/{:04}_bench", 1000 + number)), number)?;
    }
    let mut own = 0;
    for file in entries(&folder.join("seeds"))? {
        own += fs::read_to_string(&file)
            .with_context(|| format!("read {}", file.display()))?
            .matches("[[row]]")
            .count();
    }
    let rows: Vec<usize> = (own..SEED_ROWS).collect();
    for (file, rows) in rows.chunks(ROWS_PER_FILE).enumerate() {
        write(&folder.join(format!("seeds/{:04}_bench.toml", 1000 + file)), &seeds(rows))?;
    }
    Ok(folder)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read folder {}", folder.display()))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
}

/// The first makes the table that the seeds fill; each later one adds a column to a table of its own.
fn write_migration(folder: &Path, number: usize) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make folder {}", folder.display()))?;
    let table = "CREATE TABLE IF NOT EXISTS bench_row (id text PRIMARY KEY, value text, source text, status text, retired_at timestamptz);\n";
    write(
        &folder.join("up.sql"),
        &format!("{table}CREATE TABLE bench_{number} (id integer PRIMARY KEY, value text);\n"),
    )?;
    write(&folder.join("down.sql"), &format!("DROP TABLE bench_{number};\n"))?;
    write(&folder.join("migration.toml"), "phase = \"expand\"\nclass = \"sticky\"\n")
}

fn seeds(rows: &[usize]) -> String {
    let mut text = "table = \"bench_row\"\nkey = [\"id\"]\nretire = \"retired_at\"\n".to_string();
    for row in rows {
        let _ = write!(
            text,
            "\n[[row]]\nid = \"r{row}\"\nvalue = \"value of {row}\"\nsource = \"generated\"\nstatus = \"unverified\"\n"
        );
    }
    text
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
