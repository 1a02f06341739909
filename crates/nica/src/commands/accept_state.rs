//! `nica accept-state`: two people take a stuck run's state upon themselves, as it is.
//!
//! Twice: first it writes down what there is to accept, then, signed, it settles the run with that. What is stuck is
//! tried once more each time; a run that settles by itself needs nobody's word.

use super::again::under_lease;
use super::context::Context;
use super::gathering::{database_time, settled};
use super::resume::{self, Left};
use crate::cli;
use crate::config::variables;
use crate::exit::Exit;
use crate::plan_file::{self, PlanFileError};
use anyhow::Context as _;
use nica_effects::accept;
use nica_effects::answer::answered;
use nica_effects::carry::Carried;
use nica_effects::hands::Hands;
use nica_effects::records::run::{self, OpenRun};
use nica_effects::records::{blob, ledger};
use nica_engine::acceptance::{self, Acceptance};
use nica_engine::approval::{self, Approver, Tally, Wanted};
use nica_engine::evidence::Signed;
use nica_engine::next::Ending;
use nica_engine::people::People;
use nica_engine::release::Release;
use nica_engine::{canonical, ledger as chain, people};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

pub(super) async fn run(context: &Context, args: &cli::AcceptState) -> anyhow::Result<Exit> {
    let env = &args.env.env;
    let access = context.access(env, context.output.sink(&format!("accept → {env}")))?;
    under_lease(access, async |hands| accept_state(context, hands, args).await).await
}

async fn accept_state(context: &Context, hands: &mut Hands, args: &cli::AcceptState) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    hands.start_target().await?;
    let open = match resume::finish_open_run(context, hands).await? {
        Left::Stuck(stuck) => stuck.open,
        Left::Ended(exit) => return Ok(exit),
        Left::Nothing => return nothing_open(context, hands, args, begun).await,
    };
    match (&args.out, &args.file) {
        (Some(out), _) => {
            let reason = args.reason.as_deref().unwrap_or_default();
            let acceptance = accept::seen(hands, &open, reason).await??;
            write(context, &acceptance, out)
        }
        (None, Some(file)) => {
            let signed = read(file)?;
            let now = accept::seen(hands, &open, &signed.reason).await??;
            if now != signed {
                return Ok(outdated(context, file, &signed, &now));
            }
            let (tally, void) = tally(context, hands, &open, (&signed, file)).await?;
            let rules = answered("the rules of the last settled run", settled(hands.client())).await?;
            let own = &context.environment(&args.env.env)?.policy;
            let asked = acceptance::people_asked(rules.policy.as_ref(), own);
            if tally.count.len() < asked {
                return Ok(unsigned(context, file, (&tally, &void), asked));
            }
            let people = tally.count.into_values().collect();
            let carried = accept::accept(hands, &open, &signed, people).await?;
            let baseline = signed.live.as_ref().map(|live| live.version.as_str());
            Ok(resume::report(context, &carried, &open.plan.version, baseline, begun))
        }
        (None, None) => {
            anyhow::bail!("accept nothing: name --out FILE to write down what is there, or --file FILE")
        }
    }
}

/// Either this very state was accepted already, by an attempt whose answer was lost perhaps, or nothing is to accept.
async fn nothing_open(
    context: &Context,
    hands: &Hands,
    args: &cli::AcceptState,
    begun: Instant,
) -> anyhow::Result<Exit> {
    if let Some(signed) = args.file.as_deref().map(read).transpose()? {
        let ended = answered("the run's end", run::ending(hands.client(), &signed.run)).await?;
        if let Some((Ending::Accepted, reason, retained)) = ended {
            let (run, ending) = (signed.run, Ending::Accepted);
            let carried = Carried::Settled { run, ending, reason, retained };
            let version = signed.live.map_or_else(|| "nothing".to_string(), |live| live.version);
            return Ok(resume::report(context, &carried, &version, None, begun));
        }
    }
    let text = "nothing is stuck here, so there is nothing to accept. Exit 0.";
    context.output.result(&json!({ "end": "nothing", "exit": 0 }), text);
    Ok(Exit::Done)
}

