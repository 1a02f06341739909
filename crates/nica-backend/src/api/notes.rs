//! `/api/v1/notes/{client_id}`: one text per id that the client draws.

use super::App;
use super::body::Fields;
use super::problem::{FieldError, Problem};
use super::trace::TraceId;
use crate::orchestrator::save_note;
use crate::store::notes::{Draft, EXTRAS, Extra, Note, Saved};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};
use std::sync::Arc;

const CLIENT_ID_CHARS_MAX: usize = 64;
const BODY_CHARS_MAX: usize = 4_000;
const EXTRA_CHARS_MAX: usize = 64;

pub(super) async fn save(
    State(app): State<Arc<App>>,
    Extension(trace_id): Extension<TraceId>,
    Path(client_id): Path<String>,
    body: Fields,
) -> Result<Json<Value>, Problem> {
    if app.config.read_only {
        let detail = "This service only reads; write to the one it stands beside.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "read_only", detail));
    }
    let draft = draft(client_id, body)?;
    let outcome = save_note::save(&app.store, draft, &usable(&app)).await?;
    match outcome.saved {
        Saved::Stored(note) => {
            let mut meta = json!({ "trace_id": trace_id.to_string() });
            if !outcome.not_stored.is_empty() {
                meta["not_stored"] = json!(outcome.not_stored);
            }
            Ok(Json(json!({ "data": to_json(&note), "meta": meta })))
        }
        Saved::Stale(current) => {
            let detail = "A later revision of this note is stored; see current.";
            Err(Problem::new(StatusCode::CONFLICT, "stale_revision", detail).with_current(to_json(&current)))
        }
    }
}

pub(super) async fn read(
    State(app): State<Arc<App>>,
    Extension(trace_id): Extension<TraceId>,
    Path(client_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let client_id = checked(client_id).map_err(|error| Problem::invalid(vec![error]))?;
    let note = save_note::read(&app.store, &client_id, &usable(&app)).await?;
    let absent = || Problem::new(StatusCode::NOT_FOUND, "note_not_found", "There is no note with this id.");
    let note = note.ok_or_else(absent)?;
    Ok(Json(json!({ "data": to_json(&note), "meta": { "trace_id": trace_id.to_string() } })))
}

fn usable(app: &App) -> Vec<Extra> {
    save_note::usable_extras(&app.needs, &app.readiness.borrow().applied)
}

fn draft(client_id: String, mut body: Fields) -> Result<Draft, Problem> {
    let client_id = checked(client_id).unwrap_or_else(|error| {
        body.note(error);
        String::new()
    });
    let text = body.required_text("body", BODY_CHARS_MAX);
    let rev = body.count("rev");
    let named: Vec<&str> = EXTRAS.map(|extra| extra.name).into_iter().filter(|name| body.has(name)).collect();
    let extras = named.into_iter().map(|name| (name, body.text(name, EXTRA_CHARS_MAX))).collect();
    body.finish(Draft { client_id, body: text, rev, extras })
}

fn checked(client_id: String) -> Result<String, FieldError> {
    let plain = client_id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if plain && (1..=CLIENT_ID_CHARS_MAX).contains(&client_id.len()) {
        return Ok(client_id);
    }
    let message = format!("must be 1 to {CLIENT_ID_CHARS_MAX} letters, digits, -, _ or .");
    Err(FieldError { field: "client_id".into(), message })
}

fn to_json(note: &Note) -> Value {
    let mut value = json!({
        "client_id": note.client_id,
        "body": note.body,
        "rev": note.rev,
        "updated_at": note.updated_at.to_string(),
    });
    for (name, extra) in &note.extras {
        value[*name] = json!(extra);
    }
    value
}
