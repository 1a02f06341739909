//! `./x demo`: real releases travel to prod on this machine while people use the service, good ones and bad ones.
#![allow(dead_code, reason = "the story that uses all of it arrives with the command line")]

mod build;
mod http;
mod nica;
mod place;
mod postgres;
mod report;
mod table;
mod tally;
#[cfg(test)]
mod testing;
mod traffic;
mod writer;
