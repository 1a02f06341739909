//! Which machines an image is made for: what its index says of each entry, or the configuration of a single image.

use super::{Reference, Registry, RegistryError, same};
use hyper::StatusCode;
use nica_engine::Digest;
use serde_json::Value;

/// A registry may keep its blobs somewhere else; one step further there is nothing to look for.
const REDIRECTS: usize = 3;

impl Registry {
    /// `linux/amd64`, `linux/arm64/v8`; empty where the image says nothing.
    pub async fn platforms(&self, reference: &Reference) -> Result<Vec<String>, RegistryError> {
        let (answer, authorization) = self.manifest(reference).await?;
        let digest = same(reference, &answer)?;
        if let Some(wanted) = reference.digest().filter(|wanted| **wanted != digest) {
            let (host, image) = (reference.host(), reference.to_string());
            let (said, found) = (format!("sha256:{wanted}"), format!("sha256:{digest}"));
            return Err(RegistryError::Altered { host, image, said, found });
        }
        let manifest: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if let Some(entries) = manifest.get("manifests").and_then(Value::as_array) {
            return Ok(entries.iter().filter_map(|entry| platform(entry.get("platform")?)).collect());
        }
        let config = manifest.pointer("/config/digest").and_then(Value::as_str);
        let config = config.and_then(|text| Digest::try_from(text.strip_prefix("sha256:")?.to_string()).ok());
        let Some(config) = config else { return Ok(Vec::new()) };
        let config = self.config(reference, &config, authorization).await?;
        Ok(platform(&config).into_iter().collect())
    }

    async fn config(
        &self,
        reference: &Reference,
        digest: &Digest,
        authorization: Option<String>,
    ) -> Result<Value, RegistryError> {
        let (mut url, mut authorization) = (reference.blob_url(digest), authorization);
        for _ in 0..REDIRECTS {
            let answer = self.get(reference, &url, authorization.as_deref()).await?;
            match (&answer.location, answer.status.is_redirection()) {
                // Whoever keeps it is told nothing that is meant for the registry.
                (Some(location), true) => (url, authorization) = (location.clone(), None),
                _ => {
                    let answer = self.had(reference, answer)?;
                    let found = Digest::of(&answer.body);
                    if found != *digest {
                        let (host, image) = (reference.host(), reference.to_string());
                        let (said, found) = (format!("sha256:{digest}"), format!("sha256:{found}"));
                        return Err(RegistryError::Altered { host, image, said, found });
                    }
                    return Ok(serde_json::from_slice(&answer.body).unwrap_or_default());
                }
            }
        }
        Err(super::answered(reference, StatusCode::LOOP_DETECTED))
    }
}

/// What an index keeps of attestations has the platform `unknown`.
fn platform(value: &Value) -> Option<String> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (os, architecture) = (text("os")?, text("architecture")?);
    let variant = text("variant").map(|variant| format!("/{variant}")).unwrap_or_default();
    (os != "unknown").then(|| format!("{os}/{architecture}{variant}"))
}
