//! What a unit is, and who its nexuses are: all that commands ask about and none of them changes.

use serde::{Deserialize, Serialize};

use super::nexus::NexusId;
use super::spec::{InitiatorName, TargetPort};

/// How many nexuses a unit can tell apart, ever.
pub const MAX_NEXUSES: usize = 256;

/// Identity, size and nexuses of a unit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Profile {
    /// Serial number: INQUIRY page 80h, and the identity on page 83h.
    pub serial: String,
    /// Number of blocks.
    pub blocks: u64,
    /// Bytes in a block.
    pub block_size: u32,
    nexuses: Vec<NexusName>,
}

/// Who a [`NexusId`] is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NexusName {
    /// The initiator port.
    pub initiator: InitiatorName,
    /// The target port.
    pub port: TargetPort,
}

/// All 256 numbers are given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this disk has been used by {MAX_NEXUSES} different initiator names and ports already, its limit")]
pub struct TooManyNexuses;

/// A size or serial number that cannot be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProfileError {
    /// Block sizes are those of 512-byte and 4Kn disks.
    #[error("block size {0}: use 512 or 4096")]
    BlockSize(u32),
    /// An empty or enormous disk.
    #[error("{0} blocks: use 1 to {max}", max = Profile::MAX_BLOCKS)]
    Blocks(u64),
    /// A serial number INQUIRY cannot show.
    #[error("serial number '{0}': use 1 to 32 printable ASCII characters without spaces")]
    Serial(String),
}

impl Profile {
    /// The largest disk: 2 TiB of 512 bytes, so that 32-bit capacities suffice.
    pub const MAX_BLOCKS: u64 = 0xffff_fffe;

    /// A unit that no nexus has used.
    ///
    /// # Errors
    /// [`ProfileError`] where a value is out of its range.
    pub fn new(serial: &str, blocks: u64, block_size: u32) -> Result<Self, ProfileError> {
        let p = Self { serial: serial.to_owned(), blocks, block_size, nexuses: Vec::new() };
        p.check().map(|()| p)
    }

    /// Checks values that came from elsewhere, a file for instance.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn check(&self) -> Result<(), ProfileError> {
        if !matches!(self.block_size, 512 | 4096) {
            return Err(ProfileError::BlockSize(self.block_size));
        }
        if self.blocks == 0 || self.blocks > Self::MAX_BLOCKS {
            return Err(ProfileError::Blocks(self.blocks));
        }
        let n = self.serial.len();
        if n == 0 || n > 32 || !self.serial.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ProfileError::Serial(self.serial.clone()));
        }
        Ok(())
    }

    /// The number of a nexus, given out if it has none.
    ///
    /// # Errors
    /// [`TooManyNexuses`].
    pub fn intern(&mut self, initiator: &InitiatorName, port: TargetPort) -> Result<NexusId, TooManyNexuses> {
        let known = self.nexuses.iter().position(|n| n.initiator == *initiator && n.port == port);
        let at = known.unwrap_or(self.nexuses.len());
        let id = u8::try_from(at).map(NexusId).map_err(|_| TooManyNexuses)?;
        if known.is_none() {
            self.nexuses.push(NexusName { initiator: initiator.clone(), port });
        }
        Ok(id)
    }

    /// Forgets the nexuses above the first `known`: a command that named them came to nothing.
    pub(super) fn forget_above(&mut self, known: usize) {
        self.nexuses.truncate(known);
    }

    /// The target ports that anybody used, in order.
    #[must_use]
    pub fn ports(&self) -> Vec<TargetPort> {
        let mut all: Vec<_> = self.nexuses.iter().map(|n| n.port).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Who a number stands for.
    #[must_use]
    pub fn name(&self, nexus: NexusId) -> Option<&NexusName> {
        self.nexuses.get(usize::from(nexus.0))
    }

    /// All nexuses seen, in the order of their numbers.
    #[must_use]
    pub fn nexuses(&self) -> &[NexusName] {
        &self.nexuses
    }

    /// Bytes of all blocks.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.blocks.saturating_mul(u64::from(self.block_size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nexuses_keep_their_numbers_up_to_the_limit() {
        let mut p = Profile::new("S", 8, 512).unwrap();
        let name = |n: usize| format!("n{n}").parse::<InitiatorName>().unwrap();
        for n in 0..MAX_NEXUSES {
            assert_eq!(usize::from(p.intern(&name(n), TargetPort::default()).unwrap().0), n);
        }
        assert_eq!(p.intern(&name(7), TargetPort::default()), Ok(NexusId(7)));
        assert_eq!(
            p.intern(&name(7), "2".parse().unwrap()),
            Err(TooManyNexuses),
            "another port, another nexus"
        );
        assert_eq!(p.name(NexusId(7)).unwrap().initiator, name(7));
    }

    #[test]
    fn sizes_are_checked() {
        assert_eq!(Profile::new("S", 8, 520), Err(ProfileError::BlockSize(520)));
        assert_eq!(Profile::new("S", 0, 512), Err(ProfileError::Blocks(0)));
        assert!(Profile::new("a b", 8, 512).is_err());
        assert!(Profile::new("", 8, 512).is_err());
    }
}
