//! The key that names of secrets are made with: a Secret of its own beside the environment's.
//!
//! Whoever may read it may read the values too, so it gives nothing away; Postgres never sees it. It belongs to no
//! run and carries no fence: it is made once and never changed.

use super::api::{About, No};
use super::error::{ClusterError, Meaning};
use super::names::{MANAGED_BY, MANAGER};
use super::{Cluster, object};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(super) const NAME: &str = "nica-key";
const FIELD: &str = "key";
const KEY_BYTES: usize = 32;

impl Cluster {
    /// The namespace's key, made where there is none. Two that find none both ask for one, and both use the first.
    pub async fn secret_key(&self) -> Result<Vec<u8>, ClusterError> {
        let resource = self.kinds().await?.get("Secret")?;
        let about = || About::new("create", "Secret", NAME);
        if let Some(there) = self.get(resource, NAME).await? {
            return key_of(&there);
        }
        match self.post(resource, NAME, &fresh()).await {
            Ok(made) => key_of(&made),
            // The first one's, or ours, whose answer did not come.
            Err(No::Said(Meaning::AlreadyExists, _) | No::Failed(ClusterError::NoAnswer { .. })) => {
                let there = self.get(resource, NAME).await?;
                key_of(&there.ok_or_else(|| ClusterError::Vanished { object: title() })?)
            }
            Err(No::Said(Meaning::NotFound, _)) => {
                Err(ClusterError::NoNamespace { namespace: self.namespace().to_string() })
            }
            Err(No::Said(Meaning::Forbidden, status)) => {
                Err(self.forbidden(about(), "create", resource, &status).await)
            }
            Err(no) => Err(no.into_error(about())),
        }
    }
}

fn title() -> String {
    format!("Secret/{NAME}")
}

fn fresh() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
        // Not labelled as the service's: it is no component, and nothing that belongs to a release.
        "metadata": { "name": NAME, "labels": { MANAGED_BY: MANAGER } },
        "data": { FIELD: STANDARD.encode(rand::random::<[u8; KEY_BYTES]>()) },
    })
}

fn key_of(secret: &Value) -> Result<Vec<u8>, ClusterError> {
    let text = object::text(secret, &format!("/data/{FIELD}")).unwrap_or_default();
    let key = STANDARD.decode(text).unwrap_or_default();
    if key.len() == KEY_BYTES {
        return Ok(key);
    }
    let why = format!(
        "its `{FIELD}` has not {KEY_BYTES} bytes; whoever changed it has to put it back, or delete it"
    );
    Err(ClusterError::Key { object: title(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_anything_else_is_no_key() {
        assert_eq!(key_of(&fresh()).map(|key| key.len()).ok(), Some(KEY_BYTES));
        assert_ne!(fresh(), fresh());
        for wrong in [json!({}), json!({ "data": { "key": "aaaa" } }), json!({ "data": { "key": "•" } })] {
            let told = key_of(&wrong).expect_err("it is none").to_string();
            assert!(told.starts_with("read Secret/nica-key: its `key` has not 32 bytes"), "{told}");
        }
    }
}
