//! One line of exposition text, read with tolerance.
//!
//! ```text
//! text 0.0.4    name{label="value",...} value [milliseconds] [an exemplar, which is forgotten]
//! OpenMetrics   name{label="value",...} value [seconds] [# {label="value",...} value [seconds]]
//! ```
//!
//! Blanks may be anywhere between tokens, a comma may follow the last label, and a name may stand quoted inside the
//! braces. Names and label values leave here in one spelling, so equal text means equal content.

use std::borrow::Cow;

use crate::names::Escaping;
use crate::numbers;
use crate::text::{escape, label_length, name_length, quote_label, unescape};

/// Longest exemplar of OpenMetrics 1.0.0, in characters of its label names and values.
const LONGEST_EXEMPLAR: usize = 128;

/// A label's name and its escaped value.
pub type Label<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// One sample line.
#[derive(Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// The name, unescaped.
    pub name: Cow<'a, [u8]>,
    /// In the order of the line.
    pub labels: Vec<Label<'a>>,
    /// The value in its one spelling.
    pub value: Cow<'a, [u8]>,
    /// A number as it was written, which need not be a time that anybody can read; empty if there is none.
    pub timestamp: &'a [u8],
    /// As OpenMetrics writes it, from its `#` on; empty if there is none.
    pub exemplar: Vec<u8>,
    /// Whether the exemplar had a time that Prometheus could not read; it is without it then.
    pub exemplar_lost_time: bool,
}

/// The sample of a line without its newline; `None` if it is malformed. `escaping` is for labels of its exemplar.
#[must_use]
pub fn parse(line: &[u8], openmetrics: bool, escaping: Escaping) -> Option<Sample<'_>> {
    let mut at = Cursor { line, at: 0 };
    at.blanks();
    let bare = at.take(name_length(at.rest()));
    let mut name = Cow::Borrowed(bare);
    let mut labels = Vec::new();
    let before = at.at;
    at.blanks();
    let separated = at.at > before;
    if at.eat(b'{') {
        at.blanks();
        if bare.is_empty() {
            name = unescape(at.quoted()?);
            at.blanks();
            if at.eat(b',') {
                at.blanks();
            } else if at.peek() != Some(b'}') {
                return None;
            }
        }
        labels = read_labels(&mut at).filter(|labels| acceptable(labels))?;
    } else if !separated {
        return None;
    }
    if name.is_empty() || std::str::from_utf8(line).is_err() {
        return None;
    }
    let (value, timestamp) = at.numbers()?;
    let value = numbers::canonical(value)?;
    if !timestamp.is_empty() && !numbers::is_time(timestamp) {
        return None;
    }
    let (mut exemplar, mut exemplar_lost_time) = (Vec::new(), false);
    if at.peek().is_some() {
        if !at.eat(b'#') {
            return None;
        }
        let read = read_exemplar(&mut at, escaping)?;
        if openmetrics {
            (exemplar, exemplar_lost_time) = read; // text has none: it is forgotten
        }
    }
    Some(Sample { name, labels, value, timestamp, exemplar, exemplar_lost_time })
}

/// The labels of plain text between braces, as `name="value",…` without blanks, escapes and trailing comma; `None` if
/// it is anything else.
#[must_use]
pub fn plain_labels(text: &[u8]) -> Option<Vec<Label<'_>>> {
    let mut labels = Vec::new();
    let mut at = Cursor { line: text, at: 0 };
    while !text.is_empty() {
        let name = at.take(label_length(at.rest()));
        if name.is_empty() || !at.eat(b'=') || !at.eat(b'"') {
            return None;
        }
        let value = at.take(memchr::memchr(b'"', at.rest())?);
        if memchr::memchr3(b'\\', b'\n', 0, value).is_some() || !at.eat(b'"') {
            return None;
        }
        labels.push((Cow::Borrowed(name), Cow::Borrowed(value)));
        match at.peek() {
            None => break,
            Some(b',') => at.at += 1,
            Some(_) => return None,
        }
    }
    Some(labels)
}

/// A label's name and its escaped value, kept apart from any line.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The labels of text that was written by us, as between braces.
#[must_use]
pub fn labels_of(inner: &[u8]) -> Vec<Pair> {
    let closed = [inner, b"}"].concat();
    let labels = read_labels(&mut Cursor { line: &closed, at: 0 }).unwrap_or_default();
    labels.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// Labels up to and with the closing brace and the blanks behind it.
fn read_labels<'a>(at: &mut Cursor<'a>) -> Option<Vec<Label<'a>>> {
    let mut labels: Vec<Label<'a>> = Vec::new();
    while !at.eat(b'}') {
        let bare = at.take(label_length(at.rest()));
        let name = if bare.is_empty() { unescape(at.quoted()?) } else { Cow::Borrowed(bare) };
        at.blanks();
        if !at.eat(b'=') {
            return None;
        }
        at.blanks();
        let value = normal(at.quoted()?);
        at.blanks();
        labels.push((name, value));
        if at.eat(b',') {
            at.blanks();
        } else if at.peek() != Some(b'}') {
            return None;
        }
    }
    at.blanks();
    Some(labels)
}

