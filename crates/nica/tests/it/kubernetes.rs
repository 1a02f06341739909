//! `nica` delivers to a cluster: the program itself, a real database, a real API server with simulated nodes.
//!
//! Ignored where no API server was named; `./x test kubernetes` starts one and runs them.

mod deploy;
mod shop;
