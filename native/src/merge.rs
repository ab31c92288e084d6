//! The merge of several bodies into one valid body.

use std::borrow::Cow;

use hashbrown::{HashMap, HashSet};
use memchr::memmem;

use crate::blocks::{Blocks, HEAD};
use crate::contract::{Fault, Merged, Options, Source};
use crate::deadline::{Deadline, Late};
use crate::encoder::{Encoder, Head};
use crate::families::{Shape, Type};
use crate::index::{Family, normalise};
use crate::labels::{LabelTable, SourceLabels};
use crate::pieces::{self, Pieces};
use crate::plain::{self, Form, Plain};
use crate::reading::{Mark, Reader, Record, Scratch};
use crate::samples::Samples;
use crate::soundness::sound;
use crate::split::merge_split;
use crate::taken::{Taken, reserved};

const OWN: &[u8] = b"envoy_";
const RESERVED: [&[u8]; 2] = [OWN, b"meshmeter_"];
/// Bytes of Envoy's body after which the labels that were met are forgotten, so that they do not pile up.
const RENEWAL: usize = 16 << 20;
const EOF: &[u8] = b"# EOF\n";

/// One family of the answer and where its samples are: reader and family.
struct Joined {
    name: Vec<u8>,
    kind: Type,
    parts: Vec<(usize, usize)>,
}

/// One answer while it comes into being.
pub struct Merging {
    blocks: Blocks,
    fed: Fed,
    is_fed: bool,
}

impl Merging {
    /// Begin an answer.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Merging { blocks: Blocks::default(), fed: Fed::new(*options), is_fed: false }
    }

    /// Some more of Envoy's body; what of the answer can be sent now.
    pub fn feed(&mut self, piece: &[u8]) -> &[u8] {
        self.is_fed = true;
        let fed = &mut self.fed;
        fed.out.body.clear();
        self.blocks.feed(piece, |block| fed.take(block));
        self.made()
    }

    /// What the last `feed` gave.
    #[must_use]
    pub fn made(&self) -> &[u8] {
        self.fed.out.body.last()
    }

    /// The rest of the answer, and what became of all sources: of Envoy first, if anything was fed. If Envoy's body is
    /// not `whole`, its last block is left out.
    #[must_use]
    pub fn finish(self, sources: &[Source<'_>], whole: bool) -> Merged {
        let Merging { blocks, mut fed, is_fed } = self;
        fed.out.body.clear();
        fed.out.body.begin_cutting();
        let last = blocks.rest();
        if whole && !last.is_empty() {
            fed.take(&last);
        }
        drop(last);
        let Fed { options, mut table, mut scratch, mut out, record, kept, taken, .. } = fed;
        let own = Source { body: &kept, ..Fed::source(&options) };
        let sources: Vec<Source<'_>> =
            is_fed.then_some(own).into_iter().chain(sources.iter().copied()).collect();
        let mut records = is_fed.then_some(record).into_iter();
        let bodies: Vec<Cow<'_, [u8]>> = sources.iter().map(|source| normalise(source.body)).collect();
        let readers = sources.iter().zip(&bodies).map(|(source, body)| {
            let record = records.next().unwrap_or_else(|| Record::new(source, &options, true));
            Reader::new(*source, body, &options, record)
        });
        let mut readers: Vec<Reader<'_>> = readers.collect();
        readers.iter_mut().for_each(Reader::complain);
        readers.iter_mut().for_each(|reader| reader.reserve(&mut table));
        let families = join(&mut readers, &taken);
        let untyped = if options.openmetrics {
            clashing(&families, &readers, &taken)
        } else {
            hidden(&families, &readers)
        };
        for (at, family) in families.iter().enumerate() {
            out.write(family, &mut readers, &mut table, &mut scratch, !untyped.contains(&at));
        }
        let stats = readers.into_iter().map(Reader::stats).collect();
        Merged { pieces: out.end(), sources: stats }
    }
}

/// What was made of the blocks so far.
struct Fed {
    options: Options,
    table: LabelTable,
    scratch: Scratch,
    out: Out,
    record: Record,
    /// Blocks for the end.
    kept: Vec<u8>,
    taken: Taken,
    /// Bytes since the labels were forgotten.
    read: usize,
    plain: Plain,
}

impl Fed {
    fn new(options: Options) -> Self {
        Fed {
            options,
            table: LabelTable::default(),
            scratch: Scratch::default(),
            out: Out::new(options),
            record: Record::new(&Fed::source(&options), &options, false),
            kept: Vec::new(),
            taken: Taken::default(),
            read: 0,
            plain: Plain::default(),
        }
    }

