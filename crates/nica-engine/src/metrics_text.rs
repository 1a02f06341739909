//! Reads what a replica says of itself in the Prometheus text format.
//!
//! Only the few metrics that a bake is judged by are kept. A text that cannot be read is an error and no data;
//! it is never read as zero requests.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DURATION: &str = "http_server_request_duration_seconds";
const STATUS: &str = "http_response_status_code";
const DLQ: &str = "event_bus_dlq";
const RETRIES: [&str; 2] = ["pipeline_retry_count", "pipeline_retry_count_total"];

/// What one replica has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub requests: Requests,
    /// Gauge of the leader; absent at everybody else.
    pub dlq: Option<u64>,
    pub retries: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// Answers by HTTP status.
    pub by_status: BTreeMap<u16, u64>,
    /// Upper bound in microseconds (`u64::MAX` for none) → answers that took at most as long.
    pub buckets: BTreeMap<u64, u64>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("read line {line} of the metrics: {why}")]
pub struct BadMetrics {
    pub line: usize,
    pub why: String,
}

impl Requests {
    pub fn total(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// Answers with a 5xx status.
    pub fn errors(&self) -> u64 {
        self.by_status.range(500..600).map(|(_, n)| n).sum()
    }
}

/// The whole text; a text without the histogram counts no requests.
pub fn parse(text: &str) -> Result<Counted, BadMetrics> {
    let mut counted = Counted::default();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |why: String| BadMetrics { line: n + 1, why };
        let sample = Sample::parse(line).map_err(bad)?;
        counted.add(&sample).map_err(bad)?;
    }
    Ok(counted)
}

struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Counted {
    fn add(&mut self, sample: &Sample) -> Result<(), String> {
        match sample.name.strip_prefix(DURATION) {
            Some("_bucket") => self.add_bucket(sample),
            Some("_count") => self.add_count(sample),
            _ if sample.name == DLQ => {
                let seen = sample.count()?;
                self.dlq = Some(self.dlq.map_or(seen, |d| d.max(seen)));
                Ok(())
            }
            _ if RETRIES.contains(&sample.name.as_str()) => {
                self.retries = Some(self.retries.unwrap_or(0) + sample.count()?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add_count(&mut self, sample: &Sample) -> Result<(), String> {
        let status = sample.label(STATUS)?;
        let status = status.parse::<u16>().map_err(|_| format!("`{status}` is no HTTP status"))?;
        *self.requests.by_status.entry(status).or_default() += sample.count()?;
        Ok(())
    }

    fn add_bucket(&mut self, sample: &Sample) -> Result<(), String> {
        let le = sample.label("le")?;
        let seconds = number(le).filter(|s| *s >= 0.0).ok_or_else(|| format!("`{le}` is no upper bound"))?;
        let micros = if seconds.is_finite() { (seconds * 1e6).round() as u64 } else { u64::MAX };
        *self.requests.buckets.entry(micros).or_default() += sample.count()?;
        Ok(())
    }
}

impl Sample {
    /// `name{label="value",…} number`, with an optional timestamp or exemplar that is not used.
    fn parse(line: &str) -> Result<Sample, String> {
        let end = line.find(|c: char| c == '{' || c.is_whitespace()).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        if name.is_empty() {
            return Err("there is no name".into());
        }
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(inside) => labels(inside)?,
            None => (BTreeMap::new(), rest),
        };
        let word = rest.split_whitespace().next().ok_or("there is no value")?;
        let value = number(word).ok_or_else(|| format!("`{word}` is no number"))?;
        Ok(Sample { name: name.into(), labels, value })
    }

    fn label(&self, name: &str) -> Result<&str, String> {
        self.labels.get(name).map(String::as_str).ok_or_else(|| format!("the label `{name}` is missing"))
    }

    fn count(&self) -> Result<u64, String> {
        let fits = self.value >= 0.0 && self.value < u64::MAX as f64;
        if fits { Ok(self.value as u64) } else { Err(format!("{} is no count", self.value)) }
    }
}

/// The labels up to the closing brace, and what follows it.
fn labels(text: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let mut labels = BTreeMap::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, after) = rest.split_once('=').ok_or("a label has no value")?;
        let after = after.trim_start().strip_prefix('"').ok_or("a label's value has no quotes")?;
        let (value, after) = quoted(after)?;
        labels.insert(name.trim().to_string(), value);
        let after = after.trim_start();
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
    }
}

/// A value up to its closing quote; `\\`, `\"` and `\n` are the only escapes.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err("a label's value does not end".into())
}

fn number(word: &str) -> Option<f64> {
    match word {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        word => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
# HELP http_server_request_duration_seconds Duration.
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_sum{http_response_status_code="200"} 0.5
http_server_request_duration_seconds_count{http_response_status_code="200",http_route="/a b,}\"\\"} 10
http_server_request_duration_seconds_bucket{http_response_status_code="200",le="0.005"} 9
http_server_request_duration_seconds_bucket{http_response_status_code="200",le="+Inf"} 10
http_server_request_duration_seconds_count{http_response_status_code="503"} 2 1700000000000
http_server_request_duration_seconds_bucket{le="0.005",http_response_status_code="503"} 1
http_server_request_duration_seconds_bucket{le="+Inf",http_response_status_code="503"} 2 # {trace_id="x"} 0.1
event_bus_dlq 3
pipeline_retry_count_total{agent="a"} 4
pipeline_retry_count_total{agent="b"} 1e1
process_start_time_seconds NaN
# EOF
"#;

    #[test]
    fn what_a_bake_is_judged_by_is_read() {
        let counted = parse(TEXT).unwrap();
        assert_eq!(counted.requests.by_status, [(200, 10), (503, 2)].into());
        assert_eq!(counted.requests.buckets, [(5_000, 10), (u64::MAX, 12)].into());
        assert_eq!((counted.requests.total(), counted.requests.errors()), (12, 2));
        assert_eq!((counted.dlq, counted.retries), (Some(3), Some(14)));
    }

    #[test]
    fn a_text_that_cannot_be_read_is_an_error_and_not_zero() {
        let check = |text: &str, says: &str| assert_eq!(parse(text).unwrap_err().to_string(), says);
        check("\na", "read line 2 of the metrics: there is no value");
        check("a x", "read line 1 of the metrics: `x` is no number");
        check("a{b=\"c} 1", "read line 1 of the metrics: a label's value does not end");
        check("a{b} 1", "read line 1 of the metrics: a label has no value");
        check("{a=\"b\"} 1", "read line 1 of the metrics: there is no name");
        let count = "http_server_request_duration_seconds_count";
        let says = "read line 1 of the metrics: the label `http_response_status_code` is missing";
        check(&format!("{count} 1"), says);
        check(
            &format!("{count}{{http_response_status_code=\"ok\"}} 1"),
            "read line 1 of the metrics: `ok` is no HTTP status",
        );
        check(
            &format!("{count}{{http_response_status_code=\"200\"}} -1"),
            "read line 1 of the metrics: -1 is no count",
        );
        check(
            &format!("{count}{{http_response_status_code=\"200\"}} NaN"),
            "read line 1 of the metrics: NaN is no count",
        );
    }

    #[test]
    fn an_empty_text_counts_nothing() {
        assert_eq!(parse("# EOF\n"), Ok(Counted::default()));
    }
}
