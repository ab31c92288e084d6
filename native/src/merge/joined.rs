//! Which families of all sources become one, and which of them cannot have their type.

use hashbrown::{HashMap, HashSet};

use super::OWN;
use crate::contract::Fault;
use crate::families::Type;
use crate::reading::Reader;
use crate::taken::{Taken, reserved};

const RESERVED: [&[u8]; 2] = [OWN, b"meshmeter_"];

/// One family of the answer and where its samples are: reader and family.
pub(super) struct Joined {
    pub(super) name: Vec<u8>,
    pub(super) kind: Type,
    pub(super) parts: Vec<(usize, usize)>,
}

/// The families of all sources, less those that lose a conflict; `taken` are names that none may have.
pub(super) fn join(readers: &mut [Reader<'_>], taken: &Taken) -> Vec<Joined> {
    let mut joined: Vec<Joined> = Vec::new();
    let mut lost: Vec<(usize, usize, Fault)> = Vec::new();
    let mut by_name: HashMap<&[u8], usize> = HashMap::new();
    let mut owners: HashMap<&[u8], usize> = HashMap::new();
    for (n, reader) in readers.iter().enumerate() {
        for &part in &reader.index.used {
            let shape = &reader.index.families[part].shape;
            if !reader.is_envoy() && RESERVED.iter().any(|prefix| shape.name.starts_with(prefix)) {
                lost.push((n, part, Fault::Reserved));
                continue;
            }
            if taken.has(shape) {
                lost.push((n, part, Fault::TypeConflict));
                continue;
            }
            let known = by_name.get(shape.name.as_slice()).copied();
            let at = known.unwrap_or(joined.len());
            let other_type = known.is_some_and(|at| joined[at].kind.in_text() != shape.kind.in_text());
            let owned =
                |(name, _): &(Vec<u8>, _)| owners.get(name.as_slice()).is_some_and(|&owner| owner != at);
            if other_type || shape.roles.iter().any(owned) {
                lost.push((n, part, Fault::TypeConflict));
                continue;
            }
            if known.is_none() {
                by_name.insert(&shape.name, at);
                joined.push(Joined { name: shape.name.clone(), kind: shape.kind, parts: vec![(n, part)] });
            } else {
                joined[at].parts.push((n, part));
            }
            for (name, _) in &shape.roles {
                owners.insert(name, at);
            }
        }
    }
    drop((by_name, owners));
    for (n, part, fault) in lost {
        readers[n].drop_family(fault, part);
    }
    joined
}

/// Families that OpenMetrics cannot have under their type, because the names it reserves for them are taken: the counter
/// `x_total` beside a gauge `x`.
pub(super) fn clashing(families: &[Joined], readers: &[Reader<'_>], taken: &Taken) -> HashSet<usize> {
    let mut used: HashMap<&[u8], usize> = HashMap::new();
    for (at, family) in families.iter().enumerate() {
        for &(n, part) in &family.parts {
            let roles = &readers[n].index.families[part].shape.roles;
            used.extend(roles.iter().map(|(name, _)| (name.as_slice(), at)));
        }
    }
    let mut names = taken.clone();
    let mut clashing = HashSet::new();
    for (at, family) in families.iter().enumerate() {
        let is_taken = |name: &Vec<u8>| {
            names.contains(name) || used.get(name.as_slice()).is_some_and(|&owner| owner != at)
        };
        match reserved(&family.name, family.kind) {
            Some(claims) if !claims.iter().any(is_taken) => names.reserve(claims),
            _ => _ = clashing.insert(at),
        }
    }
    clashing
}

/// Histograms named as samples of another family are: under that TYPE line other parsers look for those.
pub(super) fn hidden(families: &[Joined], readers: &[Reader<'_>]) -> HashSet<usize> {
    let histograms = families.iter().enumerate().filter(|(_, family)| family.kind == Type::Histogram);
    let histograms: HashMap<&[u8], usize> =
        histograms.map(|(at, family)| (family.name.as_slice(), at)).collect();
    let mut hidden = HashSet::new();
    for (at, family) in families.iter().enumerate() {
        let roles = family.parts.iter().flat_map(|&(n, part)| &readers[n].index.families[part].shape.roles);
        let found = roles.filter_map(|(name, _)| histograms.get(name.as_slice()).copied());
        hidden.extend(found.filter(|&histogram| histogram != at));
    }
    hidden
}
