//! The answer while it is written, in pieces of whole lines: a large one is never moved as a whole.

/// Bytes after which a piece is complete.
pub const PIECE: usize = 1 << 20;

/// What is written.
#[derive(Default)]
pub struct Pieces {
    /// Pieces that are complete.
    done: Vec<Vec<u8>>,
    /// What comes behind them.
    last: Vec<u8>,
    /// Whether it is cut.
    cut: bool,
}

/// The end of what was written at some time.
#[derive(Clone, Copy)]
pub struct Mark {
    done: usize,
    last: usize,
}

impl Pieces {
    /// Cut what follows.
    pub fn begin_cutting(&mut self) {
        self.cut = true;
    }

    /// What is not cut.
    #[must_use]
    pub fn last(&self) -> &[u8] {
        &self.last
    }

    /// As `last`, to be written to; nothing before its present end may be changed.
    pub fn last_mut(&mut self) -> &mut Vec<u8> {
        &mut self.last
    }

    /// Forget what is not cut.
    pub fn clear(&mut self) {
        self.last.clear();
    }

    /// Write a part of a line.
    pub fn push(&mut self, bytes: &[u8]) {
        self.last.extend_from_slice(bytes);
    }

    /// Write the end of a line.
    pub fn end_line(&mut self) {
        self.last.push(b'\n');
        if self.cut && self.last.len() >= PIECE {
            let next = Vec::with_capacity(self.last.len());
            self.done.push(std::mem::replace(&mut self.last, next));
        }
    }

    /// Where the end is.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { done: self.done.len(), last: self.last.len() }
    }

    /// How much was written since.
    #[must_use]
    pub fn since(&self, mark: Mark) -> usize {
        let done: usize = self.done[mark.done..].iter().map(Vec::len).sum();
        done + self.last.len() - mark.last
    }

    /// Take back what was written since.
    pub fn back(&mut self, mark: Mark) {
        if let Some(first) = self.done.get_mut(mark.done) {
            self.last = std::mem::take(first);
        }
        self.done.truncate(mark.done);
        self.last.truncate(mark.last);
    }

    /// All of it.
    #[must_use]
    pub fn end(mut self) -> Vec<Vec<u8>> {
        if !self.last.is_empty() {
            self.done.push(self.last);
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_was_not_written() {
        for lines in [0, 1, 3] {
            let mut pieces = Pieces::default();
            pieces.begin_cutting();
            pieces.push(b"a");
            pieces.end_line();
            let mark = pieces.mark();
            for _ in 0..lines {
                pieces.push(&vec![b'v'; PIECE]);
                pieces.end_line();
            }
            assert_eq!(pieces.since(mark), lines * (PIECE + 1));
            pieces.back(mark);
            assert_eq!(pieces.since(mark), 0);
            assert_eq!(pieces.end(), [b"a\n"]);
        }
    }
}
