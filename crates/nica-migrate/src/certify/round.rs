//! One migration on the ground: up, down, up again, and what is seen on the way.
//!
//! Rows are there before the up and more come after it, written through the new schema, so that the down meets what
//! people can have written by then.

use super::CertifyError;
use super::compare::{changes, removed, removes};
use super::ground::Ground;
use super::report::{Change, ChangeKind, Place, Removed, Report, RoundTrip, SqlError};
use super::rows::Rows;
use super::shape::{Relation, Shape};
use super::text::File;
use super::trial::Trial;
use crate::fingerprint::Fingerprint;
use crate::runner::RunError;
use crate::scratch::quoted;
use crate::source::{Class, Migration};
use std::collections::BTreeSet;
use tokio_postgres::Client;

/// What does not fit on half a screen is not read.
const DIFFERENCE_LINES_MAX: usize = 12;

/// What goes from one migration to the next.
pub(super) struct Rounds<'a> {
    ground: &'a Ground,
    /// For looking, for rows and for what is taken back again.
    client: Client,
    rows: Rows,
    /// What the old program was written for.
    old: Shape,
    /// As it is now.
    shape: Shape,
}

/// Whether the next migration has a ground to stand on.
pub(super) enum Then {
    GoOn,
    Stop,
}

impl<'a> Rounds<'a> {
    /// With what is live, and rows in its tables.
    pub(super) async fn begin(ground: &'a Ground, live: &[&Migration]) -> Result<Rounds<'a>, CertifyError> {
        let (client, rows) = (ground.client().await?, Rows::default());
        let mut rounds = Rounds { ground, client, rows, old: Shape::default(), shape: Shape::default() };
        for migration in live {
            rounds.apply(migration).await?;
        }
        let shape = rounds.look().await?;
        rounds.advance(shape).await?;
        rounds.older_is_all();
        Ok(rounds)
    }

    /// From here on the old program is one that knows all that is there.
    pub(super) fn older_is_all(&mut self) {
        self.old = self.shape.clone();
    }

    pub(super) async fn take_as_live(&mut self, migration: &Migration) -> Result<(), CertifyError> {
        self.apply(migration).await?;
        let shape = self.look().await?;
        self.advance(shape).await
    }

    async fn apply(&self, migration: &Migration) -> Result<(), CertifyError> {
        let fail = |why| CertifyError::Live { id: migration.id.clone(), why };
        self.ground.up(migration).await?.map_err(fail)
    }

    pub(super) async fn round(&mut self, migration: &Migration) -> Result<(Report, Then), CertifyError> {
        let mut report = Report { migration: migration.id.clone(), ..Report::default() };
        report.has_down = migration.down.is_some();
        let file = file_of(migration, "up.sql", &migration.up);
        let before = self.fingerprint().await?;
        let trial = self.trial(file, migration).await?;
        if let Err(error) = self.ground.up(migration).await? {
            report.errors.push(sql_error(file, &error, ""));
            return Ok((report, Then::Stop));
        }
        let up = self.look().await?;
        report.changes = self.changes(file, &up, trial.as_ref());
        let then = self.shape.clone();
        self.advance(up).await?;
        if migration.down.is_none() {
            return Ok((report, Then::GoOn));
        }
        let then = self.back_and_forth(migration, &mut report, before, &then).await?;
        Ok((report, then))
    }

    /// Down and up again. `before` is the fingerprint and `then` the shape from before the up.
    async fn back_and_forth(
        &mut self,
        migration: &Migration,
        report: &mut Report,
        before: Fingerprint,
        then: &Shape,
    ) -> Result<Then, CertifyError> {
        let up = self.fingerprint().await?;
        let sql = migration.down.as_deref().unwrap_or_default();
        let file = file_of(migration, "down.sql", sql);
        let trial = Trial::of(&mut self.client, file).await?;
        report.removes = self.removes(file, &trial);
        let values = self.values(migration, &report.removes).await?;
        if let Err(error) = self.down(migration).await? {
            report.errors.push(sql_error(file, &error, ""));
            return Ok(if migration.transactional { Then::GoOn } else { Then::Stop });
        }
        let down = self.fingerprint().await?;
        // A file outside a transaction was not tried; nothing else is different about it.
        if report.removes.is_empty() && !migration.transactional {
            report.removes = removes(&self.shape, &self.look().await?);
        }
        let file = file_of(migration, "up.sql", &migration.up);
        if let Err(error) = self.ground.up(migration).await? {
            report.errors.push(sql_error(file, &error, "when it is applied again after its down: "));
            self.shape = then.clone();
            return Ok(Then::Stop);
        }
        report.errors.extend(self.unpark(migration, values).await?);
        let up_again = self.fingerprint().await?;
        report.round_trip = Some(round_trip([&before, &up, &down, &up_again]));
        self.shape = self.look().await?;
        Ok(Then::GoOn)
    }

    /// One statement needs no trial to be found again.
    async fn trial(&mut self, file: File<'_>, migration: &Migration) -> Result<Option<Trial>, CertifyError> {
        let nothing_to_harm = self.old.relations.is_empty() && self.old.types.is_empty();
        if nothing_to_harm || !migration.transactional || file.statements().len() < 2 {
            return Ok(None);
        }
        Trial::of(&mut self.client, file).await.map(Some)
    }

    fn changes(&self, file: File<'_>, after: &Shape, trial: Option<&Trial>) -> Vec<Change> {
        let first = file.statements().first().map(|s| file.place(s.text));
        let mut found = changes(&self.old, &self.shape, after);
        for change in &mut found {
            let wanted = change.clone();
            let is_so = |shape: &Shape| changes(&self.old, &self.shape, shape).contains(&wanted);
            change.place = trial.map_or(first.clone(), |trial| trial.place(is_so));
        }
        for emptied in file.emptied().into_iter().filter(|e| self.old.relations.contains_key(&e.table)) {
            let name = format!("rows of {}", emptied.table);
            found.push(Change { kind: ChangeKind::Removed, name, place: Some(emptied.place) });
        }
        found
    }

    fn removes(&self, file: File<'_>, trial: &Trial) -> Vec<Removed> {
        let Some(after) = trial.last() else { return Vec::new() };
        let mut found = removes(&self.shape, after);
        for one in &mut found {
            let name = one.name.clone();
            let is_so = |shape: &Shape| removes(&self.shape, shape).iter().any(|r| r.name == name);
            one.place = trial.place(is_so);
        }
        for emptied in file.emptied() {
            let Some(relation) = self.shape.relations.get(&emptied.table) else { continue };
            if !found.iter().any(|r| r.name == relation.park_name()) {
                let one = removed(relation.park_name(), relation.is_table(), relation);
                found.push(Removed { place: Some(emptied.place), ..one });
            }
        }
        found
    }

    /// Parked as a deployer does: batches first, the rest with the down itself.
    async fn down(&self, migration: &Migration) -> Result<Result<(), RunError>, CertifyError> {
        if migration.class == Class::Parking
            && let Err(error) = self.ground.park(&migration.id).await?
        {
            return Ok(Err(error));
        }
        self.ground.down(migration).await
    }

    async fn unpark(
        &self,
        migration: &Migration,
        values: Vec<(String, String)>,
    ) -> Result<Option<SqlError>, CertifyError> {
        if migration.class != Class::Parking {
            return Ok(None);
        }
        let message = match self.ground.unpark(&migration.id).await? {
            Err(error) => Some(error.to_string()),
            Ok(Some(misfit)) => Some(format!("parked values do not come back: {misfit}")),
            Ok(None) if self.values_of(values.iter().map(|(table, _)| table)).await? == values => None,
            Ok(None) => Some("parked values do not come back as they were".to_string()),
        };
        let place = Place { file: format!("migrations/{}/down.sql", migration.id), line: 1, column: 1 };
        Ok(message.map(|message| SqlError { place: Some(place), message }))
    }

    /// Digests of the tables of which something is parked.
    async fn values(
        &self,
        migration: &Migration,
        removes: &[Removed],
    ) -> Result<Vec<(String, String)>, CertifyError> {
        if migration.class != Class::Parking {
            return Ok(Vec::new());
        }
        let loses = |r: &&Relation| {
            let mut columns = r.columns.keys().map(|c| r.park_column(c));
            r.is_table()
                && removes.iter().any(|gone| gone.name == r.park_name() || columns.any(|c| c == gone.name))
        };
        let tables = self.shape.relations.values().filter(loses);
        let names: Vec<_> = tables.map(|r| format!("{}.{}", quoted(&r.schema), quoted(&r.table))).collect();
        self.values_of(names.iter()).await
    }

    async fn values_of(
        &self,
        tables: impl Iterator<Item = &String>,
    ) -> Result<Vec<(String, String)>, CertifyError> {
        let mut all = Vec::new();
        for table in tables {
            let sql = format!(
                "SELECT md5(coalesce(string_agg(row, E'\\n' ORDER BY row), ''))
                 FROM (SELECT to_jsonb(t)::text AS row FROM {table} t) rows"
            );
            let row = self.client.query_one(&sql, &[]).await.map_err(|e| CertifyError::look(&e))?;
            all.push((table.clone(), row.get(0)));
        }
        Ok(all)
    }

    /// The new shape, and rows in what is new in it.
    async fn advance(&mut self, shape: Shape) -> Result<(), CertifyError> {
        let is_new =
            |(name, relation): &(&String, &Relation)| self.shape.relations.get(*name) != Some(*relation);
        let new: BTreeSet<_> =
            shape.relations.iter().filter(is_new).map(|(_, relation)| relation.id).collect();
        if !new.is_empty() {
            self.rows.fill(&mut self.client, &new).await?;
        }
        self.shape = shape;
        Ok(())
    }

    async fn look(&self) -> Result<Shape, CertifyError> {
        Shape::read(&self.client).await
    }

    async fn fingerprint(&mut self) -> Result<Fingerprint, CertifyError> {
        Ok(Fingerprint::read(&mut self.client).await?)
    }
}

fn round_trip([before, up, down, up_again]: [&Fingerprint; 4]) -> RoundTrip {
    let mut difference = before.diff(down);
    if difference.is_empty() {
        difference = up.diff(up_again);
    }
    let more = difference.len().saturating_sub(DIFFERENCE_LINES_MAX);
    difference.truncate(DIFFERENCE_LINES_MAX);
    if more > 0 {
        difference.push(format!("and {more} lines more"));
    }
    let (before, up) = (before.hash(), up.hash());
    RoundTrip { before, up, down: down.hash(), up_again: up_again.hash(), difference }
}

fn file_of<'a>(migration: &'a Migration, name: &'static str, sql: &'a str) -> File<'a> {
    File { id: &migration.id, name, sql, verbatim: migration.transactional }
}

fn sql_error(file: File<'_>, error: &RunError, when: &str) -> SqlError {
    let message = match error {
        RunError::Statement { why, .. } => why.clone(),
        other => other.to_string(),
    };
    SqlError { place: file.place_of(error), message: format!("{when}{message}") }
}
