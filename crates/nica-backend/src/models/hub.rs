//! What the hub says: which files a revision has, how each is named by its content, and their bytes.
//!
//! The token goes to the hub itself and nowhere else: large files are answered with a redirect to a store of its own.

use super::PrefetchError;
use crate::config;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HeaderValue, LOCATION, RANGE, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use std::time::Duration;

/// Until the head of an answer is there.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// The list of a repository's files.
const LIST_MAX: usize = 16 * 1024 * 1024;
const REDIRECTS_MAX: usize = 5;

pub(super) struct Hub {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    endpoint: String,
    host: String,
    authorization: Option<HeaderValue>,
}

/// A revision that is fixed by its commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) commit: String,
    pub(super) files: Vec<File>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Relative, with slashes, and never upwards.
    pub(super) path: String,
    pub(super) name: Name,
    pub(super) size: u64,
}

/// How a file is called by its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// Of the bytes: large files.
    Sha256(String),
    /// As git names a blob, by SHA-1: small files. It tells a broken transfer, not a forger.
    Git(String),
}

impl Name {
    pub(super) fn as_str(&self) -> &str {
        let (Name::Sha256(hex) | Name::Git(hex)) = self;
        hex
    }
}

impl Hub {
    pub(super) fn new(wanted: &config::Models) -> Result<Hub, PrefetchError> {
        let endpoint: Uri = wanted.endpoint.parse().expect("config has parsed this address before");
        let host = endpoint.authority().map(ToString::to_string).unwrap_or_default();
        let bearer = |token: &config::Secret| {
            HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .expect("config has seen it is visible ASCII")
        };
        if wanted.token.is_some() && endpoint.scheme_str() != Some("https") && !is_loopback(&endpoint) {
            return Err(PrefetchError::PlainToken { host });
        }
        let authorization = wanted.token.as_ref().map(bearer);
        Ok(Hub { client: client(), endpoint: wanted.endpoint.clone(), host, authorization })
    }

    pub(super) async fn snapshot(&self, repo: &str, revision: &str) -> Result<Snapshot, PrefetchError> {
        let what = format!("{repo} at {revision}");
        let url =
            format!("{}/api/models/{repo}/revision/{}?blobs=true", self.endpoint, escaped(revision, false));
        let answer = self.get(&url, 0, &what).await?;
        if !answer.status().is_success() {
            return Err(refused(what, answer.status().as_u16()));
        }
        let nonsense = |why: String| PrefetchError::Nonsense { what: what.clone(), why };
        let body = Limited::new(answer.into_body(), LIST_MAX).collect();
        let body = tokio::time::timeout(HEAD_LIMIT, body).await;
        let body = body
            .map_err(|_| nonsense("its list never ended".into()))?
            .map_err(|e| nonsense(e.to_string()))?;
        read(&body.to_bytes()).map_err(nonsense)
    }

    /// A file's bytes from `offset` on, if the hub can do that; the status tells.
    pub(super) async fn bytes(
        &self,
        repo: &str,
        commit: &str,
        file: &File,
        offset: u64,
    ) -> Result<Response<Incoming>, PrefetchError> {
        let url = format!("{}/{repo}/resolve/{commit}/{}", self.endpoint, escaped(&file.path, true));
        self.get(&url, offset, &format!("{} of {repo}", file.path)).await
    }

    async fn get(&self, url: &str, offset: u64, what: &str) -> Result<Response<Incoming>, PrefetchError> {
        let nonsense = |why: &str| PrefetchError::Nonsense { what: what.into(), why: why.into() };
        let mut at: Uri = url.parse().map_err(|_| nonsense("its address cannot be written"))?;
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.once(&at, offset).await?;
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            at = to.and_then(|to| resolved(&at, to)).ok_or_else(|| nonsense("it redirects to nowhere"))?;
        }
        Err(nonsense("it redirects without an end"))
    }

    async fn once(&self, at: &Uri, offset: u64) -> Result<Response<Incoming>, PrefetchError> {
        let host = at.authority().map(ToString::to_string).unwrap_or_default();
        let agent = concat!("nica-backend/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::get(at.clone()).header(USER_AGENT, agent);
        if let Some(authorization) = self.authorization.as_ref().filter(|_| self.is_home(at)) {
            request = request.header(AUTHORIZATION, authorization);
        }
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        let request = request.body(Empty::new()).expect("its parts are checked");
        let unreachable = |why: String| PrefetchError::Unreachable { host: host.clone(), why };
        let asked = tokio::time::timeout(HEAD_LIMIT, self.client.request(request)).await;
        asked.map_err(|_| unreachable("no answer".into()))?.map_err(|e| unreachable(causes(&e)))
    }

    /// The very hub that was configured: host, port and scheme.
    fn is_home(&self, at: &Uri) -> bool {
        let home: Option<Uri> = self.endpoint.parse().ok();
        at.authority().is_some_and(|there| there.as_str() == self.host)
            && home.is_some_and(|home| home.scheme() == at.scheme())
    }
}

