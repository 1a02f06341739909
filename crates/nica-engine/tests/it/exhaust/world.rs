//! The small world as the checker sees it: whose steps there are, and what must hold after each of them.

use super::book::Book;
use super::checker::{Move, Protocol};
use super::rules::Rules;
use super::state::{
    Anchor, At, Broken, Hold, LAST, Letter, Life, Owned, PARTS, Part, State, Statement, Work,
};
use nica_engine::release::ComponentKind;
use std::fmt;

pub(crate) struct SmallWorld {
    pub(crate) rules: Rules,
    pub(crate) book: Book,
}

#[derive(Clone, Copy)]
pub(crate) struct Who(pub(crate) usize);

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["D1", "D2", "L"][self.0])
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    NotAdmitted,
    Fenced,
    LeaseLost,
    Stuck,
    BelowFloor,
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inert = if self.inert { ", inert" } else { "" };
        let Letter { ask, part, release, fence, fresh, .. } = self;
        write!(f, "{ask:?}: part {part} := release {release}{inert}, fence {fence}, fresh {fresh}")
    }
}

/// What a step was, for whoever reads a counterexample.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "the fields are read by Debug, when a trace is printed")]
pub(crate) enum Did {
    Starts { who: Who, fence: u8 },
    ObservesFirst { who: Who, work: Work },
    Killed { who: Who, at: At, work: Work },
    HostDies { who: Who, work: Work },
    Admits { who: Who, fence: u8 },
    Ends { who: Who, work: Work, fence: u8 },
    EndsIdleToo { who: Who, fence: u8 },
    AdmitsTarget { who: Who, fence: u8 },
    SkipsTarget { who: Who },
    Decides { who: Who, work: Work },
    Exits { who: Who, why: Exit },
    LockTimeout { who: Who, work: Work },
    DecidesAgain { who: Who, work: Work },
    SendsCommit { who: Who, work: Work },
    Sends { who: Who, work: Work },
    GivesUp { who: Who, work: Work },
    CarriesOn { who: Who },
    TakesNextNumber { who: Who, fence: u8 },
    Commits { work: Work, fence: u8 },
    RollsBack { work: Work, fence: u8 },
    Applies(Letter),
    AppliesAndAgain(Letter),
    Refuses(Letter),
    Drops(Letter),
    SupervisorActs { part: u8, release: u8 },
    SupervisorRestarts,
    Collects { part: u8 },
    AnchorGone,
    ProcessStarts { part: u8, release: u8 },
    ProcessEnds { part: u8, release: u8 },
    UserBegins(Statement),
    OldSessionEnds,
    OldSessionWrites,
    UserCommits { value: u8 },
    UserAborts,
    UserHangs,
}

/// Collects the steps of one state, each judged where it ends.
pub(crate) struct Out<'a> {
    world: &'a SmallWorld,
    here: &'a State,
    moves: &'a mut Vec<Move<SmallWorld>>,
}

impl Out<'_> {
    pub(crate) fn go(&mut self, label: Did, calm: bool, mut to: State) {
        to.bad = to.bad.filter(|b| self.world.counts(*b));
        if to.bad.is_none() {
            to.bad = self.world.judge(self.here, &to);
        }
        self.world.forget_harmless_letters(&mut to);
        let to = to.canonical();
        if to != *self.here {
            self.moves.push(Move { label, calm, to });
        }
    }
}

impl SmallWorld {
    pub(crate) fn new(rules: Rules) -> SmallWorld {
        let book = Book::new(&rules);
        SmallWorld { rules, book }
    }

    pub(crate) fn has_index(&self) -> bool {
        self.rules.migrations.iter().flatten().any(|m| m.index)
    }

    pub(crate) fn objects(&self) -> bool {
        self.rules.objects.is_some()
    }

    pub(crate) fn counts(&self, broken: Broken) -> bool {
        use Broken::*;
        let ours = [
            ContractWhileAlive,
            DirectionTurned,
            IllegalStatus,
            LowerFenceAtTarget,
            LowerFenceInPostgres,
            SameFence,
        ];
        let ours = ours.contains(&broken);
        !(self.rules.from_outside && ours)
    }

    fn judge(&self, here: &State, s: &State) -> Option<Broken> {
        let checks = [
            (self.value_lost(s), Broken::LostValue),
            (self.unserved(s), Broken::Unserved),
            (s.schema.migrations[1] == 1 && s.schema.migrations[0] != 1, Broken::NotAPrefix),
            (self.moved_after_the_end(here, s), Broken::NotQuiet),
            (self.objects() && self.baseline_robbed(s), Broken::BaselineRobbed),
            (same_fence(s), Broken::SameFence),
        ];
        checks.into_iter().find(|(broken, what)| *broken && self.counts(*what)).map(|(_, what)| what)
    }

