//! Lists the migrations and seeds that this program brings along, so that it needs no files beside it.
//!
//! Writes Rust constants with `include_str!`; what they mean is decided where they are read. A release that is
//! built from another folder names it in `NICA_MIGRATIONS_DIR` or `NICA_SEEDS_DIR`.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this is how a build script talks to cargo"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let migrations = folder("NICA_MIGRATIONS_DIR", "migrations")?;
    let seeds = folder("NICA_SEEDS_DIR", "seeds")?;
    let mut text = String::new();
    write_list(&mut text, "MIGRATION_FILES", &migrations, &migration_files(&migrations)?);
    write_list(&mut text, "SEED_FILES", &seeds, &names(&seeds, ".toml")?);
    fs::write(PathBuf::from(variable("OUT_DIR")).join("embedded.rs"), text)
}

fn folder(name: &str, default: &str) -> io::Result<PathBuf> {
    println!("cargo:rerun-if-env-changed={name}");
    let root = Path::new(&variable("CARGO_MANIFEST_DIR")).join("../..");
    let named = env::var_os(name).map(PathBuf::from);
    let folder = fs::canonicalize(named.unwrap_or_else(|| root.join(default)))?;
    println!("cargo:rerun-if-changed={}", folder.display());
    Ok(folder)
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for every build script"))
}

/// `0001_foods/up.sql` and so on, in the order of their names.
fn migration_files(folder: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for id in names(folder, "")? {
        let inner = folder.join(&id);
        println!("cargo:rerun-if-changed={}", inner.display());
        if inner.is_dir() {
            files.extend(names(&inner, "")?.into_iter().map(|file| format!("{id}/{file}")));
        }
    }
    Ok(files)
}

fn names(folder: &Path, ending: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(ending) && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn write_list(text: &mut String, name: &str, folder: &Path, files: &[String]) {
    let _ = writeln!(text, "pub const {name}: &[(&str, &str)] = &[");
    for file in files {
        let path = folder.join(file);
        let _ = writeln!(text, "    ({file:?}, include_str!({path:?})),");
    }
    text.push_str("];\n");
}
