//! Two canonical texts side by side. Objects are sorted, so only the lines inside of one need a real comparison.

use std::collections::BTreeMap;

/// Lines of equal text around a change that are shown; only bodies of functions and views have more.
const CONTEXT: usize = 2;

pub(super) fn lines(old: &str, new: &str) -> Vec<String> {
    let (old, new) = (objects(old), objects(new));
    let mut names: Vec<_> = old.keys().chain(new.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().flat_map(|name| object(name, old.get(name), new.get(name))).collect()
}

fn objects(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut current = "";
    for line in text.lines() {
        match line.strip_prefix("  ") {
            Some(inner) => all.entry(current).or_default().push(inner),
            None => {
                current = line;
                all.entry(current).or_default();
            }
        }
    }
    all
}

fn object(name: &str, old: Option<&Vec<&str>>, new: Option<&Vec<&str>>) -> Vec<String> {
    let whole = |mark: char, lines: &[&str]| {
        let lines = lines.iter().map(|line| format!("{mark}   {line}"));
        std::iter::once(format!("{mark} {name}")).chain(lines).collect()
    };
    match (old, new) {
        (Some(old), Some(new)) if old == new => Vec::new(),
        (Some(old), Some(new)) => {
            let changed = near_changes(&changes(old, new));
            std::iter::once(format!("  {name}")).chain(changed).collect()
        }
        (Some(old), None) => whole('-', old),
        (None, Some(new)) => whole('+', new),
        (None, None) => Vec::new(),
    }
}

/// Every line of both, marked, by the longest common sequence.
fn changes<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let common = common_lengths(old, new);
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            out.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            out.push(('-', old[i]));
            i += 1;
        } else {
            out.push(('+', new[j]));
            j += 1;
        }
    }
    out
}

/// `[i][j]`: how many lines `old[i..]` and `new[j..]` have in common, in order.
fn common_lengths(old: &[&str], new: &[&str]) -> Vec<Vec<u32>> {
    let mut lengths = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i][j] = match old[i] == new[j] {
                true => lengths[i + 1][j + 1] + 1,
                false => lengths[i + 1][j].max(lengths[i][j + 1]),
            };
        }
    }
    lengths
}

fn near_changes(all: &[(char, &str)]) -> Vec<String> {
    let is_near = |at: usize| {
        let around = &all[at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(all.len())];
        around.iter().any(|(mark, _)| *mark != ' ')
    };
    let shown = all.iter().enumerate().filter(|(at, _)| is_near(*at));
    shown.map(|(_, (mark, line))| format!("{mark}   {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, expected: &[&str]) {
        assert_eq!(lines(old, new), expected);
    }

    #[test]
    fn only_what_differs_is_shown_under_its_object() {
        let old = "table a\n  column x integer\n  column y text\ntable b\n  column z date\n";
        check(old, old, &[]);
        check(
            old,
            "table a\n  column x bigint\n  column y text\ntable c\n  column z date\n",
            &[
                "  table a",
                "-   column x integer",
                "+   column x bigint",
                "    column y text",
                "- table b",
                "-   column z date",
                "+ table c",
                "+   column z date",
            ],
        );
    }

    #[test]
    fn long_bodies_show_only_the_lines_around_a_change() {
        let body = |middle: &str| format!("function f()\n  1\n  2\n  3\n  {middle}\n  5\n  6\n  7\n");
        check(
            &body("4"),
            &body("four"),
            &["  function f()", "    2", "    3", "-   4", "+   four", "    5", "    6"],
        );
    }
}
