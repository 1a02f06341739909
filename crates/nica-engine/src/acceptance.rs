//! Accepting by hand: what is there becomes the baseline, where nothing can settle a run any more.
//!
//! The last way out of a stuck run, and the only one that promises nothing about the state: two people sign what they
//! saw. What they sign names every part of it, so that it is void as soon as anything moves.

use crate::canonical::Digest;
use crate::effect::{Desired, Effect};
use crate::plan::{Live, Plan, Status};
use crate::policy::{self, Policy};
use crate::world::{AnchorSeen, ComponentSeen, World};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const ACCEPTANCE_FORMAT: u32 = 1;
/// However few approvals a policy asks for: nobody accepts alone.
const PEOPLE: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    pub format: u32,
    pub service: String,
    pub env: String,
    /// The stuck run, and the plan that it was opened with.
    pub run: String,
    pub plan: Digest,
    /// All that NICA would read of the environment now.
    pub projection: Digest,
    /// The baseline from then on; none where nothing of a first deploy is left.
    pub live: Option<Live>,
    /// Migrations of the run that are there, begun ones too.
    pub stays: Vec<String>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    #[error(
        "accept {component}: it is asked for generation {generation}, which is neither the new release's nor the \
         old one's; bring it to one of them first"
    )]
    Stranger { component: String, generation: String },
    #[error(
        "accept a run whose created objects still belong to it: delete ConfigMap {0} with --cascade=orphan, or with what it owns, first"
    )]
    Anchored(String),
    #[error("accept a state without a reason: say why with --reason")]
    NoReason,
}

/// How many people must sign, by the stricter of the rules of the last settled run and those of today.
pub fn people_asked(settled: Option<&Policy>, own: &Policy) -> usize {
    PEOPLE.max(policy::stricter(settled, own).approvals as usize)
}

/// The stuck run that is to be accepted.
#[derive(Clone, Copy, Debug)]
pub struct Stuck<'a> {
    pub run: &'a str,
    pub plan: &'a Plan,
    pub statuses: &'a [Status],
}

impl Acceptance {
    /// What people would sign for the state as it is seen.
    ///
    /// # Errors
    /// Something runs there that no release of this run knows, or nobody says why.
    pub fn of(
        stuck: Stuck<'_>,
        world: &World,
        projection: Digest,
        reason: &str,
    ) -> Result<Acceptance, Unacceptable> {
        if reason.trim().is_empty() {
            return Err(Unacceptable::NoReason);
        }
        if world.anchor != AnchorSeen::Absent {
            return Err(Unacceptable::Anchored(format!(
                "nica-run-{}",
                stuck.plan.anchor_of(stuck.run).unwrap_or(stuck.run)
            )));
        }
        let plan = stuck.plan;
        let migrations = plan.steps.iter().filter_map(Effect::migration);
        let there = migrations.filter(|m| world.migrations.contains_key(&m.id));
        Ok(Acceptance {
            format: ACCEPTANCE_FORMAT,
            service: plan.service.clone(),
            env: plan.env.clone(),
            run: stuck.run.to_string(),
            plan: plan.hash(),
            projection,
            live: live(stuck, world)?,
            stays: there.map(|m| m.id.clone()).collect(),
            reason: reason.trim().to_string(),
        })
    }

    pub fn hash(&self) -> Digest {
        Digest::of_value(self)
    }

    /// The new release is what counts as live then, with the rules that it was judged by.
    pub fn is_new(&self, plan: &Plan) -> bool {
        self.live.as_ref().is_some_and(|live| live.release == plan.release)
    }
}

/// The components as they are asked for, under the name of the release that they come closest to: the new one where it
/// committed or every component is its, else the old one.
fn live(stuck: Stuck<'_>, world: &World) -> Result<Option<Live>, Unacceptable> {
    let (plan, new) = (stuck.plan, stuck.plan.live_after());
    let old = plan.baseline.as_ref();
    let mut components = BTreeMap::new();
    for (name, seen) in &world.components {
        if let Some(desired) = asked(name, seen, [Some(&new), old])? {
            components.insert(name.clone(), desired);
        }
    }
    let is_new = plan.committed(stuck.statuses) || components == new.components;
    let Live { release, version, .. } = match old {
        Some(old) if !is_new => old.clone(),
        None if components.is_empty() && !is_new => return Ok(None),
        _ => new,
    };
    Ok(Some(Live { release, version, components }))
}

fn asked(
    component: &str,
    seen: &ComponentSeen,
    releases: [Option<&Live>; 2],
) -> Result<Option<Desired>, Unacceptable> {
    let Some(generation) = &seen.generation else { return Ok(None) };
    let known = releases.into_iter().flatten().filter_map(|live| live.components.get(component));
    let mut known = known.filter(|desired| desired.generation() == *generation);
    let Some(desired) = known.next() else {
        return Err(Unacceptable::Stranger {
            component: component.to_string(),
            generation: generation.to_string(),
        });
    };
    Ok(Some(Desired { replicas: seen.replicas, ..desired.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::lax;

    #[test]
    fn nobody_accepts_alone_and_whoever_accepts_does_not_set_the_rules() {
        let policy = |approvals| Policy { approvals, ..lax() };
        let check = |settled: Option<u32>, own: u32, expected: usize| {
            assert_eq!(people_asked(settled.map(policy).as_ref(), &policy(own)), expected);
        };
        check(None, 0, 2);
        check(None, 3, 3);
        check(Some(1), 1, 2);
        check(Some(3), 0, 3);
        check(Some(0), 3, 3);
    }
}
