//! Lives that come good, however slow: written by hand after what kubelet and controllers do, drawn by seed.
//!
//! Nothing here knows the tracker. A life ends with every wanted pod ready and the older ones gone, and on the way
//! shows what looks like failure to somebody in a hurry.

mod coming;
mod pod;
mod running;
mod scene;
mod sim;
mod trouble;
mod workload;

pub(super) use pod::{Container, Pod};
pub(super) use running::flap;
pub(super) use scene::{SINCE, Scene};
pub(super) use sim::{About, Sim};
pub(super) use trouble::{ALL as TROUBLES, begin};
pub(super) use workload::{KINDS, leave, life};
