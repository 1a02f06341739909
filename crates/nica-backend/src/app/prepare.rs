//! What an image does before it serves: brings its database up, fetches its models.
//!
//! A database that is not complete ends the start, with what is missing; a model that cannot be had never does, because
//! the service works without one. Everything here may be cut off at any instant and begun again.

use super::ServeError;
use crate::cli::Build;
use crate::config::{self, Actor};
use crate::models;
use nica_migrate::ConnectError;
use nica_migrate::migrate_seed::{MigrateSeedError, Options, Program, Report, migrate_seed};
use nica_migrate::seed::SeedFile;
use nica_migrate::source::read_texts;

/// The service's name in the records of its database.
pub(crate) const SERVICE: &str = "nica";

pub(super) async fn run(
    build: Build,
    start: &config::Start,
    config: &config::Serve,
) -> Result<(), ServeError> {
    if let Some(actor) = &start.migrate {
        migrate(build, actor, config).await?;
    }
    if let Some(wanted) = &start.models {
        fetch(wanted).await;
    }
    Ok(())
}

/// The database cannot be reached, or is another one than was meant.
pub(crate) fn is_unreachable(error: &MigrateSeedError) -> bool {
    use MigrateSeedError::{Connect, Foreign};
    matches!(error, Connect(ConnectError::Unreachable { .. }) | Foreign { .. })
}

async fn migrate(build: Build, actor: &Actor, config: &config::Serve) -> Result<(), ServeError> {
    let migrations = read_texts(build.bundle.migrations)?;
    let seeds = SeedFile::parse_all(build.bundle.seeds.iter().copied())?;
    let program = Program {
        service: SERVICE,
        env: &actor.environment,
        who: &actor.who,
        host: &actor.host,
        version: build.version,
        migrations: &migrations,
        seeds: &seeds,
    };
    let report = migrate_seed(&config.database.url, &program, &Options::default()).await?;
    complete(&report)?;
    tracing::info!(
        database.managed = report.managed,
        migrations.applied = report.applied.join(" "),
        "the database has what this program needs"
    );
    Ok(())
}

fn complete(report: &Report) -> Result<(), ServeError> {
    if report.is_complete() {
        return Ok(());
    }
    let missing = [&report.pending[..], &report.seeds_pending[..]].concat().join(", ");
    let next = if report.managed {
        "only its deployer may add that; deploy this release with `nica deploy`"
    } else {
        "that waits for a contract; apply it with `nica contract`"
    };
    Err(ServeError::Incomplete { missing, next })
}

async fn fetch(wanted: &config::Models) {
    match models::prefetch(wanted).await {
        Ok(fetched) => {
            for model in fetched {
                let (repo, commit) = (&model.repo, &model.commit);
                tracing::info!(
                    model.repo = repo,
                    model.commit = commit,
                    model.bytes = model.bytes,
                    "a model is here"
                );
            }
        }
        Err(error) => tracing::warn!(%error, "models could not be fetched; the service does without"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_who_may_add_it() {
        let check = |managed: bool, expected: &str| {
            let report = Report { managed, pending: vec!["0002_notes".into()], ..Report::default() };
            let told = complete(&report).expect_err("it is not complete").to_string();
            assert!(told.contains("0002_notes") && told.contains(expected), "{told}");
        };
        check(true, "nica deploy");
        check(false, "nica contract");
        assert!(complete(&Report::default()).is_ok());
    }
}
