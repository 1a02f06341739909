//! Table `food`: names for the index, whole rows for answers.
//!
//! A figure is known, a trace, not applicable, under review or unknown; NULL in the column plus the row's `marks`
//! tell them apart, so that nothing unknown ever becomes a zero.

use super::{Failed, Store, StoreError};
use deadpool_postgres::Object;
use std::collections::BTreeMap;
use tokio_postgres::Row;

/// Columns with figures per 100 g of edible part. Column and field have the same name, unit included.
pub const NUTRIENTS: [&str; 24] = [
    "energy_kcal",
    "protein_g",
    "lipid_g",
    "carbohydrate_g",
    "fiber_g",
    "cholesterol_mg",
    "moisture_pct",
    "ash_g",
    "calcium_mg",
    "magnesium_mg",
    "manganese_mg",
    "phosphorus_mg",
    "iron_mg",
    "sodium_mg",
    "potassium_mg",
    "copper_mg",
    "zinc_mg",
    "retinol_mcg",
    "rae_mcg",
    "thiamin_mg",
    "riboflavin_mg",
    "pyridoxine_mg",
    "niacin_mg",
    "vitamin_c_mg",
];

/// What the index needs of a food.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoodName {
    pub id: String,
    pub name: String,
    /// Other words people use, separated by commas.
    pub synonyms: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Food {
    pub id: String,
    pub name: String,
    pub category: String,
    pub source: String,
    pub status: String,
    /// By column name.
    pub per_100_g: BTreeMap<&'static str, Figure>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    Known(f64),
    /// Present, below what the source measures or rounds to.
    Trace,
    NotApplicable,
    /// The source's authors are measuring it again.
    UnderReview,
    Unknown,
}

impl Store {
    /// Names of all foods that are not retired.
    ///
    /// # Errors
    /// `StoreError`.
    pub async fn food_names(&self) -> Result<Vec<FoodName>, StoreError> {
        self.with(read_names).await
    }

    /// The foods with these ids that are not retired, in the order of `ids`.
    ///
    /// # Errors
    /// `StoreError`.
    pub async fn foods(&self, ids: &[String]) -> Result<Vec<Food>, StoreError> {
        self.with(|connection| read_foods(connection, ids)).await
    }
}

async fn read_names(connection: Object) -> Result<Vec<FoodName>, Failed> {
    let sql = "SELECT id, name, synonyms FROM food WHERE retired_at IS NULL ORDER BY id";
    let statement = connection.prepare_cached(sql).await?;
    let rows = connection.query(&statement, &[]).await?;
    rows.iter().map(food_name).collect()
}

async fn read_foods(connection: Object, ids: &[String]) -> Result<Vec<Food>, Failed> {
    let statement = connection.prepare_cached(&foods_sql()).await?;
    let rows = connection.query(&statement, &[&ids]).await?;
    rows.iter().map(food).collect()
}

fn foods_sql() -> String {
    let nutrients: String = NUTRIENTS.iter().map(|name| format!(", {name}::float8")).collect();
    format!(
        "SELECT id, name, category, source, status, marks{nutrients} FROM food
         WHERE id = ANY($1) AND retired_at IS NULL ORDER BY array_position($1, id)"
    )
}

fn food_name(row: &Row) -> Result<FoodName, Failed> {
    Ok(FoodName { id: row.try_get(0)?, name: row.try_get(1)?, synonyms: row.try_get(2)? })
}

fn food(row: &Row) -> Result<Food, Failed> {
    let marks: String = row.try_get(5)?;
    let marks = read_marks(&marks).ok_or(Failed::Row("a food has a mark that this program does not know"))?;
    let mut per_100_g = BTreeMap::new();
    for (n, name) in NUTRIENTS.iter().enumerate() {
        let value: Option<f64> = row.try_get(n + 6)?;
        let marked = marks.get(name).copied().unwrap_or(Figure::Unknown);
        per_100_g.insert(*name, value.map_or(marked, Figure::Known));
    }
    Ok(Food {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        category: row.try_get(2)?,
        source: row.try_get(3)?,
        status: row.try_get(4)?,
        per_100_g,
    })
}

/// `fiber_g:trace cholesterol_mg:not_applicable`; None for a word that nobody defined.
fn read_marks(text: &str) -> Option<BTreeMap<&str, Figure>> {
    let pairs = text.split_whitespace().map(|pair| {
        let (column, mark) = pair.split_once(':')?;
        let figure = match mark {
            "trace" => Figure::Trace,
            "not_applicable" => Figure::NotApplicable,
            "under_review" => Figure::UnderReview,
            _ => return None,
        };
        Some((column, figure))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_never_read_as_a_number_and_an_unknown_mark_is_no_mark() {
        let marks = read_marks("fiber_g:trace cholesterol_mg:not_applicable energy_kcal:under_review");
        let marks = marks.expect("three known marks");
        assert_eq!(marks["fiber_g"], Figure::Trace);
        assert_eq!(marks["cholesterol_mg"], Figure::NotApplicable);
        assert_eq!(marks["energy_kcal"], Figure::UnderReview);
        assert_eq!(read_marks(""), Some(BTreeMap::new()));
        assert_eq!(read_marks("fiber_g:zero"), None);
        assert_eq!(read_marks("fiber_g"), None);
    }
}