/// Whether no label is there twice, has no name, or names the metric.
fn acceptable(labels: &[Label<'_>]) -> bool {
    distinct(labels) && labels.iter().all(|(name, _)| !name.is_empty())
}

/// Whether no label is there twice or names the metric.
#[must_use]
pub fn distinct(labels: &[Label<'_>]) -> bool {
    if labels.iter().any(|(name, _)| name.as_ref() == b"__name__") {
        return false;
    }
    if labels.len() <= 16 {
        return (1..labels.len()).all(|n| labels[..n].iter().all(|(name, _)| *name != labels[n].0));
    }
    let mut names: Vec<&[u8]> = labels.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    names.windows(2).all(|pair| pair[0] != pair[1])
}

/// A quoted value in its one spelling.
fn normal(value: &[u8]) -> Cow<'_, [u8]> {
    match unescape(value) {
        Cow::Borrowed(same) => Cow::Borrowed(same), // it has no quote, newline or backslash
        Cow::Owned(meant) => Cow::Owned(escape(&meant).into_owned()),
    }
}

/// The exemplar in one spelling, empty if it is longer than OpenMetrics allows or has two labels that become the same,
/// and whether it lost its time.
fn read_exemplar(at: &mut Cursor<'_>, escaping: Escaping) -> Option<(Vec<u8>, bool)> {
    at.blanks();
    if !at.eat(b'{') {
        return None;
    }
    at.blanks();
    let mut labels = read_labels(at).filter(|labels| acceptable(labels))?;
    let (value, timestamp) = at.numbers()?;
    if at.peek().is_some() {
        return None;
    }
    let value = numbers::canonical(value)?;
    if !timestamp.is_empty() && !numbers::is_time(timestamp) {
        return None;
    }
    let time = if timestamp.is_empty() { None } else { numbers::time(timestamp, true, true) };
    for (name, _) in &mut labels {
        *name = escaping.label(std::mem::take(name));
    }
    let characters: usize = labels.iter().map(|(name, value)| length(name) + length(&unescape(value))).sum();
    if characters > LONGEST_EXEMPLAR || !distinct(&labels) {
        return Some((Vec::new(), false));
    }
    let mut made = b"# {".to_vec();
    for (n, (name, value)) in labels.iter().enumerate() {
        made.extend_from_slice(if n > 0 { b"," } else { b"" });
        made.extend_from_slice(&quote_label(name));
        made.extend_from_slice(b"=\"");
        made.extend_from_slice(value);
        made.push(b'"');
    }
    made.extend_from_slice(b"} ");
    made.extend_from_slice(&value);
    if let Some(time) = &time {
        made.push(b' ');
        made.extend_from_slice(time);
    }
    Some((made, time.is_none() && !timestamp.is_empty()))
}

/// Characters of UTF-8 text.
fn length(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte & 0xC0 != 0x80).count()
}

struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.line[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let taken = &self.rest()[..length];
        self.at += length;
        taken
    }

    fn take_until(&mut self, stop: impl Fn(u8) -> bool) -> &'a [u8] {
        self.take(self.rest().iter().position(|&byte| stop(byte)).unwrap_or(self.rest().len()))
    }

    fn blanks(&mut self) {
        self.take_until(|byte| byte != b' ' && byte != b'\t');
    }

    /// The text between quotes, still escaped.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        if !self.eat(b'"') {
            return None;
        }
        let start = self.at;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(&self.line[start..self.at - 1]),
                b'\n' | 0 => return None,
                b'\\' => {
                    if matches!(self.peek()?, b'\n' | 0) {
                        return None;
                    }
                    self.at += 1;
                }
                _ => {}
            }
        }
    }

    /// A value, and a timestamp that is empty if there is none; the blanks behind them are skipped.
    fn numbers(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let value = self.take_until(|byte| matches!(byte, b' ' | b'\t' | b'#' | b'{' | b'}' | b'"' | b','));
        if value.is_empty() {
            return None;
        }
        let before = self.at;
        self.blanks();
        let timestamp =
            if self.at > before { self.take_until(|byte| matches!(byte, b' ' | b'\t' | b'#')) } else { b"" };
        self.blanks();
        Some((value, timestamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerates_blanks_and_a_last_comma() {
        let sample = parse(b" a { x = \"1\" , } +INF\t5 ", false, Escaping::Utf8).expect("a sample");
        assert_eq!(sample.name.as_ref(), b"a");
        assert_eq!(sample.labels, [(Cow::Borrowed(&b"x"[..]), Cow::Borrowed(&b"1"[..]))]);
        assert_eq!((sample.value.as_ref(), sample.timestamp), (&b"+Inf"[..], &b"5"[..]));
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        for line in [
            "a",
            "a{} ",
            "a{,} 1",
            "a{x=\"1\",x=\"2\"} 1",
            "{\"\"} 1",
            "a 1 2 3",
            "a 1 # {}",
            "a\"b\" 1",
            "{\"a\" x=\"1\"} 1",
        ] {
            assert_eq!(parse(line.as_bytes(), false, Escaping::Utf8), None, "{line}");
        }
    }

    #[test]
    fn reads_exemplars() {
        let sample = parse(b"a_total 1 2.5#{id=\"x\"}0.5 7", true, Escaping::Utf8).expect("a sample");
        assert_eq!(sample.exemplar, b"# {id=\"x\"} 0.5 7");
    }

    #[test]
    fn plain_labels_are_strict() {
        assert_eq!(plain_labels(b"").map(|labels| labels.len()), Some(0));
        assert!(plain_labels(b"a=\"1\",b=\"2\"").is_some());
        for text in ["a=\"1\",", "a=\"\\\\\"", "a =\"1\"", "a=\"1\"x", "=\"1\"", "a=\"1"] {
            assert!(plain_labels(text.as_bytes()).is_none(), "{text}");
        }
    }
}
