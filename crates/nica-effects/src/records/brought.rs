//! What a plan brings into the database, read back from the records: going on needs no release file.

use crate::failure::Failure;
use crate::records::blob;
use nica_engine::effect::Effect;
use nica_engine::plan::Plan;
use nica_engine::release::{Migration, Phase, SeedFile, UndoClass};
use nica_migrate::{seed, source};
use tokio_postgres::Client;

/// The migrations and seeds of one plan, whole.
#[derive(Default)]
pub struct Brought {
    pub migrations: Vec<source::Migration>,
    pub seeds: Vec<seed::SeedFile>,
}

impl Brought {
    pub async fn by(client: &Client, plan: &Plan) -> Result<Brought, Failure> {
        let mut brought = Brought::default();
        for effect in plan.steps.iter() {
            match effect {
                Effect::Sql { migration: m } | Effect::SqlConverge { migration: m } => {
                    brought.migrations.push(migration(client, m).await?);
                }
                Effect::Seeds { files } => brought.seeds = seed_files(client, files).await?,
                _ => {}
            }
        }
        Ok(brought)
    }
}

/// The texts of a migration from the records: going on needs no release file.
pub async fn migration(client: &Client, m: &Migration) -> Result<source::Migration, Failure> {
    let up = blob::get_text(client, &m.up).await?;
    let down = match &m.down {
        Some(name) => Some(blob::get_text(client, name).await?),
        None => None,
    };
    let manifest = source::Manifest {
        phase: match m.phase {
            Phase::Expand => source::Phase::Expand,
            Phase::Contract => source::Phase::Contract,
        },
        class: match m.class {
            UndoClass::Lossless => source::Class::Lossless,
            UndoClass::Parking => source::Class::Parking,
            UndoClass::Sticky => source::Class::Sticky,
        },
        park: m.park.clone(),
        transaction: m.transactional,
        after: m.after.clone(),
    };
    source::Migration::new(&m.id, manifest, up, down).map_err(|e| Failure::Records(e.to_string()))
}

/// The seed files of a plan, from the records.
pub async fn seed_files(client: &Client, files: &[SeedFile]) -> Result<Vec<seed::SeedFile>, Failure> {
    let mut parsed = Vec::new();
    for file in files {
        let text = blob::get_text(client, &file.sha256).await?;
        let file = seed::SeedFile::parse(&file.file, &text);
        parsed.push(file.map_err(|e| Failure::Records(e.to_string()))?);
    }
    Ok(parsed)
}
