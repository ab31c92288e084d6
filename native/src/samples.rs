//! The samples of one family while it is merged.
//!
//! A tail is what follows the labels on a line: the value, and a timestamp and an exemplar if there are any.

use std::borrow::Cow;

use hashbrown::{HashMap, HashSet};
use memchr::{memchr, memmem};

use crate::families::Part;
use crate::labels::{Id, LabelTable, Marks};
use crate::numbers::parse;

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
    bounds: Option<Box<HashSet<u64>>>,
    /// The time of its first sample; `None` without one.
    pub time: Option<f64>,
    /// Whether it has samples of other times, or with and without one.
    pub mixed: bool,
    /// Whether there are metrics with the same labels and other times.
    pub followed: bool,
    /// In order; few have all of them.
    parts: Vec<(Part, Tail<'b>)>,
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
        self.parts.iter().find_map(|(known, tail)| (*known == part).then_some(tail))
    }

    /// All parts there are, in order.
    pub fn parts(&self) -> impl Iterator<Item = &Tail<'b>> {
        self.parts.iter().map(|(_, tail)| tail)
    }

    /// How many samples it is.
    #[must_use]
    pub fn len(&self) -> usize {
        self.edges.len() + self.parts.len()
    }

    /// Whether it has no sample, as a merged summary may.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a bucket or quantile with this bound.
    #[must_use]
    pub fn has_edge(&self, bound: f64) -> bool {
        self.bounds.as_ref().map_or_else(
            || self.edges.binary_search_by(|edge| edge.bound.total_cmp(&bound)).is_ok(),
            |bounds| bounds.contains(&bound.to_bits()),
        )
    }

    /// Add a bucket or quantile; false if its bound is there already.
    pub fn add_edge(&mut self, edge: Edge<'b>) -> bool {
        if self.bounds.is_none() && self.edges.last().is_some_and(|last| last.bound >= edge.bound) {
            self.bounds = Some(Box::new(self.edges.iter().map(|edge| edge.bound.to_bits()).collect()));
        }
        let new = self.bounds.as_mut().is_none_or(|bounds| bounds.insert(edge.bound.to_bits()));
        if new {
            self.edges.push(edge);
        }
        new
    }

    /// Add a part; false if it is there already.
    pub fn add_part(&mut self, part: Part, tail: Tail<'b>) -> bool {
        match self.parts.binary_search_by_key(&(part as usize), |(known, _)| *known as usize) {
            Ok(_) => false,
            Err(at) => {
                self.parts.reserve_exact(1); // there may be a hundred thousand metrics with one part
                self.parts.insert(at, (part, tail));
                true
            }
        }
    }

    /// Whether there is a bucket for all observations. Edges are in order.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.edges.last().is_some_and(|edge| edge.bound == f64::INFINITY)
    }

    /// Whether the count may become the bucket for all observations.
    fn is_closable(&self) -> bool {
        !self.is_closed() && self.part(Part::Count).is_some()
    }

    /// Make the count the bucket for all observations, if there is none.
    fn close(&mut self) {
        if !self.is_closed()
            && let Some(tail) = self.part(Part::Count).cloned()
        {
            self.add_edge(Edge { bound: f64::INFINITY, spelled: Cow::Borrowed(b"+Inf"), tail });
        }
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
    /// Of composite families: buckets without a bound. What else their type does not promise is in `plain`.
    pub loose: Vec<(Id, Tail<'b>)>,
    /// How many tails have one.
    pub exemplars: usize,
    /// Whether a series has several samples, of different times.
    pub several: bool,
}

impl<'b> Samples<'b> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plain.len()
            + self.created.len()
            + self.loose.len()
            + self.metrics.iter().map(|(_, metric)| metric.len()).sum::<usize>()
    }

    /// Whether there are none. There may be empty metrics.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Take over what is not here yet. Returns how many samples, and how many exemplars of them, were.
    pub fn add(&mut self, others: Samples<'b>, table: &mut LabelTable, marks: &mut Marks) -> Refused {
        let mut refused = Refused::default();
        let several = &mut self.several;
        unite(&mut self.plain, others.plain, table, marks, several, &mut refused);
        unite(&mut self.created, others.created, table, marks, several, &mut refused);
        unite(&mut self.loose, others.loose, table, marks, several, &mut refused);
        // samples of two sources would not make one sound metric
        unite(&mut self.metrics, others.metrics, table, marks, several, &mut refused);
        refused
    }

    /// Put all samples of a series beside each other, in order of time.
    pub fn sort(&mut self, table: &LabelTable) {
        if self.several {
            in_order(&mut self.plain, table);
            in_order(&mut self.created, table);
            in_order(&mut self.loose, table);
            in_order(&mut self.metrics, table);
        }
    }

    /// Give histograms that say how many observations there were, but have no bucket for all of them, that bucket: the
    /// two are the same number, and Prometheus's own encoder (expfmt) writes it in their place. Nothing is added where
    /// the family cannot have its type all the same. Returns which metrics got one, by their places.
    pub fn complete(&mut self, table: &LabelTable) -> Vec<usize> {
        if !self.plain.is_empty() || !self.loose.is_empty() {
            return Vec::new();
        }
        let completable = |id: Id, metric: &Metric<'b>| {
            metric.is_closed() || (metric.part(Part::Count).is_some() && !table.has(id, b"le"))
        };
        if !self.metrics.iter().all(|(id, metric)| completable(*id, metric)) {
            return Vec::new();
        }
        let open = self.metrics.iter().enumerate().filter(|(_, (_, metric))| !metric.is_closed());
        let open: Vec<usize> = open.map(|(at, _)| at).collect();
        open.iter().for_each(|&at| self.metrics[at].1.close());
        open
    }

    /// Take back what `complete` did.
    pub fn reopen(&mut self, closed: &[usize]) {
        closed.iter().for_each(|&at| _ = self.metrics[at].1.edges.pop());
    }

    /// How many buckets `complete` may add.
    #[must_use]
    pub fn open_ended(&self) -> usize {
        self.metrics.iter().filter(|(_, metric)| metric.is_closable()).count()
    }
}

