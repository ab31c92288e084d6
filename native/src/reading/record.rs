//! What is counted of a source while it is read.

use std::sync::Arc;

use crate::contract::{Fault, Limits, Options, Source};
use crate::labels::SourceLabels;

/// Bytes that are kept of a line: one more than are shown, which tells whether it is cut within a character.
pub(super) const EXCERPT: usize = 121;

/// The first thing that was dropped for a reason.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) fault: Fault,
    /// Of a line whose number can be told.
    pub(super) offset: Option<usize>,
    pub(super) family: Vec<u8>,
    pub(super) text: Vec<u8>,
}

/// What is known of a source beside its body: it may have several, one after the other.
pub struct Record {
    /// Its samples in the answer.
    pub samples: usize,
    /// How its labels are read.
    pub labels: SourceLabels,
    /// Whether lines of its body are told by their number.
    pub(super) numbered: bool,
    pub(super) full: bool,
    pub(super) dropped: [usize; Fault::ALL.len()],
    /// One for each reason; shared with the mark until there is another.
    pub(super) first: Arc<Vec<Found>>,
}

impl Record {
    /// Of a source of which nothing was read so far.
    #[must_use]
    pub fn new(source: &Source<'_>, options: &Options, numbered: bool) -> Self {
        Record {
            samples: 0,
            labels: SourceLabels::new(source, options),
            numbered,
            full: false,
            dropped: [0; Fault::ALL.len()],
            first: Arc::default(),
        }
    }

    /// What is counted so far, for `back`.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { full: self.full, dropped: self.dropped, first: Arc::clone(&self.first) }
    }

    /// Count nothing of what came since.
    pub fn back(&mut self, mark: Mark) {
        (self.full, self.dropped, self.first) = (mark.full, mark.dropped, mark.first);
    }

    /// Whether the source reached its limit of samples.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Whether the source may have as many samples more.
    #[must_use]
    pub fn has_room(&self, samples: usize, limits: &Limits) -> bool {
        limits.samples.is_none_or(|limit| self.samples + samples <= limit)
    }

    /// Keep what was found if it is the first for its reason: the first line, as families may be interleaved.
    pub(super) fn tell(&mut self, fault: Fault, offset: Option<usize>, found: impl FnOnce() -> Found) {
        match self.first.iter().position(|known| known.fault == fault) {
            None => Arc::make_mut(&mut self.first).push(found()),
            Some(at) => match (offset, self.first[at].offset) {
                (Some(offset), Some(known)) if offset < known => {
                    Arc::make_mut(&mut self.first)[at] = found();
                }
                _ => {}
            },
        }
    }
}

/// What was counted of a source at some time.
pub struct Mark {
    full: bool,
    dropped: [usize; Fault::ALL.len()],
    first: Arc<Vec<Found>>,
}
