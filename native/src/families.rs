//! Metric families: their types in both formats, and which sample names belong to which.
//!
//! Inside the kernel a family has the name of its plain sample: the OpenMetrics counter `requests` is `requests_total`,
//! the info `build` is `build_info`; so the same family is met under the same name, whatever format a source speaks.

use std::borrow::Cow;

use crate::names::Escaping;
use crate::text::{is_legacy_name, strip};

/// A family's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A number that only grows.
    Counter,
    /// A number.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
    /// Quantiles, sum and count.
    Summary,
    /// Not known, `untyped` in text.
    Unknown,
    /// Labels with the value 1.
    Info,
    /// A boolean for each state.
    StateSet,
    /// Buckets that may shrink.
    GaugeHistogram,
}

impl Type {
    /// The type that text 0.0.4 has for it.
    #[must_use]
    pub fn in_text(self) -> Type {
        match self {
            Type::Info | Type::StateSet => Type::Gauge,
            other => other,
        }
    }

    /// Whether one metric of the family is several samples.
    #[must_use]
    pub fn composite(self) -> bool {
        matches!(self, Type::Histogram | Type::Summary | Type::GaugeHistogram)
    }

    /// The word in `# TYPE` of OpenMetrics.
    #[must_use]
    pub fn word(self) -> &'static [u8] {
        match self {
            Type::Counter => b"counter",
            Type::Gauge => b"gauge",
            Type::Histogram => b"histogram",
            Type::Summary => b"summary",
            Type::Unknown => b"unknown",
            Type::Info => b"info",
            Type::StateSet => b"stateset",
            Type::GaugeHistogram => b"gaugehistogram",
        }
    }

    /// The word in `# TYPE` of text 0.0.4.
    #[must_use]
    pub fn text_word(self) -> &'static [u8] {
        match self.in_text() {
            Type::Unknown => b"untyped",
            other => other.word(),
        }
    }

    /// The type that a `# TYPE` line names; `None` if the format has no such type.
    #[must_use]
    pub fn parse(text: &[u8], openmetrics: bool) -> Option<Type> {
        let found = match strip(text).to_ascii_lowercase().as_slice() {
            b"counter" => Type::Counter,
            b"gauge" => Type::Gauge,
            b"histogram" => Type::Histogram,
            b"summary" => Type::Summary,
            b"untyped" | b"unknown" => Type::Unknown,
            b"info" => Type::Info,
            b"stateset" => Type::StateSet,
            b"gaugehistogram" => Type::GaugeHistogram,
            _ => return None,
        };
        (openmetrics || !matches!(found, Type::Info | Type::StateSet | Type::GaugeHistogram)).then_some(found)
    }
}

/// What a sample is within its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The sample of a family that is not composite.
    Value,
    /// One bucket.
    Bucket,
    /// One quantile.
    Quantile,
    /// One of the rest of a metric.
    Part(Part),
    /// A sample of the family's own name that its type does not have: `x` of a histogram `x`, or of a summary `x` without
    /// a quantile.
    Bare,
    /// A `_bucket` without a bound.
    Loose,
}

impl Role {
    /// What the sample's name ends in.
    fn suffix(self) -> &'static [u8] {
        match self {
            Role::Value | Role::Quantile | Role::Bare => b"",
            Role::Bucket | Role::Loose => b"_bucket",
            Role::Part(part) => part.suffix(),
        }
    }
}

/// What a composite metric has besides buckets or quantiles, in the order in which it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Sum of all observations.
    Sum,
    /// How many there were.
    Count,
    /// As `Sum`, of a gauge histogram.
    GSum,
    /// As `Count`, of a gauge histogram.
    GCount,
    /// When the metric was made; counters have it as well.
    Created,
}

impl Part {
    /// All of them, in order; the index is `part as usize`.
    pub const ALL: [Part; 5] = [Part::Sum, Part::Count, Part::GSum, Part::GCount, Part::Created];

    /// What the sample's name ends in.
    #[must_use]
    pub fn suffix(self) -> &'static [u8] {
        match self {
            Part::Sum => b"_sum",
            Part::Count => b"_count",
            Part::GSum => b"_gsum",
            Part::GCount => b"_gcount",
            Part::Created => b"_created",
        }
    }
}

/// A family as one source declares it.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its name inside the kernel.
    pub name: Vec<u8>,
    /// Its type.
    pub kind: Type,
    /// What its samples are, by their names.
    pub roles: Vec<(Vec<u8>, Role)>,
}

