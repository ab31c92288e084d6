//! Names and quoted text: what may stand bare, and how the rest is escaped.

use std::borrow::Cow;

/// How many bytes at the beginning are a metric name as all versions of Prometheus know it.
#[must_use]
pub fn name_length(text: &[u8]) -> usize {
    word_length(text, |byte| byte == b':')
}

/// How many bytes at the beginning are a label name as all versions of Prometheus know it.
#[must_use]
pub fn label_length(text: &[u8]) -> usize {
    word_length(text, |_| false)
}

fn word_length(text: &[u8], more: impl Fn(u8) -> bool) -> usize {
    if text.first().is_some_and(u8::is_ascii_digit) {
        return 0;
    }
    text.iter().position(|&b| !(b.is_ascii_alphanumeric() || b == b'_' || more(b))).unwrap_or(text.len())
}

/// Whether a metric name can be written bare.
#[must_use]
pub fn is_legacy_name(name: &[u8]) -> bool {
    !name.is_empty() && name_length(name) == name.len()
}

/// Whether a label name can be written bare.
#[must_use]
pub fn is_legacy_label(name: &[u8]) -> bool {
    !name.is_empty() && label_length(name) == name.len()
}

/// `\\`, `\"` and `\n` stand for a character; any other backslash stands for itself.
#[must_use]
pub fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut made = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let meant = match bytes.peek() {
            Some(b'n') if byte == b'\\' => b'\n',
            Some(&next @ (b'\\' | b'"')) if byte == b'\\' => next,
            _ => {
                made.push(byte);
                continue;
            }
        };
        made.push(meant);
        bytes.next();
    }
    Cow::Owned(made)
}

/// Text as it is written between quotes.
#[must_use]
pub fn escape(text: &[u8]) -> Cow<'_, [u8]> {
    escaped(text, true)
}

/// Text as HELP of text 0.0.4 has it, where quotes are nothing special.
#[must_use]
pub fn escape_help(text: &[u8]) -> Cow<'_, [u8]> {
    escaped(text, false)
}

fn escaped(text: &[u8], quotes: bool) -> Cow<'_, [u8]> {
    if memchr::memchr3(b'\\', b'\n', b'"', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut made = Vec::with_capacity(text.len() + 8);
    for &byte in text {
        match byte {
            b'\\' => made.extend_from_slice(b"\\\\"),
            b'\n' => made.extend_from_slice(b"\\n"),
            b'"' if quotes => made.extend_from_slice(b"\\\""),
            _ => made.push(byte),
        }
    }
    Cow::Owned(made)
}

/// A metric name as metadata lines have it: quoted only if it has to be.
#[must_use]
pub fn quote_name(name: &[u8]) -> Cow<'_, [u8]> {
    if is_legacy_name(name) { Cow::Borrowed(name) } else { Cow::Owned(quoted(name)) }
}

/// A label name as it is written: quoted only if it has to be.
#[must_use]
pub fn quote_label(name: &[u8]) -> Cow<'_, [u8]> {
    if is_legacy_label(name) { Cow::Borrowed(name) } else { Cow::Owned(quoted(name)) }
}

fn quoted(name: &[u8]) -> Vec<u8> {
    [b"\"", escape(name).as_ref(), b"\""].concat()
}

/// Whether a line is nothing but ASCII white space, in Python's sense of it.
#[must_use]
pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|&byte| is_space(byte))
}

/// ASCII white space, the vertical tab included.
#[must_use]
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The text without ASCII white space around it.
#[must_use]
pub fn strip(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&b| !is_space(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|&b| !is_space(b)).map_or(start, |last| last + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(unescape(br#"a\\n\n\"\x\"#).as_ref(), b"a\\n\n\"\\x\\");
        assert_eq!(escape(b"a\\\n\"").as_ref(), br#"a\\\n\""#);
        assert_eq!(escape_help(b"a\\\n\"").as_ref(), br#"a\\\n""#);
    }
}
