//! The labels and annotations that NICA writes. What they mean is told where they are written and read.

pub(super) use nica_engine::manifest::{APPLIED, COMPONENT, FENCE, GENERATION};

/// Field manager of every apply, and of every create once its fields are converted.
pub(super) const MANAGER: &str = "nica";
/// Field manager of the fence alone, so that an apply neither owns nor removes it.
pub(super) const FENCE_MANAGER: &str = "nica-fence";

pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
pub(super) const SERVICE: &str = "nica/service";

/// The generation that the object had before: until its controller has seen the new one, it may still start that.
pub(super) const PREVIOUS: &str = "nica/previous";
/// How many replicas are awaited.
pub(super) const REPLICAS: &str = "nica/replicas";
/// The uuid of the environment's records.
pub(super) const ENVIRONMENT: &str = "nica/environment";
/// On anchors: their run.
pub(super) const RUN: &str = "nica/run";
/// Selects every object of a service, anchors included.
pub(super) fn ours(service: &str) -> String {
    format!("{MANAGED_BY}={MANAGER},{SERVICE}={service}")
}
