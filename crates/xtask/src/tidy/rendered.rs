//! infra/k8s/rendered is what `./x render` makes of infra/k8s today: a release carries those files, and an edit that did
//! not reach them would be deployed by nobody.

use super::finding::Finding;
use crate::render;
use crate::repo::Tree;

pub(crate) const ID: &str = "rendered";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let stale = render::ENVIRONMENTS.iter().filter_map(|env| {
        let path = render::path(env);
        let what = match tree.file(&path) {
            None => format!("the manifests of {env} are not rendered"),
            Some(file) if !render::is_current(env, &render::inputs(tree, env), &file.text) => {
                format!("this is not what infra/k8s/{env} was rendered to, or it was edited by hand")
            }
            Some(_) => return None,
        };
        Some(Finding { rule: ID, path, line: 0, what, next: "run ./x render".into() })
    });
    stale.collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::places;
    use super::*;
    use crate::repo::{Crates, File};

    fn tree(change: impl Fn(&mut Vec<File>)) -> Tree {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let mut files = vec![file("infra/k8s/base/backend.yaml", "kind: Deployment\n")];
        for env in render::ENVIRONMENTS {
            files.push(file(&format!("infra/k8s/{env}/kustomization.yaml"), "resources: [../base]\n"));
        }
        let made = Tree { files, crates: Crates::default() };
        let mut files = made.files.clone();
        for env in render::ENVIRONMENTS {
            let text = render::marked(env, &render::inputs(&made, env), "kind: Deployment\n");
            files.push(file(&render::path(env), &text));
        }
        change(&mut files);
        Tree { files, crates: Crates::default() }
    }

    fn edit(files: &mut [File], path: &str, text: &str) {
        files.iter_mut().find(|f| f.path == path).expect("it is planted").text.push_str(text);
    }

    #[test]
    fn what_was_edited_after_rendering_is_found() {
        let all: Vec<String> =
            render::ENVIRONMENTS.iter().map(|env| format!("{}:0", render::path(env))).collect();
        assert_eq!(places(check, &tree(|_| {})), Vec::<String>::new());
        assert_eq!(places(check, &tree(|f| edit(f, "infra/k8s/base/backend.yaml", "x"))), all);
        assert_eq!(places(check, &tree(|f| edit(f, "infra/k8s/prod/kustomization.yaml", "x"))), all[2..]);
        assert_eq!(places(check, &tree(|f| edit(f, "infra/k8s/rendered/dev.yaml", "x"))), all[..1]);
        assert_eq!(
            places(check, &tree(|f| f.retain(|f| !f.path.starts_with("infra/k8s/rendered/stage")))),
            all[1..2]
        );
    }

    #[test]
    fn a_new_file_beside_the_others_counts() {
        let new = File { path: "infra/k8s/base/more.yaml".into(), text: String::new() };
        assert_eq!(check(&tree(|f| f.push(new.clone()))).len(), 3);
    }
}
