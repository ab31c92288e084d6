//! Blocks: a body of Envoy, cut into its families while it arrives.
//!
//! A block begins with the comment lines that stand together with a `# TYPE` line, and ends where the next one begins.
//! What the blocks are depends on the body alone, not on the pieces in which it comes.

use memchr::{memmem, memrchr};

/// What a block has at its beginning, or after other comments.
pub const HEAD: &[u8] = b"# TYPE ";
const AFTER_LINE: &[u8] = b"\n# TYPE ";

/// Feed it the body in pieces of any size; each time it gives the blocks that are whole.
#[derive(Default)]
pub struct Blocks {
    held: Vec<u8>,
    /// Bytes of `held` in which every head was found.
    seen: usize,
    /// Where the last head in `held` is; 0 if there is none but perhaps at its beginning.
    head: usize,
}

impl Blocks {
    /// Take some more of the body. The first block is what stands before the first head, if anything does. Of a large
    /// piece only what belongs to the blocks at its ends is copied.
    pub fn feed(&mut self, piece: &[u8], mut take: impl FnMut(&[u8])) {
        let Some(sure) = first_sure(piece) else {
            self.held.extend_from_slice(piece);
            let (starts, head) = starts(&self.held, self.seen, self.head);
            let last = each(&self.held, &starts, &mut take);
            self.held.drain(..last);
            self.seen = self.held.len();
            self.head = head.saturating_sub(last);
            return;
        };
        let (before, piece) = piece.split_at(sure);
        self.held.extend_from_slice(before);
        let (mut found, _) = starts(&self.held, self.seen, self.head);
        found.push(self.held.len());
        each(&self.held, &found, &mut take);
        let (found, head) = starts(piece, 0, 0);
        let last = each(piece, &found, &mut take);
        self.held.clear();
        self.held.extend_from_slice(&piece[last..]);
        self.seen = self.held.len();
        self.head = head.saturating_sub(last);
    }

    /// The last block: nothing more will come.
    #[must_use]
    pub fn rest(self) -> Vec<u8> {
        self.held
    }
}

/// Hand over what lies between the starts, from the beginning on. Returns the last one.
fn each(text: &[u8], starts: &[usize], take: &mut impl FnMut(&[u8])) -> usize {
    let mut done = 0;
    for &start in starts {
        take(&text[done..start]);
        done = start;
    }
    done
}

/// Where blocks begin whose heads are not within the first `seen` bytes, but for one at the beginning; and where the
/// last head is.
fn starts(text: &[u8], seen: usize, mut last: usize) -> (Vec<usize>, usize) {
    let from = seen.saturating_sub(AFTER_LINE.len() - 1);
    let mut found = Vec::new();
    for at in memmem::find_iter(&text[from..], AFTER_LINE) {
        let head = from + at + 1;
        let start = first_comment(text, last, head);
        last = head;
        if start > 0 {
            found.push(start);
        }
    }
    (found, last)
}

/// Where the first of the comments is that stand together with a head; 0 if the text's beginning or the head before is
/// among them.
fn first_comment(text: &[u8], before: usize, head: usize) -> usize {
    let mut at = head;
    while at > before {
        let line = memrchr(b'\n', &text[before..at - 1]).map_or(before, |found| before + found + 1);
        if text[line] != b'#' {
            return at;
        }
        at = line;
    }
    0
}

/// Where the first block begins that does so for sure, whatever was before the piece: it has a line before it that is
/// whole and no comment.
fn first_sure(piece: &[u8]) -> Option<usize> {
    let mut low = 0;
    for found in memmem::find_iter(piece, AFTER_LINE) {
        let mut at = found + 1;
        while let Some(newline) = memrchr(b'\n', &piece[low..at - 1]) {
            let line = low + newline + 1;
            if piece[line] != b'#' {
                return Some(at);
            }
            at = line;
        }
        low = found + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] =
        b"first 1\n# HELP a x\n# TYPE a gauge\na 1\n# odd\n\n# TYPE b gauge\n# TYPE c gauge\n# HELP d\n\
        # TYPE d gauge\nd 1\n# TYPE e gauge\n# TYPE f";

    fn blocks(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut blocks, mut found) = (Blocks::default(), Vec::new());
        pieces.iter().for_each(|piece| blocks.feed(piece, |block| found.push(block.to_vec())));
        found.push(blocks.rest());
        found
    }

    #[test]
    fn the_same_blocks_however_it_is_cut() {
        let whole = blocks(&[BODY]);
        let heads: Vec<&[u8]> = whole.iter().map(|block| &block[..8]).collect();
        assert_eq!(heads, [b"first 1\n", b"# HELP a", b"# TYPE b", b"# TYPE e"]);
        assert_eq!(whole.concat(), BODY);
        for a in 0..BODY.len() {
            for b in a..BODY.len() {
                assert_eq!(blocks(&[&BODY[..a], &BODY[a..b], &BODY[b..]]), whole, "{a} {b}");
            }
        }
        let bytes: Vec<&[u8]> = BODY.chunks(1).collect();
        assert_eq!(blocks(&bytes), whole);
    }
}
