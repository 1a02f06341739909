//! Worlds whose target is an API server: what is created, dropped and released, and the wrong readings of it.

use super::super::rules::Command::{Absent, Deploy, Supersede};
use super::super::rules::{Second, Wrong, Wrongs};
use super::super::state::Broken;
use super::{NONE, PARKING, STICKY, fails, holds, rules};
use nica_engine::release::ComponentKind::{Immutable, Passive, Workload};

macro_rules! must_hold {
    ($($name:ident: |$r:ident| $change:block)+) => {
        $(#[test]
        fn $name() {
            let told = holds(rules(stringify!($name), |$r| {
                $r.objects = Some(Workload);
                $change
            }));
            println!("{told}");
        })+
    };
}

/// `breaks A, from outside B`: with all invariants A is found first, with those of an outsider alone B.
macro_rules! must_fail {
    ($($name:ident: [$($wrong:ident),+] breaks $first:ident, from outside $outside:expr;
       in |$r:ident| $change:block)+) => {
        $(#[test]
        fn $name() {
            use Broken::*;
            let rules = rules(stringify!($name), |$r| {
                $r.objects = Some(Workload);
                $change
            });
            println!("{}", fails(rules, &[$(Wrong::$wrong),+], $first, $outside));
        })+
    };
}

must_hold! {
    k1_roll: |r| {
        r.commands[1] = Absent;
        r.budget.lost_answers = 1;
        r.budget.duplicates = 1;
    }
    k1_roll_two_deployers: |r| { r.migrations = NONE; }
    k2_workload_created: |r| {
        r.commands[1] = Absent;
        r.main = false;
        r.second = Second::New;
        r.budget.lost_answers = 1;
    }
    k2_workload_created_beside_a_roll: |r| {
        r.commands[1] = Absent;
        r.second = Second::New;
        r.migrations = NONE;
    }
    k2_workload_created_parking: |r| {
        r.commands[1] = Absent;
        r.main = false;
        r.second = Second::New;
        r.migrations = PARKING;
        r.budget.statements = 1;
    }
    k3_config_created_beside_a_roll: |r| {
        r.commands[1] = Absent;
        r.objects = Some(Immutable);
        r.second = Second::New;
        r.migrations = NONE;
        r.budget.lost_answers = 1;
    }
    k4_passive_object_created: |r| {
        r.commands[1] = Absent;
        r.objects = Some(Passive);
        r.main = false;
        r.second = Second::New;
        r.migrations = NONE;
        r.budget.lost_answers = 1;
        r.budget.duplicates = 1;
    }
    k4_passive_object_changed: |r| {
        r.commands[1] = Absent;
        r.objects = Some(Passive);
        r.second = Second::Kept;
        r.migrations = NONE;
        r.budget.lost_answers = 1;
    }
    k5_first_deploy: |r| {
        r.commands[1] = Absent;
        r.baseline = 0;
        r.budget.lost_answers = 1;
    }
    k5_first_deploy_sticky: |r| {
        r.commands[1] = Absent;
        r.baseline = 0;
        r.migrations = STICKY;
        r.budget.statements = 1;
    }
    k6_object_dropped: |r| {
        r.commands[1] = Absent;
        r.second = Second::Dropped;
        r.migrations = NONE;
        r.budget.duplicates = 1;
        r.budget.lost_answers = 1;
    }
    k6_objects_dropped_by_the_release_after_the_one_that_created_them: |r| {
        r.commands = [Deploy(2), Absent, Deploy(3)];
        r.main = false;
        r.second = Second::OnlyN;
        r.migrations = NONE;
        r.budget.lost_answers = 1;
    }
    k7_stopped_beside_another_and_late_creates: |r| {
        r.main = false;
        r.second = Second::New;
        r.migrations = NONE;
        r.budget.kills = 0;
    }
    k7_deployed_again_over_late_creates: |r| {
        r.commands = [Deploy(2), Absent, Deploy(2)];
        r.main = false;
        r.second = Second::New;
        r.migrations = NONE;
        r.budget.lost_answers = 1;
    }
    k8_supersede_that_wants_the_object: |r| {
        r.commands = [Deploy(2), Absent, Supersede(3)];
        r.main = false;
        r.second = Second::New;
        r.migrations = NONE;
        r.budget.kills = 0;
        r.budget.lost_answers = 1;
    }
    k8_supersede_that_does_not_want_the_object: |r| {
        r.commands = [Deploy(2), Absent, Supersede(3)];
        r.main = false;
        r.second = Second::OnlyN;
        r.migrations = NONE;
        r.budget.lost_answers = 1;
    }
    k8_supersede_passive: |r| {
        r.commands = [Deploy(2), Absent, Supersede(3)];
        r.objects = Some(Passive);
        r.main = false;
        r.second = Second::New;
        r.migrations = NONE;
    }
    k8_supersede_first_deploy: |r| {
        r.baseline = 0;
        r.commands = [Deploy(2), Absent, Supersede(3)];
        r.migrations = NONE;
    }
    k9_records_in_flight: |r| {
        r.commands[1] = Absent;
        r.main = false;
        r.second = Second::New;
        r.migrations = NONE;
        r.records_in_flight = true;
    }
    lit6_barrier_before_the_anchor_is_gone_but_made_inert_first: |r| {
        r.commands[1] = Absent;
        r.wrong = Wrongs::of(&[Wrong::BarrierBeforeAnchor]);
        r.main = false;
        r.second = Second::New;
    }
    lit6_created_workload_stays_effective_but_the_anchor_first: |r| {
        r.commands[1] = Absent;
        r.wrong = Wrongs::of(&[Wrong::CreatedStaysEffective]);
        r.main = false;
        r.second = Second::New;
    }
}

