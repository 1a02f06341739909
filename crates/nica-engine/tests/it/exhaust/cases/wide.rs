//! Wide worlds, up to ten million states and two gigabytes each, 73 million in all: `./x test wide`, on an optimised
//! build; the plain test run passes them by.

use super::super::rules::Command::{Absent, Contract, Deploy, MigrateSeed, Resume, Supersede};
use super::super::rules::{Second, Wrong, Wrongs};
use super::{INDEX, NONE, PARKING, STICKY, holds, of, rules};
use nica_engine::release::ComponentKind::{Immutable, Passive, Workload};
use nica_engine::release::UndoClass::{Parking, Sticky};

macro_rules! must_hold {
    ($($name:ident: |$r:ident| $change:block)+) => {
        $(#[test]
        #[ignore = "wide: minutes"]
        fn $name() {
            let told = holds(rules(stringify!($name), |$r| {
                $r.cap = 40_000_000;
                $change
            }));
            println!("{told}");
        })+
    };
}

must_hold! {
    wide_i1_lossless_and_seeds: |r| {
        r.seeds = true;
        r.budget.kills = 2;
    }
    wide_i1_records_in_flight: |r| { r.records_in_flight = true; }
    wide_i2a_component_alone: |r| {
        r.migrations = NONE;
        r.budget.lost_answers = 1;
        r.budget.duplicates = 1;
    }
    wide_i2b_lossless: |r| {
        r.budget.lost_answers = 1;
        r.budget.duplicates = 1;
    }
    wide_i3_parking: |r| {
        r.migrations = PARKING;
        r.budget.statements = 2;
    }
    wide_i4_parking_lost_answer: |r| {
        r.migrations = PARKING;
        r.budget.statements = 1;
        r.budget.lost_answers = 1;
    }
    wide_i5_sticky: |r| {
        r.migrations = STICKY;
        r.budget.statements = 1;
        r.budget.kills = 2;
    }
    wide_i10_resume_then_the_next_release: |r| {
        r.commands = [Deploy(2), Resume, Deploy(3)];
        r.budget.kills = 2;
        r.budget.lost_answers = 1;
    }
    wide_i11_contract: |r| {
        r.commands = [Deploy(2), Contract, Deploy(1)];
        r.contract = true;
        r.budget.kills = 2;
        r.budget.statements = 1;
    }
    wide_i11_contract_parking_everything: |r| {
        r.commands = [Deploy(2), Contract, Deploy(1)];
        r.contract = true;
        r.migrations = PARKING;
        r.budget.kills = 2;
        r.budget.statements = 2;
        r.budget.lost_answers = 1;
        r.budget.duplicates = 1;
    }
    wide_i12_index_and_component: |r| {
        r.migrations = INDEX;
        r.budget.kills = 2;
    }
    wide_i13_index_lost_answer: |r| {
        r.migrations = INDEX;
        r.main = false;
        r.budget.lost_answers = 1;
    }
    wide_i14_component: |r| {
        r.migrations = NONE;
        r.budget.kills = 2;
        r.budget.lost_answers = 1;
    }
    wide_i15a_parking_killed_twice: |r| {
        r.migrations = PARKING;
        r.budget.kills = 2;
        r.budget.statements = 1;
    }
    wide_i15b_lossless_lost_answer_and_restart: |r| {
        r.budget.lost_answers = 1;
        r.budget.restarts = 1;
    }
    wide_i15c_component_everything: |r| {
        r.migrations = NONE;
        r.budget.kills = 2;
        r.budget.lost_answers = 1;
        r.budget.duplicates = 1;
    }
    wide_i15d_supervisor_remembers_what_it_applied: |r| {
        r.commands = [Deploy(2), Absent, Deploy(2)];
        r.wrong = Wrongs::of(&[Wrong::ExpectedGenerationIsHash, Wrong::RemembersApplied]);
        r.budget.duplicates = 1;
        r.budget.lost_answers = 1;
    }
    wide_i16_three_deploys: |r| {
        r.commands = [Deploy(2); 3];
        r.migrations = PARKING;
        r.budget.statements = 1;
    }
    wide_i17_component_two_lost_answers: |r| {
        r.migrations = NONE;
        r.budget.kills = 2;
        r.budget.lost_answers = 2;
    }
    wide_i18_target_admitted_after_open: |r| {
        r.admit_after_open = true;
        r.budget.lost_answers = 1;
    }
    wide_i20_hosts_die: |r| {
        r.hosts_die = true;
        r.budget.kills = 2;
    }
    wide_i21_users_hang: |r| {
        r.users_hang = true;
        r.migrations = PARKING;
        r.budget.statements = 2;
    }
    wide_i22_migrate_seed_beside_the_first_deploy: |r| {
        r.baseline = 0;
        r.commands = [MigrateSeed, Deploy(2), Resume];
        r.budget.lost_answers = 1;
    }
    wide_i23_supersede_parking: |r| {
        r.commands = [Deploy(2), Supersede(3), Resume];
        r.migrations = PARKING;
        r.budget.statements = 1;
    }
    wide_i23_supersede_sticky_lost_answer: |r| {
        r.commands = [Deploy(2), Supersede(3), Resume];
        r.migrations = STICKY;
        r.budget.statements = 1;
        r.budget.lost_answers = 1;
    }
    wide_i24_supersede_seeds: |r| {
        r.commands = [Deploy(2), Supersede(3), Resume];
        r.seeds = true;
        r.budget.kills = 2;
    }
    wide_i25_statements_without_where: |r| {
        r.wrong = Wrongs::of(&[Wrong::StatementsWithoutWhere]);
        r.budget.lost_answers = 1;
    }
    wide_i3b_values_copied_before_the_lock_but_full_barrier: |r| {
        r.wrong = Wrongs::of(&[Wrong::ParkedBeforeLock]);
        r.migrations = PARKING;
        r.budget.statements = 2;
    }
    wide_i3c_barrier_without_sessions_but_lock_first: |r| {
        r.wrong = Wrongs::of(&[Wrong::BarrierWithoutSessions]);
        r.migrations = PARKING;
        r.budget.statements = 2;
    }
    wide_m9_orphaned_commits_end_by_themselves: |r| {
        r.wrong = Wrongs::of(&[Wrong::TransactionsNeverEnded]);
        r.seeds = true;
    }
    wide_first_deploy: |r| {
        r.baseline = 0;
        r.seeds = true;
        r.budget.kills = 2;
        r.budget.duplicates = 1;
    }
    wide_component_new_and_dropped: |r| {
        r.second = Second::Dropped;
        r.budget.duplicates = 1;
    }
    wide_component_new_parking: |r| {
        r.second = Second::New;
        r.main = false;
        r.migrations = PARKING;
        r.budget.lost_answers = 1;
        r.budget.statements = 1;
    }
    wide_k1_roll: |r| {
        r.objects = Some(Workload);
        r.budget.kills = 2;
        r.budget.lost_answers = 1;
    }
    wide_k2_workload_created: |r| {
        r.objects = Some(Workload);
        r.main = false;
        r.second = Second::New;
        r.budget.lost_answers = 1;
    }
    wide_k2_workload_created_and_asked_twice: |r| {
        r.objects = Some(Workload);
        r.main = false;
        r.second = Second::New;
        r.budget.duplicates = 1;
    }
    wide_k3_config_created_beside_a_roll: |r| {
        r.objects = Some(Immutable);
        r.second = Second::New;
        r.budget.lost_answers = 1;
    }
    wide_k6_object_dropped: |r| {
        r.objects = Some(Workload);
        r.second = Second::Dropped;
        r.budget.lost_answers = 1;
    }
    wide_k7_two_killed_and_late_creates: |r| {
        r.objects = Some(Workload);
        r.main = false;
        r.second = Second::New;
        r.migrations = NONE;
        r.budget.kills = 2;
    }
    wide_k8_supersede_first_deploy: |r| {
        r.objects = Some(Workload);
        r.baseline = 0;
        r.commands = [Deploy(2), Supersede(3), Resume];
        r.migrations = NONE;
    }
    wide_k8_supersede_that_wants_the_object: |r| {
        r.objects = Some(Workload);
        r.commands = [Deploy(2), Supersede(3), Resume];
        r.main = false;
        r.second = Second::New;
        r.migrations = PARKING;
        r.budget.statements = 1;
    }
    wide_k8_supersede_that_does_not_want_the_object: |r| {
        r.objects = Some(Workload);
        r.commands = [Deploy(2), Supersede(3), Resume];
        r.second = Second::OnlyN;
        r.migrations = NONE;
        r.budget.lost_answers = 1;
    }
    wide_k8_supersede_passive: |r| {
        r.objects = Some(Passive);
        r.commands = [Deploy(2), Supersede(3), Resume];
        r.main = false;
        r.second = Second::New;
        r.migrations = NONE;
        r.budget.kills = 2;
        r.budget.lost_answers = 1;
    }
    wide_parking_then_sticky: |r| {
        r.migrations = [of(Parking), of(Sticky)];
        r.budget.statements = 1;
    }
}
