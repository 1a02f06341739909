//! The tracker of Kubernetes rollouts from outside: recorded failures, their metamorphoses, and lives that come good.
//!
//! What a watch delivers is a list of `Delivery`, whether recorded or simulated; `replay` tells it and judges after
//! every delivery and every tenth of a second between.

mod bad;
mod change;
mod good;
mod lives;
mod metamorphic;
mod recorded;
mod recordings;
mod replay;
