//! Everything that needs a real Postgres: one cluster for this binary, a database of its own for each test.

mod common;
mod connecting;
mod genesis;
mod scratch;
