//! One request and its answer, over datagrams first, over a stream if that fails: what is sent next. Pure.
//!
//! ```text
//!   datagram, 0.3 s -> again, 0.3 s -> stream, 1 s -> no answer      1.6 s at the most
//!   a cut answer, or a request of more than 512 bytes: the stream at once
//! ```

use std::time::Duration;

/// Bytes a datagram may have without EDNS (RFC 1035 section 2.3.4).
const LONGEST_DATAGRAM: usize = 512;
/// How often a datagram is sent.
const DATAGRAMS: u8 = 2;
/// How long a datagram's answer is waited for.
const DATAGRAM_PATIENCE: Duration = Duration::from_millis(300);
/// How long a stream's answer is waited for, the connection included.
const STREAM_PATIENCE: Duration = Duration::from_secs(1);

/// What became of the last move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An answer, and it was cut.
    Cut,
    /// No answer in time, or none was possible (port closed, no route).
    Nothing,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Send a datagram and wait that long for its answer.
    Datagram(Duration),
    /// Connect, send, and read the answer, all within that time.
    Stream(Duration),
    /// Give up: nothing is known.
    GiveUp,
}

/// One exchange.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    datagrams: u8,
    streamed: bool,
}

impl Talk {
    /// Begins it, for a request of `bytes`; the first move.
    #[must_use]
    pub const fn begin(bytes: usize) -> (Self, Move) {
        if bytes > LONGEST_DATAGRAM {
            (Self { datagrams: DATAGRAMS, streamed: true }, Move::Stream(STREAM_PATIENCE))
        } else {
            (Self { datagrams: 1, streamed: false }, Move::Datagram(DATAGRAM_PATIENCE))
        }
    }

    /// The next move.
    pub fn next(&mut self, event: Event) -> Move {
        if self.streamed {
            return Move::GiveUp;
        }
        if event == Event::Nothing && self.datagrams < DATAGRAMS {
            self.datagrams += 1;
            return Move::Datagram(DATAGRAM_PATIENCE);
        }
        self.streamed = true;
        Move::Stream(STREAM_PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moves(bytes: usize, events: &[Event]) -> Vec<Move> {
        let (mut talk, first) = Talk::begin(bytes);
        std::iter::once(first).chain(events.iter().map(|e| talk.next(*e))).collect()
    }

    #[test]
    fn a_silent_server_is_asked_three_times_and_given_up() {
        let (d, s) = (Move::Datagram(DATAGRAM_PATIENCE), Move::Stream(STREAM_PATIENCE));
        assert_eq!(moves(100, &[Event::Nothing; 4]), [d, d, s, Move::GiveUp, Move::GiveUp]);
    }

    #[test]
    fn what_does_not_fit_a_datagram_goes_by_stream_at_once() {
        let (d, s) = (Move::Datagram(DATAGRAM_PATIENCE), Move::Stream(STREAM_PATIENCE));
        assert_eq!(moves(100, &[Event::Cut, Event::Cut]), [d, s, Move::GiveUp]);
        assert_eq!(moves(513, &[Event::Nothing]), [s, Move::GiveUp]);
        assert_eq!(moves(512, &[]), [d]);
    }
}
