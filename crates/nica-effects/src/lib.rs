//! The hands of delivery: performs effects under the fence, observes the world, keeps the records.
//!
//! What to do next is decided in `nica-engine`; here it is done. `carry` is the loop that joins the two.

pub mod accept;
pub mod answer;
pub mod bake;
pub mod carry;
pub mod event;
pub mod failure;
pub mod hands;
pub mod kubernetes;
pub mod observe;
pub mod open;
pub mod perform;
pub mod probe;
pub mod process;
pub mod records;
pub mod registry;
pub mod sight;
pub mod target;
