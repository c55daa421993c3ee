//! From a disk to a quorum device: what is refused, the writes in their order, and the proof.
//!
//! The superblocks go first and come last: a formatting that is cut short leaves no quorum device. Must never write
//! over anything of others, nor while anybody is registered.

use arbitrate::codec::quorum::{BlockLen, ClusterName, ClusterUuid, Record, Superblock, Tenure, UNIT, Units};
use arbitrate::key::{ClusterId, Key};

use super::content::{BEGINNING, Content, Foreign};
use super::disk::{Disk, DiskError, Survey};

/// The first unit that is written; unit 0 is left to boot sectors.
const FIRST: u32 = 1;

/// What the operator said may be replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replace {
    /// Nothing.
    Nothing,
    /// The quorum device of the cluster of this name.
    Cluster(String),
    /// A formatting that was cut short.
    Unfinished,
}

/// Why a disk is not formatted. Nothing was written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// This host uses it.
    #[error("this host uses it: {}", .0.join(", "))]
    Held(Vec<String>),
    /// Somebody is registered or holds it.
    #[error("{}", registered(.keys, *.reserved))]
    Registered {
        /// Who.
        keys: Vec<Key>,
        /// Whether there is a reservation.
        reserved: bool,
    },
    /// Something of others stands on it.
    #[error("it holds {0}")]
    Foreign(Foreign),
    /// It is a quorum device, and it was not said that it may be replaced.
    #[error("it is the quorum device of cluster '{0}'")]
    Quorum(String),
    /// Something of ours without a superblock, and it was not said that it may be replaced.
    #[error("it holds part of a quorum device: a formatting that was cut short, or damage")]
    Unfinished,
    /// It is not what was to be replaced.
    #[error("there is no quorum device of cluster '{0}' on it to replace")]
    NothingToReplace(String),
}

impl Refused {
    /// What the operator does next.
    #[must_use]
    pub fn next(&self) -> String {
        match self {
            Self::Held(_) => "free it first (`lsblk` shows what stands on it), or name another disk".into(),
            Self::Registered { .. } => {
                "stop the cluster that uses it; `arbitrate inspect` shows who is registered, `arbitrate clear-stale` removes the keys of dead lives".into()
            }
            Self::Foreign(_) => {
                "name another disk. If nobody needs what is on this one, make it blank yourself (`wipefs -a` and `blkdiscard -z`, or dd from /dev/zero over its first 4 MiB and last 1 MiB)".into()
            }
            Self::Quorum(name) => {
                format!("if that cluster is given up, add `--replace {name}`; its log is lost")
            }
            Self::Unfinished => "if no cluster uses it, add `--replace-unfinished`".into(),
            Self::NothingToReplace(_) => {
                "leave --replace out, or look with `palisade quorum show` at what is on it".into()
            }
        }
    }
}

fn registered(keys: &[Key], reserved: bool) -> String {
    let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
    match (keys.is_empty(), reserved) {
        (false, true) => format!("it is reserved, and registered are {}", keys.join(", ")),
        (false, false) => format!("registered on it are {}", keys.join(", ")),
        _ => "it is reserved".into(),
    }
}

/// Whether a disk may be formatted.
///
/// # Errors
/// [`Refused`].
pub fn admit(survey: &Survey, users: &[String], replace: &Replace) -> Result<(), Refused> {
    if !users.is_empty() {
        return Err(Refused::Held(users.to_vec()));
    }
    if !survey.keys.is_empty() || survey.reserved {
        return Err(Refused::Registered { keys: survey.keys.clone(), reserved: survey.reserved });
    }
    match (&survey.content, replace) {
        (Content::Foreign(f), _) => Err(Refused::Foreign(f.clone())),
        (Content::Quorum(s), Replace::Cluster(name)) if s.name.as_str() == name => Ok(()),
        (_, Replace::Cluster(name)) => Err(Refused::NothingToReplace(name.clone())),
        (Content::Quorum(s), _) => Err(Refused::Quorum(s.name.to_string())),
        (Content::Unfinished, Replace::Unfinished) | (Content::Blank, _) => Ok(()),
        (Content::Unfinished, Replace::Nothing) => Err(Refused::Unfinished),
    }
}

