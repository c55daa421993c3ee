//! A view over the bytes of a datagram. Checks length, magic and version once, then reads fields.

use super::repr::{Echo, Flags, Handshake, Member, Pace, Repr, To};
use arbitrate::codec::quorum::Epoch;
use arbitrate::key::{ClusterId, Incarnation};

/// Length of a datagram, bytes.
pub const LEN: usize = 112;
/// Where the MAC begins.
pub const MAC_AT: usize = LEN - MAC_LEN;
/// Length of the MAC, bytes.
pub const MAC_LEN: usize = 16;

const MAGIC: [u8; 3] = *b"PHB";
const VERSION: u8 = 1;

const _: () = assert!(LEN <= 128, "the datagram is to fit beside every tunnel's headers");

/// Why bytes are not a datagram of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WireError {
    /// Shorter or longer than [`LEN`].
    #[error("{0} bytes instead of {LEN}")]
    Length(usize),
    /// Something else is sent to this port.
    #[error("not a heartbeat")]
    Magic,
    /// A newer or older program.
    #[error("heartbeat version {0}; this program speaks {VERSION}")]
    Version(u8),
    /// A field holds what no sender of ours writes.
    #[error("{0} makes no sense")]
    Field(&'static str),
}

/// The bytes of a datagram, its length, magic and version checked.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a>(&'a [u8; LEN]);

impl<'a> Packet<'a> {
    /// Looks at `bytes` as a datagram.
    ///
    /// # Errors
    /// [`WireError::Length`], [`WireError::Magic`], [`WireError::Version`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, WireError> {
        let b: &[u8; LEN] = bytes.try_into().map_err(|_| WireError::Length(bytes.len()))?;
        if b[..3] != MAGIC {
            return Err(WireError::Magic);
        }
        if b[3] != VERSION {
            return Err(WireError::Version(b[3]));
        }
        Ok(Self(b))
    }

    const fn u16_at(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.0[at], self.0[at + 1]])
    }

    fn u32_at(&self, at: usize) -> u32 {
        let mut v = [0; 4];
        v.copy_from_slice(&self.0[at..at + 4]);
        u32::from_be_bytes(v)
    }

    fn u64_at(&self, at: usize) -> u64 {
        let mut v = [0; 8];
        v.copy_from_slice(&self.0[at..at + 8]);
        u64::from_be_bytes(v)
    }

    /// Which cluster it claims to belong to.
    #[must_use]
    pub fn cluster(&self) -> ClusterId {
        ClusterId::from_u32(self.u32_at(4))
    }

    /// Under which key it claims to be authenticated.
    #[must_use]
    pub const fn key_id(&self) -> u8 {
        self.0[11]
    }

    /// What the MAC covers.
    #[must_use]
    pub fn covered(&self) -> &'a [u8] {
        &self.0[..MAC_AT]
    }

    /// The MAC it carries.
    #[must_use]
    pub fn mac(&self) -> [u8; MAC_LEN] {
        let mut mac = [0; MAC_LEN];
        mac.copy_from_slice(&self.0[MAC_AT..]);
        mac
    }

    /// All fields as values that make sense.
    ///
    /// # Errors
    /// [`WireError::Field`] names the first that does not.
    pub fn parse(&self) -> Result<Repr, WireError> {
        let b = self.0;
        let sender = Member::new(self.u16_at(8)).ok_or(WireError::Field("sender"))?;
        let to = Member::new(self.u16_at(34)).map_or(To::Everybody, To::One);
        let incarnation = Incarnation::new(self.u32_at(12)).map_err(|_| WireError::Field("incarnation"))?;
        let pace = Pace::new(self.u32_at(24), self.u32_at(28), b[32])
            .ok_or(WireError::Field("interval or multiplier"))?;
        let flags = Flags::from_bits(b[33]).ok_or(WireError::Field("flags"))?;
        if b[77..80] != [0; 3] {
            return Err(WireError::Field("a reserved byte"));
        }
        let sequence = self.u64_at(16);
        if sequence == 0 {
            return Err(WireError::Field("sequence"));
        }
        let echo = match (self.u64_at(64), self.u32_at(72), b[76]) {
            (0, 0, 0) => None,
            (0, _, _) => return Err(WireError::Field("echo")),
            (sequence, held_us, link) => Some(Echo { sequence, held_us, link }),
        };
        Ok(Repr {
            cluster: self.cluster(),
            sender,
            to,
            link: b[10],
            key_id: self.key_id(),
            flags,
            incarnation,
            sequence,
            pace,
            stall_us: self.u32_at(36),
            epoch: Epoch(self.u64_at(40)),
            log_position: self.u64_at(48),
            slot_sequence: self.u64_at(56),
            echo,
            handshake: Handshake { challenge: self.u64_at(80), response: self.u64_at(88) },
        })
    }
}

/// Writes every field before the MAC.
pub(super) fn emit(r: &Repr, out: &mut [u8; LEN]) {
    let put = |out: &mut [u8; LEN], at: usize, v: &[u8]| out[at..at + v.len()].copy_from_slice(v);
    *out = [0; LEN];
    put(out, 0, &MAGIC);
    out[3] = VERSION;
    put(out, 4, &r.cluster.as_u32().to_be_bytes());
    put(out, 8, &r.sender.get().to_be_bytes());
    out[10] = r.link;
    out[11] = r.key_id;
    put(out, 12, &r.incarnation.get().to_be_bytes());
    put(out, 16, &r.sequence.to_be_bytes());
    put(out, 24, &r.pace.interval_us().to_be_bytes());
    put(out, 28, &r.pace.slowest_us().to_be_bytes());
    out[32] = r.pace.multiplier();
    out[33] = r.flags.bits();
    if let To::One(n) = r.to {
        put(out, 34, &n.get().to_be_bytes());
    }
    put(out, 36, &r.stall_us.to_be_bytes());
    put(out, 40, &r.epoch.0.to_be_bytes());
    put(out, 48, &r.log_position.to_be_bytes());
    put(out, 56, &r.slot_sequence.to_be_bytes());
    if let Some(e) = r.echo {
        put(out, 64, &e.sequence.to_be_bytes());
        put(out, 72, &e.held_us.to_be_bytes());
        out[76] = e.link;
    }
    put(out, 80, &r.handshake.challenge.to_be_bytes());
    put(out, 88, &r.handshake.response.to_be_bytes());
}
