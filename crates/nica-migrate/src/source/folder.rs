//! Reading the folder `migrations/`. Order is by number; every mistake of every file is collected first.

use super::{Manifest, Migration, Mistake, Mistakes, number_of};
use std::collections::BTreeMap;
use std::path::Path;

/// # Errors
/// Every mistake of every migration at once.
pub fn read_dir(folder: &Path) -> Result<Vec<Migration>, Mistakes> {
    let names = names(folder).map_err(|m| Mistakes(vec![m]))?;
    read_named(folder, names)
}

/// As `read_dir`, of these folders alone.
pub(crate) fn read_named(folder: &Path, names: Vec<String>) -> Result<Vec<Migration>, Mistakes> {
    let mut mistakes = Vec::new();
    let mut migrations = Vec::new();
    for id in names {
        match read_one(&folder.join(&id), &id) {
            Ok(migration) => migrations.push(migration),
            Err(Mistakes(more)) => mistakes.extend(more),
        }
    }
    mistakes.extend(twice(&migrations));
    migrations.sort_by_key(|m| (m.number(), m.id.clone()));
    if mistakes.is_empty() { Ok(migrations) } else { Err(Mistakes(mistakes)) }
}

/// Folders only; what begins with a dot or ends as a document is somebody else's.
fn names(folder: &Path) -> Result<Vec<String>, Mistake> {
    let shown = folder.display().to_string();
    let fail = |e: std::io::Error| Mistake::new(&shown, None, e.to_string());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') {
            names.push(name);
        } else if name.ends_with(".sql") {
            let what = "SQL stands in a folder of its own: NNNN_name/up.sql; or say whose form it is with form = \"sqlx\"";
            return Err(Mistake::new(name, None, what));
        }
    }
    names.sort();
    Ok(names)
}

fn read_one(folder: &Path, id: &str) -> Result<Migration, Mistakes> {
    let mut mistakes = strangers(folder, id);
    let mut read = |name: &str| match std::fs::read_to_string(folder.join(name)) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            mistakes.push(Mistake::new(format!("{id}/{name}"), None, error.to_string()));
            None
        }
    };
    let (up, down, toml) = (read("up.sql"), read("down.sql"), read("migration.toml"));
    let manifest = toml.as_deref().map_or(Ok(Manifest::default()), Manifest::parse);
    let manifest = manifest.unwrap_or_else(|what| {
        mistakes.push(Mistake::new(format!("{id}/migration.toml"), None, what));
        Manifest::default()
    });
    let Some(up) = up else {
        mistakes.push(Mistake::new(format!("{id}/up.sql"), None, "it is missing"));
        return Err(Mistakes(mistakes));
    };
    match Migration::new(id, manifest, up, down) {
        Ok(migration) if mistakes.is_empty() => Ok(migration),
        Ok(_) => Err(Mistakes(mistakes)),
        Err(Mistakes(more)) => {
            // A manifest that was not read says nothing about the texts.
            mistakes.extend(
                more.into_iter()
                    .filter(|m| !mistakes.iter().any(|known| known.file == m.file))
                    .collect::<Vec<_>>(),
            );
            Err(Mistakes(mistakes))
        }
    }
}

/// A file that nobody reads was probably meant to be read: `Up.sql`, `down.sq`.
fn strangers(folder: &Path, id: &str) -> Vec<Mistake> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
    let known =
        |name: &String| ["up.sql", "down.sql", "migration.toml", "README.md"].contains(&name.as_str());
    names
        .filter(|n| !known(n) && !n.starts_with('.'))
        .map(|n| {
            Mistake::new(
                format!("{id}/{n}"),
                None,
                "is read by nobody; expected up.sql, down.sql, migration.toml",
            )
        })
        .collect()
}

pub(crate) fn twice(migrations: &[Migration]) -> Vec<Mistake> {
    let mut by_number: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for migration in migrations {
        by_number.entry(number_of(&migration.id).unwrap_or(0)).or_default().push(&migration.id);
    }
    let shared = by_number.into_values().filter(|ids| ids.len() > 1);
    shared
        .map(|ids| Mistake::new(ids[1], None, format!("has the number of {}; renumber one", ids[0])))
        .collect()
}
