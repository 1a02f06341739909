//! One request to the API server, each with a limit; and which of them may be repeated.
//!
//! A read is repeated while it can help. A write is repeated only where the server certainly did nothing: no connection
//! was made, it was too busy, or it says 403 right after its start.

use super::error::{ClusterError, Meaning, Unanswered, meaning, refusal};
use super::names::MANAGER;
use super::{Cluster, object};
use futures_util::AsyncReadExt as _;
use kube::core::discovery::ApiResource;
use kube::core::params::{ListParams, VersionMatch};
use kube::core::{DynamicObject, Request, Resource as _, Status};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// A healthy API server answers in milliseconds, one that restarts in three seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long an API server that cannot be reached, or is too busy, is asked again.
pub(super) const PATIENCE: Duration = Duration::from_secs(25);
/// Until it has loaded who may do what, an API server answers 403 to everybody: seconds.
const FORBIDDEN_PATIENCE: Duration = Duration::from_secs(6);
const PAUSE: Duration = Duration::from_millis(150);
/// Objects per page of a list.
const PAGE: u32 = 500;

/// What a request is about, for errors.
pub(super) struct About {
    pub what: String,
    pub is_secret: bool,
}

/// The answer to a write that the server did not carry out.
pub(super) enum No {
    Said(Meaning, Box<Status>),
    Failed(ClusterError),
}

impl From<ClusterError> for No {
    fn from(error: ClusterError) -> No {
        No::Failed(error)
    }
}

pub(super) struct List<T> {
    pub items: Vec<T>,
    pub version: String,
}

#[derive(serde::Deserialize)]
struct Page<T> {
    metadata: PageMeta,
    items: Vec<T>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(rename = "continue")]
    next: Option<String>,
}

impl About {
    pub(super) fn new(verb: &str, kind: &str, name: &str) -> About {
        About { what: format!("{verb} {kind}/{name}"), is_secret: kind == "Secret" }
    }

    pub(super) fn refused(self, status: &Status) -> ClusterError {
        refusal(self.what, status, self.is_secret)
    }
}

impl No {
    /// Where no answer of the server is expected.
    pub(super) fn into_error(self, about: About) -> ClusterError {
        match self {
            No::Failed(error) => error,
            No::Said(_, status) => about.refused(&status),
        }
    }
}

impl Cluster {
    pub(super) fn path(&self, resource: &ApiResource) -> String {
        DynamicObject::url_path(resource, Some(self.namespace()))
    }

    /// One object as it is now, not as a cache remembers it; none where it is not there.
    pub(super) async fn get(
        &self,
        resource: &ApiResource,
        name: &str,
    ) -> Result<Option<Value>, ClusterError> {
        let about = About::new("read", &resource.kind, name);
        let url = format!("{}/{name}", self.path(resource));
        let make = || http::Request::get(&url).body(Vec::new()).expect("a path of ours is a URL");
        match self.read(&about, &make).await? {
            Ok(text) => parse(&about, &text).map(Some),
            Err((Meaning::NotFound, _)) => Ok(None),
            Err((_, status)) => Err(about.refused(&status)),
        }
    }

