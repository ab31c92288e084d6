//! The names that an answer has already, so that no later family gets one of them.

use hashbrown::HashSet;

use crate::families::{Shape, Type, openmetrics_claims, openmetrics_name};

/// Names that what was written uses or reserves.
#[derive(Clone, Default)]
pub struct Taken {
    names: HashSet<Vec<u8>>,
}

impl Taken {
    /// Whether a name is taken.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.names.contains(name)
    }

    /// Whether a family cannot be in the answer.
    #[must_use]
    pub fn has(&self, shape: &Shape) -> bool {
        self.contains(&shape.name) || shape.roles.iter().any(|(name, _)| self.contains(name))
    }

    /// What a family would reserve under its type; `None` if it cannot have it.
    #[must_use]
    pub fn claims(&self, shape: &Shape) -> Option<Vec<Vec<u8>>> {
        reserved(&shape.name, shape.kind).filter(|names| !names.iter().any(|name| self.contains(name)))
    }

    /// A family was written, with what it reserves if it was written under its type.
    pub fn add(&mut self, shape: Shape, claims: Option<Vec<Vec<u8>>>) {
        self.names.insert(shape.name);
        self.names.extend(shape.roles.into_iter().map(|(name, _)| name));
        self.reserve(claims.unwrap_or_default());
    }

    /// Take names.
    pub fn reserve(&mut self, names: Vec<Vec<u8>>) {
        self.names.extend(names);
    }
}

/// The names that OpenMetrics reserves for a family under its type, if it does for such a type; `None` if it cannot have
/// the family under its type.
#[must_use]
pub fn reserved(name: &[u8], kind: Type) -> Option<Vec<Vec<u8>>> {
    match kind {
        Type::Gauge | Type::Unknown | Type::StateSet => Some(Vec::new()),
        Type::Counter if !name.ends_with(b"_total") => None,
        _ if openmetrics_name(name, kind).is_empty() => None,
        _ => Some(openmetrics_claims(name, kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_has_the_names() {
        let mut taken = Taken::default();
        let gauge = Shape::new(b"x", Type::Gauge, false);
        let claims = taken.claims(&gauge);
        taken.add(gauge.clone(), claims);
        assert!(taken.has(&gauge));
        let counter = Shape::new(b"x_total", Type::Counter, false);
        assert!(!taken.has(&counter));
        assert_eq!(taken.claims(&counter), None);
        taken.add(counter, None);
        assert!(!taken.contains(b"x_created"));
        assert_eq!(reserved(b"x", Type::Counter), None);
    }
}
