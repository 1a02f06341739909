//! What a deployer acts with: lease, fence, one session for records, the target.
//!
//! Taking hands is admission: once `take` returns, no lower fence can change the database any more. Whoever loses
//! an answer takes the next number and is admitted again before it looks, decides or settles.

use crate::event::{Event, Sink};
use crate::failure::Failure;
use crate::process::client::TargetClient;
use nica_migrate::connect::{DbUrl, connect};
use nica_migrate::fence::{Admission, Guarded, Holder, Lease, Limits, admit, session_name};
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::Client;

/// How to reach an environment: addresses and limits, no power yet.
#[derive(Clone)]
pub struct Access {
    pub service: String,
    pub env: String,
    pub url: DbUrl,
    /// State folder of the `process` target.
    pub state: PathBuf,
    /// The program that `nica supervise` is started from.
    pub nica: PathBuf,
    /// Person and host, as the lease shows them.
    pub holder: String,
    pub host: String,
    pub lease_ttl: Duration,
    pub admit_limit: Duration,
    pub sink: Sink,
}

pub struct Hands {
    pub access: Access,
    pub fence: i64,
    target: Option<TargetClient>,
    lease: Lease,
    client: Client,
    /// Suffix of the open run, once there is one; part of our session names.
    suffix: Option<String>,
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
        let mut hands = Hands { access, fence, target: None, lease, client, suffix: None };
        hands.admit_database().await?;
        Ok(hands)
    }

    async fn admit_database(&mut self) -> Result<(), Failure> {
        let (env, limit) = (&self.access.env, self.access.admit_limit);
        Ok(admit(&mut self.client, self.fence, env, limit, Admission::Plain).await?)
    }

    /// Admission at the target, starting its supervisor where none runs. It only ever raises what the target saw.
    pub async fn admit_target(&mut self, env_id: &str) -> Result<(), Failure> {
        if self.target.is_none() {
            let access = &self.access;
            self.target = Some(TargetClient::connect_or_start(&access.state, &access.nica, env_id).await?);
        }
        let fence = self.fence;
        Ok(self.target()?.admit(fence).await?)
    }

    pub fn target(&mut self) -> Result<&mut TargetClient, Failure> {
        let why = || "it was not admitted by this deployer".to_string();
        self.target.as_mut().ok_or_else(|| Failure::Unreachable { participant: "target", why: why() })
    }

    /// After a lost answer: our own fence ends here too, so that a late request lands on a fence that is gone.
    pub async fn readmit(&mut self, why: &str) -> Result<(), Failure> {
        self.fence = self.lease.next_number().await?;
        self.client = session(&self.access, self.fence, self.suffix.as_deref()).await?;
        self.admit_database().await?;
        if self.target.is_some() {
            let env_id = self.env_id().await?;
            self.target = None;
            self.admit_target(&env_id).await?;
        }
        self.tell(Event::Readmitted { fence: self.fence, why: why.to_string() });
        Ok(())
    }

    async fn env_id(&self) -> Result<String, Failure> {
        let control = crate::records::control::read(&self.client).await?;
        Ok(control.ok_or_else(|| Failure::Records("the control row is missing".to_string()))?.env_id)
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A transaction on the records session that begins with the guard.
    pub async fn guarded(&mut self) -> Result<Guarded<'_>, Failure> {
        if !self.lease.is_held() {
            return Err(Failure::Lost("the lease was not renewed in time".to_string()));
        }
        Ok(Guarded::begin(&mut self.client, self.fence, &Limits::default()).await?)
    }

    /// A session of its own, for one migration: nothing that it sets can leak into the next.
    pub async fn fresh_session(&self) -> Result<Client, Failure> {
        session(&self.access, self.fence, self.suffix.as_deref()).await
    }

    /// From here on our sessions carry the run's suffix.
    pub async fn name_run(&mut self, run: &str) -> Result<(), Failure> {
        self.suffix = run.rsplit('-').next().map(str::to_string);
        let name = session_name(&self.access.env, self.fence, self.suffix.as_deref())?;
        let set = "SELECT set_config('application_name', $1, false)";
        self.client.execute(set, &[&name]).await.map_err(Failure::sql)?;
        Ok(())
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

async fn session(access: &Access, fence: i64, suffix: Option<&str>) -> Result<Client, Failure> {
    let name = session_name(&access.env, fence, suffix)?;
    let unreachable =
        |why: nica_migrate::ConnectError| Failure::Unreachable { participant: "database", why: why.to_string() };
    connect(&access.url, &name).await.map_err(unreachable)
}
