//! The reading half: what is there, what is missing, in as few questions as it takes.

use super::{MigrateSeedError, Program, Report};
use crate::attic::{self, WaitingState};
use crate::connect::{DbUrl, connect};
use crate::fence::FenceError;
use crate::schema;
use crate::seed::{self, Differences};
use crate::source::{Migration, Phase};
use crate::state::{self, AppliedMigration};
use std::collections::BTreeMap;
use tokio_postgres::Client;

/// The database as it is, measured against what a program embeds.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) has_nica: bool,
    pub(super) managed: bool,
    /// Expands that may be applied now, in order.
    pub(super) ready: Vec<&'a Migration>,
    /// Expands that wait for a contract, or for one that does.
    waiting: Vec<&'a Migration>,
    contracts: Vec<&'a Migration>,
    /// Applied migrations whose parked values are not all moved back yet.
    pub(super) unparking: Vec<String>,
    highest: Option<u64>,
    seeds: Differences,
}

const PROTECT: &str = "SET default_transaction_read_only = on; SET statement_timeout = '60s'";

pub(super) async fn look<'a>(url: &DbUrl, program: &Program<'a>) -> Result<Seen<'a>, MigrateSeedError> {
    let client = connect(url, "nica/look").await?;
    client.batch_execute(PROTECT).await.map_err(|e| FenceError::of(0, &e))?;
    let has_nica = schema::exists(&client).await?;
    let managed = has_nica && check_owner(&client, program).await?;
    let rows = if has_nica { state::migrations(&client).await?.unwrap_or_default() } else { Vec::new() };
    let unparking = unparking(&client).await?;
    let seeds = seed::differences(&client, program.seeds).await?;
    Seen::of(program, &rows, seeds).map(|seen| Seen { has_nica, managed, unparking, ..seen })
}

async fn unparking(client: &Client) -> Result<Vec<String>, MigrateSeedError> {
    let waiting = attic::waiting(client).await?.into_iter();
    let mut ids: Vec<String> =
        waiting.filter(|w| w.state == WaitingState::Unparking).map(|w| w.migration).collect();
    ids.dedup();
    Ok(ids)
}

/// Whether a deployer manages it.
async fn check_owner(client: &Client, program: &Program<'_>) -> Result<bool, MigrateSeedError> {
    let sql = "SELECT service, env, managed FROM nica.control";
    let row = client.query_typed_one(sql, &[]).await.map_err(|e| FenceError::of(0, &e))?;
    let name = |service: &str, env: &str| format!("{service}/{env}");
    let (found, wanted) = (name(row.get(0), row.get(1)), name(program.service, program.env));
    if found == wanted { Ok(row.get(2)) } else { Err(MigrateSeedError::Foreign { found, wanted }) }
}

impl<'a> Seen<'a> {
    fn of(
        program: &Program<'a>,
        rows: &[AppliedMigration],
        seeds: Differences,
    ) -> Result<Seen<'a>, MigrateSeedError> {
        // What has only started is not there: it is converged again.
        let there: BTreeMap<&str, &AppliedMigration> =
            rows.iter().filter(|row| row.state.is_there()).map(|row| (row.id.as_str(), row)).collect();
        let edited = |m: &&Migration| there.get(m.id.as_str()).is_some_and(|row| row.sha256 != m.sha256);
        let ids: Vec<String> = program.migrations.iter().filter(edited).map(|m| m.id.clone()).collect();
        if !ids.is_empty() {
            return Err(MigrateSeedError::Edited { ids });
        }
        let mut absent: Vec<&Migration> =
            program.migrations.iter().filter(|m| !there.contains_key(m.id.as_str())).collect();
        absent.sort_by_key(|m| (m.number(), &m.id));
        let (contracts, expands): (Vec<_>, Vec<_>) =
            absent.into_iter().partition(|m| m.phase == Phase::Contract);
        let is_blocked = |m: &&Migration| m.after.as_ref().is_some_and(|id| !there.contains_key(id.as_str()));
        let first_blocked = expands.iter().position(is_blocked).unwrap_or(expands.len());
        let mut ready = expands;
        let waiting = ready.split_off(first_blocked);
        let highest = there.keys().filter_map(|id| crate::source::number_of(id)).max();
        let unparking = Vec::new();
        Ok(Seen { has_nica: false, managed: false, ready, waiting, contracts, unparking, highest, seeds })
    }

    pub(super) fn is_done(&self) -> bool {
        self.has_nica && self.ready.is_empty() && self.unparking.is_empty() && self.seeds.is_empty()
    }

    /// What a call that does nothing has to say.
    pub(super) fn tell(&self, report: &mut Report) {
        let ids = |all: &[&Migration]| all.iter().map(|m| m.id.clone()).collect::<Vec<_>>();
        report.managed = self.managed;
        report.contracts_pending = ids(&self.contracts);
        report.pending = ids(&self.waiting);
        report.seeds.local = self.seeds.local.clone();
        if self.managed {
            report.pending = [ids(&self.ready), ids(&self.waiting)].concat();
            report.seeds_pending = self.seeds.rows.iter().map(ToString::to_string).collect();
        }
    }

    /// Whether a migration comes after one with a higher number.
    pub(super) fn is_late(&self, migration: &Migration) -> bool {
        self.highest.is_some_and(|highest| migration.number() < highest)
    }
}