    fn source(options: &Options) -> Source<'static> {
        Source { envoy: true, limits: options.fed, ..Source::default() }
    }

    /// Write a block that is one family of Envoy's own with nothing else in it; keep any other for the end.
    fn take(&mut self, block: &[u8]) {
        self.read += block.len();
        if self.read > RENEWAL {
            self.read = block.len();
            self.table = LabelTable::default();
            self.plain = Plain::default();
            self.record.labels = SourceLabels::new(&Fed::source(&self.options), &self.options);
        }
        let in_time = self.out.deadline.check().is_ok();
        let written = (in_time && self.take_plain(block)) || (has_own_head(block) && self.take_one(block));
        if !written {
            self.kept.extend_from_slice(block);
        }
    }

    /// Write a block that is a plain family; false, and nothing is written, if it is none.
    fn take_plain(&mut self, block: &[u8]) -> bool {
        let Some(family) = plain::Family::of_block(block).filter(|family| family.name.starts_with(OWN))
        else {
            return false;
        };
        let Fed { options, table, out, record, taken, plain, .. } = self;
        let shape = Shape::new(family.name, family.kind, false);
        if record.is_full() || taken.has(&shape) {
            return false;
        }
        let claims = if options.openmetrics { taken.claims(&shape) } else { None };
        let form = match (options.openmetrics, &claims) {
            (false, _) => Form::Text,
            (true, Some(_)) => Form::Typed,
            (true, None) => Form::Untyped,
        };
        let before = out.body.mark();
        let Some(count) = plain.write(&family, form, &mut record.labels, table, out.body.last_mut()) else {
            return false;
        };
        if !record.has_room(count.read, &options.fed) || !out.keep(before) {
            out.body.back(before);
            return false;
        }
        record.samples += count.written;
        taken.add(shape, claims);
        true
    }

    /// Write the family of a block; false if there is more in it than one.
    fn take_one(&mut self, block: &[u8]) -> bool {
        let Fed { options, table, scratch, out, record, taken, .. } = self;
        let body = normalise(block);
        let source = Fed::source(options);
        let own = std::mem::replace(record, Record::new(&source, options, false));
        let mut readers = [Reader::new(source, &body, options, own)];
        let only = readers[0].index.families.len() == 1 && readers[0].index.used.len() == 1;
        if only {
            readers[0].complain();
            let shape = readers[0].index.families[0].shape.clone();
            if taken.has(&shape) {
                readers[0].drop_family(Fault::TypeConflict, 0);
            } else {
                let claims = if options.openmetrics { taken.claims(&shape) } else { None };
                let fits = claims.is_some() || !options.openmetrics;
                let family = Joined { name: shape.name.clone(), kind: shape.kind, parts: vec![(0, 0)] };
                if out.write(&family, &mut readers, table, scratch, fits) {
                    taken.add(shape, claims);
                }
            }
        }
        let [reader] = readers;
        *record = reader.record;
        only || reader.is_late
    }
}

/// Whether a block has a `# TYPE` line, and its first one is that of a family of Envoy's.
fn has_own_head(block: &[u8]) -> bool {
    let head = if block.starts_with(HEAD) {
        Some(0)
    } else {
        memmem::find(block, &[b"\n", HEAD].concat()).map(|found| found + 1)
    };
    head.is_some_and(|head| block[head + HEAD.len()..].starts_with(OWN))
}

/// What is written, in pieces.
struct Out {
    openmetrics: bool,
    merge_clusters: bool,
    deadline: Deadline,
    /// Bytes that may still be written.
    left: Option<usize>,
    body: Pieces,
}

impl Out {
    fn new(options: Options) -> Self {
        let Options { openmetrics, merge_clusters, total_bytes, deadline, .. } = options;
        let end = if openmetrics { EOF.len() } else { 0 };
        // None is left where there is no place even for the end, which is written all the same.
        let left = total_bytes.map(|total| total.saturating_sub(end));
        Out { openmetrics, merge_clusters, deadline, left, body: Pieces::default() }
    }

