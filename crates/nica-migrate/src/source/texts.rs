//! Migrations that a program brings along as texts: the same rules as for a folder, without one.

use super::{Manifest, Migration, Mistake, Mistakes};
use std::collections::BTreeMap;

/// Read files given as (`0042_diary/up.sql`, text); they come back by number.
///
/// # Errors
/// Every mistake of every migration at once.
pub fn read_texts(files: &[(&str, &str)]) -> Result<Vec<Migration>, Mistakes> {
    let mut folders: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for (path, text) in files {
        let (id, name) = path.split_once('/').unwrap_or((path, ""));
        folders.entry(id).or_default().insert(name, text);
    }
    let mut mistakes = Vec::new();
    let mut migrations = Vec::new();
    for (id, texts) in folders {
        match read_one(id, &texts) {
            Ok(migration) => migrations.push(migration),
            Err(Mistakes(more)) => mistakes.extend(more),
        }
    }
    migrations.sort_by_key(|m| (m.number(), m.id.clone()));
    if mistakes.is_empty() { Ok(migrations) } else { Err(Mistakes(mistakes)) }
}

fn read_one(id: &str, texts: &BTreeMap<&str, &str>) -> Result<Migration, Mistakes> {
    let wrong = |file: &str, what: String| Mistakes(vec![Mistake::new(format!("{id}/{file}"), None, what)]);
    let text = |name: &str| texts.get(name).map(ToString::to_string);
    let manifest = text("migration.toml").map_or(Ok(Manifest::default()), |toml| Manifest::parse(&toml));
    let manifest = manifest.map_err(|what| wrong("migration.toml", what))?;
    let up = text("up.sql").ok_or_else(|| wrong("up.sql", "it is missing".into()))?;
    Migration::new(id, manifest, up, text("down.sql"))
}
