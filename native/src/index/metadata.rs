//! Metadata lines, and what they declare.

use std::borrow::Cow;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use memchr::memchr;

use crate::families::Type;
use crate::text::name_length;

pub(super) enum Keyword {
    Help,
    Type,
    Unit,
}

pub(super) enum Name<'b> {
    Bare(&'b [u8]),
    Quoted(&'b [u8]),
}

/// A metadata line as keyword, name and text; `None` for any other comment.
pub(super) fn parse_metadata(line: &[u8]) -> Option<(Keyword, Name<'_>, &[u8])> {
    let (line, _) = skip_blanks(line.strip_prefix(b"#")?);
    let (keyword, rest) = line.split_at_checked(4)?;
    let keyword = match keyword {
        b"HELP" => Keyword::Help,
        b"TYPE" => Keyword::Type,
        b"UNIT" => Keyword::Unit,
        _ => return None,
    };
    let (rest, blanks) = skip_blanks(rest);
    if blanks == 0 {
        return None;
    }
    let (name, rest) = if let Some(rest) = rest.strip_prefix(b"\"") {
        let end = closing_quote(rest)?;
        (Name::Quoted(&rest[..end]), &rest[end + 1..])
    } else {
        let (name, rest) = rest.split_at(name_length(rest));
        if name.is_empty() {
            return None;
        }
        (Name::Bare(name), rest)
    };
    let (text, blanks) = skip_blanks(rest);
    if (blanks == 0 && !rest.is_empty()) || memchr(0, line).is_some() || std::str::from_utf8(line).is_err() {
        return None;
    }
    Some((keyword, name, text))
}

fn skip_blanks(text: &[u8]) -> (&[u8], usize) {
    let blanks = text.iter().position(|&byte| byte != b' ' && byte != b'\t').unwrap_or(text.len());
    (&text[blanks..], blanks)
}

fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// What metadata lines say of a name.
pub(super) struct Declaration<'b> {
    pub(super) name: Cow<'b, [u8]>,
    pub(super) kind: Option<Type>,
    pub(super) help: Option<Cow<'b, [u8]>>,
    pub(super) unit: Option<Cow<'b, [u8]>>,
}

#[derive(Default)]
pub(super) struct Declarations<'b> {
    pub(super) list: Vec<Declaration<'b>>,
    /// Places in the list.
    pub(super) by_name: HashTable<usize>,
    pub(super) hasher: DefaultHashBuilder,
}

impl<'b> Declarations<'b> {
    /// That of a name; `None` if it would be more than `most`.
    pub(super) fn of(&mut self, name: Cow<'b, [u8]>, most: usize) -> Option<&mut Declaration<'b>> {
        let Declarations { list, by_name, hasher } = self;
        let hash = hasher.hash_one(name.as_ref());
        if let Some(&at) = by_name.find(hash, |&at| list[at].name == name) {
            return Some(&mut list[at]);
        }
        if list.len() == most {
            return None;
        }
        by_name.insert_unique(hash, list.len(), |&at| hasher.hash_one(list[at].name.as_ref()));
        list.push(Declaration { name, kind: None, help: None, unit: None });
        list.last_mut()
    }
}
