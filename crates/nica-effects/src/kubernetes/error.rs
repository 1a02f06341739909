//! How the API server can fail us, told apart by reason and code. Its texts are shown, never read.
//!
//! The one question that matters: can it still happen? Only what was sent and not answered can.

use kube::core::Status;
use std::error::Error;

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("read the kubeconfig: {why}; check `kubeconfig` and `context` of the target")]
    Config { why: String },
    /// Nothing was done, and asking again was tried long enough.
    #[error("reach the API server to {what}: {why}")]
    Unreachable { what: String, why: String },
    /// It may still take effect later: take the next fence before looking again.
    #[error("get an answer from the API server to {what}: {why}")]
    NoAnswer { what: String, why: String },
    #[error("act with a superseded fence: {object} has {highest}; end this deployer")]
    Superseded { object: String, highest: i64 },
    /// Nothing was done; what was read is no longer so.
    #[error("write {object}: it is not as it was read; observe again")]
    Stale { object: String },
    /// Nothing was done; another object may stand under the name now.
    #[error("write {object}: the one that was read is gone; observe again")]
    Vanished { object: String },
    #[error("create {object}: one of that name is there and {owner}; adopt it or take it away")]
    Foreign { object: String, owner: String },
    #[error("use this namespace: {object} belongs to another environment ({env_id})")]
    OtherEnvironment { object: String, env_id: String },
    /// The API server looked at it and said no.
    #[error("{what}: the API server refuses it ({code} {reason}){detail}")]
    Refused { what: String, code: u16, reason: String, detail: String },
    #[error("{what}: this account may not ({reason}); grant it to the account of the kubeconfig")]
    Denied { what: String, reason: String },
    #[error(
        "find namespace {namespace}: the cluster has none; make it: kubectl create namespace {namespace}"
    )]
    NoNamespace { namespace: String },
    #[error("read {object}: {why}")]
    Key { object: String, why: String },
    #[error("find kind {kind} at the API server: {why}")]
    Kind { kind: String, why: &'static str },
    /// A configuration that cannot be applied by us at all.
    #[error("apply {object}: {why}")]
    Configuration { object: String, why: String },
    #[error("understand what the API server said to {what}")]
    Answer { what: String },
}

/// What became of one request.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The server's own words.
    Said(Box<Status>),
    /// No connection was made: nothing was sent.
    NotSent(String),
    /// It may have arrived.
    Lost(String),
}

impl From<kube::Error> for Unanswered {
    fn from(error: kube::Error) -> Unanswered {
        match error {
            kube::Error::Api(status) => Unanswered::Said(status),
            kube::Error::Service(error) if is_connect(error.as_ref()) => {
                Unanswered::NotSent(root(error.as_ref()))
            }
            kube::Error::Service(error) => Unanswered::Lost(root(error.as_ref())),
            // Credentials are made before anything is sent. What a plugin printed may be one.
            kube::Error::Auth(_) => Unanswered::NotSent(
                "the kubeconfig's credentials could not be had; try kubectl with the same context"
                    .to_string(),
            ),
            other => Unanswered::Lost(root(&other)),
        }
    }
}

fn is_connect(error: &(dyn Error + 'static)) -> bool {
    chain(error)
        .any(|e| e.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|e| e.is_connect()))
}

/// The innermost cause: a socket's or a certificate's.
fn root(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    })
}

/// What a status means for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    NotFound,
    AlreadyExists,
    /// Something else owns a field that we ask for.
    FieldConflict,
    /// What was read is no longer so.
    Conflict,
    /// What is asked about is too long ago.
    Expired,
    /// Right after its start an API server says this to everybody; quotas and admission say it too.
    Forbidden,
    /// Nothing was done, and later it may be.
    Busy,
    /// A server that failed in the middle: a write may have been done or may yet be.
    Broken,
    Refused,
}

pub(super) fn meaning(status: &Status) -> Meaning {
    match (status.code, status.reason.as_str()) {
        (404, _) => Meaning::NotFound,
        (409, "AlreadyExists") => Meaning::AlreadyExists,
        (409, _) if field_conflicts(status).next().is_some() => Meaning::FieldConflict,
        (409, _) => Meaning::Conflict,
        (410, _) => Meaning::Expired,
        (401 | 403, _) => Meaning::Forbidden,
        (429, _) => Meaning::Busy,
        (500.., _) => Meaning::Broken,
        _ => Meaning::Refused,
    }
}

/// Field and message of everything that another manager owns.
pub(super) fn field_conflicts(status: &Status) -> impl Iterator<Item = (&str, &str)> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.filter(|c| c.reason == "FieldManagerConflict").map(|c| (c.field.as_str(), c.message.as_str()))
}

/// What was refused, in the server's words: of a Secret only which field, never what stood in it.
pub(super) fn refusal(what: String, status: &Status, is_secret: bool) -> ClusterError {
    let (code, reason, detail) = (status.code, status.reason.clone(), detail(status, is_secret));
    ClusterError::Refused { what, code, reason, detail }
}

pub(super) fn detail(status: &Status, is_secret: bool) -> String {
    let causes = || status.details.iter().flat_map(|details| &details.causes);
    match is_secret {
        true => causes().map(|c| format!("; {} {}", c.field, c.reason)).collect(),
        false => format!(": {}", status.message.chars().take(DETAIL_CHARS).collect::<String>()),
    }
}

/// A message may repeat a whole object.
const DETAIL_CHARS: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::response::{StatusCause, StatusDetails};

    fn status(code: u16, reason: &str, causes: &[(&str, &str)]) -> Status {
        let cause = |(reason, field): &(&str, &str)| StatusCause {
            reason: (*reason).to_string(),
            message: "hunter2".to_string(),
            field: (*field).to_string(),
        };
        let details = StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: causes.iter().map(cause).collect(),
            retry_after_seconds: 0,
        };
        Status {
            code,
            reason: reason.to_string(),
            message: "hunter2 is no value".to_string(),
            details: Some(details),
            ..Status::default()
        }
    }

    #[test]
    fn a_status_is_told_by_code_and_reason() {
        let check = |code, reason: &str, causes: &[(&str, &str)], expected| {
            assert_eq!(meaning(&status(code, reason, causes)), expected, "{code} {reason}");
        };
        check(409, "Conflict", &[], Meaning::Conflict);
        check(409, "Conflict", &[("FieldManagerConflict", ".spec.replicas")], Meaning::FieldConflict);
        check(409, "AlreadyExists", &[], Meaning::AlreadyExists);
        check(410, "Expired", &[], Meaning::Expired);
        check(403, "Forbidden", &[], Meaning::Forbidden);
        check(500, "InternalError", &[], Meaning::Broken);
        check(504, "Timeout", &[], Meaning::Broken);
        check(422, "Invalid", &[("FieldValueForbidden", "spec")], Meaning::Refused);
    }

    #[test]
    fn a_refused_secret_names_the_field_and_not_the_value() {
        let said = status(422, "Invalid", &[("FieldValueInvalid", "data.key")]);
        let told = |is_secret| refusal("create Secret/x".to_string(), &said, is_secret).to_string();
        assert!(!told(true).contains("hunter2"), "{}", told(true));
        assert!(told(true).ends_with("(422 Invalid); data.key FieldValueInvalid"), "{}", told(true));
        assert!(told(false).contains("hunter2 is no value"));
    }
}
