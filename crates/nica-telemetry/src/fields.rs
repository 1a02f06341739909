//! The fields that a log line may carry.
//!
//! An allow-list, because a deny-list forgets: a field that is not named here is dropped, whoever sets it. Nothing
//! here can hold health data, a token or a payload. Names are dotted, units stand in the name.

/// Names that are written to the log. Everything else is dropped.
pub const ALLOWED: &[&str] = &[
    "scope",
    "trace_id",
    "linked_trace_id",
    "event.id",
    "outcome",
    "code",
    "error",
    "error.class",
    "sqlstate",
    "http.method",
    "http.route",
    "http.status_code",
    "duration_ms",
    "listen",
    "listen.inherited",
    "release.version",
    "release.commit",
    "release.generation",
    "migration.id",
    "migrations.missing",
    "reason",
    "drain_ms",
    "shutdown_ms",
    "connections",
    "panic.location",
    "process.pid",
];

/// Who a line concerns. Retention and routing are decided by it.
pub mod scope {
    pub const AUTH: &str = "auth";
    pub const RATE_LIMIT: &str = "rate-limit";
    pub const CLINICAL: &str = "clinical";
    pub const SYSTEM: &str = "system";
}

pub(crate) fn is_allowed(name: &str) -> bool {
    ALLOWED.contains(&name)
}
