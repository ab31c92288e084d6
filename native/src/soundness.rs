//! What the formats demand of the samples of a type, beyond their form.
//!
//! Text: that a family has no others, and that a histogram counts up to +Inf. OpenMetrics demands more of most types
//! (OpenMetrics 1.0.0, metric types), and its parsers refuse a whole answer that does not have it. Prometheus's own is
//! lenient, `prometheus_client`'s and those made from it are not.

use crate::families::{Part, Type};
use crate::labels::{LabelTable, Marks};
use crate::numbers::parse;
use crate::sample::labels_of;
use crate::samples::{Metric, Samples, timestamp, value};

/// Whether the samples may be written under their type.
pub fn sound(
    name: &[u8],
    kind: Type,
    samples: &Samples<'_>,
    table: &LabelTable,
    marks: &mut Marks,
    openmetrics: bool,
) -> bool {
    if !openmetrics && kind == Type::GaugeHistogram {
        return true; // it is none there
    }
    if kind.composite() && !(samples.plain.is_empty() && samples.loose.is_empty()) {
        return false;
    }
    if !openmetrics {
        return kind != Type::Histogram || samples.metrics.iter().all(|(_, metric)| metric.is_closed());
    }
    if samples.several && (kind.composite() || !samples.created.is_empty()) {
        return false; // prometheus_client takes the second sample of a later time for one that is there already
    }
    match kind {
        Type::Counter => {
            samples.plain.iter().all(|(_, tail)| is_total(value(tail))) && sound_dates(samples, marks)
        }
        Type::Info => samples.plain.iter().all(|(_, tail)| parse(tail) == Some(1.0)),
        Type::StateSet => samples.plain.iter().all(|(id, tail)| {
            parse(tail).is_some_and(|number| number == 0.0 || number == 1.0)
                && labels_of(table.inner(*id)).iter().any(|(label, _)| *label == name)
        }),
        Type::Histogram => samples.metrics.iter().all(|(_, metric)| sound_histogram(metric)),
        Type::GaugeHistogram => samples.metrics.iter().all(|(_, metric)| sound_gauge_histogram(metric)),
        Type::Summary => samples.metrics.iter().all(|(_, metric)| sound_summary(metric)),
        Type::Gauge | Type::Unknown => true,
    }
}

/// Whether every date belongs to a sample of the same time.
fn sound_dates(samples: &Samples<'_>, marks: &mut Marks) -> bool {
    if samples.created.is_empty() {
        return true;
    }
    marks.clear();
    samples.plain.iter().enumerate().for_each(|(at, (id, _))| marks.put(*id, at));
    samples
        .created
        .iter()
        .all(|(id, tail)| marks.get(*id).is_some_and(|at| timestamp(&samples.plain[at].1) == timestamp(tail)))
}

fn sound_histogram(metric: &Metric<'_>) -> bool {
    let not_negative = metric.edges().first().is_some_and(|edge| edge.bound >= 0.0);
    sound_buckets(metric, Part::Count, Part::Sum)
        && metric.part(Part::Sum).is_none_or(|tail| is_total(value(tail)) && not_negative)
}

fn sound_gauge_histogram(metric: &Metric<'_>) -> bool {
    let negative = metric.edges().first().is_some_and(|edge| edge.bound < 0.0);
    sound_buckets(metric, Part::GCount, Part::GSum)
        && metric.part(Part::GSum).is_none_or(|tail| {
            let total = parse(value(tail)).unwrap_or(0.0);
            total >= 0.0 || (negative && !total.is_nan())
        })
}

/// Cumulative whole numbers up to +Inf, which is the count; count and sum both there or both not.
fn sound_buckets(metric: &Metric<'_>, count: Part, sum: Part) -> bool {
    if !metric.is_closed() {
        return false;
    }
    if metric.part(count).is_some() != metric.part(sum).is_some() {
        return false;
    }
    let mut before = 0.0;
    for edge in metric.edges() {
        match parse(value(&edge.tail)) {
            Some(number) if is_whole(number) && number >= before => before = number,
            _ => return false,
        }
    }
    metric.part(count).is_none_or(|tail| parse(value(tail)) == Some(before)) && same_time(metric)
}

fn sound_summary(metric: &Metric<'_>) -> bool {
    metric
        .edges()
        .iter()
        .all(|edge| parse(value(&edge.tail)).is_none_or(|number| number >= 0.0 || number.is_nan()))
        && metric
            .part(Part::Count)
            .is_none_or(|tail| parse(value(tail)).is_some_and(|number| is_whole(number) && number >= 0.0))
        && metric.part(Part::Sum).is_none_or(|tail| is_total(value(tail)))
        && same_time(metric)
}

#[allow(clippy::float_cmp)] // a whole number is exactly its own floor
fn is_whole(number: f64) -> bool {
    number.is_finite() && number.trunc() == number
}

/// Whether the text is a number that may only grow from zero.
fn is_total(text: &[u8]) -> bool {
    (!text.is_empty() && text.iter().all(u8::is_ascii_digit))
        || parse(text).is_some_and(|number| number >= 0.0)
}

fn same_time(metric: &Metric<'_>) -> bool {
    let mut times =
        metric.edges().iter().map(|edge| &edge.tail).chain(metric.parts()).map(|tail| timestamp(tail));
    times.next().is_none_or(|first| times.all(|time| time == first))
}
