//! What is done before serving, in an image that brings its own database up or fetches its own models.

use super::reader::Reader;
use super::{Actor, Models};

#[derive(Clone, Debug, Default)]
pub struct Start {
    /// `RUN_DB_MIGRATIONS`, 0: with 1 the database is brought up first, in this actor's name; one that a deployer
    /// manages is only looked at.
    pub migrate: Option<Actor>,
    /// `HF_MODEL_REPOS`: models that are fetched first.
    pub models: Option<Models>,
}

impl Start {
    pub(super) fn read(reader: &mut Reader<'_>) -> Start {
        Start { migrate: migrate(reader).then(|| Actor::read(reader)), models: Models::read(reader) }
    }
}

fn migrate(reader: &mut Reader<'_>) -> bool {
    match reader.text("RUN_DB_MIGRATIONS").as_deref() {
        None | Some("0" | "false") => false,
        Some("1" | "true") => true,
        Some(other) => {
            let next = "set RUN_DB_MIGRATIONS to 1, or unset it";
            reader.mistake("RUN_DB_MIGRATIONS", format!("is `{other}`"), next);
            false
        }
    }
}
