//! Reads what `cargo test` prints: a line for each test binary, its counts, and in full whatever did not pass.

use super::Counts;

#[derive(Default)]
pub(crate) struct Reader {
    /// The binary that is running, as cargo names it.
    binary: String,
    /// What it printed so far.
    lines: Vec<String>,
    counts: Counts,
    skipped: Vec<String>,
    /// A binary said that it failed; without one, the command itself is what failed.
    failed_binary: bool,
}

impl Reader {
    /// Takes a line; gives back what is worth showing now.
    pub(crate) fn line(&mut self, line: &str) -> Option<String> {
        let trimmed = line.trim_start();
        if let Some(binary) = trimmed.strip_prefix("Running ").or_else(|| trimmed.strip_prefix("Doc-tests "))
        {
            self.binary = short(binary);
            self.lines.clear();
            return None;
        }
        if let Some(test) = skipped_test(line) {
            self.skipped.push(format!("  skipped {test}"));
        }
        self.lines.push(line.to_string());
        let (green, counts, took) = result_line(line)?;
        self.counts += counts;
        self.failed_binary |= !green;
        let mut shown = if green { String::new() } else { format!("{}\n", self.lines.join("\n")) };
        for skipped in self.skipped.drain(..) {
            shown.push_str(&skipped);
            shown.push('\n');
        }
        self.lines.clear();
        if counts == Counts::default() && shown.is_empty() {
            return None;
        }
        shown.push_str(&format!("  {:<46} {counts}{took}", self.binary));
        Some(shown)
    }

    /// What is left to show when the command has ended, and the counts. A command that failed without a failing
    /// test (it did not compile, a binary crashed) counts as one failure.
    pub(crate) fn end(mut self, success: bool) -> (String, Counts) {
        if !success && (!self.failed_binary || self.counts.failed == 0) {
            self.counts.failed += 1;
            return (self.lines.join("\n") + "\n", self.counts);
        }
        (String::new(), self.counts)
    }
}

/// `unittests src/lib.rs (target/debug/deps/nica_engine-0123)` is `nica_engine src/lib.rs`.
fn short(binary: &str) -> String {
    let (what, file) = binary.split_once(" (").unwrap_or((binary, ""));
    let file = file.trim_end_matches(')').rsplit('/').next().unwrap_or_default();
    let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
    format!("{name} {}", what.trim_start_matches("unittests ")).trim().to_string()
}

fn skipped_test(line: &str) -> Option<String> {
    let (name, reason) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    let reason = reason.trim_start_matches(", ");
    Some(if reason.is_empty() { name.to_string() } else { format!("{name}: {reason}") })
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; …; finished in 0.02s`
fn result_line(line: &str) -> Option<(bool, Counts, String)> {
    let rest = line.strip_prefix("test result: ")?;
    let (verdict, rest) = rest.split_once(". ")?;
    let count = |word: &str| {
        let part = rest.split("; ").find_map(|part| part.strip_suffix(word)).unwrap_or("0");
        part.trim().parse().unwrap_or(0)
    };
    let counts = Counts { passed: count(" passed"), failed: count(" failed"), skipped: count(" ignored") };
    let took = rest.rsplit_once("finished in ").map(|(_, took)| format!("   {took}")).unwrap_or_default();
    Some((verdict == "ok", counts, took))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str, success: bool) -> (Vec<String>, String, Counts) {
        let mut reader = Reader::default();
        let shown = output.lines().filter_map(|line| reader.line(line)).collect();
        let (rest, counts) = reader.end(success);
        (shown, rest, counts)
    }

    const GREEN: &str = "   Compiling nica-engine v0.1.0
     Running unittests src/lib.rs (target/debug/deps/nica_engine-0c9a)

running 3 tests
test a::b ... ok
test a::c ... ignored, needs a cluster
test a::d ... ok

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s
";

    #[test]
    fn a_green_binary_is_one_line_with_its_skips() {
        let (shown, rest, counts) = read(GREEN, true);
        assert_eq!(counts, Counts { passed: 2, failed: 0, skipped: 1 });
        assert_eq!(shown.len(), 1);
        assert!(
            shown[0].starts_with("  skipped a::c: needs a cluster\n  nica_engine src/lib.rs"),
            "{}",
            shown[0]
        );
        assert!(shown[0].ends_with("0.02s") && rest.is_empty());
    }

    #[test]
    fn a_red_binary_is_shown_in_full() {
        let red =
            GREEN.replace("test a::d ... ok", "test a::d ... FAILED\n\n---- a::d stdout ----\nleft != right");
        let red = red.replace("result: ok. 2 passed; 0 failed", "result: FAILED. 1 passed; 1 failed");
        let (shown, rest, counts) = read(&red, false);
        assert_eq!(counts, Counts { passed: 1, failed: 1, skipped: 1 });
        assert!(shown[0].contains("left != right") && rest.is_empty());
    }

    #[test]
    fn a_command_that_fails_without_a_test_is_a_failure() {
        let (_, rest, counts) = read("error[E0425]: cannot find value\n", false);
        assert_eq!(counts.failed, 1);
        assert!(rest.contains("E0425"));
        let crashed =
            GREEN.to_string() + "     Running tests/it/main.rs (target/debug/deps/it-9)\nsignal: 11\n";
        let (_, rest, counts) = read(&crashed, false);
        assert_eq!(counts, Counts { passed: 2, failed: 1, skipped: 1 });
        assert!(rest.contains("signal: 11"));
    }

    #[test]
    fn binaries_without_tests_are_silent() {
        let empty = "     Running unittests src/main.rs (target/debug/deps/nica-1)\n\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        assert_eq!(read(empty, true).0, Vec::<String>::new());
    }
}
