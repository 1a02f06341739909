//! What the schema is, as a text that is the same for the same schema: whoever owns it, whatever way led there.
//!
//! The text is a list of objects with their lines, so that drift can be shown and not only noticed. What counts stands
//! in `catalogue.sql`; not covered are casts, operator classes, text search objects, foreign servers, publications,
//! comments, storage and planner settings.

mod diff;

use crate::connect::reason;
use sha2::{Digest as _, Sha256};
use tokio_postgres::GenericClient;

const CATALOGUE: &str = include_str!("fingerprint/catalogue.sql");

/// Expressions and types print by these. Reverted when the transaction is rolled back.
const SETTINGS: &str = "SET LOCAL search_path = '';
    SET LOCAL datestyle = 'ISO, YMD';
    SET LOCAL intervalstyle = 'postgres';
    SET LOCAL timezone = 'UTC';
    SET LOCAL bytea_output = 'hex';
    SET LOCAL extra_float_digits = 1;
    SET LOCAL quote_all_identifiers = off";

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
#[error("read the schema: {}", reason(.0))]
pub struct FingerprintError(#[from] tokio_postgres::Error);

impl FingerprintError {
    /// The driver's error, where a caller wants to know whether looking again makes sense.
    pub fn postgres(self) -> tokio_postgres::Error {
        self.0
    }
}

/// The canonical text. An object begins at the margin, its lines are indented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    text: String,
}

impl Fingerprint {
    /// Read all schemas but those of Postgres and of NICA. On a transaction it sees what that transaction did.
    ///
    /// # Errors
    /// The connection is lost, a permission is missing, or somebody drops an object while it is read.
    pub async fn read(client: &mut impl GenericClient) -> Result<Fingerprint, FingerprintError> {
        let tx = client.transaction().await?;
        tx.batch_execute(SETTINGS).await?;
        let rows = tx.query_typed(CATALOGUE, &[]).await?;
        tx.rollback().await?;
        Ok(Fingerprint::of(rows.iter().map(|row| (row.get(0), row.get(1)))))
    }

    /// From sorted pairs of object and line; an empty line only says that the object is there.
    fn of<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> Fingerprint {
        let (mut text, mut current) = (String::new(), "");
        for (object, line) in lines {
            if object != current {
                text.push_str(object);
                text.push('\n');
                current = object;
            }
            if !line.is_empty() {
                text.push_str("  ");
                text.push_str(line);
                text.push('\n');
            }
        }
        Fingerprint { text }
    }

    /// A text that was read before.
    pub fn from_text(text: &str) -> Fingerprint {
        Fingerprint { text: text.to_string() }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Without one table (`public.history`): another tool's own, which is no part of what it has made.
    pub fn without_table(&self, table: &str) -> Fingerprint {
        let (mut text, mut skipping) = (String::new(), false);
        for line in self.text.split_inclusive('\n') {
            if !line.starts_with(' ') {
                skipping = line.strip_prefix("table ").is_some_and(|name| name.trim_end() == table);
            }
            if !skipping {
                text.push_str(line);
            }
        }
        Fingerprint { text }
    }

    /// SHA-256 of the text, in hex.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.text))
    }

    /// What has to change in `self` to make it `other`: objects that differ with ` `, `-` and `+` before their
    /// lines; nothing when they are equal.
    pub fn diff(&self, other: &Fingerprint) -> Vec<String> {
        diff::lines(&self.text, &other.text)
    }
}
