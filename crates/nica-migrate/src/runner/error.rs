//! What can go wrong with a migration, by what an operator does about it.

use super::Blocker;
use crate::connect::reason;
use crate::fence::{Class, FenceError, Guarded, classify};
use crate::lexer::LexError;
use tokio_postgres::error::ErrorPosition;

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Fence(#[from] FenceError),
    #[error("run {place}: {why}")]
    Statement {
        place: String,
        why: String,
        code: String,
        /// Characters from the statement's first one to what the server stumbled over, where it says so.
        offset: Option<u32>,
    },
    #[error("apply {id}: it is applied already with another text; undo the edit and write a new migration")]
    Edited { id: String },
    #[error("take {id} back: no down text was stored with it; roll forward instead")]
    NoDown { id: String },
    #[error("keep {id}: it is {state}")]
    NotApplied { id: String, state: String },
    #[error("get a lock within {secs} s and {tries} tries: {}; {why}", holders(.blockers))]
    Locked { blockers: Vec<Blocker>, secs: u64, tries: u32, why: String },
    #[error(transparent)]
    Stored(#[from] LexError),
    #[error("park values of {id}: {why}")]
    Attic { id: String, why: String },
    #[error("finish {id}: {why}")]
    Converge { id: String, why: String },
}

impl RunError {
    /// Of a statement of the migration itself.
    pub(crate) fn statement(fence: i64, place: String, error: &tokio_postgres::Error) -> RunError {
        match classify(error) {
            Class::Sql => {
                let code = error.code().map_or("", |c| c.code()).to_string();
                RunError::Statement { place, why: reason(error), code, offset: offset(error) }
            }
            Class::LockNotAvailable => {
                FenceError::LockNotAvailable { why: format!("{place}: {}", reason(error)) }.into()
            }
            _ => FenceError::of(fence, error).into(),
        }
    }

    /// Of a statement of ours.
    pub(crate) fn records(tx: &Guarded<'_>, error: &tokio_postgres::Error) -> RunError {
        tx.error(error).into()
    }

    /// Nothing happened, and trying again may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, RunError::Fence(FenceError::LockNotAvailable { .. }))
    }

    /// Nobody knows whether it happened: look again under a new fence.
    pub fn is_lost_answer(&self) -> bool {
        matches!(self, RunError::Fence(FenceError::LostAnswer { .. }))
    }
}

fn offset(error: &tokio_postgres::Error) -> Option<u32> {
    match error.as_db_error()?.position()? {
        ErrorPosition::Original(from_one) => from_one.checked_sub(1),
        // In a text that the server made itself: the body of a function or of a DO.
        ErrorPosition::Internal { .. } => None,
    }
}

fn holders(blockers: &[Blocker]) -> String {
    if blockers.is_empty() {
        return "its holder was not seen".to_string();
    }
    blockers.iter().map(Blocker::to_string).collect::<Vec<_>>().join(", ")
}
