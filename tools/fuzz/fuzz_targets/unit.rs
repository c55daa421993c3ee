//! The embedded unit under any sequence of commands, from four nexuses.
#![no_main]

use arbitrate::codec::Cdb;
use arbitrate::codec::block::{Access, BlockIo, Extent, Fua};
use arbitrate::codec::pr::{
    AllTargetPorts, Aptpl, FullStatus, KeysView, OutAction, PrOut, PrOutBasic, ReadReservation,
    ReservationType, read_full_status_cdb, read_keys_cdb, read_reservation_cdb,
};
use arbitrate::device::sim::{Answer, LogicalUnit, Medium, NexusId, Profile, Reply, TargetPort, Welcome};
use arbitrate::key::Key;
use libfuzzer_sys::fuzz_target;

const BLOCKS: u64 = 64;
const BLOCK: u64 = 512;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let mut profile = Profile::new("FUZZ", BLOCKS, 512).unwrap();
    let nexuses: Vec<NexusId> = ["a", "b", "c", "d"]
        .iter()
        .map(|n| profile.intern(&n.parse().unwrap(), TargetPort::default()).unwrap())
        .collect();
    let mut unit = LogicalUnit::new(if input.byte() & 1 == 0 { Welcome::Silent } else { Welcome::PowerOn });
    while !input.0.is_empty() {
        let nexus = nexuses[usize::from(input.byte() & 3)];
        match input.byte() {
            b @ 0..200 => {
                let c = sensible(&mut input, b, unit.reservations().key_of(nexus));
                let _ = send(&mut unit, &mut profile, nexus, &c.basic_cdb(), &c.list.emit());
            }
            b @ 200..220 => {
                // Around the last block.
                let lba = BLOCKS - 4 + u64::from(input.byte() & 7);
                let extent = match b & 1 {
                    0 => Extent::new(lba, u32::from(input.byte() & 7)),
                    _ => Extent::Sixteen { lba, blocks: u32::from(input.byte() & 7) },
                };
                let access = if b & 2 == 0 { Access::Read } else { Access::Write };
                let io = BlockIo { access, extent, fua: Fua::No };
                let _ = send(&mut unit, &mut profile, nexus, &io.cdb(), &[0; 4096]);
            }
            220..250 => {
                let len = [6, 10, 12, 16][usize::from(input.byte() & 3)];
                let cdb = Cdb::from_slice(&input.bytes(len)).unwrap();
                let out = usize::from(input.byte());
                let out = input.bytes(out);
                let _ = send(&mut unit, &mut profile, nexus, &cdb, &out);
            }
            _ => unit.reset(),
        }
        assert!(unit.is_sound(), "{unit:?}");
    }
    told_as_it_is(&mut unit, &mut profile, nexuses[0]);
    let json = serde_json::to_string(&unit).unwrap();
    assert_eq!(serde_json::from_str::<LogicalUnit>(&json).unwrap(), unit);
});

/// A command that more often than not is executed.
fn sensible(input: &mut Input<'_>, b: u8, own: Option<Key>) -> PrOut {
    let action = OutAction::ALL[usize::from(b) % OutAction::ALL.len()];
    let kind = ReservationType::ALL[usize::from(input.byte()) % ReservationType::ALL.len()];
    let flags = input.byte();
    let own = if flags & 0x10 == 0 { own.unwrap_or_default() } else { Key::from_u64(u64::from(flags >> 6)) };
    PrOut {
        action,
        kind: action.takes_type().then_some(kind),
        list: PrOutBasic {
            own,
            target: Key::from_u64(u64::from(input.byte() & 3)),
            aptpl: if flags & 1 != 0 { Aptpl::Yes } else { Aptpl::No },
            all_target_ports: if flags & 2 != 0 { AllTargetPorts::Yes } else { AllTargetPorts::No },
            spec_i_pt: flags & 4 != 0,
        },
    }
}

fn send(
    unit: &mut LogicalUnit,
    profile: &mut Profile,
    nexus: NexusId,
    cdb: &Cdb,
    out: &[u8],
) -> (Reply, Vec<u8>) {
    let before = unit.clone();
    let mut data_in = vec![0xa5; 4096];
    let reply = unit.execute(profile, nexus, cdb, out, &mut data_in);
    let moved = u64::try_from(reply.moved).unwrap();
    match reply.medium {
        Medium::None => {}
        Medium::Read { offset } => {
            assert!(reply.moved <= data_in.len() && offset + moved <= BLOCKS * BLOCK, "{cdb:?}");
        }
        Medium::Write { offset } => {
            assert!(reply.moved <= out.len() && offset + moved <= BLOCKS * BLOCK, "{cdb:?}");
        }
        // Half of the data is compared, half is written.
        Medium::CompareAndWrite { offset } => {
            assert!(reply.moved <= out.len() && offset + moved / 2 <= BLOCKS * BLOCK, "{cdb:?}");
        }
    }
    assert!(reply.moved <= data_in.len().max(out.len()), "{cdb:?}");
    if reply.answer != Answer::Good {
        assert_eq!(reply.medium, Medium::None, "{cdb:?}");
        let standing = |u: &LogicalUnit| {
            let r = u.reservations();
            (r.generation(), r.registrations().collect::<Vec<_>>(), r.read_reservation(), u.reserved_by())
        };
        assert_eq!(standing(unit), standing(&before), "a refused command changes nothing: {cdb:?}");
    }
    (reply, data_in)
}

/// What PERSISTENT RESERVE IN tells is what stands in the unit.
fn told_as_it_is(unit: &mut LogicalUnit, profile: &mut Profile, nexus: NexusId) {
    while unit.request_sense(nexus).is_some() {}
    if unit.reserved_by().is_some() {
        return;
    }
    let mut read = |cdb| {
        let (reply, mut b) = send(unit, profile, nexus, &cdb, &[]);
        assert_eq!(reply.answer, Answer::Good);
        b.truncate(reply.moved);
        b
    };
    let (keys, holder, full) =
        (read(read_keys_cdb(4096)), read(read_reservation_cdb()), read(read_full_status_cdb(4096)));
    let pr = unit.reservations();
    assert!(KeysView::parse(&keys).unwrap().iter().eq(pr.keys()));
    assert_eq!(ReadReservation::parse(&holder), Ok(pr.read_reservation()));
    let full = FullStatus::parse(&full).unwrap();
    assert!(full.registrations.iter().map(|r| r.key).eq(pr.keys()));
    let holders = full.registrations.iter().filter(|r| r.holds.is_some()).count();
    let expected = pr.registrations().filter(|r| pr.is_holder(r.nexus)).count();
    assert_eq!(holders, expected);
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.byte()).collect()
    }
}
