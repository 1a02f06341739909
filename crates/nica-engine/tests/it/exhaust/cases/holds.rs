//! Narrow worlds: each in seconds, in every run.

use super::super::rules::Command::{Absent, Contract, Deploy, MigrateSeed, Resume, Supersede};
use super::super::rules::{Second, Wrong, Wrongs};
use super::{INDEX, NONE, PARKING, STICKY, holds, of, rules};
use nica_engine::release::UndoClass::{Lossless, Parking, Sticky};

macro_rules! must_hold {
    ($($name:ident: |$r:ident| $change:block)+) => {
        $(#[test]
        fn $name() {
            println!("{}", holds(rules(stringify!($name), |$r| $change)));
        })+
    };
}

must_hold! {
    i1_lossless: |r| { r.budget.kills = 1; }
    i1_with_seeds_and_records_in_flight: |r| {
        r.commands[1] = Absent;
        r.seeds = true;
        r.records_in_flight = true;
    }
    i2a_component_alone: |r| {
        r.commands[1] = Absent;
        r.migrations = NONE;
        r.budget.lost_answers = 1;
        r.budget.duplicates = 1;
    }
    i2b_lossless_lost_and_duplicated: |r| {
        r.commands[1] = Absent;
        r.budget.lost_answers = 1;
        r.budget.duplicates = 1;
    }
    i3_parking_two_statements: |r| {
        r.commands[1] = Absent;
        r.migrations = PARKING;
        r.budget.statements = 2;
    }
    i4_parking_lost_answer: |r| {
        r.commands[1] = Absent;
        r.migrations = PARKING;
        r.budget.statements = 1;
        r.budget.lost_answers = 1;
    }
    i5_sticky: |r| {
        r.commands[1] = Absent;
        r.migrations = STICKY;
        r.budget.statements = 2;
    }
    i10_resume_then_the_next_release: |r| {
        r.commands = [Deploy(2), Resume, Deploy(3)];
        r.main = false;
        r.second = Second::New;
        r.budget.kills = 2;
    }
    i11_contract_then_back_below_it: |r| {
        r.commands = [Deploy(2), Contract, Deploy(1)];
        r.contract = true;
        r.budget.statements = 1;
    }
    i11_contract_then_the_next_release: |r| {
        r.commands = [Deploy(2), Contract, Deploy(3)];
        r.contract = true;
        r.migrations = NONE;
        r.budget.statements = 1;
        r.budget.kills = 2;
    }
    i11_contract_of_the_last_one: |r| {
        r.commands = [Deploy(2), Contract, Contract];
        r.contract = true;
        r.budget.statements = 1;
    }
    i11_contract_lost_answer_and_duplicate: |r| {
        r.commands = [Deploy(2), Absent, Contract];
        r.contract = true;
        r.migrations = NONE;
        r.budget.lost_answers = 1;
        r.budget.duplicates = 1;
    }
    i11_contract_beside_a_deploy: |r| {
        r.commands = [Contract, Deploy(2), Contract];
        r.contract = true;
        r.budget.lost_answers = 1;
    }
    i11_contract_records_in_flight: |r| {
        r.commands = [Deploy(2), Contract, Deploy(1)];
        r.contract = true;
        r.main = false;
        r.second = Second::New;
        r.migrations = NONE;
        r.records_in_flight = true;
    }
    i11_contract_when_a_component_was_dropped: |r| {
        r.commands = [Deploy(2), Contract, Deploy(1)];
        r.contract = true;
        r.second = Second::Dropped;
        r.migrations = NONE;
        r.budget.statements = 1;
    }
    i11_contract_hosts_die: |r| {
        r.commands = [Deploy(2), Contract, Deploy(1)];
        r.contract = true;
        r.migrations = NONE;
        r.hosts_die = true;
    }
    i12_index_and_component: |r| {
        r.commands[1] = Absent;
        r.migrations = INDEX;
    }
    i13_index_lost_answer: |r| {
        r.commands[1] = Absent;
        r.migrations = INDEX;
        r.main = false;
        r.budget.lost_answers = 1;
    }
    i13_index_three_deployers: |r| {
        r.migrations = INDEX;
        r.main = false;
    }
    i14_component_killed_twice: |r| {
        r.migrations = NONE;
        r.budget.kills = 2;
    }
    i15b_supervisor_restarts: |r| {
        r.commands[1] = Absent;
        r.budget.restarts = 2;
    }
    i15d_two_duplicates: |r| {
        r.commands[1] = Absent;
        r.budget.duplicates = 2;
    }
    i15d_supervisor_remembers_what_it_applied: |r| {
        r.commands = [Deploy(2), Absent, Deploy(2)];
        r.wrong = Wrongs::of(&[Wrong::ExpectedGenerationIsHash, Wrong::RemembersApplied]);
        r.migrations = NONE;
        r.budget.duplicates = 1;
    }
    i16_three_deploys: |r| {
        r.commands = [Deploy(2), Absent, Deploy(2)];
        r.budget.lost_answers = 1;
    }
    i16_parked_twice: |r| {
        r.commands = [Deploy(2), Absent, Deploy(2)];
        r.migrations = PARKING;
        r.budget.statements = 2;
    }
    i18_target_admitted_after_open: |r| {
        r.commands[1] = Absent;
        r.admit_after_open = true;
        r.budget.lost_answers = 1;
    }
    i20_hosts_die: |r| {
        r.commands[1] = Absent;
        r.hosts_die = true;
        r.seeds = true;
    }
    i21_users_hang: |r| {
        r.commands[1] = Absent;
        r.users_hang = true;
        r.migrations = PARKING;
        r.budget.statements = 2;
    }
    i22_migrate_seed_beside_the_first_deploy: |r| {
        r.baseline = 0;
        r.commands = [MigrateSeed, Deploy(2), Resume];
    }
    i23_supersede_parking: |r| {
        r.commands = [Deploy(2), Absent, Supersede(3)];
        r.migrations = PARKING;
        r.budget.statements = 2;
    }
    i23_supersede_sticky: |r| {
        r.commands = [Deploy(2), Supersede(3), Resume];
        r.migrations = STICKY;
        r.budget.kills = 0;
        r.budget.statements = 1;
    }
    i23_supersede_by_the_last_one: |r| {
        r.commands = [Deploy(2), Absent, Supersede(3)];
        r.budget.kills = 1;
        r.budget.lost_answers = 1;
    }
    i23_supersede_first_deploy: |r| {
        r.baseline = 0;
        r.commands = [Deploy(2), Supersede(3), Resume];
    }
    i23_supersede_new_component: |r| {
        r.commands = [Deploy(2), Supersede(3), Resume];
        r.main = false;
        r.second = Second::New;
        r.migrations = PARKING;
        r.budget.kills = 0;
        r.budget.statements = 1;
    }
    i23_supersede_index: |r| {
        r.commands = [Deploy(2), Supersede(3), Resume];
        r.migrations = INDEX;
        r.main = false;
    }
    i24_supersede_seeds: |r| {
        r.commands = [Deploy(2), Supersede(3), Resume];
        r.migrations = NONE;
        r.seeds = true;
    }
    i24_supersede_seeds_records_in_flight: |r| {
        r.commands = [Deploy(2), Supersede(3), Resume];
        r.migrations = NONE;
        r.seeds = true;
        r.main = false;
        r.second = Second::New;
        r.records_in_flight = true;
        r.budget.kills = 0;
    }
    i25_statements_without_where: |r| {
        r.commands[1] = Absent;
        r.wrong = Wrongs::of(&[Wrong::StatementsWithoutWhere]);
        r.budget.lost_answers = 1;
    }
    i3b_values_copied_before_the_lock_but_full_barrier: |r| {
        r.commands[1] = Absent;
        r.wrong = Wrongs::of(&[Wrong::ParkedBeforeLock]);
        r.migrations = PARKING;
        r.budget.statements = 2;
    }
    i3c_barrier_without_sessions_but_lock_first: |r| {
        r.commands[1] = Absent;
        r.wrong = Wrongs::of(&[Wrong::BarrierWithoutSessions]);
        r.migrations = PARKING;
        r.budget.statements = 2;
    }
    lit1_number_not_in_the_lease_row_is_caught_by_admission: |r| {
        r.commands[1] = Absent;
        r.wrong = Wrongs::of(&[Wrong::LeaseWithoutNumber]);
        r.migrations = NONE;
    }
    m9_orphaned_commits_end_by_themselves: |r| {
        r.commands[1] = Absent;
        r.wrong = Wrongs::of(&[Wrong::TransactionsNeverEnded]);
    }
    first_deploy: |r| {
        r.commands[1] = Absent;
        r.baseline = 0;
        r.seeds = true;
        r.budget.duplicates = 1;
    }
    first_deploy_parking: |r| {
        r.baseline = 0;
        r.migrations = PARKING;
        r.commands = [Deploy(2), Absent, Deploy(2)];
        r.budget.statements = 1;
    }
    component_dropped: |r| {
        r.commands[1] = Absent;
        r.second = Second::Dropped;
        r.migrations = NONE;
        r.budget.duplicates = 1;
        r.budget.lost_answers = 1;
    }
    component_new: |r| {
        r.commands[1] = Absent;
        r.second = Second::New;
        r.main = false;
        r.migrations = PARKING;
        r.budget.lost_answers = 1;
        r.budget.statements = 1;
    }
    parking_then_sticky: |r| {
        r.commands[1] = Absent;
        r.migrations = [of(Parking), of(Sticky)];
        r.budget.statements = 1;
    }
    sticky_then_lossless: |r| {
        r.commands[1] = Absent;
        r.migrations = [of(Sticky), of(Lossless)];
        r.budget.statements = 1;
    }
}
