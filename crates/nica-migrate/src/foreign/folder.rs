//! A foreign folder as a whole: which form it has, its files paired up and down, each as a NICA migration.
//!
//! Folders in NICA's own form may stand beside the files, so that new migrations need not be written in the old form. A
//! file `STEM.toml` beside `STEM.sql` says what `migration.toml` says; the tools read neither. An id is made of its file
//! alone, so that it never changes when other files come.

use super::{Foreign, Form, dbmate, flyway, frame, refinery, sqlx};
use crate::lexer;
use crate::source::{self, Manifest, Migration, Mistake, Mistakes};
use std::collections::BTreeMap;
use std::path::Path;

/// What one file holds, taken apart by its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) version: String,
    pub(super) name: Option<String>,
    /// NICA's number: what orders and begins the id.
    pub(super) number: u64,
    /// Becomes the rest of the id.
    pub(super) title: String,
    pub(super) up: Option<Text>,
    pub(super) down: Option<Text>,
    pub(super) transaction: bool,
    pub(super) checksums: Vec<String>,
    /// The file's name without `.sql` and direction.
    pub(super) stem: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) file: String,
    /// Lines of the file before it.
    pub(super) lines_before: usize,
    pub(super) sql: String,
}

impl Text {
    pub(super) fn whole(file: &str, sql: &str) -> Text {
        Text { file: file.to_string(), lines_before: 0, sql: sql.to_string() }
    }
}

/// A file's name and its text.
type File = (String, String);
/// Digits that an id may begin with, as a number.
const NUMBER_MAX: u64 = 999_999_999_999_999_999;

/// Every migration of the folder, NICA's own form included, by number.
///
/// # Errors
/// Every mistake of every file at once.
pub fn read_any(folder: &Path, form: Option<Form>) -> Result<Vec<Migration>, Mistakes> {
    let form = match form {
        Some(form) => Some(form),
        None => detect(folder).map_err(|mistake| Mistakes(vec![mistake]))?,
    };
    let Some(form) = form else { return source::read_dir(folder) };
    let foreign = read_dir(folder, form)?.into_iter().map(|f| f.migration);
    let mut all: Vec<Migration> = foreign.chain(own(folder)?).collect();
    let mistakes = source::twice(&all);
    all.sort_by_key(|m| (m.number(), m.id.clone()));
    if mistakes.is_empty() { Ok(all) } else { Err(Mistakes(mistakes)) }
}

/// Folders in NICA's own form beside foreign files.
fn own(folder: &Path) -> Result<Vec<Migration>, Mistakes> {
    let names = entries(folder).map_err(|m| Mistakes(vec![m]))?;
    let own = names.into_iter().filter(|name| is_own(&folder.join(name)));
    source::read_named(folder, own.collect())
}

fn is_own(path: &Path) -> bool {
    path.join("up.sql").is_file()
}

/// Which form the files have; none for NICA's own, or an empty folder.
///
/// # Errors
/// The folder cannot be read, or its names fit two tools.
pub fn detect(folder: &Path) -> Result<Option<Form>, Mistake> {
    let files = files_of(folder, "", true, &[".sql"])?;
    let Some((first, _)) = files.first() else { return Ok(None) };
    let begins = |c: char, digit: bool| match digit {
        true => c.is_ascii_digit(),
        false => ['V', 'U', 'R', 'B'].contains(&c),
    };
    let all = |digit: bool| {
        files.iter().all(|(name, _)| base(name).chars().next().is_some_and(|c| begins(c, digit)))
    };
    match (all(true), all(false)) {
        (true, _) if files.iter().all(|(_, text)| dbmate::is_mine(text)) => Ok(Some(Form::Dbmate)),
        (true, _) => Ok(Some(Form::Sqlx)),
        (_, true) if files.iter().any(|(name, _)| flyway::only_mine(base(name))) => Ok(Some(Form::Flyway)),
        (_, true) => Err(Mistake::new(
            first,
            None,
            "is named as refinery and as Flyway name files; say which: migrations = { path = \"…\", form = \"refinery\" }",
        )),
        _ => Err(Mistake::new(
            first,
            None,
            "SQL stands in a folder of its own: NNNN_name/up.sql; or say whose form it is with form = \"sqlx\"",
        )),
    }
}

/// # Errors
/// Every mistake of every file at once.
pub fn read_dir(folder: &Path, form: Form) -> Result<Vec<Foreign>, Mistakes> {
    let nested = matches!(form, Form::Refinery | Form::Flyway);
    let suffixes: &[&str] = match form {
        Form::Refinery => &[".sql", ".rs"],
        Form::Flyway => &[".sql", ".sql.conf"],
        _ => &[".sql"],
    };
    let files = files_of(folder, "", nested, suffixes).map_err(|m| Mistakes(vec![m]))?;
    let (parts, mut mistakes) = parts(form, &files);
    let mut all = Vec::new();
    for part in paired(parts, &mut mistakes) {
        match migration(folder, &part) {
            Ok(migration) => all.push(Foreign {
                migration,
                file: part.up.map(|text| text.file).unwrap_or_default(),
                version: part.version,
                name: part.name,
                checksums: part.checksums,
            }),
            Err(Mistakes(more)) => mistakes.extend(more),
        }
    }
    all.sort_by_key(|f| (f.migration.number(), f.migration.id.clone()));
    if mistakes.is_empty() { Ok(all) } else { Err(Mistakes(mistakes)) }
}

