//! `nica ledger` and `nica history`: the chain of an environment's runs, verified and read.

use super::context::Context;
use crate::cli;
use crate::exit::Exit;
use anyhow::Context as _;
use nica_effects::answer::answered;
use nica_effects::open;
use nica_effects::records::{control, ledger};
use nica_engine::ledger::{self as chain, Anchor, Entry, Row, Waiver};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn run(context: &Context, command: &cli::Ledger) -> anyhow::Result<Exit> {
    match command {
        cli::Ledger::Verify(args) => verify(context, args).await,
        cli::Ledger::Show(args) => show(context, args).await,
    }
}

async fn verify(context: &Context, args: &cli::LedgerVerify) -> anyhow::Result<Exit> {
    let rows = match &args.file {
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
            serde_json::from_slice(&bytes).with_context(|| format!("read the rows in {}", path.display()))?
        }
        None => {
            rows(context, args.env.as_deref().context("find a ledger: name one with --env or --file")?)
                .await?
        }
    };
    let anchor = args.anchor.as_deref().map(parse_anchor).transpose()?;
    let (value, text, exit) = match chain::verify(&rows, anchor.as_ref()) {
        Ok(entries) => {
            let last = rows.last().map(Row::anchor);
            let words = last.as_ref().map(|a| format!(", last {}", a.last)).unwrap_or_default();
            let value = json!({ "verified": true, "entries": entries.len(), "anchor": last });
            (value, format!("verified: {} entries{words}", entries.len()), Exit::Done)
        }
        Err(bad) => {
            let value = json!({ "verified": false, "first_bad": bad.n, "what": bad.what });
            (
                value,
                format!("broken: {bad}\n  = next: compare with the copy that the anchor was taken from"),
                Exit::No,
            )
        }
    };
    context.output.result(&value, &text);
    Ok(exit)
}

fn parse_anchor(text: &str) -> anyhow::Result<Anchor> {
    let (entries, last) = text.split_once(':').context("read the anchor: its form is ENTRIES:HASH")?;
    let entries = entries.parse().with_context(|| format!("read the anchor: `{entries}` is no number"))?;
    Ok(Anchor { entries, last: last.to_string().try_into()? })
}

async fn show(context: &Context, args: &cli::Env) -> anyhow::Result<Exit> {
    for row in rows(context, &args.env).await? {
        let value: Value = serde_json::from_str(&row.entry).context("read a ledger entry")?;
        context
            .output
            .result(&json!({ "n": row.n, "hash": row.hash, "prev": row.prev, "entry": value }), &row.entry);
    }
    Ok(Exit::Done)
}

pub(super) async fn history(context: &Context, args: &cli::Env) -> anyhow::Result<Exit> {
    let rows = rows(context, &args.env).await?;
    let entries = chain::verify(&rows, None)?;
    for entry in &entries {
        context.output.result(&summary(entry), &line(entry));
    }
    if entries.is_empty() {
        context.output.result(&json!({ "entries": 0 }), "nothing was ever delivered here");
    }
    Ok(Exit::Done)
}

async fn rows(context: &Context, env: &str) -> anyhow::Result<Vec<Row>> {
    let access = context.access(env, Arc::new(|_| {}))?;
    let client = open::reader(&access).await?;
    if answered("the control row", control::read(&client)).await?.is_none() {
        return Ok(Vec::new());
    }
    Ok(answered("the ledger", ledger::read(&client)).await?)
}

fn summary(entry: &Entry) -> Value {
    json!({
        "n": entry.n, "run": entry.run, "version": entry.release.version, "end": entry.ending,
        "reason": entry.reason, "retained": entry.retained, "settled_at": entry.settled_at,
        "starter": entry.starter, "approved_by": entry.approvals.iter().map(|a| &a.person).collect::<Vec<_>>(),
        "waivers": entry.waivers, "quarantined": entry.quarantined,
    })
}

fn line(entry: &Entry) -> String {
    let ending = format!("{:?}", entry.ending).to_lowercase();
    let reason = entry.reason.as_ref().map(|r| format!("   {r}")).unwrap_or_default();
    let waived = |w: &Waiver| format!("\n      waived {} by {}: {}", w.finding, w.person, w.reason);
    let waived: String = entry.waivers.iter().map(waived).collect();
    format!(
        "{:>4}  {}  {:<12} {:<8} by {}{reason}{waived}",
        entry.n, entry.settled_at, entry.release.version, ending, entry.starter
    )
}
