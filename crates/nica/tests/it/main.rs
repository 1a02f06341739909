//! `nica` as its user meets it: the program itself, with a real database, a real target and a real terminal.

mod accept;
mod contract;
mod gate;
mod place;
mod rollback;
mod supersede;
mod terminal;
