//! One run: a plan that is being carried out. Opening it stores everything that finishing it needs.

use super::{RecordError, blob, control};
use nica_engine::approval::Approver;
use nica_engine::finding::GateReport;
use nica_engine::ledger::Waiver;
use nica_engine::next::{Direction, Ending};
use nica_engine::plan::{Plan, Statuses};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio_postgres::{GenericClient, Transaction};

/// A run as the records hold it; enough to go on with, whoever opened it.
#[derive(Clone, Debug)]
pub struct OpenRun {
    pub id: String,
    pub plan: Plan,
    pub statuses: Statuses,
    pub direction: Direction,
    pub starter: String,
    pub participants: Participants,
    pub abort_by: Option<String>,
    pub limits: LimitsPassed,
    /// Why the run turned back, once it did.
    pub turned: Option<Turned>,
    /// What it was opened with.
    pub judged: Judged,
}

/// Why a run turned back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turned {
    pub reason: String,
    /// The release itself was found bad; false for an abort or a limit that passed.
    pub refused: bool,
    /// The component that the diagnosis names.
    pub suspect: Option<String>,
}

/// Gates and signatures that a run was opened with; `open` consumes them once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    pub gates: GateReport,
    pub approvals: Vec<Approver>,
    pub waivers: Vec<Waiver>,
}

/// Where else a run writes, so that it can be resumed without the configuration it was started with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participants {
    /// State folder of the `process` target.
    pub process: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Namespace>,
}

/// Where the objects of a `kubernetes` target are. Which cluster a context means is for the kubeconfig to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    pub context: Option<String>,
    pub namespace: String,
}

/// Judged by the database's clock in the same query that reads the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitsPassed {
    pub forward_until: bool,
    pub down_until: bool,
}

/// What opening needs beside the plan.
pub struct Opening<'a> {
    pub id: &'a str,
    pub fence: i64,
    pub starter: &'a str,
    pub participants: &'a Participants,
    /// Kind and content of every text that the plan names by digest.
    pub texts: &'a [(&'static str, Vec<u8>)],
    pub judged: &'a Judged,
}

/// Where the run wrote that made live what is live; none before the first.
pub async fn lives_at(client: &impl GenericClient) -> Result<Option<Participants>, RecordError> {
    let select =
        "SELECT participants FROM nica.run WHERE ending = 'live' ORDER BY settled_at DESC, id DESC LIMIT 1";
    let Some(row) = client.query_opt(select, &[]).await? else { return Ok(None) };
    Ok(serde_json::from_value(row.get(0)).ok())
}

pub async fn open(tx: &Transaction<'_>, plan: &Plan, opening: &Opening<'_>) -> Result<(), RecordError> {
    for (kind, bytes) in opening.texts {
        blob::put(tx, kind, bytes).await?;
    }
    let plan_name = blob::put_value(tx, "plan", plan).await?;
    let judged = blob::put_value(tx, "judged", opening.judged).await?;
    let insert = "INSERT INTO nica.run (id, plan, baseline, fence, starter, direction, participants, opened_at, \
                  forward_until, down_until, judged) \
                  SELECT $1, $2, baseline, $3, $4, 'forward', $5, now(), \
                  now() + $6 * interval '1 millisecond', now() + $7 * interval '1 millisecond', $8 FROM nica.control";
    let participants = serde_json::to_value(opening.participants).expect("plain data serialises");
    let forward_ms = plan.limits.forward_ms as f64;
    let down_ms = forward_ms + plan.limits.bake_max_ms as f64 + plan.limits.rollout_ms as f64;
    let values: &[&(dyn tokio_postgres::types::ToSql + Sync)] = &[
        &opening.id,
        &plan_name.as_str(),
        &opening.fence,
        &opening.starter,
        &participants,
        &forward_ms,
        &down_ms,
        &judged.as_str(),
    ];
    tx.execute(insert, values).await?;
    super::step::insert_all(tx, opening.id, plan).await?;
    tx.execute("UPDATE nica.control SET open_run = $1, managed = true", &[&opening.id]).await?;
    Ok(())
}

/// The open run, if there is one.
pub async fn read_open(client: &impl GenericClient) -> Result<Option<OpenRun>, RecordError> {
    let select = "SELECT id, plan, direction, starter, participants, abort_by, \
                  clock_timestamp() > forward_until, clock_timestamp() > down_until, verdict, judged \
                  FROM nica.run WHERE settled_at IS NULL";
    let Some(row) = client.query_opt(select, &[]).await? else { return Ok(None) };
    let id: String = row.get(0);
    let plan_name: String = row.get(1);
    let plan: Plan = blob::get_value(client, &control::digest("run", &plan_name)?).await?;
    control::check_format("plan of run", &id, plan.format)?;
    let statuses = super::step::read(client, &id, plan.steps.len()).await?;
    let direction = read_direction(&id, row.get(2))?;
    let participants = serde_json::from_value(row.get(4)).map_err(|e| damaged(&id, &e.to_string()))?;
    let turned = match row.get::<_, Option<serde_json::Value>>(8) {
        Some(value) => Some(serde_json::from_value(value).map_err(|e| damaged(&id, &e.to_string()))?),
        None => None,
    };
    Ok(Some(OpenRun {
        plan,
        statuses,
        direction,
        starter: row.get(3),
        participants,
        abort_by: row.get(5),
        limits: LimitsPassed { forward_until: row.get(6), down_until: row.get(7) },
        turned,
        judged: blob::get_value(client, &control::digest("run", &row.get::<_, String>(9))?).await?,
        id,
    }))
}

