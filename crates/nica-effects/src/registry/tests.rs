//! A registry of a few lines on loopback, and what is said to it.

use super::*;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const MANIFEST: &str = r#"{"schemaVersion":2}"#;

/// Answers each request by its head; what was asked is kept.
async fn registry(
    answer: impl Fn(&str, &str) -> String + Send + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (heads, asked) = (Arc::new(Mutex::new(Vec::new())), host.clone());
    let keep = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let text = answer(&head, &asked);
            keep.lock().unwrap().push(head);
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    });
    (host, heads)
}

fn said(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

async fn ask(host: &str, credentials: Credentials) -> Result<Digest, RegistryError> {
    let reference = format!("{host}/team/backend:1.2").parse().unwrap();
    Registry::new(credentials).digest(&reference).await
}

/// `auths` for one host.
fn login(host: &str) -> Credentials {
    let auth = "YW5hOnM6M2NyZXQ="; // ana:s:3cret
    Credentials::parse(&format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#)).unwrap()
}

#[tokio::test]
async fn a_digest_is_computed_from_the_bytes_that_came() {
    let (host, heads) = registry(|_, _| said("200 OK", "", MANIFEST)).await;
    assert_eq!(ask(&host, Credentials::default()).await.unwrap(), Digest::of(MANIFEST.as_bytes()));
    let head = heads.lock().unwrap()[0].to_lowercase();
    assert!(head.starts_with("get /v2/team/backend/manifests/1.2 http/1.1"), "{head}");
    assert!(
        head.contains("application/vnd.oci.image.index.v1+json") && !head.contains("authorization"),
        "{head}"
    );
}

#[tokio::test]
async fn a_registry_that_says_another_digest_is_not_believed() {
    let (host, _) = registry(|_, _| said("200 OK", "Docker-Content-Digest: sha256:beef\r\n", MANIFEST)).await;
    let error = ask(&host, Credentials::default()).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Altered { said, .. } if said == "sha256:beef"), "{error}");
}

#[tokio::test]
async fn basic_credentials_are_sent_when_they_are_asked_for() {
    let (host, _) = registry(|head, _| match head.contains("Basic YW5hOnM6M2NyZXQ=") {
        true => said("200 OK", "", MANIFEST),
        false => said("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", ""),
    })
    .await;
    assert!(ask(&host, login(&host)).await.is_ok());
    let error = ask(&host, login("other.example")).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "ask {host} for {host}/team/backend:1.2: it refuses (status 401); docker login {host}, or give the digest with --image"
        )
    );
    assert!(!format!("{:?}", login(&host)).contains("3cret"));
}

#[tokio::test]
async fn a_token_is_had_where_the_registry_says() {
    let (host, heads) = registry(|head, host| {
        if head.starts_with("GET /token?scope=repository%3Ateam%2Fbackend%3Apull&service=a%2Cb ") {
            return said("200 OK", "", r#"{"token":"t0ken"}"#);
        }
        match head.contains("Bearer t0ken") {
            true => said("200 OK", "", MANIFEST),
            false => {
                let challenge =
                    format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"a,b\"\r\n");
                said("401 Unauthorized", &challenge, "")
            }
        }
    })
    .await;
    assert!(ask(&host, login(&host)).await.is_ok());
    assert!(heads.lock().unwrap()[1].contains("Basic YW5hOnM6M2NyZXQ="));
    assert!(ask(&host, Credentials::default()).await.is_ok(), "a token may be free");
}

