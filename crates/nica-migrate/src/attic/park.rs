//! Into the attic: in batches beside the traffic, then what changed meanwhile under the down's own lock.

use super::owner::{self, run};
use super::parcel::{Cursor, Field, Parcel, fail, load, shape, wanted};
use crate::catalog::{key_array, literal, literal_tuple, tuple};
use crate::fence::Guarded;
use crate::runner::RunError;

/// One batch of the first parcel that is not copied yet; true while there is more.
pub(super) async fn batch(tx: &Guarded<'_>, id: &str, rows: u32) -> Result<bool, RunError> {
    let mut parcels = begin(tx, id).await?;
    let Some(parcel) = parcels.iter_mut().find(|p| p.cursor != Some(Cursor::Copied)) else {
        return Ok(false);
    };
    match copy_next(tx, parcel, rows).await? {
        Some(last) => parcel.cursor = Some(Cursor::After(last)),
        None => {
            // Once more what changed while the batches ran, so that little is left to do under the lock.
            let now = snapshot_xmin(tx).await?;
            copy_changed(tx, parcel).await?;
            parcel.since_xid = now;
            parcel.cursor = Some(Cursor::Copied);
        }
    }
    parcel.save(tx).await?;
    Ok(true)
}

/// In the down's transaction, before its text: lock the sources and copy what no batch has seen.
pub(crate) async fn rest(tx: &Guarded<'_>, id: &str) -> Result<(), RunError> {
    let sources: Vec<_> = wanted(tx, id).await?.into_iter().map(|(table, _)| table).collect();
    if sources.is_empty() {
        return Ok(());
    }
    run(tx, id, &format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", sources.join(", "))).await?;
    for mut parcel in begin(tx, id).await? {
        match parcel.cursor {
            Some(Cursor::Copied) => copy_changed(tx, &parcel).await?,
            _ => copy_all(tx, &parcel).await?,
        }
        if parcel.whole {
            forget_deleted(tx, &parcel).await?;
            note_sequences(tx, &mut parcel).await?;
            owner::follow(tx, id, &parcel.source, &parcel.attic).await?;
        }
        (parcel.state, parcel.cursor) = ("parked".to_string(), None);
        parcel.save(tx).await?;
    }
    Ok(())
}

/// The migration stays after all: what was copied is in its place, and is forgotten here.
pub(crate) async fn discard(tx: &Guarded<'_>, id: &str) -> Result<(), RunError> {
    for parcel in load(tx, id).await?.into_iter().filter(|p| p.state == "parking") {
        let (attic, epoch) = (&parcel.attic, parcel.epoch);
        run(tx, id, &format!("DELETE FROM {attic} WHERE nica_epoch = {epoch}")).await?;
        super::unpark::give_up(tx, parcel).await?;
    }
    Ok(())
}

/// The parcels in state `parking`, made or turned around where they are not.
async fn begin(tx: &Guarded<'_>, id: &str) -> Result<Vec<Parcel>, RunError> {
    let known = load(tx, id).await?;
    for (place, (table, columns)) in wanted(tx, id).await?.into_iter().enumerate() {
        let fresh = shape(tx, id, &table, columns.as_deref()).await?;
        match known.iter().find(|p| p.source == fresh.source) {
            None => make(tx, &fresh, place).await?,
            Some(old) if old.state == "parking" => {}
            Some(old) => turn_around(tx, old.clone(), &fresh).await?,
        }
    }
    load(tx, id).await
}

async fn make(tx: &Guarded<'_>, parcel: &Parcel, place: usize) -> Result<(), RunError> {
    let column = |f: &Field, not_null: &str| format!("{} {}{not_null}", f.name, f.attic_type);
    let mut columns: Vec<_> = parcel.key.iter().map(|f| column(f, " NOT NULL")).collect();
    columns.extend(parcel.columns.iter().map(|f| column(f, "")));
    let key = tuple("", &parcel.key_columns());
    let sql = format!(
        "CREATE TABLE {attic} ({}, nica_epoch integer NOT NULL, nica_misfit text, PRIMARY KEY {key});
         COMMENT ON TABLE {attic} IS {}",
        columns.join(", "),
        literal(&format!("{} of {}", parcel.source, parcel.migration)),
        attic = parcel.attic,
    );
    run(tx, &parcel.migration, &sql).await?;
    let json = |fields: &[Field]| serde_json::to_value(fields).expect("texts");
    let name = parcel.attic.trim_start_matches("nica_attic.");
    let place = i32::try_from(place).expect("a handful of tables");
    let sql = "
        INSERT INTO nica_attic.parcel (migration, source, attic, place, key, columns, whole, state, epoch,
                                       keep_below, since_xid)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'parking', 1, 0, $8)";
    let (key, columns) = (json(&parcel.key), json(&parcel.columns));
    tx.execute(
        sql,
        &[&parcel.migration, &parcel.source, &name, &place, &key, &columns, &parcel.whole, &parcel.since_xid],
    )
    .await
    .map_err(|e| RunError::records(tx, &e))?;
    owner::tie(tx, parcel).await
}

