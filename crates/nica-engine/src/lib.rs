//! The pure heart of delivery: what a release does next, and why.
//!
//! Nothing here knows a network, a file, a clock or an environment variable: everything that was seen arrives
//! as data (`World`), everything that shall be done leaves as data (`Action`). Start reading at `next`.

pub mod acceptance;
pub mod approval;
pub mod canonical;
pub mod effect;
pub mod evidence;
pub mod finding;
pub mod gates;
pub mod instant;
pub mod ledger;
pub mod manifest;
pub mod metrics_text;
pub mod next;
pub mod people;
pub mod plan;
pub mod policy;
pub mod preflight;
pub mod projection;
pub mod release;
pub mod signature;
pub mod span;
pub mod track;
pub mod undo;
pub mod validate;
pub mod waiver;
pub mod window;
pub mod world;

pub use canonical::Digest;
pub use effect::{Desired, Effect};
pub use next::{Action, Direction, next};
pub use plan::{Plan, Status, Statuses, Step};
pub use release::Release;
pub use world::World;
