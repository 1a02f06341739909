//! `nica approve`: a person's signature over one plan, or one state to be accepted, for one environment, for a few hours.

use super::context::Context;
use crate::cli;
use crate::exit::Exit;
use crate::plan_file::{self, PlanFile};
use anyhow::Context as _;
use nica_engine::Digest;
use nica_engine::approval::{APPROVAL_FORMAT, Approval, NAMESPACE, VALID_FOR};
use nica_engine::evidence::Signed;
use nica_engine::instant::Instant;
use nica_engine::signature;
use rand::Rng as _;
use serde_json::json;
use ssh_key::PrivateKey;
use std::path::Path;

pub(super) fn run(context: &Context, args: &cli::Approve) -> anyhow::Result<Exit> {
    let signs = Signs::read(context, &args.plan)?;
    let key = read_key(&args.key)?;
    let approval = Approval {
        format: APPROVAL_FORMAT,
        plan_hash: signs.hash,
        env: signs.env,
        expiry: now()?.plus(VALID_FOR),
        nonce: nonce(),
    };
    let document = approval.to_document();
    let signature = signature::sign(&key, NAMESPACE, document.as_bytes()).context("sign the plan")?;
    let path = plan_file::add_approval(&args.plan, &approval, &Signed { document, signature })?;
    let text = format!(
        "{}approved {} {} for {} until {}\n{}",
        signs.shown,
        signs.what,
        approval.plan_hash.short(),
        approval.env,
        approval.expiry,
        path.display()
    );
    context
        .output
        .result(&json!({ "approved": approval.plan_hash, "file": path, "expiry": approval.expiry }), &text);
    Ok(Exit::Done)
}

/// What is signed, as the signer reads it.
struct Signs {
    what: &'static str,
    hash: Digest,
    env: String,
    shown: String,
}

impl Signs {
    /// A plan file, else a state that `nica accept-state --out` wrote.
    fn read(context: &Context, path: &Path) -> anyhow::Result<Signs> {
        let not_a_plan = match PlanFile::read(path) {
            Ok(PlanFile { plan, .. }) => {
                let shown = context.output.plan(&plan, &[], None);
                return Ok(Signs { what: "plan", hash: plan.hash(), env: plan.env, shown });
            }
            Err(error) => error,
        };
        let Ok(state) = super::accept_state::read(path) else { return Err(not_a_plan.into()) };
        let shown = format!("{}\n", context.output.acceptance(&state));
        Ok(Signs { what: "state", hash: state.hash(), env: state.env, shown })
    }
}

/// An OpenSSH private key without a passphrase, as a file.
pub(super) fn read_key(path: &Path) -> anyhow::Result<PrivateKey> {
    let key =
        PrivateKey::read_openssh_file(path).with_context(|| format!("read the key {}", path.display()))?;
    anyhow::ensure!(
        !key.is_encrypted(),
        "use the key {}: it has a passphrase; sign with ssh-keygen -Y sign -n {NAMESPACE}, or name another key",
        path.display()
    );
    Ok(key)
}

/// The signer's own clock; the database's decides later whether that was sensible.
pub(super) fn now() -> anyhow::Result<Instant> {
    Instant::from_unix_ms(jiff::Timestamp::now().as_millisecond()).context("read the clock")
}

pub(super) fn nonce() -> String {
    hex::encode(rand::rng().random::<[u8; 16]>())
}
