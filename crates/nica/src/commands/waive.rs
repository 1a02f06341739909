//! `--waive`: what somebody takes upon themselves, signed with their key for the plan at hand.
//!
//! Read before anything is asked, so that a mistake costs no wait; signed when the plan is known.

use super::approve::{nonce, read_key};
use crate::cli;
use anyhow::Context as _;
use nica_engine::evidence::Signed;
use nica_engine::gates;
use nica_engine::instant::Instant;
use nica_engine::waiver::{NAMESPACE, WAIVER_FORMAT, Waived};
use nica_engine::{Digest, signature, span};
use ssh_key::PrivateKey;
use std::time::Duration;

pub(super) struct Waive {
    findings: Vec<String>,
    reason: String,
    until: Until,
    key: PrivateKey,
}

enum Until {
    For(Duration),
    At(Instant),
}

impl Waive {
    /// None where nothing is waived.
    pub(super) fn read(args: &cli::Waive) -> anyhow::Result<Option<Waive>> {
        if args.waive.is_empty() {
            return Ok(None);
        }
        args.waive.iter().try_for_each(|finding| known(finding))?;
        let needs = |what: &str| format!("waive {}: say {what}", args.waive.join(", "));
        let reason = args.reason.clone().with_context(|| needs("why, with --reason"))?;
        let until = args.until.as_deref().with_context(|| needs("how long, with --until 4h"))?;
        let key = args.key.as_deref().with_context(|| needs("who, with --key FILE"))?;
        let (findings, until, key) = (args.waive.clone(), Until::read(until)?, read_key(key)?);
        anyhow::ensure!(!reason.trim().is_empty(), "waive {}: the reason is empty", findings.join(", "));
        Ok(Some(Waive { findings, reason, until, key }))
    }

    /// One signature for each finding.
    pub(super) fn sign(&self, plan_hash: &Digest, env: &str, now: Instant) -> anyhow::Result<Vec<Signed>> {
        let until = match self.until {
            Until::For(span) => now.plus(span),
            Until::At(at) => at,
        };
        let sign = |finding: &String| {
            let waived = Waived {
                format: WAIVER_FORMAT,
                plan_hash: plan_hash.clone(),
                env: env.to_string(),
                finding: finding.clone(),
                reason: self.reason.clone(),
                until,
                nonce: nonce(),
            };
            let document = waived.to_document();
            let signature = signature::sign(&self.key, NAMESPACE, document.as_bytes());
            Ok(Signed { signature: signature.context("sign the waiver")?, document })
        };
        self.findings.iter().map(sign).collect()
    }
}

fn known(finding: &str) -> anyhow::Result<()> {
    if gates::explain(finding).is_some() {
        return Ok(());
    }
    anyhow::bail!("waive `{finding}`: no gate says that; {}", super::explain::instead(finding))
}

impl Until {
    fn read(text: &str) -> anyhow::Result<Until> {
        if let Ok(span) = span::parse(text) {
            return Ok(Until::For(span));
        }
        let at =
            text.parse::<jiff::Timestamp>().ok().and_then(|at| Instant::from_unix_ms(at.as_millisecond()));
        let at = at.with_context(|| {
            format!(
                "read --until `{text}`: write a length of time like 4h, or an instant like 2026-11-26T18:00Z"
            )
        })?;
        Ok(Until::At(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waived_is_said_whole_and_by_a_name_that_exists() {
        let check = |finding: &str, reason: Option<&str>, until: Option<&str>, says: &str| {
            let (reason, until) = (reason.map(str::to_string), until.map(str::to_string));
            let args = cli::Waive { waive: vec![finding.to_string()], reason, until, key: None };
            let error = Waive::read(&args).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some(says));
        };
        check(
            "promoted/soack",
            None,
            None,
            "waive `promoted/soack`: no gate says that; did you mean `promoted/soak`?",
        );
        check("promoted/soak", None, None, "waive promoted/soak: say why, with --reason");
        check("window", Some("a fix"), None, "waive window: say how long, with --until 4h");
        check("window", Some("a fix"), Some("4h"), "waive window: say who, with --key FILE");
        assert!(Waive::read(&cli::Waive::default()).expect("nothing is wrong").is_none());
    }

    #[test]
    fn an_end_is_a_length_of_time_or_an_instant() {
        let check = |text: &str, expected: Option<&str>| {
            let now = Instant::from_unix_ms(0).expect("1970 can be written");
            let end = Until::read(text).ok().map(|until| match until {
                Until::For(span) => now.plus(span).to_string(),
                Until::At(at) => at.to_string(),
            });
            assert_eq!(end.as_deref(), expected, "{text}");
        };
        check("4h", Some("1970-01-01T04:00:00.000Z"));
        check("2026-11-26T18:00Z", Some("2026-11-26T18:00:00.000Z"));
        check("2026-11-26T18:00:00-03:00", Some("2026-11-26T21:00:00.000Z"));
        check("2026-11-26 18:00", None);
        check("tomorrow", None);
    }
}
