//! What a user asks for: a request that touches the table, so that whoever locks the table keeps users waiting.

use crate::config::Config;
use crate::database::{Answer, Database};
use std::io;

pub(crate) struct Notes {
    url: String,
    application_name: String,
    database: Option<Database>,
}

/// Writes nothing, and waits for every lock that a writer waits for.
const TOUCH: &str = "UPDATE note SET body = body WHERE id = ''";

impl Notes {
    pub(crate) fn of(config: &Config) -> Notes {
        let (url, application_name) = (config.url.clone(), config.application_name.clone());
        Notes { url, application_name, database: None }
    }

    /// Whether the database answered; a lost connection is made again with the next request.
    pub(crate) fn touch(&mut self) -> bool {
        let touched = self.try_to_touch();
        if touched.is_err() {
            self.database = None;
        }
        touched.unwrap_or(false)
    }

    fn try_to_touch(&mut self) -> io::Result<bool> {
        let database = match &mut self.database {
            Some(database) => database,
            none => none.insert(Database::connect(&self.url, &self.application_name)?),
        };
        Ok(matches!(database.run(TOUCH)?, Answer::Done))
    }
}
