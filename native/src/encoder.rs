//! The encoder: one merged family written in the format of the answer.
//!
//! Formats are strict where sources are not: a bare sample of a histogram, in OpenMetrics a count that is not the last
//! bucket, a counter that went negative or a reserved name that another family uses would make the whole answer invalid.
//! Such a family is written as several of type `untyped` or `unknown`, one for each sample name, so that its samples are
//! kept and only its type is lost.

use hashbrown::HashMap;

use crate::families::{Part, Type, created_name, openmetrics_name};
use crate::labels::{Id, LabelTable, Marks};
use crate::pieces::Pieces;
use crate::sample::{Pair, labels_of};
use crate::samples::{Edge, Metric, Samples, Tail, without_exemplar};
use crate::text::{escape, escape_help, is_legacy_name, quote_name};

/// What is known of a merged family beside its samples.
pub struct Head<'h> {
    /// Its name inside the kernel.
    pub name: &'h [u8],
    /// The type that its first source declares.
    pub kind: Type,
    /// Unescaped; empty if there is none.
    pub help: &'h [u8],
    /// Unescaped; empty if there is none.
    pub unit: &'h [u8],
}

/// Writes families, one after the other, to the end of a body.
pub struct Encoder<'t> {
    out: &'t mut Pieces,
    /// What the numbers of label sets mean.
    table: &'t LabelTable,
    /// Whether HELP has its quotes escaped, as in OpenMetrics.
    quotes: bool,
}

impl<'t> Encoder<'t> {
    /// A writer that goes on with a body.
    #[must_use]
    pub fn new(out: &'t mut Pieces, table: &'t LabelTable) -> Self {
        Encoder { out, table, quotes: false }
    }

    /// The family in text 0.0.4; untyped if not `typed`. What text has no place for becomes gauges of its own:
    /// `_created`, and the three parts of a gauge histogram.
    pub fn text(&mut self, head: &Head<'_>, samples: &Samples<'_>, typed: bool) {
        if head.kind == Type::GaugeHistogram {
            return self.split(head, samples, b"gauge");
        }
        if !typed {
            return self.split(head, samples, b"untyped");
        }
        self.metadata(head.name, head.help, head.kind.text_word(), b"");
        self.plain(head.name, samples.plain.iter().map(|(id, tail)| (*id, tail.as_ref())));
        let names = Names::of(head, &[Part::Sum, Part::Count]);
        for (id, metric) in &samples.metrics {
            self.metric(&names, *id, metric);
        }
        self.dates(head, samples);
    }

    /// The family in OpenMetrics 1.0.0; unknown if not `typed`.
    pub fn openmetrics(&mut self, head: &Head<'_>, samples: &Samples<'_>, typed: bool, marks: &mut Marks) {
        self.quotes = true;
        if !typed {
            return self.split(head, samples, b"unknown");
        }
        let name = openmetrics_name(head.name, head.kind);
        let unit = if fits(head.unit, name, head.kind) { head.unit } else { b"" };
        self.metadata(name, head.help, head.kind.word(), unit);
        if head.kind == Type::StateSet {
            let grouped = grouped(head.name, &samples.plain, self.table);
            self.plain(head.name, grouped.into_iter().map(|(id, tail)| (*id, tail.as_ref())));
        } else if samples.created.is_empty() {
            self.plain(head.name, samples.plain.iter().map(|(id, tail)| (*id, tail.as_ref())));
        } else {
            self.dated(head, samples, marks);
        }
        let names = Names::of(head, &Part::ALL);
        for (id, metric) in &samples.metrics {
            self.metric(&names, *id, metric);
        }
    }

    /// The samples of a counter, each with its date behind it.
    fn dated(&mut self, head: &Head<'_>, samples: &Samples<'_>, marks: &mut Marks) {
        marks.clear();
        samples.created.iter().enumerate().for_each(|(at, (id, _))| marks.put(*id, at));
        let (name, created) = (Name::new(head.name.to_vec()), Name::new(created_name(head.name, head.kind)));
        for (id, tail) in &samples.plain {
            self.line(&name, *id, tail);
            if let Some(at) = marks.get(*id) {
                self.line(&created, *id, &samples.created[at].1);
            }
        }
    }

