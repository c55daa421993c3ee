//! A peer's new life is admitted when it returns a nonce we sent to it: a recording cannot.
//!
//! ```text
//!  A (new life)                         B
//!   | heartbeat, life 8  ------------->  |  unknown life: not counted as heard
//!   | <----------- heartbeat, nonce n    |  with B's next ordinary datagram, never at once
//!   | heartbeat, life 8, returns n --->  |  admitted; a fresh nonce for the next life
//! ```

use arbitrate::key::Incarnation;

use crate::heartbeat::wire::Handshake;

/// Nonces nobody can foretell: keyed BLAKE3 of a counter. Never 0.
#[derive(Clone, Debug)]
pub struct Nonces {
    seed: [u8; 32],
    count: u64,
}

impl Nonces {
    /// Nonces from 32 random bytes.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, count: 0 }
    }

    pub(super) fn fresh(&mut self) -> u64 {
        self.count += 1;
        let hash = blake3::keyed_hash(&self.seed, &self.count.to_be_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_be_bytes(first).max(1)
    }
}

/// Which life of a peer counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Admission {
    admitted: Option<Incarnation>,
    /// A later life that has yet to return our nonce.
    candidate: Option<Incarnation>,
    /// The nonce it has to return; 0 before one is needed.
    nonce: u64,
    /// Its nonce for us to return; 0: none.
    owed: u64,
}

/// What a life is to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    Old,
    Unproven,
    Known,
    /// Admitted by this very datagram.
    New,
}

impl Admission {
    /// Looks at the life and the handshake of a datagram whose MAC was verified.
    pub(super) fn look(&mut self, life: Incarnation, handshake: Handshake, to_us_alone: bool) -> Life {
        if self.admitted.is_some_and(|a| life < a) {
            return Life::Old;
        }
        if self.candidate.is_some_and(|c| life < c) && self.admitted != Some(life) {
            return Life::Old;
        }
        if self.admitted == Some(life) {
            return Life::Known;
        }
        self.candidate = Some(life);
        if to_us_alone && self.nonce != 0 && handshake.response == self.nonce {
            *self = Self { admitted: Some(life), candidate: None, nonce: 0, owed: 0 };
            return Life::New;
        }
        Life::Unproven
    }

    /// The peer's nonce, for our next datagram to return; 0: it wants none.
    pub(super) const fn owe(&mut self, nonce: u64) {
        self.owed = nonce;
    }

    /// What our next datagram to the peer carries. A nonce goes out as long as a life is unproven, and
    /// before any was heard: a peer that starts second is admitted one tick sooner.
    pub(super) fn offer(&mut self, nonces: &mut Nonces) -> Handshake {
        if self.nonce == 0 && (self.admitted.is_none() || self.candidate.is_some()) {
            self.nonce = nonces.fresh();
        }
        Handshake { challenge: self.nonce, response: self.owed }
    }

    pub(super) const fn admitted(&self) -> Option<Incarnation> {
        self.admitted
    }
}