must_fail! {
    lit3_version_read_after_started: [VersionAfterStarted]
        breaks LowerFenceAtTarget, from outside Some(NotQuiet);
        in |r| { r.commands[1] = Absent; r.migrations = NONE; }
    lit4_fence_kept_after_a_lost_set: [FenceKeptAfterLostAnswer]
        breaks NotQuiet, from outside Some(NotQuiet);
        in |r| { r.commands[1] = Absent; r.migrations = NONE; r.budget.kills = 0; r.budget.lost_answers = 1; }
    lit5_owner_not_compared: [OwnerNotCompared]
        breaks NotGolden, from outside Some(NotGolden);
        in |r| {
            r.commands = [Deploy(2), Absent, Deploy(2)];
            r.objects = Some(Passive);
            r.main = false;
            r.second = Second::New;
            r.migrations = NONE;
            r.budget.lost_answers = 1;
        }
    lit6_created_workload_stays_effective_and_barrier_before_the_anchor_is_gone:
        [BarrierBeforeAnchor, CreatedStaysEffective]
        breaks Unserved, from outside Some(Unserved);
        in |r| { r.commands[1] = Absent; r.main = false; r.second = Second::New; }
    lit7_created_workload_is_effective: [BornEffective]
        breaks Unserved, from outside Some(Unserved);
        in |r| { r.commands[1] = Absent; r.main = false; r.second = Second::New; }
    lit10_anchor_released_after_settle: [UnanchorAfterSettle]
        breaks NotGolden, from outside Some(NotGolden);
        in |r| { r.commands[1] = Absent; r.main = false; r.second = Second::New; r.migrations = NONE; }
    m4_no_version_is_compared: [NoExpectedGeneration]
        breaks LowerFenceAtTarget, from outside Some(NotQuiet);
        in |r| { r.commands[1] = Absent; r.migrations = NONE; }
    m4_anchor_deleted_with_what_it_owns_on_success: [ForegroundOnSuccess]
        breaks NotGolden, from outside Some(NotGolden);
        in |r| { r.commands[1] = Absent; r.main = false; r.second = Second::New; r.migrations = NONE; }
    m4b_anchor_is_not_admitted: [AnchorNotAdmitted]
        breaks LowerFenceAtTarget, from outside Some(NotGolden);
        in |r| {
            r.commands = [Deploy(2), Absent, Supersede(3)];
            r.main = false;
            r.second = Second::New;
            r.migrations = NONE;
        }
    m6_object_deleted_before_commit: [DeletesBeforeCommit]
        breaks BaselineRobbed, from outside Some(BaselineRobbed);
        in |r| { r.commands = [Absent, Absent, Deploy(2)]; r.second = Second::Dropped; r.migrations = NONE; }
    m7_create_without_anchor: [CreateWithoutAnchor]
        breaks NotQuiet, from outside Some(NotQuiet);
        in |r| { r.commands[1] = Absent; r.main = false; r.second = Second::New; r.migrations = NONE; }
    m8_supersede_keeps_what_it_does_not_want: [UnwantedKept]
        breaks NotGolden, from outside Some(NotGolden);
        in |r| {
            r.commands = [Deploy(2), Absent, Supersede(3)];
            r.main = false;
            r.second = Second::OnlyN;
            r.migrations = NONE;
        }
    m8_supersede_forgets_the_anchor: [SupersedeForgetsAnchor]
        breaks Deadlock, from outside Some(Deadlock);
        in |r| {
            r.commands = [Deploy(2), Absent, Supersede(3)];
            r.main = false;
            r.second = Second::New;
            r.migrations = NONE;
        }
}
