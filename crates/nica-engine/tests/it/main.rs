//! The engine's integration tests: `next` as a table, `next` over every interleaving of small worlds, and `next`
//! over large worlds drawn from seeds.
//!
//! None of them does any I/O; what stands where `nica-effects` stands in earnest is written here, by hand.

mod exhaust;
mod next;
mod seeds;
