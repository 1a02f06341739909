//! What one table cannot know: whether the tables fit together.

use super::notes::Notes;
use super::{Config, mistake};
use nica_engine::policy::{Environment, Target};
use std::collections::BTreeMap;

pub(super) fn all(notes: &Notes<'_>, config: &Config) {
    if config.environments.is_empty() && notes.mistakes.borrow().is_empty() {
        let mistake = notes.mistake(0..0, "no environment").cause("there is no [env.…] in this file");
        notes.add(mistake.next("write `[env.dev]` with at least one component"));
    }
    twice(notes, config);
    for environment in config.environments.values() {
        after(notes, config, environment);
        components(notes, config, environment);
        listens(notes, environment);
        approvers(notes, config, environment);
    }
    cycles(notes, config);
}

fn twice(notes: &Notes<'_>, config: &Config) {
    for (n, component) in config.components.iter().enumerate() {
        if config.components[..n].iter().any(|other| other.name == component.name)
            && !component.name.is_empty()
        {
            let says = format!("two components are called `{}`", component.name);
            let mistake = notes.mistake(notes.span(&format!("component[{n}].name")), says);
            notes.add(mistake.cause("a name stands for one component").next("rename one of them"));
        }
    }
}

fn after(notes: &Notes<'_>, config: &Config, environment: &Environment) {
    for after in environment.policy.after.iter().filter(|a| !config.environments.contains_key(*a)) {
        let span = notes.span(&format!("env.{}.after", environment.name));
        let known: Vec<&str> =
            config.environments.keys().map(String::as_str).filter(|n| *n != environment.name).collect();
        let mistake = notes.mistake(span, format!("unknown environment `{after}`"));
        notes.add(mistake.cause(format!("there is no [env.{after}]")).next(mistake::suggest(after, known)));
    }
}

fn components(notes: &Notes<'_>, config: &Config, environment: &Environment) {
    let declared: Vec<&str> = config.components.iter().map(|c| c.name.as_str()).collect();
    for name in environment.components.keys().filter(|n| !declared.contains(&n.as_str())) {
        let span = notes.span(&format!("env.{}.component.{name}", environment.name));
        let mistake = notes.mistake(span, format!("unknown component `{name}`"));
        let cause = format!("there is no [[component]] named {name}");
        notes.add(mistake.cause(cause).next(mistake::suggest(name, declared.clone())));
    }
    if matches!(environment.reach.target, Target::Kubernetes { .. }) {
        return of_objects(notes, environment);
    }
    if environment.components.is_empty() {
        let name = &environment.name;
        let mistake = notes.mistake(notes.span(&format!("env.{name}")), format!("nothing runs in `{name}`"));
        let first = declared.first().unwrap_or(&"backend");
        let cause = format!("there is no [env.{name}.component.…]");
        notes.add(mistake.cause(cause).next(format!("write `[env.{name}.component.{first}]`")));
    }
}

/// Where objects run, their manifests say how.
fn of_objects(notes: &Notes<'_>, environment: &Environment) {
    let env = &environment.name;
    for name in environment.components.keys() {
        let span = notes.span(&format!("env.{env}.component.{name}"));
        let mistake = notes.mistake(span, format!("`{name}` is configured in two places"));
        let cause = "the manifests of a kubernetes target say how it runs";
        notes.add(mistake.cause(cause).next("remove this table, or write `target = { kind = \"process\" }`"));
    }
}

fn listens(notes: &Notes<'_>, environment: &Environment) {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, component) in environment.components.iter().filter(|(_, c)| !c.listen.is_empty()) {
        if let Some(other) = taken.insert(&component.listen, name) {
            let span = notes.span(&format!("env.{}.component.{name}.listen", environment.name));
            let mistake = notes.mistake(span, format!("two components listen on `{}`", component.listen));
            notes.add(mistake.cause(format!("{other} has it already")).next("choose another port"));
        }
    }
}

fn approvers(notes: &Notes<'_>, config: &Config, environment: &Environment) {
    let wanted = environment.policy.approvals as usize;
    let able =
        config.people.0.iter().filter(|(name, p)| config.people.may_approve(name) && !p.keys.is_empty());
    let able = able.count();
    if wanted > able {
        let span = notes.span(&format!("env.{}.approvals", environment.name));
        let mistake = notes.mistake(span, format!("too few people could approve for `{}`", environment.name));
        let cause = format!("approvals asked for: {wanted}; approvers with a key: {able}");
        let next = match &config.service.people {
            Some(file) => format!("add people with `roles = [\"approver\"]` to {file}"),
            None => "write `people = \"people.toml\"` into [service]".to_string(),
        };
        notes.add(mistake.cause(cause).next(next));
    }
}

/// Each environment that comes back to itself, once per cycle, told at its first name.
fn cycles(notes: &Notes<'_>, config: &Config) {
    for (name, environment) in &config.environments {
        let mut way = vec![name.as_str()];
        let mut at = environment;
        while let Some(next) = at.policy.after.first().and_then(|a| config.environments.get(a)) {
            if next.name == *name {
                if way.iter().all(|w| *w >= name.as_str()) {
                    cycle(notes, name, &way);
                }
                break;
            }
            if way.contains(&next.name.as_str()) {
                break;
            }
            way.push(&next.name);
            at = next;
        }
    }
}

fn cycle(notes: &Notes<'_>, name: &str, way: &[&str]) {
    let mistake = notes.mistake(notes.span(&format!("env.{name}.after")), "environments wait for each other");
    let cause = format!("{} after {name}", way.join(" after "));
    notes.add(mistake.cause(cause).next("let one of them begin: remove its `after`"));
}
