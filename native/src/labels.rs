//! Label sets: one number per distinct set, so that equal series have the same number.

use std::borrow::Cow;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::clusters::relabel;
use crate::contract::{Limits, Options, Source};
use crate::names::Escaping;
use crate::sample::{Label, distinct, labels_of, plain_labels};
use crate::text::quote_label;

/// The number of a label set.
pub type Id = u32;

/// Numbers for byte strings, kept in one piece of memory.
#[derive(Default)]
struct Interner {
    bytes: Vec<u8>,
    known: Vec<(usize, usize, Id)>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Interner {
    fn get(&self, key: &[u8]) -> Option<Id> {
        let hash = self.hasher.hash_one(key);
        let found = self.table.find(hash, |&at| self.key(at) == key)?;
        Some(self.known[*found as usize].2)
    }

    /// Remember a key that is not known yet.
    fn add(&mut self, key: &[u8], id: Id) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let at = number(self.known.len());
        self.known.push((start, self.bytes.len(), id));
        let Interner { bytes, known, table, hasher } = self;
        table.insert_unique(hasher.hash_one(key), at, |&at| {
            let (start, end, _) = known[at as usize];
            hasher.hash_one(&bytes[start..end])
        });
    }

    fn key(&self, at: u32) -> &[u8] {
        let (start, end, _) = self.known[at as usize];
        &self.bytes[start..end]
    }
}

/// An index as it is stored. A body would have to be larger than 4 GiB to have more series.
fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[derive(Clone, Copy)]
struct LabelSet {
    start: usize,
    end: usize,
    target: Id,
    base: Id,
}

/// The label sets of one merge, as they are written.
#[derive(Default)]
pub struct LabelTable {
    written: Vec<u8>,
    sets: Vec<LabelSet>,
    ids: Interner,
    later: HashMap<(Id, u64), Id>,
}

impl LabelTable {
    /// What stands between the name of a sample and its value, with braces and the blank.
    #[must_use]
    pub fn braced(&self, id: Id) -> &[u8] {
        let set = &self.sets[id as usize];
        &self.written[set.start..set.end]
    }

    /// What stands between the braces.
    #[must_use]
    pub fn inner(&self, id: Id) -> &[u8] {
        self.braced(id).strip_prefix(b"{").map_or(b"", |rest| &rest[..rest.len() - 2])
    }

    /// Whether the set has a label of this name.
    #[must_use]
    pub fn has(&self, id: Id, name: &[u8]) -> bool {
        labels_of(self.inner(id)).iter().any(|(known, _)| *known == name)
    }

    /// The set that this one is merged into: another one only for a split cluster.
    #[must_use]
    pub fn target(&self, id: Id) -> Id {
        self.sets[id as usize].target
    }

    /// The set of the first sample of a series: another one only for samples of other times.
    #[must_use]
    pub fn base(&self, id: Id) -> Id {
        self.sets[id as usize].base
    }

    /// The same labels for samples of another time than those of this set.
    pub fn at(&mut self, base: Id, time: f64) -> Id {
        let LabelTable { sets, later, .. } = self;
        *later.entry((base, time.to_bits())).or_insert_with(|| {
            let (id, LabelSet { start, end, .. }) = (number(sets.len()), sets[base as usize]);
            sets.push(LabelSet { start, end, target: id, base });
            id
        })
    }

    fn get(&mut self, labels: &[Label<'_>]) -> Id {
        let key = key(labels);
        self.ids.get(&key).unwrap_or_else(|| {
            let id = self.push(labels, None);
            self.ids.add(&key, id);
            id
        })
    }

    fn push(&mut self, labels: &[Label<'_>], target: Option<Id>) -> Id {
        let (start, id) = (self.written.len(), number(self.sets.len()));
        for (n, (name, value)) in labels.iter().enumerate() {
            self.written.push(if n == 0 { b'{' } else { b',' });
            self.written.extend_from_slice(&quote_label(name));
            self.written.extend_from_slice(b"=\"");
            self.written.extend_from_slice(value);
            self.written.push(b'"');
        }
        self.written.extend_from_slice(if labels.is_empty() { b" " } else { b"} " });
        self.sets.push(LabelSet { start, end: self.written.len(), target: target.unwrap_or(id), base: id });
        id
    }
}

/// What makes label sets equal: order does not count.
fn key(labels: &[Label<'_>]) -> Vec<u8> {
    let mut pairs: Vec<&Label<'_>> = labels.iter().collect();
    pairs.sort_unstable();
    let mut key = Vec::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len() + 16).sum());
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        key.extend_from_slice(&text.len().to_le_bytes());
        key.extend_from_slice(text);
    }
    key
}

/// A label set that was read from plain text.
#[derive(Clone, Copy)]
pub struct Known {
    /// Its number.
    pub id: Id,
    /// Whether it has a label that a bucket or a quantile has as its own.
    pub has_edge: bool,
}

/// Turns the labels of one source into label sets, with everything that is added to or changed in them.
pub struct SourceLabels {
    label: Option<(Vec<u8>, Vec<u8>)>,
    limits: Limits,
    merge_clusters: bool,
    escaping: Escaping,
    split: Interner,
    any_split: bool,
    texts: Interner,
    /// By the number of their text.
    known: Vec<Option<Known>>,
}

