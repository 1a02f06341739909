//! The only transaction in which NICA changes anything.
//!
//! It holds the fence row FOR SHARE on the session that runs the statements, so no higher fence is admitted before it
//! ends; the server ends it when we fall silent (250 ms, less where users wait for us); COMMIT is a message of its own,
//! sent only after every answer has come, so a stopped deployer has nothing on its way that could still commit.

use super::{FenceError, classify};
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, IsolationLevel, SimpleQueryMessage, Transaction};

/// How long the server may take over what a guarded transaction asks. Milliseconds count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Users wait behind whoever waits for a lock, so this is their longest wait.
    pub lock: Duration,
    pub statement: Duration,
    /// For what holds no lock that users feel: a concurrent index build, a validation.
    pub build: Duration,
    /// How long we may say nothing inside a transaction until the server ends it, and whoever is stopped in it holds
    /// what it has locked. A server that is far away is given more, up to 250 ms.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            lock: Duration::from_millis(100),
            statement: Duration::from_secs(30),
            build: Duration::from_secs(3600),
            silence: SILENCE_MAX,
        }
    }
}

impl Limits {
    /// For a server that took so long to answer a word: between two statements the way back and forth is silence too.
    fn at_distance(self, answered_in: Duration) -> Limits {
        let silence = self.silence.max((answered_in * WAYS).min(SILENCE_MAX));
        Limits { silence, ..self }
    }

    /// How long to wait for one answer: the server gives up first, unless it is stopped or gone.
    pub fn answer(&self) -> Duration {
        self.statement + ANSWER_GRACE
    }
}

const ANSWER_GRACE: Duration = Duration::from_secs(5);
const SILENCE_MAX: Duration = Duration::from_millis(250);
const WAYS: u32 = 8;
/// For what the server answers at once, or never.
pub(crate) const BEGIN_LIMIT: Duration = Duration::from_secs(5);

/// An open transaction whose guard has passed. Dropped, it is rolled back.
pub struct Guarded<'a> {
    tx: Transaction<'a>,
    fence: i64,
    limits: Limits,
    /// Set in this transaction and gone with it: tells whether it is still the same one.
    mark: String,
}

impl<'a> Guarded<'a> {
    /// # Errors
    /// `Superseded` when another fence is admitted; `LockNotAvailable` while one is being admitted.
    pub async fn begin(
        client: &'a mut Client,
        fence: i64,
        limits: &Limits,
    ) -> Result<Guarded<'a>, FenceError> {
        let mark = format!("{:016x}", rand::random::<u64>());
        within(BEGIN_LIMIT, async {
            // A role's default could be another level; what the guard sees must be the newest row.
            let begin = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
            let asked = Instant::now();
            let tx = begin.read_only(false).start().await.map_err(|e| FenceError::of(fence, &e))?;
            let limits = limits.at_distance(asked.elapsed());
            let preamble = preamble(fence, &limits, &mark);
            tx.batch_execute(&preamble).await.map_err(|e| FenceError::of(fence, &e))?;
            Ok(Guarded { tx, fence, limits, mark })
        })
        .await
    }

    /// Commit, after making sure that there is something to commit: to the COMMIT of a transaction that has failed
    /// Postgres answers without an error, and one that was ended from within would be long gone.
    ///
    /// # Errors
    /// `LostAnswer` when nobody knows whether it was committed; `Torn` when a statement had ended it.
    pub async fn commit(self) -> Result<(), FenceError> {
        let fence = self.fence;
        within(BEGIN_LIMIT, async {
            let whole = self.is_whole().await.map_err(|e| FenceError::of(fence, &e))?;
            if !whole {
                return Err(FenceError::Torn);
            }
            self.tx.commit().await.map_err(|e| FenceError::of(fence, &e))
        })
        .await
    }

    async fn is_whole(&self) -> Result<bool, tokio_postgres::Error> {
        let sql = format!("SELECT nica.guard({}), coalesce(current_setting('{MARK}', true), '')", self.fence);
        let answer = self.tx.simple_query(&sql).await?;
        Ok(answer.iter().any(|m| matches!(m, SimpleQueryMessage::Row(r) if r.get(1) == Some(&self.mark))))
    }

    /// Give it up now, and hear that it is gone.
    ///
    /// # Errors
    /// `LostAnswer` when the connection broke; then the server rolls back by itself.
    pub async fn rollback(self) -> Result<(), FenceError> {
        let fence = self.fence;
        within(BEGIN_LIMIT, async { self.tx.rollback().await.map_err(|e| FenceError::of(fence, &e)) }).await
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// An error of a statement of this transaction.
    pub fn error(&self, error: &tokio_postgres::Error) -> FenceError {
        FenceError::of(self.fence, error)
    }

    /// Whether the transaction is dead but the session alive, so that trying again makes sense.
    pub fn is_retryable(error: &tokio_postgres::Error) -> bool {
        classify(error) == super::Class::LockNotAvailable
    }
}

impl<'a> Deref for Guarded<'a> {
    type Target = Transaction<'a>;

    fn deref(&self) -> &Transaction<'a> {
        &self.tx
    }
}

impl DerefMut for Guarded<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.tx
    }
}

const MARK: &str = "nica.transaction";

/// `standard_conforming_strings` is what the lexer has assumed when it read the file.
fn preamble(fence: i64, limits: &Limits, mark: &str) -> String {
    let (lock, statement) = (limits.lock.as_millis(), limits.statement.as_millis());
    let silence = limits.silence.as_millis();
    format!(
        "SET LOCAL idle_in_transaction_session_timeout = '{silence}ms';
         SET LOCAL client_connection_check_interval = '1s';
         SET LOCAL synchronous_commit = on;
         SET LOCAL lock_timeout = '{lock}ms';
         SET LOCAL statement_timeout = '{statement}ms';
         SET LOCAL standard_conforming_strings = on;
         SET LOCAL {MARK} = '{mark}';
         SELECT nica.guard({fence})"
    )
}

/// Nothing waits without a limit. What did not answer in time may still happen.
///
/// # Errors
/// `LostAnswer` when the limit passes first.
pub async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, FenceError>>,
) -> Result<T, FenceError> {
    bounded(limit, work).await
}

/// As `within`, for work whose errors are wider.
///
/// # Errors
/// `LostAnswer` when the limit passes first.
pub async fn bounded<T, E: From<FenceError>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let late = |_| FenceError::LostAnswer { why: format!("none came within {} ms", limit.as_millis()) };
    tokio::time::timeout(limit, work).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_far_away_is_given_more_time_to_hear_from_us() {
        let check = |silence: u64, answered_in: u64, expected: u64| {
            let limits = Limits { silence: Duration::from_millis(silence), ..Limits::default() };
            let at = limits.at_distance(Duration::from_millis(answered_in));
            assert_eq!(at.silence, Duration::from_millis(expected), "{silence} {answered_in}");
        };
        check(100, 1, 100);
        check(100, 20, 160);
        check(100, 4000, 250);
        check(250, 1, 250);
        check(400, 4000, 400);
    }
}
