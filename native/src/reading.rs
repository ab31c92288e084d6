//! Reading the samples of one source, a family at a time.
//!
//! A line in the plain form that Envoy and client libraries write is read where it stands; any other line goes through
//! `sample::parse`, which knows about blanks, escapes, timestamps and exemplars. Both give the same result.

mod bounds;
mod record;
mod target;

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::HashMap;
use memchr::{memchr, memchr_iter, memmem, memrchr};

pub(crate) use self::bounds::split_edge;
use self::bounds::{Bound, edge_label};
use self::record::{EXCERPT, Found};
pub use self::record::{Mark, Record};
pub use self::target::Scratch;
use self::target::{Target, tail};
use crate::contract::{Fault, Options, Problem, Source, SourceStats};
use crate::deadline::{Deadline, Late};
use crate::families::{Role, Shape, Type, role_of};
use crate::index::{Index, index};
use crate::labels::LabelTable;
use crate::names::Escaping;
use crate::numbers;
use crate::sample::{self, Sample};
use crate::samples::Samples;
use crate::text::{is_blank, is_legacy_name};

/// How many families a source with a limit of samples may have, or declare without samples; more if it may have more
/// samples.
const FAMILIES: usize = 100_000;

/// One body of a source and what became of it so far.
pub struct Reader<'b> {
    /// Its families; taken apart by nobody but the merge.
    pub index: Index,
    /// Of its source.
    pub record: Record,
    /// Whether there was no time to look into it.
    pub is_late: bool,
    deadline: Deadline,
    source: Source<'b>,
    body: &'b [u8],
    utf8: bool,
    to_openmetrics: bool,
    escaping: Escaping,
    buckets: HashMap<&'b [u8], Option<Bound<'b>>>,
    quantiles: HashMap<&'b [u8], Option<Bound<'b>>>,
}

impl<'b> Reader<'b> {
    /// `body` is the source's, normalised, or a part of it. If there is no time, its lines are counted, and nothing is in
    /// it.
    #[must_use]
    pub fn new(source: Source<'b>, body: &'b [u8], options: &Options, record: Record) -> Self {
        let most = source.limits.samples.map(|limit| limit.max(FAMILIES));
        let found = index(body, source.openmetrics, options.escaping, most, options.deadline);
        let is_late = found.is_err();
        let mut reader = Reader {
            index: found.unwrap_or_default(),
            record,
            is_late,
            deadline: options.deadline,
            source,
            body,
            utf8: std::str::from_utf8(body).is_ok(),
            to_openmetrics: options.openmetrics,
            escaping: options.escaping,
            buckets: HashMap::new(),
            quantiles: HashMap::new(),
        };
        if is_late {
            reader.drop(Fault::Deadline, count(body), b"");
        }
        reader
    }

    /// Make room for what is read.
    pub fn reserve(&mut self, table: &mut LabelTable) {
        let lines = memchr_iter(b'\n', self.body).count();
        let lines = self.source.limits.samples.map_or(0, |limit| limit.min(lines));
        table.reserve(self.body.len(), lines);
        self.record.labels.reserve(lines);
    }

    /// Count the lines that belong to no family.
    pub fn complain(&mut self) {
        for offset in std::mem::take(&mut self.index.malformed) {
            self.fault(Fault::Malformed, offset);
        }
        for offset in std::mem::take(&mut self.index.beyond) {
            self.fault(Fault::SampleLimit, offset);
        }
        for offset in std::mem::take(&mut self.index.long) {
            self.fault(Fault::LabelLimit, offset);
        }
    }

    /// What became of the source.
    #[must_use]
    pub fn stats(self) -> SourceStats {
        let Record { samples, dropped, first, .. } = self.record;
        let mut first = Arc::unwrap_or_clone(first);
        first.sort_by_key(|found| found.fault as usize);
        let line = |offset| memchr_iter(b'\n', &self.body[..offset]).count() + 1;
        let problems = first.into_iter().map(|Found { fault, offset, family, text }| Problem {
            fault,
            line: offset.map_or(0, line),
            family,
            text,
        });
        let counts = Fault::ALL.into_iter().zip(dropped).filter(|(_, count)| *count > 0);
        SourceStats { samples, dropped: counts.collect(), problems: problems.collect() }
    }

    /// Whether the source is Envoy.
    #[must_use]
    pub fn is_envoy(&self) -> bool {
        self.source.envoy
    }

    /// Count samples that were read, or need not be, and are not in the answer.
    pub fn drop(&mut self, fault: Fault, count: usize, family: &[u8]) {
        if count > 0 {
            self.record.dropped[fault as usize] += count;
            let found = || Found { fault, offset: None, family: family.to_vec(), text: Vec::new() };
            self.record.tell(fault, None, found);
        }
    }

