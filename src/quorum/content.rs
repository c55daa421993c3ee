//! What stands on a disk, by its bytes: nothing, a cluster of ours, or something of others.
//!
//! Pure. The signatures are only for words: whatever is not zero and not ours belongs to somebody, known
//! or not. Must never take what it does not know for nothing.

use std::fmt;

use arbitrate::codec::quorum::{Superblock, UNIT};

/// Bytes at the beginning that are looked at whole: all that formatting writes, and where nearly everybody has a
/// signature.
pub const BEGINNING: usize = 1024 * UNIT;
/// Bytes at the end that are looked at whole: backup partition tables and old RAID superblocks live there.
pub const END: usize = 256 * UNIT;

/// What stands on a disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// Zeros.
    Blank,
    /// A formatted quorum device.
    Quorum(Superblock),
    /// Units of ours without a superblock that can be read: a formatting that was cut short, or damage.
    Unfinished,
    /// Something of others.
    Foreign(Foreign),
}

/// Something of others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Foreign {
    /// What it is, where it is known: the signatures found.
    pub known: Vec<&'static str>,
    /// The first byte that is not zero, counted from the beginning of the disk.
    pub first_byte: u64,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known.as_slice() {
            [] => f.write_str("data that this program does not know")?,
            known => f.write_str(&known.join(" and "))?,
        }
        write!(f, " (first at byte {})", self.first_byte)
    }
}

/// A signature: where, and what.
struct Signature {
    name: &'static str,
    /// Offset in bytes; from the end where it is negative.
    at: i64,
    magic: &'static [u8],
}

const fn sign(name: &'static str, at: i64, magic: &'static [u8]) -> Signature {
    Signature { name, at, magic }
}

const GPT: &str = "a partition table (GPT)";
const LVM: &str = "an LVM physical volume";
const RAID: &str = "a member of a Linux RAID (md)";

/// As their own headers define them; where a format allows several places, the usual ones.
const SIGNATURES: [Signature; 29] = [
    sign(GPT, 512, b"EFI PART"),
    sign(GPT, 4096, b"EFI PART"),
    sign(GPT, -512, b"EFI PART"),
    sign(GPT, -4096, b"EFI PART"),
    sign("a partition table or boot sector (MBR)", 510, &[0x55, 0xaa]),
    sign(LVM, 0, b"LABELONE"),
    sign(LVM, 512, b"LABELONE"),
    sign(LVM, 1024, b"LABELONE"),
    sign(LVM, 1536, b"LABELONE"),
    sign("an ext2, ext3 or ext4 filesystem", 1080, &[0x53, 0xef]),
    sign("an XFS filesystem", 0, b"XFSB"),
    sign("a Btrfs filesystem", 0x1_0040, b"_BHRfS_M"),
    sign("a GFS2 filesystem", 0x1_0000, &[0x01, 0x16, 0x19, 0x70]),
    sign("an OCFS2 filesystem", 0x2000, b"OCFSV2"),
    sign("an F2FS filesystem", 1024, &[0x10, 0x20, 0xf5, 0xf2]),
    sign("an NTFS filesystem", 3, b"NTFS    "),
    sign("an exFAT filesystem", 3, b"EXFAT   "),
    sign("a FAT filesystem", 54, b"FAT1"),
    sign("a FAT filesystem", 82, b"FAT32"),
    sign("an ISO 9660 filesystem", 0x8001, b"CD001"),
    sign("swap space", 4086, b"SWAPSPACE2"),
    sign("a LUKS encrypted volume", 0, &[b'L', b'U', b'K', b'S', 0xba, 0xbe]),
    sign(RAID, 0, &[0xfc, 0x4e, 0x2b, 0xa9]),
    sign(RAID, 4096, &[0xfc, 0x4e, 0x2b, 0xa9]),
    sign(RAID, -8192, &[0xfc, 0x4e, 0x2b, 0xa9]),
    sign(RAID, -65_536, &[0xfc, 0x4e, 0x2b, 0xa9]),
    sign("an Oracle ASM disk", 32, b"ORCLDISK"),
    sign("an SBD device", 0, b"SBD_SBD_"),
    sign("a VMFS volume", 0x10_0000, &[0x0d, 0xd0, 0x01, 0xc0]),
];

/// What every unit of ours begins with.
const OURS: &[u8] = b"PALISADE";

