//! What a release brings into the database, read back from the records: going on needs no release file.

use crate::failure::Failure;
use crate::records::blob;
use nica_engine::effect::Effect;
use nica_engine::plan::Plan;
use nica_engine::release::{Migration, Phase, Release, SeedFile, UndoClass};
use nica_migrate::{seed, source};
use tokio_postgres::Client;

/// The migrations and seeds that are there once a plan is carried, whole; its own contracts may be pending.
#[derive(Default)]
pub struct Brought {
    pub migrations: Vec<source::Migration>,
    pub seeds: Vec<seed::SeedFile>,
}

impl Brought {
    /// The whole release where it was kept, else what the plan's own steps name: it was opened by a program that kept no
    /// release, and then no contract was ever applied here.
    pub async fn by(client: &Client, plan: &Plan) -> Result<Brought, Failure> {
        let (migrations, seeds) = match blob::find(client, &plan.release).await? {
            Some(bytes) => release(&bytes, plan)?,
            None => steps(plan),
        };
        let mut brought = Brought::default();
        for m in &migrations {
            brought.migrations.push(migration(client, m).await?);
        }
        brought.seeds = seed_files(client, &seeds).await?;
        Ok(brought)
    }
}

fn release(bytes: &[u8], plan: &Plan) -> Result<(Vec<Migration>, Vec<SeedFile>), Failure> {
    let damaged = |e| Failure::Records(format!("release {} is damaged: {e}", plan.version));
    let release: Release = serde_json::from_slice(bytes).map_err(damaged)?;
    Ok((release.migrations, release.seeds))
}

fn steps(plan: &Plan) -> (Vec<Migration>, Vec<SeedFile>) {
    let migrations = plan.steps.iter().filter_map(Effect::migration).cloned().collect();
    let seeds = plan.steps.iter().filter_map(|effect| match effect {
        Effect::Seeds { files } => Some(files.clone()),
        _ => None,
    });
    (migrations, seeds.flatten().collect())
}

/// The texts of a migration from the records: going on needs no release file.
pub async fn migration(client: &Client, m: &Migration) -> Result<source::Migration, Failure> {
    let up = blob::get_text(client, &m.up).await?;
    let down = match &m.down {
        Some(name) => Some(blob::get_text(client, name).await?),
        None => None,
    };
    source::Migration::new(&m.id, manifest(m), up, down).map_err(|e| Failure::Records(e.to_string()))
}

/// As `migration.toml` said it.
pub fn manifest(m: &Migration) -> source::Manifest {
    source::Manifest {
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
    }
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
