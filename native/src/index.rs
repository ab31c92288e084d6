//! The index of one body: which family is where, found without reading samples.

mod body;
mod metadata;

use std::borrow::Cow;

use hashbrown::HashMap;
use memchr::{memchr, memchr_iter, memmem};

pub use self::body::{LONGEST, any_long, normalise};
use self::metadata::{Declarations, Keyword, Name, parse_metadata};
use crate::deadline::{Deadline, Late};
use crate::families::{Part, Role, Shape, Type, without_suffix};
use crate::names::Escaping;
use crate::sample;
use crate::text::{is_blank, is_legacy_name, unescape};

/// One family of one source.
#[derive(Debug)]
pub struct Family {
    /// Name, type and samples.
    pub shape: Shape,
    /// Unescaped.
    pub help: Vec<u8>,
    /// Unescaped.
    pub unit: Vec<u8>,
    /// Offsets of whole sample lines in the body, in order.
    pub spans: Vec<(usize, usize)>,
}

/// What is in a body.
#[derive(Debug, Default)]
pub struct Index {
    /// All families, those without samples included.
    pub families: Vec<Family>,
    /// Those with sample lines, in the order of their first one.
    pub used: Vec<usize>,
    /// Offsets of lines that belong to no family.
    pub malformed: Vec<usize>,
    /// Offsets of lines whose families are too many.
    pub beyond: Vec<usize>,
    /// Offsets of lines that are longer than `LONGEST`.
    pub long: Vec<usize>,
}

/// Find the families of a normalised body; names that become the same are one family.
///
/// The first TYPE, HELP and UNIT of a family hold. `# EOF` is a comment wherever it stands: bodies are often joined by
/// naive tools. There are `most` families, by declarations and then by samples; comments and samples of more are passed
/// over, as are longer comments than `LONGEST`. Fails if the deadline is over.
pub fn index(
    body: &[u8],
    openmetrics: bool,
    escaping: Escaping,
    most: Option<usize>,
    deadline: Deadline,
) -> Result<Index, Late> {
    let mut indexer = Indexer {
        body,
        openmetrics,
        escaping,
        most: most.unwrap_or(usize::MAX),
        declared: Declarations::default(),
        by_name: HashMap::new(),
        owners: HashMap::new(),
        seen: Vec::new(),
        deadline,
        lines: 0,
        index: Index::default(),
    };
    deadline.check()?;
    let regions = indexer.regions()?;
    indexer.declare();
    if !openmetrics {
        indexer.fold_created();
    }
    for (start, end) in regions {
        indexer.assign(start, end)?;
    }
    Ok(indexer.index)
}

struct Indexer<'b> {
    body: &'b [u8],
    openmetrics: bool,
    escaping: Escaping,
    most: usize,
    declared: Declarations<'b>,
    by_name: HashMap<Vec<u8>, usize>,
    /// By names of samples in the answer, and in the source where `Escaping::name` does not lead from one to the other.
    owners: HashMap<Vec<u8>, usize>,
    /// By family: whether it has samples.
    seen: Vec<bool>,
    deadline: Deadline,
    /// How many were looked at one by one, regions and comments included.
    lines: usize,
    index: Index,
}

impl<'b> Indexer<'b> {
    /// The stretches of sample lines between comments; notes what comments declare on the way.
    fn regions(&mut self) -> Result<Vec<(usize, usize)>, Late> {
        let (body, mut at, mut regions) = (self.body, 0, Vec::new());
        let comment = memmem::Finder::new(b"\n#");
        while at < body.len() {
            if body[at] != b'#' {
                let end = comment.find(&body[at..]).map_or(body.len(), |found| at + found + 1);
                regions.push((at, end));
                at = end;
            } else {
                self.count_line()?;
                let end = memchr(b'\n', &body[at..]).map_or(body.len(), |found| at + found);
                if end - at <= LONGEST {
                    self.metadata(&body[at..end]);
                }
                at = end + 1;
            }
        }
        Ok(regions)
    }

    /// Look at the clock now and then.
    fn count_line(&mut self) -> Result<(), Late> {
        self.lines += 1;
        self.deadline.check_line(self.lines)
    }

