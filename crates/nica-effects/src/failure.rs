//! How an effect can fail, sorted by what the run must do about it.

use crate::kubernetes::ClusterError;
use crate::process::{Refusal, TargetError};
use crate::records::RecordError;
use nica_migrate::fence::{Class, FenceError, classify};
use nica_migrate::runner::RunError;
use nica_migrate::seed::SeedError;
use nica_migrate::state::StateError;
use tokio_postgres::error::SqlState;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The world said no and nothing was changed: a reason to turn back, or to retain.
    #[error("{0}")]
    Refused(String),
    /// A lock was not to be had in time; nothing was changed and trying again may help.
    #[error("get a lock: {0}")]
    Locked(String),
    /// It may have happened or may still happen: our own fence ends here, a higher one looks.
    #[error("get an answer: {0}")]
    Lost(String),
    /// A higher fence was admitted; whatever we do from here on is refused everywhere.
    #[error("act: another deployer was admitted with a higher fence; start again to join it")]
    Superseded,
    #[error("take the lease: {0}")]
    LeaseTaken(String),
    /// A participant cannot be reached: that closes no run and turns no direction.
    #[error("reach the {participant}: {why}")]
    Unreachable { participant: &'static str, why: String },
    /// The role that we log in as may not do this. Asking again changes nothing, and it says nothing about the release.
    #[error("use the database: {0}; grant it to the role of the database URL")]
    Denied(String),
    /// The variable names another environment's database, or the state folder another's target.
    #[error("act on this environment: {0}")]
    Mismatch(String),
    /// Records that no release of nica would have written.
    #[error("{0}")]
    Records(String),
}

impl Failure {
    pub fn sql(error: tokio_postgres::Error) -> Failure {
        let why = words(&error);
        match classify(&error) {
            Class::Superseded => Failure::Superseded,
            Class::LockNotAvailable => Failure::Locked(why),
            Class::LostAnswer => Failure::Lost(why),
            Class::Sql if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Failure::Denied(why),
            // Our own statements on our own tables: no user and no migration can be at fault.
            Class::Sql => Failure::Records(format!("ask the record database: {why}")),
        }
    }
}

impl Failure {
    pub fn seeds(error: SeedError) -> Failure {
        match error {
            SeedError::Sql { ref source, .. } if classify(source) != Class::Sql => match error {
                SeedError::Sql { source, .. } => Failure::sql(source),
                other => Failure::Refused(other.to_string()),
            },
            other => Failure::Refused(other.to_string()),
        }
    }
}

impl From<FenceError> for Failure {
    fn from(error: FenceError) -> Failure {
        let why = error.to_string();
        match error {
            FenceError::Superseded { .. } | FenceError::NotAdmitted { .. } => Failure::Superseded,
            FenceError::LockNotAvailable { why } => Failure::Locked(why),
            FenceError::LostAnswer { why } => Failure::Lost(why),
            FenceError::Held { .. } => Failure::LeaseTaken(why),
            FenceError::Torn
            | FenceError::Unendable { .. }
            | FenceError::Connect(_)
            | FenceError::Pooler { .. } => Failure::Unreachable { participant: "database", why },
            FenceError::Managed { .. } | FenceError::Name { .. } => Failure::Mismatch(why),
            FenceError::Sql { code, .. } if code == SqlState::INSUFFICIENT_PRIVILEGE.code() => {
                Failure::Denied(why)
            }
            FenceError::Sql { why, .. } => Failure::Records(format!("ask the record database: {why}")),
        }
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Failure {
        let why = error.to_string();
        match error {
            // Gone or silent: a new supervisor is started when we are admitted again.
            TargetError::NoAnswer { .. } | TargetError::Unreachable { .. } => Failure::Lost(why),
            TargetError::Refused(Refusal::Superseded { .. }) => Failure::Superseded,
            // Decided on what is no longer so: nothing was changed, the next look decides anew.
            TargetError::Refused(Refusal::Duplicate { .. }) => Failure::Locked(why),
            TargetError::Refused(Refusal::OtherEnvironment { .. }) => Failure::Mismatch(why),
            TargetError::Refused(Refusal::Invalid(_)) => Failure::Refused(why),
            _ => Failure::Unreachable { participant: "target", why },
        }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Failure {
        let why = error.to_string();
        match error {
            ClusterError::NoAnswer { .. } => Failure::Lost(why),
            ClusterError::Superseded { .. } => Failure::Superseded,
            // Decided on what is no longer so: nothing was changed, the next look decides anew.
            ClusterError::Stale { .. } | ClusterError::Vanished { .. } => Failure::Locked(why),
            ClusterError::OtherEnvironment { .. } => Failure::Mismatch(why),
            ClusterError::Foreign { .. }
            | ClusterError::Refused { .. }
            | ClusterError::Kind { .. }
            | ClusterError::Configuration { .. } => Failure::Refused(why),
            // Says nothing about the release.
            ClusterError::Config { .. }
            | ClusterError::Unreachable { .. }
            | ClusterError::Denied { .. }
            | ClusterError::NoNamespace { .. }
            | ClusterError::Key { .. }
            | ClusterError::Answer { .. } => Failure::Unreachable { participant: "target", why },
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        match error {
            RunError::Fence(fence) => fence.into(),
            other => Failure::Refused(other.to_string()),
        }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Failure {
        match error {
            StateError::Sql(error) => Failure::sql(error),
            other => Failure::Records(other.to_string()),
        }
    }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Failure {
        match error {
            RecordError::Sql(error) => Failure::sql(error),
            other => Failure::Records(other.to_string()),
        }
    }
}

/// What the server said, with its hint, instead of the driver's "db error".
fn words(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => match db.detail() {
            Some(detail) => format!("{} ({detail})", db.message()),
            None => db.message().to_string(),
        },
        None => error.to_string(),
    }
}