fn parts(form: Form, files: &[File]) -> (Vec<Part>, Vec<Mistake>) {
    let (mut parts, mut mistakes) = (Vec::new(), Vec::new());
    for (name, text) in files.iter().filter(|(name, _)| !name.ends_with(".conf")) {
        let part = match form {
            Form::Sqlx => sqlx::part(name, text),
            Form::Refinery => refinery::part(name, text),
            Form::Dbmate => dbmate::part(name, text),
            Form::Flyway => flyway::part(name, text, settings(files, name)),
        };
        match part {
            Ok(part) if part.number > NUMBER_MAX => {
                let what = format!("version {} has more digits than the 18 an id has room for", part.version);
                mistakes.push(Mistake::new(name, None, what));
            }
            Ok(part) => parts.push(part),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    (parts, mistakes)
}

/// Down files go to the up file of their version; two ups of one version are a mistake.
fn paired(parts: Vec<Part>, mistakes: &mut Vec<Mistake>) -> Vec<Part> {
    let (ups, downs): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.up.is_some());
    let mut by_number: BTreeMap<u64, Part> = BTreeMap::new();
    for part in ups {
        match by_number.get(&part.number) {
            Some(first) => mistakes.push(duplicate(&part, first)),
            None => drop(by_number.insert(part.number, part)),
        }
    }
    for part in downs {
        let Some(text) = part.down else { continue };
        match by_number.get_mut(&part.number) {
            Some(up) if up.down.is_none() => up.down = Some(text),
            Some(_) => {
                let what = format!("is a second way back of version {}; delete one", part.version);
                mistakes.push(Mistake::new(text.file, None, what));
            }
            None => {
                let what = format!(
                    "goes back from version {}, which no file applies; add it or delete this",
                    part.version
                );
                mistakes.push(Mistake::new(text.file, None, what));
            }
        }
    }
    by_number.into_values().collect()
}

fn duplicate(part: &Part, first: &Part) -> Mistake {
    let file = |part: &Part| part.up.as_ref().map(|text| text.file.clone()).unwrap_or_default();
    Mistake::new(file(part), None, format!("has version {} of {}; renumber one", part.version, file(first)))
}

fn migration(folder: &Path, part: &Part) -> Result<Migration, Mistakes> {
    let sidecar = format!("{}.toml", part.stem);
    let said = match std::fs::read_to_string(folder.join(&sidecar)) {
        Ok(text) => Manifest::parse(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Manifest::default()),
        Err(error) => Err(error.to_string()),
    };
    let said = said.map_err(|what| Mistakes(vec![Mistake::new(&sidecar, None, what)]))?;
    let manifest = Manifest { transaction: said.transaction && part.transaction, ..said };
    let id = format!("{:04}_{}", part.number, slug(&part.title));
    let text = |text: &Option<Text>| text.as_ref().map(|text| frame::without(&text.sql));
    let up = text(&part.up).unwrap_or_default();
    // A way back without a statement is none.
    let down = text(&part.down).filter(|sql| lexer::split(sql).map_or(true, |all| !all.is_empty()));
    Migration::new(&id, manifest, up, down)
        .map_err(|mistakes| named_as_written(mistakes, &id, part, &sidecar))
}

/// Mistakes name the files that are there, not those that NICA's own form would have.
fn named_as_written(Mistakes(all): Mistakes, id: &str, part: &Part, sidecar: &str) -> Mistakes {
    let place = |mistake: Mistake| {
        let text = match mistake.file.strip_prefix(id).unwrap_or_default() {
            "/up.sql" => part.up.as_ref(),
            "/down.sql" => part.down.as_ref(),
            _ => return Mistake { file: sidecar.to_string(), ..mistake },
        };
        let Some(text) = text else { return mistake };
        Mistake {
            file: text.file.clone(),
            line: mistake.line.map(|line| line + text.lines_before),
            what: mistake.what.replace(
                "write transaction = false into migration.toml",
                &format!("write transaction = false into {sidecar}"),
            ),
        }
    };
    Mistakes(all.into_iter().map(place).collect())
}

/// Of a-z, 0-9 and `_`, as ids are.
fn slug(title: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let slug: String = title.trim_matches(['_', '-', ' ', '.']).chars().map(plain).collect();
    if slug.is_empty() { "migration".to_string() } else { slug }
}

/// Names below the folder in order; what begins with a dot is somebody else's.
fn entries(folder: &Path) -> Result<Vec<String>, Mistake> {
    let fail = |e: std::io::Error| Mistake::new(folder.display().to_string(), None, e.to_string());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Every file that ends so; names are relative to `folder`.
fn files_of(folder: &Path, below: &str, nested: bool, suffixes: &[&str]) -> Result<Vec<File>, Mistake> {
    let mut files = Vec::new();
    for name in entries(&folder.join(below))? {
        let relative = if below.is_empty() { name } else { format!("{below}/{name}") };
        let path = folder.join(&relative);
        if path.is_dir() {
            if nested && !is_own(&path) {
                files.extend(files_of(folder, &relative, nested, suffixes)?);
            }
        } else if suffixes.iter().any(|suffix| relative.ends_with(suffix)) {
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|e| Mistake::new(&relative, None, e.to_string()))?;
            files.push((relative, text));
        }
    }
    Ok(files)
}

/// The settings that Flyway reads for one script.
fn settings<'a>(files: &'a [File], name: &str) -> &'a str {
    let found = files.iter().find(|(file, _)| file.strip_suffix(".conf") == Some(name));
    found.map_or("", |(_, text)| text)
}

/// The file's own name.
pub(super) fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Digits at the beginning, and the rest.
pub(super) fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}
