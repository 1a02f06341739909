//! One way to start logs, and the names that logs and metrics use.
//!
//! Every program of NICA writes the same JSON lines: a fixed set of fields, nothing else. What a field is called
//! stands in `fields`, what a metric is called in `names`; exporting over OTLP does not live here yet.

pub mod fields;
pub mod logs;
pub mod names;
