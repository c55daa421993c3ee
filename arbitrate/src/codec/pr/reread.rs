//! Reading an answer whole, however long it is: a pure state, the caller sends the commands.
//!
//! A target that has more to say than there was room for tells so in the answer's own length field.
//! The read is then repeated with that length; where the answer carries a PRGENERATION, the longer one
//! counts only if it says the same generation as the one before it, else it is read again. The number
//! of reads is bounded.
//!
//! ```
//! use arbitrate::codec::pr::{Generation, KeysView, Reread, Step};
//! use arbitrate::key::Key;
//!
//! # fn send(allocation: u16) -> Vec<u8> {
//! #     let keys: Vec<_> = (1..=9).map(Key::from_u64).collect();
//! #     let all = KeysView::emit(Generation(1), &keys);
//! #     all[..all.len().min(usize::from(allocation))].to_vec()
//! # }
//! let mut read = Reread::keys(40);
//! let answer = loop {
//!     let answer = send(read.allocation());
//!     match read.judge(&answer)? {
//!         Step::Complete => break answer,
//!         Step::Again => {}
//!     }
//! };
//! assert_eq!(KeysView::parse(&answer)?.len(), 9);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::types::Generation;
use crate::codec::DecodeError;
use crate::codec::bytes::{be16, be32, u8_at};

/// The most reads for one answer. A target whose registrations change between any two of them is not
/// one to conclude anything from.
pub const MAX_READS: u8 = 8;

/// Where an answer says how long it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    /// READ KEYS, READ RESERVATION, READ FULL STATUS: 32 bits at 4, PRGENERATION at 0.
    Reservations,
    /// REPORT CAPABILITIES: 16 bits at 0, themselves included.
    Capabilities,
    /// A VPD page: 16 bits at 2.
    Vpd,
    /// Standard INQUIRY data: 8 bits at 4.
    Inquiry,
}

/// What to do after an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The answer is whole: decode it.
    Complete,
    /// Send the command again, with [`Reread::allocation`].
    Again,
}

/// Why no whole answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RereadError {
    /// Too short to hold even its own length.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// It claims more than a 16-bit allocation length can ask for.
    #[error("the device has {claimed} bytes to say, and one command can fetch 65535 at most")]
    Oversized {
        /// Bytes it claims to have.
        claimed: usize,
    },
    /// It claims more than it sent though there was room.
    #[error("the device claims {claimed} bytes and sent {sent}, with room for {room}")]
    Withheld {
        /// Bytes it claims to have.
        claimed: usize,
        /// Bytes it sent.
        sent: usize,
        /// Bytes there was room for.
        room: u16,
    },
    /// Registrations changed between every two reads.
    #[error("reservations changed during each of {MAX_READS} reads")]
    Unstable,
}

/// Reads one answer whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reread {
    layout: Layout,
    allocation: u16,
    /// Of the last answer, which was cut or of another generation than the one before.
    seen: Option<Generation>,
    reads: u8,
}

impl Reread {
    /// READ KEYS or READ FULL STATUS, at first with room for `allocation` bytes.
    #[must_use]
    pub const fn keys(allocation: u16) -> Self {
        Self::new(Layout::Reservations, allocation)
    }

    /// READ FULL STATUS.
    #[must_use]
    pub const fn full_status(allocation: u16) -> Self {
        Self::new(Layout::Reservations, allocation)
    }

    /// REPORT CAPABILITIES.
    #[must_use]
    pub const fn capabilities(allocation: u16) -> Self {
        Self::new(Layout::Capabilities, allocation)
    }

    /// A VPD page.
    #[must_use]
    pub const fn vpd(allocation: u16) -> Self {
        Self::new(Layout::Vpd, allocation)
    }

    /// Standard INQUIRY data.
    #[must_use]
    pub const fn inquiry(allocation: u16) -> Self {
        Self::new(Layout::Inquiry, allocation)
    }

    const fn new(layout: Layout, allocation: u16) -> Self {
        // Below the header's length nothing could be learned from the answer.
        let allocation = if allocation < 8 { 8 } else { allocation };
        Self { layout, allocation, seen: None, reads: 0 }
    }

    /// The allocation length of the next read, in bytes.
    #[must_use]
    pub const fn allocation(&self) -> u16 {
        self.allocation
    }

    /// Judges the answer to a read with that length; `answer` is what was really transferred.
    ///
    /// # Errors
    /// [`RereadError`]; the outcome of the read is then Unknown.
    pub fn judge(&mut self, answer: &[u8]) -> Result<Step, RereadError> {
        let claimed = self.claimed(answer)?;
        let generation = match self.layout {
            Layout::Reservations => Some(Generation(be32(answer, 0, "PRGENERATION")?)),
            Layout::Capabilities | Layout::Vpd | Layout::Inquiry => None,
        };
        self.reads = self.reads.saturating_add(1);
        let whole = answer.len() >= claimed;
        if whole && (self.reads == 1 || generation == self.seen) {
            return Ok(Step::Complete);
        }
        if !whole {
            let room = u16::try_from(claimed).map_err(|_| RereadError::Oversized { claimed })?;
            if room <= self.allocation {
                return Err(RereadError::Withheld { claimed, sent: answer.len(), room: self.allocation });
            }
            self.allocation = room;
        }
        if self.reads >= MAX_READS {
            return Err(RereadError::Unstable);
        }
        self.seen = generation;
        Ok(Step::Again)
    }