    /// Count the lines of a family without reading them.
    pub fn drop_family(&mut self, fault: Fault, family: usize) {
        let lines = self.lines(family);
        let name = self.index.families[family].shape.name.clone();
        self.drop(fault, lines, &name);
    }

    fn lines(&self, family: usize) -> usize {
        let spans = self.index.families[family].spans.iter();
        spans.map(|&(start, end)| memchr_iter(b'\n', &self.body[start..end]).count()).sum()
    }

    /// The samples of a family, none if it has more lines than the source may have samples. Only lines are counted then:
    /// what is beyond the limit costs nothing. Fails if there is no time.
    pub fn read(
        &mut self,
        family: usize,
        table: &mut LabelTable,
        scratch: &mut Scratch,
    ) -> Result<Samples<'b>, Late> {
        let mut lines = 0;
        if let Some(limit) = self.source.limits.samples.filter(|_| !self.record.full) {
            lines = self.lines(family);
            self.record.full = self.record.samples + lines > limit;
        }
        if self.record.full {
            self.drop_family(Fault::SampleLimit, family);
            return Ok(Samples::default());
        }
        let spans = std::mem::take(&mut self.index.families[family].spans);
        let shape = self.index.families[family].shape.clone();
        let samples = self.read_spans(&spans, &shape, lines, table, scratch);
        self.index.families[family].spans = spans;
        let samples = samples?;
        let more = if shape.kind == Type::Histogram { samples.open_ended() } else { 0 };
        if !self.record.has_room(samples.len() + more, &self.source.limits) {
            self.record.full = true;
            self.drop(Fault::SampleLimit, samples.len(), &shape.name);
            return Ok(Samples::default());
        }
        Ok(samples)
    }

    fn read_spans(
        &mut self,
        spans: &[(usize, usize)],
        shape: &Shape,
        room: usize,
        table: &mut LabelTable,
        scratch: &mut Scratch,
    ) -> Result<Samples<'b>, Late> {
        scratch.marks.clear();
        scratch.created.clear();
        scratch.bare.clear();
        scratch.loose.clear();
        let bare = shape.roles.iter().filter(|(name, _)| is_legacy_name(name));
        let mut target = Target {
            kind: shape.kind,
            roles: &shape.roles,
            bare: bare.map(|(name, role)| (name.as_slice(), *role)).collect(),
            samples: Samples::default(),
            table,
            scratch,
            apart: !self.record.labels.merges_clusters(),
            last: None,
        };
        if !shape.kind.composite() {
            target.samples.plain.reserve_exact(room);
        }
        let (body, mut lines) = (self.body, 0);
        for &(start, end) in spans {
            let mut at = start;
            while at < end {
                lines += 1;
                self.deadline.check_line(lines)?;
                let next = memchr(b'\n', &body[at..end]).map_or(end, |found| at + found + 1);
                let line = &body[at..next - 1];
                let result = match self.take_plain(line, &mut target) {
                    Some(result) => result,
                    None if is_blank(line) => Ok(()),
                    None => self.take(line, at, &mut target),
                };
                if let Err(fault) = result {
                    self.fault(fault, at);
                }
                at = next;
            }
        }
        let mut samples = target.samples;
        samples.metrics.iter_mut().for_each(|(_, metric)| metric.sort());
        Ok(samples)
    }

    /// Add the sample of a plain line, or say why not; `None` if the line is not plain, or not without a fault that the
    /// other way tells apart.
    fn take_plain(&mut self, line: &'b [u8], target: &mut Target<'_, 'b>) -> Option<Result<(), Fault>> {
        if !self.utf8 {
            return None;
        }
        let blank = memrchr(b' ', line)?;
        let (front, value) = (&line[..blank], &line[blank + 1..]);
        if !numbers::is_plain(value) {
            return None;
        }
        let (name, text) = match front.strip_suffix(b"}") {
            None => (front, &b""[..]),
            Some(front) => {
                let brace = memchr(b'{', front)?;
                (&front[..brace], &front[brace + 1..])
            }
        };
        let &(_, role) = target.bare.iter().find(|(known, role)| *known == name && *role != Role::Bare)?;
        let tail = Cow::Borrowed(value);
        let (text, bound) = match role {
            Role::Bucket | Role::Quantile => {
                let (text, spelled) = split_edge(text, edge_label(role))?;
                (text, Some(self.known_bound(role, spelled)?))
            }
            Role::Value | Role::Part(_) | Role::Bare | Role::Loose => (text, None),
        };
        if !target.kind.composite() {
            let labels = self.record.labels.read_text(text, target.table)?;
            return Some(target.add_value(labels.id, role, tail));
        }
        let at = match target.last {
            Some((last, at)) if last == text => at,
            _ => {
                let labels = self.record.labels.read_text(text, target.table)?;
                if bound.is_some() && labels.has_edge {
                    return None;
                }
                let at = target.metric(labels.id);
                target.last = (!labels.has_edge).then_some((text, at));
                at
            }
        };
        let metric = &target.samples.metrics[at].1;
        if metric.time.is_some() {
            return None;
        }
        Some(target.add_to_metric(at, role, bound, tail))
    }

    /// Add the sample of one line, or say why not.
    fn take(&mut self, line: &'b [u8], offset: usize, target: &mut Target<'_, 'b>) -> Result<(), Fault> {
        let Sample { name, mut labels, value, timestamp, exemplar, exemplar_lost_time } =
            sample::parse(line, self.source.openmetrics, self.escaping).ok_or(Fault::Malformed)?;
        let mut role = role_of(&name, target.kind, target.roles, self.escaping).ok_or(Fault::Malformed)?;
        let mut bound = None;
        if matches!(role, Role::Bucket | Role::Quantile) {
            let edge = edge_label(role);
            let at = labels.iter().position(|(name, _)| name.as_ref() == edge);
            bound = at.and_then(|at| self.bound(role, labels[at].1.clone()));
            match at {
                Some(at) if bound.is_some() => _ = labels.remove(at),
                _ => role = if role == Role::Bucket { Role::Loose } else { Role::Bare },
            }
        }
        let labels = self.record.labels.read(labels, target.table).ok_or(Fault::LabelLimit)?;
        let exemplars = matches!(role, Role::Bucket | Role::Loose)
            || (target.kind == Type::Counter && role == Role::Value);
        let exemplar = if self.to_openmetrics && exemplars { exemplar } else { Vec::new() };
        let time = if timestamp.is_empty() {
            None
        } else {
            numbers::time(timestamp, self.source.openmetrics, self.to_openmetrics)
        };
        let lost_times = usize::from(time.is_none() && !timestamp.is_empty())
            + usize::from(exemplar_lost_time && !exemplar.is_empty());
        let tail = tail(value, time.as_deref(), &exemplar);
        let has_exemplar = !exemplar.is_empty();
        if target.kind.composite() && !matches!(role, Role::Bare | Role::Loose) {
            let at = target.metric(labels);
            target.add_timed(at, labels, role, bound, tail)?;
        } else {
            target.add_value(labels, role, tail)?;
        }
        target.samples.exemplars += usize::from(has_exemplar);
        (0..lost_times).for_each(|_| self.fault(Fault::Timestamp, offset));
        Ok(())
    }

    fn fault(&mut self, fault: Fault, offset: usize) {
        self.record.dropped[fault as usize] += 1;
        let (body, told) = (self.body, self.record.numbered.then_some(offset));
        self.record.tell(fault, told, || {
            let rest = &body[offset..body.len().min(offset + EXCERPT)];
            let text = memchr(b'\n', rest).map_or(rest, |end| &rest[..end]).to_vec();
            Found { fault, offset: told, family: Vec::new(), text }
        });
    }
}

