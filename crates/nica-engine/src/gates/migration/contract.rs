//! What contracts ask of a release: expands and contracts are two sequences, and a floor that only rises.
//!
//! A contract has no class and no down; what it takes away is the point of it. It is asked for its order, for being
//! one transaction, and for running at all on a throw-away database.

use super::super::input::Certificate;
use super::super::{GateInput, Gathered};
use super::{error, refuse, unproven};
use crate::finding::Finding;
use crate::release::{Migration, number};

pub(super) fn findings(input: &GateInput) -> Vec<Finding> {
    let each = if input.contracts.run { of_contract } else { of_expand };
    let release = below_floor(input).into_iter().chain(not_live(input));
    release.chain(input.migrations.iter().flat_map(|m| each(input, m))).collect()
}

/// On the throw-away database each went up, or did not.
pub(super) fn tried(migrations: &[Migration], certificates: &Gathered<Vec<Certificate>>) -> Vec<Finding> {
    let certificates = match certificates {
        Ok(certificates) => certificates,
        Err(cause) => return migrations.iter().map(|m| unproven(&m.id, cause)).collect(),
    };
    let errors = |m: &Migration| match certificates.iter().find(|c| c.migration == m.id) {
        Some(certificate) => certificate.errors.iter().map(|e| error(m, e)).collect(),
        None => vec![unproven(&m.id, "it was not tried there")],
    };
    migrations.iter().flat_map(errors).collect()
}

fn below_floor(input: &GateInput) -> Option<Finding> {
    let floor = input.contracts.floor.as_deref().filter(|floor| input.release.is_below(Some(floor)))?;
    let (version, env) = (&input.release.version, &input.env);
    let says = format!("contract {floor} is applied in {env}, and release {version} does not know it");
    let finding = Finding::refuse("migration/below-floor", format!("release {version}"), says);
    Some(finding.next(format!("deploy a release that has {floor}; there is no way back below it")))
}

fn not_live(input: &GateInput) -> Option<Finding> {
    let is_live = input.contracts.live.as_ref() == Some(&input.release.hash());
    if !input.contracts.run || is_live {
        return None;
    }
    let (version, env) = (&input.release.version, &input.env);
    let says = format!("release {version} is not what is live in {env}");
    let finding = Finding::refuse("migration/not-live", format!("release {version}"), says);
    Some(finding.next(format!("nica deploy --env {env} first; contracts are those of the live release")))
}

fn of_contract(input: &GateInput, m: &Migration) -> Vec<Finding> {
    let mut found = Vec::new();
    if !m.transactional {
        let says = format!("{} is a contract and runs outside a transaction", m.id);
        found.push(refuse("atomic", m, says).next("leave transaction = false away"));
    }
    if let Some(floor) = input.contracts.floor.as_ref().filter(|floor| number(floor) >= number(&m.id)) {
        let says = format!("{} is a contract with a number that is not above {floor}, the highest one", m.id);
        found.push(refuse("late", m, says).next("give it a higher number"));
    }
    found
}

