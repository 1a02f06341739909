//! Old readings of the design (`lit…`) and mutants of it (`m…`): each must break, and in this way.

use super::super::rules::Command::{Absent, Contract, Deploy, MigrateSeed, Resume, Supersede};
use super::super::rules::{Second, Wrong};
use super::super::state::Broken;
use super::{INDEX, NONE, PARKING, STICKY, fails, rules};

/// `breaks A, from outside B`: with all invariants A is found first, with those of an outsider alone B.
macro_rules! must_fail {
    ($($name:ident: [$($wrong:ident),+] breaks $first:ident, from outside $outside:expr;
       in |$r:ident| $change:block)+) => {
        $(#[test]
        fn $name() {
            use Broken::*;
            let rules = rules(stringify!($name), |$r| $change);
            println!("{}", fails(rules, &[$(Wrong::$wrong),+], $first, $outside));
        })+
    };
}

must_fail! {
    lit1b_number_not_in_the_lease_row: [LeaseWithoutNumber, AdmitsUnconditionally]
        breaks SameFence, from outside Some(NotQuiet);
        in |r| { r.migrations = NONE; r.budget.kills = 0; }
    lit2_admission_is_unconditional: [AdmitsUnconditionally]
        breaks LowerFenceInPostgres, from outside None;
        in |r| { r.migrations = NONE; r.budget.kills = 0; }
    lit4b_fence_kept_after_a_lost_commit: [FenceKeptAfterLostAnswer]
        breaks IllegalStatus, from outside Some(NotGolden);
        in |r| { r.commands[1] = Absent; r.main = false; r.budget.kills = 0; r.budget.lost_answers = 1; }
    lit4c_fence_kept_after_a_lost_set: [FenceKeptAfterLostAnswer, NoExpectedGeneration]
        breaks NotQuiet, from outside Some(NotQuiet);
        in |r| { r.commands[1] = Absent; r.migrations = NONE; r.budget.kills = 0; r.budget.lost_answers = 1; }
    lit4d_the_same_with_expected_generation: [FenceKeptAfterLostAnswer]
        breaks NotQuiet, from outside Some(NotQuiet);
        in |r| { r.commands[1] = Absent; r.migrations = NONE; r.budget.kills = 0; r.budget.lost_answers = 1; }
    lit8_sticky_judged_by_what_is_seen_now: [StickyByWhatIsSeen]
        breaks LostValue, from outside Some(LostValue);
        in |r| { r.commands[1] = Absent; r.migrations = STICKY; r.budget.statements = 1; }
    lit9_attic_row_kept: [AtticRowKept]
        breaks LostValue, from outside Some(LostValue);
        in |r| {
            r.commands = [Deploy(2), Absent, Deploy(2)];
            r.migrations = PARKING;
            r.budget.statements = 2;
            r.budget.kills = 0;
        }
    lit11_sessions_ended_before_the_fence: [SessionsEndedFirst]
        breaks LowerFenceInPostgres, from outside Some(NotQuiet);
        in |r| { r.migrations = INDEX; r.main = false; r.budget.kills = 0; }
    lit12_index_build_reconnects: [ReconnectsWithoutGuard]
        breaks LowerFenceInPostgres, from outside Some(NotQuiet);
        in |r| { r.migrations = INDEX; r.main = false; r.budget.kills = 0; }
    lit15_migrate_seed_races_the_first_deploy: [MigrateSeedRaces]
        breaks NotQuiet, from outside Some(NotQuiet);
        in |r| { r.baseline = 0; r.commands = [MigrateSeed, Deploy(2), Resume]; r.budget.kills = 0; }
    lit16_waits_for_sessions_for_ever: [BarrierWaitsForSessionsForEver]
        breaks Deadlock, from outside Some(Deadlock);
        in |r| {
            r.commands = [Absent, Absent, Deploy(2)];
            r.migrations = PARKING;
            r.users_hang = true;
            r.budget.statements = 1;
        }
    lit17_supersede_forgets_the_old_runs_undo: [SupersedeForgets]
        breaks NotGolden, from outside Some(NotGolden);
        in |r| {
            r.commands = [Deploy(2), Supersede(3), Resume];
            r.migrations = PARKING;
            r.budget.statements = 1;
            r.budget.kills = 0;
        }
    lit17_supersede_forgets_that_the_old_release_served: [SupersedeForgetsStart]
        breaks LostValue, from outside Some(LostValue);
        in |r| {
            r.commands = [Deploy(2), Supersede(3), Resume];
            r.migrations = STICKY;
            r.budget.statements = 1;
            r.budget.kills = 0;
        }
    lit17_supersede_forgets_the_old_programs: [SupersedeForgetsPrograms]
        breaks Unserved, from outside Some(Unserved);
        in |r| { r.commands = [Deploy(2), Supersede(3), Resume]; r.budget.kills = 0; }
    lit18_supervisor_compares_the_fence_only: [NoExpectedGeneration]
        breaks Unserved, from outside Some(Unserved);
        in |r| { r.commands = [Absent, Absent, Deploy(2)]; r.budget.duplicates = 1; }
    lit18_expected_generation_is_a_hash_not_a_counter: [ExpectedGenerationIsHash]
        breaks Unserved, from outside Some(Unserved);
        in |r| { r.commands = [Absent, Absent, Deploy(2)]; r.budget.duplicates = 1; }
    m1_no_fence: [NoGuard, NoTargetFence, NoExpectedGeneration]
        breaks LowerFenceInPostgres, from outside Some(NotQuiet);
        in |r| { r.commands[1] = Absent; }
    m1b_no_guard: [NoGuard]
        breaks LowerFenceInPostgres, from outside Some(NotQuiet);
        in |r| { r.commands[1] = Absent; }
    m1c_no_fence_at_the_target: [NoTargetFence]
        breaks LowerFenceAtTarget, from outside Some(NotQuiet);
        in |r| { r.commands[1] = Absent; r.migrations = NONE; }
    m1d_fence_in_the_supervisors_memory: [TargetFenceInMemory]
        breaks LowerFenceAtTarget, from outside Some(NotQuiet);
        in |r| { r.commands[1] = Absent; r.migrations = NONE; r.budget.restarts = 1; }
    m2_lock_beside_the_work: [LockBesideTheWork]
        breaks LowerFenceInPostgres, from outside Some(NotQuiet);
        in |r| { r.commands[1] = Absent; r.main = false; }
    m3_done_trusted: [DoneTrusted]
        breaks NotGolden, from outside Some(NotGolden);
        in |r| { r.commands[1] = Absent; r.migrations = NONE; }
    m5_barrier_skipped: [BarrierSkipped]
        breaks Unserved, from outside Some(Unserved);
        in |r| { r.commands = [Absent, Absent, Deploy(2)]; r.migrations = PARKING; }
    m5b_barrier_skipped_before_a_contract: [BarrierSkipped]
        breaks ContractWhileAlive, from outside Some(Unserved);
        in |r| {
            r.commands = [Deploy(2), Absent, Contract];
            r.contract = true;
            r.migrations = NONE;
            r.budget.statements = 1;
            r.budget.kills = 0;
        }
    m5b_contract_asks_for_processes_only: [ContractIgnoresSessions]
        breaks ContractWhileAlive, from outside Some(Unserved);
        in |r| {
            r.commands = [Deploy(2), Absent, Contract];
            r.contract = true;
            r.migrations = NONE;
            r.budget.statements = 1;
            r.budget.kills = 0;
        }
    floor_is_not_looked_at: [FloorForgotten]
        breaks Unserved, from outside Some(Unserved);
        in |r| {
            r.commands = [Deploy(2), Contract, Deploy(1)];
            r.contract = true;
            r.migrations = NONE;
            r.budget.kills = 0;
        }
    m5c_barrier_without_sessions_and_parked_before_the_lock: [BarrierWithoutSessions, ParkedBeforeLock]
        breaks LostValue, from outside Some(LostValue);
        in |r| { r.commands = [Absent, Absent, Deploy(2)]; r.migrations = PARKING; r.budget.statements = 1; }
    m5d_supervisor_forgets_what_it_is_about_to_start: [SupervisorForgetsStarts]
        breaks Unserved, from outside Some(Unserved);
        in |r| { r.commands = [Absent, Absent, Deploy(2)]; r.migrations = PARKING; }
    m6_delete_before_commit: [DeletesBeforeCommit]
        breaks NotGolden, from outside Some(NotGolden);
        in |r| { r.commands = [Absent, Absent, Deploy(2)]; r.second = Second::Dropped; r.migrations = NONE; }
    m8_undo_order_swapped: [UndoOrderSwapped]
        breaks Unserved, from outside Some(Unserved);
        in |r| { r.commands = [Absent, Absent, Deploy(2)]; }
    m9b_sessions_of_dead_hosts_never_ended: [TransactionsNeverEnded]
        breaks Deadlock, from outside Some(Deadlock);
        in |r| { r.commands[1] = Absent; r.hosts_die = true; }
    m10_index_builds_never_ended: [SessionsNeverEnded]
        breaks LowerFenceInPostgres, from outside Some(NotQuiet);
        in |r| { r.commands[1] = Absent; r.migrations = INDEX; r.main = false; }
    m11_direction_in_memory: [DirectionInMemory]
        breaks IllegalStatus, from outside None;
        in |r| { r.commands[1] = Absent; }
    m12_decides_before_admission: [ObservesBeforeAdmission]
        breaks DirectionTurned, from outside None;
        in |r| { r.migrations = NONE; r.budget.kills = 0; }
    down_replaces_rows_that_wait_in_the_attic: [DownReplacesWaitingRows]
        breaks LostValue, from outside Some(LostValue);
        in |r| {
            r.commands = [Deploy(2), Absent, Deploy(2)];
            r.migrations = PARKING;
            r.budget.statements = 1;
            r.budget.kills = 0;
        }
}
