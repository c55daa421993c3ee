//! What the pure unit hands back: the answer, what it put into the buffer, what is to be done with blocks.

use super::answer::Answer;
use crate::device::SenseBytes;

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
    /// The INFORMATION field of the sense data (SPC-4 4.5.3), where the command defines one: the offset of
    /// the first byte that COMPARE AND WRITE found to differ.
    pub information: Option<u32>,
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
    /// Compare with the first half of the data buffer; if they are equal, write the second half.
    CompareAndWrite {
        /// Bytes from the first block.
        offset: u64,
    },
}

impl Reply {
    /// A command that moved nothing.
    pub const fn ended(answer: Answer) -> Self {
        Self { answer, moved: 0, medium: Medium::None, information: None }
    }

    /// GOOD, with this many bytes moved.
    pub const fn moved(moved: usize) -> Self {
        Self { answer: Answer::Good, moved, medium: Medium::None, information: None }
    }

    /// The sense data as bytes, fixed format.
    #[must_use]
    pub fn sense_bytes(&self) -> SenseBytes {
        let Some(sense) = self.answer.sense() else { return SenseBytes::EMPTY };
        let mut b = sense.emit_fixed();
        if let Some(n) = self.information {
            // VALID, and the field.
            b[0] |= 0x80;
            b[3..7].copy_from_slice(&n.to_be_bytes());
        }
        SenseBytes::new(&b)
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

    /// As LIO: zeros up to the end of the buffer.
    pub(super) fn padded(self) -> Reply {
        self.buffer[self.at..].fill(0);
        Reply::moved(self.buffer.len())
    }
}
