//! people.toml: `[person.NAME]`. A key, an address or an account belongs to one person.

use super::section::Section;
use nica_engine::people::{People, Person, Role};
use nica_engine::signature::Key;
use std::collections::BTreeMap;

pub(super) fn read(root: &Section<'_>) -> People {
    let mut owners = BTreeMap::new();
    let people = match root.section("person") {
        Some(all) => {
            all.named().into_iter().map(|(name, s)| (name.clone(), person(&name, &s, &mut owners))).collect()
        }
        None => BTreeMap::new(),
    };
    root.finish();
    People(people)
}

/// `owners`: who was seen with which key, address or account.
fn person(name: &str, section: &Section<'_>, owners: &mut BTreeMap<String, String>) -> Person {
    let mut own =
        |kind: &'static str, of: &dyn Fn(&str) -> String| -> Vec<(String, std::ops::Range<usize>)> {
            let items = section.texts(kind);
            for (text, span) in &items {
                if let Some(other) = owners.insert(of(text), name.to_string()).filter(|o| o != name) {
                    let says = format!("`{}` belongs to two people", shorten(text));
                    section.wrong_at(
                        span.clone(),
                        &says,
                        &format!("it stands at {other} too"),
                        "one person, one entry: join them or remove one",
                    );
                }
            }
            items
        };
    let keys = own("keys", &|text| Key::parse(text).map_or(text.to_string(), |k| k.to_string()));
    let emails = own("emails", &str::to_lowercase);
    let accounts = own("accounts", &str::to_string);
    let plain = |items: Vec<(String, _)>| items.into_iter().map(|(text, _)| text).collect();
    let person = Person {
        keys: keys.into_iter().filter_map(|(text, span)| key(section, &text, span)).collect(),
        emails: plain(emails),
        accounts: plain(accounts),
        roles: section
            .texts("roles")
            .into_iter()
            .filter_map(|(text, span)| role(section, &text, span))
            .collect(),
    };
    section.finish();
    person
}

fn key(section: &Section<'_>, text: &str, span: std::ops::Range<usize>) -> Option<Key> {
    let noted = |e: nica_engine::signature::NotAKey| {
        section.wrong_at(span, "this is no key", &e.to_string(), "write the line of the key's `.pub` file");
    };
    Key::parse(text).map_err(noted).ok()
}

fn role(section: &Section<'_>, text: &str, span: std::ops::Range<usize>) -> Option<Role> {
    if text != "approver" {
        section.wrong_at(
            span,
            &format!("unknown role `{text}`"),
            "there is one role so far",
            "write `approver`",
        );
    }
    (text == "approver").then_some(Role::Approver)
}

/// Keys are long; their end tells them apart.
fn shorten(text: &str) -> String {
    let count = text.chars().count();
    if count <= 40 {
        text.to_string()
    } else {
        format!("…{}", text.chars().skip(count - 12).collect::<String>())
    }
}
