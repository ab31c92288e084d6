//! The merging of split clusters: their samples are summed up under their service.

use std::borrow::Cow;

use crate::families::{Part, Type};
use crate::labels::{Id, LabelTable, Marks};
use crate::numbers::Total;
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
    let mut bounds: Vec<(f64, Cow<'b, [u8]>)> = Vec::new();
    if kind != Type::Summary {
        metrics.iter().for_each(|metric| add_bounds(&mut bounds, metric.edges()));
    }
    let mut merged = Metric::with_capacity(bounds.len());
    let mut below = vec![0; metrics.len()];
    for (bound, spelled) in bounds {
        let mut total = Total::default();
        for (metric, below) in metrics.iter().zip(&mut below) {
            let edges = metric.edges();
            while edges.get(*below).is_some_and(|edge| edge.bound <= bound) {
                *below += 1;
            }
            total.add(if *below == 0 { b"0" } else { value(&edges[*below - 1].tail) });
        }
        merged.add_edge(Edge { bound, spelled, tail: Cow::Owned(total.text()) });
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

/// Unite sorted bounds; the later spelling holds.
fn add_bounds<'b>(bounds: &mut Vec<(f64, Cow<'b, [u8]>)>, edges: &[Edge<'b>]) {
    let mut at = 0;
    for edge in edges {
        while bounds.get(at).is_some_and(|(bound, _)| *bound < edge.bound) {
            at += 1;
        }
        match bounds.get_mut(at) {
            Some((bound, spelled)) if bound.total_cmp(&edge.bound).is_eq() => {
                spelled.clone_from(&edge.spelled)
            }
            _ => bounds.insert(at, (edge.bound, edge.spelled.clone())),
        }
        at += 1;
    }
}
