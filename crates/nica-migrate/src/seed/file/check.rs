//! What can be wrong between rows and between files, and the reading of a folder.

use super::{Mistake, Mistakes, SeedFile};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// Files that fill one table must agree, and no key may come twice.
pub(super) fn together(files: &[SeedFile], mistakes: &mut Vec<Mistake>) {
    let mut first: HashMap<&str, &SeedFile> = HashMap::new();
    let mut seen: HashMap<(&str, String), (&str, usize)> = HashMap::new();
    for file in files {
        let other = first.entry(&file.table).or_insert(file);
        if other.key != file.key || other.retire != file.retire {
            let what = format!("key and retire must be as in {}, which fills {} too", other.name, file.table);
            mistakes.push(Mistake { file: file.name.clone(), line: 1, what });
        }
        for row in &file.rows {
            let key: Vec<_> = file.key.iter().map(|c| row.values.get(c).unwrap_or(&Value::Null)).collect();
            let key = Value::from_iter(key.into_iter().cloned()).to_string();
            if let Some((name, line)) = seen.insert((&file.table, key.clone()), (&file.name, row.line)) {
                let what = format!("the key {key} stands in {name}:{line} already");
                mistakes.push(Mistake { file: file.name.clone(), line: row.line, what });
            }
        }
    }
}

pub(super) fn read_texts(folder: &Path) -> Result<Vec<(String, String)>, Mistakes> {
    let unreadable = |name: String, error: std::io::Error| {
        Mistakes(vec![Mistake { file: name, line: 0, what: format!("cannot be read: {error}") }])
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder.display().to_string(), error)),
    };
    let mut texts = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| unreadable(folder.display().to_string(), e))?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        if path.extension().is_some_and(|e| e == "toml") {
            let text = std::fs::read_to_string(&path).map_err(|e| unreadable(name.to_string(), e))?;
            texts.push((name.to_string(), text));
        }
    }
    Ok(texts)
}
