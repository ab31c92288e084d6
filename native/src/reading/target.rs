//! Where the samples of the family at hand go.

use std::borrow::Cow;

use super::bounds::Bound;
use crate::contract::Fault;
use crate::families::{Part, Role, Type};
use crate::labels::{Id, LabelTable, Marks};
use crate::samples::{Edge, Metric, Samples, Tail, time_of};

/// Where label sets of the family at hand are among its samples.
#[derive(Default)]
pub struct Scratch {
    /// In plain samples or metrics.
    pub marks: Marks,
    pub(super) created: Marks,
    pub(super) bare: Marks,
    pub(super) loose: Marks,
}

/// What is needed while one family is read.
pub(super) struct Target<'r, 'b> {
    pub(super) kind: Type,
    pub(super) roles: &'r [(Vec<u8>, Role)],
    /// Roles of names that need no quotes.
    pub(super) bare: Vec<(&'r [u8], Role)>,
    pub(super) samples: Samples<'b>,
    pub(super) table: &'r mut LabelTable,
    pub(super) scratch: &'r mut Scratch,
    /// Whether samples of one series with other times are kept apart.
    pub(super) apart: bool,
    /// Labels of the last plain line of a composite family, and where its metric is.
    pub(super) last: Option<(&'b [u8], usize)>,
}

impl<'b> Target<'_, 'b> {
    pub(super) fn add_value(&mut self, labels: Id, role: Role, tail: Tail<'b>) -> Result<(), Fault> {
        let (scratch, samples) = (&mut *self.scratch, &mut self.samples);
        let (marks, values) = match role {
            Role::Part(Part::Created) => (&mut scratch.created, &mut samples.created),
            Role::Bare => (&mut scratch.bare, &mut samples.plain),
            Role::Loose => (&mut scratch.loose, &mut samples.loose),
            _ => (&mut scratch.marks, &mut samples.plain),
        };
        let mut labels = labels;
        if let Some(at) = marks.get_or_put(labels, values.len()) {
            labels = match (time_of(&values[at].1), time_of(&tail)) {
                (Some(first), Some(time)) if self.apart && first.to_bits() != time.to_bits() => {
                    self.table.at(labels, time)
                }
                _ => return Err(Fault::Duplicate),
            };
            if marks.get_or_put(labels, values.len()).is_some() {
                return Err(Fault::Duplicate);
            }
            samples.several = true;
        }
        values.push((labels, tail));
        Ok(())
    }

    /// Where the metric with these labels is; a new one if there is none.
    pub(super) fn metric(&mut self, labels: Id) -> usize {
        let metrics = &mut self.samples.metrics;
        let next = metrics.len();
        self.scratch.marks.get_or_put(labels, next).unwrap_or_else(|| {
            let edges = metrics.last().map_or(0, |(_, last)| last.edges().len());
            metrics.push((labels, Metric::with_capacity(edges)));
            next
        })
    }

    /// Add a sample that may have a time to a metric or, if its time is not that of the metric's first sample, to one
    /// of its own, unless some of the metric have a time and others none.
    pub(super) fn add_timed(
        &mut self,
        at: usize,
        labels: Id,
        role: Role,
        bound: Option<Bound<'b>>,
        tail: Tail<'b>,
    ) -> Result<(), Fault> {
        let (time, first) = (time_of(&tail), &mut self.samples.metrics[at].1);
        if first.is_empty() {
            first.time = time;
        }
        let same = first.time.map(f64::to_bits) == time.map(f64::to_bits);
        if let (Some(time), Some(_), false, true) = (time, first.time, same || first.mixed, self.apart) {
            first.followed = true;
            self.samples.several = true;
            let at = {
                let later = self.table.at(labels, time);
                self.metric(later)
            };
            self.samples.metrics[at].1.time = Some(time);
            return self.add_to_metric(at, role, bound, tail);
        }
        if !same {
            let taken = match (role, &bound) {
                (_, Some(bound)) => first.has_edge(bound.number),
                (Role::Part(part), None) => first.part(part).is_some(),
                (_, None) => false,
            };
            if first.followed || taken {
                return Err(Fault::Duplicate);
            }
            first.mixed = true;
        }
        self.add_to_metric(at, role, bound, tail)
    }

    pub(super) fn add_to_metric(
        &mut self,
        at: usize,
        role: Role,
        bound: Option<Bound<'b>>,
        tail: Tail<'b>,
    ) -> Result<(), Fault> {
        let metric = &mut self.samples.metrics[at].1;
        let new = match (role, bound) {
            (_, Some(Bound { number, spelled })) => metric.add_edge(Edge { bound: number, spelled, tail }),
            (Role::Part(part), None) => metric.add_part(part, tail),
            (_, None) => return Err(Fault::Malformed),
        };
        if new { Ok(()) } else { Err(Fault::Duplicate) }
    }
}

/// A value with what follows it on the line.
pub(super) fn tail<'b>(value: Tail<'b>, time: Option<&[u8]>, exemplar: &[u8]) -> Tail<'b> {
    if time.is_none() && exemplar.is_empty() {
        return value;
    }
    let mut tail = value.into_owned();
    if let Some(time) = time {
        tail.push(b' ');
        tail.extend_from_slice(time);
    }
    if !exemplar.is_empty() {
        tail.push(b' ');
        tail.extend_from_slice(exemplar);
    }
    Cow::Owned(tail)
}
