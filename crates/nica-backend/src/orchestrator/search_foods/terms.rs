//! Which words are the same word: accents and case are folded, Portuguese plurals become singulars, and amounts and
//! units fall away.
//!
//! The rules need not be good Portuguese, only the same for the table's names and for what is asked: "mais" may
//! well become "mal" on both sides.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Words that only say how much, already singular.
const UNITS: [&str; 34] = [
    "g",
    "gr",
    "grama",
    "kg",
    "quilo",
    "mg",
    "ml",
    "l",
    "litro",
    "colher",
    "sopa",
    "cha",
    "sobremesa",
    "xicara",
    "copo",
    "concha",
    "escumadeira",
    "fatia",
    "unidade",
    "un",
    "porcao",
    "prato",
    "pegador",
    "rodela",
    "pedaco",
    "gomo",
    "posta",
    "lata",
    "dose",
    "pitada",
    "fio",
    "dente",
    "ramo",
    "folha",
];
const FILLERS: [&str; 14] =
    ["de", "da", "do", "das", "dos", "e", "com", "c", "em", "a", "o", "um", "uma", "ao"];

/// Endings of plurals and what stands there in the singular, longest first.
const PLURALS: [(&str, &str); 10] = [
    // franceses meets francês, which loses its own s.
    ("eses", "e"),
    ("oes", "ao"),
    ("aes", "ao"),
    ("ais", "al"),
    ("eis", "el"),
    ("ois", "ol"),
    ("uis", "ul"),
    ("is", "il"),
    ("ns", "m"),
    ("s", ""),
];

/// Words of a text in the form in which they are compared.
pub(super) fn terms(text: &str) -> Vec<String> {
    let folded: String = text.to_lowercase().nfd().filter(|c| !is_combining_mark(*c)).collect();
    let words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(singular).filter(|word| !FILLERS.contains(&word.as_str())).collect()
}

/// Words that name a food, when there is one: "2 colheres de feijão" asks for feijão, "sopa" for soup.
pub(super) fn food_terms(text: &str) -> Vec<String> {
    let all = terms(text);
    let named: Vec<String> = all.iter().filter(|word| !is_amount(word)).cloned().collect();
    if named.is_empty() { all } else { named }
}

fn is_amount(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
    unit.is_empty() || UNITS.contains(&unit)
}

fn singular(word: &str) -> String {
    // Three letters are too few to tell an ending from a word: gás, três, pés.
    if word.len() <= 3 {
        return word.to_string();
    }
    let ending = PLURALS.iter().find_map(|(plural, one)| Some((word.strip_suffix(plural)?, *one)));
    let (stem, one) = ending.unwrap_or((word, ""));
    let singular = format!("{stem}{one}");
    // colheres and colher, nozes and noz meet without the e; árvore loses it on both sides.
    match singular.strip_suffix('e') {
        Some(short) if short.ends_with(['r', 'z']) => short.to_string(),
        _ => singular,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plural_and_singular_with_and_without_accents_are_the_same_word() {
        let cases = [
            ("Feijão", "feijoes"),
            ("Feijão", "FEIJÕES"),
            ("pão", "pães"),
            ("mamão", "mamoes"),
            ("melão", "melões"),
            ("limão", "limoes"),
            ("cereal", "cereais"),
            ("pastel", "pastéis"),
            ("caracol", "caracóis"),
            ("barril", "barris"),
            ("amendoim", "amendoins"),
            ("colher", "colheres"),
            ("noz", "nozes"),
            ("raiz", "raízes"),
            ("árvore", "arvores"),
            ("tomate", "tomates"),
            ("doce", "doces"),
            ("ovo", "ovos"),
            ("maçã", "macas"),
            ("açaí", "acai"),
            ("arroz", "arroz"),
            ("purê", "pures"),
            ("mão", "mãos"),
            ("francês", "franceses"),
        ];
        for (one, many) in cases {
            assert_eq!(terms(one), terms(many), "{one} {many}");
        }
    }

    #[test]
    fn words_that_differ_stay_different() {
        for (a, b) in [("coco", "caco"), ("pera", "perna"), ("caju", "cajá"), ("noz", "nós")] {
            assert_ne!(terms(a), terms(b), "{a} {b}");
        }
    }

    #[test]
    fn amounts_and_units_fall_away_unless_nothing_else_is_said() {
        let cases: [(&str, &[&str]); 8] = [
            ("100 g de arroz", &["arroz"]),
            ("100g arroz", &["arroz"]),
            ("2 colheres de sopa de feijões", &["feijao"]),
            ("1 xícara de café com leite", &["cafe", "leite"]),
            ("meia dúzia de ovos", &["meia", "duzia", "ovo"]),
            ("sopa", &["sopa"]),
            ("200 ml", &["200", "ml"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(food_terms(text), expected, "{text}");
        }
    }
}