    /// Every object that the selector finds, as they are now: without a `resourceVersion` the API server asks its
    /// storage what is newest, and answers with nothing older.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        resource: &ApiResource,
        selector: Option<&str>,
    ) -> Result<List<T>, ClusterError> {
        let about = About { what: format!("list {}", resource.plural), is_secret: resource.kind == "Secret" };
        let end = Instant::now() + PATIENCE;
        loop {
            match self.pages(resource, selector, &about).await? {
                Some(list) => return Ok(list),
                // The pages were read for longer than the server remembers: from the first one again.
                None if Instant::now() < end => {}
                None => return Err(ClusterError::Answer { what: about.what }),
            }
        }
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        resource: &ApiResource,
        selector: Option<&str>,
        about: &About,
    ) -> Result<Option<List<T>>, ClusterError> {
        let request = Request::new(self.path(resource));
        let mut params = ListParams {
            label_selector: selector.map(str::to_string),
            limit: Some(PAGE),
            version_match: None::<VersionMatch>,
            ..ListParams::default()
        };
        let mut list = List { items: Vec::new(), version: String::new() };
        loop {
            let make = || request.list(&params).expect("a list without a version is valid");
            let text = match self.read(about, &make).await? {
                Ok(text) => text,
                Err((Meaning::Expired, _)) => return Ok(None),
                Err((Meaning::NotFound, _)) => return Ok(Some(list)),
                Err((_, status)) => return Err(refusal(about.what.clone(), &status, about.is_secret)),
            };
            let page: Page<T> = parse(about, &text)?;
            list.items.extend(page.items);
            if list.version.is_empty() {
                list.version = page.metadata.resource_version;
            }
            match page.metadata.next.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(Some(list)),
            }
        }
    }

    /// Asks until there is an answer that counts. A 403 that stays is the answer.
    pub(super) async fn read(
        &self,
        about: &About,
        make: &(dyn Fn() -> http::Request<Vec<u8>> + Sync),
    ) -> Result<Result<String, (Meaning, Box<Status>)>, ClusterError> {
        let begun = Instant::now();
        loop {
            let why = match self.send(make()).await {
                Ok(text) => return Ok(Ok(text)),
                Err(Unanswered::Said(status)) => match meaning(&status) {
                    Meaning::Forbidden if begun.elapsed() >= FORBIDDEN_PATIENCE => {
                        return Err(denied(about, &status));
                    }
                    Meaning::Forbidden | Meaning::Busy | Meaning::Broken => words(&status),
                    other => return Ok(Err((other, status))),
                },
                Err(Unanswered::NotSent(why) | Unanswered::Lost(why)) => why,
            };
            if begun.elapsed() >= PATIENCE {
                return Err(ClusterError::Unreachable { what: about.what.clone(), why });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends it once more only where nothing was done.
    pub(super) async fn write(
        &self,
        about: &About,
        make: &(dyn Fn() -> http::Request<Vec<u8>> + Sync),
    ) -> Result<Value, No> {
        let begun = Instant::now();
        let no_answer = |why: String| ClusterError::NoAnswer { what: about.what.clone(), why };
        loop {
            let why = match self.send(make()).await {
                Ok(text) => return Ok(parse(about, &text)?),
                Err(Unanswered::Lost(why)) => return Err(no_answer(why).into()),
                Err(Unanswered::NotSent(why)) => why,
                Err(Unanswered::Said(status)) => match meaning(&status) {
                    Meaning::Broken => return Err(no_answer(words(&status)).into()),
                    Meaning::Forbidden if begun.elapsed() >= FORBIDDEN_PATIENCE => {
                        return Err(No::Said(Meaning::Forbidden, status));
                    }
                    Meaning::Forbidden | Meaning::Busy => words(&status),
                    other => return Err(No::Said(other, status)),
                },
            };
            if begun.elapsed() >= PATIENCE {
                return Err(ClusterError::Unreachable { what: about.what.clone(), why }.into());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) async fn send(&self, request: http::Request<Vec<u8>>) -> Result<String, Unanswered> {
        let answer = tokio::time::timeout(ANSWER_LIMIT, self.inner.client.request_text(request)).await;
        match answer {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Unanswered::Lost(format!("none came within {} s", ANSWER_LIMIT.as_secs()))),
        }
    }

    /// As `send`, of what others say: no more of it than `bytes_max`.
    pub(super) async fn send_bounded(
        &self,
        request: http::Request<Vec<u8>>,
        bytes_max: u64,
    ) -> Result<String, Unanswered> {
        let asked = async {
            let answer = self.inner.client.request_stream(request).await?;
            let mut text = String::new();
            let read = answer.take(bytes_max + 1).read_to_string(&mut text).await;
            read.map_err(|error| Unanswered::Lost(error.to_string()))?;
            if text.len() as u64 > bytes_max {
                return Err(Unanswered::Lost(format!("it is longer than {bytes_max} bytes")));
            }
            Ok(text)
        };
        let late = |_| Unanswered::Lost(format!("none came within {} s", ANSWER_LIMIT.as_secs()));
        tokio::time::timeout(ANSWER_LIMIT, asked).await.map_err(late)?
    }

    /// A 403 that stays is a missing permission, or an admission or a quota that says no: only asking tells them apart.
    pub(super) async fn forbidden(
        &self,
        about: About,
        verb: &str,
        resource: &ApiResource,
        status: &Status,
    ) -> ClusterError {
        match self.may(&resource.group, &resource.plural, verb).await {
            Ok(true) => about.refused(status),
            _ => denied(&about, status),
        }
    }

    /// Whether this account may; a part of a resource is written `pods/log`.
    pub(super) async fn may(&self, group: &str, plural: &str, verb: &str) -> Result<bool, ClusterError> {
        let (plural, part) = plural.split_once('/').unwrap_or((plural, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "namespace": self.namespace(), "verb": verb, "group": group, "resource": plural, "subresource": part,
            } },
        });
        let about = About { what: "ask what this account may".to_string(), is_secret: false };
        let url = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let make = || body(http::Request::post(url), "application/json", &review);
        match self.read(&about, &make).await? {
            Ok(text) => {
                let answer: Value = parse(&about, &text)?;
                Ok(answer.pointer("/status/allowed") == Some(&Value::Bool(true)))
            }
            Err((_, status)) => Err(about.refused(&status)),
        }
    }
}

fn denied(about: &About, status: &Status) -> ClusterError {
    ClusterError::Denied { what: about.what.clone(), reason: format!("{} {}", status.code, status.reason) }
}

fn words(status: &Status) -> String {
    format!("it says {} {}", status.code, status.reason)
}

/// What could not be understood is not repeated: it may carry anything.
fn parse<T: DeserializeOwned>(about: &About, text: &str) -> Result<T, ClusterError> {
    serde_json::from_str(text).map_err(|_| ClusterError::Answer { what: about.what.clone() })
}

pub(super) fn body(request: http::request::Builder, kind: &str, value: &Value) -> http::Request<Vec<u8>> {
    let bytes = serde_json::to_vec(value).expect("JSON serialises");
    request.header(http::header::CONTENT_TYPE, kind).body(bytes).expect("a path of ours is a URL")
}

/// `Kind/name` of an object of this resource.
pub(super) fn title(resource: &ApiResource, value: &Value) -> String {
    format!("{}/{}", resource.kind, object::name(value))
}

/// Query of every write of our own fields. Unknown and doubled fields are refused.
pub(super) fn as_manager(force: bool) -> String {
    format!("fieldManager={MANAGER}&fieldValidation=Strict&force={force}")
}
