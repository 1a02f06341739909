//! Several replicas' Prometheus texts as one.
//!
//! Counters, histograms and summaries add up, over the dead as well: what they served was served. Gauges add up
//! over the living only, so that a gauge which one leader sets is read from whoever leads.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a generation of a component has counted, as Prometheus text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Over living replicas and those that have gone.
    pub total: String,
    /// By the number of each replica that lives: a gate never takes one of them for all.
    pub living: BTreeMap<u32, String>,
}

/// One text per replica, and whether that replica still lives.
pub(crate) fn merge<'a>(texts: impl IntoIterator<Item = (&'a str, bool)>) -> String {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for (text, alive) in texts {
        add(&mut families, text, alive);
    }
    print(&families)
}

#[derive(Default)]
struct Family {
    help: Option<String>,
    kind: Option<String>,
    /// In the order of the first text that has them: a histogram's buckets stay sorted.
    samples: Vec<(String, f64)>,
    place: BTreeMap<String, usize>,
}

fn add(families: &mut BTreeMap<String, Family>, text: &str, alive: bool) {
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            describe(families, rest, |family, text| family.kind = Some(text));
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            describe(families, rest, |family, text| family.help = Some(text));
        } else if !line.is_empty() && !line.starts_with('#') {
            sample(families, line, alive);
        }
    }
}

fn describe(families: &mut BTreeMap<String, Family>, rest: &str, keep: impl FnOnce(&mut Family, String)) {
    if let Some((name, text)) = rest.split_once(' ') {
        keep(families.entry(name.into()).or_default(), text.into());
    }
}

fn sample(families: &mut BTreeMap<String, Family>, line: &str, alive: bool) {
    let Some((series, value)) = split(line) else { return };
    let name = series.split('{').next().unwrap_or(series);
    let family = families.entry(family_of(families, name)).or_default();
    let adds_up = matches!(family.kind.as_deref(), Some("counter" | "histogram" | "summary"));
    if !alive && !adds_up {
        return;
    }
    let next = family.samples.len();
    let place = *family.place.entry(series.into()).or_insert(next);
    match family.samples.get_mut(place) {
        Some((_, sum)) => *sum += value,
        None => family.samples.push((series.into(), value)),
    }
}

/// `name{labels} value [timestamp]`; a label's value may hold spaces and brackets.
fn split(line: &str) -> Option<(&str, f64)> {
    let end = match line.rfind('}') {
        Some(bracket) => bracket + 1,
        None => line.find(char::is_whitespace)?,
    };
    let value = line[end..].split_ascii_whitespace().next()?;
    Some((&line[..end], value.parse().ok()?))
}

/// A sample belongs to the family that was declared, not to its own suffixed name.
fn family_of(families: &BTreeMap<String, Family>, name: &str) -> String {
    let suffixes = ["_bucket", "_sum", "_count", "_total"];
    let mut declared = suffixes.iter().filter_map(|suffix| name.strip_suffix(suffix));
    let base = declared.find(|base| families.get(*base).is_some_and(|family| family.kind.is_some()));
    base.filter(|_| families.get(name).is_none_or(|family| family.kind.is_none())).unwrap_or(name).into()
}

fn print(families: &BTreeMap<String, Family>) -> String {
    let mut out = String::new();
    for (name, family) in families.iter().filter(|(_, family)| !family.samples.is_empty()) {
        let mut describe = |word: &str, text: &Option<String>| {
            if let Some(text) = text {
                let _ = writeln!(out, "# {word} {name} {text}");
            }
        };
        describe("HELP", &family.help);
        describe("TYPE", &family.kind);
        for (series, value) in &family.samples {
            let _ = writeln!(out, "{series} {value}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(texts: &[(&str, bool)], expected: &str) {
        assert_eq!(merge(texts.iter().copied()), expected);
    }

    const COUNTER: &str = "# TYPE served counter\nserved_total{path=\"/a b}\"} 2\n";

    #[test]
    fn counters_add_up_over_the_living_and_the_dead() {
        let sum = "# TYPE served counter\nserved_total{path=\"/a b}\"} 4\n";
        check(&[(COUNTER, true), (COUNTER, false)], sum);
        check(&[(COUNTER, false)], COUNTER);
    }

    #[test]
    fn gauges_of_the_dead_do_not_count() {
        let gauge = "# HELP dlq Dead letters.\n# TYPE dlq gauge\ndlq 3\n";
        check(&[(gauge, true), (gauge, false)], gauge);
        check(&[(gauge, false)], "");
        check(&[("untyped 1\n", true), ("untyped 1\n", false)], "untyped 1\n");
    }

    #[test]
    fn a_histogram_adds_up_by_bucket_and_keeps_their_order() {
        let h = "# TYPE t histogram\nt_bucket{le=\"0.5\"} 1\nt_bucket{le=\"10\"} 2\nt_bucket{le=\"+Inf\"} 2\nt_sum 1.5\nt_count 2\n";
        let twice = "# TYPE t histogram\nt_bucket{le=\"0.5\"} 2\nt_bucket{le=\"10\"} 4\nt_bucket{le=\"+Inf\"} 4\nt_sum 3\nt_count 4\n";
        check(&[(h, true), (h, false)], twice);
    }

    #[test]
    fn what_is_no_metric_is_left_out() {
        check(&[("served\n# EOF\n\nserved x\n", true)], "");
    }
}
