//! What only a program outside can judge about the engine.

#![allow(clippy::unwrap_used)]

mod ssh_keygen;