fn of_expand(input: &GateInput, m: &Migration) -> Vec<Finding> {
    let waits = m.after.as_ref().filter(|after| !input.contracts.applied.contains(*after));
    let finding = |after: &String| {
        let says = format!("{} comes after contract {after}, which is not applied", m.id);
        refuse("after", m, says).next(format!("nica contract, with a release that ends with {after}"))
    };
    waits.map(finding).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{check, ids};
    use super::*;
    use crate::finding::Place;
    use crate::gates::input::{Contracts, SqlError};
    use crate::release::{Phase, UndoClass};

    fn contract(id: &str) -> Migration {
        Migration {
            id: id.into(),
            up: crate::Digest::of(b"up"),
            down: None,
            phase: Phase::Contract,
            class: UndoClass::Sticky,
            park: vec![],
            transactional: true,
            after: None,
        }
    }

    /// The live release's contract 0004 in a run of its own.
    fn run(change: impl FnOnce(&mut GateInput)) -> impl FnOnce(&mut GateInput) {
        move |input| {
            input.release.migrations.push(contract("0004_drop"));
            input.migrations = vec![contract("0004_drop")];
            let tried = Certificate { migration: "0004_drop".into(), ..Certificate::default() };
            input.certificates = Ok(vec![tried]);
            let live = Some(input.release.hash());
            input.contracts = Contracts { run: true, live, ..Contracts::default() };
            change(input);
        }
    }

    #[test]
    fn a_contract_run_is_asked_for_order_and_atomicity() {
        check("migration", run(|_| {}), &[]);
        check("migration", run(|i| i.contracts.floor = Some("0003_x".into())), &[]);
        check(
            "migration",
            run(|i| i.contracts.floor = Some("0004_x".into())),
            &[
                "refuse[migration/late]: 0004_drop is a contract with a number that is not above 0004_x, the highest \
               one = next: give it a higher number",
            ],
        );
        check(
            "migration",
            run(|i| i.migrations[0].transactional = false),
            &["refuse[migration/atomic]: 0004_drop is a contract and runs outside a transaction \
               = next: leave transaction = false away"],
        );
        check(
            "migration",
            run(|i| i.contracts.live = None),
            &["refuse[migration/not-live]: release 2.0 is not what is live in prod \
               = next: nica deploy --env prod first; contracts are those of the live release"],
        );
        let place = Some(Place { file: "migrations/0004_drop/up.sql".into(), line: 1, column: 1 });
        let failed = SqlError { place, message: "column \"a\" does not exist".into() };
        check(
            "migration",
            run(move |i| i.certificates.as_mut().unwrap()[0].errors.push(failed)),
            &["refuse[migration/error]: 0004_drop fails on a throw-away database \
               at migrations/0004_drop/up.sql:1:1 = cause: column \"a\" does not exist = next: correct the file"],
        );
        assert_eq!(ids("migration", run(|i| i.certificates = Ok(vec![]))), ["migration/unproven"]);
        assert_eq!(ids("migration", run(|i| i.certificates = Err("none".into()))), ["migration/unproven"]);
    }

    #[test]
    fn no_release_goes_below_the_floor() {
        let at = |floor: &str, own: &'static [&'static str]| {
            let floor = floor.to_string();
            ids("migration", move |i: &mut GateInput| {
                i.release.migrations.extend(own.iter().map(|id| contract(id)));
                i.contracts.floor = Some(floor);
            })
        };
        let none: [&str; 0] = [];
        assert_eq!(at("0004_drop", &[]), ["migration/below-floor"]);
        assert_eq!(at("0004_drop", &["0003_other"]), ["migration/below-floor"]);
        assert_eq!(at("0004_drop", &["0004_drop"]), none);
        assert_eq!(at("0004_drop", &["0004_drop", "0005_more"]), none);
        // numbers, not text; a rollback applies nothing and is judged all the same
        assert_eq!(at("0010_drop", &["0009_drop"]), ["migration/below-floor"]);
        check(
            "migration",
            |i| {
                i.migrations = vec![];
                i.contracts.floor = Some("0004_drop".into());
            },
            &[
                "refuse[migration/below-floor]: contract 0004_drop is applied in prod, and release 2.0 does not know it \
               = next: deploy a release that has 0004_drop; there is no way back below it",
            ],
        );
    }

    #[test]
    fn an_expand_waits_for_its_contract() {
        let after = |applied: &'static [&'static str]| {
            move |i: &mut GateInput| {
                i.migrations[0].after = Some("0001_drop".into());
                i.contracts.applied = applied.iter().map(ToString::to_string).collect();
            }
        };
        check("migration", after(&["0001_drop"]), &[]);
        check(
            "migration",
            after(&["0001_other"]),
            &["refuse[migration/after]: 0002_note comes after contract 0001_drop, which is not applied \
               = next: nica contract, with a release that ends with 0001_drop"],
        );
    }
}
