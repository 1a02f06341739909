//! The two processes of a `process` target. They run until they are ended; nothing here decides anything.

use crate::exit::Exit;
use nica_effects::process;
use std::path::PathBuf;

pub(super) async fn supervise(state: PathBuf) -> anyhow::Result<Exit> {
    process::supervisor::run(state).await?;
    Ok(Exit::Done)
}

pub(super) async fn keep(state: PathBuf) -> anyhow::Result<Exit> {
    // It waits in `poll` and shares nothing with the runtime.
    tokio::task::block_in_place(|| process::keeper::run(state))?;
    Ok(Exit::Done)
}
