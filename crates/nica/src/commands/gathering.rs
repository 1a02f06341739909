//! Gathers what the gates judge: evidence, ledgers, variables, approvals, the throw-away database's word.
//!
//! What could not be gathered is handed on as such. Nothing is judged here.

use super::context::Context;
use super::preparation::Preparation;
use super::recorded::Source;
use super::secrets;
use super::waive::Waive;
use crate::config::variables;
use crate::plan_file;
use nica_effects::answer::answered;
use nica_effects::event::Sink;
use nica_effects::failure::Failure;
use nica_effects::open;
use nica_effects::records::{blob, control, ledger};
use nica_engine::Digest;
use nica_engine::gates::input::{Contents, Predecessor};
use nica_engine::gates::{GateInput, Gathered};
use nica_engine::instant::Instant;
use nica_engine::ledger::{Entry, Quarantined};
use nica_engine::people::People;
use nica_engine::policy::Policy;
use nica_engine::{ledger as chain, people, policy};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres::Client;

/// What is gathered for.
pub(super) struct Asked<'a> {
    pub source: &'a Source,
    /// Approvals and waivers stand beside it.
    pub plan_file: Option<&'a Path>,
    /// What is waived now.
    pub waive: Option<&'a Waive>,
    pub tell: &'a Sink,
}

pub(super) async fn gather(
    context: &Context,
    env: &str,
    asked: &Asked<'_>,
    prepared: &Preparation,
    client: &Client,
) -> anyhow::Result<GateInput> {
    let Asked { source, plan_file, waive, tell } = *asked;
    let file = &source.file;
    let environment = context.environment(env)?;
    let own = answered("the ledger", entries(client)).await?;
    let settled = answered("the rules of the last settled run", settled(client)).await?;
    let judged = policy::stricter(settled.policy.as_ref(), &environment.policy);
    let predecessors = predecessors(context, &judged).await;
    let plan = &prepared.plan;
    let now = database_time(client).await?;
    let mut waivers = plan_file.map(plan_file::waivers).transpose()?.unwrap_or_default();
    waivers.extend(waive.map(|waive| waive.sign(&plan.hash(), env, now)).transpose()?.unwrap_or_default());
    let lacks = context.reach(environment).lacks(&plan.service, &prepared.needs).await;
    Ok(GateInput {
        service: plan.service.clone(),
        env: env.to_string(),
        release: file.release.clone(),
        contents: Ok(contents(source)),
        plan_hash: plan.hash(),
        people: people::stricter(settled.people.as_ref(), &context.config.people),
        evidence: source.evidence.clone(),
        quarantine: quarantine(&own, &predecessors),
        needs: lacks.map_err(|error| format!("failed to {error}")),
        variables: Ok(secrets::variables_of(&prepared.secrets)),
        migrations: plan.steps.iter().filter_map(|e| e.migration().cloned()).collect(),
        contracts: prepared.contracts.clone(),
        certificates: super::certify::certificates(context, (file, plan), client, tell).await?,
        preflight: super::preflight::ask(context, &file.release, prepared, client).await?,
        approvals: plan_file.map(plan_file::approvals).transpose()?.unwrap_or_default(),
        consumed: own.as_deref().map(chain::consumed).unwrap_or_default(),
        commits: Ok(file.release.commits.clone()),
        starter: variables::actor(),
        waivers,
        now,
        predecessors: predecessors.into_iter().map(|(name, found)| (name, found.map(|p| p.0))).collect(),
        policy: judged,
    })
}

fn contents(source: &Source) -> Contents {
    let of_file = source.file.entries.values().map(|bytes| Digest::of(bytes));
    Contents { hash: source.file.release.hash(), present: of_file.chain(source.held.clone()).collect() }
}

/// The verified chain of an environment; none where NICA was never there.
async fn entries(client: &Client) -> Result<Gathered<Vec<Entry>>, Failure> {
    if control::read(client).await?.is_none() {
        return Ok(Ok(Vec::new()));
    }
    let rows = ledger::read(client).await?;
    Ok(chain::verify(&rows, None).map_err(|e| e.to_string()))
}

type Found = (Predecessor, Vec<Entry>);

/// The ledgers of the environments that the release must have passed.
async fn predecessors(context: &Context, policy: &Policy) -> BTreeMap<String, Gathered<Found>> {
    let mut found = BTreeMap::new();
    for name in &policy.after {
        let known = predecessor(context, name).await.map_err(|e| format!("{e:#}"));
        found.insert(name.clone(), known);
    }
    found
}

async fn predecessor(context: &Context, env: &str) -> anyhow::Result<Found> {
    let access = context.access(env, Arc::new(|_| {}))?;
    let client = open::reader(&access).await?;
    let entries = answered("its ledger", entries(&client)).await?.map_err(anyhow::Error::msg)?;
    let now = database_time(&client).await?;
    Ok((Predecessor { runs: chain::passed(&entries), now }, entries))
}

/// Over this environment's ledger and every one that stands before it: a digest that was found bad anywhere is bad.
fn quarantine(
    own: &Gathered<Vec<Entry>>,
    predecessors: &BTreeMap<String, Gathered<Found>>,
) -> Gathered<BTreeMap<Digest, Quarantined>> {
    let mut all = chain::quarantine(own.as_ref().map_err(Clone::clone)?);
    for found in predecessors.values().flatten() {
        all.extend(chain::quarantine(&found.1));
    }
    Ok(all)
}

pub(super) struct Settled {
    pub(super) policy: Option<Policy>,
    pub(super) people: Option<People>,
}

/// The rules of the last settled run.
pub(super) async fn settled(client: &Client) -> Result<Settled, Failure> {
    let control = control::read(client).await?;
    let (policy, people) = control.map_or((None, None), |c| (c.policy_hash, c.people_hash));
    Ok(Settled { policy: stored(client, policy).await?, people: stored(client, people).await? })
}

async fn stored<T: DeserializeOwned>(client: &Client, name: Option<String>) -> Result<Option<T>, Failure> {
    let Some(name) = name else { return Ok(None) };
    let digest = Digest::try_from(name).map_err(|e| Failure::Records(e.to_string()))?;
    Ok(Some(blob::get_value(client, &digest).await?))
}

pub(super) async fn database_time(client: &Client) -> Result<Instant, Failure> {
    let select = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let row = async { client.query_one(select, &[]).await.map_err(Failure::sql) };
    let ms = answered("the database's time", row).await?.get(0);
    Instant::from_unix_ms(ms).ok_or_else(|| Failure::Records(format!("the database's clock says {ms} ms")))
}
