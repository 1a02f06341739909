//! The demo as a test: it is run as its user runs it, and its last line is held against what was promised of it.
//!
//! Read as plain JSON, with the promise written down here once more: nothing is shared with the demo's own report.

use super::{Child, Counts};
use crate::repo;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::time::Duration;

/// With everything to be built first.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Release, environment, how it ends, whether another deployer ended it, what the reason must say.
const STORY: &[(&str, &str, &str, bool, &str)] = &[
    ("2026.11.1", "dev", "live", false, ""),
    ("2026.11.1", "stage", "live", false, ""),
    ("2026.11.1", "prod", "live", false, ""),
    ("2026.11.2", "dev", "live", false, ""),
    ("2026.11.2", "stage", "live", false, ""),
    ("2026.11.2", "prod", "live", false, ""),
    ("2026.11.3", "dev", "live", false, ""),
    ("2026.11.3", "stage", "live", false, ""),
    ("2026.11.3", "prod", "back", false, "crash loop"),
    ("2026.11.4", "dev", "live", false, ""),
    ("2026.11.4", "stage", "live", false, ""),
    ("2026.11.4", "prod", "back", false, "requests failed"),
    ("2026.11.5", "dev", "refused", false, "migration/"),
    ("2026.11.6", "dev", "live", false, ""),
    ("2026.11.6", "stage", "live", false, ""),
    ("2026.11.6", "prod", "live", true, ""),
];

/// Runs it, says what is not as promised, and counts a check for each release and for each sum.
pub(super) fn run(args: &[String]) -> Result<Counts> {
    let program = std::env::current_exe().context("find this program")?.display().to_string();
    let command = [program.as_str(), "demo", "--dev", "--json"];
    let mut lines = Vec::new();
    let ended =
        Child::start(&command, args, &repo::root())?.read(LIMIT, |line| lines.push(line.to_string()))?;
    let told = lines.iter().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = told.filter(Value::is_object).unwrap_or_default();
    let checks = checks(&told);
    let of = checks.len();
    let mut wrong: Vec<String> = checks.into_iter().filter_map(Result::err).collect();
    let passed = of - wrong.len();
    if !ended.success {
        wrong.push(ended.why);
    }
    if !wrong.is_empty() {
        println!("{}\n{}", lines.join("\n"), wrong.join("\n"));
    }
    Ok(Counts { passed: passed as u64, failed: wrong.len() as u64, skipped: 0 })
}

/// What holds, and a sentence for what does not.
fn checks(told: &Value) -> Vec<Result<(), String>> {
    let none = Vec::new();
    let releases = told["releases"].as_array().unwrap_or(&none);
    let mut checks: Vec<_> =
        STORY.iter().enumerate().map(|(at, wanted)| release(releases.get(at), wanted)).collect();
    checks.push(says("releases", releases.len() == STORY.len(), &told["releases"]));
    let number = |pointer: &str| told.pointer(pointer).and_then(Value::as_u64);
    let sum = |pointer: &str, holds: fn(u64) -> bool| {
        says(pointer, number(pointer).is_some_and(holds), told.pointer(pointer).unwrap_or(&Value::Null))
    };
    checks.extend([
        sum("/requests/sent", |sent| sent > 1000),
        sum("/requests/failed", |failed| failed == 0),
        sum("/requests/errors_of_undone", |errors| errors > 0),
        sum("/rows/written", |written| written > 100),
        sum("/rows/lost", |lost| lost == 0),
        // All but the refused one, of which nothing is written.
        sum("/ledger/entries", |entries| entries == STORY.len() as u64 - 1),
        says("ledger/verified", told["ledger"]["verified"] == true, &told["ledger"]),
        says("cleaned_up", told["cleaned_up"] == true, &told["cleaned_up"]),
    ]);
    checks
}

fn release(
    told: Option<&Value>,
    wanted @ (name, env, end, resumed, reason): &(&str, &str, &str, bool, &str),
) -> Result<(), String> {
    let told = told.unwrap_or(&Value::Null);
    let holds = told["release"] == *name
        && told["env"] == *env
        && told["end"] == *end
        && told["resumed"] == *resumed
        && told["reason"]
            .as_str()
            .is_some_and(|said| said.contains(reason) && said.is_empty() == reason.is_empty());
    if holds { Ok(()) } else { Err(format!("expected {wanted:?}, the demo told {told}")) }
}

fn says(what: &str, holds: bool, told: &Value) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what} is not as promised: {told}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        let release = |(name, env, end, resumed, reason): &(&str, &str, &str, bool, &str)| json!({ "release": name, "env": env, "end": end, "resumed": resumed, "reason": reason, "seconds_to_end": 1.0 });
        json!({
            "releases": STORY.iter().map(release).collect::<Vec<_>>(),
            "requests": { "sent": 2000, "failed": 0, "errors_of_undone": 3 },
            "rows": { "written": 500, "lost": 0 },
            "ledger": { "entries": 15, "verified": true },
            "cleaned_up": true,
        })
    }

    fn wrong(told: &Value) -> usize {
        checks(told).iter().filter(|check| check.is_err()).count()
    }

    #[test]
    fn each_thing_that_is_not_as_promised_is_a_failure_of_its_own() {
        assert_eq!(wrong(&good()), 0);
        let check = |pointer: &str, value: Value| {
            let mut told = good();
            *told.pointer_mut(pointer).expect("it is there") = value;
            assert_eq!(wrong(&told), 1, "{pointer}");
        };
        check("/releases/8/end", json!("live"));
        check("/releases/8/reason", json!("validation"));
        check("/releases/5/reason", json!("why"));
        check("/releases/15/resumed", json!(false));
        check("/requests/sent", json!(3));
        check("/requests/failed", json!(1));
        check("/requests/errors_of_undone", json!(0));
        check("/rows/written", json!(0));
        check("/rows/lost", json!(1));
        check("/ledger/entries", json!(16));
        check("/ledger/verified", json!(false));
        check("/cleaned_up", json!(false));
        assert_eq!(wrong(&Value::Null), checks(&Value::Null).len(), "nothing told is nothing shown");
    }
}
