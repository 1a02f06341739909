//! The kubernetes target at a real API server, the one of `NICA_TEST_KUBECONFIG`: `./x test kubernetes` starts one.

#![allow(clippy::print_stdout, reason = "what was measured")]

mod anchor;
mod fence;
mod fields;
mod rollout;
mod run;
mod track;
mod watch;
mod world;
