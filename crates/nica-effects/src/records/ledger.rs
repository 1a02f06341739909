//! The hash chain of runs: one entry per run, written in the commit that settles it.

use super::RecordError;
use super::run::{OpenRun, ending_word};
use nica_engine::Digest;
use nica_engine::next::{Direction, Ending};
use serde_json::json;
use tokio_postgres::Transaction;

pub async fn append(
    tx: &Transaction<'_>,
    run: &OpenRun,
    ending: Ending,
    retained: &[String],
    projection: &str,
    fence: i64,
) -> Result<(), RecordError> {
    let last = tx.query_opt("SELECT n, hash FROM nica.ledger ORDER BY n DESC LIMIT 1", &[]).await?;
    let (n, prev) = last.map_or((1, "0".repeat(64)), |row| (row.get::<_, i64>(0) + 1, row.get(1)));
    let entry = json!({
        "n": n,
        "run": run.id,
        "release": run.plan.release,
        "version": run.plan.version,
        "plan": run.plan.hash(),
        "baseline": run.plan.baseline.as_ref().map(|b| b.version.clone()),
        "direction": if run.direction == Direction::Back { "back" } else { "forward" },
        "ending": ending_word(ending),
        "reason": run.reason,
        "retained": retained,
        "projection": projection,
        "starter": run.starter,
        "fence": fence,
        "prev": prev,
    });
    let bytes = nica_engine::canonical::to_bytes(&entry);
    let hash = Digest::of(&bytes);
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    let insert = "INSERT INTO nica.ledger (n, run, entry, prev, hash) VALUES ($1, $2, $3, $4, $5)";
    tx.execute(insert, &[&n, &run.id, &text, &prev, &hash.as_str()]).await?;
    Ok(())
}
