//! Nothing waits without a limit: a question that gets no answer is a lost answer, whatever the connection says.
//!
//! A network that swallows an answer breaks no connection, so neither the driver nor the server would ever say so. What
//! is read is asked through `answered`; what is written goes through `Hands::transact`, which uses `within`.

use crate::failure::Failure;
use std::time::Duration;

/// Everything that is read before something is decided. Milliseconds on a healthy database, seconds on a loaded one.
const LOOK_LIMIT: Duration = Duration::from_secs(30);

/// The look's answer, or `Failure::Lost` when none came in time; `what` is what was looked at.
pub async fn answered<T, E: Into<Failure>>(
    what: &str,
    look: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    within(LOOK_LIMIT, what, look).await
}

/// The same, for what has a limit of its own.
pub(crate) async fn within<T, E: Into<Failure>>(
    limit: Duration,
    what: &str,
    look: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    let late = |_| Failure::Lost(format!("{what} did not come within {} s", limit.as_secs_f32()));
    tokio::time::timeout(limit, look).await.map_err(late)?.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn an_answer_that_never_comes_is_lost_and_names_what_was_asked() {
        let never = std::future::pending::<Result<(), Failure>>();
        let failure = within(SHORT, "the open run", never).await.expect_err("it never comes");
        assert_eq!(failure.to_string(), "get an answer: the open run did not come within 0.005 s");
        assert!(matches!(failure, Failure::Lost(_)));
    }

    #[tokio::test]
    async fn an_answer_and_an_error_are_passed_on() {
        let five = async { Ok::<_, Failure>(5) };
        assert_eq!(within(SHORT, "five", five).await.expect("it is there"), 5);
        let refused = async { Err::<(), _>(Failure::Refused("no".to_string())) };
        let failure = within(SHORT, "no", refused).await.expect_err("it is an error");
        assert!(matches!(failure, Failure::Refused(why) if why == "no"));
    }
}
