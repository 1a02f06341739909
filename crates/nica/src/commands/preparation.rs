//! From a release file and what is there now to a plan, with everything that opening a run for it needs.

use super::context::Context;
use crate::config::variables;
use crate::release_file::ReleaseFile;
use anyhow::Context as _;
use nica_effects::process::{SecretValue, secret};
use nica_effects::sight::{self, Components};
use nica_engine::effect::SecretName;
use nica_engine::plan::{self, Plan, Target};
use nica_engine::release::ComponentKind;
use nica_engine::{Digest, canonical};
use nica_migrate::seed::SeedFile;
use std::collections::BTreeMap;
use tokio_postgres::Client;

pub(super) struct Preparation {
    pub plan: Plan,
    /// Kind and content of every text that the plan names by digest.
    pub texts: Vec<(&'static str, Vec<u8>)>,
    pub executables: Vec<(Digest, Vec<u8>)>,
    /// Values for the target's store. Never printed, never recorded.
    pub secrets: Vec<SecretValue>,
}

pub(super) async fn prepare(
    context: &Context,
    env: &str,
    file: &ReleaseFile,
    client: &mut Client,
    components: &Components,
) -> anyhow::Result<Preparation> {
    let environment = context.environment(env)?;
    let release = &file.release;
    let seeds = seed_files(file)?;
    let sight = sight::look(client, components, &seeds).await?;
    let values = secret_values(env, file);
    let state = context.state(environment);
    let mut names: BTreeMap<String, BTreeMap<String, SecretName>> = BTreeMap::new();
    for ((component, variable), value) in &values {
        let name = secret::name(&state, value)?;
        names.entry(component.clone()).or_default().insert(variable.clone(), name);
    }
    let target = Target {
        env,
        release,
        baseline: sight.control.and_then(|c| c.baseline),
        secrets: &names,
        policy: environment.policy.clone(),
        people: context.config.people.hash(),
        projection: sight.projection.hash(),
    };
    Ok(Preparation {
        plan: plan::plan(target, &sight.world),
        texts: texts(file, context),
        executables: executables(file),
        secrets: values.into_values().collect(),
    })
}

fn seed_files(file: &ReleaseFile) -> anyhow::Result<Vec<SeedFile>> {
    let parse = |seed: &nica_engine::release::SeedFile| {
        let bytes = &file.entries[&format!("seeds/{}", seed.file)];
        let text = std::str::from_utf8(bytes).with_context(|| format!("read seeds/{}", seed.file))?;
        Ok(SeedFile::parse(&seed.file, text)?)
    };
    file.release.seeds.iter().map(parse).collect()
}

/// Component and variable → value, for those that this process has. The gate `config` tells of the others.
fn secret_values(env: &str, file: &ReleaseFile) -> BTreeMap<(String, String), SecretValue> {
    let mut values = BTreeMap::new();
    for (component, config) in file.release.config.get(env).into_iter().flatten() {
        for (variable, source) in &config.secrets {
            if let Some(value) = variables::variable(source) {
                values.insert((component.clone(), variable.clone()), SecretValue::new(value));
            }
        }
    }
    values
}

fn texts(file: &ReleaseFile, context: &Context) -> Vec<(&'static str, Vec<u8>)> {
    let kind = |name: &str| match name {
        name if name.starts_with("migrations/") => Some("sql"),
        name if name.starts_with("seeds/") => Some("seed"),
        _ => None,
    };
    let sources = file.entries.iter().filter_map(|(name, bytes)| Some((kind(name)?, bytes.clone())));
    // Named by the plan as well: the next plan is judged by the stricter of these people and its own.
    let people = canonical::to_bytes(&context.config.people);
    sources.chain([("people", people)]).collect()
}

fn executables(file: &ReleaseFile) -> Vec<(Digest, Vec<u8>)> {
    let programs = file.release.components.iter().filter(|c| c.kind == ComponentKind::Executable);
    programs.map(|c| (c.digest.clone(), file.entries[&format!("bin/{}", c.digest)].clone())).collect()
}
