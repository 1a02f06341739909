//! `migration`: is each migration what its class says, as a throw-away database showed it?
//!
//! A class is a promise about going back, and it is proven, not believed: an expand leaves older tables as the old
//! program knows them, a down takes away nothing that people wrote unless it was parked first.

mod contract;

use super::input::{Certificate, Change, ChangeKind, Removed};
use super::{Gate, GateInput, Gathered};
use crate::finding::Finding;
use crate::release::{Migration, Phase, UndoClass};

pub(super) const GATE: Gate = Gate {
    id: "migration",
    codes: &[
        "unproven",
        "error",
        "contract",
        "narrows",
        "down-missing",
        "round-trip",
        "lossless",
        "unparked",
        "keyless",
        "park-unknown",
        "below-floor",
        "after",
        "not-live",
        "late",
        "atomic",
    ],
    applies: |input| !input.migrations.is_empty() || input.contracts.floor.is_some(),
    judge,
};

fn judge(input: &GateInput) -> Vec<Finding> {
    let mut found = contract::findings(input);
    match input.contracts.run {
        false => found.extend(findings(&input.migrations, &input.certificates)),
        true => found.extend(contract::tried(&input.migrations, &input.certificates)),
    }
    found
}

pub(super) fn findings(migrations: &[Migration], certificates: &Gathered<Vec<Certificate>>) -> Vec<Finding> {
    let certificates = match certificates {
        Ok(certificates) => certificates,
        Err(cause) => return migrations.iter().map(|m| unproven(&m.id, cause)).collect(),
    };
    let judge = |migration: &Migration| match certificates.iter().find(|c| c.migration == migration.id) {
        Some(certificate) => judge_one(migration, certificate),
        None => vec![unproven(&migration.id, "it was not tried there")],
    };
    migrations.iter().flat_map(judge).collect()
}

fn unproven(id: &str, cause: &str) -> Finding {
    let says = format!("{id} could not be tried on a throw-away database");
    let finding = Finding::inconclusive("migration/unproven", id, says).cause(cause);
    finding.next("see what is missing: nica doctor")
}

fn judge_one(migration: &Migration, certificate: &Certificate) -> Vec<Finding> {
    let mut findings: Vec<Finding> = certificate.errors.iter().map(|e| error(migration, e)).collect();
    if migration.phase == Phase::Contract {
        let says = format!("{} is a contract migration, and a deploy never carries one", migration.id);
        findings.push(
            refuse("contract", migration, says).next("nica contract, once the release is live everywhere"),
        );
        return findings;
    }
    findings.extend(certificate.changes.iter().map(|change| narrows(migration, change)));
    findings.extend(down(migration, certificate));
    findings.extend(certificate.removes.iter().filter(|r| r.writable).filter_map(|r| loses(migration, r)));
    findings.extend(park_unknown(migration, certificate));
    findings
}

fn refuse(code: &str, migration: &Migration, says: String) -> Finding {
    Finding::refuse(&format!("migration/{code}"), &migration.id, says)
}

fn error(migration: &Migration, error: &super::input::SqlError) -> Finding {
    let says = format!("{} fails on a throw-away database", migration.id);
    let finding = refuse("error", migration, says).cause(&error.message).at(error.place.clone());
    finding.next("correct the file")
}

fn narrows(migration: &Migration, change: &Change) -> Finding {
    let name = &change.name;
    let says = match change.kind {
        ChangeKind::Removed => format!("{} removes {name}, which the old program uses", migration.id),
        ChangeKind::Narrowed => format!("{} narrows {name}, which the old program writes", migration.id),
        ChangeKind::Constraint => {
            format!("{} adds a constraint to {name}, a table of the old program", migration.id)
        }
        ChangeKind::Trigger => {
            format!("{} adds a trigger to {name}, a table of the old program", migration.id)
        }
    };
    let finding = refuse("narrows", migration, says).at(change.place.clone());
    finding.next("put it into a migration with phase = \"contract\"")
}

