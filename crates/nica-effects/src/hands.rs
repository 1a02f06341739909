//! What a deployer acts with: lease, fence, one session for records, the target.
//!
//! Taking hands is admission: once `take` returns, no lower fence can change the database any more. Whoever loses
//! an answer takes the next number and is admitted again before it looks, decides or settles.

use crate::answer::{answered, within};
use crate::event::{Event, Sink};
use crate::failure::Failure;
use crate::process::Identity;
use crate::records::run::OpenRun;
use crate::target::{Components, Cursor, Reach, Target};
use nica_engine::world::AnchorSeen;
use nica_migrate::connect::{DbUrl, connect};
use nica_migrate::fence::{Admission, Guarded, Holder, Lease, Limits, admit, session_name};
use nica_migrate::runner::{By, Session};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_postgres::Client;

/// How to reach an environment: addresses and limits, no power yet.
#[derive(Clone)]
pub struct Access {
    pub service: String,
    pub env: String,
    pub url: DbUrl,
    /// Where workloads run.
    pub reach: Reach,
    /// The program that `nica supervise` is started from.
    pub nica: PathBuf,
    /// Person and host, as the lease shows them.
    pub holder: String,
    pub host: String,
    pub lease_ttl: Duration,
    pub admit_limit: Duration,
    /// Where the environment's health is asked from outside, `http://host:port/path`.
    pub health_url: Option<String>,
    pub sink: Sink,
    /// Set by a signal: the running effect is finished, nothing new begins.
    pub stop: Arc<AtomicBool>,
}

/// How long a migration's lock is tried for before the step counts as refused.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// One statement of a migration. Long ones belong into batches.
const STATEMENT_LIMIT: Duration = Duration::from_secs(300);
/// Users wait for what a migration has locked; who is stopped in the middle of one keeps them no longer than this.
const SILENCE: Duration = Duration::from_millis(60);

pub struct Hands {
    pub access: Access,
    pub fence: i64,
    target: Option<Target>,
    /// Up to where the target's history was seen.
    cursor: Option<Cursor>,
    anchor: AnchorSeen,
    /// The last log lines of components that cannot come up, as last seen.
    last_words: BTreeMap<String, Vec<String>>,
    lease: Lease,
    client: Client,
    /// Suffix of the open run, once there is one; part of our session names.
    suffix: Option<String>,
    /// The run that we asked to open. Whether it was opened only the records know.
    opening: Option<String>,
}

impl Hands {
    /// Take the lease and be admitted at the record database. The target follows with `admit_target`.
    pub async fn take(access: Access) -> Result<Hands, Failure> {
        let holder =
            Holder { env: access.env.clone(), name: access.holder.clone(), host: access.host.clone() };
        // Longer than a ttl: a holder that died without a word has lapsed by then, one that lives has renewed twice.
        let patience = access.lease_ttl.mul_f64(1.5);
        let lease = Lease::wait(&access.url, &holder, access.lease_ttl, patience).await?;
        let fence = lease.number();
        let client = session(&access, fence, None).await?;
        let (last_words, opening) = (BTreeMap::new(), None);
        let mut hands = Hands {
            access,
            fence,
            target: None,
            cursor: None,
            anchor: AnchorSeen::Absent,
            last_words,
            lease,
            client,
            suffix: None,
            opening,
        };
        hands.admit_database().await?;
        Ok(hands)
    }

    async fn admit_database(&mut self) -> Result<(), Failure> {
        let (env, limit) = (&self.access.env, self.access.admit_limit);
        Ok(admit(&mut self.client, self.fence, env, limit, Admission::Plain).await?)
    }

    /// Reach the target, starting its supervisor where none runs. Nothing is asked of it yet.
    pub async fn start_target(&mut self) -> Result<(), Failure> {
        if self.target.is_none() {
            let identity = self.identity().await?;
            let access = &self.access;
            let target = Target::start(&access.reach, &access.nica, &identity, &self.client).await?;
            self.target = Some(target);
        }
        Ok(())
    }

    /// Admission at the target: from here on it refuses every lower fence. It only ever raises what it saw.
    pub async fn admit_target(&mut self) -> Result<(), Failure> {
        self.start_target().await?;
        match &mut self.target {
            Some(target) => target.admit(self.fence, &self.client).await,
            None => Err(not_reached()),
        }
    }

    pub fn target(&self) -> Result<&Target, Failure> {
        self.target.as_ref().ok_or_else(not_reached)
    }

    /// What the target runs now.
    pub async fn components(&mut self) -> Result<Components, Failure> {
        let observed = self.target()?.observe(self.fence).await?;
        (self.cursor, self.anchor) = (Some(observed.cursor), observed.anchor);
        let doomed = observed.components.iter().filter(|(_, seen)| seen.world.doomed.is_some());
        self.last_words = doomed.map(|(name, seen)| (name.clone(), seen.last_words.clone())).collect();
        Ok(observed.components)
    }

