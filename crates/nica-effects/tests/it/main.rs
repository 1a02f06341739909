//! Everything of this crate that needs real processes, sockets and files.
//!
//! The programs that are started are this crate's examples. `cargo test -p nica-effects` builds them; with `--test it`
//! alone cargo does not, so add `--examples` then.

mod kubernetes;
mod process;