    fn metadata(&mut self, line: &'b [u8]) {
        let Some((keyword, name, text)) = parse_metadata(line) else { return };
        let name = match name {
            Name::Bare(name) => Cow::Borrowed(name),
            Name::Quoted(name) => unescape(name),
        };
        if name.is_empty() {
            return;
        }
        let openmetrics = self.openmetrics;
        let Some(declaration) = self.declared.of(name, self.most) else { return };
        match keyword {
            Keyword::Help => _ = declaration.help.get_or_insert_with(|| unescape(text)),
            Keyword::Unit => _ = declaration.unit.get_or_insert_with(|| unescape(text)),
            Keyword::Type => {
                declaration.kind = declaration.kind.or_else(|| Type::parse(text, openmetrics));
            }
        }
    }

    fn declare(&mut self) {
        for declaration in std::mem::take(&mut self.declared).list {
            let kind = declaration.kind.unwrap_or(Type::Unknown);
            let source = Shape::new(&declaration.name, kind, self.openmetrics);
            let written = source.escaped(self.escaping);
            let renamed = written.is_some();
            let shape = written.unwrap_or(source);
            let help = declaration.help.unwrap_or_default();
            let unit = declaration.unit.unwrap_or_default();
            match self.by_name.get(&shape.name) {
                None => {
                    let family =
                        Family { shape, help: help.into_owned(), unit: unit.into_owned(), spans: Vec::new() };
                    let at = self.add(family);
                    if renamed {
                        self.rename(at, &declaration.name);
                    }
                }
                Some(&at) if renamed => {
                    let family = &mut self.index.families[at];
                    if family.help.is_empty() {
                        family.help = help.into_owned();
                    }
                    if family.unit.is_empty() {
                        family.unit = unit.into_owned();
                    }
                    self.rename(at, &declaration.name);
                }
                Some(_) => {}
            }
        }
    }

    /// Find a family by the names that its samples have in the source, too.
    fn rename(&mut self, at: usize, declared: &[u8]) {
        let shape = &self.index.families[at].shape;
        for (name, _) in Shape::new(declared, shape.kind, self.openmetrics).roles {
            let written = self.escaping.name(Cow::Borrowed(&name));
            if !shape.roles.iter().any(|(known, _)| *known == *written) {
                self.owners.entry(name).or_insert(at);
            }
        }
    }

    fn add(&mut self, family: Family) -> usize {
        let at = self.index.families.len();
        for (name, _) in &family.shape.roles {
            self.owners.entry_ref(name.as_slice()).or_insert(at);
        }
        self.by_name.insert(family.shape.name.clone(), at);
        self.index.families.push(family);
        self.seen.push(false);
        at
    }

    /// Give `x_created` of a text body to the family it dates: text has it as a gauge of its own.
    fn fold_created(&mut self) {
        for at in 0..self.index.families.len() {
            let Shape { name, kind, .. } = &self.index.families[at].shape;
            if !name.ends_with(b"_created") || *kind != Type::Gauge {
                continue;
            }
            let name = name.clone();
            let base = without_suffix(&name, b"_created");
            let total = [base, b"_total"].concat();
            let parent =
                [(total.as_slice(), true), (base, false)].into_iter().find_map(|(candidate, counter)| {
                    let parent = *self.by_name.get(candidate)?;
                    match self.index.families[parent].shape.kind {
                        Type::Counter => counter.then_some(parent),
                        Type::Histogram | Type::Summary => Some(parent),
                        _ => None,
                    }
                });
            if let Some(parent) = parent {
                let role = Role::Part(Part::Created);
                self.index.families[parent].shape.roles.push((name.clone(), role));
                self.owners.insert(name, parent);
            }
        }
    }

    /// Add a region to the families of its lines: as a whole if they are all of one.
    fn assign(&mut self, start: usize, mut end: usize) -> Result<(), Late> {
        self.count_line()?;
        while end - 1 > start && self.body[..end].ends_with(b"\n\n") {
            end -= 1;
        }
        if let Some(family) = self.only_owner(start, end) {
            self.extend(family, start, end);
            return Ok(());
        }
        let (body, mut at) = (self.body, start);
        while at < end {
            let next = memchr(b'\n', &body[at..end]).map_or(end, |found| at + found + 1);
            self.count_line()?;
            if next - at > LONGEST {
                self.index.long.push(at);
            } else {
                self.assign_line(at, next);
            }
            at = next;
        }
        Ok(())
    }

