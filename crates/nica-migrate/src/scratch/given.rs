//! Throw-away databases on a server that somebody gave for it, where no server programs are installed.
//!
//! What we make there carries a name with the second of its making, so that what a killed process left is found and
//! dropped by the next. Roles belong to the whole server: those that we made carry a comment, and go the same way.

use super::{ScratchError, quoted};
use crate::connect::{DbUrl, connect, reason};
use tokio_postgres::Client;

#[derive(Debug)]
pub struct GivenServer {
    url: DbUrl,
}

/// How our databases are called, before the second and a few random letters.
const PREFIX: &str = "nica_scratch_";
/// What our roles say of themselves.
const ROLE_COMMENT: &str = "nica: made for a throw-away database";
/// Nothing that we make is needed longer.
const STALE_SECS: i64 = 3_600;

impl GivenServer {
    pub fn new(url: DbUrl) -> GivenServer {
        GivenServer { url }
    }

    /// What the server says it is.
    ///
    /// # Errors
    /// The server is gone.
    pub async fn version(&self) -> Result<String, ScratchError> {
        let sql = "SHOW server_version";
        let row = self.client().await?.query_one(sql, &[]).await.map_err(|e| said(sql, &e))?;
        Ok(format!("postgres (PostgreSQL) {}", row.get::<_, String>(0)))
    }

    /// A new, empty database with a name of its own, after what earlier processes left was dropped.
    ///
    /// # Errors
    /// The role of the URL may not create databases.
    pub async fn create_database(&self) -> Result<DbUrl, ScratchError> {
        self.drop_stale().await?;
        let name = format!("{PREFIX}{}_{:08x}", self.now().await?, rand::random::<u32>());
        self.run(&format!("CREATE DATABASE {} TEMPLATE template0", quoted(&name))).await?;
        Ok(self.url.with_database(&name))
    }

    /// # Errors
    /// The server is gone.
    pub async fn drop_database(&self, database: &DbUrl) -> Result<(), ScratchError> {
        self.run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(database.database()))).await?;
        self.drop_roles().await
    }

    async fn drop_stale(&self) -> Result<(), ScratchError> {
        let sql = "SELECT datname FROM pg_database WHERE starts_with(datname, $1)";
        let rows = self.client().await?.query(sql, &[&PREFIX]).await.map_err(|e| said(sql, &e))?;
        let now = self.now().await?;
        let names = rows.iter().map(|row| row.get::<_, String>(0));
        for name in names.filter(|name| is_stale(name, now)) {
            self.run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&name))).await?;
        }
        self.drop_roles().await
    }

    /// Those that another process still uses stay: their grants keep them.
    async fn drop_roles(&self) -> Result<(), ScratchError> {
        let sql = "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = $1";
        let client = self.client().await?;
        let rows = client.query(sql, &[&ROLE_COMMENT]).await.map_err(|e| said(sql, &e))?;
        for name in rows.iter().map(|row| row.get::<_, String>(0)) {
            let _ = client.batch_execute(&format!("DROP ROLE IF EXISTS {}", quoted(&name))).await;
        }
        Ok(())
    }

    /// By the server's clock.
    async fn now(&self) -> Result<i64, ScratchError> {
        let sql = "SELECT extract(epoch FROM now())::bigint";
        Ok(self.client().await?.query_one(sql, &[]).await.map_err(|e| said(sql, &e))?.get(0))
    }

    async fn run(&self, sql: &str) -> Result<(), ScratchError> {
        self.client().await?.batch_execute(sql).await.map_err(|e| said(sql, &e))
    }

    async fn client(&self) -> Result<Client, ScratchError> {
        Ok(connect(&self.url, "nica scratch").await?)
    }
}

/// A role that a migration grants to and that this server lacks, so marked that it is dropped again.
pub(crate) fn role_sql(role: &str) -> String {
    let role = quoted(role);
    format!("CREATE ROLE {role}; COMMENT ON ROLE {role} IS '{ROLE_COMMENT}'")
}

fn said(sql: &str, error: &tokio_postgres::Error) -> ScratchError {
    ScratchError::Sql { sql: sql.to_string(), why: reason(error) }
}

fn is_stale(name: &str, now: i64) -> bool {
    let made = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next()?.parse::<i64>().ok());
    made.is_some_and(|made| now - made > STALE_SECS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_and_old_is_stale() {
        let check = |name: &str, expected: bool| assert_eq!(is_stale(name, 10_000), expected, "{name}");
        check("nica_scratch_1000_ab12", true);
        check("nica_scratch_9999_ab12", false);
        check("nica_scratch_20000_ab12", false);
        check("nica_scratch_notes", false);
        check("prod", false);
    }
}
