//! `registry.example:5000/team/backend:1.2`, `…@sha256:…`: which image, where.

use nica_engine::Digest;
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// As it was written: without tag and digest.
    repository: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Tag(String),
    Digest(Digest),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("read image `{image}`: {why}")]
pub struct NotAReference {
    image: String,
    why: &'static str,
}

/// What is meant where no registry is written; Docker's rule.
const DOCKER: &str = "docker.io";

impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(image: &str) -> Result<Reference, NotAReference> {
        let no = |why| NotAReference { image: image.to_string(), why };
        let (tagged, digest) = match image.split_once('@') {
            Some((tagged, digest)) => (tagged, Some(digest)),
            None => (image, None),
        };
        let path = tagged.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match tagged[path..].find(':') {
            Some(colon) => (&tagged[..path + colon], Some(&tagged[path + colon + 1..])),
            None => (tagged, None),
        };
        if let Some(digest) = digest {
            let digits = digest.strip_prefix("sha256:").ok_or_else(|| no("only sha256 digests are known"))?;
            let digest = Digest::try_from(digits.to_string());
            let digest = digest.map_err(|_| no("after @sha256: come 64 lower-case hex digits"))?;
            return Reference { repository: repository.into(), what: What::Digest(digest) }.checked(image);
        }
        let tag = tag.ok_or_else(|| no("it needs a tag or a digest: write `:1.2` or `@sha256:…`"))?;
        Reference::tagged(repository, tag)
    }
}

impl Reference {
    pub fn tagged(repository: &str, tag: &str) -> Result<Reference, NotAReference> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let begins = tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let image = format!("{repository}:{tag}");
        if !begins || tag.len() > 128 || !tag.chars().all(fits) {
            let why = "a tag has letters, digits, `_`, `.` and `-`, at most 128; name the image with --image";
            return Err(NotAReference { image, why });
        }
        Reference { repository: repository.into(), what: What::Tag(tag.into()) }.checked(&image)
    }

    fn checked(self, image: &str) -> Result<Reference, NotAReference> {
        let part = |p: &str| {
            let inner =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
            !p.is_empty() && p.chars().all(inner) && p.starts_with(|c: char| c.is_ascii_alphanumeric())
        };
        match self.path().split('/').all(part) && !self.host().is_empty() {
            true => Ok(self),
            false => Err(NotAReference {
                image: image.into(),
                why: "its repository is written like registry.example/team/name",
            }),
        }
    }

    pub fn repository(&self) -> &str {
        &self.repository
    }

    pub fn digest(&self) -> Option<&Digest> {
        match &self.what {
            What::Digest(digest) => Some(digest),
            What::Tag(_) => None,
        }
    }

    /// With a port where one is written.
    pub fn host(&self) -> String {
        match self.repository.split_once('/') {
            Some((host, _)) if is_host(host) => host.to_string(),
            _ => DOCKER.to_string(),
        }
    }

    fn path(&self) -> String {
        match self.repository.split_once('/') {
            Some((host, path)) if is_host(host) => path.to_string(),
            Some(_) => self.repository.clone(),
            None => format!("library/{}", self.repository),
        }
    }

    pub(super) fn manifest_url(&self) -> String {
        let what = match &self.what {
            What::Tag(tag) => tag.clone(),
            What::Digest(digest) => format!("sha256:{}", digest.as_str()),
        };
        format!("{}/manifests/{what}", self.base_url())
    }

    pub(super) fn blob_url(&self, digest: &Digest) -> String {
        format!("{}/blobs/sha256:{}", self.base_url(), digest.as_str())
    }

    fn base_url(&self) -> String {
        let host = self.host();
        let scheme = if super::web::is_loopback(&host) { "http" } else { "https" };
        let host = if host == DOCKER { "registry-1.docker.io" } else { &host };
        format!("{scheme}://{host}/v2/{}", self.path())
    }

    pub(super) fn scope(&self) -> String {
        format!("repository:{}:pull", self.path())
    }
}

/// A first part is a registry when it could be nothing else.
fn is_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            What::Digest(digest) => write!(f, "{}@sha256:{}", self.repository, digest.as_str()),
        }
    }
}
