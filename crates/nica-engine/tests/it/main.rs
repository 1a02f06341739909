//! The engine from outside: `next` as a table, over every interleaving of small worlds and over large worlds drawn
//! from seeds, and signatures against `ssh-keygen`.
//!
//! No test of `next` does any I/O; what stands where `nica-effects` stands in earnest is written here, by hand.

#![allow(clippy::unwrap_used)]

mod exhaust;
mod lax;
mod next;
mod seeds;
mod ssh_keygen;
mod track;
