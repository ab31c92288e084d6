//! What is known of byte strings, without holding them.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};

/// What is known of byte strings that stand somewhere in a table's memory.
pub(super) struct Interner<T> {
    pub(super) known: Vec<Entry<T>>,
    pub(super) table: HashTable<u32>,
    pub(super) hasher: DefaultHashBuilder,
}

pub(super) struct Entry<T> {
    start: usize,
    length: u32,
    value: T,
}

impl<T> Entry<T> {
    fn key<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.start..self.start + self.length as usize]
    }
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Interner { known: Vec::new(), table: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }
}

impl<T: Copy> Interner<T> {
    pub(super) fn get(&self, bytes: &[u8], key: &[u8]) -> Option<T> {
        let hash = self.hasher.hash_one(key);
        let found = self.table.find(hash, |&at| self.known[at as usize].key(bytes) == key)?;
        Some(self.known[*found as usize].value)
    }

    /// Remember a key that is not known yet, by its place.
    pub(super) fn add(&mut self, bytes: &[u8], place: Range<usize>, value: T) {
        let at = number(self.known.len());
        self.known.push(Entry { start: place.start, length: number(place.len()), value });
        let Interner { known, table, hasher } = self;
        table.insert_unique(hasher.hash_one(&bytes[place]), at, |&at| {
            hasher.hash_one(known[at as usize].key(bytes))
        });
    }
}

/// An index as it is stored. A body would have to be larger than 4 GiB to have more series.
pub(super) fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
