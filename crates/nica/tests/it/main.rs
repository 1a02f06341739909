//! `nica` as its user meets it: the program itself, on a real terminal, with a real database and a real service.

mod place;
mod terminal;
