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

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use memchr::{memchr, memrchr};

use crate::families::{Type, openmetrics_name};
use crate::labels::{Id, LabelTable, Marks, SourceLabels};
use crate::numbers::{self, Total};
use crate::reading::split_edge;
use crate::sample::plain_labels;
use crate::text::is_legacy_name;

/// Digits of a number that is added up as an integer.
const MOST_DIGITS: usize = 18;

/// A family of text 0.0.4 without help and unit.
#[derive(Clone, Copy, Debug)]
pub struct Family<'b> {
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
    pub fn of_block(block: &'b [u8]) -> Option<Self> {
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
pub enum Form {
    /// Text 0.0.4.
    Text,
    /// OpenMetrics, under its type.
    Typed,
    /// OpenMetrics, as unknown, since the names that go with its type are not free.
    Untyped,
}

/// How many samples a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
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

/// The sum of a histogram: alone as it was read.
struct Sum {
    total: Total,
    only: Option<(usize, usize)>,
}

/// Reads and writes plain families of one source; remembers its labels and bounds.
#[derive(Default)]
pub struct Plain {
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

/// The bounds of the buckets of a family's histograms.
#[derive(Default)]
struct Edges {
    /// As they are read, with what follows: `0.5"} `.
    read: Vec<Vec<u8>>,
    /// As they are written, in the same way.
    written: Vec<Vec<u8>>,
    bounds: Vec<f64>,
}

impl Plain {
    /// Write the family to the end of `out` and count its samples. `None`, and nothing is written, if it is not plain,
    /// has no samples, or has anything that would have to be dropped or counted.
    pub fn write(
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

    fn read_histograms(
        &mut self,
        family: &Family<'_>,
        labels: &mut SourceLabels,
        table: &mut LabelTable,
    ) -> Option<usize> {
        let lines = family.lines;
        let (mut rest, mut read, mut before) = (lines, 0, None);
        while !rest.is_empty() {
            let bucket = rest.strip_prefix(family.name)?.strip_prefix(b"_bucket")?;
            let at = self.expected(before);
            let expected = self.known.get(at).and_then(|known| edge_start(bucket, self.text(known)));
            let (found, start) = match expected {
                Some(length) => (at, length),
                None => self.find_metric(bucket, labels, table)?,
            };
            self.follow(before, found);
            let start = &rest[..rest.len() - bucket.len() + start];
            if before.is_none() {
                self.edges.learn(start, rest)?;
                self.same &= self.edges.read == self.edges.written;
            }
            before = Some(found);
            let place = self.place(found)?;
            let count;
            (count, rest) = self.read_buckets(start, rest, place)?;
            rest = self.read_sum(family, found, place, rest)?;
            rest = rest.strip_prefix(family.name)?.strip_prefix(b"_count")?;
            rest = rest.strip_prefix(self.text(&self.known[found]))?;
            let (value, length) = integer(rest, false)?;
            if value != count {
                return None;
            }
            rest = &rest[length..];
            read += self.edges.read.len() + 2;
        }
        Some(read)
    }

    /// The last of the buckets, and what follows them. `start` is what each of the lines begins with.
    fn read_buckets<'r>(
        &mut self,
        start: &[u8],
        mut rest: &'r [u8],
        place: Place,
    ) -> Option<(i64, &'r [u8])> {
        let mut count = 0;
        let first = match place {
            Place::New => self.values.len(),
            Place::Old(place) => place * self.edges.read.len(),
        };
        for (n, edge) in self.edges.read.iter().enumerate() {
            rest = rest.strip_prefix(start)?.strip_prefix(edge.as_slice())?;
            let (value, length) = integer(rest, false)?;
            if value < count {
                return None;
            }
            rest = &rest[length..];
            count = value;
            match place {
                Place::New => self.values.push(value),
                Place::Old(_) => {
                    let known = &mut self.values[first + n];
                    *known = known.checked_add(value)?;
                }
            }
        }
        Some((count, rest))
    }

    fn read_sum<'r>(
        &mut self,
        family: &Family<'r>,
        found: usize,
        place: Place,
        rest: &'r [u8],
    ) -> Option<&'r [u8]> {
        let rest = rest.strip_prefix(family.name)?.strip_prefix(b"_sum")?;
        let rest = rest.strip_prefix(self.text(&self.known[found]))?;
        let end = memchr(b'\n', rest)?;
        let value = &rest[..end];
        if !value.first()?.is_ascii_digit() || !numbers::is_plain(value) {
            return None;
        }
        match place {
            Place::New => {
                let at = family.lines.len() - rest.len();
                self.sums.push(Sum { total: Total::of(value), only: Some((at, at + end)) });
            }
            Place::Old(place) => {
                let sum = &mut self.sums[place];
                sum.total.add(value);
                sum.only = None;
            }
        }
        Some(&rest[end + 1..])
    }

    fn write_histograms(&mut self, family: &Family<'_>, table: &LabelTable, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        let buckets = self.edges.written.len();
        for (place, (&target, values)) in
            self.targets.iter().zip(self.values.chunks_exact(buckets)).enumerate()
        {
            let labels = table.braced(target);
            self.start.clear();
            self.start.extend_from_slice(family.name);
            self.start.extend_from_slice(b"_bucket{");
            if let [b'{', inner @ .., b'}', b' '] = labels {
                self.start.extend_from_slice(inner);
                self.start.push(b',');
            }
            self.start.extend_from_slice(b"le=\"");
            for (&value, edge) in values.iter().zip(&self.edges.written) {
                out.extend_from_slice(&self.start);
                out.extend_from_slice(edge);
                end_line(value, &mut digits, out);
            }
            out.extend_from_slice(family.name);
            out.extend_from_slice(b"_sum");
            out.extend_from_slice(labels);
            match self.sums[place].only {
                Some((start, end)) => out.extend_from_slice(&family.lines[start..end]),
                None => out.extend_from_slice(&self.sums[place].total.text()),
            }
            out.push(b'\n');
            out.extend_from_slice(family.name);
            out.extend_from_slice(b"_count");
            out.extend_from_slice(labels);
            end_line(values[buckets - 1], &mut digits, out);
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

    /// The labels of a line, and the length of what all buckets of their metric have in common. `bucket` is the line
    /// from its labels on.
    fn find_metric(
        &mut self,
        bucket: &[u8],
        labels: &mut SourceLabels,
        table: &mut LabelTable,
    ) -> Option<(usize, usize)> {
        let line = &bucket[..memchr(b'\n', bucket)?];
        let (front, value) = bucket.split_at(memrchr(b' ', line)? + 1);
        let (inner, bound) = split_edge(front.strip_prefix(b"{")?.strip_suffix(b"} ")?, b"le")?;
        // The labels of a line that is refused are not to be remembered.
        integer(value, false)?;
        numbers::parse(bound).filter(|bound| !bound.is_nan())?;
        let mut text = std::mem::take(&mut self.start);
        text.clear();
        text.push(b'{');
        text.extend_from_slice(inner);
        text.extend_from_slice(b"} ");
        let found = self.find(&text, labels, table);
        let length = edge_start(bucket, &text);
        self.start = text;
        Some((found?, length?))
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

impl Edges {
    /// Take the bounds of the lines that begin with `start`, if they rise from zero or more to infinity.
    fn learn(&mut self, start: &[u8], mut rest: &[u8]) -> Option<()> {
        let mut count = 0;
        while let Some(edge) = rest.strip_prefix(start) {
            if self.read.get(count).is_none_or(|known| !edge.starts_with(known)) {
                self.read.truncate(count);
                self.written.truncate(count);
                self.bounds.truncate(count);
                let text = &edge[..memchr(b'"', edge)?];
                let bound = numbers::parse(text)?;
                if bound < 0.0 || self.bounds.last().is_some_and(|&last| last >= bound) {
                    return None;
                }
                self.written.push([&numbers::bound(bound)?, &b"\"} "[..]].concat());
                self.read.push([text, b"\"} "].concat());
                self.bounds.push(bound);
            }
            count += 1;
            rest = &edge[memchr(b'\n', edge)? + 1..];
        }
        self.read.truncate(count);
        self.written.truncate(count);
        self.bounds.truncate(count);
        (self.bounds.last() == Some(&f64::INFINITY)).then_some(())
    }
}

/// The length of what the lines of a metric's buckets have in common behind the name, if `bucket` begins with it: the
/// labels with this text, and `le="`.
fn edge_start(bucket: &[u8], text: &[u8]) -> Option<usize> {
    let open = text.strip_suffix(b"} ")?;
    let rest = bucket.strip_prefix(open)?;
    let rest = if open == b"{" { rest } else { rest.strip_prefix(b",")? };
    let rest = rest.strip_prefix(b"le=\"")?;
    Some(bucket.len() - rest.len())
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
