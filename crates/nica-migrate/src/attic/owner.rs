//! Who a parked row dies with. An attic row references the row it belongs to, and goes with it: nobody's data comes
//! back after they had it deleted.
//!
//! The owner moves: as long as the source table is there it is the source's row; when the whole table is parked, the
//! attic's copy of that row; after the next up the source's row again. The constraints follow, unchecked for the rows
//! that are there (NOT VALID), because the owner is being moved row by row.

use super::parcel::{Parcel, fail};
use crate::catalog::primary_key;
use crate::fence::Guarded;
use crate::lexer::{Statement, Token};
use crate::runner::RunError;

/// A foreign key of some attic table.
struct Link {
    attic: String,
    constraint: String,
    columns: String,
    foreign: String,
    on_delete: &'static str,
}

/// Tie a new attic table to its owner. For columns that is the source; for a whole table, whatever the source itself
/// references.
pub(super) async fn tie(tx: &Guarded<'_>, parcel: &Parcel) -> Result<(), RunError> {
    let links =
        if parcel.whole { parents(tx, parcel).await? } else { vec![(parcel.source.clone(), own(parcel))] };
    for (target, link) in links {
        add(tx, &parcel.migration, &target, &link).await?;
    }
    Ok(())
}

/// Move every reference of attic tables from one owner to another.
pub(super) async fn follow(tx: &Guarded<'_>, id: &str, from: &str, to: &str) -> Result<(), RunError> {
    for link in links_to(tx, from).await? {
        drop_link(tx, id, &link).await?;
        let key: Vec<_> = primary_key(tx, to).await?.into_iter().map(|c| c.name).collect();
        if key.join(", ") == link.foreign {
            add(tx, id, to, &link).await?;
        } else {
            tracing::warn!(
                id,
                attic = link.attic,
                "parked rows lose their owner: it is not found by its key"
            );
        }
    }
    Ok(())
}

/// A statement that drops tables takes their rows away, and what is parked of them with it. Unless the rows have just
/// been parked themselves.
pub(crate) async fn release_dropped(
    tx: &Guarded<'_>,
    id: &str,
    statement: &Statement<'_>,
) -> Result<(), RunError> {
    if !statement.begins(&["drop", "table"]) {
        return Ok(());
    }
    for table in dropped(&statement.sql().copied().collect::<Vec<_>>()[2..]) {
        for link in links_to(tx, &table).await? {
            drop_link(tx, id, &link).await?;
        }
        let sql = "
            DELETE FROM nica_attic.parcel p USING pg_class c, pg_namespace n
            WHERE c.oid = to_regclass($1) AND n.oid = c.relnamespace AND NOT p.whole
              AND p.source = format('%I.%I', n.nspname, c.relname)
              AND NOT EXISTS (SELECT FROM nica_attic.parcel w
                              WHERE w.source = p.source AND w.whole AND w.state = 'parked')
            RETURNING quote_ident(p.attic)";
        let rows = tx.query(sql, &[&table]).await.map_err(|e| RunError::records(tx, &e))?;
        for row in rows {
            let attic: String = row.get(0);
            run(tx, id, &format!("DROP TABLE nica_attic.{attic}")).await?;
        }
    }
    Ok(())
}

/// `DROP TABLE IF EXISTS a, b.c CASCADE`, after the first two words.
fn dropped(tokens: &[Token<'_>]) -> Vec<String> {
    let mut tables = vec![String::new()];
    for token in tokens {
        match token.text {
            "," => tables.push(String::new()),
            _ if ["if", "exists", "cascade", "restrict"].iter().any(|w| token.is(w)) => {}
            text => tables.last_mut().expect("never empty").push_str(text),
        }
    }
    tables.retain(|t| !t.is_empty());
    tables
}

fn own(parcel: &Parcel) -> Link {
    let key = parcel.key.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ");
    Link {
        attic: parcel.attic.clone(),
        constraint: "nica_owner".to_string(),
        columns: key.clone(),
        foreign: key,
        on_delete: "CASCADE",
    }
}

/// The foreign keys of the source itself. Where it would refuse the parent's end, the parked row goes with it: the
/// release that runs meanwhile does not know the table.
async fn parents(tx: &Guarded<'_>, parcel: &Parcel) -> Result<Vec<(String, Link)>, RunError> {
    let sql = "
        SELECT format('%I.%I', n.nspname, f.relname), quote_ident(c.conname), c.confdeltype::text,
               (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
                FROM unnest(c.conkey) WITH ORDINALITY k(attnum, place)
                JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
               (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
                FROM unnest(c.confkey) WITH ORDINALITY k(attnum, place)
                JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum)
        FROM pg_constraint c JOIN pg_class f ON f.oid = c.confrelid JOIN pg_namespace n ON n.oid = f.relnamespace
        WHERE c.conrelid = $1::text::regclass AND c.contype = 'f' AND c.confrelid <> c.conrelid
          AND c.conparentid = 0
        ORDER BY c.conname";
    let rows = tx.query(sql, &[&parcel.source]).await.map_err(|e| RunError::records(tx, &e))?;
    let link = |row: &tokio_postgres::Row| {
        let on_delete = if row.get::<_, &str>(2) == "n" { "SET NULL" } else { "CASCADE" };
        let (constraint, columns, foreign) = (row.get(1), row.get(3), row.get(4));
        (row.get(0), Link { attic: parcel.attic.clone(), constraint, columns, foreign, on_delete })
    };
    Ok(rows.iter().map(link).collect())
}

async fn links_to(tx: &Guarded<'_>, table: &str) -> Result<Vec<Link>, RunError> {
    let sql = "
        SELECT 'nica_attic.' || quote_ident(r.relname), quote_ident(c.conname), c.confdeltype::text,
               (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
                FROM unnest(c.conkey) WITH ORDINALITY k(attnum, place)
                JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
               (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
                FROM unnest(c.confkey) WITH ORDINALITY k(attnum, place)
                JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum)
        FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
        WHERE c.contype = 'f' AND c.confrelid = to_regclass($1)
          AND r.relnamespace = 'nica_attic'::regnamespace
        ORDER BY r.relname, c.conname";
    let rows = tx.query(sql, &[&table]).await.map_err(|e| RunError::records(tx, &e))?;
    let link = |row: &tokio_postgres::Row| Link {
        attic: row.get(0),
        constraint: row.get(1),
        on_delete: if row.get::<_, &str>(2) == "n" { "SET NULL" } else { "CASCADE" },
        columns: row.get(3),
        foreign: row.get(4),
    };
    Ok(rows.iter().map(link).collect())
}

async fn add(tx: &Guarded<'_>, id: &str, target: &str, link: &Link) -> Result<(), RunError> {
    let Link { attic, constraint, columns, foreign, on_delete } = link;
    let sql = format!(
        "ALTER TABLE {attic} ADD CONSTRAINT {constraint} FOREIGN KEY ({columns}) REFERENCES {target} ({foreign})
         ON DELETE {on_delete} ON UPDATE CASCADE NOT VALID"
    );
    run(tx, id, &sql).await
}

async fn drop_link(tx: &Guarded<'_>, id: &str, link: &Link) -> Result<(), RunError> {
    run(tx, id, &format!("ALTER TABLE {} DROP CONSTRAINT {}", link.attic, link.constraint)).await
}

pub(super) async fn run(tx: &Guarded<'_>, id: &str, sql: &str) -> Result<(), RunError> {
    let answer = tx.batch_execute(sql).await;
    answer.map_err(|e| match RunError::statement(tx.fence(), "the attic".to_string(), &e) {
        RunError::Statement { why, .. } => fail(id, why),
        other => other,
    })
}
