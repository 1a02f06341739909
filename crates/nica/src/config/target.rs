//! `target = { kind = … }`: one machine, or a namespace of a cluster, each with what only it needs.

use super::section::Section;
use nica_engine::policy::Target;
use std::collections::BTreeMap;

#[derive(Clone, Copy)]
enum Kind {
    Process,
    Kubernetes,
}

pub(super) fn read(section: &Section<'_>, environment: &Section<'_>) -> Target {
    let words = [("process", Kind::Process), ("kubernetes", Kind::Kubernetes)];
    // A kind that is not known is guessed from what stands beside it, so that one wrong letter is one mistake.
    let cluster = ["context", "namespace", "manifests"].iter().any(|key| section.has(key));
    let kind = section.choice("kind", &words, if cluster { Kind::Kubernetes } else { Kind::Process });
    if !section.has("kind") {
        section.missing("kind", "\"process\"");
    }
    let target = match kind {
        Kind::Process => Target::Process { state: section.text("state") },
        Kind::Kubernetes => kubernetes(section, environment),
    };
    section.finish();
    target
}

fn kubernetes(section: &Section<'_>, environment: &Section<'_>) -> Target {
    // Never the context that somebody used last: which cluster is meant is said.
    let context = section.must_text("context", "\"prod\"");
    let namespace = section.must_text("namespace", "\"nica\"");
    check_label(section, "namespace", &namespace);
    let manifests = section.text_or_texts("manifests");
    if manifests.is_empty() && !section.has("manifests") {
        section.missing("manifests", "\"infra/k8s/rendered/prod.yaml\"");
    }
    Target::Kubernetes { context, namespace, manifests, secrets: secrets(environment) }
}

/// `[env.prod.secret.NAME]`: the Secrets whose values NICA brings.
fn secrets(environment: &Section<'_>) -> BTreeMap<String, BTreeMap<String, String>> {
    let Some(all) = environment.section("secret") else { return BTreeMap::new() };
    let secret = |(name, section): (String, Section<'_>)| {
        if !is_label(&name) {
            let says = format!("`{name}` cannot be the name of a Secret");
            section.wrong_at(section.span.clone(), &says, LABEL, "choose another name");
        }
        let values = section.all_variables();
        if values.is_empty() {
            let says = format!("the Secret `{name}` has no keys");
            let next = "write `database_url = { env = \"NAME\" }`, or remove the table";
            section.wrong_at(section.span.clone(), &says, "nothing stands under this", next);
        }
        (name, values)
    };
    all.named().into_iter().map(secret).collect()
}

const LABEL: &str = "it has a to z, 0 to 9 and -, at most 63, and begins and ends with a letter or a digit";

fn check_label(section: &Section<'_>, key: &str, name: &str) {
    if !is_label(name) && !name.is_empty() {
        section.wrong(key, &format!("`{name}` cannot be a `{key}`"), LABEL, "choose another name");
    }
}

fn is_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edge = |c: Option<char>| c.is_some_and(|c| c != '-');
    name.len() <= 63 && name.chars().all(inner) && edge(name.chars().next()) && edge(name.chars().last())
}
