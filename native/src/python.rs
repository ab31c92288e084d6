//! The border to Python: the module `meshmeter_native._kernel`.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::contract::{Limits, Merged, Options, Source};
use crate::deadline::Deadline;
use crate::names::Escaping;

/// The second number of the version (`Cargo.toml` says when it counts up), which Cargo has found to be a number.
const CONTRACT: u32 = match u32::from_str_radix(env!("CARGO_PKG_VERSION_MINOR"), 10) {
    Ok(number) => number,
    Err(_) => 0,
};

/// Bytes of Envoy's body that are merged at a time.
const PART: usize = 1 << 20;

/// `(reason, line, family, text)` of the first thing that was dropped for a reason.
type ProblemTuple<'py> = (&'static str, usize, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// `(samples, [(reason, count)], problems)` of one source.
type Stats<'py> = (usize, Vec<(&'static str, usize)>, Vec<ProblemTuple<'py>>);

/// `(samples, labels, label_name_bytes, label_value_bytes)`.
type LimitsTuple = (Option<usize>, Option<usize>, Option<usize>, Option<usize>);

/// `(body, openmetrics, envoy, (label name, escaped label value), limits)`.
type SourceTuple = (PyBackedBytes, bool, bool, Option<(PyBackedBytes, PyBackedBytes)>, LimitsTuple);

/// Pieces of the answer, and what became of each source.
type Answer<'py> = (Vec<Bound<'py, PyBytes>>, Vec<Stats<'py>>);

/// One answer while it comes into being. Other threads run while it works.
#[pyclass(frozen, module = "meshmeter_native")]
struct Merging {
    /// None once it is finished.
    inner: Mutex<Option<crate::Merging>>,
}

impl Merging {
    fn with<T>(&self, work: impl FnOnce(&mut Option<crate::Merging>) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl Merging {
    /// Begin an answer, which may take so many `seconds`; `limits` are those of what is fed.
    #[new]
    #[pyo3(signature = (limits, *, openmetrics, escaping, merge_clusters, total_bytes, seconds))]
    fn new(
        limits: LimitsTuple,
        openmetrics: bool,
        escaping: &str,
        merge_clusters: bool,
        total_bytes: Option<usize>,
        seconds: Option<f64>,
    ) -> PyResult<Self> {
        let escaping = Escaping::parse(escaping)
            .ok_or_else(|| PyValueError::new_err(format!("escaping={escaping}: no such scheme")))?;
        let deadline = Deadline::after(seconds);
        let fed = self::limits(limits);
        let options = Options { openmetrics, escaping, merge_clusters, total_bytes, deadline, fed };
        Ok(Merging { inner: Mutex::new(Some(crate::Merging::new(&options))) })
    }

    /// Some more of Envoy's body; what of the answer can be sent now. In parts, so that what is written for one is
    /// still in the processor's cache when it becomes Python's.
    fn feed<'py>(&self, py: Python<'py>, piece: PyBackedBytes) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let mut made = Vec::new();
        let empty = piece.is_empty().then_some(&piece[..]);
        for part in piece.chunks(PART).chain(empty) {
            py.detach(|| self.with(|merging| merging.as_mut().map(|merging| merging.feed(part).len())))
                .ok_or_else(over)?;
            self.with(|merging| {
                let given = merging.as_ref().map(crate::Merging::made).filter(|given| !given.is_empty());
                made.extend(given.map(|given| PyBytes::new(py, given)));
            });
        }
        Ok(made)
    }

    /// The rest of the answer, and what became of all sources: of Envoy first, if anything was fed.
    fn finish<'py>(&self, py: Python<'py>, sources: Vec<SourceTuple>, whole: bool) -> PyResult<Answer<'py>> {
        let merged = py.detach(|| {
            let merging = self.with(Option::take)?;
            Some(merging.finish(&borrowed(&sources), whole))
        });
        Ok(answer(py, merged.ok_or_else(over)?))
    }
}

fn over() -> PyErr {
    PyValueError::new_err("this answer is finished")
}

fn given(py: Python<'_>, pieces: Vec<Vec<u8>>) -> Vec<Bound<'_, PyBytes>> {
    pieces.into_iter().map(|piece| PyBytes::new(py, &piece)).collect()
}

fn answer(py: Python<'_>, merged: Merged) -> Answer<'_> {
    let stats = merged.sources.into_iter().map(|stats| {
        let dropped = stats.dropped.into_iter().map(|(fault, count)| (fault.word(), count)).collect();
        let problems = stats.problems.into_iter();
        let problems = problems
            .map(|p| (p.fault.word(), p.line, PyBytes::new(py, &p.family), PyBytes::new(py, &p.text)));
        let problems = problems.collect();
        (stats.samples, dropped, problems)
    });
    let stats = stats.collect();
    (given(py, merged.pieces), stats)
}

fn borrowed(sources: &[SourceTuple]) -> Vec<Source<'_>> {
    sources.iter().map(source).collect()
}

fn source(given: &SourceTuple) -> Source<'_> {
    let (body, openmetrics, envoy, label, limits) = given;
    Source {
        body,
        openmetrics: *openmetrics,
        envoy: *envoy,
        label: label.as_ref().map(|(name, value)| (name.as_ref(), value.as_ref())),
        limits: self::limits(*limits),
    }
}

fn limits((samples, labels, label_name_bytes, label_value_bytes): LimitsTuple) -> Limits {
    Limits { samples, labels, label_name_bytes, label_value_bytes }
}

/// The compiled merge kernel of meshmeter.
#[pymodule(gil_used = false)]
fn _kernel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("CONTRACT", CONTRACT)?;
    module.add_class::<Merging>()
}
