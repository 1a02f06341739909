//! What this machine has: variables, somebody whom people.toml knows, a server for throw-away databases, git.

use super::Line;
use crate::commands::context::Context;
use crate::config::variables;
use nica_engine::policy::Environment;
use nica_engine::policy::Target;

pub(super) async fn look(context: &Context) -> Vec<Line> {
    let lines = [Some(git(context)), actor(context), Some(scratch(context).await)];
    lines.into_iter().flatten().collect()
}

fn git(context: &Context) -> Line {
    let mut command = std::process::Command::new("git");
    command.args(["rev-parse", "--is-shallow-repository"]).current_dir(&context.folder);
    let next = "make releases in a clone: nica release create asks git who wrote what";
    match command.output() {
        Ok(output) if !output.status.success() => {
            Line::wrong("git", format!("{} is no checkout", context.folder.display()), next)
        }
        Ok(output) if output.stdout.starts_with(b"true") => {
            let says = "the clone is shallow: nobody could say who wrote the commits since the live release";
            Line::wrong("git", says, "git fetch --unshallow")
        }
        Ok(_) => Line::right("git", "the checkout has its whole history"),
        Err(error) => Line::unknown("git", format!("git cannot be started: {error}"), "install git"),
    }
}

/// Only where somebody has to approve does it matter who starts.
fn actor(context: &Context) -> Option<Line> {
    let asked = context.config.environments.values().any(|env| env.policy.approvals > 0);
    let actor = variables::actor();
    let known = context.config.people.by_account(&actor).next();
    asked.then(|| match known {
        Some(person) => Line::right("actor", format!("{actor} is {person}")),
        None => {
            let next =
                format!("add \"{actor}\" to the accounts of a person in people.toml, or set NICA_ACTOR");
            Line::wrong("actor", format!("nobody in people.toml has the account {actor}"), next)
        }
    })
}

/// The gate `migration` tries every new migration there.
async fn scratch(context: &Context) -> Line {
    match nica_migrate::certify::server_version(context.scratch.as_ref()).await {
        Ok(version) => Line::right("throw-away databases", format!("PostgreSQL {version}")),
        Err(error) => {
            let next =
                "install a PostgreSQL server's programs here, or name one with `scratch_url` in nica.toml";
            Line::wrong("throw-away databases", error.to_string(), next)
        }
    }
}

/// Every variable that a deploy into this environment reads. Never its value.
pub(super) fn variables(context: &Context, env: &str) -> anyhow::Result<Vec<Line>> {
    let environment = context.environment(env)?;
    let names = names(environment);
    let missing: Vec<&String> = names.iter().filter(|name| variables::variable(name).is_none()).collect();
    let about = format!("{env}/variables");
    if missing.is_empty() {
        return Ok(vec![Line::right(&about, format!("{} are set", names.len()))]);
    }
    let line = |name: &&String| {
        let empty = variables::state(name).is_some();
        let says = format!("{name} is {}", if empty { "empty" } else { "not set" });
        Line::wrong(&about, says, format!("export {name} where nica runs"))
    };
    Ok(missing.iter().map(line).collect())
}

fn names(environment: &Environment) -> Vec<String> {
    let mut names = vec![environment.reach.database_url.clone()];
    names.extend(environment.reach.healthcheck_url.clone());
    names.extend(environment.components.values().flat_map(|component| component.secrets.values().cloned()));
    if let Target::Kubernetes { secrets, .. } = &environment.reach.target {
        names.extend(secrets.values().flat_map(|keys| keys.values().cloned()));
    }
    names.sort();
    names.dedup();
    names
}
