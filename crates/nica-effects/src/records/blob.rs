//! Immutable content, named by its SHA-256: plans, SQL texts, seed files, applied configurations.

use super::RecordError;
use nica_engine::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::{GenericClient, Transaction};

pub async fn put(tx: &Transaction<'_>, kind: &str, bytes: &[u8]) -> Result<Digest, RecordError> {
    let digest = Digest::of(bytes);
    let insert = "INSERT INTO nica.blob (sha256, kind, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    tx.execute(insert, &[&digest.as_str(), &kind, &bytes]).await?;
    Ok(digest)
}

pub async fn put_value<T: Serialize>(
    tx: &Transaction<'_>,
    kind: &str,
    value: &T,
) -> Result<Digest, RecordError> {
    put(tx, kind, &nica_engine::canonical::to_bytes(value)).await
}

pub async fn get(client: &impl GenericClient, name: &Digest) -> Result<Vec<u8>, RecordError> {
    let select = "SELECT bytes FROM nica.blob WHERE sha256 = $1";
    let row =
        client.query_opt(select, &[&name.as_str()]).await?.ok_or_else(|| damaged(name, "it is missing"))?;
    let bytes: Vec<u8> = row.get(0);
    if Digest::of(&bytes) == *name { Ok(bytes) } else { Err(damaged(name, "its content has another hash")) }
}

/// As `get`; none where it was never kept.
pub async fn find(client: &impl GenericClient, name: &Digest) -> Result<Option<Vec<u8>>, RecordError> {
    let exists = "SELECT EXISTS (SELECT FROM nica.blob WHERE sha256 = $1)";
    let exists: bool = client.query_one(exists, &[&name.as_str()]).await?.get(0);
    if exists { get(client, name).await.map(Some) } else { Ok(None) }
}

pub async fn get_text(client: &impl GenericClient, name: &Digest) -> Result<String, RecordError> {
    String::from_utf8(get(client, name).await?).map_err(|e| damaged(name, &e.to_string()))
}

pub async fn get_value<T: DeserializeOwned>(
    client: &impl GenericClient,
    name: &Digest,
) -> Result<T, RecordError> {
    serde_json::from_slice(&get(client, name).await?).map_err(|e| damaged(name, &e.to_string()))
}

fn damaged(name: &Digest, why: &str) -> RecordError {
    RecordError::Damaged { what: "blob", key: name.to_string(), why: why.to_string() }
}
