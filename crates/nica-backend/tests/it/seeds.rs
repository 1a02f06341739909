//! The rows that the program brings along.

use crate::client::get;
use crate::replica::Replica;
use crate::world::{self, BUNDLE};
use nica_backend::store::foods::NUTRIENTS;
use nica_migrate::seed::{self, SeedFile};
use nica_migrate::source::read_dir;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

fn files() -> Vec<SeedFile> {
    SeedFile::parse_all(BUNDLE.seeds.iter().copied()).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn rows(table: &str) -> Vec<BTreeMap<String, Value>> {
    let of_table = files().into_iter().filter(|file| file.table == table);
    of_table.flat_map(|file| file.rows).map(|row| row.values).collect()
}

/// A database with migrations and seeds, and how many rows a second run would change.
async fn seeded() -> (nica_migrate::DbUrl, bool) {
    let url = world::migrated().await;
    let mut session = world::session(&url).await;
    let mut unchanged = false;
    for _ in 0..2 {
        let transaction = session.transaction().await.expect("begin");
        let changed =
            seed::apply(&transaction, &files(), "test").await.unwrap_or_else(|error| panic!("{error}"));
        transaction.commit().await.expect("commit");
        unchanged = changed.is_nothing();
    }
    (url, unchanged)
}

#[test]
fn migrations_are_what_a_migrator_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in [root.join("../../migrations"), root.join("../xtask/demo/migrations")] {
        let read = read_dir(&folder).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert!(read.iter().all(|migration| migration.down.is_some()));
    }
}

/// Every file below a folder, by its path inside, sorted.
fn texts(folder: &Path, prefix: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(texts(&entry.path(), &format!("{name}/")));
        } else {
            found.push((name, std::fs::read_to_string(entry.path()).expect("a text")));
        }
    }
    found.sort();
    found
}

#[test]
fn the_program_brings_along_each_file_of_migrations_and_seeds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (folder, listed) in [("migrations", BUNDLE.migrations), ("seeds", BUNDLE.seeds)] {
        let there = texts(&root.join(folder), "");
        let listed: Vec<(String, String)> =
            listed.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        let names = |files: &[(String, String)]| files.iter().map(|file| file.0.clone()).collect::<Vec<_>>();
        assert_eq!(
            names(&listed),
            names(&there),
            "name the files of {folder}/ in embedded.in, in this order"
        );
        assert_eq!(listed, there);
    }
}

#[test]
fn each_food_names_its_taco_number_and_no_figure_is_both_known_and_marked() {
    let foods = rows("food");
    assert!(foods.len() >= 100, "{}", foods.len());
    for food in foods {
        let number = &food["taco_number"];
        assert_eq!(food["id"], format!("taco-{number}"));
        assert_eq!(food["source"], format!("TACO 4ª ed., n.º {number}"));
        for mark in food["marks"].as_str().expect("marks").split_whitespace() {
            let (column, _) = mark.split_once(':').expect("column:mark");
            assert!(NUTRIENTS.contains(&column), "{mark}");
            assert!(!food.contains_key(column), "{} has {column} twice", food["id"]);
        }
    }
}

#[test]
fn the_limits_that_people_are_refused_by_are_there_with_their_own_status() {
    let limits: BTreeMap<String, BTreeMap<String, Value>> = rows("clinical_limit")
        .into_iter()
        .map(|row| (row["id"].as_str().expect("id").to_string(), row))
        .collect();
    let cases = [
        ("bmi_normal.adults", Some(18.5), Some(25.0), "verified"),
        ("sodium.adults.who", None, Some(2000.0), "verified"),
        ("blood_pressure_systolic_stage_3.adults.2025", Some(180.0), None, "verified"),
        ("protein_per_weight.over_65_years", Some(1.0), Some(1.2), "secondary"),
        ("energy_floor.adult_women", Some(1200.0), None, "unverified"),
        ("energy_deficit_share.adults", None, Some(25.0), "unverified"),
        ("red_flag_bmi_low.adults", None, Some(16.0), "unverified"),
    ];
    for (id, min, max, status) in cases {
        let limit = &limits[id];
        let bound = |name: &str| limit.get(name).and_then(Value::as_f64);
        assert_eq!((bound("min"), bound("max"), limit["status"].as_str()), (min, max, Some(status)), "{id}");
    }
    for (id, limit) in &limits {
        assert!(limit.contains_key("min") || limit.contains_key("max"), "{id} bounds nothing");
    }
}

#[tokio::test]
async fn seeds_fit_the_tables_and_a_second_run_changes_nothing() {
    let (url, unchanged) = seeded().await;
    assert!(unchanged);
    let session = world::session(&url).await;
    for (table, least) in
        [("sex", 3), ("activity_level", 4), ("goal", 3), ("clinical_limit", 100), ("unit", 8), ("food", 100)]
    {
        let sql = format!(
            "SELECT count(*) FROM {table} WHERE source <> '' AND status <> '' AND retired_at IS NULL"
        );
        let count: i64 = session.query_one(&sql, &[]).await.expect(table).get(0);
        assert!(count >= least, "{table}: {count}");
    }
}

#[tokio::test]
async fn people_find_the_seeded_foods_and_unknown_never_became_zero() {
    let (url, _) = seeded().await;
    let replica = Replica::start(&url, &["--read-only"], &[]).ready().await;
    let cases = [
        ("feijoes%20pretos", "taco-567"),
        ("p%C3%A3o%20franc%C3%AAs", "taco-53"),
        ("pao%20de%20sal", "taco-53"),
        ("2%20ovos%20fritos", "taco-490"),
        ("macaxeira%20frita", "taco-132"),
        ("200%20ml%20de%20leite%20integral", "taco-458"),
        ("bergamota", "taco-251"),
        ("peito%20de%20frango%20grelhado", "taco-410"),
        ("batatas%20fritas", "taco-93"),
        ("ma%C3%A7%C3%A3s", "taco-222"),
    ];
    for (q, id) in cases {
        let found = get(&replica.service, &format!("/api/v1/foods?q={q}&limit=3")).await.json();
        let ids: Vec<&str> =
            found["data"].as_array().expect("data").iter().filter_map(|food| food["id"].as_str()).collect();
        assert!(ids.contains(&id), "{q}: {ids:?}");
    }
    let milk = get(&replica.service, "/api/v1/foods/taco-458").await.json()["data"]["per_100_g"].clone();
    assert_eq!(milk["energy_kcal"], json!({ "state": "under_review" }));
    let rice = get(&replica.service, "/api/v1/foods/taco-3").await.json()["data"]["per_100_g"].clone();
    assert_eq!(rice["energy_kcal"], json!({ "state": "known", "value": 128.0 }));
    assert_eq!(rice["cholesterol_mg"], json!({ "state": "not_applicable" }));
    assert_eq!(rice["rae_mcg"], json!({ "state": "unknown" }));
}
