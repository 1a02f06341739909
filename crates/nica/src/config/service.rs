//! `[service]`, `[signer.NAME]` and the walk over everything else in nica.toml.

use super::Config;
use super::component;
use super::environment;
use super::section::Section;
use nica_engine::people::People;
use nica_engine::policy::Signer;
use nica_engine::signature::Key;
use nica_migrate::foreign::{self, Form};
use nica_migrate::source::{Migration, Mistakes};
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Service {
    pub name: String,
    pub migrations: Migrations,
    /// A folder beside nica.toml.
    pub seeds: String,
    /// The file of people, beside nica.toml.
    pub people: Option<String>,
    /// The variable with the URL of a server for throw-away databases, where no server programs are installed.
    pub scratch_url: Option<String>,
}

/// `migrations = "folder"`, or `{ path = "folder", form = "sqlx" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Migrations {
    /// A folder beside nica.toml.
    pub path: String,
    /// Whose form its files have; seen by their names unless said.
    pub form: Option<Form>,
}

impl Migrations {
    /// # Errors
    /// Every mistake of every file.
    pub(crate) fn read(&self, beside: &Path) -> Result<Vec<Migration>, Mistakes> {
        foreign::read_any(&beside.join(&self.path), self.form)
    }
}

pub(super) fn read(root: Section<'_>, people: People) -> Config {
    let service = match root.section("service") {
        Some(section) => service(&section),
        None => {
            root.missing("service", "{ name = \"…\" }");
            Service::default()
        }
    };
    let components: Vec<_> = root.list("component").iter().map(component::read).collect();
    let signers = root.section("signer").map(|s| signers(&s)).unwrap_or_default();
    let environments = match root.section("env") {
        Some(all) => {
            all.named().into_iter().map(|(n, s)| (n.clone(), environment::read(&n, &s, &signers))).collect()
        }
        None => BTreeMap::new(),
    };
    root.finish();
    Config { service, components, environments, people, origins: Vec::new() }
}

fn service(section: &Section<'_>) -> Service {
    let name = section.must_text("name", "\"nica\"");
    check_name(section, "name", &name, 40);
    let service = Service {
        name,
        migrations: migrations(section),
        seeds: section.text_or("seeds", "seeds"),
        people: section.text("people"),
        scratch_url: section.variable("scratch_url"),
    };
    section.finish();
    service
}

fn migrations(section: &Section<'_>) -> Migrations {
    let inner = section.is_table("migrations").then(|| section.section("migrations")).flatten();
    let Some(inner) = inner else {
        return Migrations { path: section.text_or("migrations", "migrations"), form: None };
    };
    let words: Vec<_> = Form::ALL.iter().map(|form| (form.word(), Some(*form))).collect();
    let read =
        Migrations { path: inner.text_or("path", "migrations"), form: inner.choice("form", &words, None) };
    inner.finish();
    read
}

fn signers(all: &Section<'_>) -> BTreeMap<String, Signer> {
    let signer = |(name, section): (String, Section<'_>)| {
        let text = section.must_text("key", "\"ssh-ed25519 AAAA…\"");
        let checks = section.texts("checks").into_iter().map(|(check, _)| check).collect();
        section.finish();
        let key = if text.is_empty() { None } else { key(&section, "key", &text) };
        Some((name, Signer { key: key?, checks }))
    };
    all.named().into_iter().filter_map(signer).collect()
}

fn key(section: &Section<'_>, at: &str, text: &str) -> Option<Key> {
    let noted = |e: nica_engine::signature::NotAKey| {
        section.wrong(at, "this is no key", &e.to_string(), "write the line of the key's `.pub` file");
    };
    Key::parse(text).map_err(noted).ok()
}

/// Names become parts of session names, folders and variables: short, lower case, no surprise.
pub(super) fn check_name(section: &Section<'_>, key: &str, name: &str, max: usize) {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && name.len() <= max;
    if !fits && !name.is_empty() {
        let cause =
            format!("a name has a to z, 0 to 9 and -, begins with a letter, and at most {max} characters");
        let says = format!("`{name}` cannot be a name");
        match section.has(key) {
            true => section.wrong(key, &says, &cause, "choose another name"),
            false => section.wrong_at(section.span.clone(), &says, &cause, "choose another name"),
        }
    }
}
