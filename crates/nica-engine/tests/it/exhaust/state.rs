//! One state of the small world, as small as it can be: everybody's memory, and everything in flight.
//!
//! Releases are numbers: 0 none, 1 the baseline B, 2 the new release N, 3 the one after it. Fences are small
//! numbers too. No times stand here; limits that pass are choices of whoever observes.

/// The last deployer: nobody disturbs it.
pub(crate) const LAST: usize = 2;
pub(crate) const SESSIONS: usize = 3;
pub(crate) const LETTERS: usize = 4;
pub(crate) const PARTS: usize = 2;
/// Where a part's number stands, the anchor's.
pub(crate) const ANCHOR: u8 = 2;
pub(crate) const MIGRATIONS: usize = 2;

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) deployers: [Deployer; 3],
    pub(crate) sessions: [Session; SESSIONS],
    pub(crate) letters: [Letter; LETTERS],
    pub(crate) records: Records,
    pub(crate) schema: Schema,
    pub(crate) users: Users,
    pub(crate) target: Target,
    pub(crate) budget: Budget,
    pub(crate) bad: Option<Broken>,
}

/// What a sentence of the promise calls it when it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    LowerFenceInPostgres,
    LowerFenceAtTarget,
    /// Something that the baseline has was taken away before Commit.
    BaselineRobbed,
    DownWhileAlive,
    ContractWhileAlive,
    LostValue,
    TwoRuns,
    DirectionTurned,
    NotQuiet,
    NotGolden,
    Stuck,
    Deadlock,
    Unserved,
    SameFence,
    IllegalStatus,
    NotAPrefix,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Life {
    #[default]
    New,
    Running,
    Dead,
    Gone,
}

/// Where a running deployer stands.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) enum At {
    #[default]
    Admit,
    /// The fence is ours; sessions of lower ones (index builds) are still to be ended.
    EndSessions,
    AdmitTarget,
    Decide,
    /// About to begin a transaction.
    Begin,
    /// COMMIT was sent.
    InFlight,
    /// About to start a statement outside a transaction.
    Build,
    Send,
    Asked,
    /// An answer did not come.
    Lost,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Deployer {
    pub(crate) life: Life,
    pub(crate) at: At,
    pub(crate) fence: u8,
    pub(crate) work: Work,
    /// It has opened a run itself.
    pub(crate) opened: bool,
    /// The expected generation that it read is still the target's.
    pub(crate) fresh: bool,
    /// Its database session was not ended since its guard passed.
    pub(crate) connected: bool,
    /// Step + 1 whose effect was refused last, in memory only.
    pub(crate) refused: u8,
    /// Mutant: the direction, in memory only.
    pub(crate) back: bool,
}

/// A transaction, a statement or a request.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Work {
    #[default]
    Nothing,
    Open {
        plan: u8,
    },
    /// A step's status; `then` do the effect.
    Record {
        step: u8,
        status: u8,
        then: bool,
    },
    Point {
        step: u8,
    },
    Up {
        step: u8,
    },
    /// `copied`: what an attic batch had copied before the lock.
    Down {
        step: u8,
        copied: u8,
    },
    Unpark {
        step: u8,
    },
    Seeds {
        step: u8,
    },
    SeedsUndo {
        step: u8,
    },
    Contract {
        step: u8,
    },
    /// A concurrent index, which may be finished long after its run.
    Build {
        migration: u8,
    },
    Drop {
        migration: u8,
    },
    Commit {
        step: u8,
    },
    TurnBack,
    Supersede {
        plan: u8,
    },
    Settle {
        ending: u8,
    },
    /// `migrate-seed` by hand.
    ByHand,
    /// To the target: make this part run that release.
    Set {
        part: u8,
        release: u8,
        inert: bool,
    },
    Create {
        part: u8,
        release: u8,
    },
    Anchor,
    /// Delete it, and what it owns.
    AnchorAway,
    /// Delete it, and leave what it owns.
    Unanchor,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Hold {
    #[default]
    Free,
    /// A guarded transaction whose COMMIT was sent.
    Transaction,
    /// A statement outside a transaction.
    Statement,
    /// A transaction of a host that died without a word.
    Hung,
}

/// A database session of a deployer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Session {
    pub(crate) hold: Hold,
    pub(crate) work: Work,
    pub(crate) fence: u8,
    pub(crate) owner: u8,
    /// The owner still waits for the answer.
    pub(crate) attached: bool,
}

