//! Everything of this crate that needs real processes, sockets and files.

mod process;
