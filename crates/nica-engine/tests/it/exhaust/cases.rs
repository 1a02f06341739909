//! The worlds that must hold, and the wrong readings that must not.
//!
//! Numbers in the names are those of the model that the design was checked with; `k…` are worlds of an API server,
//! where they differ from the model's. Not here, because it does not exist yet: the collector of immutable
//! configuration (lit13, lit14).

mod fails;
mod holds;
mod objects;
mod wide;

use super::checker::exhaust;
use super::rules::{Migration, Rules, Wrong, Wrongs};
use super::state::{Broken, MIGRATIONS};
use super::world::SmallWorld;
use nica_engine::release::UndoClass;

const NONE: [Option<Migration>; MIGRATIONS] = [None; MIGRATIONS];
const PARKING: [Option<Migration>; MIGRATIONS] = [of(UndoClass::Parking), None];
const STICKY: [Option<Migration>; MIGRATIONS] = [of(UndoClass::Sticky), None];
const INDEX: [Option<Migration>; MIGRATIONS] =
    [Some(Migration { class: UndoClass::Lossless, index: true }), None];

const fn of(class: UndoClass) -> Option<Migration> {
    Some(Migration { class, index: false })
}

fn rules(name: &'static str, change: impl FnOnce(&mut Rules)) -> Rules {
    let mut rules = Rules::as_written(name);
    change(&mut rules);
    rules
}

fn holds(rules: Rules) -> String {
    let (name, cap) = (rules.name, rules.cap);
    match exhaust(&SmallWorld::new(rules), cap) {
        Ok(stats) => format!("{name}: {stats:?}"),
        Err(found) => panic!("{name}: {:?}\n  {}", found.broken, found.steps.join("\n  ")),
    }
}

/// The world with a wrong reading in it breaks one of our own invariants first, and, where those are left out, what
/// an outsider can see.
fn fails(mut rules: Rules, wrong: &[Wrong], first: Broken, from_outside: Option<Broken>) -> String {
    rules.wrong = Wrongs::of(wrong);
    let (broken, steps) = broken(&rules, wrong);
    assert_eq!(broken, first, "{}: {wrong:?}\n  {steps}", rules.name);
    if let Some(expected) = from_outside.filter(|o| *o != first) {
        rules.from_outside = true;
        let (broken, steps) = self::broken(&rules, wrong);
        assert_eq!(broken, expected, "from outside, {}: {wrong:?}\n  {steps}", rules.name);
    }
    format!("{}: {first:?}, as it must\n  {steps}", rules.name)
}

fn broken(rules: &Rules, wrong: &[Wrong]) -> (Broken, String) {
    match exhaust(&SmallWorld::new(rules.clone()), rules.cap) {
        Ok(stats) => panic!("{}: {wrong:?} breaks nothing in {stats:?}", rules.name),
        Err(found) => {
            let after = format!("after {} states:\n  ", found.states);
            (found.broken, after + &found.steps.join("\n  "))
        }
    }
}
