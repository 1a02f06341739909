//! The schema as `pg_dump` tells it, made independent of the order in which it came to be.
//!
//! A column that was dropped and added again stands last; so columns are sorted by name inside their table.
//! NICA's own schemas are not part of it: they are records, not state.

use crate::kill::cluster::{Cluster, DATABASE, OWNER, program};
use crate::kill::proc;
use anyhow::Result;
use std::process::Command;

pub(crate) fn schema(cluster: &Cluster) -> Result<Vec<String>> {
    let mut dump = Command::new(program("pg_dump")?);
    dump.args(["--schema-only", "--restrict-key=sweep", "-N", "nica", "-N", "nica_attic", "-U", OWNER, "-h"])
        .arg(cluster.socket_folder())
        .arg(DATABASE);
    let mut lines = sorted_columns(&proc::must_succeed(&mut dump, "dump the schema")?);
    lines.extend(cluster.psql(INVALID)?.lines().map(str::to_string));
    Ok(lines)
}

/// pg_dump leaves out what a build that was cut off left behind.
const INVALID: &str =
    "SELECT 'invalid index ' || indexrelid::regclass FROM pg_index WHERE NOT indisvalid ORDER BY 1";

fn sorted_columns(dump: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut columns: Option<Vec<String>> = None;
    for line in dump.lines().filter(|line| !line.is_empty() && !line.starts_with("--")) {
        match &mut columns {
            Some(inside) if line.starts_with(')') => {
                inside.sort();
                lines.append(inside);
                lines.push(line.to_string());
                columns = None;
            }
            Some(inside) => inside.push(line.trim_end_matches(',').to_string()),
            None => lines.push(line.to_string()),
        }
        if line.starts_with("CREATE TABLE ") && line.ends_with('(') {
            columns = Some(Vec::new());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_in_the_order_of_their_names() {
        let dump = |columns: &str| format!("--\n\nCREATE TABLE public.t (\n{columns}\n);\nALTER TABLE x;\n");
        let one = sorted_columns(&dump("    id text NOT NULL,\n    mood text"));
        assert_eq!(one, sorted_columns(&dump("    mood text,\n    id text NOT NULL")));
        assert_eq!(one[0], "CREATE TABLE public.t (");
        assert_ne!(one, sorted_columns(&dump("    id text NOT NULL")));
    }
}
