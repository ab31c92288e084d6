//! The merge of several bodies into one valid body.

mod joined;
mod out;

use std::borrow::Cow;

use memchr::memmem;

use self::joined::{Joined, clashing, hidden, join};
use self::out::Out;
use crate::blocks::{Blocks, HEAD};
use crate::contract::{Fault, Merged, Options, Source};
use crate::families::Shape;
use crate::index::{any_long, normalise};
use crate::labels::{LabelTable, SourceLabels};
use crate::plain::{self, Form, Plain};
use crate::reading::{Reader, Record, Scratch};
use crate::taken::{Taken, reserved};

const OWN: &[u8] = b"envoy_";
/// Bytes of Envoy's body after which the labels that were met are forgotten, so that they do not pile up.
const RENEWAL: usize = 16 << 20;
const EOF: &[u8] = b"# EOF\n";

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
        if record.is_full() || taken.has(&shape) || any_long(block) {
            return false;
        }
        let claims = if options.openmetrics { taken.claims(&shape) } else { None };
        if options.openmetrics && claims.is_none() && reserved(family.name, family.kind).is_some() {
            return false; // it loses its type
        }
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