    fn metadata(&mut self, name: &[u8], help: &[u8], kind: &[u8], unit: &[u8]) {
        let name = quote_name(name);
        if !help.is_empty() {
            let help = if self.quotes { escape(help) } else { escape_help(help) };
            self.push(&[b"# HELP ", &name, b" ", &help]);
        }
        self.push(&[b"# TYPE ", &name, b" ", kind]);
        if !unit.is_empty() {
            self.push(&[b"# UNIT ", &name, b" ", unit]);
        }
    }

    fn plain<'s>(&mut self, name: &[u8], samples: impl Iterator<Item = (Id, &'s [u8])>) {
        let name = Name::new(name.to_vec());
        samples.for_each(|(id, tail)| self.line(&name, id, tail));
    }

    fn line(&mut self, name: &Name, id: Id, tail: &[u8]) {
        if name.bare {
            self.push(&[&name.text, self.table.braced(id), tail]);
        } else {
            let inner = self.table.inner(id);
            let comma: &[u8] = if inner.is_empty() { b"" } else { b"," };
            self.push(&[b"{", &name.text, comma, inner, b"} ", tail]);
        }
    }

    /// The lines of one metric: buckets or quantiles in order, then its parts.
    fn metric(&mut self, names: &Names, id: Id, metric: &Metric<'_>) {
        self.edges(names, id, metric.edges(), |edge| &edge.tail);
        for (part, name) in &names.parts {
            if let Some(tail) = metric.part(*part) {
                self.line(name, id, tail);
            }
        }
    }

    fn edges<'m>(
        &mut self,
        names: &Names,
        id: Id,
        edges: &'m [Edge<'_>],
        tail: impl Fn(&'m Edge<'_>) -> &'m [u8],
    ) {
        if edges.is_empty() {
            return;
        }
        let inner = self.table.inner(id);
        let mut start = Vec::with_capacity(names.edge.text.len() + inner.len() + 16);
        let pieces: [&[u8]; 2] =
            if names.edge.bare { [&names.edge.text, b"{"] } else { [b"{", &names.edge.text] };
        start.extend(pieces.concat());
        if !names.edge.bare {
            start.push(b',');
        }
        if !inner.is_empty() {
            start.extend_from_slice(inner);
            start.push(b',');
        }
        start.extend_from_slice(names.label);
        start.extend_from_slice(b"=\"");
        for edge in edges {
            self.push(&[&start, &edge.spelled, b"\"} ", tail(edge)]);
        }
    }

    /// One family for each sample name.
    fn split(&mut self, head: &Head<'_>, samples: &Samples<'_>, kind: &[u8]) {
        let names = Names::of(head, &[]);
        let edged = samples.metrics.iter().any(|(_, metric)| !metric.edges().is_empty());
        let summary = head.kind == Type::Summary;
        let bucket = [head.name, b"_bucket"].concat();
        let families: [(&[u8], _, _); 2] =
            [(head.name, &samples.plain, edged && summary), (&bucket, &samples.loose, edged && !summary)];
        for (name, loose, edges) in families {
            if loose.is_empty() && !edges {
                continue;
            }
            self.metadata(name, head.help, kind, b"");
            self.plain(name, loose.iter().map(|(id, tail)| (*id, without_exemplar(tail))));
            if edges && samples.several {
                self.edges_of_times(&names, samples);
            } else if edges {
                for (id, metric) in &samples.metrics {
                    self.edges(&names, *id, metric.edges(), |edge| without_exemplar(&edge.tail));
                }
            }
        }
        for part in Part::ALL {
            self.part(head, part, samples, kind);
        }
        if !samples.created.is_empty() {
            self.family_of_dates(head, &samples.created, kind);
        }
    }

    /// All edges without exemplars; those of one series, which have different times, beside each other.
    fn edges_of_times(&mut self, names: &Names, samples: &Samples<'_>) {
        for metrics in
            samples.metrics.chunk_by(|(one, _), (other, _)| self.table.base(*one) == self.table.base(*other))
        {
            let mut edges: Vec<&Edge<'_>> = metrics.iter().flat_map(|(_, metric)| metric.edges()).collect();
            edges.sort_by(|one, other| one.bound.total_cmp(&other.bound)); // stable: the times stay in order
            for edge in edges {
                self.edges(names, metrics[0].0, std::slice::from_ref(edge), |edge| {
                    without_exemplar(&edge.tail)
                });
            }
        }
    }

    /// One part of all metrics as a family of its own.
    fn part(&mut self, head: &Head<'_>, part: Part, samples: &Samples<'_>, kind: &[u8]) {
        let mut tails =
            samples.metrics.iter().filter_map(|(id, metric)| Some((*id, metric.part(part)?.as_ref())));
        let mut tails = tails.by_ref().peekable();
        if tails.peek().is_some() {
            let name = [head.name, part.suffix()].concat();
            self.metadata(&name, head.help, kind, b"");
            self.plain(&name, tails);
        }
    }

    /// The dates of a text family as a gauge family of their own.
    fn dates(&mut self, head: &Head<'_>, samples: &Samples<'_>) {
        if samples.created.is_empty() {
            self.part(head, Part::Created, samples, b"gauge");
        } else {
            self.family_of_dates(head, &samples.created, b"gauge");
        }
    }

    fn family_of_dates(&mut self, head: &Head<'_>, dates: &[(Id, Tail<'_>)], kind: &[u8]) {
        let name = created_name(head.name, head.kind);
        self.metadata(&name, head.help, kind, b"");
        self.plain(&name, dates.iter().map(|(id, tail)| (*id, tail.as_ref())));
    }

    /// Write one line.
    fn push(&mut self, pieces: &[&[u8]]) {
        pieces.iter().for_each(|piece| self.out.push(piece));
        self.out.end_line();
    }
}