/// What was not taken over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refused {
    /// Samples.
    pub samples: usize,
    /// Exemplars of them.
    pub exemplars: usize,
}

/// What may be there several times, with different times.
trait Timed {
    /// Samples, and exemplars of them.
    fn weight(&self) -> (usize, usize);
    /// The one time of all of it.
    fn time(&self) -> Option<f64>;
    /// There are others with the same labels and other times.
    fn follow(&mut self) {}
}

impl Timed for Tail<'_> {
    fn weight(&self) -> (usize, usize) {
        (1, usize::from(has_exemplar(self)))
    }

    fn time(&self) -> Option<f64> {
        time_of(self)
    }
}

impl Timed for Metric<'_> {
    fn weight(&self) -> (usize, usize) {
        (self.len(), self.edges().iter().filter(|edge| has_exemplar(&edge.tail)).count())
    }

    fn time(&self) -> Option<f64> {
        self.time.filter(|_| !self.mixed)
    }

    fn follow(&mut self) {
        self.followed = true;
    }
}

fn unite<T: Timed>(
    mine: &mut Vec<(Id, T)>,
    theirs: Vec<(Id, T)>,
    table: &mut LabelTable,
    marks: &mut Marks,
    several: &mut bool,
    refused: &mut Refused,
) {
    if theirs.is_empty() {
        return;
    }
    marks.clear();
    mine.iter().enumerate().for_each(|(at, (id, _))| marks.put(*id, at));
    for (id, item) in theirs {
        let base = table.base(id);
        let Some(at) = marks.get_or_put(base, mine.len()) else {
            mine.push((base, item));
            continue;
        };
        let later = match (mine[at].1.time(), item.time()) {
            (Some(first), Some(time)) if first.to_bits() != time.to_bits() => Some(table.at(base, time)),
            _ => None,
        };
        match later {
            Some(later) if marks.get_or_put(later, mine.len()).is_none() => {
                mine[at].1.follow();
                mine.push((later, item));
                *several = true;
            }
            _ => {
                let (samples, exemplars) = item.weight();
                refused.samples += samples;
                refused.exemplars += exemplars;
            }
        }
    }
}

fn in_order<T: Timed>(values: &mut Vec<(Id, T)>, table: &LabelTable) {
    let mut places: HashMap<Id, usize> = HashMap::new();
    let mut sorted: Vec<(usize, f64, (Id, T))> = Vec::with_capacity(values.len());
    for value in values.drain(..) {
        let next = places.len();
        let place = *places.entry(table.base(value.0)).or_insert(next);
        sorted.push((place, value.1.time().unwrap_or(0.0), value));
    }
    sorted.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    values.extend(sorted.into_iter().map(|(_, _, value)| value));
}

/// The time of a tail as the answer has it, in milliseconds or seconds; `None` without one.
#[must_use]
pub fn time_of(tail: &[u8]) -> Option<f64> {
    let time = timestamp(tail);
    if time.is_empty() { None } else { parse(time) }
}

/// Whether a tail ends in an exemplar.
#[must_use]
pub fn has_exemplar(tail: &[u8]) -> bool {
    memchr(b'#', tail).is_some()
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
