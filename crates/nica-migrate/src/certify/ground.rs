//! The throw-away database, and a session that applies migrations to it exactly as a deployer would.

use super::CertifyError;
use crate::connect::{DbUrl, connect};
use crate::fence::Limits;
use crate::runner::{By, Outcome, RunError, Session};
use crate::schema;
use crate::scratch::role_sql;
use crate::source::Migration;
use std::time::Duration;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

const NAME: &str = "scratch";
/// Nobody else is here: whatever takes longer is not going to end.
const STATEMENT_LIMIT: Duration = Duration::from_secs(20);
const LOCK_LIMIT: Duration = Duration::from_secs(1);
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// On a busy machine the server ends our transaction after a quarter of a second of silence; that says nothing of a
/// migration.
const LOST_TRIES: u32 = 4;
const ROLES_MAX: u32 = 50;

pub(super) struct Ground {
    session: Session,
}

impl Ground {
    /// In a new, empty database.
    pub(super) async fn prepare(url: DbUrl) -> Result<Ground, CertifyError> {
        let mut client = connect(&url, "nica certify").await.map_err(crate::scratch::ScratchError::from)?;
        schema::genesis(&mut client, NAME, NAME).await?;
        let session = Session {
            url,
            env: NAME.to_string(),
            fence: 0,
            run_suffix: None,
            limits: Limits {
                lock: LOCK_LIMIT,
                statement: STATEMENT_LIMIT,
                build: STATEMENT_LIMIT,
                ..Limits::default()
            },
            patience: LOCK_PATIENCE,
            by: By { run: None, who: "certify".to_string(), version: env!("CARGO_PKG_VERSION").to_string() },
        };
        Ok(Ground { session })
    }

    /// For looking, for rows and for what is taken back again.
    pub(super) async fn client(&self) -> Result<Client, CertifyError> {
        let client =
            connect(&self.session.url, "nica certify").await.map_err(crate::scratch::ScratchError::from)?;
        let limits = format!(
            "SET statement_timeout = {}; SET lock_timeout = {}",
            STATEMENT_LIMIT.as_millis(),
            LOCK_LIMIT.as_millis()
        );
        client.batch_execute(&limits).await.map_err(|e| CertifyError::look(&e))?;
        Ok(client)
    }

    /// # Errors
    /// Inside, what the migration did wrong; outside, what kept us from seeing it.
    pub(super) async fn up(&self, migration: &Migration) -> Result<Result<(), RunError>, CertifyError> {
        self.judge(&migration.id, async || match migration.transactional {
            true => self.session.up(migration).await,
            false => self.session.converge_up(migration).await,
        })
        .await
    }

    pub(super) async fn down(&self, migration: &Migration) -> Result<Result<(), RunError>, CertifyError> {
        let id = &migration.id;
        self.judge(id, async || match migration.transactional {
            true => self.session.down(id).await,
            false => self.session.converge_down(id).await,
        })
        .await
    }

    pub(super) async fn park(&self, id: &str) -> Result<Result<(), RunError>, CertifyError> {
        self.judge(id, async || self.session.park(id).await.map(|()| Outcome::Done)).await
    }

    /// In words what did not come back; nothing when all of it did.
    pub(super) async fn unpark(&self, id: &str) -> Result<Result<Option<String>, RunError>, CertifyError> {
        let mut misfits = Vec::new();
        let done = self
            .judge(id, async || {
                misfits = self.session.unpark(id).await?.misfits;
                Ok(Outcome::Done)
            })
            .await?;
        let words =
            misfits.first().map(|m| format!("{} rows of {} no longer fit: {}", m.rows, m.source, m.why));
        Ok(done.map(|()| words))
    }

    /// Again while the fault is not the migration's.
    async fn judge(
        &self,
        id: &str,
        mut work: impl AsyncFnMut() -> Result<Outcome, RunError>,
    ) -> Result<Result<(), RunError>, CertifyError> {
        let (mut lost, mut roles) = (0, 0);
        loop {
            let error = match work().await {
                Ok(_) => return Ok(Ok(())),
                Err(error) => error,
            };
            match fault(&error) {
                Fault::Migration => return Ok(Err(error)),
                Fault::Role(role) if roles < ROLES_MAX => {
                    roles += 1;
                    self.create_role(&role).await?;
                }
                Fault::Lost if lost < LOST_TRIES => lost += 1,
                _ => return Err(CertifyError::Ground { id: id.to_string(), why: error.to_string() }),
            }
        }
    }

    /// Roles belong to a cluster: the ones that a migration grants to are the real one's.
    async fn create_role(&self, role: &str) -> Result<(), CertifyError> {
        match self.client().await?.batch_execute(&role_sql(role)).await {
            Err(error) if error.code() != Some(&SqlState::DUPLICATE_OBJECT) => {
                Err(CertifyError::look(&error))
            }
            _ => Ok(()),
        }
    }
}

enum Fault {
    Migration,
    /// A role that only the real cluster has.
    Role(String),
    Lost,
    Ground,
}

/// Class 53 is a full machine, 57 an end from outside, 58 and XX the server itself. 0A000 and 58P01 are what a missing
/// extension gets.
fn fault(error: &RunError) -> Fault {
    let (why, code) = match error {
        RunError::Statement { why, code, .. } => (why.as_str(), code.as_str()),
        RunError::Fence(_) if error.is_lost_answer() => return Fault::Lost,
        RunError::Fence(_) | RunError::Locked { .. } | RunError::Stored(_) => return Fault::Ground,
        _ => return Fault::Migration,
    };
    if code == "42704"
        && let Some(role) = why.strip_prefix("role \"").and_then(|rest| rest.split_once("\" does not exist"))
    {
        return Fault::Role(role.0.to_string());
    }
    let extension = ["0A000", "58P01"].contains(&code) && why.contains("extension");
    let server = ["53", "58", "XX"].iter().any(|class| code.starts_with(class));
    // 57014 is our own limit on time, which a migration can run into.
    if extension || server || (code.starts_with("57") && code != "57014") {
        Fault::Ground
    } else {
        Fault::Migration
    }
}
