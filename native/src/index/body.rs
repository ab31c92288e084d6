//! A body in the form in which it is read, and how long its lines may be.

use std::borrow::Cow;

use memchr::{memchr_iter, memmem};

/// Bytes of a line that is read, newline included. Time is not looked at within a line, and a long one takes many times
/// its length.
pub const LONGEST: usize = 1 << 20;

/// The body as `index` reads it: no BOM, no carriage returns before newlines, no indentation, a newline at the end.
#[must_use]
pub fn normalise(body: &[u8]) -> Cow<'_, [u8]> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut body = Cow::Borrowed(body);
    if memmem::find(&body, b"\r\n").is_some() {
        body = Cow::Owned(without(&body, |body, at| body[at] == b'\r' && body.get(at + 1) == Some(&b'\n')));
    }
    let indented = matches!(body.first(), Some(b' ' | b'\t'))
        || memchr_iter(b'\n', &body).any(|at| matches!(body.get(at + 1), Some(b' ' | b'\t')));
    if indented {
        let mut at_start = true;
        body = Cow::Owned(without(&body, |body, at| {
            let blank = at_start && matches!(body[at], b' ' | b'\t');
            at_start = blank || body[at] == b'\n';
            blank
        }));
    }
    if body.last().is_some_and(|&last| last != b'\n') {
        body.to_mut().push(b'\n');
    }
    body
}

/// Whether one of the lines is longer than `LONGEST`.
#[must_use]
pub fn any_long(lines: &[u8]) -> bool {
    let mut start = 0;
    lines.len() > LONGEST
        && memchr_iter(b'\n', lines).any(|at| at + 1 - std::mem::replace(&mut start, at + 1) > LONGEST)
}

fn without(body: &[u8], mut unwanted: impl FnMut(&[u8], usize) -> bool) -> Vec<u8> {
    (0..body.len()).filter(|&at| !unwanted(body, at)).map(|at| body[at]).collect()
}
