//! What was already received: the anti-replay window of RFC 4303 section 3.4.3, 64 datagrams wide.
//!
//! Only for datagrams whose MAC was verified: a forged one must not move the window.

/// Which of the last sequences arrived, for one sender's life on one link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Window {
    highest: u64,
    seen: u64,
}

/// What a sequence is to its window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fresh {
    /// The newest so far; so many before it have not arrived (yet).
    Newest {
        /// Sequences left out since the newest before it.
        skipped: u64,
    },
    /// Late, but new.
    Reordered,
    /// Received before, or too old to tell.
    Seen,
}

impl Window {
    /// Takes note of `sequence`, which is never 0.
    pub fn take(&mut self, sequence: u64) -> Fresh {
        if sequence > self.highest {
            let step = sequence - self.highest;
            self.seen = if step >= 64 { 0 } else { self.seen << step };
            self.seen |= 1;
            let skipped = if self.highest == 0 { 0 } else { step - 1 };
            self.highest = sequence;
            return Fresh::Newest { skipped };
        }
        let back = self.highest - sequence;
        if sequence == 0 || back >= 64 || self.seen & (1 << back) != 0 {
            return Fresh::Seen;
        }
        self.seen |= 1 << back;
        Fresh::Reordered
    }

    /// The newest sequence; 0 before the first.
    #[must_use]
    pub const fn highest(&self) -> u64 {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn newest_reordered_seen() {
        let mut w = Window::default();
        assert_eq!(w.take(10), Fresh::Newest { skipped: 0 });
        assert_eq!(w.take(13), Fresh::Newest { skipped: 2 });
        assert_eq!(w.take(11), Fresh::Reordered);
        assert_eq!(w.take(11), Fresh::Seen);
        assert_eq!(w.take(13), Fresh::Seen);
        assert_eq!(w.take(13 + 64), Fresh::Newest { skipped: 63 });
        assert_eq!(w.take(13), Fresh::Seen, "64 back: too old to tell");
        assert_eq!(w.take(14), Fresh::Reordered, "63 back: the last that can be told");
    }

    proptest! {
        #[test]
        fn nothing_is_taken_twice(sequences in proptest::collection::vec(1u64..200, 1..400)) {
            let (mut w, mut taken) = (Window::default(), HashSet::new());
            for s in sequences {
                match w.take(s) {
                    Fresh::Seen => prop_assert!(taken.contains(&s) || s + 64 <= w.highest()),
                    _ => prop_assert!(taken.insert(s), "{} twice", s),
                }
            }
        }
    }
}
