//! The merging of split clusters: their samples are summed up under their service.

use std::borrow::Cow;

use crate::families::{Part, Type};
use crate::labels::{Id, LabelTable, Marks};
use crate::numbers::{Total, exact};
use crate::samples::{Edge, Metric, Samples, Tail, value};

/// The samples with those of split clusters summed up, and how many quantiles that cost. Timestamps and exemplars of
/// what is summed are lost.
pub fn merge_split<'b>(
    samples: Samples<'b>,
    kind: Type,
    table: &LabelTable,
    marks: &mut Marks,
) -> (Samples<'b>, usize) {
    let mut merged = Samples {
        plain: merge_plain(samples.plain, table, marks),
        created: last_of_each(samples.created, table, marks),
        loose: merge_plain(samples.loose, table, marks),
        metrics: Vec::new(),
        exemplars: samples.exemplars,
        several: false,
    };
    let mut groups: Vec<(Id, Vec<Metric<'b>>)> = Vec::new();
    marks.clear();
    for (id, metric) in samples.metrics {
        let target = table.target(id);
        match marks.get_or_put(target, groups.len()) {
            Some(at) => groups[at].1.push(metric),
            None => groups.push((target, vec![metric])),
        }
    }
    let mut quantiles = 0;
    merged.metrics.reserve(groups.len());
    for (target, mut group) in groups {
        let metric = match group.pop() {
            Some(only) if group.is_empty() => only,
            last => {
                group.extend(last);
                if kind == Type::Summary {
                    quantiles += group.iter().map(|metric| metric.edges().len()).sum::<usize>();
                }
                merge_metrics(&group, kind)
            }
        };
        merged.metrics.push((target, metric));
    }
    (merged, quantiles)
}

fn merge_plain<'b>(
    samples: Vec<(Id, Tail<'b>)>,
    table: &LabelTable,
    marks: &mut Marks,
) -> Vec<(Id, Tail<'b>)> {
    let mut merged: Vec<(Id, Tail<'b>)> = Vec::with_capacity(samples.len());
    let mut totals: Vec<Option<Total>> = Vec::with_capacity(samples.len());
    marks.clear();
    for (id, tail) in samples {
        let target = table.target(id);
        let Some(at) = marks.get_or_put(target, merged.len()) else {
            merged.push((target, tail));
            totals.push(None);
            continue;
        };
        let first = &merged[at].1;
        totals[at].get_or_insert_with(|| Total::of(value(first))).add(value(&tail));
    }
    for ((_, tail), total) in merged.iter_mut().zip(totals) {
        if let Some(total) = total {
            *tail = Cow::Owned(total.text());
        }
    }
    merged
}

fn last_of_each<'b>(
    samples: Vec<(Id, Tail<'b>)>,
    table: &LabelTable,
    marks: &mut Marks,
) -> Vec<(Id, Tail<'b>)> {
    let mut merged: Vec<(Id, Tail<'b>)> = Vec::new();
    marks.clear();
    for (id, tail) in samples {
        let target = table.target(id);
        match marks.get_or_put(target, merged.len()) {
            Some(at) => merged[at].1 = tail,
            None => merged.push((target, tail)),
        }
    }
    merged
}

/// The sum of several metrics. Counts are cumulative, so a metric that lacks a bound of another one has at that bound
/// what it has at its next lower one: buckets stay monotone.
fn merge_metrics<'b>(metrics: &[Metric<'b>], kind: Type) -> Metric<'b> {
    let mut merged = Metric::with_capacity(metrics.first().map_or(0, |first| first.edges().len()));
    if kind != Type::Summary {
        add_edges(&mut merged, metrics);
    }
    for part in [Part::Sum, Part::Count, Part::GSum, Part::GCount] {
        let mut tails = metrics.iter().filter_map(|metric| metric.part(part));
        if let Some(first) = tails.next() {
            let mut total = Total::of(value(first));
            tails.for_each(|tail| total.add(value(tail)));
            merged.add_part(part, Cow::Owned(total.text()));
        }
    }
    merged
}

/// The summed edges, in one pass over all edges in the order of their bounds: at each bound only what steps there changes
/// the sum, so that many clusters with bounds of their own cost no more than their edges. The last spelling holds.
fn add_edges<'b>(merged: &mut Metric<'b>, metrics: &[Metric<'b>]) {
    let of = |(n, metric): (usize, &'_ Metric<'b>)| (0..metric.edges().len()).map(move |at| (n, at));
    let mut steps: Vec<(usize, usize)> = metrics.iter().enumerate().flat_map(of).collect();
    let bound = |&(n, at): &(usize, usize)| metrics[n].edges()[at].bound;
    steps.sort_by(|one, other| bound(one).total_cmp(&bound(other))); // stable: in the order of the metrics
    let mut now: Vec<&[u8]> = vec![b"0"; metrics.len()];
    let (mut total, mut inexact) = (0i128, 0usize);
    for here in steps.chunk_by(|one, other| bound(one).total_cmp(&bound(other)).is_eq()) {
        for &(n, at) in here {
            let next = value(&metrics[n].edges()[at].tail);
            match exact(now[n]) {
                Some(before) => total -= i128::from(before),
                None => inexact -= 1,
            }
            match exact(next) {
                Some(after) => total += i128::from(after),
                None => inexact += 1,
            }
            now[n] = next;
        }
        let sum = if inexact == 0 {
            total.to_string().into_bytes()
        } else {
            let mut sum = Total::default();
            now.iter().for_each(|one| sum.add(one));
            sum.text()
        };
        if let Some(&(n, at)) = here.last() {
            let Edge { bound, spelled, .. } = &metrics[n].edges()[at];
            merged.add_edge(Edge { bound: *bound, spelled: spelled.clone(), tail: Cow::Owned(sum) });
        }
    }
}
