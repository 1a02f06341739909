//! The demo's private PostgreSQL server: a unix socket, no port, one database for each environment.
//!
//! Driven by its own programs (`initdb`, `postgres`, `psql`) and by nothing of ours: what is read here judges the
//! product. The server refuses root, so as root it runs as `postgres` or `nobody`.

use super::place::Place;
use crate::config;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Postgres {
    folder: PathBuf,
    psql: PathBuf,
    /// Ended by the guardian of the place, not by us: `--keep` leaves it running.
    _server: Child,
}

/// The superuser, not named like a schema (`search_path` begins with `"$user"`); `trust` over a socket that only this machine sees.
const USER: &str = "demo";
const START_LIMIT: Duration = Duration::from_secs(30);
const VERSION_MIN: u32 = 15;

const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "max_connections=300",
    "shared_buffers=64MB",
    "jit=off",
    "timezone=UTC",
    "log_min_messages=warning",
];

impl Postgres {
    pub(crate) fn start(place: &Place) -> Result<Postgres> {
        let programs = find_programs()?;
        let owner = owner();
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(&place.data, Some(user), Some(group))
                .context("give the database its folder")?;
        }
        let as_owner = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command.current_dir(&place.data).stdin(Stdio::null());
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command
        };
        let cluster = place.data.join("cluster");
        let mut initdb = as_owner("initdb");
        initdb.args(["--auth=trust", "--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C"]);
        initdb.args(["--username", USER, "--pgdata"]).arg(&cluster);
        let out = initdb.output().context("start initdb")?;
        ensure!(
            out.status.success(),
            "make a database cluster: {}",
            String::from_utf8_lossy(&out.stderr).trim()
        );

        let log = fs::File::create(place.folder.join("postgres.log")).context("open the database's log")?;
        let mut server = as_owner("postgres");
        server.arg("-D").arg(&cluster).arg("-k").arg(&place.data);
        server.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        let server =
            server.process_group(0).stdout(log.try_clone()?).stderr(log).spawn().context("start postgres")?;
        let psql = if programs.join("psql").exists() { programs.join("psql") } else { PathBuf::from("psql") };
        let postgres = Postgres { folder: place.data.clone(), psql, _server: server };
        postgres.wait_until_it_answers(&place.folder.join("postgres.log"))?;
        Ok(postgres)
    }

    pub(crate) fn create_database(&self, name: &str) -> Result<()> {
        self.ask("postgres", &format!("CREATE DATABASE {name}")).map(drop)
    }

    /// The address as libpq reads it; the folder of the socket stands where a host does.
    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('%', "%25").replace('/', "%2F");
        format!("postgresql://{USER}@{folder}:5432/{database}")
    }

    /// Rows as psql prints them: columns between tabs.
    pub(crate) fn ask(&self, database: &str, sql: &str) -> Result<Vec<String>> {
        let out = Command::new(&self.psql)
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-F", "\t", "-d", &self.url(database), "-c", sql])
            .env("PGCONNECT_TIMEOUT", "5")
            .stdin(Stdio::null())
            .output()
            .context("start psql")?;
        if !out.status.success() {
            bail!("ask {database} `{sql}`: {}", String::from_utf8_lossy(&out.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&out.stdout).lines().map(str::to_string).collect())
    }

    fn wait_until_it_answers(&self, log: &Path) -> Result<()> {
        let until = Instant::now() + START_LIMIT;
        while let Err(error) = self.ask("postgres", "SELECT 1") {
            if Instant::now() > until {
                let log = fs::read_to_string(log).unwrap_or_default();
                return Err(
                    error.context(format!("see the database answer in {START_LIMIT:?}; its log says: {log}"))
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// The folder with `initdb` and `postgres`: on PATH, else Debian's, the newest first.
fn find_programs() -> Result<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut debian: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    debian.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    let folders = config::program_folders().into_iter().chain(debian);
    let complete =
        |folder: &PathBuf| ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file());
    // A link on PATH leads to the folder that has everything.
    let real = |folder: PathBuf| {
        let target = fs::canonicalize(folder.join("postgres")).ok()?;
        target.parent().map(Path::to_path_buf)
    };
    folders.filter(complete).filter_map(real).find(|folder| version(folder) >= VERSION_MIN).ok_or_else(|| {
        anyhow!("find PostgreSQL {VERSION_MIN} or later; install Debian's package `postgresql`")
    })
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` is 15; what does not answer is 0.
fn version(folder: &Path) -> u32 {
    let Ok(out) = Command::new(folder.join("postgres")).arg("--version").stdin(Stdio::null()).output() else {
        return 0;
    };
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    number.and_then(|number| number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).unwrap_or(0)
}

/// User and group that the server runs as, when we are root.
fn owner() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name| passwd.lines().find_map(|line| ids(line, name));
    find("postgres").or_else(|| find("nobody")).or(Some((65534, 65534)))
}

/// User and group from a line of passwd(5), if it is about `name`.
fn ids(line: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = line.split(':');
    if fields.next() != Some(name) {
        return None;
    }
    Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_the_line_of_that_name() {
        assert_eq!(
            ids("postgres:x:105:113:PostgreSQL:/var/lib/postgresql:/bin/bash", "postgres"),
            Some((105, 113))
        );
        assert_eq!(ids("postgres2:x:105:113::/:/bin/sh", "postgres"), None);
    }

    #[test]
    fn three_databases_answer_and_nothing_is_left() {
        let place = Place::make().expect("a place");
        let postgres = Postgres::start(&place).expect("a server");
        for name in ["nica_dev", "nica_stage", "nica_prod"] {
            postgres.create_database(name).expect("a database");
            let rows = postgres.ask(name, "SELECT current_database(), 2 UNION ALL SELECT 'b', 1 ORDER BY 2");
            assert_eq!(rows.expect("rows"), ["b\t1".to_string(), format!("{name}\t2")]);
        }
        let error = postgres.ask("nica_dev", "SELECT nothing").expect_err("no such column").to_string();
        assert!(error.contains("\"nothing\" does not exist"), "{error}");
        assert!(place.clear().expect("cleared"));
    }
}
