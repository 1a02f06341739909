//! Entries for tests.

use super::{Entry, Named, Row, genesis};
use crate::approval::Approver;
use crate::canonical::Digest;
use crate::finding::GateReport;
use crate::instant::Instant;
use crate::next::{Direction, Ending};
use crate::signature::testing::public;
use crate::world::Verdict;

pub(crate) fn named(version: &str) -> Named {
    Named { hash: Digest::of(version.as_bytes()), version: version.into() }
}

/// A run of `version` in stage that was settled at this second.
pub(crate) fn entry(version: &str, ending: Ending, settled_secs: i64) -> Entry {
    let at = |secs: i64| Instant::from_unix_ms(secs * 1_000).unwrap();
    let (person, key, expiry) = ("ana".to_string(), public(1), at(settled_secs + 60));
    let nonce = format!("nonce of {version} at {settled_secs}");
    Entry {
        format: 1,
        n: 0,
        prev: genesis(),
        service: "nica".into(),
        env: "stage".into(),
        env_id: "7d1f".into(),
        run: format!("stage-{settled_secs}-abcdefgh"),
        release: named(version),
        baseline: None,
        plan_hash: Digest::of(format!("plan {version}").as_bytes()),
        projection: Digest::of(b"projection"),
        approvals: vec![Approver { person, key, nonce, expiry }],
        gates: GateReport::default(),
        waivers: vec![],
        steps: vec![],
        verdict: Verdict::Pass,
        direction: if ending == Ending::Live { Direction::Forward } else { Direction::Back },
        ending,
        reason: None,
        retained: vec![],
        bake: None,
        starter: "rui".into(),
        host: "deployer-1".into(),
        fence: 7,
        opened_at: at(settled_secs - 30),
        settled_at: at(settled_secs),
        quarantined: vec![],
        lifted: vec![],
        accepted: None,
    }
}

pub(crate) fn chain(entries: Vec<Entry>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for entry in entries {
        let row = entry.seal(rows.last().map(Row::anchor).as_ref());
        rows.push(row);
    }
    rows
}
