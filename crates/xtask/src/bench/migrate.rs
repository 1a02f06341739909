//! `migrate-seed` on a large set, with nothing to do and from an empty database, beside sqlx and Alembic; `healthcheck`.
//!
//! The set is the checkout's own plus generated files: 500 migrations and 10,000 seed rows altogether. The program is the
//! shipped one, built with that set inside. The others get the same migrations and no seeds, and so does a second build
//! that is held against them.

mod others;

use super::figures::{Figure, Share};
use crate::demo::{Place, Postgres, Profile, copy_folder, plain_service};
use crate::repo;
use anyhow::{Context as _, Result, ensure};
use others::Other;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MIGRATIONS: usize = 500;
const SEED_ROWS: usize = 10_000;
const ROWS_PER_FILE: usize = 1_000;
const DATABASE: &str = "nica_bench";
const ALONE: &str = "nica_bench_alone";
const TIMES: usize = 20;
const TIMES_EMPTY: usize = 3;

pub(super) fn run() -> Result<Vec<Figure>> {
    let place = Place::make()?;
    let figures = measure(&place);
    place.clear()?;
    figures
}

fn measure(place: &Place) -> Result<Vec<Figure>> {
    let sources = write_sources()?;
    let postgres = Postgres::start(place)?;
    let alone = Ours {
        program: build(place, "alone", &without_seeds(&sources)?)?,
        postgres: &postgres,
        database: ALONE,
    };
    let with_seeds =
        Ours { program: build(place, "seeds", &sources)?, postgres: &postgres, database: DATABASE };
    postgres.create_database(DATABASE)?;
    with_seeds.run("migrate-seed")?;
    let there = postgres
        .ask(DATABASE, "SELECT (SELECT count(*) FROM nica.migration), (SELECT count(*) FROM nica.seed)")?;
    println!("there are {} migrations and seed rows", there.join("").replace('\t', " and "));
    let others = others(&postgres, &sources)?;
    let (empty, nothing) = beside(&postgres, &alone, &others)?;
    let bar = shortest(&nothing).min(Duration::from_millis(150));
    let mut figures = vec![
        Figure::measure("migrate-seed with nothing to do, seeds too", Share::Median, bar, TIMES, || {
            with_seeds.run("migrate-seed")
        })?,
        Figure::measure("healthcheck", Share::Median, Duration::from_millis(50), TIMES, || {
            with_seeds.run("healthcheck")
        })?,
    ];
    figures.extend(empty.into_iter().chain(nothing));
    Ok(figures)
}

/// The service's own program on a database.
struct Ours<'a> {
    program: PathBuf,
    postgres: &'a Postgres,
    database: &'static str,
}

impl Ours<'_> {
    fn run(&self, word: &str) -> Result<()> {
        let url = self.postgres.url(self.database);
        let out = Command::new(&self.program).args([word, "--url", &url]).stdin(Stdio::null()).output();
        let out = out.with_context(|| format!("start {word}"))?;
        ensure!(out.status.success(), "see {word} succeed: {}", String::from_utf8_lossy(&out.stderr));
        Ok(())
    }
}

fn build(place: &Place, name: &str, sources: &Path) -> Result<PathBuf> {
    let folder = place.folder.join(name);
    fs::create_dir_all(&folder).with_context(|| format!("make folder {}", folder.display()))?;
    plain_service(Profile::Release, Some(sources), &folder)
}

fn others(postgres: &Postgres, sources: &Path) -> Result<Vec<Other>> {
    let mut folders = entries(&sources.join("migrations"))?;
    folders.sort();
    let read = |folder: PathBuf| {
        let path = folder.join("up.sql");
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    };
    let texts: Vec<String> = folders.into_iter().map(read).collect::<Result<_>>()?;
    let folder = repo::root().join("target/bench");
    Ok(vec![others::sqlx(postgres, &folder, &texts)?, others::alembic(postgres, &folder, &texts)?])
}

/// From empty, in turns so that the machine's moods fall on all; then with nothing to do, in turns again.
fn beside(postgres: &Postgres, ours: &Ours<'_>, others: &[Other]) -> Result<(Vec<Figure>, Vec<Figure>)> {
    let (mut empty, mut nothing) = (vec![Vec::new(); others.len() + 1], vec![Vec::new(); others.len() + 1]);
    let timed = |run: &dyn Fn() -> Result<()>| {
        let began = Instant::now();
        run().map(|()| began.elapsed())
    };
    for _ in 0..TIMES_EMPTY {
        for database in others.iter().map(|other| other.database).chain([ours.database]) {
            postgres.ask("postgres", &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))?;
            postgres.create_database(database)?;
        }
        empty[0].push(timed(&|| ours.run("migrate-seed"))?);
        for (other, times) in others.iter().zip(&mut empty[1..]) {
            times.push(timed(&|| other.run())?);
        }
    }
    for _ in 0..TIMES {
        nothing[0].push(timed(&|| ours.run("migrate-seed"))?);
        for (other, times) in others.iter().zip(&mut nothing[1..]) {
            times.push(timed(&|| other.run())?);
        }
    }
    Ok((
        figures("500 migrations from empty", empty, others),
        figures("500 migrations, nothing to do", nothing, others),
    ))
}

/// Ours with the faster of the others as its bar, then theirs.
fn figures(what: &str, samples: Vec<Vec<Duration>>, others: &[Other]) -> Vec<Figure> {
    let names = ["nica"].into_iter().chain(others.iter().map(|other| other.name));
    let named =
        |(name, samples)| Figure { what: format!("{what}: {name}"), of: Share::Median, samples, bar: None };
    let mut figures: Vec<Figure> = names.zip(samples).map(named).collect();
    let bar = shortest(&figures[1..]);
    figures[0].bar = Some(bar);
    figures
}

/// Of the figures that are only told.
fn shortest(figures: &[Figure]) -> Duration {
    figures.iter().filter(|f| f.bar.is_none()).map(Figure::value).min().unwrap_or_default()
}

/// The same migrations alone.
fn without_seeds(sources: &Path) -> Result<PathBuf> {
    let folder = repo::root().join("target/bench/migrate-alone");
    copy_folder(&sources.join("migrations"), &folder.join("migrations"))?;
    fs::create_dir_all(folder.join("seeds")).context("make folder seeds")?;
    Ok(folder)
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
