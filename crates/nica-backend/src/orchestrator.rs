//! Use cases: what has to happen, in order, for one thing that somebody wants.

pub mod save_note;
pub mod search_foods;
