//! Which states are known already: a hash table that stores their numbers only.

use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// Open addressing over the numbers of states: the states themselves are stored once.
pub(super) struct Index {
    slots: Vec<u32>,
    hashes: Vec<u32>,
    used: usize,
}

const EMPTY: u32 = u32::MAX;

impl Index {
    pub(super) fn new() -> Index {
        Index { slots: vec![EMPTY; 1 << 12], hashes: Vec::new(), used: 0 }
    }

    pub(super) fn find(&self, hash: u64, same: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != EMPTY {
            let id = self.slots[at];
            if self.hashes[id as usize] == (hash >> 32) as u32 && same(id) {
                return Some(id);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Ids come in order, so the upper half of each hash can stand in a plain list; growing needs the lower half
    /// too, and takes it from a fresh mix of the upper one.
    pub(super) fn insert(&mut self, hash: u64, id: u32) {
        self.hashes.push((hash >> 32) as u32);
        self.used += 1;
        if self.used * 2 > self.slots.len() {
            self.grow();
        } else {
            self.place(hash as usize, id);
        }
    }

    fn grow(&mut self) {
        self.slots = vec![EMPTY; self.slots.len() * 4];
        for id in 0..self.hashes.len() as u32 {
            self.place(spread(self.hashes[id as usize]) as usize, id);
        }
    }

    fn place(&mut self, start: usize, id: u32) {
        let mask = self.slots.len() - 1;
        let mut at = start & mask;
        while self.slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = id;
    }
}

/// Upper half: what tells states apart. Lower half: where to look, a function of the upper one.
pub(super) fn hash<S: Hash>(state: &S) -> u64 {
    let full = BuildHasherDefault::<Mix>::default().hash_one(state);
    let upper = (full >> 32) as u32;
    (u64::from(upper) << 32) | u64::from(spread(upper))
}

fn spread(upper: u32) -> u32 {
    let x = upper.wrapping_mul(0x9E37_79B9);
    x ^ (x >> 15)
}

/// A quick hash for many small integers; the standard one takes most of the time in an unoptimised build.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }
    fn write_u8(&mut self, x: u8) {
        self.write_u64(u64::from(x));
    }
    fn write_u32(&mut self, x: u32) {
        self.write_u64(u64::from(x));
    }
    fn write_u64(&mut self, x: u64) {
        self.0 = (self.0.rotate_left(5) ^ x).wrapping_mul(0x517C_C1B7_2722_0A95);
    }
    fn finish(&self) -> u64 {
        let x = self.0 ^ (self.0 >> 29);
        x.wrapping_mul(0xBF58_476D_1CE4_E5B9)
    }
}
