//! The hash chain of runs: one entry per run, written in the commit that settles it.
//!
//! What an entry says and how the chain is verified belongs to the engine; here it is put together from the
//! records and appended under the fence.

use super::RecordError;
use super::control::digest;
use super::run::OpenRun;
use nica_engine::instant::Instant;
use nica_engine::ledger::{Accepted, Anchor, Entry, Named, Row, StepLine, Suspect, format_of, genesis};
use nica_engine::next::{Direction, Ending};
use nica_engine::plan::Status;
use nica_engine::validate::Figures;
use nica_engine::world::Verdict;
use nica_engine::{Digest, Effect};
use tokio_postgres::{GenericClient, Row as SqlRow, Transaction};

/// What Settle knows beside the run's own records.
pub struct Closing<'a> {
    pub ending: Ending,
    pub retained: &'a [String],
    pub reason: Option<&'a str>,
    pub projection: Digest,
    pub fence: i64,
    pub host: &'a str,
    pub env_id: &'a str,
    pub accepted: Option<Accepted>,
}

/// Every row of the chain, oldest first.
pub async fn read(client: &impl GenericClient) -> Result<Vec<Row>, RecordError> {
    let rows = client.query("SELECT n, entry, prev, hash FROM nica.ledger ORDER BY n", &[]).await?;
    rows.iter().map(row).collect()
}

fn row(row: &SqlRow) -> Result<Row, RecordError> {
    let (prev, hash): (String, String) = (row.get(2), row.get(3));
    Ok(Row {
        n: row.get::<_, i64>(0) as u64,
        entry: row.get(1),
        prev: digest("ledger", &prev)?,
        hash: digest("ledger", &hash)?,
    })
}

/// The figures of the bake of what is live; none where the chain is broken or that release had none.
pub fn baseline_bake(rows: &[Row]) -> Option<Figures> {
    let entries = nica_engine::ledger::verify(rows, None).ok()?;
    nica_engine::ledger::baseline_bake(&entries).cloned()
}

pub async fn append(
    tx: &Transaction<'_>,
    run: &OpenRun,
    closing: &Closing<'_>,
) -> Result<Anchor, RecordError> {
    let select = "SELECT n, entry, prev, hash FROM nica.ledger ORDER BY n DESC LIMIT 1";
    let last = tx.query_opt(select, &[]).await?.as_ref().map(row).transpose()?;
    let sealed = entry(tx, run, closing).await?.seal(last.as_ref().map(Row::anchor).as_ref());
    let insert = "INSERT INTO nica.ledger (n, run, entry, prev, hash) VALUES ($1, $2, $3, $4, $5)";
    let n = sealed.n as i64;
    tx.execute(insert, &[&n, &run.id, &sealed.entry, &sealed.prev.as_str(), &sealed.hash.as_str()]).await?;
    Ok(sealed.anchor())
}

async fn entry(tx: &Transaction<'_>, run: &OpenRun, closing: &Closing<'_>) -> Result<Entry, RecordError> {
    let plan = &run.plan;
    let times = "SELECT opened_at, now() FROM nica.run WHERE id = $1";
    let times = tx.query_one(times, &[&run.id]).await?;
    let steps = steps(tx, &run.id).await?;
    let judged = run.judged.clone();
    Ok(Entry {
        format: format_of(closing.ending, &judged.waivers),
        n: 0,
        prev: genesis(),
        service: plan.service.clone(),
        env: plan.env.clone(),
        env_id: closing.env_id.to_string(),
        run: run.id.clone(),
        release: Named { hash: plan.release.clone(), version: plan.version.clone() },
        baseline: plan
            .baseline
            .as_ref()
            .map(|b| Named { hash: b.release.clone(), version: b.version.clone() }),
        plan_hash: plan.hash(),
        projection: closing.projection.clone(),
        approvals: judged.approvals,
        gates: judged.gates,
        waivers: judged.waivers,
        verdict: verdict(run, closing.ending),
        bake: bake(tx, run).await?,
        steps,
        direction: run.direction,
        ending: closing.ending,
        reason: closing.reason.map(str::to_string),
        retained: closing.retained.to_vec(),
        starter: run.starter.clone(),
        host: closing.host.to_string(),
        fence: closing.fence,
        opened_at: instant(&times, 0),
        settled_at: instant(&times, 1),
        quarantined: if accepted_new(run, closing) { Vec::new() } else { suspects(run) },
        lifted: Vec::new(),
        accepted: closing.accepted.clone(),
    })
}

/// People took the new release upon themselves: what is the baseline is not under quarantine.
fn accepted_new(run: &OpenRun, closing: &Closing<'_>) -> bool {
    let live = closing.accepted.as_ref().and_then(|accepted| accepted.live.as_ref());
    live.is_some_and(|live| live.hash == run.plan.release)
}

/// The bake's verdict; a run that never came so far has none.
fn verdict(run: &OpenRun, ending: Ending) -> Verdict {
    match (&run.turned, ending) {
        (_, Ending::Live) => Verdict::Pass,
        (Some(turned), _) if turned.refused => Verdict::Refuse(turned.reason.clone()),
        _ => Verdict::Pending,
    }
}

/// Only after a refusal with a diagnosed component, and never the digest that the baseline runs.
fn suspects(run: &OpenRun) -> Vec<Suspect> {
    let Some(turned) = run.turned.as_ref().filter(|t| t.refused && run.direction == Direction::Back) else {
        return Vec::new();
    };
    let suspect = run.plan.steps.iter().find_map(|effect| match effect {
        Effect::SetDesired { component, desired, before } if Some(component) == turned.suspect.as_ref() => {
            let other = before.as_ref().is_none_or(|b| b.digest != desired.digest);
            other.then(|| (component.clone(), desired.digest.clone()))
        }
        _ => None,
    });
    suspect
        .into_iter()
        .map(|(component, digest)| Suspect { component, digest, reason: turned.reason.clone() })
        .collect()
}

async fn steps(tx: &Transaction<'_>, run: &str) -> Result<Vec<StepLine>, RecordError> {
    let select = "SELECT n, effect, status, started_at, done_at FROM nica.step WHERE run = $1 ORDER BY n";
    let rows = tx.query(select, &[&run]).await?;
    let line = |row: &SqlRow| {
        let status: Status = super::step::parse(run, row.get(2))?;
        Ok(StepLine {
            n: row.get::<_, i32>(0) as u32,
            effect: row.get(1),
            status,
            started_at: row.get::<_, Option<jiff::Timestamp>>(3).and_then(to_instant),
            done_at: row.get::<_, Option<jiff::Timestamp>>(4).and_then(to_instant),
        })
    };
    rows.iter().map(line).collect()
}

/// The figures that the bake's step recorded.
async fn bake(tx: &Transaction<'_>, run: &OpenRun) -> Result<Option<Figures>, RecordError> {
    let select =
        "SELECT seen -> 'figures' FROM nica.step WHERE run = $1 AND effect = 'bake' AND seen ? 'figures'";
    let Some(row) = tx.query_opt(select, &[&run.id]).await? else { return Ok(None) };
    Ok(serde_json::from_value(row.get(0)).ok())
}

fn instant(row: &SqlRow, column: usize) -> Instant {
    let at: jiff::Timestamp = row.get(column);
    to_instant(at).expect("the database's clock stands inside the years that can be written")
}

fn to_instant(at: jiff::Timestamp) -> Option<Instant> {
    Instant::from_unix_ms(at.as_millisecond())
}
