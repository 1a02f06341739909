//! What nearly every command needs: the configuration, and how to reach the environment that was named.

use super::certify::{Answers, Means};
use crate::cli::Global;
use crate::config::{self, Config, variables};
use crate::output::Output;
use nica_effects::event::Sink;
use nica_effects::hands::Access;
use nica_effects::kubernetes::Place;
use nica_effects::target::{Reach, Vault};
use nica_engine::policy::{Environment, Target};
use nica_migrate::DbUrl;
use std::path::PathBuf;

pub(super) struct Context {
    pub config: Config,
    /// The folder of nica.toml: where relative paths start.
    pub folder: PathBuf,
    pub output: Output,
    /// What throw-away databases said of migrations.
    pub answers: Answers,
    /// A server for throw-away databases.
    pub scratch: Option<DbUrl>,
}

/// What was said names nothing that is there.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    #[error("find environment `{name}`: {instead}")]
    Environment { name: String, instead: String },
    #[error("reach {env}: {variable} is not set; export it with the URL of {env}'s {holds}")]
    Url { env: String, variable: String, holds: &'static str },
    #[error("read {variable}: {why}")]
    BadUrl { variable: String, why: String },
}

impl Unknown {
    fn environment(name: &str, known: &[&str]) -> Unknown {
        let instead = match config::nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("nica.toml has {}", known.join(", ")),
        };
        Unknown::Environment { name: name.to_string(), instead }
    }
}

impl Context {
    pub(super) fn load(global: &Global, output: Output) -> anyhow::Result<Context> {
        let config = config::load(&global.config)?;
        let scratch = config.service.scratch_url.as_deref().map(scratch).transpose()?.flatten();
        let folder = folder_of(&global.config);
        Ok(Context { config, folder, output, answers: Answers::of_this_user(), scratch })
    }

    /// What certifying migrations takes.
    pub(super) fn means(&self) -> Means<'_> {
        (&self.answers, self.scratch.as_ref())
    }

    pub(super) fn environment(&self, name: &str) -> Result<&Environment, Unknown> {
        self.config.environments.get(name).ok_or_else(|| {
            let known: Vec<_> = self.config.environments.keys().map(String::as_str).collect();
            Unknown::environment(name, &known)
        })
    }

    /// How to reach an environment, and with which patience.
    pub(super) fn access(&self, name: &str, sink: Sink) -> anyhow::Result<Access> {
        let environment = self.environment(name)?;
        let limits = &environment.policy.limits;
        Ok(Access {
            service: self.config.service.name.clone(),
            env: name.to_string(),
            url: url(environment)?,
            reach: self.reach(environment),
            nica: std::env::current_exe()?,
            holder: variables::actor(),
            host: variables::host(),
            lease_ttl: limits.lease_ttl,
            admit_limit: limits.admit,
            health_url: environment.reach.healthcheck_url.as_deref().and_then(variables::variable),
            sink,
            stop: super::interrupt::flag(),
        })
    }

    pub(super) fn reach(&self, environment: &Environment) -> Reach {
        match &environment.reach.target {
            Target::Process { state: Some(path) } => Reach::Process { state: self.folder.join(path) },
            Target::Process { state: None } => {
                let state = variables::default_state(&self.config.service.name, &environment.name);
                Reach::Process { state }
            }
            Target::Kubernetes { context, namespace, .. } => {
                let (context, namespace) = (Some(context.clone()), namespace.clone());
                Reach::Kubernetes(Place { kubeconfig: None, context, namespace }, Vault::default())
            }
        }
    }
}

/// The folder of a file, absolute, so that a supervisor started from here finds it too.
pub(super) fn folder_of(file: &std::path::Path) -> PathBuf {
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    std::path::absolute(parent).unwrap_or_else(|_| parent.to_path_buf())
}

/// Where the variable is not set, there is none: the gate `migration` says so if it needs one.
fn scratch(variable: &str) -> Result<Option<DbUrl>, Unknown> {
    let url = variables::variable(variable).map(|text| DbUrl::parse(&text)).transpose();
    url.map_err(|error| Unknown::BadUrl { variable: variable.to_string(), why: error.to_string() })
}

fn url(environment: &Environment) -> Result<DbUrl, Unknown> {
    let variable = environment.reach.database_url.clone();
    let holds = if environment.reach.own_database { "database" } else { "records" };
    let text = variables::variable(&variable).ok_or_else(|| Unknown::Url {
        env: environment.name.clone(),
        variable: variable.clone(),
        holds,
    })?;
    DbUrl::parse(&text).map_err(|error| Unknown::BadUrl { variable, why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        assert_eq!(Unknown::environment(name, &["dev", "stage", "prod"]).to_string(), expected);
    }

    #[test]
    fn an_unknown_environment_gets_the_nearest_one_or_all_of_them() {
        check("prd", "find environment `prd`: did you mean `prod`?");
        check("staging", "find environment `staging`: nica.toml has dev, stage, prod");
    }
}
