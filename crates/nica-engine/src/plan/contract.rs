//! The plan of a contract run: the live release's contract migrations that are not applied yet, in their order.

use super::{PLAN_FORMAT_2, Plan, Target};
use crate::effect::Effect;
use crate::release::{Migration, Phase, Release};
use crate::world::{MigrationSeen, World};

/// What a deploy of the release leaves to `nica contract`.
pub fn contracts_pending<'a>(release: &'a Release, world: &World) -> Vec<&'a Migration> {
    let is_there = |m: &Migration| world.migrations.get(&m.id) == Some(&MigrationSeen::Applied);
    release.migrations.iter().filter(|m| m.phase == Phase::Contract && !is_there(m)).collect()
}

/// The plan that applies the pending contracts of the live release; empty when none is pending.
pub fn contract(target: Target<'_>, world: &World) -> Plan {
    let release = target.release;
    let step = |migration: &Migration| {
        let migration = migration.clone();
        // One outside a transaction is not atomic: the gate refuses it.
        if migration.transactional { Effect::Sql { migration } } else { Effect::SqlConverge { migration } }
    };
    let mut steps: Vec<Effect> = contracts_pending(release, world).into_iter().map(step).collect();
    if !steps.is_empty() {
        steps.insert(0, Effect::RestorePoint);
    }
    Plan::of(target, PLAN_FORMAT_2, steps)
}
