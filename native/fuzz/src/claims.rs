//! The claims. They hold for every case; who refutes one panics.

use std::fmt::{self, Formatter};

use meshmeter_native::{Limits, Options, Source};

use crate::case::{Answer, Case};

const EOF: &[u8] = b"# EOF\n";
/// Bytes up to which a body is fed byte by byte as well.
const SHORT: usize = 600;

/// Panics if a claim does not hold for the case that this text is.
pub fn check(text: &[u8]) {
    let case = Case::decode(text);
    let answer = case.answer();
    is_whole(&case, &answer);
    arrives_anyhow(&case, &answer);
    says_the_same(&case, &answer);
}

/// An answer is UTF-8, has whole lines, ends as its format demands, is as long as it may be, and has as many samples as
/// it says.
fn is_whole(case: &Case<'_>, answer: &Answer) {
    let Answer { body, sources } = answer;
    assert!(std::str::from_utf8(body).is_ok(), "an answer is UTF-8: {}", Shown(body));
    assert!(body.is_empty() || body.ends_with(b"\n"), "an answer has whole lines: {}", Shown(body));
    let ends = lines(body).filter(|&line| line == EOF).count();
    let ended = ends == usize::from(case.options.openmetrics) && (ends == 0 || body.ends_with(EOF));
    assert!(ended, "an answer ends as its format demands: {}", Shown(body));
    let end = if case.options.openmetrics { EOF.len() } else { 0 };
    let most = case.options.total_bytes.map_or(usize::MAX, |total| total.max(end));
    assert!(body.len() <= most, "an answer is not longer than {most}: {}", Shown(body));
    let told: usize = sources.iter().map(|stats| stats.samples).sum();
    let there = lines(body).filter(|line| !line.starts_with(b"#")).count();
    assert_eq!(told, there, "samples are counted: {}", Shown(body));
}

/// It does not count how Envoy's body arrives.
fn arrives_anyhow(case: &Case<'_>, answer: &Answer) {
    let Some(Source { body, .. }) = case.fed() else { return };
    let claim = "it does not count how Envoy's body arrives";
    same(claim, answer, &case.streamed(cut(body, &case.cuts)));
    if !body.is_empty() && body.len() <= SHORT {
        same(claim, answer, &case.streamed(body.chunks(1)));
    }
}

/// An answer that is merged again says the same, in another order perhaps (docs/decisions/0002-merge-rules.md). Bounds are
/// written anew for Envoy alone, so it counts whose it is.
fn says_the_same(case: &Case<'_>, answer: &Answer) {
    let Some(envoy) = case.sources.first().map(|source| source.envoy) else { return };
    if case.sources.iter().any(|source| source.envoy != envoy) {
        return;
    }
    let Options { openmetrics, .. } = case.options;
    let source = Source { body: &answer.body, openmetrics, envoy, label: None, limits: Limits::default() };
    let options = Options { merge_clusters: false, ..case.options };
    let again = Case { sources: vec![source], options, cuts: Vec::new() }.answer();
    let (before, after) = (Shown(&answer.body), Shown(&again.body));
    let dropped = &again.sources[0].dropped;
    assert!(dropped.is_empty(), "an answer that is merged again loses nothing: {dropped:?} of {before}");
    let claim = "an answer that is merged again says the same";
    assert!(said(&answer.body) == said(&again.body), "{claim}: {before} became {after}");
}

fn same(claim: &str, one: &Answer, other: &Answer) {
    let told = |answer: &Answer| format!("{}{:?}", Shown(&answer.body), answer.sources);
    assert!(one == other, "{claim}: {} but {}", told(one), told(other));
}

/// The body, cut at these places; those beyond its end begin anew.
fn cut<'a>(body: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = places.iter().map(|place| place % (body.len() + 1)).collect();
    ends.push(body.len());
    ends.sort_unstable();
    ends.dedup();
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, &end)| &body[start..end]).collect()
}

/// Each line with its end.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split_inclusive(|&byte| byte == b'\n')
}

/// What a body says: its lines, each as its words. Neither the order of lines counts nor that of labels.
fn said(body: &[u8]) -> Vec<Vec<&[u8]>> {
    let words = |line| {
        let mut words: Vec<&[u8]> = <[u8]>::split(line, |byte| b"{,}".contains(byte)).collect();
        words.sort_unstable();
        words
    };
    let mut said: Vec<_> = lines(body).map(words).collect();
    said.sort_unstable();
    said
}

/// A body for people.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        write!(to, "\n{}\n", String::from_utf8_lossy(self.0))
    }
}
