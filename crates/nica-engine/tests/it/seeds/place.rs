//! The environment that is delivered to: a target with processes, a database with tables, users who write.
//!
//! It moves by itself between a deployer's steps, and knows the truth about what users were told.

use super::dice::Dice;
use nica_engine::effect::{Desired, Generation};
use nica_engine::release::UndoClass;
use nica_engine::world::MigrationSeen;
use std::collections::{BTreeMap, BTreeSet};

/// A migration's column and a row of it.
pub(crate) type Cell = (String, u8);

#[derive(Default)]
pub(crate) struct Place {
    pub(crate) parts: BTreeMap<String, Part>,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) migrations: BTreeMap<String, MigrationSeen>,
    pub(crate) table: BTreeMap<Cell, u8>,
    pub(crate) attic: BTreeMap<Cell, u8>,
    /// What users were told is stored.
    pub(crate) truth: BTreeMap<Cell, u8>,
    pub(crate) seeds: BTreeMap<u8, SeedRow>,
    /// What a run's seed rows were before it.
    pub(crate) seeds_before: BTreeMap<u8, Option<SeedRow>>,
    /// What each generation's program cannot live without.
    pub(crate) needs: BTreeMap<Generation, BTreeSet<String>>,
    pub(crate) classes: BTreeMap<String, UndoClass>,
    /// A generation whose processes never get ready.
    pub(crate) crashes: Option<Generation>,
    /// Transactions of this place sometimes never end.
    pub(crate) hangs: bool,
    pub(crate) broken: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SeedRow {
    pub(crate) value: u8,
    pub(crate) retired: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Part {
    pub(crate) asked: Option<Desired>,
    pub(crate) generation: Option<Generation>,
    pub(crate) processes: Vec<Process>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) generation: Generation,
    pub(crate) ready: bool,
}

/// A user's transaction; it may outlive the process that began it.
pub(crate) struct Transaction {
    pub(crate) generation: Generation,
    write: Option<(Cell, Option<u8>)>,
    hung: bool,
}

impl Place {
    /// Something happens that no deployer does.
    pub(crate) fn moves(&mut self, dice: &mut Dice) {
        match dice.below(4) {
            0 => self.user_moves(dice),
            _ => self.supervisor_moves(dice),
        }
    }

    fn supervisor_moves(&mut self, dice: &mut Dice) {
        let names: Vec<String> = self.parts.keys().cloned().collect();
        if names.is_empty() {
            return;
        }
        let name = dice.pick(&names);
        let mut part = self.parts.remove(name).expect("just listed");
        self.reconcile(&mut part, dice);
        if part.asked.is_some() || !part.processes.is_empty() {
            self.parts.insert(name.clone(), part);
        }
    }

    /// One step towards what was asked: get ready, start, or end, in any order.
    fn reconcile(&mut self, part: &mut Part, dice: &mut Dice) {
        let replicas = part.asked.as_ref().map_or(0, |d| d.replicas as usize);
        let asked = |p: &Process| Some(&p.generation) == part.generation.as_ref();
        let wanted = part.processes.iter().filter(|p| asked(p)).count();
        let surplus = part.processes.iter().position(|p| !asked(p) || wanted > replicas);
        let starting =
            part.processes.iter().position(|p| !p.ready && self.crashes.as_ref() != Some(&p.generation));
        match (starting, surplus) {
            (Some(i), _) if dice.percent(70) => part.processes[i].ready = true,
            (_, Some(i)) if wanted >= replicas || dice.percent(30) => drop(part.processes.remove(i)),
            _ if wanted < replicas => {
                let generation = part.generation.clone().expect("replicas are asked with a generation");
                self.must_be_served(&generation);
                part.processes.push(Process { generation, ready: false });
            }
            _ => {}
        }
    }

    fn must_be_served(&mut self, generation: &Generation) {
        for id in &self.needs[generation] {
            if self.migrations.get(id) != Some(&MigrationSeen::Applied) {
                self.broken.get_or_insert(format!("{generation} starts without {id}"));
            }
        }
    }

    fn user_moves(&mut self, dice: &mut Dice) {
        if !self.transactions.is_empty() && dice.percent(60) {
            let i = dice.below(self.transactions.len());
            if !self.transactions[i].hung {
                self.end_transaction(i, dice);
            }
            return;
        }
        let ready: Vec<&Process> =
            self.parts.values().flat_map(|p| &p.processes).filter(|p| p.ready).collect();
        if ready.is_empty() || self.transactions.len() > 2 {
            return;
        }
        let generation = dice.pick(&ready).generation.clone();
        let write = self.write(&generation, dice);
        let hung = self.hangs && dice.percent(20);
        self.transactions.push(Transaction { generation, write, hung });
    }