/// A class that promises a way back needs a down, and a down must lead back and forth again.
fn down(migration: &Migration, certificate: &Certificate) -> Option<Finding> {
    let id = &migration.id;
    if !certificate.has_down && migration.class != UndoClass::Sticky {
        let says = format!("{id} is {} and has no down.sql", word(migration.class));
        return Some(refuse("down-missing", migration, says).next("write down.sql, or class = \"sticky\""));
    }
    let unproven = certificate.has_down && certificate.round_trip.is_none() && certificate.errors.is_empty();
    if unproven {
        return Some(unproven_down(id));
    }
    let trip = certificate.round_trip.as_ref()?;
    let says = match (trip.down == trip.before, trip.up_again == trip.up) {
        (true, true) => return None,
        (false, _) => format!("{id} does not come back: the schema after its down is not the one before it"),
        (true, false) => format!("{id} does not repeat: up, down and up again gives another schema"),
    };
    let hashes =
        [("before", &trip.before), ("up", &trip.up), ("down", &trip.down), ("up again", &trip.up_again)];
    let hashes = hashes.map(|(when, hash)| format!("{when}: {hash}"));
    let evidence = if trip.difference.is_empty() { &hashes[..] } else { &trip.difference };
    let finding = refuse("round-trip", migration, says);
    let finding = evidence.iter().fold(finding, |finding, line| finding.evidence(line));
    Some(finding.next("let down.sql undo all that up.sql does, and no more"))
}

fn unproven_down(id: &str) -> Finding {
    unproven(id, "its down was not tried")
}

/// What the down takes away although somebody could have written it.
fn loses(migration: &Migration, removed: &Removed) -> Option<Finding> {
    let (id, name) = (&migration.id, &removed.name);
    let finding = match migration.class {
        UndoClass::Sticky => return None,
        UndoClass::Lossless => {
            let says = format!("{id} is lossless, and its down drops {name}, which people can have written");
            let next = format!("write class = \"parking\" with park = [\"{name}\"], or class = \"sticky\"");
            refuse("lossless", migration, says).next(next)
        }
        UndoClass::Parking if !parks(migration, name) => {
            let says = format!("{id} does not park {name}, and its down drops it");
            refuse("unparked", migration, says)
                .next(format!("add \"{name}\" to park, or write class = \"sticky\""))
        }
        UndoClass::Parking if !removed.keyed => {
            let says = format!("{id} parks {name}, and its table has no primary key");
            refuse("keyless", migration, says).next("add a primary key, or write class = \"sticky\"")
        }
        UndoClass::Parking => return None,
    };
    Some(finding.at(removed.place.clone()))
}

/// A parked table parks its columns; a table is parked only as a whole.
fn parks(migration: &Migration, name: &str) -> bool {
    migration.park.iter().map(|park| plain(park)).any(|park| park == name || is_inside(name, &park))
}

/// One spelling for what `park` may say in several: `public` goes without saying.
fn plain(park: &str) -> String {
    match park.split('.').collect::<Vec<_>>()[..] {
        ["public", table, "*"] | [table, "*"] => table.to_string(),
        ["public", table, column] => format!("{table}.{column}"),
        _ => park.to_string(),
    }
}

/// A column of a whole table: of `diary`, of `app.diary.*`.
fn is_inside(column: &str, table: &str) -> bool {
    let table = match table.strip_suffix(".*") {
        Some(table) => table,
        None if table.contains('.') => return false,
        None => table,
    };
    column.rsplit_once('.').is_some_and(|(of, _)| of == table)
}

