//! Names of foods, ready to be compared.
//!
//! A food matches when each asked word begins one of its words. Whole words beat beginnings, early words beat late
//! ones, short names beat long ones; then the name decides, so that an order never flickers.

use super::terms::{food_terms, terms};
use crate::store::foods::FoodName;
use std::cmp::Reverse;

pub(super) struct Index {
    /// In order of their names.
    entries: Vec<Entry>,
}

struct Entry {
    id: String,
    name: Vec<String>,
    synonyms: Vec<String>,
}

/// Higher is better.
type Rank = (usize, Reverse<usize>, Reverse<usize>);

impl Index {
    pub(super) fn new(mut names: Vec<FoodName>) -> Index {
        names.sort_by(|a, b| (terms(&a.name), &a.id).cmp(&(terms(&b.name), &b.id)));
        let entry = |food: FoodName| Entry {
            name: terms(&food.name),
            synonyms: terms(food.synonyms.as_deref().unwrap_or_default()),
            id: food.id,
        };
        Index { entries: names.into_iter().map(entry).collect() }
    }

    pub(super) fn find(&self, q: &str, limit: usize) -> Vec<String> {
        let asked = food_terms(q);
        let mut found: Vec<(Rank, &Entry)> =
            self.entries.iter().filter_map(|entry| Some((entry.rank(&asked)?, entry))).collect();
        found.sort_by_key(|(rank, _)| Reverse(*rank));
        found.into_iter().take(limit).map(|(_, entry)| entry.id.clone()).collect()
    }
}

impl Entry {
    fn rank(&self, asked: &[String]) -> Option<Rank> {
        let words = || self.name.iter().chain(&self.synonyms);
        let mut whole = 0;
        let mut places = 0;
        for term in asked {
            let place = words().position(|word| word == term);
            whole += usize::from(place.is_some());
            places += place.or_else(|| words().position(|word| word.starts_with(term.as_str())))?;
        }
        Some((whole, Reverse(places), Reverse(self.name.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let foods = [
            ("taco-1", "Arroz, integral, cozido", ""),
            ("taco-3", "Arroz, tipo 1, cozido", ""),
            ("taco-561", "Feijão, carioca, cozido", ""),
            ("taco-567", "Feijão, preto, cozido", ""),
            ("taco-129", "Mandioca, cozida", "aipim, macaxeira"),
            ("taco-53", "Pão, trigo, francês", "cacetinho, pão de sal"),
            ("taco-400", "Leite, de coco", ""),
            ("taco-240", "Coco, cru", ""),
        ];
        let name = |(id, name, synonyms): (&str, &str, &str)| FoodName {
            id: id.into(),
            name: name.into(),
            synonyms: Some(synonyms.into()),
        };
        Index::new(foods.into_iter().map(name).collect())
    }

    #[test]
    fn people_find_foods_with_their_own_words() {
        let cases: [(&str, &[&str]); 12] = [
            ("feijoes", &["taco-561", "taco-567"]),
            ("FEIJÃO PRETO", &["taco-567"]),
            ("2 conchas de feijão preto", &["taco-567"]),
            ("aipim", &["taco-129"]),
            ("macaxeiras", &["taco-129"]),
            ("pães franceses", &["taco-53"]),
            ("pao de sal", &["taco-53"]),
            ("coco", &["taco-240", "taco-400"]),
            ("leite coco", &["taco-400"]),
            ("arr", &["taco-1", "taco-3"]),
            ("arroz feijão", &[]),
            ("xyz", &[]),
        ];
        let index = index();
        for (q, expected) in cases {
            assert_eq!(index.find(q, 10), expected, "{q}");
        }
        assert_eq!(index.find("arroz", 1), ["taco-1"]);
        assert_eq!(index.find("", 100).len(), 8);
    }
}