    /// A program writes columns that it knows; a lossless migration has none.
    fn write(&self, generation: &Generation, dice: &mut Dice) -> Option<(Cell, Option<u8>)> {
        let columns: Vec<&String> =
            self.needs[generation].iter().filter(|id| self.classes[*id] != UndoClass::Lossless).collect();
        if columns.is_empty() {
            return None;
        }
        let cell = (dice.pick(&columns).to_string(), dice.below(3) as u8);
        Some((cell, dice.percent(75).then(|| dice.below(200) as u8)))
    }

    fn end_transaction(&mut self, i: usize, dice: &mut Dice) {
        let ended = self.transactions.swap_remove(i);
        let Some((cell, value)) = ended.write else { return };
        if dice.percent(20) {
            return;
        }
        if self.migrations.get(&cell.0) != Some(&MigrationSeen::Applied) {
            self.broken.get_or_insert(format!("{} writes {cell:?}, whose column is gone", ended.generation));
        }
        set(&mut self.table, &cell, value);
        set(&mut self.truth, &cell, value);
    }

    pub(crate) fn something_hangs(&self) -> bool {
        self.transactions.iter().any(|t| t.hung)
    }

    /// Hung sessions of dead programs end at last.
    pub(crate) fn hung_sessions_end(&mut self) {
        self.transactions.retain(|t| !t.hung);
    }

    /// Everything that users were told is there by value, in the table or waiting in the attic.
    pub(crate) fn values_are_kept(&mut self) {
        let mut found = self.attic.clone();
        for (cell, value) in &self.table {
            found.entry(cell.clone()).or_insert(*value);
        }
        if found != self.truth {
            let broken = format!("users were told {:?}, found {found:?}", self.truth);
            self.broken.get_or_insert(broken);
        }
    }

    /// Who could still write this migration's column.
    pub(crate) fn writers(&self, id: &str) -> Option<&Generation> {
        let alive = self.parts.values().flat_map(|p| &p.processes).map(|p| &p.generation);
        let sessions = self.transactions.iter().map(|t| &t.generation);
        alive.chain(sessions).find(|g| self.needs[*g].contains(id))
    }

    pub(crate) fn drop_column(&mut self, id: &str) {
        let (gone, stays) = std::mem::take(&mut self.table).into_iter().partition(|(cell, _)| cell.0 == id);
        self.table = stays;
        if self.classes[id] == UndoClass::Parking {
            let gone: BTreeMap<Cell, u8> = gone;
            self.attic.extend(gone);
        }
        self.migrations.remove(id);
    }

    /// Moves one batch of parked values back; true when none is left.
    pub(crate) fn unpark_batch(&mut self, id: &str) -> bool {
        let waiting: Vec<Cell> = self.attic.keys().filter(|c| c.0 == id).take(2).cloned().collect();
        for cell in waiting {
            let value = self.attic.remove(&cell).expect("just listed");
            self.table.insert(cell, value);
        }
        !self.attic.keys().any(|c| c.0 == id)
    }

    pub(crate) fn write_seeds(&mut self, wanted: &BTreeMap<u8, u8>) {
        for (key, value) in wanted {
            self.write_seed(*key, SeedRow { value: *value, retired: false });
        }
        let gone: Vec<(u8, SeedRow)> =
            self.seeds.iter().filter(|(k, _)| !wanted.contains_key(k)).map(|(k, r)| (*k, *r)).collect();
        for (key, row) in gone {
            self.write_seed(key, SeedRow { retired: true, ..row });
        }
    }

    fn write_seed(&mut self, key: u8, row: SeedRow) {
        let before = self.seeds.get(&key).copied();
        if before != Some(row) {
            self.seeds_before.entry(key).or_insert(before);
            self.seeds.insert(key, row);
        }
    }

    /// Rows that a run inserted are retired, not deleted.
    pub(crate) fn undo_seeds(&mut self) {
        for (key, before) in std::mem::take(&mut self.seeds_before) {
            let row = self.seeds[&key];
            self.seeds.insert(key, before.unwrap_or(SeedRow { retired: true, ..row }));
        }
    }

    pub(crate) fn seeds_are(&self, wanted: &BTreeMap<u8, u8>) -> bool {
        let live: BTreeMap<u8, u8> =
            self.seeds.iter().filter(|(_, r)| !r.retired).map(|(k, r)| (*k, r.value)).collect();
        live == *wanted
    }
}

fn set(cells: &mut BTreeMap<Cell, u8>, cell: &Cell, value: Option<u8>) {
    match value {
        Some(value) => drop(cells.insert(cell.clone(), value)),
        None => drop(cells.remove(cell)),
    }
}
