//! The command line from outside: the real program, a real Postgres, a real target.

mod contract;
mod gate;
mod place;
mod rollback;
mod supersede;
