//! An operator's word that a row is kept as it is, whatever the files say.

use super::{Params, SeedError, sql_error};
use serde_json::Value;
use tokio_postgres::{GenericClient, types::Type};

/// Mark or unmark the row; true when it is a recorded seed. `key` is the key's columns as an object.
///
/// # Errors
/// The connection is lost.
pub async fn mark_local(
    client: &impl GenericClient,
    table: &str,
    key: &Value,
    local: bool,
) -> Result<bool, SeedError> {
    let sql = "WITH unproven AS (DELETE FROM nica.seed_stamp WHERE \"table\" = $1)
        UPDATE nica.seed SET local = $3 WHERE \"table\" = $1 AND key::jsonb = $2";
    let params: Params<'_, 3> = [(&table, Type::TEXT), (key, Type::JSONB), (&local, Type::BOOL)];
    let written = client.execute_typed(sql, &params).await;
    Ok(written.map_err(sql_error(format!("mark a seed of {table}")))? > 0)
}
