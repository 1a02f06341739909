//! Starts over when an answer was lost before the loop could begin: nothing but NICA's own schema was touched by then.
//!
//! The loop itself does the same for whatever happens in it. A run that was opened without our hearing of it is found
//! by its name.

use crate::exit::Exit;
use nica_effects::carry::LOST_TRIES;
use nica_effects::failure::Failure;
use nica_effects::hands::{Access, Hands};
use nica_effects::open;

/// What a command does under the lease, in a schema that is there.
pub(super) async fn under_lease(
    access: Access,
    attempt: impl AsyncFn(&mut Hands) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    open::genesis(&access).await?;
    let mut hands = Hands::take(access).await?;
    let answer = until_answered(&mut hands, attempt).await;
    hands.release().await;
    answer
}

/// Try until an answer comes, each time under the next number, at most `LOST_TRIES` times.
async fn until_answered(
    hands: &mut Hands,
    attempt: impl AsyncFn(&mut Hands) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    for _ in 0..LOST_TRIES {
        let answer = attempt(hands).await;
        let Some(why) = lost(&answer) else { return answer };
        hands.readmit(&why).await?;
    }
    attempt(hands).await
}

/// What got no answer, where that is why the attempt ended.
fn lost(answer: &anyhow::Result<Exit>) -> Option<String> {
    match answer.as_ref().err()?.downcast_ref::<Failure>()? {
        Failure::Lost(why) => Some(why.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lost_answer_is_a_reason_to_start_over() {
        let check = |failure: Failure, expected: Option<&str>| {
            let wrapped = anyhow::Error::from(failure).context("while planning");
            assert_eq!(lost(&Err(wrapped)).as_deref(), expected);
        };
        check(Failure::Lost("connection closed".into()), Some("connection closed"));
        check(Failure::Superseded, None);
        check(Failure::Unreachable { participant: "database", why: "gone".into() }, None);
        assert_eq!(lost(&Ok(Exit::Done)), None);
        assert_eq!(lost(&Err(anyhow::anyhow!("no release file"))), None);
    }
}