fn park_unknown(migration: &Migration, certificate: &Certificate) -> Vec<Finding> {
    let removes = |park: &str| {
        let park = plain(park);
        certificate.removes.iter().any(|r| r.name == park || is_inside(&r.name, &park))
    };
    // After an error the list of what the down removes is not whole.
    let judged =
        migration.class == UndoClass::Parking && certificate.errors.is_empty() && certificate.has_down;
    let unknown = migration.park.iter().filter(|park| judged && !removes(park));
    let finding = |park: &String| {
        let says = format!("{} parks {park}, which its down does not remove", migration.id);
        refuse("park-unknown", migration, says).next(format!("remove \"{park}\" from park"))
    };
    unknown.map(finding).collect()
}

fn word(class: UndoClass) -> &'static str {
    match class {
        UndoClass::Lossless => "lossless",
        UndoClass::Parking => "parking",
        UndoClass::Sticky => "sticky",
    }
}

#[cfg(test)]
mod tests {
    use super::super::GateInput;
    use super::super::input::{RoundTrip, SqlError};
    use super::super::testing::{check, ids};
    use super::*;
    use crate::finding::Place;

    fn place(line: u32) -> Option<Place> {
        Some(Place { file: "migrations/0002_note/down.sql".into(), line, column: 1 })
    }

    /// The one migration and its certificate, changed. Unchanged it adds `note.text` and parks it.
    fn with(change: impl FnOnce(&mut Migration, &mut Certificate)) -> impl FnOnce(&mut GateInput) {
        move |input| change(&mut input.migrations[0], &mut input.certificates.as_mut().unwrap()[0])
    }

    #[test]
    fn migration() {
        let gate =
            |change: Box<dyn FnOnce(&mut GateInput)>, expected: &[&str]| check("migration", change, expected);
        gate(Box::new(|_| {}), &[]);
        gate(
            Box::new(with(|m, _| (m.class, m.park) = (UndoClass::Lossless, vec![]))),
            &[
                "refuse[migration/lossless]: 0002_note is lossless, and its down drops note.text, which people can \
               have written at migrations/0002_note/down.sql:1:1 \
               = next: write class = \"parking\" with park = [\"note.text\"], or class = \"sticky\"",
            ],
        );
        gate(
            Box::new(with(|m, _| m.park = vec!["note.other".into()])),
            &[
                "refuse[migration/unparked]: 0002_note does not park note.text, and its down drops it \
                 at migrations/0002_note/down.sql:1:1 = next: add \"note.text\" to park, or write class = \"sticky\"",
                "refuse[migration/park-unknown]: 0002_note parks note.other, which its down does not remove \
                 = next: remove \"note.other\" from park",
            ],
        );
        gate(
            Box::new(with(|_, c| c.removes[0].keyed = false)),
            &["refuse[migration/keyless]: 0002_note parks note.text, and its table has no primary key \
               at migrations/0002_note/down.sql:1:1 = next: add a primary key, or write class = \"sticky\""],
        );
        gate(
            Box::new(with(|_, c| {
                let (name, place) = ("note.kind".into(), place(3));
                c.changes = vec![Change { kind: ChangeKind::Constraint, name, place }];
            })),
            &[
                "refuse[migration/narrows]: 0002_note adds a constraint to note.kind, a table of the old program \
               at migrations/0002_note/down.sql:3:1 = next: put it into a migration with phase = \"contract\"",
            ],
        );
        gate(
            Box::new(with(|_, c| c.round_trip.as_mut().unwrap().down = "ffff".into())),
            &[
                "refuse[migration/round-trip]: 0002_note does not come back: the schema after its down is not the one \
               before it = evidence: before: aaaa = evidence: up: bbbb = evidence: down: ffff \
               = evidence: up again: bbbb \
               = next: let down.sql undo all that up.sql does, and no more",
            ],
        );
        gate(
            Box::new(with(|_, c| {
                let trip = c.round_trip.as_mut().unwrap();
                trip.up_again = "ffff".into();
                trip.difference = vec!["  table public.note".into(), "-   column text text".into()];
            })),
            &[
                "refuse[migration/round-trip]: 0002_note does not repeat: up, down and up again gives another schema \
               = evidence:   table public.note = evidence: -   column text text \
               = next: let down.sql undo all that up.sql does, and no more",
            ],
        );
        gate(
            Box::new(with(|_, c| (c.has_down, c.round_trip, c.removes) = (false, None, vec![]))),
            &["refuse[migration/down-missing]: 0002_note is parking and has no down.sql \
               = next: write down.sql, or class = \"sticky\""],
        );
        gate(
            Box::new(with(|_, c| {
                c.round_trip = None;
                let message = "column \"text\" does not exist".into();
                c.errors = vec![SqlError { place: place(2), message }];
            })),
            &["refuse[migration/error]: 0002_note fails on a throw-away database \
               at migrations/0002_note/down.sql:2:1 = cause: column \"text\" does not exist = next: correct the file"],
        );
        gate(
            Box::new(with(|m, _| m.phase = Phase::Contract)),
            &[
                "refuse[migration/contract]: 0002_note is a contract migration, and a deploy never carries one \
               = next: nica contract, once the release is live everywhere",
            ],
        );
        gate(
            Box::new(|i| i.certificates = Err("initdb was not found and scratch_url is not set".into())),
            &["inconclusive[migration/unproven]: 0002_note could not be tried on a throw-away database \
               = cause: initdb was not found and scratch_url is not set = next: see what is missing: nica doctor"],
        );
    }

