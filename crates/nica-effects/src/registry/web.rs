//! One GET, and what a registry says in its headers.

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeMap;

pub(super) struct Http(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// `Docker-Content-Digest`.
    pub(super) digest: Option<String>,
    pub(super) challenge: Option<Challenge>,
    /// Where it sends us.
    pub(super) location: Option<String>,
}

/// How the registry wants us to say who we are.
pub(super) struct Challenge {
    pub(super) scheme: String,
    words: BTreeMap<String, String>,
}

impl Http {
    pub(super) fn new() -> Http {
        let mut roots = rustls::RootCertStore::empty();
        // A root that cannot be read is one less to trust; with none left every handshake says so.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has ciphers for the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Http(Client::builder(TokioExecutor::new()).build(connector))
    }

    pub(super) async fn get(
        &self,
        url: &str,
        accept: &str,
        authorization: Option<&str>,
        max: usize,
    ) -> Result<Answer, String> {
        let agent = concat!("nica/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::get(url).header(ACCEPT, accept).header(USER_AGENT, agent);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::new()).map_err(|e| e.to_string())?;
        let answer = self.0.request(request).await.map_err(|e| causes(&e))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, max).collect().await.map_err(|e| e.to_string())?.to_bytes();
        let text = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_string);
        let (digest, location) = (text("docker-content-digest"), text("location"));
        Ok(Answer { status: head.status, body, digest, challenge: challenge(&head.headers), location })
    }
}

/// The client's own text says only that it failed; what failed stands below it.
fn causes(error: &dyn std::error::Error) -> String {
    let below = std::iter::successors(error.source(), |e| e.source()).last();
    below.map_or_else(|| error.to_string(), ToString::to_string)
}

fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let text = headers.get(WWW_AUTHENTICATE)?.to_str().ok()?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    Some(Challenge { scheme: scheme.to_ascii_lowercase(), words: words(rest) })
}

/// `realm="https://auth.example/token",service="x"`; a comma inside the quotes belongs to the value.
fn words(mut rest: &str) -> BTreeMap<String, String> {
    let mut words = BTreeMap::new();
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
            Some((value, next)) => (value, next),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        words.insert(key.trim_matches([' ', ',']).to_ascii_lowercase(), value.to_string());
        rest = next;
    }
    words
}

impl Challenge {
    /// Where a token for this scope is had. Never over plain text from another machine: it may cost a password.
    pub(super) fn token_url(&self, scope: &str) -> Result<String, String> {
        let realm = self.words.get("realm").ok_or("the registry does not say where")?;
        let at: http::Uri = realm.parse().map_err(|_| format!("it names no place to ask at: {realm}"))?;
        let plain = at.scheme_str() == Some("http") && at.host().is_some_and(is_loopback);
        if !plain && at.scheme_str() != Some("https") {
            return Err(format!("it would be asked without TLS at {realm}"));
        }
        let scope = self.words.get("scope").map_or(scope, String::as_str);
        let mut url =
            format!("{realm}{}scope={}", if realm.contains('?') { '&' } else { '?' }, encoded(scope));
        if let Some(service) = self.words.get("service") {
            url.push_str(&format!("&service={}", encoded(service)));
        }
        Ok(url)
    }
}

fn encoded(text: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// This very machine: what is said to it no network hears.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((inner, _)) => inner,
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
