//! A figure with its bar, and the table of them.

use std::time::{Duration, Instant};

pub(super) struct Figure {
    pub(super) what: String,
    /// Which of the samples is held against the bar.
    pub(super) of: Share,
    pub(super) samples: Vec<Duration>,
    /// None where the figure is only told.
    pub(super) bar: Option<Duration>,
}

#[derive(Clone, Copy)]
pub(super) enum Share {
    Median,
    Percentile99,
    Longest,
}

impl Figure {
    /// Runs it so often and takes the time of each.
    pub(super) fn measure(
        what: &str,
        of: Share,
        bar: Duration,
        times: usize,
        mut run: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Figure> {
        let mut samples = Vec::with_capacity(times);
        for _ in 0..times {
            let began = Instant::now();
            run()?;
            samples.push(began.elapsed());
        }
        Ok(Figure { what: what.to_string(), of, samples, bar: Some(bar) })
    }

    pub(super) fn value(&self) -> Duration {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        let at = match self.of {
            Share::Median => last / 2,
            Share::Percentile99 => (last * 99).div_ceil(100),
            Share::Longest => last,
        };
        sorted.get(at).copied().unwrap_or_default()
    }

    /// A figure without a sample holds nothing.
    pub(super) fn holds(&self) -> bool {
        !self.samples.is_empty() && self.bar.is_none_or(|bar| self.value() <= bar)
    }
}

impl Share {
    fn word(self) -> &'static str {
        match self {
            Share::Median => "median",
            Share::Percentile99 => "p99",
            Share::Longest => "longest",
        }
    }
}

/// The same as data, for a file.
pub(super) fn json(bench: &str, figures: &[Figure]) -> serde_json::Value {
    let millis = |time: Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
    let figure = |figure: &Figure| {
        serde_json::json!({
            "what": figure.what,
            "samples": figure.samples.len(),
            "of": figure.of.word(),
            "millis": millis(figure.value()),
            "bar_millis": figure.bar.map(millis),
            "holds": figure.holds(),
        })
    };
    serde_json::json!({ "format": 1, "bench": bench, "figures": figures.iter().map(figure).collect::<Vec<_>>() })
}

pub(super) fn table(figures: &[Figure]) -> String {
    let mut text = format!("{:<52} {:<8} {:>9} {:>9}  {}\n", "", "of", "measured", "bar", "");
    for figure in figures {
        let bar = figure.bar.map_or_else(|| "-".to_string(), millis);
        let verdict = if figure.holds() { "holds" } else { "MISSED" };
        let of = format!("{} {}", figure.samples.len(), figure.of.word());
        text += &format!("{:<48} {of:>12} {:>9} {bar:>9}  {verdict}\n", figure.what, millis(figure.value()));
    }
    text
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(millis: &[u64], of: Share, bar: u64, holds: bool) {
        let samples = millis.iter().map(|ms| Duration::from_millis(*ms)).collect();
        let figure = Figure { what: "a".into(), of, samples, bar: Some(Duration::from_millis(bar)) };
        assert_eq!(figure.holds(), holds, "{millis:?} {bar}");
    }

    #[test]
    fn the_share_that_is_asked_for_is_held_against_the_bar() {
        check(&[1, 2, 90], Share::Median, 2, true);
        check(&[1, 2, 90], Share::Percentile99, 2, false);
        check(&[1, 2, 90], Share::Longest, 90, true);
        check(&[], Share::Median, 1, false);
    }
}
