//! A report of `nica-migrate` as the engine's data: the same facts, field by field, because neither knows the other.

use nica_engine::finding::Place;
use nica_engine::gates::input::{Certificate, Change, ChangeKind, Removed, RoundTrip, SqlError};
use nica_migrate::certify::{self, Report};

pub(super) fn certificate(report: Report) -> Certificate {
    Certificate {
        migration: report.migration,
        has_down: report.has_down,
        round_trip: report.round_trip.map(|r| RoundTrip {
            before: r.before,
            up: r.up,
            down: r.down,
            up_again: r.up_again,
            difference: r.difference,
        }),
        removes: report.removes.into_iter().map(removed).collect(),
        changes: report.changes.into_iter().map(change).collect(),
        errors: report
            .errors
            .into_iter()
            .map(|e| SqlError { place: e.place.map(place), message: e.message })
            .collect(),
    }
}

fn removed(removed: certify::Removed) -> Removed {
    let certify::Removed { name, writable, keyed, place: at } = removed;
    Removed { name, writable, keyed, place: at.map(place) }
}

fn change(change: certify::Change) -> Change {
    let kind = match change.kind {
        certify::ChangeKind::Removed => ChangeKind::Removed,
        certify::ChangeKind::Narrowed => ChangeKind::Narrowed,
        certify::ChangeKind::Constraint => ChangeKind::Constraint,
        certify::ChangeKind::Trigger => ChangeKind::Trigger,
    };
    Change { kind, name: change.name, place: change.place.map(place) }
}

fn place(place: certify::Place) -> Place {
    Place { file: place.file, line: place.line, column: place.column }
}
