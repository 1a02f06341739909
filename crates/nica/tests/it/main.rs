//! `nica` as its user meets it: the program itself, with a real database, a real target and a real terminal.

mod accept;
mod adopt;
mod asleep;
mod certify;
mod contract;
mod denied;
mod doctor;
mod gate;
mod held;
mod kubernetes;
mod lost;
mod people;
mod place;
mod proxy;
mod rollback;
mod supersede;
mod terminal;
mod waive;
