//! Bucket bounds and quantiles: what they are as numbers, and how they are written.

use std::borrow::Cow;

use memchr::memrchr;

use super::Reader;
use crate::families::Role;
use crate::numbers;

/// A bucket bound or a quantile: the number, and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Bound<'b> {
    pub(super) number: f64,
    pub(super) spelled: Cow<'b, [u8]>,
}

impl<'b> Reader<'b> {
    /// As `bound`, remembered by its text.
    pub(super) fn known_bound(&mut self, role: Role, text: &'b [u8]) -> Option<Bound<'b>> {
        let known = if role == Role::Bucket { &self.buckets } else { &self.quantiles };
        if let Some(bound) = known.get(text) {
            return bound.clone();
        }
        let bound = self.bound(role, Cow::Borrowed(text));
        let known = if role == Role::Bucket { &mut self.buckets } else { &mut self.quantiles };
        known.insert(text, bound.clone());
        bound
    }

    /// A bucket bound or quantile; `None` if it is none. Envoy's bounds get the one spelling that all its merged
    /// clusters share, applications keep theirs.
    pub(super) fn bound(&self, role: Role, text: Cow<'b, [u8]>) -> Option<Bound<'b>> {
        let number = numbers::parse(&text).filter(|number| !number.is_nan())?;
        if role == Role::Quantile && !(0.0..=1.0).contains(&number) {
            return None;
        }
        let own = if self.source.envoy && role == Role::Bucket { numbers::bound(number) } else { None };
        let spelled = match (own, number.is_finite()) {
            (Some(own), _) if own != *text => Cow::Owned(own),
            (_, true) => text,
            (_, false) => Cow::Owned(numbers::shortest(number)),
        };
        Some(Bound { number: number + 0.0, spelled }) // no negative zero
    }
}

pub(super) fn edge_label(role: Role) -> &'static [u8] {
    if role == Role::Bucket { b"le" } else { b"quantile" }
}

/// Plain labels without the last one, which must be the given one, and the value of that.
pub(crate) fn split_edge<'b>(text: &'b [u8], label: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let text = text.strip_suffix(b"\"")?;
    let quote = memrchr(b'"', text)?;
    let front = text[..quote].strip_suffix(b"=")?.strip_suffix(label)?;
    let front =
        if front.is_empty() { front } else { front.strip_suffix(b",").filter(|rest| !rest.is_empty())? };
    Some((front, &text[quote + 1..]))
}
