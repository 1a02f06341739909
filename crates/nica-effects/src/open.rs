//! Opening a run: from here on its records are all that finishing it needs.
//!
//! Before `open` nothing outside NICA's own schema is touched, save content that nobody looks at yet: executables
//! in the target's store, under the name of their own digest.

mod supersede;

use crate::answer::answered;
use crate::event::{Event, Outline};
use crate::failure::Failure;
use crate::hands::{Access, Hands};
use crate::process::Pins;
use crate::records::control;
use crate::records::run::{self, Judged, OpenRun, Opening};
use crate::sight;
use nica_engine::effect::{Desired, Effect};
use nica_engine::plan::{Plan, Status};
use nica_migrate::connect::connect;
use nica_migrate::fence::refuse_pooler;
use nica_migrate::schema;
use rand::Rng as _;
use std::sync::Arc;

/// Make schema `nica` where it is missing; refuse a database that belongs to another environment.
pub async fn genesis(access: &Access) -> Result<(), Failure> {
    refuse_pooler(&access.url).await?;
    let mut client = connect(&access.url, "nica/genesis").await.map_err(unreachable)?;
    match schema::genesis(&mut client, &access.service, &access.env).await {
        Ok(_) => Ok(()),
        Err(error @ schema::SchemaError::Foreign { .. }) => Err(Failure::Mismatch(error.to_string())),
        Err(error) => Err(Failure::Unreachable { participant: "database", why: error.to_string() }),
    }
}

/// A session for looking only.
pub async fn reader(access: &Access) -> Result<tokio_postgres::Client, Failure> {
    let client = connect(&access.url, "nica/read").await.map_err(unreachable)?;
    let read_only = client.batch_execute("SET default_transaction_read_only = on");
    answered("a session for reading", async { read_only.await.map_err(Failure::sql) }).await?;
    Ok(client)
}

/// A session for the one thing that is written without the lease: a wish.
pub async fn writer(access: &Access) -> Result<tokio_postgres::Client, Failure> {
    connect(&access.url, "nica/wish").await.map_err(unreachable)
}

fn unreachable(error: nica_migrate::ConnectError) -> Failure {
    Failure::Unreachable { participant: "database", why: error.to_string() }
}

/// What a run is opened with.
pub struct NewRun<'a> {
    pub plan: &'a Plan,
    pub starter: &'a str,
    /// Kind and content of every text that the plan names by digest.
    pub texts: &'a [(&'static str, Vec<u8>)],
    pub judged: &'a Judged,
    /// The run that the plan supersedes.
    pub doomed: Option<&'a OpenRun>,
}

/// Open a run for the plan; where it supersedes one, settle that in the same commit. True when the world is still the
/// planned one once everybody is admitted.
pub async fn open(hands: &mut Hands, new: &NewRun<'_>) -> Result<bool, Failure> {
    let NewRun { plan, starter, texts, judged, doomed } = *new;
    let superseded = plan.supersedes.as_ref().map(|old| &old.run);
    assert_eq!(superseded, doomed.map(|old| &old.id), "a plan takes the place of the run that it names");
    let id = format!("{}-{}-{}", hands.access.env, hands.fence, suffix());
    let participants = hands.access.reach.participants();
    let fence = hands.fence;
    let opening = Opening { id: &id, fence, starter, participants: &participants, texts, judged };
    hands.begins(&id);
    let end = match doomed {
        Some(old) => Some(supersede::End::of(hands, old, &id).await?),
        None => None,
    };
    let opened = hands.transact("the opening of the run", async |tx| {
        if let Some(end) = &end {
            end.write(tx).await?;
        }
        Ok(run::open(tx, plan, &opening).await?)
    });
    opened.await?;
    if let Some(end) = end {
        hands.tell(end.event());
    }
    hands.name_run(&id).await?;
    let statuses = vec![Status::Pending; plan.steps.len()];
    let outline = Arc::new(Outline::of(plan, judged, &statuses, None));
    hands.tell(Event::Opened { run: id, outline });
    admit_target(hands).await?;
    pin(hands, plan).await?;
    is_as_planned(hands, plan).await
}

/// The open run, whoever opened it.
pub async fn open_run(hands: &Hands) -> Result<Option<OpenRun>, Failure> {
    answered("the open run", run::read_open(hands.client())).await
}

/// Admit at the target, and say where we are admitted now.
pub async fn admit_target(hands: &mut Hands) -> Result<(), Failure> {
    hands.admit_target().await?;
    let participants = vec!["database".to_string(), "target".to_string()];
    hands.tell(Event::Admitted { fence: hands.fence, participants });
    Ok(())
}

/// Keep in the target's store what the open run and its way back need.
pub(crate) async fn pin(hands: &Hands, plan: &Plan) -> Result<(), Failure> {
    let baseline = plan.baseline.iter().flat_map(|live| live.components.values());
    let wanted = plan.steps.iter().filter_map(|effect| match effect {
        Effect::SetDesired { desired, .. } => Some(desired),
        _ => None,
    });
    hands.target()?.pin(hands.fence, pins(baseline.chain(wanted))).await
}

pub(crate) fn pins<'a>(desired: impl Iterator<Item = &'a Desired>) -> Pins {
    let mut pins = Pins::default();
    for one in desired {
        pins.digests.insert(one.digest.clone());
        pins.secrets.extend(one.secrets.values().cloned());
    }
    pins
}

/// Looked at again after admission: what somebody changed between planning and opening shows here.
pub async fn is_as_planned(hands: &mut Hands, plan: &Plan) -> Result<bool, Failure> {
    let components = hands.components().await?;
    let seen = answered("the state after admission", async {
        let control = control::read(hands.client()).await?;
        let env_id = control.as_ref().map(control::Control::settled_id).unwrap_or_default();
        sight::projection(hands.client_mut(), &env_id, &components).await
    });
    Ok(seen.await?.hash() == plan.projection)
}

/// Eight letters and digits, so that no two runs share a name even across restored databases.
fn suffix() -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut rng = rand::rng();
    (0..8).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect()
}
