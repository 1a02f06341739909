//! The story as a table that grows by a row when a release has come to its end in an environment.
//!
//! It fits into 80 columns; a long reason goes on in the lines below.

use super::report::Release;
use std::time::Duration;

/// What users saw while a release was on its way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) failed: u64,
    /// Nobody was there to wait: dev and stage have no traffic.
    pub(crate) longest_wait: Option<Duration>,
    /// The first failures in words.
    pub(crate) samples: Vec<String>,
}

const WHY_COLUMNS: usize = 27;
const BEFORE_WHY: usize = 53;

pub(crate) fn head() -> String {
    format!(
        "{:<10} {:<6} {:<10} {:>7} {:>6} {:>7}  {}",
        "release", "env", "end", "time", "failed", "wait", "why"
    )
}

pub(crate) fn row(release: &Release, seen: &Seen) -> String {
    let end =
        if release.resumed { format!("{} ↻", release.end.word()) } else { release.end.word().to_string() };
    let wait = seen.longest_wait.map_or_else(|| "-".to_string(), |wait| format!("{} ms", wait.as_millis()));
    let failed = seen.longest_wait.map_or_else(|| "-".to_string(), |_| seen.failed.to_string());
    let why = wrapped(&release.reason);
    let first = why.first().map_or("", String::as_str);
    let mut text = format!(
        "{:<10} {:<6} {end:<10} {:>5.1} s {failed:>6} {wait:>7}  {first}",
        release.release, release.env, release.seconds_to_end,
    );
    text.truncate(text.trim_end().len());
    for more in why.iter().skip(1) {
        text += &format!("\n{:BEFORE_WHY$}{more}", "");
    }
    text
}

/// Words into lines that fit below `why`; a longer word stands alone.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WHY_COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::report::End;
    use super::*;

    fn release(end: End, resumed: bool, reason: &str) -> Release {
        let (release, env) = ("2026.11.3".to_string(), "prod".to_string());
        Release { release, env, end, resumed, reason: reason.to_string(), seconds_to_end: 11.72 }
    }

    #[test]
    fn a_row_fits_into_eighty_columns() {
        let reason = "crash loop: container exits with code 1 twice, same reason";
        let seen = Seen { longest_wait: Some(Duration::from_millis(41)), ..Seen::default() };
        let text = format!("{}\n{}", head(), row(&release(End::Back, true, reason), &seen));
        assert_eq!(
            text,
            "release    env    end           time failed    wait  why\n\
             2026.11.3  prod   back ↻      11.7 s      0   41 ms  crash loop: container exits\n\
             \u{20}                                                    with code 1 twice, same\n\
             \u{20}                                                    reason"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn where_nobody_is_nobody_waits() {
        let text = row(&release(End::Live, false, ""), &Seen::default());
        assert_eq!(text, "2026.11.3  prod   live        11.7 s      -       -");
    }
}