fn write(context: &Context, acceptance: &Acceptance, out: &Path) -> anyhow::Result<Exit> {
    plan_file::write(out, &canonical::to_bytes(acceptance))?;
    let hash = acceptance.hash();
    let text = format!(
        "{}\n  = next: two approvers at least sign it: nica approve {file}; then nica accept-state --env {env} --file {file}",
        context.output.acceptance(acceptance),
        file = out.display(),
        env = acceptance.env,
    );
    context
        .output
        .result(&json!({ "acceptance": acceptance, "hash": hash, "exit": Exit::Changes as u8 }), &text);
    Ok(Exit::Changes)
}

/// In its canonical form only.
pub(super) fn read(path: &Path) -> Result<Acceptance, PlanFileError> {
    let bytes =
        std::fs::read(path).map_err(|cause| PlanFileError::Read { path: path.to_path_buf(), cause })?;
    canonical::read(&bytes)
        .map_err(|e| PlanFileError::NotAPlan { path: path.to_path_buf(), why: e.to_string() })
}

fn outdated(context: &Context, file: &Path, signed: &Acceptance, now: &Acceptance) -> Exit {
    let (signed, now) = (signed.hash(), now.hash());
    let value = json!({ "end": "refused", "given": signed, "now": now, "exit": Exit::Outdated as u8 });
    let text = format!(
        "refused: {} is state {}, what is there now is state {}\n  = next: write it down again with --out, and have \
         it signed again\nExit {}.",
        file.display(),
        signed.short(),
        now.short(),
        Exit::Outdated as u8
    );
    context.output.result(&value, &text);
    Exit::Outdated
}

fn unsigned(context: &Context, file: &Path, (tally, void): (&Tally, &[String]), asked: usize) -> Exit {
    let names: Vec<&String> = tally.count.keys().collect();
    let value = json!({ "end": "refused", "approved_by": names, "excluded": tally.excluded, "void": void, "asked": asked, "exit": Exit::Unsigned as u8 });
    let mut text = format!("refused: {} of {asked} people have signed {}", names.len(), file.display());
    for (person, why) in &tally.excluded {
        text.push_str(&format!("\n  = {person} does not count: {person} {why}"));
    }
    for why in void {
        text.push_str(&format!("\n  = an approval does not count: {why}"));
    }
    text.push_str(&format!("\n  = next: nica approve {}\nExit {}.", file.display(), Exit::Unsigned as u8));
    context.output.result(&value, &text);
    Exit::Unsigned
}

/// Who signed exactly this, by the stricter of the people of the last settled run and those of today. Nobody counts who
/// wrote a commit of the stuck release, started its run or starts this.
async fn tally(
    context: &Context,
    hands: &Hands,
    open: &OpenRun,
    (acceptance, file): (&Acceptance, &Path),
) -> anyhow::Result<(Tally, Vec<String>)> {
    let client = hands.client();
    let rules = answered("the rules of the last settled run", settled(client)).await?;
    let people = people::stricter(rules.people.as_ref(), &context.config.people);
    let rows = answered("the ledger", ledger::read(client)).await?;
    let consumed = chain::consumed(&chain::verify(&rows, None)?);
    let (plan_hash, now) = (acceptance.hash(), answered("the time", database_time(client)).await?);
    let wanted = Wanted { plan_hash: &plan_hash, env: &acceptance.env, now, consumed: &consumed };
    let (approvers, void) = believed(&plan_file::approvals(file)?, &people, &wanted);
    let authors = authors(hands, open).await?;
    let actor = variables::actor();
    let starters =
        [&open.starter, &actor].into_iter().flat_map(|account| people.by_account(account)).collect();
    Ok((approval::count(&approvers, &people, &authors, &starters), void))
}

/// Signatures that hold, and why others do not.
fn believed(signed: &[Signed], people: &People, wanted: &Wanted<'_>) -> (Vec<Approver>, Vec<String>) {
    let (mut believed, mut void) = (Vec::new(), Vec::new());
    for one in signed {
        match approval::verify(one, people, wanted) {
            Ok(approver) => believed.push(approver),
            Err(error) => void.push(error.to_string()),
        }
    }
    (believed, void)
}

/// As the stuck release names them.
async fn authors(hands: &Hands, open: &OpenRun) -> anyhow::Result<BTreeSet<String>> {
    let release = answered("the stuck release", blob::find(hands.client(), &open.plan.release)).await?;
    let release = release
        .context("find who wrote the stuck release: it was opened by an older nica, which kept no release")?;
    let release: Release = serde_json::from_slice(&release).context("read the stuck release")?;
    Ok(release.commits.into_iter().flat_map(|commit| commit.authors).collect())
}
