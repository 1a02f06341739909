//! The one question to the schema `nica`, on a connection that nobody else uses.

use super::driver;
use crate::config;
use crate::readiness::{Miss, Serves};
use nica_migrate::ConnectError;
use nica_migrate::connect::DriverTls;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};

const SERVES: &str = "SELECT nica.serves()::text";

/// Reconnects by itself, one try a question.
pub struct Session {
    driver: Config,
    tls: DriverTls,
    client: Option<Client>,
}

impl Session {
    /// The server ends a question itself after `limit`: a session that waits for a lock does not notice that its
    /// client is gone, and one more would be left behind each second.
    ///
    /// # Errors
    /// The root certificates that the address names cannot be read.
    pub fn new(config: &config::Database, limit: Duration) -> Result<Session, ConnectError> {
        let (driver, tls) = driver(config, &[("statement_timeout", limit.as_millis().to_string())])?;
        Ok(Session { driver, tls, client: None })
    }

    /// Asks. Being dropped in the middle costs the connection: its next answer would be that of this question.
    pub async fn ask(&mut self) -> Result<Serves, Miss> {
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.connect().await.map_err(|error| miss(&error))?,
        };
        let row = client.query_opt(SERVES, &[]).await.map_err(|error| miss(&error))?;
        self.client = Some(client);
        let text = row.and_then(|row| row.get::<_, Option<String>>(0)).unwrap_or_else(|| "{}".into());
        serde_json::from_str(&text).map_err(|_| Miss("nica.serves() answered something unknown".into()))
    }

    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.driver.connect(self.tls.clone()).await?;
        // It ends when the client is dropped; what goes wrong before is what the question answers.
        tokio::spawn(connection);
        Ok(client)
    }
}

fn miss(error: &tokio_postgres::Error) -> Miss {
    let absent = [SqlState::UNDEFINED_FUNCTION, SqlState::INVALID_SCHEMA_NAME];
    match error.code() {
        Some(state) if absent.contains(state) => {
            Miss("the database has no schema nica; run migrate-seed".into())
        }
        Some(state) => Miss(format!("the database answered SQLSTATE {}", state.code())),
        None => Miss(format!("the database cannot be reached: {error}")),
    }
}
