//! The engine from outside: `next` over every interleaving of small worlds and over large worlds drawn from seeds,
//! and signatures against `ssh-keygen`.

#![allow(clippy::unwrap_used)]

mod exhaust;
mod ssh_keygen;
