//! The merge of several bodies into one valid body.

use std::borrow::Cow;

use hashbrown::{HashMap, HashSet};

use crate::contract::{Fault, Merged, Options, Source};
use crate::families::{Type, openmetrics_claims};
use crate::index::{Family, normalise};
use crate::labels::LabelTable;
use crate::plain::{self, Form, Plain};
use crate::reading::{Reader, Scratch};
use crate::samples::Samples;
use crate::split::merge_split;
use crate::writing::{Head, Writer};

const RESERVED: [&[u8]; 2] = [b"envoy_", b"meshmeter_"];
/// Bytes after which a piece of the answer is complete: with pieces nobody has to have all of it twice.
const PIECE: usize = 1 << 20;
const EOF: &[u8] = b"# EOF\n";

/// One family of the answer and where its samples are: reader and family.
struct Joined {
    name: Vec<u8>,
    kind: Type,
    parts: Vec<(usize, usize)>,
}

/// One valid body from those of the sources. There is no body that makes it fail.
#[must_use]
pub fn merge(sources: &[Source<'_>], options: &Options) -> Merged {
    let bodies: Vec<Cow<'_, [u8]>> = sources.iter().map(|source| normalise(source.body)).collect();
    let mut readers: Vec<Reader<'_>> =
        sources.iter().zip(&bodies).map(|(source, body)| Reader::new(*source, body, options)).collect();
    let families = join(&mut readers);
    let untyped = if options.openmetrics { clashing(&families, &readers) } else { HashSet::new() };
    let end = if options.openmetrics { EOF } else { b"" };
    let (mut table, mut scratch) = (LabelTable::default(), Scratch::default());
    let (mut pieces, mut written, mut body) = (Vec::new(), 0, Vec::new());
    let mut plain = Plain::default();
    for (at, family) in families.iter().enumerate() {
        let before = body.len();
        let form = match (options.openmetrics, untyped.contains(&at)) {
            (false, _) => Form::Text,
            (true, false) => Form::Typed,
            (true, true) => Form::Untyped,
        };
        let counts =
            if let Some(count) = write_plain(family, form, &mut readers, &mut table, &mut plain, &mut body) {
                vec![(family.parts[0].0, count)]
            } else {
                let (samples, counts) = collect(family, &mut readers, &mut table, &mut scratch, options);
                if samples.is_empty() {
                    continue;
                }
                let mut writer = Writer::new(body, &table);
                let head = head(family, &readers);
                match form {
                    Form::Text => writer.text(&head, &samples),
                    _ => writer.openmetrics(&head, &samples, form == Form::Typed, &mut scratch.marks),
                }
                body = writer.out;
                counts
            };
        if options.total_bytes.is_some_and(|limit| written + body.len() + end.len() > limit) {
            body.truncate(before);
            for (reader, count) in counts {
                readers[reader].drop(Fault::TotalLimit, count, &family.name);
            }
        } else {
            counts.into_iter().for_each(|(reader, count)| readers[reader].samples += count);
        }
        if body.len() >= PIECE {
            written += body.len();
            pieces.push(body.as_slice().into());
            body.clear();
        }
    }
    body.extend_from_slice(end);
    if !body.is_empty() {
        pieces.push(body.into());
    }
    Merged { pieces, sources: readers.into_iter().map(Reader::stats).collect() }
}

/// Write a family that only Envoy has, if it is plain; how many samples it is then.
fn write_plain(
    family: &Joined,
    form: Form,
    readers: &mut [Reader<'_>],
    table: &mut LabelTable,
    plain: &mut Plain,
    body: &mut Vec<u8>,
) -> Option<usize> {
    let &[(n, part)] = family.parts.as_slice() else { return None };
    let reader = &mut readers[n];
    let lines = plain::Family { name: &family.name, kind: family.kind, lines: reader.plain(part)? };
    let before = body.len();
    let count = plain.write(&lines, form, &mut reader.labels, table, body)?;
    if !reader.has_room(count.read) {
        body.truncate(before);
        return None;
    }
    Some(count.written)
}

/// The families of all sources, less those that lose a conflict.
fn join(readers: &mut [Reader<'_>]) -> Vec<Joined> {
    let mut joined: Vec<Joined> = Vec::new();
    let mut by_name: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut owners: HashMap<Vec<u8>, usize> = HashMap::new();
    for (n, reader) in readers.iter_mut().enumerate() {
        for part in reader.index.used.clone() {
            let shape = &reader.index.families[part].shape;
            if !reader.is_envoy() && RESERVED.iter().any(|prefix| shape.name.starts_with(prefix)) {
                reader.drop_family(Fault::Reserved, part);
                continue;
            }
            let known = by_name.get(&shape.name).copied();
            let at = known.unwrap_or(joined.len());
            let other_type = known.is_some_and(|at| joined[at].kind.in_text() != shape.kind.in_text());
            let taken = |(name, _): &(Vec<u8>, _)| owners.get(name).is_some_and(|&owner| owner != at);
            if other_type || shape.roles.iter().any(taken) {
                reader.drop_family(Fault::TypeConflict, part);
                continue;
            }
            if known.is_none() {
                by_name.insert(shape.name.clone(), at);
                joined.push(Joined { name: shape.name.clone(), kind: shape.kind, parts: Vec::new() });
            }
            for (name, _) in &shape.roles {
                owners.insert(name.clone(), at);
            }
            joined[at].parts.push((n, part));
        }
    }
    joined
}

/// The samples of a family over all sources, and how many each source has in it.
fn collect<'b>(
    family: &Joined,
    readers: &mut [Reader<'b>],
    table: &mut LabelTable,
    scratch: &mut Scratch,
    options: &Options,
) -> (Samples<'b>, Vec<(usize, usize)>) {
    let mut collected = Samples::default();
    let mut counts = Vec::with_capacity(family.parts.len());
    for &(n, part) in &family.parts {
        let reader = &mut readers[n];
        let mut samples = reader.read(part, table, scratch);
        if options.merge_clusters && reader.labels.any_split() {
            let (merged, quantiles) = merge_split(samples, family.kind, table, &mut scratch.marks);
            reader.drop(Fault::Quantile, quantiles, &family.name);
            samples = merged;
        }
        let mut found = samples.len();
        if collected.is_empty() {
            collected = samples;
        } else {
            let refused = collected.add(samples, &mut scratch.marks);
            reader.drop(Fault::Duplicate, refused, &family.name);
            found -= refused;
        }
        counts.push((n, found));
    }
    (collected, counts)
}

fn head<'h>(family: &'h Joined, readers: &'h [Reader<'_>]) -> Head<'h> {
    let first = |text: fn(&Family) -> &[u8]| {
        let texts = family.parts.iter().map(|&(n, part)| text(&readers[n].index.families[part]));
        texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
    };
    Head {
        name: &family.name,
        kind: family.kind,
        help: first(|part| &part.help),
        unit: first(|part| &part.unit),
    }
}

/// Families that OpenMetrics cannot have under their type, because the names it reserves for them are taken: the counter
/// `x_total` beside a gauge `x`.
fn clashing(families: &[Joined], readers: &[Reader<'_>]) -> HashSet<usize> {
    let mut used: HashMap<&[u8], usize> = HashMap::new();
    for (at, family) in families.iter().enumerate() {
        for &(n, part) in &family.parts {
            let roles = &readers[n].index.families[part].shape.roles;
            used.extend(roles.iter().map(|(name, _)| (name.as_slice(), at)));
        }
    }
    let mut reserved: HashSet<Vec<u8>> = HashSet::new();
    let mut clashing = HashSet::new();
    for (at, family) in families.iter().enumerate() {
        if matches!(family.kind, Type::Gauge | Type::Unknown | Type::StateSet) {
            continue;
        }
        let claims = openmetrics_claims(&family.name, family.kind);
        let taken = |name: &Vec<u8>| {
            reserved.contains(name) || used.get(name.as_slice()).is_some_and(|&owner| owner != at)
        };
        if (family.kind == Type::Counter && !family.name.ends_with(b"_total")) || claims.iter().any(taken) {
            clashing.insert(at);
        } else {
            reserved.extend(claims);
        }
    }
    clashing
}
