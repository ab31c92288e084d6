//! Histograms: read and written with the same bounds for all of a family.

use memchr::{memchr, memrchr};

use super::{Family, Place, Plain, end_line, integer};
use crate::labels::{LabelTable, SourceLabels};
use crate::numbers::{self, Total};
use crate::reading::split_edge;

impl Plain {
    pub(super) fn read_histograms(
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

    pub(super) fn write_histograms(&mut self, family: &Family<'_>, table: &LabelTable, out: &mut Vec<u8>) {
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
}

/// The sum of a histogram: alone as it was read.
pub(super) struct Sum {
    pub(super) total: Total,
    pub(super) only: Option<(usize, usize)>,
}

/// The bounds of the buckets of a family's histograms.
#[derive(Default)]
pub(super) struct Edges {
    /// As they are read, with what follows: `0.5"} `.
    pub(super) read: Vec<Vec<u8>>,
    /// As they are written, in the same way.
    pub(super) written: Vec<Vec<u8>>,
    pub(super) bounds: Vec<f64>,
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