/// Lines of a normalised body that are no comments, without looking at each; of several empty ones some count.
fn count(body: &[u8]) -> usize {
    let comments = memmem::find_iter(body, b"\n#").count() + usize::from(body.starts_with(b"#"));
    memchr_iter(b'\n', body).count() - comments - memmem::find_iter(body, b"\n\n").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_is_the_first_of_nothing() {
        let (options, body) = (Options::default(), b"a 1\nb 2\na x\na 1\nb x\n??\n");
        let source = Source { body, ..Source::default() };
        let mut reader = Reader::new(source, body, &options, Record::new(&source, &options, true));
        reader.complain();
        let (mark, mut table, mut scratch) =
            (reader.record.mark(), LabelTable::default(), Scratch::default());
        assert!(reader.read(0, &mut table, &mut scratch).is_ok());
        let offsets = |reader: &Reader<'_>| -> Vec<_> {
            reader.record.first.iter().map(|found| (found.fault, found.offset)).collect()
        };
        assert_eq!(offsets(&reader), [(Fault::Malformed, Some(8)), (Fault::Duplicate, Some(12))]);
        reader.record.back(mark);
        assert_eq!(offsets(&reader), [(Fault::Malformed, Some(20))]);
        assert!(reader.read(1, &mut table, &mut scratch).is_ok());
        let problems = reader.stats().problems;
        assert_eq!(problems.len(), 1);
        assert_eq!((problems[0].line, problems[0].text.as_slice()), (5, &b"b x"[..]));
    }
}
