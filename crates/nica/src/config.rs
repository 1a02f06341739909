//! nica.toml and people.toml, read into the engine's types; the only place that knows how they are written.
//!
//! A file is read once and as a whole: every mistake in both files is reported together, like a compiler does,
//! with line, cause and a suggestion. What passed the door is trusted from then on.

mod checks;
mod component;
mod environment;
mod file;
mod mistake;
mod notes;
mod people;
mod section;
mod service;
mod target;
pub(crate) mod variables;
mod window;

pub(crate) use component::{Component, Source};
pub(crate) use mistake::{Mistakes, nearest};
pub(crate) use notes::Origin;
pub(crate) use service::Service;

use file::File;
use nica_engine::people::People;
use nica_engine::policy::Environment;
use notes::Notes;
use section::Section;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything that the two files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub service: Service,
    /// In the order of the file, which is the order of a roll.
    pub components: Vec<Component>,
    pub environments: BTreeMap<String, Environment>,
    pub people: People,
    /// Each value with the place it came from, for `nica config --origin`.
    pub origins: Vec<Origin>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("read {}: {source}; name another file with --config", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Mistakes(Mistakes),
}

/// Reads nica.toml and the people.toml that it names, beside it unless the name is absolute.
pub(crate) fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = read(path)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let people = match people_file(&text) {
        Some(name) => Some((name.clone(), read(&beside.join(name))?)),
        None => None,
    };
    let people = people.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
    parse((&path.display().to_string(), &text), people).map_err(ConfigError::Mistakes)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.into(), source })
}

/// The file of people that a nica.toml names, if it can be made out.
pub(crate) fn people_file(nica_toml: &str) -> Option<String> {
    let table = toml::de::DeTable::parse_recoverable(nica_toml).0;
    let service = table.get_ref().get("service")?.get_ref().as_table()?;
    Some(service.get("people")?.get_ref().as_str()?.to_string())
}

/// Both files, each as its name and its text.
pub(crate) fn parse(nica: (&str, &str), people: Option<(&str, &str)>) -> Result<Config, Mistakes> {
    let notes = Notes::new(File::new(nica.0, nica.1));
    let people_notes = Notes::new(people.map_or(File::new("people.toml", ""), |(n, t)| File::new(n, t)));
    let root = notes.parse();
    let people_root = people_notes.parse();
    let people = people::read(&Section::root(&people_notes, people_root.get_ref()));
    let config = service::read(Section::root(&notes, root.get_ref()), people);
    checks::all(&notes, &config);
    let mut mistakes = notes.mistakes.into_inner();
    mistakes.extend(people_notes.mistakes.into_inner());
    if mistakes.is_empty() {
        let origins = notes.origins.into_inner().into_iter().chain(people_notes.origins.into_inner());
        Ok(Config { origins: origins.collect(), ..config })
    } else {
        Err(Mistakes::sorted(mistakes))
    }
}

#[cfg(test)]
mod tests;
