//! The legal changes of a step's status, all thirty-six.

use nica_engine::plan::Status::{self, Done, Pending, Retained, Started, UndoStarted, Undone};

const ALL: [Status; 6] = [Pending, Started, Done, UndoStarted, Undone, Retained];

/// Row: what it was. Column, in the order of `ALL`: what it shall be.
const LEGAL: [(Status, [u8; 6]); 6] = [
    (Pending, [0, 1, 1, 1, 1, 1]),
    (Started, [0, 1, 1, 1, 1, 1]),
    (Done, [0, 1, 1, 1, 1, 1]),
    (UndoStarted, [0, 0, 0, 1, 1, 1]),
    (Undone, [0, 0, 0, 1, 0, 0]),
    (Retained, [0, 0, 0, 0, 0, 0]),
];

#[test]
fn only_these_changes_are_legal() {
    for (was, row) in LEGAL {
        let seen = ALL.map(|next| u8::from(was.may_become(next)));
        assert_eq!(seen, row, "{was:?}");
    }
}

#[test]
fn a_step_began_once_it_is_not_pending() {
    assert_eq!(ALL.map(Status::began), [false, true, true, true, true, true]);
}
