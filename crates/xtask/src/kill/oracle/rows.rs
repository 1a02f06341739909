//! Managed rows, and whether what people wrote is still there: by value, in the table or in the attic.

use crate::kill::cluster::Cluster;
use crate::kill::writer::{Value, Written};
use anyhow::Result;
use std::collections::BTreeMap;

/// The fixture's only managed table.
pub(super) fn seeds(cluster: &Cluster) -> Result<Vec<String>> {
    lines(cluster, "SELECT metric, value, retired IS NOT NULL FROM limits ORDER BY metric")
}

fn lines(cluster: &Cluster, sql: &str) -> Result<Vec<String>> {
    Ok(cluster.psql(sql)?.lines().map(str::to_string).collect())
}

/// Everything in the attic, whatever its tables look like.
pub(crate) struct Attic(String);

impl Attic {
    pub(crate) fn read(cluster: &Cluster) -> Result<Attic> {
        let tables = lines(
            cluster,
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'nica_attic'",
        )?;
        let mut text = String::new();
        for table in tables {
            text += &cluster.psql(&format!("SELECT t::text FROM {table} t"))?;
            text.push('\n');
        }
        Ok(Attic(text))
    }

    /// For a world in which nothing may be left there.
    pub(crate) fn none() -> Attic {
        Attic(String::new())
    }

    fn holds(&self, value: &str) -> bool {
        self.0.contains(value)
    }
}

/// What was acknowledged and is not there, and what was cleared and came back; empty is good.
pub(crate) fn lost(cluster: &Cluster, attic: &Attic, written: &Written) -> Result<Vec<String>> {
    let bodies = column(cluster, "body")?;
    let has_mood = "SELECT count(*) FROM pg_attribute
        WHERE attrelid = 'note'::regclass AND attname = 'mood' AND NOT attisdropped";
    let moods = if cluster.psql(has_mood)? == "1" { column(cluster, "mood")? } else { BTreeMap::new() };
    Ok(shortened(compare(&bodies, &moods, attic, written)))
}

fn compare(bodies: &Column, moods: &Column, attic: &Attic, written: &Written) -> Vec<String> {
    let mut lost = Vec::new();
    for (id, row) in written {
        if bodies.get(id) != Some(&row.body) {
            lost.push(format!("row {id}: {:?} was acknowledged, {:?} is there", row.body, bodies.get(id)));
        }
        let mood = moods.get(id).map(String::as_str).unwrap_or_default();
        match &row.mood {
            Some(Value::There(value)) if mood != value && !attic.holds(value) => {
                lost.push(format!("row {id}: mood {value:?} was acknowledged, {mood:?} is there"));
            }
            Some(Value::Cleared(value)) if mood == value || attic.holds(value) => {
                lost.push(format!("row {id}: mood {value:?} was cleared and came back"));
            }
            _ => {}
        }
    }
    lost
}

/// The first few and how many there are.
fn shortened(mut lost: Vec<String>) -> Vec<String> {
    const SHOWN: usize = 3;
    if lost.len() > SHOWN {
        let more = lost.len() - SHOWN;
        lost.truncate(SHOWN);
        lost.push(format!("and {more} rows more"));
    }
    lost
}

/// Row → value.
type Column = BTreeMap<String, String>;

fn column(cluster: &Cluster, name: &str) -> Result<Column> {
    let rows = lines(cluster, &format!("SELECT id, {name} FROM note"))?;
    let pair = |row: &String| row.split_once('|').map(|(id, value)| (id.to_string(), value.to_string()));
    Ok(rows.iter().filter_map(pair).collect())
}
