//! The samples of one family while it is merged.
//!
//! A tail is what follows the labels on a line: the value, and a timestamp and an exemplar if there are any.

use std::borrow::Cow;

use hashbrown::HashSet;
use memchr::{memchr, memmem};

use crate::families::Part;
use crate::labels::{Id, Marks};

/// What follows the labels on a line.
pub type Tail<'b> = Cow<'b, [u8]>;

/// One bucket or quantile.
#[derive(Clone, Debug)]
pub struct Edge<'b> {
    /// The bound or quantile as a number; never NaN, never negative zero.
    pub bound: f64,
    /// As it is written.
    pub spelled: Cow<'b, [u8]>,
    /// The tail.
    pub tail: Tail<'b>,
}

/// One histogram, summary or gauge histogram: all samples of a family that share their labels.
#[derive(Clone, Debug, Default)]
pub struct Metric<'b> {
    edges: Vec<Edge<'b>>,
    /// Bits of all bounds, once they came out of order.
    bounds: Option<HashSet<u64>>,
    parts: [Option<Tail<'b>>; Part::ALL.len()],
}

impl<'b> Metric<'b> {
    /// With room for buckets.
    #[must_use]
    pub fn with_capacity(edges: usize) -> Self {
        Metric { edges: Vec::with_capacity(edges), ..Metric::default() }
    }

    /// Buckets or quantiles, by rising bounds once `sort` was called.
    #[must_use]
    pub fn edges(&self) -> &[Edge<'b>] {
        &self.edges
    }

    /// The tail of a part, if there is one.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<&Tail<'b>> {
        self.parts[part as usize].as_ref()
    }

    /// All parts there are, in order.
    pub fn parts(&self) -> impl Iterator<Item = &Tail<'b>> {
        self.parts.iter().flatten()
    }

    /// How many samples it is.
    #[must_use]
    pub fn len(&self) -> usize {
        self.edges.len() + self.parts().count()
    }

    /// Whether it has no sample, as a merged summary may.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Add a bucket or quantile; false if its bound is there already.
    pub fn add_edge(&mut self, edge: Edge<'b>) -> bool {
        if self.bounds.is_none() && self.edges.last().is_some_and(|last| last.bound >= edge.bound) {
            self.bounds = Some(self.edges.iter().map(|edge| edge.bound.to_bits()).collect());
        }
        let new = self.bounds.as_mut().is_none_or(|bounds| bounds.insert(edge.bound.to_bits()));
        if new {
            self.edges.push(edge);
        }
        new
    }

    /// Add a part; false if it is there already.
    pub fn add_part(&mut self, part: Part, tail: Tail<'b>) -> bool {
        let place = &mut self.parts[part as usize];
        let new = place.is_none();
        if new {
            *place = Some(tail);
        }
        new
    }

    /// Bring the edges in order.
    pub fn sort(&mut self) {
        if self.bounds.is_some() {
            self.edges.sort_by(|one, other| one.bound.total_cmp(&other.bound));
        }
    }
}

/// What one source, or several, have of one family, in the order of their first sample.
#[derive(Clone, Debug, Default)]
pub struct Samples<'b> {
    /// Of families that are not composite.
    pub plain: Vec<(Id, Tail<'b>)>,
    /// Dates of a counter.
    pub created: Vec<(Id, Tail<'b>)>,
    /// Of composite families.
    pub metrics: Vec<(Id, Metric<'b>)>,
}

impl<'b> Samples<'b> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plain.len()
            + self.created.len()
            + self.metrics.iter().map(|(_, metric)| metric.len()).sum::<usize>()
    }

    /// Whether there are none. There may be empty metrics.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Take over what is not here yet. Returns how many samples were.
    pub fn add(&mut self, others: Samples<'b>, marks: &mut Marks) -> usize {
        let mut refused = unite(&mut self.plain, others.plain, |_| 1, marks);
        refused += unite(&mut self.created, others.created, |_| 1, marks);
        // samples of two sources would not make one sound metric
        refused + unite(&mut self.metrics, others.metrics, Metric::len, marks)
    }
}

fn unite<T>(
    mine: &mut Vec<(Id, T)>,
    theirs: Vec<(Id, T)>,
    weight: impl Fn(&T) -> usize,
    marks: &mut Marks,
) -> usize {
    if theirs.is_empty() {
        return 0;
    }
    marks.clear();
    mine.iter().for_each(|(id, _)| marks.put(*id, 0));
    let mut refused = 0;
    for (id, item) in theirs {
        if marks.get(id).is_some() {
            refused += weight(&item);
        } else {
            mine.push((id, item));
        }
    }
    refused
}

/// The value of a tail.
#[must_use]
pub fn value(tail: &[u8]) -> &[u8] {
    &tail[..memchr(b' ', tail).unwrap_or(tail.len())]
}

/// The timestamp of a tail; empty if there is none.
#[must_use]
pub fn timestamp(tail: &[u8]) -> &[u8] {
    let tail = without_exemplar(tail);
    memchr(b' ', tail).map_or(b"", |blank| &tail[blank + 1..])
}

/// The tail without its exemplar.
#[must_use]
pub fn without_exemplar(tail: &[u8]) -> &[u8] {
    if memchr(b'#', tail).is_none() {
        return tail;
    }
    &tail[..memmem::find(tail, b" #").unwrap_or(tail.len())]
}
