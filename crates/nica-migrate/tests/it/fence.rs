//! Who may act: the lease, the guard, admission, and everything that a dead or stopped actor leaves behind.

mod admission;
mod guard;
mod lease;
mod orphan;
mod pooler;
mod stopped;
