//! `nica` delivers to a cluster: the program itself, a real database, a real API server with simulated nodes.
//!
//! Ignored where no API server was named; `./x test kubernetes` starts one and runs them.

mod bad;
mod deploy;
mod killed;
mod preflight;
mod queue;
mod registry;
mod secret;
mod shop;
