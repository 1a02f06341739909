//! Names of the metrics that gates, dashboards and alerts read.
//!
//! A name is a contract with whoever scrapes: it changes with a release of its own, never on the side.

/// Histogram of seconds from the last byte of the request's head to the answer.
pub const HTTP_REQUEST_DURATION: &str = "http_server_request_duration_seconds";
/// Gauge of requests that are being answered now.
pub const HTTP_ACTIVE_REQUESTS: &str = "http_server_active_requests";
/// Counter of log lines that were given up because nobody read the pipe.
pub const LOG_LINES_DROPPED: &str = "log_lines_dropped";
/// Gauge, 1 while the program answers ready.
pub const READY: &str = "nica_ready";
/// Gauges of the connection pool.
pub const POOL_IN_USE: &str = "db_client_connections_in_use";
pub const POOL_MAX: &str = "db_client_connections_max";
/// Counter of requests that got no connection within the wait.
pub const POOL_TIMEOUTS: &str = "db_client_connections_timeouts";

/// Label of `HTTP_REQUEST_DURATION`, the status code as a number.
pub const LABEL_STATUS: &str = "http_response_status_code";
/// Label that tells two releases apart while they meet.
pub const LABEL_GENERATION: &str = "generation";