impl SourceLabels {
    /// For one source of a merge.
    #[must_use]
    pub fn new(source: &Source<'_>, options: &Options) -> Self {
        SourceLabels {
            label: source.label.map(|(name, value)| (name.to_vec(), value.to_vec())),
            limits: source.limits,
            merge_clusters: options.merge_clusters && source.envoy,
            escaping: options.escaping,
            split: Interner::default(),
            any_split: false,
            texts: Interner::default(),
            known: Vec::new(),
        }
    }

    /// Whether samples of several clusters may be summed up.
    #[must_use]
    pub fn merges_clusters(&self) -> bool {
        self.merge_clusters
    }

    /// Whether a label set of a split cluster was read.
    #[must_use]
    pub fn any_split(&self) -> bool {
        self.any_split
    }

    /// As `read`, from plain text between braces; `None` for other text as well. Remembered, since Envoy repeats the
    /// labels of a cluster in every family.
    pub fn read_text(&mut self, text: &[u8], table: &mut LabelTable) -> Option<Known> {
        if let Some(at) = self.texts.get(text) {
            return self.known[at as usize];
        }
        let labels = plain_labels(text)?;
        let has_edge = labels.iter().any(|(name, _)| matches!(name.as_ref(), b"le" | b"quantile"));
        let made = self.read(labels, table).map(|id| Known { id, has_edge });
        self.texts.add(text, number(self.known.len()));
        self.known.push(made);
        made
    }

    /// The label set, or `None` if it breaks a limit, has a label twice, or names the metric. An empty label is none: it
    /// is not written, and counts for no limit.
    pub fn read(&mut self, labels: Vec<Label<'_>>, table: &mut LabelTable) -> Option<Id> {
        let mut labels: Vec<Label<'_>> = labels;
        if !distinct(&labels) {
            return None;
        }
        labels.retain(|(_, value)| !value.is_empty());
        if self.exceeds(&labels) {
            return None;
        }
        if self.escaping != Escaping::Utf8 {
            for (name, _) in &mut labels {
                *name = self.escaping.label(std::mem::take(name));
            }
            if !distinct(&labels) {
                return None;
            }
        }
        if let Some((name, value)) = &self.label {
            add_label(&mut labels, name, value);
        }
        if self.merge_clusters {
            let (relabelled, split) = relabel(&labels);
            if split {
                self.any_split = true;
                let key = key(&labels);
                return Some(self.split.get(&key).unwrap_or_else(|| {
                    let target = table.get(&relabelled);
                    let id = table.push(&labels, Some(target));
                    self.split.add(&key, id);
                    id
                }));
            }
            labels = relabelled;
        }
        Some(table.get(&labels))
    }

    fn exceeds(&self, labels: &[Label<'_>]) -> bool {
        let limits = &self.limits;
        let over = |length: usize, limit: Option<usize>| limit.is_some_and(|limit| length > limit);
        over(labels.len(), limits.labels)
            || labels.iter().any(|(name, value)| {
                over(name.len(), limits.label_name_bytes) || over(value.len(), limits.label_value_bytes)
            })
    }
}

/// Put a label before the others; one that has its name already becomes `exported_…`.
fn add_label<'a>(labels: &mut Vec<Label<'a>>, name: &'a [u8], value: &'a [u8]) {
    let mut renamed = name.to_vec();
    while labels.iter().any(|(known, _)| *known == renamed) {
        renamed.splice(0..0, *b"exported_");
    }
    if let Some((known, _)) = labels.iter_mut().find(|(known, _)| *known == name) {
        *known = Cow::Owned(renamed);
    }
    labels.insert(0, (Cow::Borrowed(name), Cow::Borrowed(value)));
}

/// Remembers one index per label set; starting anew costs nothing.
#[derive(Default)]
pub struct Marks {
    round: u32,
    slots: Vec<(u32, u32)>,
}

impl Marks {
    /// Forget everything.
    pub fn clear(&mut self) {
        if let Some(next) = self.round.checked_add(1) {
            self.round = next;
        } else {
            self.slots.fill((0, 0));
            self.round = 1;
        }
    }

    /// The index of a set, if it was put since the last `clear`.
    #[must_use]
    pub fn get(&self, id: Id) -> Option<usize> {
        let (round, index) = *self.slots.get(id as usize)?;
        (round == self.round).then_some(index as usize)
    }

    /// Remember an index for a set.
    pub fn put(&mut self, id: Id, index: usize) {
        let at = id as usize;
        if at >= self.slots.len() {
            self.slots.resize((at + 1).max(self.slots.len() * 2), (0, 0));
        }
        self.slots[at] = (self.round, number(index));
    }

    /// The index of a set; if there is none yet, `next` is put and `None` returned.
    pub fn get_or_put(&mut self, id: Id, next: usize) -> Option<usize> {
        let found = self.get(id);
        if found.is_none() {
            self.put(id, next);
        }
        found
    }
}
