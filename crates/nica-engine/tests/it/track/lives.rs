//! Lives that come good, however slow: written by hand after what kubelet and controllers do, drawn by seed.
//!
//! Nothing here knows the tracker. A life ends with every wanted pod ready and the older ones gone, and on the way
//! shows what looks like failure to somebody in a hurry.

mod pod;
mod scene;
mod sim;
mod trouble;
mod workload;

pub(super) use trouble::ALL as TROUBLES;
pub(super) use workload::{KINDS, life};
