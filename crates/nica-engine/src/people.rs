//! Who is who: people.toml as data. Several keys, addresses and accounts are one person.
//!
//! New people are approved by the old ones: whoever is not the same in the last settled run's people cannot
//! approve yet, but counts as author or starter at once.

use crate::canonical::Digest;
use crate::signature::Key;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// By name, `[person.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct People(pub BTreeMap<String, Person>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    pub keys: BTreeSet<Key>,
    pub emails: BTreeSet<String>,
    /// Names at the forge, in CI, or `user@host`.
    pub accounts: BTreeSet<String>,
    pub roles: BTreeSet<Role>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Approver,
}

impl People {
    pub fn hash(&self) -> Digest {
        Digest::of_value(self)
    }

    pub fn by_key(&self, key: &Key) -> Option<&str> {
        self.find(|p| p.keys.contains(key)).next()
    }

    /// Everybody with this address; after joining old and new people it may be two.
    pub fn by_email(&self, email: &str) -> impl Iterator<Item = &str> {
        self.find(move |p| p.emails.iter().any(|e| e.eq_ignore_ascii_case(email)))
    }

    pub fn by_account(&self, account: &str) -> impl Iterator<Item = &str> {
        self.find(move |p| p.accounts.contains(account))
    }

    pub fn may_approve(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|p| p.roles.contains(&Role::Approver))
    }

    fn find(&self, is: impl Fn(&Person) -> bool) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(_, p)| is(p)).map(|(name, _)| name.as_str())
    }
}

/// The people that a plan is judged by: what proves (keys, roles) must stand in both, what excludes (addresses,
/// accounts) in either.
pub fn stricter(settled: Option<&People>, plan: &People) -> People {
    let Some(settled) = settled else { return plan.clone() };
    let names: BTreeSet<&String> = settled.0.keys().chain(plan.0.keys()).collect();
    let nobody = Person::default();
    let pair = |name: &String| {
        let (old, new) = (settled.0.get(name).unwrap_or(&nobody), plan.0.get(name).unwrap_or(&nobody));
        (name.clone(), stricter_person(old, new))
    };
    People(names.into_iter().map(pair).collect())
}

fn stricter_person(old: &Person, new: &Person) -> Person {
    Person {
        keys: old.keys.intersection(&new.keys).cloned().collect(),
        roles: old.roles.intersection(&new.roles).copied().collect(),
        emails: old.emails.union(&new.emails).cloned().collect(),
        accounts: old.accounts.union(&new.accounts).cloned().collect(),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{People, Person, Role};
    use crate::signature::testing::public;

    /// An approver with the keys that these bytes make, the address `NAME@example.org` and the account `NAME`.
    pub(crate) fn person(name: &str, keys: &[u8]) -> (String, Person) {
        let keys = keys.iter().map(|k| public(*k)).collect();
        let (emails, accounts) = ([format!("{name}@example.org")].into(), [name.to_string()].into());
        (name.into(), Person { keys, emails, accounts, roles: [Role::Approver].into() })
    }

    pub(crate) fn people(list: &[(&str, &[u8])]) -> People {
        People(list.iter().map(|(name, keys)| person(name, keys)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::testing::people;
    use super::*;
    use crate::signature::testing::public;

    #[test]
    fn a_new_file_cannot_make_its_own_approvers() {
        let mut old = people(&[("ana", &[1]), ("leo", &[7]), ("rui", &[2])]);
        old.0.get_mut("leo").unwrap().roles.clear();
        let check = |new: People, key: u8, expected: bool| {
            let judged = stricter(Some(&old), &new);
            let approver = judged.by_key(&public(key)).is_some_and(|name| judged.may_approve(name));
            assert_eq!(approver, expected, "key {key} of {new:?}");
        };
        check(people(&[("ana", &[1]), ("rui", &[2])]), 1, true);
        // a new person, a new key of an old person, an old key under a new name, a person who left,
        // a new role
        check(people(&[("ana", &[1]), ("eva", &[3])]), 3, false);
        check(people(&[("ana", &[1, 3]), ("rui", &[2])]), 3, false);
        check(people(&[("ana2", &[1]), ("rui", &[2])]), 1, false);
        check(people(&[("ana", &[1])]), 2, false);
        check(people(&[("leo", &[7])]), 7, false);
        let mut demoted = people(&[("ana", &[1])]);
        demoted.0.get_mut("ana").unwrap().roles.clear();
        check(demoted, 1, false);
    }

    #[test]
    fn an_address_that_was_dropped_still_excludes() {
        let old = people(&[("ana", &[1])]);
        let mut new = old.clone();
        new.0.get_mut("ana").unwrap().emails = ["other@example.org".to_string()].into();
        let judged = stricter(Some(&old), &new);
        assert_eq!(judged.by_email("ANA@example.org").collect::<Vec<_>>(), ["ana"]);
        assert_eq!(judged.by_email("other@example.org").collect::<Vec<_>>(), ["ana"]);
    }
}