/// Why a formatting did not end well. Something may have been written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A command failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Reading back shows something else than was written.
    #[error("unit {0} reads back otherwise than it was written")]
    Contradiction(usize),
}

/// Formats an admitted disk, and reads back all that was written.
///
/// # Errors
/// [`FormatError`]: then it is a quorum device or not, and `palisade quorum show` tells.
pub fn format(disk: &mut Disk, block_len: BlockLen, new: &Superblock) -> Result<(), FormatError> {
    let mut units = vec![[0; UNIT]; BEGINNING / UNIT];
    disk.write(FIRST, block_len, units[at(FIRST)..].as_flattened())?;
    let tenure = Record::Tenure(Tenure::NONE);
    let (first, unit) = (tenure.units().first, tenure.emit(new.uuid));
    units[at(first)] = unit;
    disk.write(first, block_len, &unit)?;
    let (first, copies) = (Units::SUPERBLOCKS.first, [new.emit(); 2]);
    units[at(first)..][..copies.len()].copy_from_slice(&copies);
    disk.write(first, block_len, copies.as_flattened())?;
    let read = disk.beginning(block_len)?;
    let wrong = units.iter().zip(read.chunks(UNIT)).skip(at(FIRST)).position(|(is, reads)| is != reads);
    wrong.map_or(Ok(()), |n| Err(FormatError::Contradiction(n + at(FIRST))))
}

/// Where a unit stands in memory.
fn at(unit: u32) -> usize {
    usize::try_from(unit).unwrap_or(usize::MAX)
}

