//! The border to Python: the module `meshmeter_native._kernel`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::contract::{Limits, Merged, Options, Source};
use crate::names::Escaping;

/// Counts up with every change that Python code could notice; meshmeter uses a kernel only if it knows its contract.
const CONTRACT: u32 = 3;

/// `(samples, [(reason, count)], [(reason, line, family)])` of one source.
type Stats<'py> = (usize, Vec<(&'static str, usize)>, Vec<(&'static str, usize, Bound<'py, PyBytes>)>);

/// `(samples, labels, label_name_bytes, label_value_bytes)`.
type LimitsTuple = (Option<usize>, Option<usize>, Option<usize>, Option<usize>);

/// `(body, openmetrics, envoy, (label name, escaped label value), limits)`.
type SourceTuple = (PyBackedBytes, bool, bool, Option<(PyBackedBytes, PyBackedBytes)>, LimitsTuple);

/// One valid body from those of the sources, and what became of each. Other threads run meanwhile.
#[pyfunction]
#[pyo3(signature = (sources, *, openmetrics, escaping, merge_clusters, total_bytes))]
fn merge<'py>(
    py: Python<'py>,
    sources: Vec<SourceTuple>,
    openmetrics: bool,
    escaping: &str,
    merge_clusters: bool,
    total_bytes: Option<usize>,
) -> PyResult<(Vec<Bound<'py, PyBytes>>, Vec<Stats<'py>>)> {
    let escaping = escaping_of(escaping)?;
    let options = Options { openmetrics, escaping, merge_clusters, total_bytes };
    let merged = py.detach(|| crate::merge(&borrowed(&sources), &options));
    Ok(answer(py, merged))
}

fn escaping_of(word: &str) -> PyResult<Escaping> {
    Escaping::parse(word).ok_or_else(|| PyValueError::new_err(format!("escaping={word}: no such scheme")))
}

/// Where lines that begin with `# TYPE ` are.
#[pyfunction]
fn heads(py: Python<'_>, body: PyBackedBytes) -> Vec<usize> {
    py.detach(|| crate::text::heads(&body))
}

fn answer<'py>(py: Python<'py>, merged: Merged) -> (Vec<Bound<'py, PyBytes>>, Vec<Stats<'py>>) {
    let stats = merged.sources.into_iter().map(|stats| {
        let dropped = stats.dropped.into_iter().map(|(fault, count)| (fault.word(), count)).collect();
        let problems = stats.problems.into_iter();
        let problems = problems.map(|p| (p.fault.word(), p.line, PyBytes::new(py, &p.family))).collect();
        (stats.samples, dropped, problems)
    });
    let stats = stats.collect();
    (merged.pieces.into_iter().map(|piece| PyBytes::new(py, &piece)).collect(), stats)
}

fn borrowed(sources: &[SourceTuple]) -> Vec<Source<'_>> {
    sources.iter().map(source).collect()
}

fn source(given: &SourceTuple) -> Source<'_> {
    let (body, openmetrics, envoy, label, (samples, labels, label_name_bytes, label_value_bytes)) = given;
    Source {
        body,
        openmetrics: *openmetrics,
        envoy: *envoy,
        label: label.as_ref().map(|(name, value)| (name.as_ref(), value.as_ref())),
        limits: Limits {
            samples: *samples,
            labels: *labels,
            label_name_bytes: *label_name_bytes,
            label_value_bytes: *label_value_bytes,
        },
    }
}

/// The compiled merge kernel of meshmeter.
#[pymodule(gil_used = false)]
fn _kernel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("CONTRACT", CONTRACT)?;
    module.add_function(wrap_pyfunction!(heads, module)?)?;
    module.add_function(wrap_pyfunction!(merge, module)?)
}
