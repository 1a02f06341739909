//! How a line is worded: where something is, and what somebody else said, cut to one line.

use super::Need;
use super::life::Life;
use super::object::Pod;

/// Long enough for every sentence of the kubelet that names a cause.
const SAID_CHARS_MAX: usize = 300;

pub(super) fn place(pod: &Pod, container: &str) -> String {
    let init = pod.status.init_container_statuses.iter().any(|status| status.name == container);
    let kind = if init { "init container" } else { "container" };
    let node = match pod.spec.node_name.as_str() {
        "" => String::new(),
        node => format!(" on node {node}"),
    };
    format!("{kind} {container} of pod {}{node}", pod.metadata.name)
}

/// Another component's words on one line. Names and paths stay; the query of an address, which may be a signature
/// or a token, does not. Nothing is taken from a program's output.
pub(super) fn said(words: &str) -> String {
    let line = words.split_whitespace().map(without_query).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SAID_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// `"https://host/path?signature":` without what stands between `?` and the quote.
fn without_query(word: &str) -> String {
    match word.split_once('?').filter(|(address, _)| address.contains("://")) {
        Some((address, query)) => {
            let end = query.find(['"', '\'']).map_or("", |end| &query[end..]);
            format!("{address}{end}")
        }
        None => word.to_owned(),
    }
}

/// The log of the start that ended last, or of the present one when none has ended.
pub(super) fn log(life: &Life, container: &str) -> Option<Need> {
    let status = life.pod.status_of(container)?;
    let previous = status.state.terminated.is_none() && status.last_state.terminated.is_some();
    let meta = &life.pod.metadata;
    Some(Need::Log {
        namespace: meta.namespace.clone(),
        pod: meta.name.clone(),
        container: container.to_owned(),
        previous,
        restarts: status.restart_count,
    })
}

/// `1 time`, `2 times`.
pub(super) fn times(number: u32) -> String {
    if number == 1 { "once".into() } else { format!("{number} times") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_on_one_line_without_queries() {
        let check = |words: &str, expected: &str| assert_eq!(said(words), expected);
        check("a\n  b", "a b");
        check("Get \"https://h/p?sig=secret\": EOF", "Get \"https://h/p\": EOF");
        check("what? no", "what? no");
        assert_eq!(said(&"x".repeat(999)).chars().count(), SAID_CHARS_MAX + 1);
    }
}
