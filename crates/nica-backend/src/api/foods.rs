//! `/api/v1/foods`: search and single foods, figures per 100 g of edible part.

use super::App;
use super::problem::{FieldError, Problem};
use super::trace::TraceId;
use crate::store::foods::{Figure, Food};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

const Q_CHARS_MAX: usize = 200;
const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 100;

pub(super) async fn search(
    State(app): State<Arc<App>>,
    Extension(trace_id): Extension<TraceId>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Problem> {
    let (q, limit) = asked(&query)?;
    let foods = app.foods.search(&app.store, q, limit).await?;
    let data: Vec<Value> = foods.iter().map(to_json).collect();
    Ok(Json(json!({ "data": data, "meta": { "trace_id": trace_id.to_string() } })))
}

pub(super) async fn by_id(
    State(app): State<Arc<App>>,
    Extension(trace_id): Extension<TraceId>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let food = app.foods.by_id(&app.store, &id).await?;
    let absent = || Problem::new(StatusCode::NOT_FOUND, "food_not_found", "There is no food with this id.");
    let food = food.ok_or_else(absent)?;
    Ok(Json(json!({ "data": to_json(&food), "meta": { "trace_id": trace_id.to_string() } })))
}

fn asked(query: &HashMap<String, String>) -> Result<(&str, usize), Problem> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: String| errors.push(FieldError { field: field.into(), message });
    let q = query.get("q").map_or("", |q| q.trim());
    if q.chars().count() > Q_CHARS_MAX {
        wrong("q", format!("must have at most {Q_CHARS_MAX} characters"));
    }
    let limit = match query.get("limit").map(|limit| limit.parse()) {
        None => LIMIT_DEFAULT,
        Some(Ok(limit)) if (1..=LIMIT_MAX).contains(&limit) => limit,
        Some(_) => {
            wrong("limit", format!("must be a whole number from 1 to {LIMIT_MAX}"));
            LIMIT_DEFAULT
        }
    };
    if errors.is_empty() { Ok((q, limit)) } else { Err(Problem::invalid(errors)) }
}

/// A figure without a number says why it has none; there is no zero that was not measured.
fn to_json(food: &Food) -> Value {
    let figures = food.per_100_g.iter().map(|(name, figure)| (name.to_string(), figure_json(*figure)));
    json!({
        "id": food.id,
        "name": food.name,
        "category": food.category,
        "per_100_g": figures.collect::<serde_json::Map<_, _>>(),
        "source": food.source,
        "status": food.status,
    })
}

fn figure_json(figure: Figure) -> Value {
    match figure {
        Figure::Known(value) => json!({ "state": "known", "value": value }),
        Figure::Trace => json!({ "state": "trace" }),
        Figure::NotApplicable => json!({ "state": "not_applicable" }),
        Figure::UnderReview => json!({ "state": "under_review" }),
        Figure::Unknown => json!({ "state": "unknown" }),
    }
}
