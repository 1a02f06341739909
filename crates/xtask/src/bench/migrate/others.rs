//! The tools that NICA is held against, on the same server and the same migrations: sqlx's library and Alembic.
//!
//! Each is a program that starts, migrates and ends, as it does in a pipeline. Alembic is installed from PyPI once, in a
//! place that belongs to nobody's checkout.

use crate::config;
use crate::demo::Postgres;
use crate::repo;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Raised by hand; the folder of the environment carries them, so that another set is another environment.
const ALEMBIC: &[&str] = &["alembic==1.20.1", "sqlalchemy==2.1.9", "psycopg[binary]==3.3.9"];

pub(super) struct Other {
    pub(super) name: &'static str,
    pub(super) database: &'static str,
    program: PathBuf,
    args: Vec<String>,
    folder: PathBuf,
}

impl Other {
    pub(super) fn run(&self) -> Result<()> {
        let out = Command::new(&self.program)
            .args(&self.args)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output();
        let out = out.with_context(|| format!("start {}", self.name))?;
        ensure!(out.status.success(), "see {} migrate: {}", self.name, String::from_utf8_lossy(&out.stderr));
        Ok(())
    }
}

/// `texts` are the migrations in their order.
pub(super) fn sqlx(postgres: &Postgres, folder: &Path, texts: &[String]) -> Result<Other> {
    let files = fresh(&folder.join("sqlx"))?;
    for (n, text) in texts.iter().enumerate() {
        write(&files.join(format!("{}_bench.sql", n + 1)), text)?;
    }
    let build = ["build", "--quiet", "--release", "--package", "nica-migrate", "--example", "sqlx_migrate"];
    let out = Command::new("cargo").args(build).current_dir(repo::root()).stdin(Stdio::null()).output();
    let out = out.context("start cargo")?;
    ensure!(out.status.success(), "build sqlx's program: {}", String::from_utf8_lossy(&out.stderr));
    Ok(Other {
        name: "sqlx 0.9",
        database: "nica_bench_sqlx",
        program: repo::root().join("target/release/examples/sqlx_migrate"),
        args: vec![postgres.url("nica_bench_sqlx"), files.display().to_string()],
        folder: files,
    })
}

pub(super) fn alembic(postgres: &Postgres, folder: &Path, texts: &[String]) -> Result<Other> {
    let project = fresh(&folder.join("alembic"))?;
    fs::create_dir_all(project.join("versions")).context("make folder versions")?;
    let url = postgres.url("nica_bench_alembic");
    write(&project.join("alembic.ini"), "[alembic]\nscript_location = %(here)s\n")?;
    write(&project.join("env.py"), &ENV.replace("URL", &format!("{url:?}")))?;
    for (n, text) in texts.iter().enumerate() {
        write(&project.join(format!("versions/{n:04}_bench.py")), &version(n, text))?;
    }
    Ok(Other {
        name: "alembic 1.20",
        database: "nica_bench_alembic",
        program: environment()?.join("bin/alembic"),
        args: vec!["upgrade".into(), "head".into()],
        folder: project,
    })
}

/// One transaction for each migration, as the other two have it.
const ENV: &str = "import psycopg
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(\"postgresql+psycopg://\", creator=lambda: psycopg.connect(URL), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
";

/// The whole text at once, as the other two send it; a JSON string is one of Python's too.
fn version(n: usize, text: &str) -> String {
    let before = n.checked_sub(1).map_or("None".to_string(), |before| format!("'{before:04}'"));
    let text = serde_json::Value::from(text);
    format!(
        "from alembic import op\n\nrevision = '{n:04}'\ndown_revision = {before}\n\n\ndef upgrade():\n    \
         op.get_bind().exec_driver_sql({text}, execution_options={{'no_parameters': True}})\n"
    )
}

/// A virtual environment with exactly these versions.
fn environment() -> Result<PathBuf> {
    let name = ALEMBIC.join("-").replace(['=', '[', ']'], "");
    let folder = config::cache().join("bench").join(name);
    if folder.join("complete").exists() {
        return Ok(folder);
    }
    fs::create_dir_all(&folder).with_context(|| format!("make folder {}", folder.display()))?;
    done(Command::new("python3").args(["-m", "venv"]).arg(&folder), "make a virtual environment")?;
    let mut pip = Command::new(folder.join("bin/pip"));
    done(
        pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(ALEMBIC),
        "install Alembic from PyPI",
    )?;
    write(&folder.join("complete"), "")?;
    Ok(folder)
}

fn done(command: &mut Command, what: &'static str) -> Result<()> {
    let out = command.stdin(Stdio::null()).output().context(what)?;
    ensure!(out.status.success(), "{what}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

fn fresh(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("clear {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("make folder {}", folder.display()))?;
    Ok(folder.to_path_buf())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
