//! Errors as people and programs see them: RFC 9457 with a stable `code`, a sentence and the trace id.
//!
//! A handler returns a `Problem`; it travels in the response's extensions until `answer` writes it down together
//! with the trace id. Errors that no handler made (a framework's, a limit's) get their problem there too.

use crate::store::StoreError;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::any::Any;
use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// Stable: programs decide by it.
    pub(super) code: &'static str,
    /// One sentence for the person in front of it.
    pub(super) detail: Cow<'static, str>,
    more: Box<More>,
}

/// What few problems have.
#[derive(Clone, Debug, Default, PartialEq)]
struct More {
    errors: Vec<FieldError>,
    /// What is stored instead, where the answer is a conflict.
    current: Option<Value>,
    /// For the log only. Holds nothing of a row or a request.
    cause: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldError {
    pub(super) field: String,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Problem {
        Problem { status, code, detail: detail.into(), more: Box::default() }
    }

    pub(super) fn with_errors(mut self, errors: impl IntoIterator<Item = FieldError>) -> Problem {
        self.more.errors.extend(errors);
        self
    }

    pub(super) fn with_current(mut self, current: Value) -> Problem {
        self.more.current = Some(current);
        self
    }

    pub(super) fn caused_by(mut self, cause: impl Into<String>) -> Problem {
        self.more.cause = Some(cause.into());
        self
    }

    pub(super) fn cause(&self) -> Option<&str> {
        self.more.cause.as_deref()
    }

    pub(super) fn invalid(errors: Vec<FieldError>) -> Problem {
        let detail = "Some fields are not as they should be; see errors.";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", detail).with_errors(errors)
    }

    pub(super) fn internal(cause: impl Into<String>) -> Problem {
        let detail = "Something went wrong on our side. The trace id helps us to find it.";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).caused_by(cause)
    }

    /// For an error response that carries no problem of its own.
    pub(super) fn of_status(status: StatusCode) -> Problem {
        let code = match status {
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            StatusCode::UNPROCESSABLE_ENTITY => "invalid_fields",
            status if status.is_server_error() => "internal",
            _ => "bad_request",
        };
        Problem::new(status, code, status.canonical_reason().unwrap_or("Error"))
    }

    pub(super) fn to_json(&self, trace_id: &str) -> Value {
        let mut document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
            "trace_id": trace_id,
        });
        if !self.more.errors.is_empty() {
            let error = |e: &FieldError| json!({ "field": e.field, "message": e.message });
            document["errors"] = self.more.errors.iter().map(error).collect();
        }
        if let Some(current) = &self.more.current {
            document["current"] = current.clone();
        }
        document
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let (code, detail) = match &error {
            StoreError::Exhausted { .. } => {
                ("pool_exhausted", "All database connections are in use. Try again.")
            }
            StoreError::Unreachable(_) => {
                ("database_unavailable", "The database cannot be reached. Try again.")
            }
            StoreError::TooSlow(_) => ("database_busy", "The database did not answer in time. Try again."),
            StoreError::Refused(_) | StoreError::Row(_) => return Problem::internal(error.to_string()),
        };
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).caused_by(error.to_string())
    }
}

pub(super) async fn not_found(_: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.")
}

pub(super) async fn method_not_allowed(_: Method) -> Problem {
    let detail = "This address does not know this method; see the header Allow.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

/// The panic's own words may quote a request, so only its place is logged, by the hook that `app` sets.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Problem::internal("a handler panicked").into_response()
}
