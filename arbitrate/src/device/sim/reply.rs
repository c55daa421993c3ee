//! What the pure unit hands back: the answer, what it put into the buffer, what is to be done with blocks.

use super::answer::Answer;

/// The end of a command, the data phase included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Reply {
    /// Status and sense.
    pub answer: Answer,
    /// Bytes of the data buffer that were, or are to be, transferred.
    pub moved: usize,
    /// What the caller does with the blocks before it answers.
    pub medium: Medium,
}

/// What is to be done with the blocks, [`Reply::moved`] bytes of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Medium {
    /// Nothing.
    None,
    /// Read into the data buffer.
    Read {
        /// Bytes from the first block.
        offset: u64,
    },
    /// Write from the data buffer.
    Write {
        /// Bytes from the first block.
        offset: u64,
    },
}

impl Reply {
    /// A command that moved nothing.
    pub const fn ended(answer: Answer) -> Self {
        Self { answer, moved: 0, medium: Medium::None }
    }

    /// GOOD, with this many bytes moved.
    pub const fn moved(moved: usize) -> Self {
        Self { answer: Answer::Good, moved, medium: Medium::None }
    }
}

/// Writes data-in: what lies beyond the allocation length or the buffer is dropped (SPC-4 4.2.5.6).
#[derive(Debug)]
pub(super) struct DataIn<'a> {
    buffer: &'a mut [u8],
    at: usize,
}

impl<'a> DataIn<'a> {
    pub(super) fn new(buffer: &'a mut [u8], allocation: usize) -> Self {
        let n = buffer.len().min(allocation);
        Self { buffer: &mut buffer[..n], at: 0 }
    }

    pub(super) fn put(&mut self, b: &[u8]) {
        let n = b.len().min(self.buffer.len() - self.at);
        self.buffer[self.at..self.at + n].copy_from_slice(&b[..n]);
        self.at += n;
    }

    pub(super) fn reply(self) -> Reply {
        Reply::moved(self.at)
    }
}