    #[test]
    fn a_class_is_judged_by_what_can_be_lost() {
        let with = |change: fn(&mut Migration, &mut Certificate)| ids("migration", with(change));
        let none: [&str; 0] = [];
        // sticky stays, so its down loses nothing; what nobody can write is not lost; a parked table parks columns
        assert_eq!(with(|m, _| (m.class, m.park) = (UndoClass::Sticky, vec![])), none);
        assert_eq!(
            with(|m, c| (m.class, m.park, c.removes[0].writable) = (UndoClass::Lossless, vec![], false)),
            none
        );
        assert_eq!(with(|m, _| m.park = vec!["note".into()]), none);
        assert_eq!(with(|m, _| m.park = vec!["public.note.text".into()]), none);
        assert_eq!(with(|m, _| m.park = vec!["public.note.*".into()]), none);
        // of another schema, table and columns
        let in_app = |park: &str, name: &str| {
            let (park, name) = (park.to_string(), name.to_string());
            ids("migration", move |i: &mut GateInput| {
                i.migrations[0].park = vec![park];
                i.certificates.as_mut().unwrap()[0].removes[0].name = name;
            })
        };
        assert_eq!(in_app("app.note.*", "app.note.*"), none);
        assert_eq!(in_app("app.note.*", "app.note.text"), none);
        assert_eq!(in_app("app.note.text", "app.note.text"), none);
        assert_eq!(in_app("note", "app.note.text"), ["migration/unparked", "migration/park-unknown"]);
        assert_eq!(in_app("app.note.text", "app.note.*"), ["migration/unparked", "migration/park-unknown"]);
        // a whole table is not parked by one of its columns
        let table = |_: &mut Migration, c: &mut Certificate| c.removes[0].name = "note".into();
        assert_eq!(with(table), ["migration/unparked", "migration/park-unknown"]);
    }

    #[test]
    fn what_was_not_tried_is_not_proven() {
        assert_eq!(ids("migration", |i| i.certificates = Ok(vec![])), ["migration/unproven"]);
        assert_eq!(ids("migration", with(|_, c| c.round_trip = None)), ["migration/unproven"]);
        let other = |_: &mut Migration, c: &mut Certificate| {
            let print = |p: &str| p.to_string();
            c.round_trip = Some(RoundTrip {
                before: print("a"),
                up: print("b"),
                down: print("a"),
                up_again: print("c"),
                difference: vec![],
            });
        };
        assert_eq!(ids("migration", with(other)), ["migration/round-trip"]);
    }
}
