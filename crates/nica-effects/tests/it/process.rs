//! The process target with real supervisors, keepers, replicas and constant traffic.

mod deaths;
mod diagnosis;
mod fence;
mod roll;
mod secrets;
mod traffic;
mod world;