#[tokio::test]
async fn a_password_is_not_sent_over_plain_text_to_another_machine() {
    // The second one's host is what stands behind the @.
    for realm in ["http://auth.example/token", "http://127.0.0.1:x@auth.example/token"] {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"{realm}\"\r\n");
        let (host, _) = registry(move |_, _| said("401 Unauthorized", &challenge, "")).await;
        let error = ask(&host, login(&host)).await.unwrap_err().to_string();
        assert!(error.contains(&format!("without TLS at {realm}")), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_is_broken_are_told_apart() {
    let (absent, _) = registry(|_, _| said("404 Not Found", "", "")).await;
    assert!(matches!(ask(&absent, Credentials::default()).await, Err(RegistryError::Absent { .. })));
    let (broken, _) = registry(|_, _| said("503 Service Unavailable", "", "")).await;
    assert!(matches!(
        ask(&broken, Credentials::default()).await,
        Err(RegistryError::Answered { status: 503, .. })
    ));
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    assert!(matches!(ask(&gone, Credentials::default()).await, Err(RegistryError::Unreachable { .. })));
}

#[test]
fn references_are_read_as_docker_reads_them() {
    let check = |image: &str, url: &str| {
        let reference: Reference = image.parse().unwrap();
        assert_eq!((reference.manifest_url().as_str(), reference.to_string().as_str()), (url, image));
    };
    check("localhost:5000/a/b:1", "http://localhost:5000/v2/a/b/manifests/1");
    check("127.0.0.1:5000/b:1", "http://127.0.0.1:5000/v2/b/manifests/1");
    check("registry.example/b:1", "https://registry.example/v2/b/manifests/1");
    check("127.0.0.1.example/b:1", "https://127.0.0.1.example/v2/b/manifests/1");
    check("team/b:1", "https://registry-1.docker.io/v2/team/b/manifests/1");
    check("postgres:15", "https://registry-1.docker.io/v2/library/postgres/manifests/15");
    let digest = "a".repeat(64);
    check(
        &format!("r.example/b@sha256:{digest}"),
        &format!("https://r.example/v2/b/manifests/sha256:{digest}"),
    );
    for no in [
        "",
        "b",
        "r.example:5000/b",
        "r.example/B:1",
        "r.example/b:",
        "r.example/b:-x",
        "r.example/b@md5:aa",
        "r.example/b@sha256:AA",
        "r.example/:1",
        "r.example/../b:1",
        "r.example/b:1?x",
    ] {
        assert!(no.parse::<Reference>().is_err(), "{no}");
    }
}

#[test]
fn credentials_are_what_docker_wrote() {
    let text = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YTpi"},"r.example":{}},
                   "credHelpers":{"gcr.example":"gcloud"},"credsStore":"pass"}"#;
    let credentials = Credentials::parse(text).unwrap();
    assert_eq!(credentials.of("docker.io").map(Login::basic).as_deref(), Some("Basic YTpi"));
    assert!(credentials.of("r.example").is_none());
    assert_eq!(credentials.helper_of("gcr.example"), Some("gcloud"));
    assert_eq!(
        (credentials.helper_of("r.example"), credentials.helper_of("docker.io")),
        (Some("pass"), None)
    );
    let wrong = |text: &str| Credentials::parse(text).unwrap_err().to_string();
    assert_eq!(
        wrong("{\n\"auths\": \"s3cret\"}"),
        "it is no Docker configuration (line 2); correct it, or move it away"
    );
    assert_eq!(
        wrong(r#"{"auths":{"r.example":{"auth":"%%"}}}"#),
        "what stands under r.example is no base64 of name:password; log in to r.example again"
    );
}

async fn platforms(manifest: &str, config: &str) -> Result<Vec<String>, RegistryError> {
    let (manifest, config) = (manifest.to_string(), config.to_string());
    let (host, heads) = registry(move |head, host| match head {
        head if head.contains("/manifests/") => said("200 OK", "", &manifest),
        head if head.contains("/blobs/") => {
            said("307 Temporary Redirect", &format!("Location: http://{host}/kept\r\n"), "")
        }
        _ => said("200 OK", "", &config),
    })
    .await;
    let reference = format!("{host}/team/backend:1.2").parse().unwrap();
    let found = Registry::new(Credentials::default()).platforms(&reference).await;
    assert!(heads.lock().unwrap().len() <= 3);
    found
}

#[tokio::test]
async fn an_image_says_which_machines_it_is_made_for() {
    let index = r#"{"manifests":[{"platform":{"os":"linux","architecture":"amd64"}},
        {"platform":{"os":"linux","architecture":"arm64","variant":"v8"}},
        {"platform":{"os":"unknown","architecture":"unknown"}}]}"#;
    assert_eq!(platforms(index, "").await.unwrap(), ["linux/amd64", "linux/arm64/v8"]);
    let config = r#"{"os":"linux","architecture":"s390x"}"#;
    let digest = Digest::of(config.as_bytes());
    let single = format!(r#"{{"config":{{"digest":"sha256:{digest}"}}}}"#);
    assert_eq!(platforms(&single, config).await.unwrap(), ["linux/s390x"]);
    let altered = platforms(&single, r#"{"os":"linux","architecture":"amd64"}"#).await;
    assert!(matches!(altered, Err(RegistryError::Altered { .. })), "{altered:?}");
    assert_eq!(platforms(MANIFEST, "").await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_asked_for_by_digest_is_what_comes() {
    let (host, _) = registry(|_, _| said("200 OK", "", MANIFEST)).await;
    let ask = async |digest: Digest| {
        let reference = format!("{host}/team/backend@sha256:{digest}").parse().unwrap();
        Registry::new(Credentials::default()).platforms(&reference).await
    };
    assert!(ask(Digest::of(MANIFEST.as_bytes())).await.is_ok());
    let other = ask(Digest::of(b"another")).await;
    assert!(matches!(other, Err(RegistryError::Altered { .. })), "{other:?}");
}
