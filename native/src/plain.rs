//! Families in the one form in which Envoy writes them, read and written without looking at each byte.
//!
//! ```text
//! # TYPE envoy_cluster_upstream_rq counter
//! envoy_cluster_upstream_rq{envoy_cluster_name="a"} 1
//! ```
//!
//! Envoy repeats the same labels in the same order in every family, and the same bounds in every histogram. So what the
//! next line begins with is known before it is read: comparing it is much cheaper than finding and parsing it. Whatever
//! is not as expected, and not one of the few forms known here, is no plain family: nothing is written and the general
//! way (`reading`, `split`, `encoder`) does it, which gives the same bytes for plain families as well, only slower.

mod histograms;

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use memchr::{memchr, memrchr};

use self::histograms::{Edges, Sum};
use crate::families::{Type, openmetrics_name};
use crate::labels::{Id, LabelTable, Marks, SourceLabels};
use crate::sample::plain_labels;
use crate::text::is_legacy_name;

/// Digits of a number that is added up as an integer.
const MOST_DIGITS: usize = 18;

/// A family of text 0.0.4 without help and unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family<'b> {
    /// Its name.
    pub name: &'b [u8],
    /// Its type.
    pub kind: Type,
    /// All its sample lines, one behind the other.
    pub lines: &'b [u8],
}

impl<'b> Family<'b> {
    /// The family of a block that is a `# TYPE` line, sample lines, and the empty line that older versions of Envoy
    /// write behind them; `None` if it begins in any other way.
    #[must_use]
    pub(crate) fn of_block(block: &'b [u8]) -> Option<Self> {
        let rest = block.strip_prefix(b"# TYPE ")?;
        let (head, lines) = rest.split_at(memchr(b'\n', rest)? + 1);
        let (name, word) = head.split_at(memchr(b' ', head)?);
        let kind = match word {
            b" counter\n" => Type::Counter,
            b" gauge\n" => Type::Gauge,
            b" histogram\n" => Type::Histogram,
            _ => return None,
        };
        let lines = lines.strip_suffix(b"\n\n").map_or(lines, |front| &lines[..=front.len()]);
        is_legacy_name(name).then_some(Family { name, kind, lines })
    }
}

/// What a family is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text 0.0.4.
    Text,
    /// OpenMetrics, under its type.
    Typed,
    /// OpenMetrics, as unknown, since the names that go with its type are not free.
    Untyped,
}

/// How many samples a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// As it was read.
    pub read: usize,
    /// As it was written, with the clusters merged.
    pub written: usize,
}

/// Labels as they stand on a line: `{…} `, or a blank if there are none.
struct Known {
    start: usize,
    end: usize,
    id: Id,
    target: Id,
    /// Whether they are written as they were read, and for themselves.
    same: bool,
    /// The labels that followed them last.
    next: usize,
}

/// Reads and writes plain families of one source; remembers its labels and bounds.
#[derive(Default)]
pub(crate) struct Plain {
    texts: Vec<u8>,
    known: Vec<Known>,
    by_text: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// The labels of the first line of the last family.
    first: usize,
    edges: Edges,
    seen: Marks,
    places: Marks,
    /// By place: the labels to write, in the order of their first lines.
    targets: Vec<Id>,
    /// By place: one value, or all buckets.
    values: Vec<i64>,
    /// By place, of histograms.
    sums: Vec<Sum>,
    /// Whether all lines are written as they were read.
    same: bool,
    /// What the lines of a metric have in common.
    start: Vec<u8>,
}

impl Plain {
    /// Write the family to the end of `out` and count its samples. `None`, and nothing is written, if it is not plain,
    /// has no samples, or has anything that would have to be dropped or counted.
    pub(crate) fn write(
        &mut self,
        family: &Family<'_>,
        form: Form,
        labels: &mut SourceLabels,
        table: &mut LabelTable,
        out: &mut Vec<u8>,
    ) -> Option<Count> {
        self.seen.clear();
        self.places.clear();
        self.targets.clear();
        self.values.clear();
        self.sums.clear();
        self.same = true;
        let histogram = family.kind == Type::Histogram;
        let read = match family.kind {
            Type::Histogram if form != Form::Untyped => self.read_histograms(family, labels, table)?,
            Type::Counter if form == Form::Typed && !family.name.ends_with(b"_total") => return None,
            Type::Counter | Type::Gauge => self.read_values(family, labels, table)?,
            _ => return None,
        };
        if read == 0 {
            return None;
        }
        head(family, form, out);
        if self.same {
            out.extend_from_slice(family.lines);
        } else if histogram {
            self.write_histograms(family, table, out);
        } else {
            self.write_values(family, table, out);
        }
        let each = if histogram { self.edges.read.len() + 2 } else { 1 };
        Some(Count { read, written: self.targets.len() * each })
    }

