//! What a small world is made of, and which sentence of the design it reads wrongly.

use super::state::{Budget, MIGRATIONS, Part};
use nica_engine::release::{ComponentKind, UndoClass};

/// What a deployer was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Absent,
    Deploy(u8),
    Resume,
    /// Take the place of an open run that is not committed; where none is open, a deploy.
    Supersede(u8),
    /// The contract of what is live.
    Contract,
    /// `migrate-seed` by hand or by a replica, on a database that no run manages yet.
    MigrateSeed,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    pub(crate) class: UndoClass,
    /// A concurrent index.
    pub(crate) index: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) name: &'static str,
    pub(crate) commands: [Command; 3],
    pub(crate) baseline: u8,
    pub(crate) migrations: [Option<Migration>; MIGRATIONS],
    /// Releases from N on have a contract, which takes away what B needs.
    pub(crate) contract: bool,
    pub(crate) seeds: bool,
    /// The component that every release has.
    pub(crate) main: bool,
    /// A second one: only B has it (dropped by N), or only N has it.
    pub(crate) second: Second,
    /// The target is an API server; this is what the second component is there.
    pub(crate) objects: Option<ComponentKind>,
    pub(crate) budget: Budget,
    /// A host may die and leave its transaction open for ever.
    pub(crate) hosts_die: bool,
    /// A user's transaction may hang for ever.
    pub(crate) users_hang: bool,
    /// Records of statuses are transactions in flight too, not one step.
    pub(crate) records_in_flight: bool,
    /// The target is admitted only after a run is open.
    pub(crate) admit_after_open: bool,
    pub(crate) wrong: Wrongs,
    /// Judge by what an outsider can read; our own invariants (fences, direction, records) are left out.
    pub(crate) from_outside: bool,
    pub(crate) cap: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Second {
    None,
    Dropped,
    New,
    /// Every release has it, each another one.
    Kept,
    /// Only N has it, and the release after N does not.
    OnlyN,
}

/// An old reading of the design, or a mutant of it. Each must break something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Wrong {
    /// The lease yields `fence + 1`; the number does not stand in its row.
    LeaseWithoutNumber,
    AdmitsUnconditionally,
    /// A lost answer does not end its sender's fence.
    FenceKeptAfterLostAnswer,
    /// Sessions are ended before the fence is raised.
    SessionsEndedFirst,
    SessionsNeverEnded,
    /// An index build may reconnect, without its guard.
    ReconnectsWithoutGuard,
    /// Admission waits for COMMITs to come, but ends no session.
    TransactionsNeverEnded,
    /// `migrate-seed` reads `managed`, then takes `fence + 1` for itself.
    MigrateSeedRaces,
    /// The guard raises never.
    NoGuard,
    /// The supervisor compares no fence.
    NoTargetFence,
    /// The supervisor keeps the fence in memory only.
    TargetFenceInMemory,
    /// The supervisor does not compare the generation that a `set` was decided on.
    NoExpectedGeneration,
    /// It compares the desired state's hash, which comes back after going there and back again.
    ExpectedGenerationIsHash,
    /// No wrong reading: beside that hash, it remembers what each run had applied under the admitted fence.
    RemembersApplied,
    LockBesideTheWork,
    ObservesBeforeAdmission,
    StatementsWithoutWhere,
    /// The attic keeps a row that was moved back.
    AtticRowKept,
    /// A down replaces attic rows that were never moved back.
    DownReplacesWaitingRows,
    /// Values are copied before the table lock, and not again.
    ParkedBeforeLock,
    /// The supervisor lists processes only, not what it is about to start.
    SupervisorForgetsStarts,
    /// The floor is not looked at when a run is opened.
    FloorForgotten,

    // Mutants of `next` and `undo`, as wrappers around them.
    DoneTrusted,
    BarrierSkipped,
    BarrierWithoutSessions,
    BarrierWaitsForSessionsForEver,
    StickyByWhatIsSeen,
    UndoOrderSwapped,
    /// The superseding run forgets what the old one left to undo.
    SupersedeForgets,
    /// It takes over the steps, and forgets that the old release may have served somebody.
    SupersedeForgetsStart,
    /// It takes over the steps, and its barrier looks for its own programs only.
    SupersedeForgetsPrograms,
    /// A contract is judged by processes alone.
    ContractIgnoresSessions,
    DirectionInMemory,
    DeletesBeforeCommit,

    // Of the API server's side.
    /// A create carries no owner; whoever goes back deletes by name.
    CreateWithoutAnchor,
    /// A created workload has its replicas at once.
    BornEffective,
    /// An object is the run's own by its name, whoever owns it.
    OwnerNotCompared,
    /// The version that a write carries is read after *started* was recorded.
    VersionAfterStarted,
    /// Admission does not touch the anchor.
    AnchorNotAdmitted,
    /// On success too the anchor is deleted with what it owns.
    ForegroundOnSuccess,
    UnanchorAfterSettle,
    /// Seeds and downs come before the anchor is gone.
    BarrierBeforeAnchor,
    /// Going back does not make a created workload inert first.
    CreatedStaysEffective,
    /// What only the superseded run wanted is not deleted.
    UnwantedKept,
    /// The superseding run has an anchor of its own.
    SupersedeForgetsAnchor,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wrongs(u64);

