//! The superblock: whose device this is. Written by formatting, never after.

use arrayvec::ArrayString;

use super::seal::{Kind, Opened, open, seal};
use super::{ClusterUuid, UNIT};
use crate::codec::DecodeError;
use crate::codec::bytes::{array, be32, u8_at};
use crate::key::ClusterId;

/// Bytes of a cluster's name.
pub const MAX_NAME_LEN: usize = 64;

/// A cluster's name.
pub type ClusterName = ArrayString<MAX_NAME_LEN>;

const KIND: Kind = Kind { letters: *b"SUPR", name: "superblock" };

/// Whose device this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Superblock {
    /// Made at formatting; every unit repeats it.
    pub uuid: ClusterUuid,
    /// The hash of the name, as keys have it.
    pub cluster: ClusterId,
    /// The whole name: two names may have one hash.
    pub name: ClusterName,
}

impl Superblock {
    /// The unit; both copies are the same.
    #[must_use]
    pub fn emit(&self) -> [u8; UNIT] {
        let mut body = [0; 5 + MAX_NAME_LEN];
        body[..4].copy_from_slice(&self.cluster.as_u32().to_be_bytes());
        let name = self.name.as_bytes();
        body[4] = u8::try_from(name.len()).unwrap_or(0);
        body[5..5 + name.len()].copy_from_slice(name);
        seal(KIND, self.uuid, &body)
    }

    /// Reads both copies; `None` where neither was ever written and nothing else is there.
    ///
    /// # Errors
    /// [`DecodeError`] where no copy is whole yet something stands there: a damaged device is not an
    /// unformatted one. Also where two whole copies differ.
    pub fn parse(b: &[u8]) -> Result<Option<Self>, DecodeError> {
        let copies = [Self::copy(b, 0), Self::copy(b, UNIT)];
        match copies {
            [Ok(Some(a)), Ok(Some(b))] if a != b => {
                let value = u64::from(b.cluster.as_u32());
                Err(DecodeError::Value { what: "two superblocks that differ", value })
            }
            [Ok(Some(s)), _] | [_, Ok(Some(s))] => Ok(Some(s)),
            [Err(e), _] | [_, Err(e)] => Err(e),
            [Ok(None), Ok(None)] => Ok(None),
        }
    }

    fn copy(b: &[u8], at: usize) -> Result<Option<Self>, DecodeError> {
        let (uuid, body) = match open(KIND, b.get(at..).unwrap_or_default())? {
            Opened::Blank => return Ok(None),
            Opened::Whole(uuid, body) => (uuid, body),
        };
        let len = usize::from(u8_at(body, 4, KIND.name)?);
        let bytes = array::<MAX_NAME_LEN>(body, 5, KIND.name)?;
        let name = bytes.get(..len).and_then(|n| std::str::from_utf8(n).ok());
        let name = name.ok_or(DecodeError::Length { what: "cluster name", claimed: len })?;
        let name = ClusterName::from(name)
            .map_err(|_| DecodeError::Length { what: "cluster name", claimed: len })?;
        Ok(Some(Self { uuid, cluster: ClusterId::from_u32(be32(body, 0, KIND.name)?), name }))
    }
}