    fn read_values(
        &mut self,
        family: &Family<'_>,
        labels: &mut SourceLabels,
        table: &mut LabelTable,
    ) -> Option<usize> {
        let negative = family.kind == Type::Gauge;
        let (mut rest, mut read, mut before) = (family.lines, 0, None);
        while !rest.is_empty() {
            rest = rest.strip_prefix(family.name)?;
            let at = self.expected(before);
            let found = match self.known.get(at) {
                Some(known) if rest.starts_with(self.text(known)) => at,
                _ => {
                    let line = &rest[..memchr(b'\n', rest)?];
                    let blank = memrchr(b' ', line)?;
                    // The labels of a line that is refused are not to be remembered.
                    integer(&rest[blank + 1..], negative)?;
                    self.find(&rest[..=blank], labels, table)?
                }
            };
            self.follow(before, found);
            before = Some(found);
            rest = &rest[self.known[found].end - self.known[found].start..];
            let (value, length) = integer(rest, negative)?;
            rest = &rest[length..];
            read += 1;
            match self.place(found)? {
                Place::New => self.values.push(value),
                Place::Old(place) => self.values[place] = self.values[place].checked_add(value)?,
            }
        }
        Some(read)
    }

    fn write_values(&self, family: &Family<'_>, table: &LabelTable, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        for (&target, &value) in self.targets.iter().zip(&self.values) {
            out.extend_from_slice(family.name);
            out.extend_from_slice(table.braced(target));
            end_line(value, &mut digits, out);
        }
    }

    fn text(&self, known: &Known) -> &[u8] {
        &self.texts[known.start..known.end]
    }

    /// The labels that are likely to come behind others.
    fn expected(&self, before: Option<usize>) -> usize {
        before.map_or(self.first, |before| self.known[before].next)
    }

    /// Remember what came behind others.
    fn follow(&mut self, before: Option<usize>, found: usize) {
        match before {
            None => self.first = found,
            Some(before) => self.known[before].next = found,
        }
    }

    /// Where the samples with these labels are to go; `None` if they are there twice.
    fn place(&mut self, found: usize) -> Option<Place> {
        let Known { id, target, same, .. } = self.known[found];
        self.same &= same;
        if self.seen.get_or_put(id, 0).is_some() {
            return None;
        }
        Some(match self.places.get_or_put(target, self.targets.len()) {
            Some(place) => Place::Old(place),
            None => {
                self.targets.push(target);
                Place::New
            }
        })
    }

    /// The labels with this text.
    fn find(&mut self, text: &[u8], labels: &mut SourceLabels, table: &mut LabelTable) -> Option<usize> {
        let hash = self.hasher.hash_one(text);
        let known = &self.known;
        let texts = &self.texts;
        if let Some(&found) = self.by_text.find(hash, |&at| &texts[known[at].start..known[at].end] == text) {
            return Some(found);
        }
        let inner = if text == b" " { b"" } else { text.strip_prefix(b"{")?.strip_suffix(b"} ")? };
        std::str::from_utf8(inner).ok()?;
        let read = plain_labels(inner)?;
        if read.iter().any(|(name, _)| matches!(name.as_ref(), b"le" | b"quantile")) {
            return None;
        }
        let id = labels.read(read, table)?;
        let (start, at) = (self.texts.len(), self.known.len());
        self.texts.extend_from_slice(text);
        let end = self.texts.len();
        let target = table.target(id);
        let same = target == id && table.braced(id) == text;
        self.known.push(Known { start, end, id, target, same, next: at + 1 });
        let Plain { texts, known, hasher, by_text, .. } = self;
        by_text.insert_unique(hash, at, |&at| hasher.hash_one(&texts[known[at].start..known[at].end]));
        Some(at)
    }
}

/// Where samples go: behind all others, or to those of another cluster of the same service.
#[derive(Clone, Copy)]
enum Place {
    New,
    Old(usize),
}

/// The integer that a line ends with, as it would be written, and its length with the newline.
fn integer(text: &[u8], negative: bool) -> Option<(i64, usize)> {
    match text {
        [digit @ b'0'..=b'9', b'\n', ..] => return Some((i64::from(digit - b'0'), 2)),
        [b'-', rest @ ..] if negative => {
            return integer(rest, false).filter(|&(n, _)| n > 0).map(|(n, length)| (-n, length + 1));
        }
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    let mut number = 0;
    for (at, &byte) in text.iter().enumerate().take(MOST_DIGITS + 1) {
        match byte {
            b'\n' => return Some((number, at + 1)),
            b'0'..=b'9' if at < MOST_DIGITS => number = number * 10 + i64::from(byte - b'0'),
            _ => return None,
        }
    }
    None
}

fn end_line(value: i64, digits: &mut itoa::Buffer, out: &mut Vec<u8>) {
    match u8::try_from(value) {
        Ok(small @ 0..=9) => out.extend_from_slice(&[b'0' + small, b'\n']),
        _ => {
            out.extend_from_slice(digits.format(value).as_bytes());
            out.push(b'\n');
        }
    }
}

fn head(family: &Family<'_>, form: Form, out: &mut Vec<u8>) {
    let &Family { name, kind, .. } = family;
    let (name, word) = match form {
        Form::Text => (name, kind.text_word()),
        Form::Typed => (openmetrics_name(name, kind), kind.word()),
        Form::Untyped => (name, Type::Unknown.word()),
    };
    out.extend_from_slice(b"# TYPE ");
    out.extend_from_slice(name);
    out.push(b' ');
    out.extend_from_slice(word);
    out.push(b'\n');
}

#[cfg(test)]
mod tests;
