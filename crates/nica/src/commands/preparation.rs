//! From a release file and what is there now to a plan, with everything that opening a run for it needs.

use super::context::Context;
use super::objects;
use super::recorded::Source;
use super::secrets;
use crate::release_file::ReleaseFile;
use anyhow::Context as _;
use nica_effects::records::run::OpenRun;
use nica_effects::sight::{self, Components, Sight};
use nica_effects::target::Secret;
use nica_engine::gates::input::Contracts;
use nica_engine::manifest::{Need, Object, Rendered};
use nica_engine::plan::{self, Doomed, Plan, Target, Unfit};
use nica_engine::release::ComponentKind;
use nica_engine::world::{MigrationSeen, World};
use nica_engine::{Digest, canonical};
use nica_migrate::seed::SeedFile;
use std::collections::BTreeSet;
use tokio_postgres::Client;

/// What is planned for a release.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    Deploy,
    Contract,
    /// In the place of an open run that nothing can settle.
    Supersede(&'a OpenRun),
}

pub(super) struct Preparation {
    pub plan: Plan,
    /// The run that the plan supersedes.
    pub doomed: Option<OpenRun>,
    /// What contracts have to do with it, for the gates.
    pub contracts: Contracts,
    /// The release's contracts that a deploy leaves to `nica contract`.
    pub pending: Vec<String>,
    /// Kind and content of every text that the plan names by digest.
    pub texts: Vec<(&'static str, Vec<u8>)>,
    pub executables: Vec<(Digest, Vec<u8>)>,
    /// What is asked of a cluster; none where processes run.
    pub objects: Vec<Object>,
    /// What its objects refer to and do not bring.
    pub needs: BTreeSet<Need>,
    /// What it needs, with the values that we have. Never printed, never recorded.
    pub secrets: Vec<Secret>,
}

impl Preparation {
    /// Contracts that this plan does not apply.
    pub(super) fn left(&self) -> &[String] {
        if self.plan.is_contract() { &[] } else { &self.pending }
    }
}

pub(super) async fn prepare(
    context: &Context,
    env: &str,
    (purpose, source): (Purpose<'_>, &Source),
    client: &mut Client,
    components: &Components,
) -> anyhow::Result<Preparation> {
    let file = &source.file;
    let environment = context.environment(env)?;
    let release = &file.release;
    objects::fit(environment, release)?;
    let seeds = seed_files(file)?;
    let sight = sight::look(client, components, &seeds).await?;
    let reach = context.reach(environment);
    if sight.control.is_some() {
        objects::stays_there(env, client, &reach).await?;
    }
    let secrets = secrets::of_release(release, env);
    let names = reach.name_secrets(&release.service, &secrets).await?;
    let rendered = objects::of(environment, file, &names)?;
    let planned = rendered.as_ref().map(Rendered::planned);
    let pending = plan::contracts_pending(release, &sight.world).iter().map(|m| m.id.clone()).collect();
    let contracts = contracts(purpose, &sight);
    let target = Target {
        env,
        release,
        baseline: sight.control.and_then(|control| control.baseline),
        secrets: &names,
        policy: environment.policy.clone(),
        people: context.config.people.hash(),
        projection: sight.projection.hash(),
        objects: planned.as_deref(),
    };
    let (plan, doomed) = planned_for(purpose, target, &sight.world)?;
    Ok(Preparation {
        plan,
        doomed,
        contracts,
        pending,
        texts: texts(source, context, rendered.as_ref()),
        executables: if rendered.is_some() { Vec::new() } else { executables(file) },
        needs: rendered.as_ref().map(|rendered| rendered.needs.clone()).unwrap_or_default(),
        objects: rendered.map(|rendered| rendered.objects).unwrap_or_default(),
        secrets,
    })
}

fn contracts(purpose: Purpose<'_>, sight: &Sight) -> Contracts {
    let control = sight.control.as_ref();
    let there = sight.world.migrations.iter().filter(|(_, seen)| **seen == MigrationSeen::Applied);
    Contracts {
        run: matches!(purpose, Purpose::Contract),
        live: control.and_then(|c| c.baseline.as_ref()).map(|live| live.release.clone()),
        floor: control.and_then(|c| c.compat_floor.clone()),
        applied: there.map(|(id, _)| id.clone()).collect(),
    }
}

/// The plan, and the run in whose place it comes.
fn planned_for(
    purpose: Purpose<'_>,
    target: Target<'_>,
    world: &World,
) -> Result<(Plan, Option<OpenRun>), Unfit> {
    Ok(match purpose {
        Purpose::Deploy => (plan::plan(target, world), None),
        Purpose::Contract => (plan::contract(target, world), None),
        Purpose::Supersede(open) => {
            let old = Doomed { run: &open.id, plan: &open.plan, statuses: &open.statuses };
            (plan::supersede(target, world, &old)?, Some(open.clone()))
        }
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

/// The release itself and the evidence that came with it are kept too: whoever contracts or goes back later may have no
/// file any more.
fn texts(source: &Source, context: &Context, rendered: Option<&Rendered>) -> Vec<(&'static str, Vec<u8>)> {
    let kind = |name: &str| match name {
        name if name.starts_with("manifests/") => Some("manifests"),
        name if name.starts_with("migrations/") => Some("sql"),
        name if name.starts_with("seeds/") => Some("seed"),
        _ => None,
    };
    let sources = source.file.entries.iter().filter_map(|(name, bytes)| Some((kind(name)?, bytes.clone())));
    // Named by the plan as well: the next plan is judged by the stricter of these people and its own.
    let people = canonical::to_bytes(&context.config.people);
    let evidence = source.evidence.iter().flat_map(|found| found.values());
    let evidence = evidence.map(|signed| ("evidence", canonical::to_bytes(signed)));
    let release = canonical::to_bytes(&source.file.release);
    let applied = rendered.map(Rendered::configurations).unwrap_or_default().into_values();
    let applied = applied.map(|configuration| ("applied", canonical::to_bytes(configuration)));
    sources.chain(evidence).chain(applied).chain([("people", people), ("release", release)]).collect()
}

fn executables(file: &ReleaseFile) -> Vec<(Digest, Vec<u8>)> {
    let programs = file.release.components.iter().filter(|c| c.kind == ComponentKind::Executable);
    let bytes = |digest: &Digest| file.entries.get(&format!("bin/{digest}")).cloned();
    // What the records name without holding it is in the target's store already.
    programs.filter_map(|c| Some((c.digest.clone(), bytes(&c.digest)?))).collect()
}
