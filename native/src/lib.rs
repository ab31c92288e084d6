//! The compiled merge kernel of meshmeter: several exposition bodies in, one valid body out.
//!
//! The twin of `meshmeter.exposition.merge_python`, with the same modules: the same bytes and the same counts for the
//! same input. `python` is the border to Python; everything else knows nothing of it.

pub mod blocks;
pub mod clusters;
pub mod contract;
pub mod deadline;
pub mod encoder;
pub mod families;
pub mod index;
pub mod labels;
pub mod merge;
pub mod names;
pub mod numbers;
pub mod pieces;
mod plain;
#[cfg(feature = "python")]
mod python;
pub mod reading;
pub mod sample;
pub mod samples;
pub mod soundness;
pub mod split;
pub mod taken;
pub mod text;

pub use contract::{Fault, Limits, Merged, Options, Problem, Source, SourceStats};
pub use merge::Merging;
