//! Everything that needs a real Postgres: one cluster for this binary, a database of its own for each test.

mod adopt;
mod attic;
mod certify;
mod common;
mod connecting;
mod converging;
mod doors;
mod fence;
mod fingerprint;
mod genesis;
mod health;
mod migrate_down;
mod migrate_seed;
mod roles;
mod running;
mod scratch;
mod seeds;
mod sweep;
mod traffic;
