//! The hands of delivery: everything that touches a database, a process, a file or a socket on NICA's behalf.
//!
//! The engine decides; what it decided is done here, and what the world looks like is read here, as plain data.

pub mod process;
