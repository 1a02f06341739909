//! The API server and its collector: a write compares uid and resourceVersion, a create does not.
//!
//! A create is sent with the uid of its owner. Whenever it arrives it is done, unless something has that name; where
//! the owner is gone by then, the collector takes it away again. One anchor is there at a time: one of another run
//! owns nothing and is swept.

use super::rules::Wrong;
use super::state::{ANCHOR, Anchor, Ask, Broken, Letter, Owned, PARTS, Part, State, Work};
use super::world::{Did, Out, SmallWorld};
use nica_engine::effect::Effect;

impl SmallWorld {
    pub(crate) fn answer(&self, s: &mut State, letter: Letter) -> bool {
        match letter.ask {
            Ask::Create => self.create(s, letter),
            Ask::Anchor => {
                let ours = s.records.open && letter.run == s.records.anchor_of;
                let free = ours && s.target.anchor == Anchor::Absent;
                if free {
                    s.target.anchor = Anchor::There;
                }
                free
            }
            Ask::Set | Ask::Foreground | Ask::Orphan => self.write(s, letter),
        }
    }

    /// The only thing that is compared is the name.
    fn create(&self, s: &mut State, letter: Letter) -> bool {
        let p = usize::from(letter.part);
        if s.target.parts[p].asked != 0 {
            return false;
        }
        let part = &mut s.target.parts[p];
        part.asked = letter.release;
        part.inert = self.rules.kind(p).runs() && !self.rules.is(Wrong::BornEffective);
        part.owner = if letter.fresh { Owned::Anchor } else { Owned::Gone };
        if self.rules.is(Wrong::CreateWithoutAnchor) {
            part.owner = Owned::Nobody;
        }
        true
    }

    fn write(&self, s: &mut State, letter: Letter) -> bool {
        if !letter.fresh && !self.rules.is(Wrong::NoExpectedGeneration) {
            return false;
        }
        if letter.fence < s.target.top {
            s.break_with(Broken::LowerFenceAtTarget);
        }
        match letter.ask {
            Ask::Set if letter.release == 0 => self.remove(s, usize::from(letter.part)),
            Ask::Set => {
                let part = &mut s.target.parts[usize::from(letter.part)];
                (part.asked, part.inert) = (letter.release, letter.inert);
            }
            Ask::Foreground => {
                s.target.anchor = Anchor::Foreground;
                self.delete_by_name(s);
            }
            _ => s.target.anchor = Anchor::Orphan,
        }
        self.generation_moved(s, letter.part);
        true
    }

    /// Mutant: what has no owner is looked for once.
    fn delete_by_name(&self, s: &mut State) {
        let base = s.records.baseline;
        for p in 0..PARTS {
            if self.rules.is(Wrong::CreateWithoutAnchor) && self.rules.part_of(p, base) == 0 {
                self.remove(s, p);
            }
        }
    }

    fn remove(&self, s: &mut State, p: usize) {
        let part = &mut s.target.parts[p];
        *part = Part { asked: 0, inert: false, owner: Owned::Nobody, ..*part };
        self.generation_moved(s, p as u8);
    }

    /// Admission annotates every object, which moves its resourceVersion. It does not change its uid.
    pub(crate) fn touch(&self, s: &mut State) {
        if !self.objects() {
            return;
        }
        if !s.records.open {
            s.sweep_anchor();
        }
        (0..PARTS).for_each(|p| self.generation_moved(s, p as u8));
        if !self.rules.is(Wrong::AnchorNotAdmitted) {
            self.generation_moved(s, ANCHOR);
        }
    }

    pub(crate) fn collector(&self, here: &State, out: &mut Out<'_>) {
        let anchor = here.target.anchor;
        for (p, part) in here.target.parts.iter().enumerate() {
            let goes =
                part.owner == Owned::Gone || (part.owner == Owned::Anchor && anchor == Anchor::Foreground);
            if goes {
                let mut s = *here;
                self.remove(&mut s, p);
                out.go(Did::Collects { part: p as u8 }, true, s);
            }
        }
        let owns = here.target.parts.iter().any(|p| p.owner == Owned::Anchor);
        let over = match anchor {
            Anchor::Absent | Anchor::There => false,
            Anchor::Foreground => !owns,
            Anchor::Orphan => true,
        };
        if over {
            let mut s = *here;
            self.anchor_gone(&mut s);
            out.go(Did::AnchorGone, true, s);
        }
    }

    /// What it still owns is released; creates that carry its uid have no owner from now on.
    fn anchor_gone(&self, s: &mut State) {
        s.target.anchor = Anchor::Absent;
        for p in 0..PARTS {
            if s.target.parts[p].owner == Owned::Anchor {
                s.target.parts[p].owner = Owned::Nobody;
                self.generation_moved(s, p as u8);
            }
        }
        self.generation_moved(s, ANCHOR);
        s.letters.iter_mut().filter(|l| l.ask == Ask::Create).for_each(|l| l.fresh = false);
        for i in 0..s.deployers.len() {
            if self.creates(s, s.deployers[i].work) {
                s.deployers[i].fresh = false;
            }
        }
    }

    fn creates(&self, s: &State, work: Work) -> bool {
        match work {
            Work::Create { .. } => true,
            Work::Record { step, .. } if s.records.open => {
                let planned = self.book.planned(s.records.plan);
                matches!(planned.plan.steps[usize::from(step)], Effect::Create { .. })
            }
            _ => false,
        }
    }

    /// Mutant: a version that is read just before the write.
    pub(crate) fn is_there(&self, s: &State, part: u8, ask: Ask) -> bool {
        match ask {
            Ask::Anchor => false,
            Ask::Create | Ask::Foreground | Ask::Orphan => s.target.anchor == Anchor::There,
            Ask::Set => s.target.parts[usize::from(part)].asked != 0,
        }
    }
}

impl State {
    /// Its run is over, and it arrived too late to own anything.
    pub(crate) fn stray_anchor(&self) -> bool {
        self.target.anchor == Anchor::There && self.target.parts.iter().all(|p| p.owner != Owned::Anchor)
    }

    pub(crate) fn sweep_anchor(&mut self) {
        if self.stray_anchor() {
            self.target.anchor = Anchor::Absent;
        }
    }
}
