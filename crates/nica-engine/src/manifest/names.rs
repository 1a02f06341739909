//! Labels and annotations that NICA writes on objects; nobody else may. Most of them are added when an object is sent,
//! because they follow from the configuration's own hash.

/// Annotation: digest of the configuration that was applied.
pub const APPLIED: &str = "nica/applied";
/// Annotation of objects and label of pods.
pub const GENERATION: &str = "nica/generation";
/// Annotation of pods: what the records call their object.
pub const COMPONENT: &str = "nica/component";
/// Annotation: the highest fence that was admitted.
pub const FENCE: &str = "nica/fence";
/// Annotation of a workload that runs nothing yet, so that it has a configuration of its own.
pub const INERT: &str = "nica/inert";
/// Annotation that people write: the ConfigMap is asked for by name.
pub const KEEP_NAME: &str = "nica/keep-name";

/// Ours begin so. What people write stands in `PEOPLES`.
pub(super) const PREFIX: &str = "nica/";
pub(super) const PEOPLES: [&str; 1] = [KEEP_NAME];