/// A sample's name as it is written.
struct Name {
    /// With quotes unless it is bare.
    text: Vec<u8>,
    bare: bool,
}

impl Name {
    fn new(name: Vec<u8>) -> Name {
        let bare = is_legacy_name(&name);
        Name { text: if bare { name } else { quote_name(&name).into_owned() }, bare }
    }
}

/// The names of a composite family's samples.
struct Names {
    edge: Name,
    label: &'static [u8],
    parts: Vec<(Part, Name)>,
}

impl Names {
    fn of(head: &Head<'_>, parts: &[Part]) -> Names {
        let summary = head.kind == Type::Summary;
        let suffix: &[u8] = if summary { b"" } else { b"_bucket" };
        let part = |part: &Part| (*part, Name::new([head.name, part.suffix()].concat()));
        Names {
            edge: Name::new([head.name, suffix].concat()),
            label: if summary { b"quantile" } else { b"le" },
            parts: parts.iter().map(part).collect(),
        }
    }
}

/// The samples of a stateset with all states of a metric beside each other.
fn grouped<'s, 'b>(name: &[u8], values: &'s [(Id, Tail<'b>)], table: &LabelTable) -> Vec<&'s (Id, Tail<'b>)> {
    let mut groups: Vec<Vec<&(Id, Tail<'b>)>> = Vec::new();
    let mut known: HashMap<Vec<Pair>, usize> = HashMap::new();
    for value in values {
        let mut rest = labels_of(table.inner(value.0));
        rest.retain(|(label, _)| label != name);
        rest.sort_unstable();
        let at = *known.entry(rest).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Vec::new());
        }
        groups[at].push(value);
    }
    groups.concat()
}

/// Whether OpenMetrics allows this unit for the family.
fn fits(unit: &[u8], name: &[u8], kind: Type) -> bool {
    !unit.is_empty()
        && unit.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
        && name.strip_suffix(unit).is_some_and(|front| front.ends_with(b"_"))
        && !matches!(kind, Type::Info | Type::StateSet)
}
