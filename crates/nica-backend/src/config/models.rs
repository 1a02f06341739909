//! Which models are fetched from a hub, and where they go.

use super::Secret;
use super::reader::Reader;
use hyper::Uri;
use std::path::PathBuf;
use std::time::Duration;

/// Where `HF_TOKEN_PATH` leads unless it is set; there need not be a file.
const TOKEN: &str = "/run/secrets/huggingface_token";

#[derive(Clone, Debug)]
pub struct Models {
    /// `HF_MODEL_REPOS`, none: `owner/name`, separated by commas or spaces.
    pub repos: Vec<String>,
    /// `HF_REVISION`, main: a branch, a tag or a commit, the same for all of them.
    pub revision: String,
    /// `HF_ENDPOINT`, <https://huggingface.co>: the hub, without a slash at the end.
    pub endpoint: String,
    /// `HF_HOME`, /var/huggingface: snapshots go below `hub` in it.
    pub home: PathBuf,
    /// `HF_TOKEN_PATH`, /run/secrets/huggingface_token: a file with the token; without one only public models are had.
    pub token: Option<Secret>,
    /// `HF_PREFETCH_TIMEOUT_MS`, 600000: all of them together; what is half there is continued by the next start.
    pub limit: Duration,
}

impl Models {
    /// None without `HF_MODEL_REPOS`.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Models> {
        let repos = repos(reader)?;
        Some(Models {
            repos,
            revision: revision(reader),
            endpoint: endpoint(reader),
            home: reader.text("HF_HOME").unwrap_or_else(|| "/var/huggingface".into()).into(),
            token: token(reader),
            limit: reader.millis("HF_PREFETCH_TIMEOUT_MS", 600_000, 100..=86_400_000),
        })
    }
}

fn repos(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let text = reader.text("HF_MODEL_REPOS")?;
    let repos: Vec<String> =
        text.split([',', ' ', '\n']).filter(|repo| !repo.is_empty()).map(String::from).collect();
    for repo in repos.iter().filter(|repo| !is_name(repo, 2)) {
        let next = "set HF_MODEL_REPOS to names such as owner/model, separated by commas";
        reader.mistake("HF_MODEL_REPOS", format!("names `{repo}`"), next);
    }
    Some(repos).filter(|repos| !repos.is_empty())
}

fn revision(reader: &mut Reader<'_>) -> String {
    let revision = reader.text("HF_REVISION").unwrap_or_else(|| "main".into());
    if !is_name(&revision, 4) {
        let next = "set HF_REVISION to a branch, a tag or a commit";
        reader.mistake("HF_REVISION", format!("is `{revision}`"), next);
    }
    revision
}

/// Becomes part of paths and addresses: letters, digits and a few marks, and no step upwards.
fn is_name(text: &str, parts_max: usize) -> bool {
    let mark = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(mark);
    text.split('/').count() <= parts_max && text.split('/').all(part)
}

fn endpoint(reader: &mut Reader<'_>) -> String {
    let text = reader.text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
    let address: Option<Uri> = text.parse().ok();
    let schemes = [Some("http"), Some("https")];
    if !address.is_some_and(|uri| schemes.contains(&uri.scheme_str()) && uri.query().is_none()) {
        let next = "set HF_ENDPOINT to the hub's address, beginning with https://";
        reader.mistake("HF_ENDPOINT", format!("is `{text}`"), next);
    }
    text.trim_end_matches('/').to_string()
}

/// An empty file is no token: orchestrators mount one where a secret is optional.
fn token(reader: &mut Reader<'_>) -> Option<Secret> {
    let named = reader.text("HF_TOKEN_PATH");
    let next = "let HF_TOKEN_PATH name a file with nothing but the token, or unset it";
    match std::fs::read_to_string(named.as_deref().unwrap_or(TOKEN)) {
        Ok(text) if text.trim().bytes().all(|byte| byte.is_ascii_graphic()) => {
            Some(text.trim()).filter(|token| !token.is_empty()).map(|token| Secret::new(token.to_string()))
        }
        Ok(_) => {
            reader.mistake("HF_TOKEN_PATH", "names a file that is no token", next);
            None
        }
        Err(error) if named.is_some() => {
            reader.mistake("HF_TOKEN_PATH", format!("names a file that cannot be read: {error}"), next);
            None
        }
        Err(_) => None,
    }
}