    /// Write a family with all its samples, under its type if that fits its names and its samples. False if there are
    /// none, no place for it, or no time.
    fn write(
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
        let Ok((samples, counts)) = collected else {
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
        let typed = fits && sound(name, family.kind, &samples, table, marks, self.openmetrics);
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
        for Count { reader, samples, exemplars } in counts {
            let reader = &mut readers[reader];
            reader.record.samples += samples;
            reader.drop(Fault::Type, usize::from(fits && !typed && samples > 0), name);
            reader.drop(Fault::Exemplar, if typed { 0 } else { exemplars }, name);
        }
        true
    }

    /// Make what was written behind `before` a part of the answer; false if there is no place for it.
    fn keep(&mut self, before: pieces::Mark) -> bool {
        let written = self.body.since(before);
        if self.left.is_some_and(|left| written > left) {
            return false;
        }
        self.left = self.left.map(|left| left - written);
        true
    }

    /// The rest, in pieces.
    fn end(mut self) -> Vec<Vec<u8>> {
        if self.openmetrics {
            self.body.push(EOF);
        }
        self.body.end()
    }
}

/// The families of all sources, less those that lose a conflict; `taken` are names that none may have.
fn join(readers: &mut [Reader<'_>], taken: &Taken) -> Vec<Joined> {
    let mut joined: Vec<Joined> = Vec::new();
    let mut lost: Vec<(usize, usize, Fault)> = Vec::new();
    let mut by_name: HashMap<&[u8], usize> = HashMap::new();
    let mut owners: HashMap<&[u8], usize> = HashMap::new();
    for (n, reader) in readers.iter().enumerate() {
        for &part in &reader.index.used {
            let shape = &reader.index.families[part].shape;
            if !reader.is_envoy() && RESERVED.iter().any(|prefix| shape.name.starts_with(prefix)) {
                lost.push((n, part, Fault::Reserved));
                continue;
            }
            if taken.has(shape) {
                lost.push((n, part, Fault::TypeConflict));
                continue;
            }
            let known = by_name.get(shape.name.as_slice()).copied();
            let at = known.unwrap_or(joined.len());
            let other_type = known.is_some_and(|at| joined[at].kind.in_text() != shape.kind.in_text());
            let owned =
                |(name, _): &(Vec<u8>, _)| owners.get(name.as_slice()).is_some_and(|&owner| owner != at);
            if other_type || shape.roles.iter().any(owned) {
                lost.push((n, part, Fault::TypeConflict));
                continue;
            }
            if known.is_none() {
                by_name.insert(&shape.name, at);
                joined.push(Joined { name: shape.name.clone(), kind: shape.kind, parts: vec![(n, part)] });
            } else {
                joined[at].parts.push((n, part));
            }
            for (name, _) in &shape.roles {
                owners.insert(name, at);
            }
        }
    }
    drop((by_name, owners));
    for (n, part, fault) in lost {
        readers[n].drop_family(fault, part);
    }
    joined
}

/// What a source has in a family.
struct Count {
    reader: usize,
    samples: usize,
    exemplars: usize,
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
            let (merged, quantiles) = merge_split(samples, family.kind, table, &mut scratch.marks);
            reader.drop(Fault::Quantile, quantiles, &family.name);
            samples = merged;
        }
        let mut count = Count { reader: n, samples: samples.len(), exemplars: samples.exemplars };
        if collected.is_empty() {
            collected = samples;
        } else {
            let refused = collected.add(samples, table, &mut scratch.marks);
            reader.drop(Fault::Duplicate, refused.samples, &family.name);
            count.samples -= refused.samples;
            count.exemplars -= refused.exemplars;
        }
        counts.push(count);
    }
    collected.sort(table);
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

/// Families that OpenMetrics cannot have under their type, because the names it reserves for them are taken: the counter
/// `x_total` beside a gauge `x`.
fn clashing(families: &[Joined], readers: &[Reader<'_>], taken: &Taken) -> HashSet<usize> {
    let mut used: HashMap<&[u8], usize> = HashMap::new();
    for (at, family) in families.iter().enumerate() {
        for &(n, part) in &family.parts {
            let roles = &readers[n].index.families[part].shape.roles;
            used.extend(roles.iter().map(|(name, _)| (name.as_slice(), at)));
        }
    }
    let mut names = taken.clone();
    let mut clashing = HashSet::new();
    for (at, family) in families.iter().enumerate() {
        let is_taken = |name: &Vec<u8>| {
            names.contains(name) || used.get(name.as_slice()).is_some_and(|&owner| owner != at)
        };
        match reserved(&family.name, family.kind) {
            Some(claims) if !claims.iter().any(is_taken) => names.reserve(claims),
            _ => _ = clashing.insert(at),
        }
    }
    clashing
}

/// Histograms named as samples of another family are: under that TYPE line other parsers look for those.
fn hidden(families: &[Joined], readers: &[Reader<'_>]) -> HashSet<usize> {
    let histograms = families.iter().enumerate().filter(|(_, family)| family.kind == Type::Histogram);
    let histograms: HashMap<&[u8], usize> =
        histograms.map(|(at, family)| (family.name.as_slice(), at)).collect();
    let mut hidden = HashSet::new();
    for (at, family) in families.iter().enumerate() {
        let roles = family.parts.iter().flat_map(|&(n, part)| &readers[n].index.families[part].shape.roles);
        let found = roles.filter_map(|(name, _)| histograms.get(name.as_slice()).copied());
        hidden.extend(found.filter(|&histogram| histogram != at));
    }
    hidden
}
