//! Collecting the samples of a family from all sources, and writing them.

use super::joined::Joined;
use crate::contract::{Fault, Options};
use crate::deadline::{Deadline, Late};
use crate::encoder::{Encoder, Head};
use crate::families::Type;
use crate::index::Family;
use crate::labels::LabelTable;
use crate::pieces::{self, Pieces};
use crate::reading::{Mark, Reader, Scratch};
use crate::samples::Samples;
use crate::soundness::sound;
use crate::split::merge_split;
use crate::taken::reserved;

use super::EOF;

/// What is written, in pieces.
pub(super) struct Out {
    pub(super) openmetrics: bool,
    pub(super) merge_clusters: bool,
    pub(super) deadline: Deadline,
    /// Bytes that may still be written.
    pub(super) left: Option<usize>,
    pub(super) body: Pieces,
}

impl Out {
    pub(super) fn new(options: Options) -> Self {
        let Options { openmetrics, merge_clusters, total_bytes, deadline, .. } = options;
        let end = if openmetrics { EOF.len() } else { 0 };
        // None is left where there is no place even for the end, which is written all the same.
        let left = total_bytes.map(|total| total.saturating_sub(end));
        Out { openmetrics, merge_clusters, deadline, left, body: Pieces::default() }
    }

    /// Write a family with all its samples, under its type if that fits its names and its samples. False if there are
    /// none, no place for it, or no time.
    pub(super) fn write(
        &mut self,
        family: &Joined,
        readers: &mut [Reader<'_>],
        table: &mut LabelTable,
        scratch: &mut Scratch,
        fits: bool,
    ) -> bool {
        let marks: Vec<Mark> = family.parts.iter().map(|&(n, _)| readers[n].record.mark()).collect();
        let collected = self.deadline.check().and_then(|()| {
            let collected = collect(family, readers, table, scratch, self.merge_clusters)?;
            self.deadline.check().map(|()| collected)
        });
        let Ok((mut samples, mut counts)) = collected else {
            for (&(n, part), mark) in family.parts.iter().zip(marks) {
                readers[n].record.back(mark);
                readers[n].drop_family(Fault::Deadline, part);
            }
            return false;
        };
        if samples.is_empty() {
            return false;
        }
        let before = self.body.mark();
        let (name, marks) = (&family.name, &mut scratch.marks);
        let closed =
            if fits && family.kind == Type::Histogram { samples.complete(table) } else { Vec::new() };
        let typed = fits && sound(name, family.kind, &samples, table, marks, self.openmetrics);
        if typed {
            for at in closed {
                let source = counts.partition_point(|count| count.metrics <= at);
                counts[source].closed += 1;
            }
        } else {
            samples.reopen(&closed);
        }
        samples.sort(table);
        let mut writer = Encoder::new(&mut self.body, table);
        let head = head(family, readers);
        if self.openmetrics {
            writer.openmetrics(&head, &samples, typed, marks);
        } else {
            writer.text(&head, &samples, typed);
        }
        if !self.keep(before) {
            self.body.back(before);
            for Count { reader, samples, .. } in counts {
                readers[reader].drop(Fault::TotalLimit, samples, name);
            }
            return false;
        }
        let lost = !typed && (!self.openmetrics || reserved(name, family.kind).is_some());
        for Count { reader, samples, exemplars, closed, .. } in counts {
            let reader = &mut readers[reader];
            reader.record.samples += samples + closed;
            reader.drop(Fault::Type, usize::from(lost && samples > 0), name);
            reader.drop(Fault::Exemplar, if typed { 0 } else { exemplars }, name);
        }
        true
    }

    /// Make what was written behind `before` a part of the answer; false if there is no place for it.
    pub(super) fn keep(&mut self, before: pieces::Mark) -> bool {
        let written = self.body.since(before);
        if self.left.is_some_and(|left| written > left) {
            return false;
        }
        self.left = self.left.map(|left| left - written);
        true
    }

    /// The rest, in pieces.
    pub(super) fn end(mut self) -> Vec<Vec<u8>> {
        if self.openmetrics {
            self.body.push(EOF);
        }
        self.body.end()
    }
}

/// What a source has in a family.
struct Count {
    reader: usize,
    samples: usize,
    exemplars: usize,
    /// How many metrics the family has with its own and those of the sources before.
    metrics: usize,
    /// Of its histograms, how many got a bucket for all observations.
    closed: usize,
}

/// The samples of a family over all sources, and what each source has in it. Fails if there is no time.
fn collect<'b>(
    family: &Joined,
    readers: &mut [Reader<'b>],
    table: &mut LabelTable,
    scratch: &mut Scratch,
    merge_clusters: bool,
) -> Result<(Samples<'b>, Vec<Count>), Late> {
    let mut collected = Samples::default();
    let mut counts = Vec::with_capacity(family.parts.len());
    for &(n, part) in &family.parts {
        let reader = &mut readers[n];
        let mut samples = reader.read(part, table, scratch)?;
        if merge_clusters && reader.record.labels.any_split() {
            if family.kind == Type::Histogram {
                // Before it is summed: a cluster that lacks +Inf counts there with its last bound.
                samples.complete(table);
            }
            let (merged, quantiles) = merge_split(samples, family.kind, table, &mut scratch.marks);
            reader.drop(Fault::Quantile, quantiles, &family.name);
            samples = merged;
        }
        let (found, exemplars) = (samples.len(), samples.exemplars);
        let mut count = Count { reader: n, samples: found, exemplars, metrics: 0, closed: 0 };
        if collected.is_empty() {
            collected = samples;
        } else {
            let refused = collected.add(samples, table, &mut scratch.marks);
            reader.drop(Fault::Duplicate, refused.samples, &family.name);
            count.samples -= refused.samples;
            count.exemplars -= refused.exemplars;
        }
        count.metrics = collected.metrics.len();
        counts.push(count);
    }
    Ok((collected, counts))
}

fn head<'h>(family: &'h Joined, readers: &'h [Reader<'_>]) -> Head<'h> {
    let first = |text: fn(&Family) -> &[u8]| {
        let texts = family.parts.iter().map(|&(n, part)| text(&readers[n].index.families[part]));
        texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
    };
    Head {
        name: &family.name,
        kind: family.kind,
        help: first(|part| &part.help),
        unit: first(|part| &part.unit),
    }
}
