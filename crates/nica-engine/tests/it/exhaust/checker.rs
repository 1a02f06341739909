//! Every state that a small protocol can reach, breadth first; knows nothing of delivery.
//!
//! The first broken invariant is found by a shortest path. Exact: states are compared, never only their hashes.
//! "From every state the last deployer alone can reach a good end" is checked backwards over the calm steps, which
//! `eventually` of the usual tools cannot say. A world that does not fit under its cap is an error, not a partial
//! yes.

mod index;
#[cfg(test)]
mod tests;

use index::{Index, hash};
use std::hash::Hash;

pub(crate) trait Protocol {
    type State: Copy + Eq + Hash;
    type Label: Copy;
    type Broken: Copy + std::fmt::Debug + PartialEq;

    fn start(&self) -> Self::State;
    /// All steps that anybody can take here.
    fn steps(&self, here: &Self::State, out: &mut Vec<Move<Self>>);
    /// The invariant that this state's last step broke.
    fn broken(&self, state: &Self::State) -> Option<Self::Broken>;
    /// Everything has come to rest, and rightly so.
    fn good(&self, state: &Self::State) -> bool;
    /// Nothing can happen here any more, and it is no good end: what to call that.
    fn halted(&self, state: &Self::State) -> Self::Broken;
    /// One undisturbed deployer cannot reach a good end from here.
    fn unsettled(&self) -> Self::Broken;
    fn tell(&self, label: Self::Label) -> String;
}

pub(crate) struct Move<P: Protocol + ?Sized> {
    pub(crate) label: P::Label,
    /// Taken by the last deployer or by the environment: nobody disturbs.
    pub(crate) calm: bool,
    pub(crate) to: P::State,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) states: usize,
    pub(crate) edges: usize,
    pub(crate) good: usize,
    pub(crate) depth: usize,
}

#[derive(Debug)]
pub(crate) struct Counterexample<B> {
    pub(crate) broken: B,
    pub(crate) steps: Vec<String>,
    pub(crate) states: usize,
}

pub(crate) fn exhaust<P: Protocol>(world: &P, cap: usize) -> Result<Stats, Counterexample<P::Broken>> {
    let mut graph = Graph::new(world, cap);
    graph.explore()?;
    graph.everything_settles()
}

struct Graph<'a, P: Protocol> {
    world: &'a P,
    cap: usize,
    states: Vec<P::State>,
    parent: Vec<u32>,
    depth: Vec<u16>,
    index: Index,
    calm: Vec<(u32, u32)>,
    edges: usize,
}

impl<'a, P: Protocol> Graph<'a, P> {
    fn new(world: &'a P, cap: usize) -> Self {
        let start = world.start();
        let mut index = Index::new();
        index.insert(hash(&start), 0);
        let (states, parent, depth) = (vec![start], vec![0], vec![0]);
        Graph { world, cap, states, parent, depth, index, calm: Vec::new(), edges: 0 }
    }

    fn explore(&mut self) -> Result<(), Counterexample<P::Broken>> {
        let (mut at, mut out) = (0, Vec::new());
        while at < self.states.len() {
            assert!(self.states.len() <= self.cap, "world too large: over {} states", self.cap);
            let here = self.states[at];
            if let Some(broken) = self.world.broken(&here) {
                return Err(self.trace(at, broken));
            }
            self.world.steps(&here, &mut out);
            if out.is_empty() && !self.world.good(&here) {
                return Err(self.trace(at, self.world.halted(&here)));
            }
            for step in out.drain(..) {
                self.edges += 1;
                let to = self.id_of(step.to, at);
                if step.calm {
                    self.calm.push((at as u32, to));
                }
            }
            at += 1;
        }
        Ok(())
    }

    fn id_of(&mut self, state: P::State, from: usize) -> u32 {
        let hash = hash(&state);
        if let Some(id) = self.index.find(hash, |id| self.states[id as usize] == state) {
            return id;
        }
        let id = self.states.len() as u32;
        self.states.push(state);
        self.parent.push(from as u32);
        self.depth.push(self.depth[from] + 1);
        self.index.insert(hash, id);
        id
    }

    /// From every state a good end is reachable by calm steps alone: walk them backwards from the good ends.
    fn everything_settles(self) -> Result<Stats, Counterexample<P::Broken>> {
        let into = Incoming::of(&self.calm, self.states.len());
        let mut settles: Vec<bool> = self.states.iter().map(|s| self.world.good(s)).collect();
        let mut todo: Vec<u32> = (0..self.states.len() as u32).filter(|i| settles[*i as usize]).collect();
        let good = todo.len();
        assert!(good > 0, "vacuous: no good end can be reached");
        while let Some(to) = todo.pop() {
            for &from in into.sources(to) {
                if !std::mem::replace(&mut settles[from as usize], true) {
                    todo.push(from);
                }
            }
        }
        match settles.iter().position(|yes| !yes) {
            Some(at) => Err(self.trace(at, self.world.unsettled())),
            None => Ok(Stats {
                states: self.states.len(),
                edges: self.edges,
                good,
                depth: usize::from(self.depth[self.depth.len() - 1]),
            }),
        }
    }

    fn trace(&self, mut at: usize, broken: P::Broken) -> Counterexample<P::Broken> {
        let (mut steps, mut out) = (Vec::new(), Vec::new());
        while at != 0 {
            let from = self.parent[at] as usize;
            self.world.steps(&self.states[from], &mut out);
            let step = out.drain(..).find(|m| m.to == self.states[at]);
            steps.push(self.world.tell(step.expect("a parent has a step to its child").label));
            at = from;
        }
        steps.reverse();
        Counterexample { broken, steps, states: self.states.len() }
    }
}

/// Edges grouped by where they lead.
struct Incoming {
    first: Vec<u32>,
    from: Vec<u32>,
}

impl Incoming {
    fn of(edges: &[(u32, u32)], states: usize) -> Incoming {
        let mut first = vec![0u32; states + 1];
        for (_, to) in edges {
            first[*to as usize + 1] += 1;
        }
        for i in 0..states {
            first[i + 1] += first[i];
        }
        let (mut next, mut from) = (first.clone(), vec![0; edges.len()]);
        for (source, to) in edges {
            from[next[*to as usize] as usize] = *source;
            next[*to as usize] += 1;
        }
        Incoming { first, from }
    }

    fn sources(&self, to: u32) -> &[u32] {
        &self.from[self.first[to as usize] as usize..self.first[to as usize + 1] as usize]
    }
}
