//! README.pt-BR.md shows what README.md shows: the same commands, and to the letter what they printed.

use super::finding::Finding;
use crate::repo::Tree;

pub(crate) const ID: &str = "readme";

const ENGLISH: &str = "README.md";
const PORTUGUESE: &str = "README.pt-BR.md";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let (english, portuguese) = (tree.file(ENGLISH), tree.file(PORTUGUESE));
    let what = match (english, portuguese) {
        (Some(english), Some(portuguese)) if shown(&english.text) == shown(&portuguese.text) => {
            return Vec::new();
        }
        (Some(_), Some(_)) => "it does not show what README.md shows".to_string(),
        _ => "there is none".to_string(),
    };
    let next = "copy what stands between the fences; what a command does is told in Portuguese".to_string();
    vec![Finding { rule: ID, path: PORTUGUESE.to_string(), line: 0, what, next }]
}

/// What stands between fences; of a line that explains a command only the command.
fn shown(text: &str) -> Vec<String> {
    let inside = text.split("```").skip(1).step_by(2).flat_map(str::lines);
    let command = |line: &str| match line.strip_prefix("./x ") {
        Some(words) => format!("./x {}", words.split(' ').next().unwrap_or_default()),
        None => line.to_string(),
    };
    inside.map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::planted::tree;

    const TEXT: &str = "# N\n\n```\n./x demo   deliver\n```\n\nprinted:\n\n```\nrelease 1\n```\n";

    fn found(portuguese: &str) -> usize {
        check(&tree(&[(ENGLISH, TEXT), (PORTUGUESE, portuguese)])).len()
    }

    #[test]
    fn what_is_shown_is_the_same_in_both() {
        assert_eq!(found(&TEXT.replace("deliver", "leva").replace("printed", "imprimiu")), 0);
        assert_eq!(found(&TEXT.replace("release 1", "release 2")), 1);
        assert_eq!(found(&TEXT.replace("./x demo", "./x test")), 1);
        assert_eq!(check(&tree(&[(ENGLISH, TEXT)])).len(), 1);
    }
}
