//! When merging has to be over, asked for in between by everything that may take long.

use std::time::{Duration, Instant};

/// How many lines are read between two looks at the clock.
const LINES: usize = 4096;

/// There is no time left.
#[derive(Debug)]
pub struct Late;

/// A moment; without one there is time for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadline {
    end: Option<Instant>,
}

impl Deadline {
    /// So many seconds from now on.
    #[must_use]
    pub fn after(seconds: Option<f64>) -> Self {
        let end = seconds.and_then(|seconds| {
            let wait = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?; // else longer than there will be time
            Instant::now().checked_add(wait)
        });
        Deadline { end }
    }

    /// Fails if it is over.
    pub fn check(self) -> Result<(), Late> {
        if self.end.is_some_and(|end| Instant::now() >= end) { Err(Late) } else { Ok(()) }
    }

    /// As `check`, for the line of this number: looks at the clock now and then.
    pub fn check_line(self, line: usize) -> Result<(), Late> {
        if line % LINES == 0 { self.check() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_or_not() {
        assert!(Deadline::after(Some(0.0)).check().is_err());
        assert!(Deadline::after(Some(-1.0)).check_line(LINES).is_err());
        assert!(Deadline::after(Some(0.0)).check_line(1).is_ok());
        for seconds in [None, Some(1e6), Some(1e300), Some(f64::INFINITY)] {
            assert!(Deadline::after(seconds).check().is_ok());
        }
    }
}
