//! Foods as people ask for them.

use crate::client::get;
use crate::replica::Replica;
use crate::world;
use serde_json::json;

const ROWS: &str = "INSERT INTO food (id, name, synonyms, category, energy_kcal, sodium_mg, marks, source, status) VALUES
    ('taco-561', 'Feijão, carioca, cozido', NULL, 'Leguminosas e derivados', 76, 2, 'cholesterol_mg:not_applicable vitamin_c_mg:trace', 'TACO 4ª ed., n.º 561', 'verified'),
    ('taco-567', 'Feijão, preto, cozido', NULL, 'Leguminosas e derivados', 77, 2, '', 'TACO 4ª ed., n.º 567', 'verified'),
    ('taco-129', 'Mandioca, cozida', 'aipim, macaxeira', 'Verduras', 125.4, 1, '', 'TACO 4ª ed., n.º 129', 'verified'),
    ('taco-999', 'Feijão, retirado', NULL, 'x', 1, 1, '', 'x', 'verified');
    UPDATE food SET retired_at = now() WHERE id = 'taco-999'";

#[tokio::test]
async fn foods_are_found_by_accents_plurals_and_amounts_and_a_retired_one_is_not() {
    let url = world::migrated().await;
    world::session(&url).await.batch_execute(ROWS).await.expect("rows");
    let replica = Replica::start(&url, &["--read-only"], &[]).ready().await;
    let cases: [(&str, &[&str]); 6] = [
        ("feijoes", &["taco-561", "taco-567"]),
        ("Feij%C3%A3o", &["taco-561", "taco-567"]),
        ("2%20conchas%20de%20feij%C3%B5es%20pretos", &["taco-567"]),
        ("macaxeira", &["taco-129"]),
        ("retirado", &[]),
        ("arroz", &[]),
    ];
    for (q, expected) in cases {
        let answer = get(&replica.service, &format!("/api/v1/foods?q={q}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let answer = answer.json();
        let ids: Vec<&str> =
            answer["data"].as_array().expect("data").iter().filter_map(|f| f["id"].as_str()).collect();
        assert_eq!(ids, expected, "{q}");
    }
    let one = get(&replica.service, "/api/v1/foods?q=feijao&limit=1").await.json();
    assert_eq!(one["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_figure_is_a_number_or_says_why_it_is_none() {
    let url = world::migrated().await;
    world::session(&url).await.batch_execute(ROWS).await.expect("rows");
    let replica = Replica::start(&url, &["--read-only"], &[]).ready().await;
    let food = get(&replica.service, "/api/v1/foods/taco-561").await.json()["data"].clone();
    assert_eq!(food["name"], "Feijão, carioca, cozido");
    assert_eq!(food["source"], "TACO 4ª ed., n.º 561");
    let figures = &food["per_100_g"];
    assert_eq!(figures["energy_kcal"], json!({ "state": "known", "value": 76.0 }));
    assert_eq!(figures["vitamin_c_mg"], json!({ "state": "trace" }));
    assert_eq!(figures["cholesterol_mg"], json!({ "state": "not_applicable" }));
    assert_eq!(figures["zinc_mg"], json!({ "state": "unknown" }));
    for gone in ["taco-999", "nothing"] {
        let answer = get(&replica.service, &format!("/api/v1/foods/{gone}")).await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (404, Some("food_not_found")));
    }
}