    /// Bytes the answer says it has, header included.
    fn claimed(&self, b: &[u8]) -> Result<usize, DecodeError> {
        const WHAT: &str = "length of the answer";
        Ok(match self.layout {
            Layout::Reservations => {
                usize::try_from(be32(b, 4, WHAT)?).unwrap_or(usize::MAX).saturating_add(8)
            }
            Layout::Capabilities => usize::from(be16(b, 0, WHAT)?),
            Layout::Vpd => usize::from(be16(b, 2, WHAT)?) + 4,
            Layout::Inquiry => usize::from(u8_at(b, 4, WHAT)?) + 5,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::pr::KeysView;
    use crate::key::Key;

    fn answer(generation: u32, keys: u64, room: u16) -> Vec<u8> {
        let keys: Vec<_> = (1..=keys).map(Key::from_u64).collect();
        let mut b = KeysView::emit(Generation(generation), &keys);
        b.truncate(usize::from(room));
        b
    }

    #[test]
    fn enough_room_needs_one_read() {
        assert_eq!(Reread::keys(24).judge(&answer(1, 2, 24)), Ok(Step::Complete));
    }

    #[test]
    fn a_cut_answer_is_read_at_its_length() {
        let mut r = Reread::keys(24);
        assert_eq!(r.judge(&answer(1, 5, 24)), Ok(Step::Again));
        assert_eq!(r.allocation(), 48);
        assert_eq!(r.judge(&answer(1, 5, 48)), Ok(Step::Complete));
    }

    #[test]
    fn another_generation_begins_the_read_again() {
        let mut r = Reread::keys(24);
        assert_eq!(r.judge(&answer(1, 5, 24)), Ok(Step::Again));
        assert_eq!(r.judge(&answer(2, 4, 48)), Ok(Step::Again));
        assert_eq!(r.judge(&answer(3, 7, 48)), Ok(Step::Again));
        assert_eq!(r.allocation(), 64);
        assert_eq!(r.judge(&answer(3, 7, 64)), Ok(Step::Complete));
    }

    #[test]
    fn a_target_that_never_rests_is_given_up() {
        let mut r = Reread::keys(24);
        for g in 1..u32::from(MAX_READS) {
            assert_eq!(r.judge(&answer(g, 5, r.allocation())), Ok(Step::Again));
        }
        assert_eq!(r.judge(&answer(99, 5, 48)), Err(RereadError::Unstable));
    }

    #[test]
    fn claims_that_cannot_be_met_are_errors() {
        assert_eq!(
            Reread::keys(512).judge(&answer(1, 9000, 512)),
            Err(RereadError::Oversized { claimed: 72_008 })
        );
        let e = Reread::keys(64).judge(&answer(1, 5, 40)).unwrap_err();
        assert_eq!(e, RereadError::Withheld { claimed: 48, sent: 40, room: 64 });
        assert!(matches!(Reread::keys(64).judge(&[0; 7]), Err(RereadError::Malformed(_))));
        let mut page = vec![0, 0x83, 0xff, 0xff];
        page.resize(255, 0);
        assert_eq!(Reread::vpd(255).judge(&page), Err(RereadError::Oversized { claimed: 65_539 }));
    }

    #[test]
    fn pages_have_no_generation() {
        let mut r = Reread::vpd(8);
        assert_eq!(r.judge(&[0, 0x83, 0, 12, 1, 1, 1, 1]), Ok(Step::Again));
        assert_eq!(r.allocation(), 16);
        assert_eq!(r.judge(&[0, 0x83, 0, 12, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]), Ok(Step::Complete));
    }

    proptest! {
        #[test]
        fn any_target_is_read_or_given_up_in_bounds(
            answers in proptest::collection::vec((0..3u32, 0..40u64), 20),
            first: u16,
        ) {
            let mut r = Reread::keys(first);
            for (n, (generation, keys)) in answers.into_iter().enumerate() {
                prop_assert!(n < usize::from(MAX_READS));
                let b = answer(generation, keys, r.allocation());
                match r.judge(&b) {
                    Ok(Step::Again) => {}
                    Ok(Step::Complete) => {
                        prop_assert_eq!(KeysView::parse(&b).unwrap().truncated(), None);
                        break;
                    }
                    Err(e) => {
                        prop_assert_eq!(e, RereadError::Unstable);
                        break;
                    }
                }
            }
        }

        #[test]
        fn arbitrary_answers_do_not_panic(b in proptest::collection::vec(any::<u8>(), 0..64), room: u16) {
            for mut r in [Reread::keys(room), Reread::vpd(room), Reread::inquiry(room), Reread::capabilities(room)] {
                let _ = r.judge(&b);
            }
        }
    }
}