    /// The family of all lines of a region, if they are all of one.
    fn only_owner(&self, start: usize, end: usize) -> Option<usize> {
        let (mut owner, mut last, mut at): (Option<usize>, &[u8], usize) = (None, b"", start);
        for newline in memchr_iter(b'\n', &self.body[start..end]) {
            let line = &self.body[at..=start + newline];
            at += line.len();
            if line.len() > LONGEST {
                return None;
            }
            if owner.is_some() && line.starts_with(last) && ends_token(line[last.len()]) {
                continue;
            }
            last = first_token(line);
            let found = *self.owners.get(last)?;
            if *owner.get_or_insert(found) != found {
                return None;
            }
        }
        owner
    }

    fn assign_line(&mut self, start: usize, end: usize) {
        let line = &self.body[start..end - 1];
        let token = first_token(&self.body[start..end]);
        let family = if is_legacy_name(token) {
            self.owner(token)
        } else if is_blank(line) {
            return;
        } else if let Some(sample) = sample::parse(line, self.openmetrics, self.escaping) {
            self.owner(&sample.name)
        } else {
            self.index.malformed.push(start);
            return;
        };
        match family {
            Some(family) => self.extend(family, start, end),
            None => self.index.beyond.push(start),
        }
    }

    /// The family of a sample; a new one without type if none is declared, or `None` if there are too many. A sample that has the name of a family
    /// without being one that its type promises, such as `x` of a histogram `x`, is taken in.
    fn owner(&mut self, name: &[u8]) -> Option<usize> {
        if let Some(&family) = self.owners.get(name) {
            return Some(family);
        }
        let name = self.escaping.name(Cow::Borrowed(name));
        if let Some(&family) = self.owners.get(name.as_ref()) {
            return Some(family);
        }
        if let Some(&family) = self.by_name.get(name.as_ref()) {
            self.index.families[family].shape.roles.push((name.to_vec(), Role::Bare));
            self.owners.insert(name.into_owned(), family);
            return Some(family);
        }
        if self.index.families.len() == self.most {
            return None;
        }
        let roles = vec![(name.to_vec(), Role::Value)];
        let shape = Shape { name: name.into_owned(), kind: Type::Unknown, roles };
        Some(self.add(Family { shape, help: Vec::new(), unit: Vec::new(), spans: Vec::new() }))
    }

    fn extend(&mut self, family: usize, start: usize, end: usize) {
        if !std::mem::replace(&mut self.seen[family], true) {
            self.index.used.push(family);
        }
        let spans = &mut self.index.families[family].spans;
        match spans.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            Some(_) => spans.push((start, end)),
            None => *spans = vec![(start, end)], // with room for no more: there may be a hundred thousand families
        }
    }
}

fn ends_token(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'{' | b'\n')
}

/// What a line begins with, up to a blank, a brace or its end.
fn first_token(line: &[u8]) -> &[u8] {
    &line[..line.iter().position(|&byte| ends_token(byte)).unwrap_or(line.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &[u8]) -> Vec<String> {
        let index = index(body, false, Escaping::Underscores, None, Deadline::default())
            .expect("there is no deadline");
        index
            .used
            .iter()
            .map(|&at| String::from_utf8_lossy(&index.families[at].shape.name).into_owned())
            .collect()
    }

    #[test]
    fn bodies_are_put_in_form() {
        assert_eq!(normalise(b"\xef\xbb\xbfa 1\r\n \t b 2\r").as_ref(), b"a 1\nb 2\r\n");
        assert!(matches!(normalise(b"a 1\n"), Cow::Borrowed(_)));
        assert_eq!(normalise(b"  ").as_ref(), b"");
    }

    #[test]
    fn families_in_the_order_of_their_samples() {
        assert_eq!(names(b"# TYPE a gauge\n# TYPE b counter\nb 1\na 1\nc 1\n"), ["b", "a", "c"]);
    }

    #[test]
    fn comments_that_declare_nothing() {
        for line in
            ["# EOF", "#", "# TYPE", "# TYPE a\"", "# HELPa x", "# TYPE \"a gauge", "# TYPE a\u{b}gauge"]
        {
            assert!(parse_metadata(line.as_bytes()).is_none(), "{line}");
        }
        assert!(parse_metadata(b"#TYPE \"a b\"").is_some());
    }
}
