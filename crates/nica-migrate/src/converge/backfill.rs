//! One UPDATE in batches by primary key: each batch and its cursor are one transaction, users get their turn between.
//!
//! A batch that was committed is never done again, whoever continues. Rows that older code inserts behind the cursor
//! are caught by another pass, as long as the statement says by its WHERE which rows still need it.

use super::index::Work;
use crate::catalog::{Column, key_array, literal_tuple, primary_key, tuple};
use crate::fence::{Guarded, bounded};
use crate::lexer::{Statement, Token};
use crate::runner::{Attempts, RunError};
use crate::source::Backfill;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// Old code may go on inserting; what it inserts after the last pass is the new code's to cope with.
const PASSES_MAX: u32 = 5;

/// Where it stands, in `nica.migration.cursor`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Cursor {
    pass: u32,
    /// The last key that was done, as text; none at the start of a pass.
    after: Option<Vec<String>>,
    /// Rows that this pass has changed.
    changed: u64,
}

pub(super) async fn run(
    attempts: &mut Attempts,
    work: &Work<'_>,
    settings: Backfill,
) -> Result<(), RunError> {
    let parts = Parts::of(work.statement).map_err(|why| RunError::Converge {
        id: work.id.to_string(),
        why: format!("{}: {why}", work.place),
    })?;
    let limit = attempts.session().longest(1);
    loop {
        let result = bounded(limit, batch(attempts, work, &parts, settings.batch_rows)).await;
        match attempts.judge(result).await? {
            Some(Progress::Finished) => return Ok(()),
            Some(Progress::More) => sleep(settings.pause).await,
            None => {}
        }
    }
}

enum Progress {
    More,
    Finished,
}

async fn batch(
    attempts: &mut Attempts,
    work: &Work<'_>,
    parts: &Parts<'_>,
    rows: u32,
) -> Result<Progress, RunError> {
    let tx = attempts.begin().await?;
    let fail = |e: tokio_postgres::Error| RunError::statement(tx.fence(), work.place.clone(), &e);
    let key = primary_key(&tx, &parts.table).await?;
    if key.is_empty() {
        let why = format!("{} has no primary key to walk along", parts.table);
        return Err(RunError::Converge { id: work.id.to_string(), why });
    }
    let mut cursor = load(&tx, work.id).await?;
    let progress = match last_of_batch(&tx, parts, &key, &cursor, rows).await.map_err(fail)? {
        Some(last) => {
            let sql = parts.within(&key, cursor.after.as_deref(), &last);
            cursor.changed += tx.execute(&sql, &[]).await.map_err(fail)?;
            cursor.after = Some(last);
            Progress::More
        }
        None => next_pass(&mut cursor, parts),
    };
    save(&tx, work.id, &cursor).await?;
    tx.commit().await?;
    Ok(progress)
}

/// Without a WHERE every pass would change every row again.
fn next_pass(cursor: &mut Cursor, parts: &Parts<'_>) -> Progress {
    if cursor.changed == 0 || parts.condition.is_none() || cursor.pass + 1 == PASSES_MAX {
        return Progress::Finished;
    }
    *cursor = Cursor { pass: cursor.pass + 1, after: None, changed: 0 };
    Progress::More
}

async fn last_of_batch(
    tx: &Guarded<'_>,
    parts: &Parts<'_>,
    key: &[Column],
    cursor: &Cursor,
    rows: u32,
) -> Result<Option<Vec<String>>, tokio_postgres::Error> {
    let after = cursor
        .after
        .as_deref()
        .map_or(String::new(), |after| format!("WHERE {} > {}", tuple("", key), literal_tuple(key, after)));
    let order: Vec<_> = key.iter().map(|c| c.name.as_str()).collect();
    let (order, back) = (order.join(", "), order.iter().map(|c| format!("{c} DESC")).collect::<Vec<_>>());
    let sql = format!(
        "SELECT {} FROM (SELECT {order} FROM {} {after} ORDER BY {order} LIMIT {rows}) b ORDER BY {} LIMIT 1",
        key_array("", key),
        parts.table,
        back.join(", "),
    );
    Ok(tx.query_opt(&sql, &[]).await?.map(|row| row.get(0)))
}

async fn load(tx: &Guarded<'_>, id: &str) -> Result<Cursor, RunError> {
    let sql = "SELECT cursor FROM nica.migration WHERE id = $1";
    let row = tx.query_one(sql, &[&id]).await.map_err(|e| RunError::records(tx, &e))?;
    let value: Option<serde_json::Value> = row.get(0);
    Ok(value.and_then(|v| serde_json::from_value(v).ok()).unwrap_or_default())
}

async fn save(tx: &Guarded<'_>, id: &str, cursor: &Cursor) -> Result<(), RunError> {
    let value = serde_json::to_value(cursor).expect("numbers and texts");
    let sql = "UPDATE nica.migration SET cursor = $2 WHERE id = $1";
    tx.execute(sql, &[&id, &value]).await.map_err(|e| RunError::records(tx, &e))?;
    Ok(())
}

/// `UPDATE table [AS alias] SET … [WHERE condition]`, taken apart by token.
struct Parts<'a> {
    table: String,
    alias: String,
    /// Up to WHERE.
    head: &'a str,
    condition: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(statement: &Statement<'a>) -> Result<Parts<'a>, String> {
        let tokens: Vec<_> = statement.sql().copied().collect();
        let set = tokens.iter().position(|t| t.is("set")).ok_or("an UPDATE has a SET")?;
        let named: Vec<_> = tokens[1..set].iter().filter(|t| !t.is("only") && !t.is("as")).collect();
        let end = table_tokens(&named);
        let table: String = named[..end].iter().map(|t| t.text).collect();
        let alias = named.get(end).map_or_else(|| table.clone(), |t| t.text.to_string());
        if top_level(&tokens, "returning").is_some() {
            return Err("a backfill returns nothing".to_string());
        }
        let offset = |t: &Token<'_>| t.text.as_ptr() as usize - statement.text.as_ptr() as usize;
        let text = statement.text;
        Ok(match top_level(&tokens, "where") {
            Some(at) => {
                let condition = offset(&tokens[at]) + "where".len();
                Parts {
                    table,
                    alias,
                    head: &text[..offset(&tokens[at])],
                    condition: Some(&text[condition..]),
                }
            }
            None => Parts { table, alias, head: text, condition: None },
        })
    }

    fn within(&self, key: &[Column], after: Option<&[String]>, last: &[String]) -> String {
        let columns = tuple(&format!("{}.", self.alias), key);
        let from = after.map(|a| format!("{columns} > {} AND ", literal_tuple(key, a))).unwrap_or_default();
        let own = self.condition.map(|c| format!(" AND ({c}\n)")).unwrap_or_default();
        format!("{}\nWHERE {from}{columns} <= {}{own}", self.head, literal_tuple(key, last))
    }
}

/// How many tokens the table's name has: `a`, `a . b`.
fn table_tokens(named: &[&Token<'_>]) -> usize {
    let mut end = 1;
    while named.get(end).is_some_and(|t| t.is_sign(".")) {
        end += 2;
    }
    end.min(named.len())
}

fn top_level(tokens: &[Token<'_>], word: &str) -> Option<usize> {
    let mut depth = 0_i32;
    tokens.iter().position(|token| {
        depth += i32::from(token.is_sign("(")) - i32::from(token.is_sign(")"));
        depth == 0 && token.is(word)
    })
}