    /// The open run's anchor, as `components` saw it last.
    pub fn anchor(&self) -> AnchorSeen {
        self.anchor
    }

    /// What the target was last seen to be: what a write is decided on.
    pub(crate) fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// What a component that cannot come up logged last, oldest first.
    pub fn last_words(&self, component: &str) -> Vec<String> {
        self.last_words.get(component).cloned().unwrap_or_default()
    }

    /// Come back as soon as the target differs from what was last seen of it, at the latest after `limit`.
    pub async fn watch_target(&mut self, limit: Duration) -> Result<(), Failure> {
        if let Some(cursor) = self.target()?.watch(self.cursor.as_ref(), limit).await? {
            self.cursor = Some(cursor);
        }
        Ok(())
    }

    /// After a lost answer: our own fence ends here too, so that a late request lands on a fence that is gone.
    pub async fn readmit(&mut self, why: &str) -> Result<(), Failure> {
        self.fence = self.lease.next_number().await?;
        self.client = session(&self.access, self.fence, self.suffix.as_deref()).await?;
        self.admit_database().await?;
        if let Some(target) = self.target.take() {
            // A cluster's watches go on, and with them what is remembered of a rollout.
            self.target = Some(target).filter(Target::outlives_a_lost_answer);
            self.admit_target().await?;
        }
        self.tell(Event::Readmitted { fence: self.fence, why: why.to_string() });
        Ok(())
    }

    /// Which environment these records say they are.
    async fn identity(&self) -> Result<Identity, Failure> {
        let control = answered("the control row", crate::records::control::read(&self.client)).await?;
        let control = control.ok_or_else(|| Failure::Records("the control row is missing".to_string()))?;
        Ok(Identity { service: control.service, env: control.env, env_id: control.env_id })
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// A transaction on the records session that begins with the guard and is committed after the work. All of the
    /// work has the limit of one answer: it is a few short statements.
    pub(crate) async fn transact<T>(
        &mut self,
        what: &str,
        work: impl AsyncFnOnce(&Guarded<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.transact_within(Limits::default().answer(), what, work).await
    }

    /// The same, for more work than that.
    pub(crate) async fn transact_within<T>(
        &mut self,
        limit: Duration,
        what: &str,
        work: impl AsyncFnOnce(&Guarded<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if !self.lease.is_held() {
            return Err(Failure::Lost("the lease was not renewed in time".to_string()));
        }
        let tx = Guarded::begin(&mut self.client, self.fence, &Limits::default()).await?;
        let worked = within(limit, what, work(&tx)).await?;
        tx.commit().await?;
        Ok(worked)
    }

    /// How migrations run: each on a fresh session with our fence in its name.
    pub fn session(&self, run: &OpenRun) -> Session {
        Session {
            url: self.access.url.clone(),
            env: self.access.env.clone(),
            fence: self.fence,
            run_suffix: self.suffix.clone(),
            limits: Limits { statement: STATEMENT_LIMIT, silence: SILENCE, ..Limits::default() },
            patience: LOCK_PATIENCE,
            by: By {
                run: Some(run.id.clone()),
                who: run.starter.clone(),
                version: env!("CARGO_PKG_VERSION").to_string(),
            },
        }
    }

    /// From here on our sessions carry the run's suffix.
    pub async fn name_run(&mut self, run: &str) -> Result<(), Failure> {
        self.suffix = run.rsplit('-').next().map(str::to_string);
        let name = session_name(&self.access.env, self.fence, self.suffix.as_deref())?;
        let set = "SELECT set_config('application_name', $1, false)";
        answered("the session's new name", async {
            self.client.execute(set, &[&name]).await.map_err(Failure::sql)
        })
        .await?;
        Ok(())
    }

    /// From here on a run of this name may be open, whatever we hear of it.
    pub(crate) fn begins(&mut self, run: &str) {
        self.opening = Some(run.to_string());
    }

    /// Whether the open run is the one that we asked for, its answer lost or not.
    pub fn began(&self, run: &str) -> bool {
        self.opening.as_deref() == Some(run)
    }

    pub(crate) fn must_stop(&self) -> bool {
        self.access.stop.load(Ordering::Relaxed)
    }

    pub fn tell(&self, event: Event) {
        (self.access.sink)(event);
    }

    /// Give the lease back, so that the next deployer need not wait for the ttl.
    pub async fn release(self) {
        if let Err(error) = self.lease.release().await {
            tracing::debug!(%error, "the lease lapses by itself");
        }
    }
}

fn not_reached() -> Failure {
    let why = "it was not admitted by this deployer".to_string();
    Failure::Unreachable { participant: "target", why }
}

async fn session(access: &Access, fence: i64, suffix: Option<&str>) -> Result<Client, Failure> {
    let name = session_name(&access.env, fence, suffix)?;
    let unreachable = |why: nica_migrate::ConnectError| Failure::Unreachable {
        participant: "database",
        why: why.to_string(),
    };
    connect(&access.url, &name).await.map_err(unreachable)
}
