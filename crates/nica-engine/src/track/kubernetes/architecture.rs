//! The program is built for another processor. No pull fails, and the pod only shows an exit with code 1; the words
//! stand in the container's log, or in the runtime's refusal to start it.

use super::{Class, Failure};

const WORDS: &str = "exec format error";
const NEXT: &str = "build the image for the node's architecture, or select nodes that fit it";

/// A crash loop or failed start whose log says so.
pub(super) fn from_log(failure: Failure, log: &[String]) -> Failure {
    let crashed = matches!(failure.class, Class::CrashLoop | Class::Job | Class::CannotStart);
    match crashed && log.iter().any(|line| line.to_lowercase().contains(WORDS)) {
        true => renamed(failure),
        false => failure,
    }
}

pub(super) fn from_start(failure: Failure) -> Failure {
    if failure.line.contains(WORDS) { renamed(failure) } else { failure }
}

fn renamed(failure: Failure) -> Failure {
    let line = format!("{}: {WORDS}, the program is built for another architecture", place(&failure.line));
    Failure { class: Class::Architecture, line, next: NEXT, ..failure }
}

/// The part of the line that says which container it is.
fn place(line: &str) -> &str {
    let ends = [" exits with ", " cannot start: "];
    ends.iter().find_map(|end| line.split_once(end)).map_or(line, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(class: Class, log: &str, expected: Class) {
        let line = "container c of pod p exits with code 1, 2 times".to_string();
        let failure = Failure { class, line, next: "", need: None };
        assert_eq!(from_log(failure, &[log.to_string()]).class, expected, "{log}");
    }

    #[test]
    fn a_log_with_the_kernels_words_names_the_architecture() {
        check(Class::CrashLoop, "exec /app: exec format error", Class::Architecture);
        check(Class::CrashLoop, "exec /app: Exec format error", Class::Architecture);
        check(Class::CrashLoop, "cannot reach database", Class::CrashLoop);
        check(Class::Readiness, "child said: exec format error", Class::Readiness);
    }
}
