//! The pure heart of delivery: what a release does next, and why.
//!
//! Nothing here knows a network, a file, a clock or an environment variable: everything that was seen arrives
//! as data (`World`), everything that shall be done leaves as data (`Action`). Start reading at `next`.

pub mod canonical;
pub mod effect;
pub mod release;
pub mod track;
pub mod world;

pub use canonical::Digest;
pub use effect::{Desired, Effect};
pub use release::Release;
pub use world::World;