/// The superblock of a new cluster; `None` for a name that is empty or too long.
#[must_use]
pub fn superblock(name: &str, uuid: ClusterUuid) -> Option<Superblock> {
    let short = ClusterName::from(name).ok().filter(|n| !n.is_empty())?;
    Some(Superblock { uuid, cluster: ClusterId::of_name(name), name: short })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use arbitrate::device::sim::{CreateOptions, SimDevice};
    use arbitrate::device::{Completion, Escalate, Request, ResetError, ResetScope, ScsiDevice};
    use arbitrate::time::Instant;

    fn survey(content: Content) -> Survey {
        Survey {
            identity: "naa.1".into(),
            product: "TEST DISK".into(),
            blocks: 131_072,
            block_len: BlockLen::SMALLEST,
            bytes: 64 << 20,
            keys: vec![],
            reserved: false,
            content,
        }
    }

    fn quorum(name: &str) -> Content {
        Content::Quorum(superblock(name, ClusterUuid([1; 16])).unwrap())
    }

    #[test]
    fn only_a_blank_disk_that_nobody_uses_is_admitted_without_a_word() {
        let blank = survey(Content::Blank);
        assert_eq!(admit(&blank, &[], &Replace::Nothing), Ok(()));
        let held = admit(&blank, &["vg-data (dm-3)".into()], &Replace::Nothing);
        assert_eq!(held, Err(Refused::Held(vec!["vg-data (dm-3)".into()])));
        let key = Key::from_u64(5);
        let used = Survey { keys: vec![key], ..survey(Content::Blank) };
        let refused = Refused::Registered { keys: vec![key], reserved: false };
        assert_eq!(admit(&used, &[], &Replace::Nothing), Err(refused));
        let reserved = Survey { reserved: true, ..survey(Content::Blank) };
        let refused = Refused::Registered { keys: vec![], reserved: true };
        assert_eq!(admit(&reserved, &[], &Replace::Nothing), Err(refused));
    }

    #[test]
    fn a_cluster_is_replaced_by_its_own_name_only() {
        let ours = survey(quorum("prod"));
        assert_eq!(admit(&ours, &[], &Replace::Nothing), Err(Refused::Quorum("prod".into())));
        assert_eq!(admit(&ours, &[], &Replace::Unfinished), Err(Refused::Quorum("prod".into())));
        let other = Replace::Cluster("test".into());
        assert_eq!(admit(&ours, &[], &other), Err(Refused::NothingToReplace("test".into())));
        assert_eq!(admit(&ours, &[], &Replace::Cluster("prod".into())), Ok(()));
        let blank = survey(Content::Blank);
        assert_eq!(admit(&blank, &[], &other), Err(Refused::NothingToReplace("test".into())));
    }

    #[test]
    fn what_is_of_others_is_replaced_by_nobody() {
        let f = Foreign { known: vec!["an XFS filesystem"], first_byte: 0 };
        let foreign = survey(Content::Foreign(f.clone()));
        for replace in [Replace::Nothing, Replace::Unfinished, Replace::Cluster("prod".into())] {
            assert_eq!(admit(&foreign, &[], &replace), Err(Refused::Foreign(f.clone())));
        }
        assert_eq!(Refused::Foreign(f).to_string(), "it holds an XFS filesystem (first at byte 0)");
        let unfinished = survey(Content::Unfinished);
        assert_eq!(admit(&unfinished, &[], &Replace::Nothing), Err(Refused::Unfinished));
        assert_eq!(admit(&unfinished, &[], &Replace::Unfinished), Ok(()));
    }

    #[test]
    fn a_name_must_fit() {
        let uuid = ClusterUuid([1; 16]);
        assert!(superblock("", uuid).is_none());
        assert!(superblock(&"x".repeat(65), uuid).is_none());
        assert_eq!(superblock("prod", uuid).unwrap().name.as_str(), "prod");
    }

    /// Says GOOD to one WRITE, by its number from 0, and does not execute it.
    struct Liar {
        disk: SimDevice,
        writes: u32,
        lie: Option<u32>,
    }

    impl ScsiDevice for Liar {
        fn name(&self) -> &str {
            self.disk.name()
        }

        fn execute(&mut self, request: Request<'_>) -> Completion {
            const WRITE_10: u8 = 0x2a;
            if request.cdb.as_bytes().first() != Some(&WRITE_10) {
                return self.disk.execute(request);
            }
            self.writes += 1;
            if Some(self.writes - 1) != self.lie {
                return self.disk.execute(request);
            }
            Completion::answered(arbitrate::codec::Status::GOOD, 0, Duration::ZERO)
        }

        fn reset(&mut self, s: ResetScope, e: Escalate, deadline: Instant) -> Result<(), ResetError> {
            self.disk.reset(s, e, deadline)
        }

        fn own_transport_id(&self) -> Option<Vec<u8>> {
            self.disk.own_transport_id()
        }
    }

    /// Formats a disk full of what an older cluster left in its units; how it ended, and after how many WRITEs.
    fn format_over_old_units(lie: Option<u32>) -> (Result<(), FormatError>, u32) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        SimDevice::create(&path, &CreateOptions { blocks: 16_384, ..CreateOptions::default() }).unwrap();
        let open = |writes, lie| {
            let disk = SimDevice::open(&format!("sim:{}?as=a", path.display())).unwrap();
            Disk::new(Box::new(Liar { disk, writes, lie }), Duration::from_secs(5))
        };
        let old = superblock("old", ClusterUuid([9; 16])).unwrap().emit();
        let all = vec![old; BEGINNING / UNIT];
        open(0, None).write(0, BlockLen::SMALLEST, all.as_flattened()).unwrap();
        let new = superblock("new", ClusterUuid([1; 16])).unwrap();
        let ended = format(&mut open(0, lie), BlockLen::SMALLEST, &new);
        // One for each 16 units, one for the tenure, one for the superblocks.
        (ended, u32::try_from((BEGINNING / UNIT - 1).div_ceil(16)).unwrap() + 2)
    }

    #[test]
    fn a_write_that_was_not_executed_is_never_called_done() {
        let (honest, writes) = format_over_old_units(None);
        honest.unwrap();
        for lie in 0..writes {
            let (ended, _) = format_over_old_units(Some(lie));
            assert!(matches!(ended, Err(FormatError::Contradiction(_))), "WRITE {lie}: {ended:?}");
        }
        assert!(format_over_old_units(Some(writes)).0.is_ok(), "there is no WRITE after these");
    }
}
