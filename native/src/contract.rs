//! What goes into a merge and what comes out: the contract of `meshmeter.exposition.merge`, without Python.

use crate::deadline::Deadline;
use crate::names::Escaping;

/// Why something was dropped, in the order in which reasons are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not a sample, not UTF-8, a label twice, or a number that Prometheus would not read.
    Malformed,
    /// Too many labels, or a label or a whole line that is too long.
    LabelLimit,
    /// The source has more samples than it may.
    SampleLimit,
    /// The merged answer would be longer than allowed.
    TotalLimit,
    /// There was no time left to merge it.
    Deadline,
    /// An application may not expose `envoy_…` and `meshmeter_…`.
    Reserved,
    /// An earlier source has a family of this name with another type.
    TypeConflict,
    /// The same series was there before.
    Duplicate,
    /// Quantiles of several clusters cannot be merged.
    Quantile,
    /// A time that Prometheus could not read; the sample, or the exemplar, stays without it.
    Timestamp,
    /// The type of a family whose samples are not what it promises; they stay. Counted by families.
    Type,
    /// An exemplar of a family that is written without its type.
    Exemplar,
}

impl Fault {
    /// All of them, in the order of their declaration.
    pub const ALL: [Fault; 12] = [
        Fault::Malformed,
        Fault::LabelLimit,
        Fault::SampleLimit,
        Fault::TotalLimit,
        Fault::Deadline,
        Fault::Reserved,
        Fault::TypeConflict,
        Fault::Duplicate,
        Fault::Quantile,
        Fault::Timestamp,
        Fault::Type,
        Fault::Exemplar,
    ];

    /// The word that users see in `meshmeter_source_dropped_samples{reason=…}`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Fault::Malformed => "malformed_line",
            Fault::LabelLimit => "label_limit",
            Fault::SampleLimit => "sample_limit",
            Fault::TotalLimit => "total_limit",
            Fault::Deadline => "deadline",
            Fault::Reserved => "reserved_name",
            Fault::TypeConflict => "type_conflict",
            Fault::Duplicate => "duplicate_series",
            Fault::Quantile => "summary_quantile",
            Fault::Timestamp => "timestamp",
            Fault::Type => "type",
            Fault::Exemplar => "exemplar",
        }
    }
}

/// What one source may contribute; `None` is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Samples; families are kept whole, and judged by their lines.
    pub samples: Option<usize>,
    /// Labels of one sample.
    pub labels: Option<usize>,
    /// Bytes of a label's name.
    pub label_name_bytes: Option<usize>,
    /// Bytes of a label's value, as it is written.
    pub label_value_bytes: Option<usize>,
}

/// One body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source<'a> {
    /// The body as it was received.
    pub body: &'a [u8],
    /// Whether it is OpenMetrics; text 0.0.4 otherwise.
    pub openmetrics: bool,
    /// Whether it is Envoy's own.
    pub envoy: bool,
    /// A label to put on every series: its name, and its value as it is written.
    pub label: Option<(&'a [u8], &'a [u8])>,
    /// What it may contribute.
    pub limits: Limits,
}

/// What to make of the sources.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether the answer is OpenMetrics; text 0.0.4 otherwise.
    pub openmetrics: bool,
    /// What becomes of names that not every Prometheus knows.
    pub escaping: Escaping,
    /// Whether split clusters of Envoy are summed.
    pub merge_clusters: bool,
    /// A family that would make the answer longer is dropped.
    pub total_bytes: Option<usize>,
    /// When it has to be ready; what is not merged then is dropped.
    pub deadline: Deadline,
    /// What Envoy may contribute by what is fed.
    pub fed: Limits,
}

/// The first thing that was dropped for a reason, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Why.
    pub fault: Fault,
    /// Line of the body, counted from 1; 0 where a whole family is meant, and in Envoy's body.
    pub line: usize,
    /// The family's name, if a whole one is meant.
    pub family: Vec<u8>,
    /// The line, if one is meant, cut behind what is shown.
    pub text: Vec<u8>,
}

/// What became of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// Its samples in the answer, after merging clusters.
    pub samples: usize,
    /// Dropped samples by reason, only reasons that were met.
    pub dropped: Vec<(Fault, usize)>,
    /// The first of each reason, in their order.
    pub problems: Vec<Problem>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// One valid body, in pieces of whole lines.
    pub pieces: Vec<Vec<u8>>,
    /// In the order of the sources given.
    pub sources: Vec<SourceStats>,
}