/// How long a run has been open, by database time.
pub async fn age(client: &impl GenericClient, run: &str) -> Result<Duration, RecordError> {
    let select =
        "SELECT extract(epoch FROM clock_timestamp() - opened_at)::float8 FROM nica.run WHERE id = $1";
    let secs: f64 = client.query_one(select, &[&run]).await?.get(0);
    Ok(Duration::from_secs(secs.max(0.0) as u64))
}

/// Durable before the first recovery effect; never from back to forward.
pub async fn turn_back(tx: &Transaction<'_>, run: &str, turned: &Turned) -> Result<(), RecordError> {
    let update = "UPDATE nica.run SET direction = 'back', reason = $2, verdict = $3 \
                  WHERE id = $1 AND direction = 'forward' AND committed_at IS NULL AND settled_at IS NULL";
    let verdict = serde_json::to_value(turned).expect("plain data serialises");
    let rows = tx.execute(update, &[&run, &turned.reason, &verdict]).await?;
    assert_eq!(rows, 1, "under the fence nobody else can have turned, committed or settled run {run}");
    Ok(())
}

pub async fn commit(tx: &Transaction<'_>, run: &str) -> Result<(), RecordError> {
    let update = "UPDATE nica.run SET committed_at = now() \
                  WHERE id = $1 AND direction = 'forward' AND committed_at IS NULL AND settled_at IS NULL";
    let rows = tx.execute(update, &[&run]).await?;
    assert_eq!(rows, 1, "under the fence nobody else can have turned, committed or settled run {run}");
    Ok(())
}

pub async fn close(
    tx: &Transaction<'_>,
    run: &str,
    ending: Ending,
    retained: &[String],
    reason: Option<&str>,
) -> Result<(), RecordError> {
    let update = "UPDATE nica.run SET settled_at = now(), ending = $2, retained = $3, reason = $4 \
                  WHERE id = $1 AND settled_at IS NULL";
    let retained = serde_json::to_value(retained).expect("strings serialise");
    let rows = tx.execute(update, &[&run, &ending_word(ending), &retained, &reason]).await?;
    assert_eq!(rows, 1, "under the fence nobody else can have settled run {run}");
    tx.execute("UPDATE nica.control SET open_run = NULL", &[]).await?;
    Ok(())
}

/// Written without the lease: whoever acts reads it with each step.
pub async fn wish_abort(client: &impl GenericClient, who: &str) -> Result<bool, RecordError> {
    let update = "UPDATE nica.run SET abort_by = $1 WHERE settled_at IS NULL AND committed_at IS NULL";
    Ok(client.execute(update, &[&who]).await? == 1)
}

pub fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Live => "live",
        Ending::Back => "back",
        Ending::Absent => "absent",
        Ending::Refused => "refused",
        Ending::Superseded => "superseded",
        Ending::Contracted => "contracted",
        Ending::Accepted => "accepted",
    }
}

fn read_direction(run: &str, word: &str) -> Result<Direction, RecordError> {
    match word {
        "forward" => Ok(Direction::Forward),
        "back" => Ok(Direction::Back),
        other => Err(damaged(run, &format!("direction `{other}` is neither forward nor back"))),
    }
}

fn damaged(run: &str, why: &str) -> RecordError {
    RecordError::Damaged { what: "run", key: run.to_string(), why: why.to_string() }
}

/// How a closed run ended.
pub async fn ending(
    client: &impl GenericClient,
    run: &str,
) -> Result<Option<(Ending, Option<String>, Vec<String>)>, RecordError> {
    let select = "SELECT ending, reason, retained FROM nica.run WHERE id = $1 AND settled_at IS NOT NULL";
    let Some(row) = client.query_opt(select, &[&run]).await? else { return Ok(None) };
    let word: String = row.get(0);
    let ending = match word.as_str() {
        "live" => Ending::Live,
        "back" => Ending::Back,
        "absent" => Ending::Absent,
        "refused" => Ending::Refused,
        "superseded" => Ending::Superseded,
        "contracted" => Ending::Contracted,
        "accepted" => Ending::Accepted,
        other => return Err(damaged(run, &format!("ending `{other}` is unknown"))),
    };
    let retained = serde_json::from_value(row.get(2)).map_err(|e| damaged(run, &e.to_string()))?;
    Ok(Some((ending, row.get(1), retained)))
}
