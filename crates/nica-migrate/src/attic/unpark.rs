//! Out of the attic: values are moved back in batches. What no longer fits (a new constraint, a type that changed, a
//! key that is taken) stays where it is with the reason, and nothing else waits for it.

use super::owner::{self, run};
use super::parcel::{Cursor, Field, Parcel, load};
use crate::catalog::{Column, key_array, literal, literal_tuple, tuple};
use crate::connect::reason;
use crate::fence::{Class, Guarded, classify};
use crate::runner::RunError;

/// What came of an unpark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unparked {
    pub moved: u64,
    pub misfits: Vec<Misfit>,
}

/// Rows that stay parked, by reason. Never their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// `public.diary`
    pub source: String,
    pub rows: i64,
    /// SQLSTATE, and the constraint where there is one.
    pub why: String,
}

/// One batch of the first parcel that waits; rows moved, and whether there is more.
pub(super) async fn batch(tx: &Guarded<'_>, id: &str, rows: u32) -> Result<(u64, bool), RunError> {
    let parcels = load(tx, id).await?;
    let Some(parcel) = parcels.into_iter().find(|p| p.state == "unparking") else { return Ok((0, false)) };
    if parcel.whole {
        // From here on parked rows of other tables belong to the rows that have come back.
        owner::follow(tx, id, &parcel.attic, &parcel.source).await?;
    }
    let keys = next_keys(tx, &parcel, rows).await?;
    if keys.is_empty() {
        finish(tx, parcel).await?;
        return Ok((0, true));
    }
    match attempt(tx, &parcel, &keys).await? {
        Ok(moved) => {
            mark_ownerless(tx, &parcel, &keys, moved).await?;
            Ok((moved, true))
        }
        Err(_) => Ok((one_by_one(tx, &parcel, &keys).await?, true)),
    }
}

/// The rows that did not fit, counted by reason.
pub(super) async fn misfits(tx: &Guarded<'_>, id: &str) -> Result<Vec<Misfit>, RunError> {
    let mut misfits = Vec::new();
    for parcel in load(tx, id).await? {
        let sql = format!(
            "SELECT nica_misfit, count(*) FROM {} WHERE nica_misfit IS NOT NULL GROUP BY 1 ORDER BY 1",
            parcel.attic
        );
        let rows = tx.query(&sql, &[]).await.map_err(|e| RunError::records(tx, &e))?;
        let misfit = |row: &tokio_postgres::Row| Misfit {
            source: parcel.source.clone(),
            why: row.get(0),
            rows: row.get(1),
        };
        misfits.extend(rows.iter().map(misfit));
    }
    Ok(misfits)
}

async fn next_keys(tx: &Guarded<'_>, parcel: &Parcel, rows: u32) -> Result<Vec<Vec<String>>, RunError> {
    let key = parcel.key_columns();
    let order = key.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT {} FROM {} WHERE nica_misfit IS NULL ORDER BY {order} LIMIT {rows}",
        key_array("", &key),
        parcel.attic
    );
    let rows = tx.query(&sql, &[]).await.map_err(|e| RunError::records(tx, &e))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Move these rows, or none of them. The outer error ends the transaction, the inner one is about the values.
async fn attempt(
    tx: &Guarded<'_>,
    parcel: &Parcel,
    keys: &[Vec<String>],
) -> Result<Result<u64, String>, RunError> {
    run(tx, &parcel.migration, "SAVEPOINT nica_move").await?;
    match tx.query_one(&movement(parcel, keys), &[]).await {
        Ok(row) => {
            run(tx, &parcel.migration, "RELEASE nica_move").await?;
            Ok(Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0)))
        }
        Err(error) if classify(&error) == Class::Sql => {
            run(tx, &parcel.migration, "ROLLBACK TO nica_move; RELEASE nica_move").await?;
            Ok(Err(why(&error)))
        }
        Err(error) => Err(tx.error(&error).into()),
    }
}

/// The message could hold a value of somebody's; code and constraint cannot.
fn why(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else { return reason(error) };
    match db.constraint() {
        Some(constraint) => format!("{} {constraint}", db.code().code()),
        None => db.code().code().to_string(),
    }
}

async fn one_by_one(tx: &Guarded<'_>, parcel: &Parcel, keys: &[Vec<String>]) -> Result<u64, RunError> {
    let mut moved = 0;
    for key in keys {
        let one = std::slice::from_ref(key);
        match attempt(tx, parcel, one).await? {
            Ok(0) => mark_ownerless(tx, parcel, one, 0).await?,
            Ok(rows) => moved += rows,
            Err(why) => mark(tx, parcel, one, &why).await?,
        }
    }
    Ok(moved)
}

/// Write the values where they belong and delete what was written, in one statement.
fn movement(parcel: &Parcel, keys: &[Vec<String>]) -> String {
    let key = parcel.key_columns();
    let back = |prefix: &str, f: &Field| format!("{prefix}{}{}", f.name, f.cast_back());
    let write = if parcel.whole {
        let names: Vec<_> = parcel.all().map(|f| f.name.as_str()).collect();
        let values: Vec<_> = parcel.all().map(|f| back("b.", f)).collect();
        format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM b RETURNING {}",
            parcel.source,
            names.join(", "),
            values.join(", "),
            returned("", parcel),
        )
    } else {
        let set: Vec<_> = parcel.columns.iter().map(|f| format!("{} = {}", f.name, back("b.", f))).collect();
        format!(
            "UPDATE {} s SET {} FROM b WHERE {} RETURNING {}",
            parcel.source,
            set.join(", "),
            parcel.same_key("s", "b"),
            returned("s.", parcel),
        )
    };
    let same: Vec<_> = parcel.key.iter().map(|f| format!("a.{0} = moved.{0}", f.name)).collect();
    format!(
        "WITH b AS MATERIALIZED (SELECT * FROM {attic} a WHERE {within}),
              moved AS ({write}),
              gone AS (DELETE FROM {attic} a USING moved WHERE {same} RETURNING 1)
         SELECT count(*) FROM gone",
        attic = parcel.attic,
        within = within(parcel, &key, keys),
        same = same.join(" AND "),
    )
}