/// Looks at the beginning and the end of a disk of `len` bytes: [`BEGINNING`] bytes, and about [`END`] from a
/// whole unit on.
#[must_use]
pub fn look(beginning: &[u8], end: &[u8], len: u64) -> Content {
    let known = known(beginning, end);
    let end_at = len.saturating_sub(u64::try_from(end.len()).unwrap_or(u64::MAX));
    let strange = strange(beginning).or_else(|| Some(end_at + strange(end)?));
    if let Some(first_byte) = strange {
        return Content::Foreign(Foreign { known, first_byte });
    }
    let superblocks = beginning.get(UNIT..3 * UNIT).unwrap_or_default();
    match Superblock::parse(superblocks) {
        Ok(Some(s)) => Content::Quorum(s),
        _ if beginning.iter().any(|v| *v != 0) => Content::Unfinished,
        _ => Content::Blank,
    }
}

/// The first byte that is neither zero nor in a unit of ours. Units are judged one by one: a superblock does not
/// excuse a filesystem behind it.
fn strange(b: &[u8]) -> Option<u64> {
    let units = b.chunks(UNIT).enumerate().filter(|(_, unit)| !unit.starts_with(OURS));
    let first = units.map(|(n, unit)| Some(n * UNIT + unit.iter().position(|v| *v != 0)?));
    first.flatten().next().and_then(|n| u64::try_from(n).ok())
}

fn known(beginning: &[u8], end: &[u8]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for s in &SIGNATURES {
        let (part, at) = if s.at < 0 {
            (end, usize::try_from(-s.at).ok().and_then(|back| end.len().checked_sub(back)))
        } else {
            (beginning, usize::try_from(s.at).ok())
        };
        let there = at.and_then(|at| part.get(at..at + s.magic.len()));
        if there == Some(s.magic) && !found.contains(&s.name) {
            found.push(s.name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use arbitrate::codec::quorum::{ClusterName, ClusterUuid, Record, Tenure};
    use arbitrate::key::ClusterId;

    use super::*;

    const LEN: u64 = 64 << 20;

    fn blank() -> (Vec<u8>, Vec<u8>) {
        (vec![0; BEGINNING], vec![0; END])
    }

    fn superblock() -> Superblock {
        Superblock {
            uuid: ClusterUuid([7; 16]),
            cluster: ClusterId::of_name("prod"),
            name: ClusterName::from("prod").unwrap(),
        }
    }

    #[test]
    fn zeros_are_blank() {
        let (b, e) = blank();
        assert_eq!(look(&b, &e, LEN), Content::Blank);
    }

    #[test]
    fn every_signature_is_known_by_name_where_it_stands() {
        for s in &SIGNATURES {
            let (mut b, mut e) = blank();
            let at = usize::try_from(s.at.unsigned_abs()).unwrap();
            let (part, at) = if s.at < 0 { (&mut e, END - at) } else { (&mut b, at) };
            part[at..at + s.magic.len()].copy_from_slice(s.magic);
            let Content::Foreign(f) = look(&b, &e, LEN) else { panic!("{} was overlooked", s.name) };
            assert_eq!(f.known, [s.name]);
        }
    }

    /// One byte that no list knows is as good a reason as a filesystem.
    #[test]
    fn what_nobody_knows_is_foreign_all_the_same() {
        for at in [0, 1, UNIT, BEGINNING - 1] {
            let (mut b, e) = blank();
            b[at] = 1;
            let first_byte = u64::try_from(at).unwrap();
            assert_eq!(look(&b, &e, LEN), Content::Foreign(Foreign { known: vec![], first_byte }));
        }
        let (b, mut e) = blank();
        e[END - 1] = 1;
        let found = look(&b, &e, LEN);
        assert_eq!(found, Content::Foreign(Foreign { known: vec![], first_byte: LEN - 1 }));
    }

    /// The log goes to the end of the device.
    #[test]
    fn units_of_ours_at_the_end_are_not_foreign() {
        let (mut b, mut e) = blank();
        let s = superblock();
        b[UNIT..2 * UNIT].copy_from_slice(&s.emit());
        e[END - UNIT..].copy_from_slice(&Record::Tenure(Tenure::NONE).emit(s.uuid));
        assert_eq!(look(&b, &e, LEN), Content::Quorum(s));
    }

    #[test]
    fn a_cluster_is_told_from_an_unfinished_one_and_excuses_no_filesystem() {
        let (mut b, e) = blank();
        let s = superblock();
        b[3 * UNIT..4 * UNIT].copy_from_slice(&Record::Tenure(Tenure::NONE).emit(s.uuid));
        assert_eq!(look(&b, &e, LEN), Content::Unfinished);
        b[UNIT..2 * UNIT].copy_from_slice(&s.emit());
        assert_eq!(look(&b, &e, LEN), Content::Quorum(s), "one copy is enough");
        b[1080..1082].copy_from_slice(&[0x53, 0xef]);
        let Content::Foreign(f) = look(&b, &e, LEN) else { panic!("overlooked") };
        assert_eq!((f.known.as_slice(), f.first_byte), (&["an ext2, ext3 or ext4 filesystem"][..], 1080));
    }
}