/// A request on its way to the supervisor.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Letter {
    /// 0: nothing here.
    pub(crate) fence: u8,
    pub(crate) part: u8,
    pub(crate) release: u8,
    pub(crate) ask: Ask,
    pub(crate) inert: bool,
    /// What the part was asked for when this was decided, and the run that it belongs to; 0 where nobody compares.
    pub(crate) expected: u8,
    pub(crate) run: u8,
    /// The part's generation counter (uid and resourceVersion) is still the one that this was decided on; of a create,
    /// its owner is.
    pub(crate) fresh: bool,
    /// Deployer + 1 who waits for the answer.
    pub(crate) waiting: u8,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Ask {
    #[default]
    Set,
    Create,
    Anchor,
    /// To delete the anchor with `Foreground`, or with `Orphan`.
    Foreground,
    Orphan,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Records {
    /// Deployer + 1.
    pub(crate) holder: u8,
    pub(crate) lease: u8,
    pub(crate) fence: u8,
    /// The highest number ever admitted, and the highest whose lower sessions were ended.
    pub(crate) top: u8,
    pub(crate) top_ended: u8,
    pub(crate) managed: bool,
    pub(crate) open: bool,
    pub(crate) runs: u8,
    /// The run that the open run's anchor is named after.
    pub(crate) anchor_of: u8,
    pub(crate) plan: u8,
    /// Three bits a step.
    pub(crate) statuses: u32,
    pub(crate) back: bool,
    /// A recovery effect of this run was begun.
    pub(crate) recovering: bool,
    pub(crate) baseline: u8,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Schema {
    /// 0 absent, 1 applied, 2 half-built.
    pub(crate) migrations: [u8; MIGRATIONS],
    /// The ledger (or a person) says that it stays.
    pub(crate) kept: [bool; MIGRATIONS],
    /// By the release whose rows they are.
    /// The floor rises in the same transaction.
    pub(crate) contracted: bool,
    pub(crate) seeds: u8,
    /// 1 + what they were before this run.
    pub(crate) seeds_before: u8,
}

/// One user value in the new column of the first migration.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Users {
    pub(crate) value: u8,
    pub(crate) acknowledged: u8,
    pub(crate) attic: u8,
    /// Mutant: the attic row was copied back, not moved.
    pub(crate) copied_back: bool,
    pub(crate) statement: Statement,
}

/// A transaction of the new release's program.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Statement {
    #[default]
    None,
    Writes,
    Clears,
    Hung,
    /// A session of the old release's program: it holds no lock and may write as long as it is connected.
    Old,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) fence: u8,
    /// The highest fence that was ever admitted here, whatever the supervisor remembers.
    pub(crate) top: u8,
    pub(crate) parts: [Part; PARTS],
    pub(crate) anchor: Anchor,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Anchor {
    #[default]
    Absent,
    There,
    Foreground,
    Orphan,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Owned {
    #[default]
    Nobody,
    /// By the anchor that is there.
    Anchor,
    /// By one that is gone.
    Gone,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Part {
    /// Persisted desired state.
    pub(crate) asked: u8,
    /// What the supervisor has begun to make true.
    pub(crate) acted: u8,
    /// Bit r: a process of release r is alive.
    pub(crate) alive: u8,
    /// Bit 4 × run + r: that run had release r applied, under the admitted fence.
    pub(crate) applied: u16,
    /// Without replicas.
    pub(crate) inert: bool,
    pub(crate) owner: Owned,
}

/// How often each bad thing may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) kills: u8,
    pub(crate) lost_answers: u8,
    pub(crate) duplicates: u8,
    pub(crate) statements: u8,
    pub(crate) restarts: u8,
}

impl Part {
    /// Asked for, and nothing else alive.
    pub(crate) fn running(release: u8) -> Part {
        Part { asked: release, acted: release, alive: 1 << release & !1, ..Part::default() }
    }
}

impl State {
    /// A process of a release with the new column is alive.
    pub(crate) fn new_alive(&self) -> bool {
        self.target.parts.iter().any(|p| p.alive & 0b1100 != 0)
    }

    /// Of B, whose column the contract takes away.
    pub(crate) fn old_alive(&self) -> bool {
        self.target.parts.iter().any(|p| p.alive & 0b10 != 0)
    }

    pub(crate) fn old_connected(&self) -> bool {
        self.users.statement == Statement::Old
    }

    pub(crate) fn new_in_transaction(&self) -> bool {
        !matches!(self.users.statement, Statement::None | Statement::Old)
    }

    pub(crate) fn break_with(&mut self, broken: Broken) {
        self.bad.get_or_insert(broken);
    }

    pub(crate) fn status(&self, step: u8) -> u8 {
        (self.records.statuses >> (3 * u32::from(step)) & 7) as u8
    }

    pub(crate) fn set_status(&mut self, step: u8, status: u8) {
        let shift = 3 * u32::from(step);
        self.records.statuses = self.records.statuses & !(7 << shift) | u32::from(status) << shift;
    }

    /// Slots are a set, not a list.
    pub(crate) fn canonical(mut self) -> State {
        self.sessions.sort_unstable();
        self.letters.sort_unstable();
        self
    }
}
