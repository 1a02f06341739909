//! The objects that a release asks for in an environment that is a cluster.
//!
//! The release says which they are; nica.toml says where they go. The two must mean the same place, and the same as the
//! records: elsewhere nothing of what is live would be found, and all of it would stay.

use crate::manifests;
use crate::release_file::ReleaseFile;
use nica_effects::answer::answered;
use nica_effects::failure::Failure;
use nica_effects::records::run::{self, Participants};
use nica_effects::target::{Reach, SecretNames};
use nica_engine::manifest::Rendered;
use nica_engine::policy::{Environment, Target};
use nica_engine::release::Release;
use tokio_postgres::Client;

/// None where processes run.
pub(super) fn of(
    environment: &Environment,
    file: &ReleaseFile,
    secrets: &SecretNames,
) -> anyhow::Result<Option<Rendered>> {
    Ok(manifests::of_release(file, &environment.name, secrets)?)
}

/// The release was made for what nica.toml says of the environment. Asked before target and database are.
pub(super) fn fit(environment: &Environment, release: &Release) -> anyhow::Result<()> {
    let (env, version) = (environment.name.as_str(), release.version.as_str());
    anyhow::ensure!(
        environment.reach.own_database || release.migrations.is_empty() && release.seeds.is_empty(),
        "plan release {version} for {env}: it has migrations or seeds, and [env.{env}] names only where records \
         stand; write database_url in the place of records_url, or make the release without them"
    );
    match (&environment.reach.target, release.manifests.get(env)) {
        (Target::Process { .. }, None) => Ok(()),
        (Target::Kubernetes { namespace, .. }, Some(packed)) if *namespace == packed.namespace => Ok(()),
        (Target::Kubernetes { namespace, .. }, Some(packed)) => anyhow::bail!(
            "plan release {version} for {env}: it was made for the namespace {}, and nica.toml says {namespace}; \
             correct one of the two, or make it again: nica release create",
            packed.namespace
        ),
        (Target::Kubernetes { .. }, None) => anyhow::bail!(
            "plan release {version} for {env}: it has no objects for that cluster; make it again with this \
             nica.toml: nica release create"
        ),
        (Target::Process { .. }, Some(_)) => anyhow::bail!(
            "plan release {version} for {env}: it was made for a cluster, and nica.toml says that processes run \
             there; correct nica.toml, or make it again: nica release create"
        ),
    }
}

/// An environment that NICA has been in is where it was.
pub(super) async fn stays_there(env: &str, client: &Client, reach: &Reach) -> Result<(), Failure> {
    match answered("where the environment lives", run::lives_at(client)).await? {
        Some(lives) => stays(env, &lives, reach),
        None => Ok(()),
    }
}

/// What the records say of where the environment lives, against where nica.toml says that it does. Which cluster a context
/// means is the kubeconfig's to say; a state folder may have been moved.
pub(super) fn stays(env: &str, lives: &Participants, reach: &Reach) -> Result<(), Failure> {
    let place = |participants: &Participants| match &participants.kubernetes {
        Some(place) => format!("in namespace {}", place.namespace),
        None => "as processes".to_string(),
    };
    let (there, here) = (place(lives), place(&reach.participants()));
    if there == here {
        return Ok(());
    }
    let why =
        format!("{env} lives {there}, nica.toml says {here}; put that back, or begin a new environment");
    Err(Failure::Mismatch(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nica_effects::kubernetes::Place;
    use nica_effects::target::Vault;

    fn cluster(context: &str, namespace: &str) -> Reach {
        let (context, namespace) = (Some(context.to_string()), namespace.to_string());
        Reach::Kubernetes(Place { kubeconfig: None, context, namespace }, Vault::default())
    }

    #[test]
    fn an_environment_stays_where_it_lives() {
        let folder = |path: &str| Reach::Process { state: path.into() };
        let check = |lives: Reach, now: Reach, expected: Option<&str>| {
            let told = stays("prod", &lives.participants(), &now).err().map(|error| error.to_string());
            let expected = expected.map(|says| {
                format!(
                    "act on this environment: prod lives {says}; put that back, or begin a new environment"
                )
            });
            assert_eq!(told, expected);
        };
        check(folder("/a"), folder("/b"), None);
        check(cluster("here", "shop"), cluster("there", "shop"), None);
        check(
            cluster("here", "shop"),
            cluster("here", "store"),
            Some("in namespace shop, nica.toml says in namespace store"),
        );
        check(folder("/a"), cluster("here", "shop"), Some("as processes, nica.toml says in namespace shop"));
        check(cluster("here", "shop"), folder("/a"), Some("in namespace shop, nica.toml says as processes"));
    }
}
