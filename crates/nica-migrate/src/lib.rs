//! The database as something to be carried: who may act on it, which migrations it has, what its state is.
//!
//! Linked by the command line and by the service's own image, so nothing here knows the engine. What belongs to a
//! run (effects, records) stands in `nica-effects`; here stand the tables, the guard, the SQL and its readers.

pub mod adopt;
pub mod attic;
mod catalog;
pub mod certify;
pub mod connect;
mod converge;
pub mod fence;
pub mod fingerprint;
pub mod foreign;
pub mod health;
pub mod lexer;
pub mod migrate_down;
pub mod migrate_seed;
pub mod runner;
pub mod schema;
pub mod scratch;
pub mod seed;
pub mod source;
pub mod state;

pub use connect::{ConnectError, DbUrl, connect};
