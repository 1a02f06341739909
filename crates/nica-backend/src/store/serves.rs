//! The one question to the schema `nica`, on a connection that nobody else uses.

use crate::config;
use crate::readiness::{Miss, Serves};
use nica_migrate::DbUrl;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

const SERVES: &str = "SELECT nica.serves()::text";

/// Reconnects by itself, one try a question.
pub struct Session {
    url: DbUrl,
    name: String,
    client: Option<Client>,
}

impl Session {
    pub fn new(config: &config::Database) -> Session {
        Session { url: config.url.clone(), name: config.session_name.clone(), client: None }
    }

    /// Asks. Being dropped in the middle costs the connection: its next answer would be that of this question.
    pub async fn ask(&mut self) -> Result<Serves, Miss> {
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => nica_migrate::connect(&self.url, &self.name).await.map_err(|e| Miss(e.to_string()))?,
        };
        let row = client.query_opt(SERVES, &[]).await.map_err(|error| miss(&error))?;
        self.client = Some(client);
        let text = row.and_then(|row| row.get::<_, Option<String>>(0)).unwrap_or_else(|| "{}".into());
        serde_json::from_str(&text).map_err(|_| Miss("nica.serves() answered something unknown".into()))
    }
}

fn miss(error: &tokio_postgres::Error) -> Miss {
    let absent = [SqlState::UNDEFINED_FUNCTION, SqlState::INVALID_SCHEMA_NAME];
    match error.code() {
        Some(state) if absent.contains(state) => {
            Miss("the database has no schema nica; run migrate-seed".into())
        }
        Some(state) => Miss(format!("the database answered SQLSTATE {}", state.code())),
        None => Miss("the connection to the database ended".into()),
    }
}