impl Wrongs {
    pub(crate) const fn of(list: &[Wrong]) -> Wrongs {
        let (mut bits, mut i) = (0, 0);
        while i < list.len() {
            bits |= 1 << list[i] as u8;
            i += 1;
        }
        Wrongs(bits)
    }
}

impl Rules {
    /// The design as written, one migration of the given class, one component, two deployers that may be disturbed
    /// and a last one that is not.
    pub(crate) fn as_written(name: &'static str) -> Rules {
        let lossless = Migration { class: UndoClass::Lossless, index: false };
        Rules {
            name,
            commands: [Command::Deploy(2), Command::Deploy(2), Command::Resume],
            baseline: 1,
            migrations: [Some(lossless), None],
            contract: false,
            seeds: false,
            main: true,
            second: Second::None,
            objects: None,
            budget: Budget { kills: 1, ..Budget::default() },
            hosts_die: false,
            users_hang: false,
            records_in_flight: false,
            admit_after_open: false,
            wrong: Wrongs::default(),
            from_outside: false,
            cap: 1_000_000,
        }
    }

    pub(crate) fn is(&self, wrong: Wrong) -> bool {
        self.wrong.0 & (1 << wrong as u8) != 0
    }

    /// What part `p` runs in a release; 0 when it does not exist there.
    pub(crate) fn part_of(&self, p: usize, release: u8) -> u8 {
        let exists = match p {
            0 => self.main,
            _ => match self.second {
                Second::None => false,
                Second::Dropped => release == 1,
                Second::New => release >= 2,
                Second::Kept => release >= 1,
                Second::OnlyN => release == 2,
            },
        };
        let content = if self.kind(p) == ComponentKind::Immutable { 2 } else { release };
        if exists { content } else { 0 }
    }

    pub(crate) fn kind(&self, p: usize) -> ComponentKind {
        match self.objects {
            None => ComponentKind::Executable,
            Some(kind) if p == 1 => kind,
            Some(_) => ComponentKind::Workload,
        }
    }

    /// Part `p` of a release as an undisturbed deploy leaves it.
    pub(crate) fn settled(&self, p: usize, release: u8) -> Part {
        let asked = self.part_of(p, release);
        if self.kind(p).runs() { Part::running(asked) } else { Part { asked, ..Part::default() } }
    }

    /// Whose seed rows a release has.
    pub(crate) fn seeds_of(&self, release: u8) -> u8 {
        if self.seeds { release.min(2) } else { 0 }
    }

    /// Users write the first migration's column.
    pub(crate) fn users_write(&self) -> bool {
        self.migrations[0].is_some_and(|m| m.class != UndoClass::Lossless)
    }
}
