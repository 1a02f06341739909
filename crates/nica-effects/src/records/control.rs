//! The one row that says which environment this is and what is live in it.

use super::{RecordError, blob};
use nica_engine::Digest;
use nica_engine::plan::{Live, Plan};
use nica_engine::policy::Policy;
use tokio_postgres::{GenericClient, Transaction};

/// The newest format of records that this program can finish.
pub const RECORD_FORMAT: u32 = 2;

#[derive(Clone, Debug)]
pub struct Control {
    pub service: String,
    pub env: String,
    pub env_id: String,
    pub managed: bool,
    pub open_run: Option<String>,
    pub baseline: Option<Live>,
    /// The highest contract that was ever applied.
    pub compat_floor: Option<String>,
    pub policy_hash: Option<String>,
    pub people_hash: Option<String>,
}

impl Control {
    /// The environment's uuid once something was settled in it. Before, there is nothing that a plan could mistake
    /// for something else, and a first plan has the same hash before and after the schema is made.
    pub fn settled_id(&self) -> String {
        if self.baseline.is_some() { self.env_id.clone() } else { String::new() }
    }
}

/// None where the schema was never made.
pub async fn read(client: &impl GenericClient) -> Result<Option<Control>, RecordError> {
    let exists = "SELECT to_regclass('nica.control') IS NOT NULL";
    if !client.query_one(exists, &[]).await?.get::<_, bool>(0) {
        return Ok(None);
    }
    let select = "SELECT service, env, env_id::text, format, managed, open_run, baseline, policy_hash, people_hash, \
                  compat_floor FROM nica.control";
    let Some(row) = client.query_opt(select, &[]).await? else { return Ok(None) };
    let format: i32 = row.get(3);
    check_format("control row of", row.get(1), format as u32)?;
    let baseline = match row.get::<_, Option<String>>(6) {
        Some(name) => Some(blob::get_value(client, &digest("control", &name)?).await?),
        None => None,
    };
    Ok(Some(Control {
        service: row.get(0),
        env: row.get(1),
        env_id: row.get(2),
        managed: row.get(4),
        open_run: row.get(5),
        baseline,
        policy_hash: row.get(7),
        people_hash: row.get(8),
        compat_floor: row.get(9),
    }))
}

/// What was live before what is live: the last other release that a run settled as live took the place of.
pub async fn previous(client: &impl GenericClient) -> Result<Option<Live>, RecordError> {
    let Some(live) = read(client).await?.and_then(|control| control.baseline) else { return Ok(None) };
    let select = "SELECT baseline FROM nica.run WHERE ending = 'live' AND baseline IS NOT NULL \
                  ORDER BY settled_at DESC, id DESC";
    for row in client.query(select, &[]).await? {
        let before: Live = blob::get_value(client, &digest("run", row.get(0))?).await?;
        if before.release != live.release {
            return Ok(Some(before));
        }
    }
    Ok(None)
}

/// The policy that the last settled run was judged by; none before the first.
pub async fn settled_policy(client: &impl GenericClient) -> Result<Option<Policy>, RecordError> {
    let Some(name) = read(client).await?.and_then(|control| control.policy_hash) else { return Ok(None) };
    Ok(Some(blob::get_value(client, &digest("control", &name)?).await?))
}

/// The plan's release is live from this commit on, under the rules that it was judged by.
pub async fn set_baseline(tx: &Transaction<'_>, plan: &Plan) -> Result<(), RecordError> {
    set_live(tx, Some(&plan.live_after())).await?;
    set_rules(tx, plan).await
}

/// What is live from this commit on.
pub async fn set_live(tx: &Transaction<'_>, live: Option<&Live>) -> Result<(), RecordError> {
    let name = match live {
        Some(live) => Some(blob::put_value(tx, "live", live).await?),
        None => None,
    };
    let name = name.as_ref().map(Digest::as_str);
    tx.execute("UPDATE nica.control SET baseline = $1", &[&name]).await?;
    Ok(())
}

/// The rules that the next plan is judged by as well.
pub async fn set_rules(tx: &Transaction<'_>, plan: &Plan) -> Result<(), RecordError> {
    let policy = blob::put_value(tx, "policy", &plan.policy).await?;
    let update = "UPDATE nica.control SET policy_hash = $1, people_hash = $2";
    tx.execute(update, &[&policy.as_str(), &plan.people.as_str()]).await?;
    Ok(())
}

pub(super) fn digest(what: &'static str, text: &str) -> Result<Digest, RecordError> {
    Digest::try_from(text.to_string()).map_err(|e| RecordError::Damaged {
        what,
        key: text.to_string(),
        why: e.to_string(),
    })
}

pub(super) fn check_format(what: &'static str, key: &str, found: u32) -> Result<(), RecordError> {
    if found <= RECORD_FORMAT {
        return Ok(());
    }
    Err(RecordError::TooNew { what, key: key.to_string(), found, known: RECORD_FORMAT })
}
