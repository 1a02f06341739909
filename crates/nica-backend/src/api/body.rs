//! A JSON object as the body of a request, each way of being wrong told apart.

use super::problem::{FieldError, Problem};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

/// The object's members, to be read one by one with all mistakes kept.
#[derive(Debug)]
pub(super) struct Fields {
    members: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Fields, Problem> {
        if !is_json(&request) {
            let detail = "Send the body with Content-Type: application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
            let (code, detail) = if too_large {
                ("body_too_large", "The body is longer than this service takes.")
            } else {
                ("unreadable_body", "The body ended early or could not be read.")
            };
            Problem::new(rejection.status(), code, detail)
        })?;
        Fields::parse(&bytes)
    }
}

impl Fields {
    fn parse(bytes: &[u8]) -> Result<Fields, Problem> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(members)) => Ok(Fields { members, errors: Vec::new() }),
            Ok(_) => Err(Problem::invalid(vec![error("", "the body must be a JSON object")])),
            Err(wrong) => {
                let detail =
                    format!("The body is not JSON: line {}, column {}.", wrong.line(), wrong.column());
                Err(Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail))
            }
        }
    }

    /// A text of at most `max` characters; a mistake counts as absent, so that reading goes on.
    pub(super) fn text(&mut self, field: &str, max: usize) -> Option<String> {
        match self.members.remove(field) {
            None | Some(Value::Null) => None,
            // Postgres cannot hold it in a text.
            Some(Value::String(text)) if text.contains('\0') => self.wrong(field, "must not contain U+0000"),
            Some(Value::String(text)) if text.chars().count() <= max => Some(text),
            Some(Value::String(_)) => self.wrong(field, &format!("must have at most {max} characters")),
            Some(_) => self.wrong(field, "must be a text"),
        }
    }

    pub(super) fn required_text(&mut self, field: &str, max: usize) -> String {
        let errors = self.errors.len();
        let text = self.text(field, max);
        if text.is_none() && self.errors.len() == errors {
            self.errors.push(error(field, "is needed"));
        }
        text.unwrap_or_default()
    }

    /// A whole number above zero.
    pub(super) fn count(&mut self, field: &str) -> Option<i32> {
        let value = self.members.remove(field).filter(|value| !value.is_null())?;
        match value.as_i64().and_then(|number| i32::try_from(number).ok()) {
            Some(number) if number > 0 => Some(number),
            _ => self.wrong(field, "must be a whole number from 1 to 2147483647"),
        }
    }

    /// Adds a mistake that was found elsewhere in the request.
    pub(super) fn note(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.members.contains_key(field)
    }

    /// All mistakes at once; a member that nobody asked for is one.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Problem> {
        self.errors.extend(self.members.keys().map(|field| error(field, "is unknown")));
        if self.errors.is_empty() { Ok(value) } else { Err(Problem::invalid(self.errors)) }
    }

    fn wrong<T>(&mut self, field: &str, message: &str) -> Option<T> {
        self.errors.push(error(field, message));
        None
    }
}

fn error(field: &str, message: &str) -> FieldError {
    FieldError { field: field.into(), message: message.into() }
}

fn is_json(request: &Request) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
