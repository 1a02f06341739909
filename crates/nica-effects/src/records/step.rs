//! The steps of a run and what is known of each.
//!
//! Legal changes stand in one table (`Status::may_become`); the row is locked, so a check and the change it
//! allows cannot be torn apart.

use super::RecordError;
use nica_engine::plan::{Plan, Status, Statuses};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::{GenericClient, Transaction};

pub async fn insert_all(tx: &Transaction<'_>, run: &str, plan: &Plan) -> Result<(), RecordError> {
    let insert = "INSERT INTO nica.step (run, n, effect, \"do\", status) VALUES ($1, $2, $3, $4, 'pending')";
    for step in plan.steps() {
        let payload = serde_json::to_value(step.effect).expect("plain data serialises");
        let effect = payload["effect"].as_str().expect("effects are tagged").to_string();
        tx.execute(insert, &[&run, &(step.n as i32), &effect, &payload]).await?;
    }
    Ok(())
}

pub async fn read(client: &impl GenericClient, run: &str, steps: usize) -> Result<Statuses, RecordError> {
    let rows = client.query("SELECT status FROM nica.step WHERE run = $1 ORDER BY n", &[&run]).await?;
    let statuses: Statuses = rows.iter().map(|row| parse(run, row.get(0))).collect::<Result<_, _>>()?;
    if statuses.len() == steps {
        return Ok(statuses);
    }
    let why = format!("{} of {steps} steps are recorded", statuses.len());
    Err(RecordError::Damaged { what: "run", key: run.to_string(), why })
}

/// Where a mark stands and who makes it.
#[derive(Clone, Copy)]
pub struct At<'a> {
    pub run: &'a str,
    pub n: usize,
    pub fence: i64,
}

/// Record a step's new status with what was seen.
pub async fn mark(tx: &Transaction<'_>, at: At<'_>, status: Status, seen: &Value) -> Result<(), RecordError> {
    let lock = "SELECT status FROM nica.step WHERE run = $1 AND n = $2 FOR UPDATE";
    let n = at.n as i32;
    let before = parse(at.run, tx.query_one(lock, &[&at.run, &n]).await?.get(0))?;
    assert!(
        before.may_become(status),
        "step {}/{} cannot change from {before:?} to {status:?}",
        at.run,
        at.n
    );
    let update = match status {
        Status::Started | Status::UndoStarted => {
            "UPDATE nica.step SET status = $3, started_at = now(), started_fence = $4, seen = $5 \
             WHERE run = $1 AND n = $2"
        }
        _ => {
            "UPDATE nica.step SET status = $3, done_at = clock_timestamp(), done_fence = $4, seen = $5 \
             WHERE run = $1 AND n = $2"
        }
    };
    tx.execute(update, &[&at.run, &n, &word(status), &at.fence, seen]).await?;
    Ok(())
}

/// How a run that has not ended was left: a person has to look. It holds as long as nobody has taken the lease since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub how: How,
    pub reason: String,
    /// Whose word this is.
    pub fence: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    Held,
    Stuck,
}

/// Record with the step where the run stands what was seen there; its status is as it was.
pub async fn stand(
    tx: &Transaction<'_>,
    run: &str,
    n: usize,
    standing: &Standing,
) -> Result<(), RecordError> {
    let update = "UPDATE nica.step SET seen = jsonb_build_object('stands', $3::jsonb) || \
                  CASE WHEN jsonb_typeof(seen) = 'object' THEN seen - 'stands' ELSE '{}' END \
                  WHERE run = $1 AND n = $2";
    let value = serde_json::to_value(standing).expect("plain data serialises");
    tx.execute(update, &[&run, &(n as i32), &value]).await?;
    Ok(())
}

/// The last such word about a run.
pub async fn standing(client: &impl GenericClient, run: &str) -> Result<Option<Standing>, RecordError> {
    let select = "SELECT seen -> 'stands' FROM nica.step WHERE run = $1 AND jsonb_typeof(seen) = 'object' \
                  AND seen ? 'stands' ORDER BY (seen #>> '{stands,fence}')::bigint DESC LIMIT 1";
    let Some(row) = client.query_opt(select, &[&run]).await? else { return Ok(None) };
    let standing = serde_json::from_value(row.get(0));
    let damaged =
        |e: serde_json::Error| RecordError::Damaged { what: "run", key: run.to_string(), why: e.to_string() };
    standing.map(Some).map_err(damaged)
}

/// Whether this fence began the step itself, and how long ago by database time, in milliseconds.
pub async fn running_for(client: &impl GenericClient, at: At<'_>) -> Result<Option<u64>, RecordError> {
    let select = "SELECT started_fence = $3, \
                  (extract(epoch FROM clock_timestamp() - started_at) * 1000)::float8 \
                  FROM nica.step WHERE run = $1 AND n = $2 AND started_at IS NOT NULL";
    let row = client.query_opt(select, &[&at.run, &(at.n as i32), &at.fence]).await?;
    Ok(row
        .filter(|row| row.get::<_, Option<bool>>(0) == Some(true))
        .map(|row| row.get::<_, f64>(1).max(0.0) as u64))
}

pub fn word(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::Started => "started",
        Status::Done => "done",
        Status::UndoStarted => "undo_started",
        Status::Undone => "undone",
        Status::Retained => "retained",
    }
}

pub(super) fn parse(run: &str, word: &str) -> Result<Status, RecordError> {
    Ok(match word {
        "pending" => Status::Pending,
        "started" => Status::Started,
        "done" => Status::Done,
        "undo_started" => Status::UndoStarted,
        "undone" => Status::Undone,
        "retained" => Status::Retained,
        other => {
            let why = format!("step status `{other}` is unknown");
            return Err(RecordError::Damaged { what: "run", key: run.to_string(), why });
        }
    })
}
