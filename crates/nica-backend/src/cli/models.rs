//! `prefetch-models`: as text or JSON; what it does lives in `models`.

use super::{Outcome, block_on, exit};
use crate::config;
use crate::models::{self, Fetched};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Asked {
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
}

pub(super) fn run(asked: &Asked) -> Outcome {
    let wanted = match config::models(&config::process_environment) {
        Ok(wanted) => wanted,
        Err(mistakes) => return Outcome::failed(exit::USAGE, &mistakes),
    };
    let fetched = match wanted.map(|wanted| block_on(models::prefetch(&wanted))) {
        None => Vec::new(),
        Some(Ok(Ok(fetched))) => fetched,
        Some(Ok(Err(error))) => return Outcome::failed(exit::FAILED, &format!("failed to {error}")),
        Some(Err(error)) => return Outcome::failed(exit::FAILED, &error),
    };
    let stdout = if asked.json {
        serde_json::to_string(&fetched).expect("strings and numbers") + "\n"
    } else {
        text(&fetched)
    };
    Outcome { stdout, ..Outcome::default() }
}

fn text(fetched: &[Fetched]) -> String {
    if fetched.is_empty() {
        return "no models are wanted: HF_MODEL_REPOS is not set\n".into();
    }
    let line = |model: &Fetched| {
        let Fetched { repo, commit, files, fetched, bytes } = model;
        format!("{repo} {commit}: {files} files, {fetched} fetched, {bytes} bytes\n")
    };
    fetched.iter().map(line).collect()
}