pub(super) fn refused(what: String, status: u16) -> PrefetchError {
    match status {
        401 | 403 | 404 => PrefetchError::Denied { what, status },
        _ => PrefetchError::Answered { what, status },
    }
}

fn client() -> Client<HttpsConnector<HttpConnector>, Empty<Bytes>> {
    let mut roots = rustls::RootCertStore::empty();
    // A root that cannot be read is one less to trust; with none left every handshake says so.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has ciphers for the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    Client::builder(TokioExecutor::new()).build(connector)
}

/// The client's own text says only that it failed; what failed stands below it.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let below = std::iter::successors(error.source(), |e| e.source()).last();
    below.map_or_else(|| error.to_string(), ToString::to_string)
}

fn is_loopback(at: &Uri) -> bool {
    let host = at.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A `Location`, which may leave out what stays the same. From TLS it never leads out of it.
fn resolved(from: &Uri, to: &str) -> Option<Uri> {
    let absolute = if to.starts_with("//") {
        format!("{}:{to}", from.scheme_str()?)
    } else if to.starts_with('/') {
        format!("{}://{}{to}", from.scheme_str()?, from.authority()?)
    } else {
        to.to_string()
    };
    let uri: Uri = absolute.parse().ok()?;
    let downgraded = from.scheme_str() == Some("https") && uri.scheme_str() != Some("https");
    (uri.authority().is_some() && !downgraded).then_some(uri)
}

fn escaped(text: &str, slashes: bool) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
        b'/' if slashes => "/".into(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[derive(Deserialize)]
struct Listed {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Large>,
}

#[derive(Deserialize)]
struct Large {
    sha256: String,
    size: u64,
}

fn read(body: &[u8]) -> Result<Snapshot, String> {
    let listed: Listed =
        serde_json::from_slice(body).map_err(|error| format!("its list is none: {error}"))?;
    if !is_hex(&listed.sha, 40) {
        return Err(format!("it names commit {:?}", listed.sha));
    }
    let files = listed.siblings.into_iter().map(file).collect::<Result<Vec<File>, String>>()?;
    Ok(Snapshot { commit: listed.sha, files })
}

fn file(listed: Sibling) -> Result<File, String> {
    let path = listed.rfilename;
    let inside = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
    if !path.split('/').all(inside) {
        return Err(format!("it lists a file {path:?}, which leads out of its folder"));
    }
    match (listed.lfs, listed.blob_id, listed.size) {
        (Some(large), _, _) if is_hex(&large.sha256, 64) => {
            Ok(File { path, name: Name::Sha256(large.sha256), size: large.size })
        }
        (None, Some(id), Some(size)) if is_hex(&id, 40) => Ok(File { path, name: Name::Git(id), size }),
        _ => Err(format!("it does not say what {path} is by its content")),
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_each_file_by_its_content_or_is_refused() {
        let (commit, git, sha) = ("a".repeat(40), "b".repeat(40), "c".repeat(64));
        let list = |sha: &str, file: &str| format!(r#"{{"sha":"{sha}","siblings":[{file}]}}"#);
        let small = |path: &str| format!(r#"{{"rfilename":"{path}","size":3,"blobId":"{git}"}}"#);
        let large =
            format!(r#"{{"rfilename":"m","size":9,"blobId":"{git}","lfs":{{"sha256":"{sha}","size":9}}}}"#);
        let read = |text: String| read(text.as_bytes());
        let good = read(list(&commit, &small("1_Pooling/config.json"))).expect("good");
        assert_eq!(good.files[0].name, Name::Git(git.clone()));
        assert_eq!(read(list(&commit, &large)).expect("good").files[0].name, Name::Sha256(sha.clone()));
        for path in ["../x", "/etc/passwd", "a//b", "a/./b", ".."] {
            let why = read(list(&commit, &small(path))).expect_err(path);
            assert!(why.contains("leads out"), "{why}");
        }
        for (sha, file) in [("main", small("a")), (&*commit, r#"{"rfilename":"a"}"#.to_string())] {
            assert!(read(list(sha, &file)).is_err(), "{sha} {file}");
        }
    }

    #[test]
    fn a_redirect_is_followed_but_never_out_of_tls() {
        let check = |from: &str, to: &str, expected: Option<&str>| {
            let found = resolved(&from.parse().expect("an address"), to).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{from} {to}");
        };
        check("https://hub.test/a", "/b?c=1", Some("https://hub.test/b?c=1"));
        check("https://hub.test/a", "https://store.test/b", Some("https://store.test/b"));
        check("https://hub.test/a", "//store.test/b", Some("https://store.test/b"));
        check("https://hub.test/a", "http://store.test/b", None);
        check("http://127.0.0.1:1/a", "http://127.0.0.1:2/b", Some("http://127.0.0.1:2/b"));
        check("https://hub.test/a", "b", None);
    }
}
