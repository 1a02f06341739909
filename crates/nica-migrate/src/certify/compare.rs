//! What the difference between two shapes takes from whom: `changes` from the old program, which goes by names;
//! `removes` from people, whose values go by identity.

use super::report::ChangeKind::{self, Constraint, Narrowed, Removed as Gone, Trigger};
use super::report::{Change, Removed};
use super::shape::{Column, Relation, Shape};
use std::collections::BTreeSet;

/// What lies between `before` and `after` and touches what `old` has: the shape that the old program was written for.
pub(super) fn changes(old: &Shape, before: &Shape, after: &Shape) -> Vec<Change> {
    let mut found = Found::default();
    for (name, relation) in &before.relations {
        let Some(old) = old.relations.get(name) else { continue };
        match after.relations.get(name) {
            None if relation.owned => {}
            None => found.add(Gone, name),
            Some(new) if relation.is_table() && new.id != relation.id => found.add(Gone, name),
            Some(new) => found.relation(name, old, relation, new),
        }
    }
    for (name, kind) in before.types.iter().filter(|(name, _)| old.types.contains_key(*name)) {
        let Some(new) = after.types.get(name) else {
            found.add(Gone, format!("type {name}"));
            continue;
        };
        let lost = kind.labels.difference(&new.labels);
        lost.for_each(|label| found.add(Gone, format!("value '{label}' of type {name}")));
        if new.constraints.difference(&kind.constraints).next().is_some() || (new.not_null && !kind.not_null)
        {
            found.add(Constraint, format!("type {name}"));
        }
    }
    let known = before.functions.intersection(&old.functions);
    known.filter(|f| !after.functions.contains(*f)).for_each(|f| found.add(Gone, format!("function {f}")));
    let new = after.event_triggers.difference(&before.event_triggers);
    new.for_each(|event| found.add(Trigger, format!("every table, on {event}")));
    found.changes()
}

#[derive(Default)]
struct Found(BTreeSet<(ChangeKind, String)>);

impl Found {
    fn add(&mut self, kind: ChangeKind, name: impl Into<String>) {
        self.0.insert((kind, name.into()));
    }

    fn changes(self) -> Vec<Change> {
        self.0.into_iter().map(|(kind, name)| Change { kind, name, place: None }).collect()
    }

    fn relation(&mut self, name: &str, old: &Relation, before: &Relation, after: &Relation) {
        if before.kind != after.kind || (after.row_security && !before.row_security) {
            self.add(Narrowed, name);
        }
        for (column, new) in &after.columns {
            let (known, then) = (old.columns.get(column), before.columns.get(column));
            self.column(format!("{name}.{column}"), known, then, new);
            let replaced = then.is_some_and(|then| then.number != new.number);
            if before.is_table() && known.is_some() && replaced && !new.generated {
                self.add(Gone, format!("{name}.{column}"));
            }
        }
        let gone = before.columns.keys().filter(|c| old.columns.contains_key(*c));
        let gone = gone.filter(|c| !after.columns.contains_key(*c));
        gone.for_each(|column| self.add(Gone, format!("{name}.{column}")));
        let added = |now: &BTreeSet<String>, then: &BTreeSet<String>| now.difference(then).next().is_some();
        if added(&after.constraints, &before.constraints) || added(&after.uniques, &before.uniques) {
            self.add(Constraint, name);
        }
        // ON CONFLICT needs it.
        let lost = before.uniques.difference(&after.uniques).filter(|unique| old.uniques.contains(*unique));
        lost.for_each(|unique| self.add(Gone, format!("the unique index of {name}, {unique}")));
        if after.triggers.difference(&before.triggers).next().is_some() {
            self.add(Trigger, name);
        }
        let names = |r: &Relation| r.triggers.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
        for trigger in names(before).intersection(&names(old)).filter(|t| !names(after).contains(*t)) {
            self.add(Gone, format!("trigger {trigger} of {name}"));
        }
    }

    /// The old program writes no column that it does not know, but it inserts rows.
    fn column(&mut self, name: String, old: Option<&Column>, before: Option<&Column>, after: &Column) {
        if after.is_required() && !before.is_some_and(Column::is_required) {
            self.add(Narrowed, &name);
        }
        let (Some(_), Some(before)) = (old, before) else { return };
        let narrowed = !before.fits(after)
            || (after.not_null && !before.not_null)
            || (after.computed && !before.computed)
            || (before.filled && !after.filled);
        if narrowed {
            self.add(Narrowed, &name);
        }
    }
}

/// What `before` holds of people's values and `after` no longer does.
pub(super) fn removes(before: &Shape, after: &Shape) -> Vec<Removed> {
    let mut found = Vec::new();
    for relation in before.relations.values().filter(|r| !r.is_sequence()) {
        let writable = relation.is_table();
        let by_id = after.relations.values().find(|r| r.id == relation.id);
        match by_id {
            Some(new) => found.extend(removed_columns(relation, new)),
            // A view that was made again is the same view.
            None if !writable && after.relations.values().any(|r| same_name(r, relation)) => {}
            None => found.push(removed(relation.park_name(), writable, relation)),
        }
    }
    found.sort();
    found
}

fn same_name(one: &Relation, other: &Relation) -> bool {
    (&one.schema, &one.table) == (&other.schema, &other.table)
}

fn removed_columns(before: &Relation, after: &Relation) -> Vec<Removed> {
    let gone = |column: &Column| match after.columns.values().find(|c| c.number == column.number) {
        None => true,
        Some(new) => !column.fits(new),
    };
    let columns = before.columns.iter().filter(|(_, column)| gone(column));
    let one = |(name, column): (&String, &Column)| {
        removed(before.park_column(name), before.is_table() && !column.generated, before)
    };
    columns.map(one).collect()
}

pub(super) fn removed(name: String, writable: bool, relation: &Relation) -> Removed {
    Removed { name, writable, keyed: relation.keyed, place: None }
}
