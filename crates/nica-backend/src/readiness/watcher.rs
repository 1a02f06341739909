//! Asks once a second and publishes what it means.
//!
//! One missed answer changes nothing: a checkpoint or a failover may cost a second. Two in a row do.

use super::{Needs, Readiness, Serves, State};
use crate::store::serves::Session;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

const ASK_EVERY: Duration = Duration::from_secs(1);
/// The longest a question may take, connecting included.
pub const ASK_LIMIT: Duration = Duration::from_millis(250);
const MISSES_TO_BLIND: u32 = 2;

/// Why there was no answer, in one sentence without anything of the database's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss(pub String);

/// Asks until nobody listens any more.
pub async fn watch(mut session: Session, needs: Needs, states: watch::Sender<State>) {
    let mut ticks = interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !states.is_closed() {
        ticks.tick().await;
        let answer = ask(&mut session).await;
        let before = states.borrow().clone();
        let after = next(&before, answer, &needs);
        if after.readiness != before.readiness {
            tell(&after);
        }
        states.send_if_modified(|state| {
            *state != after && {
                *state = after;
                true
            }
        });
    }
}

async fn ask(session: &mut Session) -> Result<Serves, Miss> {
    match timeout(ASK_LIMIT, session.ask()).await {
        Ok(answer) => answer,
        Err(_) => Err(Miss(format!("the database did not answer within {} ms", ASK_LIMIT.as_millis()))),
    }
}

fn next(before: &State, answer: Result<Serves, Miss>, needs: &Needs) -> State {
    match answer {
        Ok(serves) => {
            let unmet = needs.unmet(&serves);
            let readiness = if unmet.is_empty() { Readiness::Ready } else { Readiness::Unfit(unmet) };
            let was_ready = before.was_ready || readiness == Readiness::Ready;
            State { readiness, was_ready, applied: serves.applied(), misses: 0 }
        }
        Err(Miss(why)) => {
            let misses = before.misses + 1;
            let blind = misses >= MISSES_TO_BLIND;
            let readiness = if blind { Readiness::Blind(why) } else { before.readiness.clone() };
            State { readiness, misses, ..before.clone() }
        }
    }
}

fn tell(state: &State) {
    match &state.readiness {
        Readiness::Ready => tracing::info!("ready"),
        _ => tracing::warn!(reason = state.reasons().join("; "), "not ready"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_misses_in_a_row_are_not_ready_and_one_is_nothing() {
        let needs = Needs::new(["1_a"]);
        let good = r#"{"migrations":[{"id":"1_a","phase":"expand","state":"applied"}]}"#;
        let bad = r#"{"migrations":[]}"#;
        // g = fits, b = lacks 1_a, m = no answer; then the letter of the readiness that follows.
        let cases = [
            ("g", "R"),
            ("m", "S"),
            ("mm", "SB"),
            ("gm", "RR"),
            ("gmm", "RRB"),
            ("gmgm", "RRRR"),
            ("gb", "RU"),
            ("gbm", "RUU"),
            ("gmmg", "RRBR"),
            ("bg", "UR"),
        ];
        for (answers, expected) in cases {
            let mut state = State::default();
            let mut seen = String::new();
            for answer in answers.chars() {
                let answer = match answer {
                    'g' => Ok(serde_json::from_str(good).expect("good")),
                    'b' => Ok(serde_json::from_str(bad).expect("bad")),
                    _ => Err(Miss("no".into())),
                };
                state = next(&state, answer, &needs);
                seen.push(match state.readiness {
                    Readiness::Starting => 'S',
                    Readiness::Ready => 'R',
                    Readiness::Unfit(_) => 'U',
                    Readiness::Blind(_) => 'B',
                });
            }
            assert_eq!(seen, expected, "{answers}");
        }
    }
}