/// The key as the attic knows it.
fn returned(prefix: &str, parcel: &Parcel) -> String {
    let one = |f: &Field| format!("{prefix}{0}{1} AS {0}", f.name, f.cast());
    parcel.key.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn within(parcel: &Parcel, key: &[Column], keys: &[Vec<String>]) -> String {
    let stored: Vec<_> =
        parcel.key.iter().map(|f| Column { name: f.name.clone(), type_sql: f.attic_type.clone() }).collect();
    let tuples: Vec<_> = keys.iter().map(|k| literal_tuple(&stored, k)).collect();
    format!("{} IN ({})", tuple("a.", key), tuples.join(", "))
}

async fn mark(tx: &Guarded<'_>, parcel: &Parcel, keys: &[Vec<String>], why: &str) -> Result<(), RunError> {
    let key = parcel.key_columns();
    let (why, within) = (literal(why), within(parcel, &key, keys));
    run(tx, &parcel.migration, &format!("UPDATE {} a SET nica_misfit = {why} WHERE {within}", parcel.attic))
        .await
}

/// Rows whose source row is not there: they would be looked at for ever.
async fn mark_ownerless(
    tx: &Guarded<'_>,
    parcel: &Parcel,
    keys: &[Vec<String>],
    moved: u64,
) -> Result<(), RunError> {
    if moved == keys.len() as u64 {
        return Ok(());
    }
    mark(tx, parcel, keys, "its row is not there").await
}

/// Everything that fits is back.
async fn finish(tx: &Guarded<'_>, mut parcel: Parcel) -> Result<(), RunError> {
    if let Some(orphans) = orphans_to_try(tx, &parcel).await? {
        parcel.cursor = Some(Cursor::After(vec![orphans.to_string()]));
        return parcel.save(tx).await;
    }
    set_sequences(tx, &parcel).await?;
    (parcel.state, parcel.cursor) = ("unparked".to_string(), None);
    parcel.save(tx).await
}

/// Take away attic tables that hold nothing any more. Needs a lock on their owners, for a moment.
pub(super) async fn tidy(tx: &Guarded<'_>, id: &str) -> Result<(), RunError> {
    for parcel in load(tx, id).await?.into_iter().filter(|p| p.state == "unparked") {
        if !holds_rows(tx, &parcel).await? {
            run(tx, id, &format!("DROP TABLE {}", parcel.attic)).await?;
            forget(tx, &parcel).await?;
        }
    }
    Ok(())
}

async fn holds_rows(tx: &Guarded<'_>, parcel: &Parcel) -> Result<bool, RunError> {
    let sql = format!("SELECT EXISTS (SELECT FROM {})", parcel.attic);
    Ok(tx.query_one(&sql, &[]).await.map_err(|e| RunError::records(tx, &e))?.get(0))
}

/// Rows may reference rows that were moved after them: they are tried again, as long as that makes them fewer.
async fn orphans_to_try(tx: &Guarded<'_>, parcel: &Parcel) -> Result<Option<i64>, RunError> {
    let orphans = "nica_misfit LIKE '23503%'";
    let sql = format!("SELECT count(*) FROM {} WHERE {orphans}", parcel.attic);
    let count: i64 = tx.query_one(&sql, &[]).await.map_err(|e| RunError::records(tx, &e))?.get(0);
    let before = match &parcel.cursor {
        Some(Cursor::After(last)) => last.first().and_then(|n| n.parse().ok()).unwrap_or(i64::MAX),
        _ => i64::MAX,
    };
    if count == 0 || count >= before {
        return Ok(None);
    }
    let again = format!("UPDATE {} SET nica_misfit = NULL WHERE {orphans}", parcel.attic);
    run(tx, &parcel.migration, &again).await?;
    Ok(Some(count))
}

/// Ends a parking that is given up: what never came back waits again.
pub(super) async fn give_up(tx: &Guarded<'_>, mut parcel: Parcel) -> Result<(), RunError> {
    let left = holds_rows(tx, &parcel).await?;
    parcel.state = if left { "unparking" } else { "unparked" }.to_string();
    parcel.cursor = None;
    parcel.save(tx).await
}

async fn forget(tx: &Guarded<'_>, parcel: &Parcel) -> Result<(), RunError> {
    let sql = "DELETE FROM nica_attic.parcel WHERE migration = $1 AND source = $2";
    let answer = tx.execute(sql, &[&parcel.migration, &parcel.source]).await;
    answer.map_err(|e| RunError::records(tx, &e))?;
    Ok(())
}

async fn set_sequences(tx: &Guarded<'_>, parcel: &Parcel) -> Result<(), RunError> {
    for (name, last) in &parcel.sequences {
        let plain = literal(&name.trim_matches('"').replace("\"\"", "\""));
        let sequence = format!("pg_get_serial_sequence({}, {plain})", literal(&parcel.source));
        let sql = format!(
            "SELECT setval({sequence}, greatest({last}, (SELECT max({name}) FROM {}), \
             pg_sequence_last_value({sequence}::regclass))) WHERE {sequence} IS NOT NULL",
            parcel.source
        );
        run(tx, &parcel.migration, &sql).await?;
    }
    Ok(())
}
