//! What an image's tag means today: its digest, asked from its registry by the OCI distribution protocol.
//!
//! Reads only. The digest is computed from the bytes that came, and what the registry says of them must be the same. Over
//! TLS, except to this very machine. Credentials go to the registry and to where it sends us for a token, nowhere else.

mod credentials;
mod platforms;
mod reference;
mod web;

pub use credentials::{Credentials, Login, NotCredentials};
pub use reference::{NotAReference, Reference};

use hyper::StatusCode;
use nica_engine::Digest;
use std::time::Duration;
use web::{Answer, Http};

/// One request with its answer.
const LIMIT: Duration = Duration::from_secs(20);
/// Manifests are refused by registries above this.
const MANIFEST_MAX: usize = 4 * 1024 * 1024;
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("reach registry {host}: {why}; look at the address and the network, then try again")]
    Unreachable { host: String, why: String },
    #[error("ask {host} for {image}: it has no such image; push it, or name another tag with --image")]
    Absent { host: String, image: String },
    #[error("ask {host} for {image}: it refuses (status {status}); {next}")]
    Denied { host: String, image: String, status: u16, next: String },
    #[error(
        "ask {host} for {image}: it answers with status {status}; try again, or give the digest with --image"
    )]
    Answered { host: String, image: String, status: u16 },
    #[error("ask {host} for {image}: it says {said}, and what it sent is {found}; do not use this registry")]
    Altered { host: String, image: String, said: String, found: String },
    #[error("ask {host} for {image}: its token cannot be had: {why}; {next}")]
    Token { host: String, image: String, why: String, next: String },
}

pub struct Registry {
    http: Http,
    credentials: Credentials,
}

impl Registry {
    pub fn new(credentials: Credentials) -> Registry {
        Registry { http: Http::new(), credentials }
    }

    /// The digest that this tag has now, of the index where the image is for several platforms.
    pub async fn digest(&self, reference: &Reference) -> Result<Digest, RegistryError> {
        let (answer, _) = self.manifest(reference).await?;
        same(reference, &answer)
    }

    /// The manifest, and the header with which it was had.
    async fn manifest(&self, reference: &Reference) -> Result<(Answer, Option<String>), RegistryError> {
        let url = reference.manifest_url();
        let (mut answer, mut authorization) = (self.get(reference, &url, None).await?, None);
        if answer.status == StatusCode::UNAUTHORIZED {
            authorization = Some(self.authorization(reference, &answer).await?);
            answer = self.get(reference, &url, authorization.as_deref()).await?;
        }
        self.had(reference, answer).map(|answer| (answer, authorization))
    }

    fn had(&self, reference: &Reference, answer: Answer) -> Result<Answer, RegistryError> {
        match answer.status {
            StatusCode::OK => Ok(answer),
            StatusCode::NOT_FOUND => {
                Err(RegistryError::Absent { host: reference.host(), image: reference.to_string() })
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.denied(reference, answer.status)),
            status => Err(answered(reference, status)),
        }
    }

    async fn get(
        &self,
        reference: &Reference,
        url: &str,
        authorization: Option<&str>,
    ) -> Result<Answer, RegistryError> {
        let asked = self.http.get(url, ACCEPT, authorization, MANIFEST_MAX);
        let unreachable = |why| RegistryError::Unreachable { host: reference.host(), why };
        match tokio::time::timeout(LIMIT, asked).await {
            Ok(answer) => answer.map_err(unreachable),
            Err(_) => Err(unreachable(format!("no answer within {} s", LIMIT.as_secs()))),
        }
    }

    /// The header that the registry asks for: ours, or a token that its own service gives for them.
    async fn authorization(&self, reference: &Reference, answer: &Answer) -> Result<String, RegistryError> {
        let login = self.credentials.of(&reference.host());
        let Some(challenge) = &answer.challenge else { return Err(self.denied(reference, answer.status)) };
        match challenge.scheme.as_str() {
            "basic" => login.map(Login::basic).ok_or_else(|| self.denied(reference, answer.status)),
            "bearer" => self.token(reference, challenge, login).await,
            _ => Err(self.denied(reference, answer.status)),
        }
    }

    async fn token(
        &self,
        reference: &Reference,
        challenge: &web::Challenge,
        login: Option<&Login>,
    ) -> Result<String, RegistryError> {
        let (host, image) = (reference.host(), reference.to_string());
        let no = |why: String| {
            let next = self.next(&host);
            RegistryError::Token { host: host.clone(), image: image.clone(), why, next }
        };
        let url = challenge.token_url(&reference.scope()).map_err(&no)?;
        let basic = login.map(Login::basic);
        let answer = self.get(reference, &url, basic.as_deref()).await?;
        if answer.status != StatusCode::OK {
            return Err(no(format!("status {}", answer.status.as_u16())));
        }
        let body: serde_json::Value = serde_json::from_slice(&answer.body).map_err(|e| no(e.to_string()))?;
        let token = ["token", "access_token"].iter().find_map(|key| body.get(key)?.as_str());
        token.map(|token| format!("Bearer {token}")).ok_or_else(|| no("the answer holds none".into()))
    }

    fn denied(&self, reference: &Reference, status: StatusCode) -> RegistryError {
        let (host, image) = (reference.host(), reference.to_string());
        RegistryError::Denied { next: self.next(&host), host, image, status: status.as_u16() }
    }

    fn next(&self, host: &str) -> String {
        match self.credentials.helper_of(host) {
            Some(helper) => format!(
                "its credentials are kept by the helper {helper}, which is not asked: give the digest with --image"
            ),
            None => format!("docker login {host}, or give the digest with --image"),
        }
    }
}

fn same(reference: &Reference, answer: &Answer) -> Result<Digest, RegistryError> {
    let digest = Digest::of(&answer.body);
    let found = format!("sha256:{}", digest.as_str());
    match &answer.digest {
        Some(said) if *said != found => {
            let (host, image) = (reference.host(), reference.to_string());
            Err(RegistryError::Altered { host, image, said: said.clone(), found })
        }
        _ => Ok(digest),
    }
}

fn answered(reference: &Reference, status: StatusCode) -> RegistryError {
    RegistryError::Answered { host: reference.host(), image: reference.to_string(), status: status.as_u16() }
}

#[cfg(test)]
mod tests;
