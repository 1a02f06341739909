//! The reading half: ledger, folder, NICA's own records and the schema, as they are. Nothing here writes.

use super::compare::{self, Refusal};
use super::record::Record;
use super::{AdoptError, Request};
use crate::connect::{DbUrl, connect};
use crate::fence::FenceError;
use crate::fingerprint::Fingerprint;
use crate::foreign::{self, Foreign, Ledger};
use crate::migrate_down::Caller;
use crate::schema;
use crate::source::Migration;
use crate::state::{self, AppliedMigration};
use tokio_postgres::Client;

#[derive(Debug)]
pub(super) struct Seen {
    pub(super) has_nica: bool,
    /// A deployer manages the database.
    managed: bool,
    pub(super) ledger: Ledger,
    /// What was taken over before.
    pub(super) record: Option<Record>,
    /// The whole folder, NICA's own form included, by number.
    all: Vec<Migration>,
    /// Ids that the ledger says are applied.
    standing: Vec<String>,
    /// Rows of NICA's migration table that are in the schema.
    known: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) refusals: Vec<Refusal>,
    /// Without the ledger's own table.
    pub(super) schema: Fingerprint,
}

const PROTECT: &str = "SET default_transaction_read_only = on; SET statement_timeout = '60s'";

pub(super) async fn look(
    url: &DbUrl,
    caller: &Caller<'_>,
    request: &Request<'_>,
) -> Result<Seen, AdoptError> {
    let mut client = connect(url, "nica/look").await?;
    client.batch_execute(PROTECT).await.map_err(|e| FenceError::of(0, &e))?;
    let ledger = Ledger::find(&client, request.form, request.table).await?;
    let folder = foreign::read_dir(request.folder, ledger.form)?;
    let all = foreign::read_any(request.folder, Some(ledger.form))?;
    let has_nica = schema::exists(&client).await?;
    let known = if has_nica { records(&client, caller).await? } else { Records::default() };
    let schema = Fingerprint::read(&mut client).await?.without_table(&ledger.table);
    let mut seen = Seen {
        has_nica,
        ledger,
        managed: known.managed,
        record: known.record,
        all,
        standing: Vec::new(),
        known: known.rows.iter().filter(|row| row.state.is_there()).map(|row| row.id.clone()).collect(),
        notes: Vec::new(),
        refusals: Vec::new(),
        schema,
    };
    seen.judge(&folder, &known.rows);
    Ok(seen)
}

/// What NICA itself has written here.
#[derive(Default)]
struct Records {
    managed: bool,
    rows: Vec<AppliedMigration>,
    record: Option<Record>,
}

async fn records(client: &Client, caller: &Caller<'_>) -> Result<Records, AdoptError> {
    schema::check_owner(client, caller.service, caller.env).await?;
    let row = client.query_one("SELECT managed FROM nica.control", &[]).await;
    let managed = row.map_err(|e| FenceError::of(0, &e))?.get(0);
    let rows = state::migrations(client).await?.unwrap_or_default();
    Ok(Records { managed, rows, record: Record::latest(client).await? })
}

impl Seen {
    fn judge(&mut self, folder: &[Foreign], rows: &[AppliedMigration]) {
        let compared = compare::compare(&self.ledger, folder);
        self.standing = compared.standing;
        self.notes = compared.notes;
        self.refusals = compared.refusals;
        self.refusals.extend(compare::records(&self.ledger, &self.standing, rows, &self.all));
        let taken = self.record.as_ref().map(|record| record.ledger.table.as_str());
        if let Some(taken) = taken.filter(|taken| *taken != self.ledger.table) {
            self.refusals.push(Refusal::another(&self.ledger, taken));
        }
        if let Some(record) = &self.record {
            let lost = compare::taken_back(&self.ledger, &self.standing, &self.known, &record.ids);
            self.refusals.extend(lost);
        }
        if self.managed && !self.is_done() {
            self.refusals.push(Refusal::managed(&self.ledger));
        }
    }

    /// Whether all of the ledger is in NICA's records already.
    pub(super) fn is_done(&self) -> bool {
        let same = self.record.as_ref().is_some_and(|record| record.ledger == self.ledger);
        same && self.refusals.is_empty() && self.to_take().is_empty()
    }

    /// Applied by the tool, and not in NICA's records.
    pub(super) fn to_take(&self) -> Vec<&Migration> {
        self.all.iter().filter(|m| self.standing.contains(&m.id) && !self.known.contains(&m.id)).collect()
    }

    /// Everything that the schema should be made of.
    pub(super) fn expected(&self) -> Vec<&Migration> {
        let there = |m: &&Migration| self.standing.contains(&m.id) || self.known.contains(&m.id);
        self.all.iter().filter(there).collect()
    }

    pub(super) fn pending(&self) -> Vec<&Migration> {
        let absent = |m: &&Migration| !self.standing.contains(&m.id) && !self.known.contains(&m.id);
        self.all.iter().filter(absent).collect()
    }

    pub(super) fn is_late(&self, migration: &Migration) -> bool {
        self.expected().last().is_some_and(|highest| migration.number() < highest.number())
    }
}
