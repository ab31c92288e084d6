//! What the compiled kernel promises for every case, as far as it can be seen without parsers of others.
//!
//! Cases that are worth keeping are judged by those, and merged by the Python kernel too, afterwards:
//! tests/support/coverage_guided.py.

mod case;
mod claims;

pub use claims::check;
