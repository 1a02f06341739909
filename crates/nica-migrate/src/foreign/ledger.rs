//! What another tool wrote down in the database about what it applied. Reads only.

use super::{Form, flyway};
use crate::connect::reason;
use serde::{Deserialize, Serialize};
use tokio_postgres::GenericClient;

/// A tool's table as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    pub form: Form,
    /// With its schema, quoted where needed: the same for every role.
    pub table: String,
    /// In the order in which the tool wrote them, or of versions.
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// None for what has no version: Flyway's repeatables and its marks.
    pub version: Option<String>,
    pub name: Option<String>,
    pub checksum: Option<String>,
    pub success: bool,
    /// What Flyway calls the type; `SQL` for all others.
    pub kind: String,
}

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("read a ledger: {}", reason(.0))]
    Sql(#[from] tokio_postgres::Error),
    #[error(
        "find a ledger: there is none of {looked_for}; name its table with --table, or use migrate-seed where nothing \
         was applied yet"
    )]
    None { looked_for: String },
    #[error("choose a ledger: there are {found}; say which with --from")]
    Several { found: String },
    #[error("read {table} as {form}'s ledger: {why}; say whose it is with --from")]
    Shape { table: String, form: Form, why: String },
}

impl Ledger {
    /// The ledger of `form`, or the only one that is there.
    ///
    /// # Errors
    /// None, several, or a table of another shape.
    pub async fn find(
        client: &impl GenericClient,
        form: Option<Form>,
        table: Option<&str>,
    ) -> Result<Ledger, LedgerError> {
        let forms: Vec<Form> = form.map_or(Form::ALL.to_vec(), |form| vec![form]);
        let mut found = Vec::new();
        for form in &forms {
            let name = table.unwrap_or_else(|| form.table());
            if let Some(ledger) =
                Shape::of(client, name).await?.filter(|shape| table.is_none() || shape.is(*form))
            {
                found.push((*form, ledger));
            }
        }
        match found.as_slice() {
            [(form, shape)] => Ledger::read(client, *form, shape).await,
            [] => {
                let names = forms.iter().map(|form| table.unwrap_or_else(|| form.table()));
                let mut names: Vec<&str> = names.collect();
                names.dedup();
                Err(LedgerError::None { looked_for: names.join(", ") })
            }
            many => {
                let names: Vec<String> =
                    many.iter().map(|(form, shape)| format!("{} of {form}", shape.table)).collect();
                Err(LedgerError::Several { found: names.join(" and ") })
            }
        }
    }

    async fn read(client: &impl GenericClient, form: Form, shape: &Shape) -> Result<Ledger, LedgerError> {
        if let Some(why) = shape.objection(form) {
            return Err(LedgerError::Shape { table: shape.table.clone(), form, why });
        }
        let rows = rows(client, form, &shape.table).await?;
        Ok(Ledger { form, table: shape.table.clone(), rows })
    }

    /// The same table as it is now; none where it was dropped.
    ///
    /// # Errors
    /// The connection is lost, or a permission is missing.
    pub async fn again(&self, client: &impl GenericClient) -> Result<Option<Ledger>, LedgerError> {
        match Shape::of(client, &self.table).await? {
            Some(shape) => Ledger::read(client, self.form, &shape).await.map(Some),
            None => Ok(None),
        }
    }
}

/// A table by its name and columns.
#[derive(Debug)]
struct Shape {
    table: String,
    columns: Vec<String>,
}

impl Shape {
    async fn of(client: &impl GenericClient, name: &str) -> Result<Option<Shape>, LedgerError> {
        let sql = "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), array_agg(a.attname::text ORDER BY a.attnum)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE c.oid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
             GROUP BY n.nspname, c.relname";
        let row = client.query_opt(sql, &[&name]).await?;
        Ok(row.map(|row| Shape { table: row.get(0), columns: row.get(1) }))
    }

    fn is(&self, form: Form) -> bool {
        self.objection(form).is_none()
    }

    /// What keeps it from being this tool's.
    fn objection(&self, form: Form) -> Option<String> {
        let needed: &[&str] = match form {
            Form::Sqlx => &["version", "description", "success", "checksum"],
            Form::Refinery => &["version", "name", "applied_on", "checksum"],
            Form::Dbmate => &["version"],
            Form::Flyway => {
                &["installed_rank", "version", "description", "type", "script", "checksum", "success"]
            }
        };
        let has = |name: &str| self.columns.iter().any(|column| column == name);
        match needed.iter().find(|name| !has(name)) {
            Some(name) => Some(format!("it has no column {name}")),
            // Other tools use the same name for a table of more columns.
            None if form == Form::Dbmate && self.columns.len() > 1 => {
                Some(format!("it has the column {}, which dbmate's has not", self.columns[1]))
            }
            None => None,
        }
    }
}

async fn rows(client: &impl GenericClient, form: Form, table: &str) -> Result<Vec<Row>, LedgerError> {
    let (columns, order) = match form {
        Form::Sqlx => ("version::text, description, encode(checksum, 'hex'), success, 'SQL'", "version"),
        Form::Refinery => ("version::text, name::text, checksum::text, true, 'SQL'", "version"),
        Form::Dbmate => ("version::text, NULL::text, NULL::text, true, 'SQL'", "version"),
        Form::Flyway => {
            ("version::text, description::text, checksum::text, success, type::text", "installed_rank")
        }
    };
    let found = client.query(&format!("SELECT {columns} FROM {table} ORDER BY {order}"), &[]).await?;
    let row = |row: &tokio_postgres::Row| Row {
        version: row.get::<_, Option<String>>(0).map(|version| version_of(form, version)),
        name: row.get(1),
        checksum: row.get(2),
        success: row.get(3),
        kind: row.get(4),
    };
    Ok(found.iter().map(row).collect())
}

/// Flyway writes what the file's name says; versions that it takes for the same are the same here.
fn version_of(form: Form, version: String) -> String {
    match form {
        Form::Flyway => flyway::parts(&version).map_or(version, |parts| flyway::dotted(&parts)),
        _ => version,
    }
}
