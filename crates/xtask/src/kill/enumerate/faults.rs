//! What can go wrong at one point, by actor.

use super::quiet;
use crate::kill::case::{Actor, Fault, How};
use crate::kill::gate::Place;
use crate::kill::prepare::Turn;
use anyhow::Result;
use std::collections::BTreeMap;

/// A place, an actor, what happens to it.
type Strike = (Place, Actor, How);

/// Everything that can go wrong at these turns of one story.
pub(super) fn faults(turns: &[&Turn]) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    let mut phases: BTreeMap<String, u32> = BTreeMap::new();
    let mut has_lease = false;
    for turn in turns {
        let point = turn.point()?;
        let in_phase = phases.entry(point.phase.clone()).or_default();
        *in_phase += 1;
        let mut strikes = strikes(turn, quiet(&point), *in_phase == 1);
        let takes_lease = turn.said.contains("UPDATE nica.lease");
        // Who sleeps before it has the lease is nobody yet: it wakes up as a new deployer.
        strikes.retain(|(place, actor, how)| {
            *actor != Actor::Deployer
                || *how != How::Stop
                || has_lease
                || (takes_lease && *place == Place::Answer)
        });
        has_lease |= takes_lease;
        let fault = |(place, actor, how)| Fault { point: point.clone(), place, actor, how };
        faults.extend(strikes.into_iter().map(fault));
    }
    Ok(faults)
}

fn strikes(turn: &Turn, quiet: bool, first_of_phase: bool) -> Vec<Strike> {
    // One look after another changes nothing between them: the first stands for all of its phase.
    let mut strikes = Vec::new();
    if first_of_phase || !quiet || !turn.database {
        strikes.push((Place::Request, Actor::Deployer, How::Kill));
        strikes.push((Place::Request, Actor::Deployer, How::Stop));
    }
    if first_of_phase || !turn.database {
        strikes.extend(at_the_target(!turn.database));
    }
    if quiet {
        return strikes;
    }
    strikes.extend([
        (Place::Request, Actor::Deployer, How::KillLost),
        (Place::Answer, Actor::Deployer, How::Kill),
        (Place::Answer, Actor::Deployer, How::Stop),
    ]);
    if waits_for_a_lock(&turn.said) {
        strikes.push((Place::Sent, Actor::Deployer, How::Kill));
        strikes.push((Place::Sent, Actor::Deployer, How::Stop));
    }
    strikes.extend(if turn.database { at_the_database() } else { on_the_way_to_the_target() });
    if turn.said.starts_with("set ") {
        strikes.push((Place::Request, Actor::Deployer, How::StopRestart));
    }
    strikes
}

/// Statements that need the lock which psql holds for K2.
fn waits_for_a_lock(said: &str) -> bool {
    let low = said.to_lowercase();
    ["alter table note", "create index", "drop index"].iter().any(|words| low.starts_with(words))
}

fn at_the_target(asked: bool) -> Vec<Strike> {
    let places: &[Place] = if asked { &[Place::Request, Place::Answer] } else { &[Place::Request] };
    let mut strikes = Vec::new();
    for place in places {
        for actor in [Actor::Supervisor, Actor::Keeper] {
            strikes.extend([(*place, actor, How::Kill), (*place, actor, How::Stop)]);
        }
    }
    strikes
}

fn at_the_database() -> Vec<Strike> {
    vec![
        (Place::Request, Actor::Backend, How::Terminate),
        (Place::Answer, Actor::Backend, How::Terminate),
        (Place::Request, Actor::Backend, How::Kill),
        (Place::Answer, Actor::Backend, How::Kill),
        (Place::Request, Actor::Backend, How::Stop),
        (Place::Request, Actor::Network, How::Delay),
        (Place::Answer, Actor::Network, How::Cut),
    ]
}

fn on_the_way_to_the_target() -> Vec<Strike> {
    vec![
        (Place::Request, Actor::Network, How::Delay),
        (Place::Answer, Actor::Network, How::Delay),
        (Place::Request, Actor::Network, How::Cut),
        (Place::Answer, Actor::Network, How::Cut),
        (Place::Answer, Actor::Network, How::Twice),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_put_to_sleep_before_it_has_the_lease() {
        let turn = |point: &str, said: &str| Turn {
            point: point.into(),
            said: said.into(),
            database: true,
            effect: String::new(),
        };
        let turns = [
            turn("opening.update-x-1", "UPDATE x"),
            turn("opening.with-seen-1", "WITH seen AS (…) UPDATE nica.lease l"),
            turn("opening.update-y-1", "UPDATE y"),
        ];
        let faults = faults(&turns.iter().collect::<Vec<_>>()).expect("points");
        let sleeps = faults.iter().filter(|f| f.actor == Actor::Deployer && f.how == How::Stop);
        let told: Vec<String> = sleeps.map(|f| format!("{} {}", f.point.words, f.place.name())).collect();
        assert_eq!(told, ["with-seen answer", "update-y request", "update-y answer"]);
    }
}
