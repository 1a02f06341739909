//! Saving and reading a note while the table may be between two releases.
//!
//! A field is used when the program was built with its migration *and* the database has it now. A value for a field
//! that is not there yet is not dropped in silence: its name is handed back.

use crate::readiness::Needs;
use crate::store::notes::{Draft, EXTRAS, Extra, Note, Saved};
use crate::store::{Store, StoreError};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub saved: Saved,
    /// Fields that were sent and have no place here.
    pub not_stored: Vec<&'static str>,
}

/// Fields of a note that can be written and read now.
pub fn usable_extras(needs: &Needs, applied: &BTreeSet<String>) -> Vec<Extra> {
    let usable = |extra: &Extra| needs.expands.contains(extra.migration) && applied.contains(extra.migration);
    EXTRAS.into_iter().filter(usable).collect()
}

/// # Errors
/// `StoreError`.
pub async fn save(store: &Store, mut draft: Draft, usable: &[Extra]) -> Result<Outcome, StoreError> {
    let not_stored = take_unusable(&mut draft, usable);
    let saved = store.save_note(&draft, usable).await?;
    Ok(Outcome { saved, not_stored })
}

/// # Errors
/// `StoreError`.
pub async fn read(store: &Store, client_id: &str, usable: &[Extra]) -> Result<Option<Note>, StoreError> {
    store.note(client_id, usable).await
}

fn take_unusable(draft: &mut Draft, usable: &[Extra]) -> Vec<&'static str> {
    let has_place = |name: &str| usable.iter().any(|extra| extra.name == name);
    let not_stored: Vec<&str> = draft.extras.keys().copied().filter(|name| !has_place(name)).collect();
    draft.extras.retain(|name, _| has_place(name));
    not_stored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_used_only_when_program_and_database_both_have_it() {
        let (tag, mood) = ("0003_note_tag", "0004_note_mood");
        let cases: [(&[&str], &[&str], &[&str]); 6] = [
            (&[], &[], &[]),
            (&[], &[tag], &[]),
            (&[tag], &[], &[]),
            (&[tag], &[tag], &["tag"]),
            (&[tag, mood], &[tag], &["tag"]),
            (&[tag, mood], &[tag, mood], &["tag", "mood"]),
        ];
        for (needs, applied, expected) in cases {
            let needs = Needs::new(needs.iter().copied());
            let applied = applied.iter().map(ToString::to_string).collect();
            let names: Vec<&str> = usable_extras(&needs, &applied).iter().map(|extra| extra.name).collect();
            assert_eq!(names, expected, "{needs:?} {applied:?}");
        }
    }

    #[test]
    fn a_value_without_a_place_is_named_and_left_out() {
        let extras = [("tag", Some("sono".to_string())), ("mood", None)].into();
        let mut draft = Draft { client_id: "a".into(), body: "b".into(), rev: None, extras };
        assert_eq!(take_unusable(&mut draft, &EXTRAS[..1]), ["mood"]);
        assert_eq!(draft.extras, [("tag", Some("sono".to_string()))].into());
    }
}
