//! Frames that announce and ask: ARP (RFC 826, 5227) and neighbour discovery (RFC 4861), Ethernet header included.
//!
//! Built whole before they are needed, so that sending one costs a system call and nothing else. Decoders
//! check every bound and believe no length field. Pure.

pub mod arp;
pub mod ndp;

use arrayvec::ArrayVec;
use pnet_base::MacAddr;

/// The longest frame built here: a neighbour advertisement.
pub const LONGEST: usize = 14 + 40 + 32;

/// A frame ready to be sent.
pub type Frame = ArrayVec<u8, LONGEST>;

/// A frame that is none of those this project understands, or is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Fewer bytes than the protocol needs.
    #[error("cut off: {got} bytes of {need}")]
    Short {
        /// Bytes there are.
        got: usize,
        /// Bytes needed.
        need: usize,
    },
    /// Another protocol.
    #[error("not {0}")]
    Other(&'static str),
    /// A field that the RFC forbids: the receiver must drop the frame.
    #[error("invalid: {0}")]
    Invalid(&'static str),
}

/// The kernel's number of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkIndex(pub u32);

/// ff:ff:ff:ff:ff:ff.
pub const BROADCAST: MacAddr = MacAddr(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);

const ETHERNET: usize = 14;

/// A frame of `len` zero bytes; at most [`LONGEST`].
fn blank(len: usize) -> Frame {
    std::iter::repeat_n(0, len.min(LONGEST)).collect()
}

fn need(b: &[u8], need: usize) -> Result<(), FrameError> {
    if b.len() < need { Err(FrameError::Short { got: b.len(), need }) } else { Ok(()) }
}