impl Shape {
    /// The family that `# TYPE declared kind` declares. OpenMetrics counters whose declared name already ends in
    /// `_total`, as some old clients write them, are taken at their word.
    #[must_use]
    pub fn new(declared: &[u8], kind: Type, openmetrics: bool) -> Shape {
        let mut name = declared.to_vec();
        let mut roles = Vec::with_capacity(4);
        let with = |suffix: &[u8]| [declared, suffix].concat();
        let part = |part: Part| (with(part.suffix()), Role::Part(part));
        match kind {
            Type::Counter if openmetrics => {
                let base = without_suffix(declared, b"_total");
                name = [base, b"_total"].concat();
                roles.push((name.clone(), Role::Value));
                roles.push(([base, Part::Created.suffix()].concat(), Role::Part(Part::Created)));
            }
            Type::Info => {
                name = [without_suffix(declared, b"_info"), b"_info"].concat();
                roles.push((name.clone(), Role::Value));
            }
            Type::Histogram => {
                roles.extend([(with(b"_bucket"), Role::Bucket), part(Part::Sum), part(Part::Count)]);
            }
            Type::Summary => {
                roles.extend([(name.clone(), Role::Quantile), part(Part::Sum), part(Part::Count)]);
            }
            Type::GaugeHistogram => {
                roles.extend([(with(b"_bucket"), Role::Bucket), part(Part::GSum), part(Part::GCount)]);
            }
            _ => roles.push((name.clone(), Role::Value)),
        }
        if openmetrics && matches!(kind, Type::Histogram | Type::Summary) {
            roles.push(part(Part::Created));
        }
        Shape { name, kind, roles }
    }
}

impl Shape {
    /// The family as the answer has it. The scheme is for a family's name, what its samples' names end in stays: the
    /// buckets of `a.b` are `U__a_2e_b_bucket`, so that they are found under `U__a_2e_b`. `None` if nothing changes.
    #[must_use]
    pub fn escaped(&self, escaping: Escaping) -> Option<Shape> {
        let name = match escaping.name(Cow::Borrowed(&self.name)) {
            Cow::Owned(name) => name,
            Cow::Borrowed(_) => return None,
        };
        let roles =
            self.roles.iter().map(|(_, role)| (sample_name(&name, self.kind, *role), *role)).collect();
        Some(Shape { name, kind: self.kind, roles })
    }
}

/// What a sample with this name in the source is within a family of the answer.
#[must_use]
pub fn role_of(name: &[u8], kind: Type, roles: &[(Vec<u8>, Role)], escaping: Escaping) -> Option<Role> {
    let written = escaping.name(Cow::Borrowed(name));
    if let Some((_, role)) = roles.iter().find(|(known, _)| *known == *written) {
        return Some(*role);
    }
    if is_legacy_name(name) {
        return None;
    }
    let found = roles.iter().find(|(known, role)| {
        let base = name.strip_suffix(role.suffix()).filter(|base| base.len() < name.len());
        base.is_some_and(|base| sample_name(&escaping.name(Cow::Borrowed(base)), kind, *role) == *known)
    });
    found.map(|(_, role)| *role)
}

/// The name of a family's sample.
fn sample_name(name: &[u8], kind: Type, role: Role) -> Vec<u8> {
    if role == Role::Part(Part::Created) { created_name(name, kind) } else { [name, role.suffix()].concat() }
}

/// The name of a family's dates.
#[must_use]
pub fn created_name(name: &[u8], kind: Type) -> Vec<u8> {
    let base = if kind == Type::Counter { without_suffix(name, b"_total") } else { name };
    [base, Part::Created.suffix()].concat()
}

/// The name without the suffix, if it ends in it.
#[must_use]
pub fn without_suffix<'a>(name: &'a [u8], suffix: &[u8]) -> &'a [u8] {
    name.strip_suffix(suffix).unwrap_or(name)
}

/// How OpenMetrics names the family in its metadata lines.
#[must_use]
pub fn openmetrics_name(name: &[u8], kind: Type) -> &[u8] {
    match kind {
        Type::Counter => without_suffix(name, b"_total"),
        Type::Info => without_suffix(name, b"_info"),
        _ => name,
    }
}

/// All names that a family of OpenMetrics reserves, used or not; no other family may have one of them.
#[must_use]
pub fn openmetrics_claims(name: &[u8], kind: Type) -> Vec<Vec<u8>> {
    let base = openmetrics_name(name, kind);
    let suffixes: &[&[u8]] = match kind {
        Type::Counter => &[b"", b"_total", b"_created"],
        Type::Summary => &[b"", b"_count", b"_sum", b"_created"],
        Type::Histogram => &[b"", b"_count", b"_sum", b"_bucket", b"_created"],
        Type::GaugeHistogram => &[b"", b"_gcount", b"_gsum", b"_bucket"],
        Type::Info => &[b"", b"_info"],
        Type::Gauge | Type::Unknown | Type::StateSet => &[b""],
    };
    suffixes.iter().map(|suffix| [base, suffix].concat()).collect()
}
