//! Metric and label names: which ones every Prometheus knows, and what becomes of the others.

use std::borrow::Cow;

use crate::text::{is_legacy_label, is_legacy_name};

/// What becomes of a name that is not of the old alphabet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escaping {
    /// Nothing: it is written in quotes.
    Utf8,
    /// Every other character becomes `_`.
    #[default]
    Underscores,
    /// A dot becomes `_dot_`, an underscore and every other character `__`.
    Dots,
    /// `U__` before it, an underscore becomes `__`, and every other character `_<hex>_`.
    Values,
}

impl Escaping {
    /// The scheme that Accept and Content-Type name with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Escaping> {
        match word {
            "allow-utf-8" => Some(Escaping::Utf8),
            "underscores" => Some(Escaping::Underscores),
            "dots" => Some(Escaping::Dots),
            "values" => Some(Escaping::Values),
            _ => None,
        }
    }

    /// A metric name, which is UTF-8, as the scheme has it.
    #[must_use]
    pub fn name(self, name: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
        if self == Escaping::Utf8 || name.is_empty() || is_legacy_name(&name) {
            return name;
        }
        Cow::Owned(self.escaped(&name, true))
    }

    /// A label name, which is UTF-8, as the scheme has it. It may have no colons.
    #[must_use]
    pub fn label(self, name: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
        if self == Escaping::Utf8 || is_legacy_label(&name) {
            return name;
        }
        Cow::Owned(self.escaped(&name, false))
    }

    fn escaped(self, name: &[u8], colons: bool) -> Vec<u8> {
        let mut made = Vec::with_capacity(name.len() + 16);
        if self == Escaping::Values {
            made.extend_from_slice(b"U__");
        }
        for (at, character) in String::from_utf8_lossy(name).char_indices() {
            let allowed = character.is_ascii_alphanumeric() || (colons && character == ':');
            match (self, character) {
                (_, character) if allowed && (at > 0 || !character.is_ascii_digit()) => {
                    made.push(character as u8);
                }
                (Escaping::Underscores, _) => made.push(b'_'),
                (_, '_') => made.extend_from_slice(b"__"),
                (Escaping::Dots, '.') => made.extend_from_slice(b"_dot_"),
                (Escaping::Dots, _) => made.extend_from_slice(b"__"),
                (_, character) => made.extend_from_slice(format!("_{:x}_", character as u32).as_bytes()),
            }
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes() {
        for (word, name, want) in [
            ("allow-utf-8", "http.dür", "http.dür"),
            ("underscores", "http.dür_", "http_d_r_"),
            ("underscores", "1a", "_a"),
            ("underscores", "a:b", "a:b"),
            ("dots", "http.dür_", "http_dot_d__r__"),
            ("dots", "a_b", "a_b"),
            ("values", "http.dür_", "U__http_2e_d_fc_r__"),
            ("values", "1a", "U___31_a"),
            ("values", "", ""),
        ] {
            let escaping = Escaping::parse(word).unwrap_or_default();
            assert_eq!(escaping.name(name.as_bytes().into()).as_ref(), want.as_bytes());
        }
        assert_eq!(Escaping::Underscores.label(b"a:b"[..].into()).as_ref(), b"a_b");
        assert_eq!(Escaping::Values.label(b"a:b"[..].into()).as_ref(), b"U__a_3a_b");
        assert!(Escaping::parse("").is_none());
    }
}
