//! Label sets: one number per distinct set, so that equal series have the same number.

mod interner;

use std::borrow::Cow;
use std::ops::Range;

use hashbrown::HashMap;

use self::interner::{Interner, number};
use crate::clusters::relabel;
use crate::contract::{Limits, Options, Source};
use crate::names::Escaping;
use crate::sample::{Label, distinct, labels_of, plain_labels};
use crate::text::quote_label;

/// The number of a label set.
pub type Id = u32;

#[derive(Clone, Copy)]
struct LabelSet {
    start: usize,
    length: u32,
    target: Id,
    base: Id,
}

/// The label sets of one merge, as they are written.
#[derive(Default)]
pub struct LabelTable {
    /// The sets as they are written, and all that has to be known of them and is not the same: no text is there twice.
    bytes: Vec<u8>,
    sets: Vec<LabelSet>,
    ids: Interner<Id>,
    later: HashMap<(Id, u64), Id>,
}

impl LabelTable {
    /// What stands between the name of a sample and its value, with braces and the blank.
    #[must_use]
    pub fn braced(&self, id: Id) -> &[u8] {
        let set = &self.sets[id as usize];
        &self.bytes[set.start..set.start + set.length as usize]
    }

    /// What stands between the braces.
    #[must_use]
    pub fn inner(&self, id: Id) -> &[u8] {
        &self.bytes[self.place(id)]
    }

    /// Make room for the labels of a body, so that they need not be moved when there are many: what is not needed of it
    /// costs no memory.
    pub fn reserve(&mut self, bytes: usize, lines: usize) {
        self.bytes.reserve(bytes);
        self.sets.reserve(lines);
        self.ids.known.reserve(lines);
    }

    fn place(&self, id: Id) -> Range<usize> {
        let LabelSet { start, length, .. } = self.sets[id as usize];
        inner(start..start + length as usize)
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
            let (id, LabelSet { start, length, .. }) = (number(sets.len()), sets[base as usize]);
            sets.push(LabelSet { start, length, target: id, base });
            id
        })
    }

    fn get(&mut self, labels: &[Label<'_>]) -> Id {
        let Written { set, key } = self.write(labels);
        match self.ids.get(&self.bytes, &self.bytes[key.clone()]) {
            Some(id) => {
                self.bytes.truncate(set.start);
                id
            }
            None => {
                let id = self.push(&set, None);
                self.ids.add(&self.bytes, key, id);
                id
            }
        }
    }

    fn push(&mut self, set: &Range<usize>, target: Option<Id>) -> Id {
        let id = number(self.sets.len());
        let length = number(set.len());
        self.sets.push(LabelSet { start: set.start, length, target: target.unwrap_or(id), base: id });
        id
    }

    /// Write labels to the end of all bytes, and what makes them equal to others.
    fn write(&mut self, labels: &[Label<'_>]) -> Written {
        let set = self.braces(labels.iter());
        if labels.is_sorted() {
            return Written { key: inner(set.clone()), set };
        }
        let mut ordered: Vec<&Label<'_>> = labels.iter().collect();
        ordered.sort_unstable();
        Written { key: inner(self.braces(ordered.into_iter())), set }
    }

    fn braces<'l>(&mut self, labels: impl Iterator<Item = &'l Label<'l>>) -> Range<usize> {
        let bytes = &mut self.bytes;
        let start = bytes.len();
        for (name, value) in labels {
            bytes.push(if bytes.len() == start { b'{' } else { b',' });
            bytes.extend_from_slice(&quote_label(name));
            bytes.extend_from_slice(b"=\"");
            bytes.extend_from_slice(value);
            bytes.push(b'"');
        }
        let end: &[u8] = if bytes.len() == start { b" " } else { b"} " };
        bytes.extend_from_slice(end);
        start..bytes.len()
    }
}

/// Where labels were written.
struct Written {
    /// As they stand before a value.
    set: Range<usize>,
    /// In order: order does not make them other ones. A part of `set` if they are in order.
    key: Range<usize>,
}

/// The place between the braces.
fn inner(set: Range<usize>) -> Range<usize> {
    if set.len() > 1 { set.start + 1..set.end - 2 } else { set.start..set.start }
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
    /// What they were read from is in the table, as are the texts.
    split: Interner<Id>,
    any_split: bool,
    texts: Interner<Option<Known>>,
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
        }
    }

    /// As `LabelTable::reserve`.
    pub fn reserve(&mut self, lines: usize) {
        self.texts.known.reserve(lines);
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
        if let Some(known) = self.texts.get(&table.bytes, text) {
            return known;
        }
        let labels = plain_labels(text)?;
        let has_edge = labels.iter().any(|(name, _)| matches!(name.as_ref(), b"le" | b"quantile"));
        let made = self.read(labels, table).map(|id| Known { id, has_edge });
        let place = match made {
            Some(Known { id, .. }) if table.inner(id) == text => table.place(id),
            _ => {
                table.bytes.extend_from_slice(text);
                table.bytes.len() - text.len()..table.bytes.len()
            }
        };
        self.texts.add(&table.bytes, place, made);
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
                let Written { set, key } = table.write(&labels);
                if let Some(known) = self.split.get(&table.bytes, &table.bytes[key.clone()]) {
                    table.bytes.truncate(set.start);
                    return Some(known);
                }
                let target = table.get(&relabelled);
                let id = table.push(&set, Some(target));
                self.split.add(&table.bytes, key, id);
                return Some(id);
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
