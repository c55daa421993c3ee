use proptest::prelude::*;

use crate::codec::block::*;
use crate::codec::command::Command;
use crate::codec::inquiry::{Inquiry, InquiryPage};
use crate::codec::opcode::{self, OPERATIONS};
use crate::codec::pr::{InAction, OutAction, PrIn, PrOutCdb, ReservationType};
use crate::codec::reserve::{Form, Spc2Reserve, Verb};
use crate::codec::{Cdb, RequestError};

fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![
        any::<(u32, u16)>().prop_map(|(lba, blocks)| Extent::Ten { lba, blocks }),
        any::<(u64, u32)>().prop_map(|(lba, blocks)| Extent::Sixteen { lba, blocks }),
    ]
}

fn one_of<T: Clone + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn any_command() -> impl Strategy<Value = Command> {
    let page = prop_oneof![Just(InquiryPage::Standard), any::<u8>().prop_map(InquiryPage::Vpd)];
    prop_oneof![
        Just(Command::TestUnitReady(TestUnitReady)),
        (one_of(&[SenseFormat::Fixed, SenseFormat::Descriptor]), any::<u8>())
            .prop_map(|(format, allocation)| Command::RequestSense(RequestSense { format, allocation })),
        (page, any::<u16>()).prop_map(|(page, allocation)| Command::Inquiry(Inquiry { page, allocation })),
        Just(Command::ReadCapacity(ReadCapacity::Ten)),
        any::<u32>().prop_map(|allocation| Command::ReadCapacity(ReadCapacity::Sixteen { allocation })),
        (one_of(&[Access::Read, Access::Write]), extent(), one_of(&[Fua::Yes, Fua::No]))
            .prop_map(|(access, extent, fua)| Command::BlockIo(BlockIo { access, extent, fua })),
        (extent(), one_of(&[Immediate::Yes, Immediate::No])).prop_map(|(extent, immediate)| {
            Command::SynchronizeCache(SynchronizeCache { extent, immediate })
        }),
        (one_of(&[Verb::Reserve, Verb::Release]), one_of(&[Form::Six, Form::Ten]))
            .prop_map(|(verb, form)| Command::Spc2Reserve(Spc2Reserve { verb, form })),
        (one_of(&InAction::ALL), any::<u16>())
            .prop_map(|(action, allocation)| Command::PrIn(PrIn { action, allocation })),
        (one_of(&OutAction::ALL), one_of(&ReservationType::ALL), any::<u32>()).prop_map(
            |(action, kind, list_len)| {
                Command::PrOut(PrOutCdb { action, kind: action.takes_type().then_some(kind), list_len })
            }
        ),
    ]
}

proptest! {
    #[test]
    fn commands_round_trip(c in any_command()) {
        prop_assert_eq!(Command::parse(&c.cdb()), Ok(c));
    }

    /// What the table tells REPORT SUPPORTED OPERATION CODES is what is really sent.
    #[test]
    fn no_bit_is_sent_that_the_table_denies(c in any_command()) {
        let cdb = c.cdb();
        let o = opcode::lookup(&cdb).unwrap();
        prop_assert_eq!(cdb.as_bytes().len(), o.cdb_len());
        for (at, (sent, usage)) in cdb.as_bytes().iter().zip(o.usage).enumerate() {
            prop_assert_eq!(sent & !usage, 0, "byte {} of {}", at, o.name);
        }
    }

    #[test]
    fn arbitrary_cdbs_do_not_panic(
        b in any::<[u8; 16]>(),
        row in proptest::option::of(0..OPERATIONS.len()),
        len in one_of(&[6usize, 10, 12, 16]),
    ) {
        let mut b = b;
        if let Some(o) = row.and_then(|r| OPERATIONS.get(r)) {
            b[0] = o.opcode;
        }
        let cdb = Cdb::from_slice(&b[..len]).unwrap();
        match Command::parse(&cdb) {
            Ok(c) => {
                prop_assert_eq!(Command::parse(&c.cdb()), Ok(c));
                prop_assert_eq!(opcode::lookup(&cdb).map(|o| o.cdb_len()), Some(len));
            }
            Err(e) => prop_assert!(e.sense().text().is_some()),
        }
        let _ = (opcode::name(&cdb), opcode::changes(&cdb));
    }

    #[test]
    fn extents_end_where_they_end(e in extent(), capacity: u64) {
        let end = u128::from(e.lba()) + u128::from(e.blocks());
        prop_assert_eq!(e.fits(capacity), end <= u128::from(capacity));
        prop_assert_eq!(Extent::new(e.lba(), e.blocks()).lba(), e.lba());
    }
}

#[test]
fn every_row_of_the_table_has_a_decoder() {
    for o in OPERATIONS {
        let mut b = [0; 16];
        b[0] = o.opcode;
        b[1] = o.service_action.unwrap_or(0);
        if o.usage[0] == 0x5f {
            // A type, for the actions that want one.
            b[2] = 5;
        }
        let cdb = Cdb::from_slice(&b[..o.cdb_len()]).unwrap();
        assert!(Command::parse(&cdb).is_ok(), "{}", o.name);
    }
}

#[test]
fn a_write_of_one_block_past_the_caches() {
    let io = BlockIo { access: Access::Write, extent: Extent::new(0x0102_0304, 1), fua: Fua::Yes };
    #[rustfmt::skip]
    let b = [
        0x2a,                     // WRITE(10)
        0x08,                     // WRPROTECT 0, DPO 0, FUA 1
        0x01, 0x02, 0x03, 0x04,   // LOGICAL BLOCK ADDRESS
        0x00,                     // GROUP NUMBER
        0x00, 0x01,               // TRANSFER LENGTH
        0x00,                     // CONTROL
    ];
    assert_eq!(io.cdb().as_bytes(), b);
    let far = BlockIo { access: Access::Read, extent: Extent::new(1 << 32, 1), fua: Fua::No };
    assert_eq!(far.cdb().as_bytes(), [0x88, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn what_is_not_offered_is_refused_by_field() {
    let at = |b: &[u8]| match Command::parse(&Cdb::from_slice(b).unwrap()) {
        Err(RequestError::CdbField { byte, .. }) => byte,
        other => panic!("{other:?}"),
    };
    assert_eq!(at(&[0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0]), 1, "RDPROTECT");
    assert_eq!(at(&[0x12, 0, 0x83, 0, 255, 0]), 2, "page without EVPD");
    assert_eq!(at(&[0x12, 2, 0, 0, 255, 0]), 1, "CMDDT");
    assert_eq!(at(&[0x16, 0x10, 0, 0, 0, 0]), 1, "third party");
    assert_eq!(at(&[0x17, 0x01, 0, 0, 0, 0]), 1, "extent");
    assert_eq!(at(&[0x56, 0x02, 0, 0, 0, 0, 0, 0, 0, 0]), 1, "long id");
    assert_eq!(at(&[0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0]), 1, "service action");
    assert_eq!(at(&[0x5e, 4, 0, 0, 0, 0, 0, 0, 8, 0]), 1, "service action");
    let e = Command::parse(&Cdb::new([0x28, 0, 0, 0, 0, 0])).unwrap_err();
    assert_eq!(e, RequestError::CdbLength { name: "READ(10)", have: 6, need: 10 });
}
