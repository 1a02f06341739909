//! What was seen of one migration, as plain data. Whoever judges it maps it to a type of its own.

/// One migration: up, down, up again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub migration: String,
    pub has_down: bool,
    /// None without a down, or when an error came first.
    pub round_trip: Option<RoundTrip>,
    /// What the down takes away.
    pub removes: Vec<Removed>,
    /// What the up does to what was there before the first of them.
    pub changes: Vec<Change>,
    pub errors: Vec<SqlError>,
}

/// Hashes of fingerprints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    pub before: String,
    pub up: String,
    pub down: String,
    pub up_again: String,
    /// How the first two that should be equal differ, line by line and not without end.
    pub difference: Vec<String>,
}

/// A table or column that the down drops, empties, or makes too narrow for what it may hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Removed {
    /// As `park` names it: `diary`, `diary.note`, `app.diary.*`, `app.diary.note`.
    pub name: String,
    /// False for a generated column and for a view.
    pub writable: bool,
    /// Its table has a primary key.
    pub keyed: bool,
    pub place: Option<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub kind: ChangeKind,
    /// `diary`, `diary.note`, or in words: `rows of diary`, `function total(integer)`.
    pub name: String,
    pub place: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    Removed,
    Narrowed,
    Constraint,
    Trigger,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    pub place: Option<Place>,
    pub message: String,
}

/// Counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `migrations/0042_diary/up.sql`
    pub file: String,
    pub line: u32,
    pub column: u32,
}