/// Park again what was parked before. Values that never came back are kept as they are: what stands in their place is
/// a default. Values that did not fit are replaced: the release that served since has shown people that place.
async fn turn_around(tx: &Guarded<'_>, mut parcel: Parcel, fresh: &Parcel) -> Result<(), RunError> {
    if (&parcel.key, &parcel.columns) != (&fresh.key, &fresh.columns) {
        let why =
            format!("the attic holds values of {} from when this migration read otherwise", parcel.source);
        return Err(fail(&parcel.migration, why));
    }
    parcel.keep_below = if parcel.state == "unparked" { 0 } else { parcel.epoch };
    parcel.epoch += 1;
    parcel.since_xid = fresh.since_xid.clone();
    (parcel.state, parcel.cursor) = ("parking".to_string(), None);
    parcel.save(tx).await
}

/// The next rows by key; the last key of them, or none at the end.
async fn copy_next(tx: &Guarded<'_>, parcel: &Parcel, rows: u32) -> Result<Option<Vec<String>>, RunError> {
    let key = parcel.key_columns();
    let after = match &parcel.cursor {
        Some(Cursor::After(last)) => {
            format!("WHERE {} > {}", tuple("s.", &key), literal_tuple(&key, last))
        }
        _ => String::new(),
    };
    let order = key.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    let back = key.iter().map(|c| format!("{} DESC", c.name)).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "WITH s AS MATERIALIZED (SELECT * FROM {} s {after} ORDER BY {order} LIMIT {rows}), done AS ({})
         SELECT {} FROM s ORDER BY {back} LIMIT 1",
        parcel.source,
        copy(parcel, "s", ""),
        key_array("", &key),
    );
    let row = tx.query_opt(&sql, &[]).await;
    let row = row.map_err(|e| RunError::statement(tx.fence(), parcel.source.clone(), &e))?;
    Ok(row.map(|row| row.get(0)))
}

/// Rows written since the copy began, and rows that differ. Row versions tell the first without looking at values.
async fn copy_changed(tx: &Guarded<'_>, parcel: &Parcel) -> Result<(), RunError> {
    let since = format!("WHERE age(s.xmin) <= age({}::xid8::xid)", literal(&parcel.since_xid));
    run(tx, &parcel.migration, &copy(parcel, &parcel.source, &since)).await
}

async fn copy_all(tx: &Guarded<'_>, parcel: &Parcel) -> Result<(), RunError> {
    run(tx, &parcel.migration, &copy(parcel, &parcel.source, "")).await
}

fn copy(parcel: &Parcel, from: &str, condition: &str) -> String {
    let names: Vec<_> = parcel.all().map(|f| f.name.as_str()).collect();
    let values: Vec<_> = parcel.all().map(|f| format!("s.{}{}", f.name, f.cast())).collect();
    let set: Vec<_> = parcel.columns.iter().map(|f| format!("{0} = excluded.{0}, ", f.name)).collect();
    format!(
        "INSERT INTO {attic} AS a ({names}, nica_epoch) SELECT {values}, {epoch} FROM {from} s {condition}
         ON CONFLICT {key} DO UPDATE SET {set}nica_epoch = excluded.nica_epoch, nica_misfit = NULL
         WHERE a.nica_epoch > {keep}",
        attic = parcel.attic,
        names = names.join(", "),
        values = values.join(", "),
        epoch = parcel.epoch,
        key = tuple("", &parcel.key_columns()),
        set = set.concat(),
        keep = parcel.keep_below,
    )
}

/// A whole table has no owner that tells of a deleted row.
async fn forget_deleted(tx: &Guarded<'_>, parcel: &Parcel) -> Result<(), RunError> {
    let sql = format!(
        "DELETE FROM {} a WHERE a.nica_epoch > {} AND NOT EXISTS (SELECT FROM {} s WHERE {})",
        parcel.attic,
        parcel.keep_below,
        parcel.source,
        parcel.same_key("s", "a")
    );
    run(tx, &parcel.migration, &sql).await
}

/// Numbers that were given out once are not given out again by the table's next life.
async fn note_sequences(tx: &Guarded<'_>, parcel: &mut Parcel) -> Result<(), RunError> {
    for field in parcel.key.iter().chain(&parcel.columns) {
        let sql = "SELECT pg_sequence_last_value(pg_get_serial_sequence($1, $2)::regclass)";
        let plain = field.name.trim_matches('"').replace("\"\"", "\"");
        let row =
            tx.query_one(sql, &[&parcel.source, &plain]).await.map_err(|e| RunError::records(tx, &e))?;
        if let Some(last) = row.get::<_, Option<i64>>(0) {
            parcel.sequences.insert(field.name.clone(), last);
        }
    }
    Ok(())
}

async fn snapshot_xmin(tx: &Guarded<'_>) -> Result<String, RunError> {
    let sql = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text";
    Ok(tx.query_one(sql, &[]).await.map_err(|e| RunError::records(tx, &e))?.get(0))
}