    /// An acknowledged value is in the table, or it waits in the attic; what was cleared does not come back.
    fn value_lost(&self, s: &State) -> bool {
        let u = &s.users;
        let in_table = s.schema.migrations[0] == 1 && (u.attic == 0 || u.copied_back);
        u.acknowledged != if in_table { u.value } else { u.attic }
    }

    fn unserved(&self, s: &State) -> bool {
        let needed = self.rules.migrations.iter().zip(s.schema.migrations);
        let lacks = needed.into_iter().any(|(m, seen)| m.is_some_and(|m| !m.index) && seen != 1);
        (s.new_alive() && lacks) || (s.old_alive() && s.schema.contracted) || self.lacks_config(s)
    }

    /// A pod of N that starts now finds its configuration.
    fn lacks_config(&self, s: &State) -> bool {
        let [main, config] = s.target.parts;
        let immutable = self.rules.objects == Some(ComponentKind::Immutable);
        immutable && main.asked >= 2 && !main.inert && config.asked == 0
    }

    fn baseline_robbed(&self, s: &State) -> bool {
        let has = |p: usize| self.rules.part_of(p, s.records.baseline) > 0;
        let robbed = (0..PARTS).any(|p| has(p) && s.target.parts[p].asked == 0);
        robbed && s.records.open && !self.committed(s)
    }

    fn moved_after_the_end(&self, here: &State, s: &State) -> bool {
        let seen = |s: &State| {
            // A create that arrives late is seen until it is collected.
            let asked =
                s.target.parts.map(|p| if p.owner == Owned::Gone { (0, false) } else { (p.asked, p.inert) });
            (asked, s.schema, s.records.baseline, s.records.open)
        };
        here.deployers[LAST].life == Life::Gone && seen(here) != seen(s)
    }

    /// What an outsider reads is what an undisturbed deploy of the baseline leaves, plus what the ledger kept.
    fn golden(&self, s: &State) -> bool {
        let r = s.records.baseline;
        let parts = (0..PARTS).all(|p| Part { applied: 0, ..s.target.parts[p] } == self.rules.settled(p, r));
        let migrations = self.rules.migrations.iter().enumerate().all(|(m, known)| {
            let seen = s.schema.migrations[m];
            known.is_none() || if r >= 2 { seen == 1 } else { seen == 0 || s.schema.kept[m] }
        });
        let attic = r < 2 || s.users.attic == 0 || s.users.copied_back;
        let above = r >= 2 || !s.schema.contracted;
        parts && migrations && attic && above && s.schema.seeds == self.rules.seeds_of(r)
    }
}

fn same_fence(s: &State) -> bool {
    let acts = |i: usize| {
        let d = &s.deployers[i];
        d.life == Life::Running && d.at != At::Admit && d.fence == s.records.fence
    };
    (0..3).filter(|i| acts(*i)).count() > 1
}

impl Protocol for SmallWorld {
    type State = State;
    type Label = Did;
    type Broken = Broken;

    fn start(&self) -> State {
        let (mut s, base) = (State::default(), self.rules.baseline);
        s.records.baseline = base;
        s.records.managed = base > 0;
        s.schema.seeds = self.rules.seeds_of(base);
        for p in 0..PARTS {
            s.target.parts[p] = self.rules.settled(p, base);
        }
        s.budget = self.rules.budget;
        s
    }

    fn steps(&self, here: &State, moves: &mut Vec<Move<Self>>) {
        let mut out = Out { world: self, here, moves };
        for i in 0..here.deployers.len() {
            self.deployer_steps(here, i, &mut out);
        }
        self.environment_steps(here, &mut out);
    }

    fn broken(&self, state: &State) -> Option<Broken> {
        state.bad
    }

    fn good(&self, s: &State) -> bool {
        s.deployers[LAST].life == Life::Gone
            && !s.records.open
            && self.golden(s)
            && s.sessions.iter().all(|x| x.hold == Hold::Free)
            && s.letters.iter().all(|l| l.fence == 0)
            && (s.target.anchor == Anchor::Absent || s.stray_anchor())
    }

    fn halted(&self, s: &State) -> Broken {
        if s.deployers[LAST].life == Life::Gone { Broken::NotGolden } else { Broken::Deadlock }
    }

    fn unsettled(&self) -> Broken {
        Broken::Stuck
    }

    fn tell(&self, label: Did) -> String {
        format!("{label:?}")
    }
}
