use proptest::prelude::*;

use super::transport_id::tests::any_id;
use super::*;
use crate::codec::{DecodeError, RequestError};
use crate::key::Key;

fn key() -> impl Strategy<Value = Key> {
    any::<u64>().prop_map(Key::from_u64)
}

fn kind() -> impl Strategy<Value = ReservationType> {
    proptest::sample::select(&ReservationType::ALL[..])
}

fn aptpl() -> impl Strategy<Value = Aptpl> {
    prop_oneof![Just(Aptpl::Yes), Just(Aptpl::No)]
}

fn ports() -> impl Strategy<Value = AllTargetPorts> {
    prop_oneof![Just(AllTargetPorts::Yes), Just(AllTargetPorts::No)]
}

fn basic() -> impl Strategy<Value = PrOut> {
    let basic = OutAction::ALL.into_iter().filter(|a| *a != OutAction::RegisterAndMove).collect::<Vec<_>>();
    (proptest::sample::select(basic), kind(), key(), key(), aptpl(), ports()).prop_map(
        |(action, kind, own, target, aptpl, all_target_ports)| PrOut {
            action,
            kind: action.takes_type().then_some(kind),
            list: PrOutBasic { own, target, aptpl, all_target_ports, spec_i_pt: false },
        },
    )
}

fn any_request() -> impl Strategy<Value = PrOutRequest> {
    let many = (key(), key(), aptpl(), ports(), proptest::collection::vec(any_id(), 0..4)).prop_map(
        |(own, new, aptpl, all_target_ports, ports)| RegisterPorts {
            own,
            new,
            aptpl,
            all_target_ports,
            ports,
        },
    );
    let unregister = prop_oneof![Just(Unregister::Yes), Just(Unregister::No)];
    let moves = (key(), key(), aptpl(), unregister, any::<u16>(), any_id()).prop_map(
        |(own, new, aptpl, unregister, relative_target_port, to)| RegisterAndMove {
            own,
            new,
            aptpl,
            unregister,
            relative_target_port,
            to,
        },
    );
    prop_oneof![
        basic().prop_map(PrOutRequest::Basic),
        many.prop_map(PrOutRequest::RegisterPorts),
        moves.prop_map(PrOutRequest::Move),
    ]
}

const A: Key = Key::from_u64(0xdead_beef_0100_0005);
const B: Key = Key::from_u64(0xdead_beef_0200_0007);

#[test]
fn preempt_and_abort() {
    let p = PrOut::preempt(Preempt {
        own: A,
        victim: B,
        kind: ReservationType::WriteExclusiveRegistrantsOnly,
        abort: Abort::Yes,
    });
    #[rustfmt::skip]
    let cdb = [
        0x5f,                     // OPERATION CODE
        0x05,                     // SERVICE ACTION PREEMPT AND ABORT
        0x05,                     // LU_SCOPE, Write Exclusive, Registrants Only
        0x00, 0x00,               // reserved
        0x00, 0x00, 0x00, 0x18,   // PARAMETER LIST LENGTH 24
        0x00,                     // CONTROL
    ];
    assert_eq!(p.basic_cdb().as_bytes(), cdb);
    #[rustfmt::skip]
    let list = [
        0xde, 0xad, 0xbe, 0xef, 0x01, 0x00, 0x00, 0x05,   // RESERVATION KEY
        0xde, 0xad, 0xbe, 0xef, 0x02, 0x00, 0x00, 0x07,   // SERVICE ACTION RESERVATION KEY
        0x00, 0x00, 0x00, 0x00,                           // obsolete
        0x00,                                             // SPEC_I_PT, ALL_TG_PT, APTPL
        0x00,                                             // reserved
        0x00, 0x00,                                       // obsolete
    ];
    assert_eq!(p.list.emit(), list);
}

#[test]
fn register_and_move() {
    let m = RegisterAndMove {
        own: A,
        new: B,
        aptpl: Aptpl::Yes,
        unregister: Unregister::Yes,
        relative_target_port: 2,
        to: "sas:5000c500a1b2c3d4".parse().unwrap(),
    };
    #[rustfmt::skip]
    let list = [
        0xde, 0xad, 0xbe, 0xef, 0x01, 0x00, 0x00, 0x05,   // RESERVATION KEY
        0xde, 0xad, 0xbe, 0xef, 0x02, 0x00, 0x00, 0x07,   // SERVICE ACTION RESERVATION KEY
        0x00,                                             // reserved
        0x03,                                             // UNREG, APTPL
        0x00, 0x02,                                       // RELATIVE TARGET PORT IDENTIFIER
        0x00, 0x00, 0x00, 0x18,                           // TRANSPORTID PARAMETER DATA LENGTH 24
        0x06, 0x00, 0x00, 0x00,                           // TransportID: SAS
        0x50, 0x00, 0xc5, 0x00, 0xa1, 0xb2, 0xc3, 0xd4,   // SAS ADDRESS
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ];
    assert_eq!(m.emit(), list);
    assert_eq!(m.cdb().as_bytes(), [0x5f, 0x07, 0, 0, 0, 0, 0, 0, 0x30, 0]);
    assert_eq!(PrOutRequest::parse(&m.cdb(), &list), Ok(PrOutRequest::Move(m)));
}

#[test]
fn register_with_other_ports() {
    let r = RegisterPorts {
        own: Key::default(),
        new: A,
        aptpl: Aptpl::No,
        all_target_ports: AllTargetPorts::No,
        ports: vec!["fcp:10000090fa123456".parse().unwrap(), "iqn.2026-11.lab:n2".parse().unwrap()],
    };
    let b = r.emit();
    assert_eq!(b.len(), 24 + 4 + 24 + 24);
    assert_eq!(b[20], 0x08, "SPEC_I_PT");
    assert_eq!(b[24..28], [0, 0, 0, 48], "TRANSPORTID PARAMETER DATA LENGTH");
    assert_eq!(r.cdb().as_bytes(), [0x5f, 0x00, 0, 0, 0, 0, 0, 0, 76, 0]);
}

#[test]
fn the_other_actions_say_what_their_names_do() {
    let clear = PrOut::clear(A);
    assert_eq!(
        (clear.action, clear.kind, clear.list.own, clear.list.target),
        (OutAction::Clear, None, A, Key::default())
    );
    let ignore = PrOut::register_and_ignore(B, Aptpl::Yes).for_all_target_ports();
    assert_eq!(ignore.basic_cdb().service_action(), 6);
    assert_eq!(ignore.list.emit()[8..], [0xde, 0xad, 0xbe, 0xef, 2, 0, 0, 7, 0, 0, 0, 0, 0x05, 0, 0, 0]);
    let lost = PrOut::replace_lost(B, ReservationType::WriteExclusive);
    assert_eq!((lost.basic_cdb().service_action(), lost.list.own, lost.list.target), (8, Key::default(), B));
}

/// (asc, ascq) a target would answer with.
fn refused(cdb: [u8; 10], data: &[u8]) -> (u8, u8) {
    let sense = PrOutRequest::parse(&Cdb::new(cdb), data).unwrap_err().sense();
    (sense.asc, sense.ascq)
}

#[test]
fn each_fault_has_its_sense() {
    let (op, cdb, list, len) = ((0x20, 0), (0x24, 0), (0x26, 0), (0x1a, 0));
    let data = [0u8; 24];
    assert_eq!(refused([0x5e, 0, 0, 0, 0, 0, 0, 0, 24, 0], &data), op);
    assert_eq!(refused([0x5f, 9, 0, 0, 0, 0, 0, 0, 24, 0], &data), cdb, "service action");
    assert_eq!(refused([0x5f, 1, 0, 0, 0, 0, 0, 0, 24, 0], &data), cdb, "type");
    assert_eq!(refused([0x5f, 1, 0x15, 0, 0, 0, 0, 0, 24, 0], &data), cdb, "scope");
    assert_eq!(refused([0x5f, 1, 5, 0, 0, 0, 0, 0, 23, 0], &data), len, "list too short");
    assert_eq!(refused([0x5f, 1, 5, 0, 0, 0, 0, 0, 25, 0], &[0; 25]), len, "list too long");
    assert_eq!(refused([0x5f, 1, 5, 0, 0, 0, 0, 0, 24, 0], &data[..20]), len, "less than announced");
    assert_eq!(refused([0x5f, 1, 5, 0, 0xff, 0xff, 0xff, 0xff, 24, 0], &data), len, "absurd length");
    let mut spec = [0u8; 28];
    spec[20] = 8;
    assert_eq!(refused([0x5f, 6, 0, 0, 0, 0, 0, 0, 28, 0], &spec), list, "SPEC_I_PT with another action");
    assert_eq!(
        refused([0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0], &spec),
        len,
        "no room for the TransportIDs' length"
    );
    spec[27] = 24;
    assert_eq!(refused([0x5f, 0, 0, 0, 0, 0, 0, 0, 28, 0], &spec), list, "TransportIDs that are not there");
    assert_eq!(refused([0x5f, 7, 0, 0, 0, 0, 0, 0, 20, 0], &data), len, "move without its length");
    assert_eq!(refused([0x5f, 7, 0, 0, 0, 0, 0, 0, 24, 0], &data), list, "move without a TransportID");
    // Scope and type are not looked at where the action has none.
    assert!(PrOutRequest::parse(&Cdb::new([0x5f, 0, 0x12, 0, 0, 0, 0, 0, 24, 0]), &data).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn requests_round_trip(r in any_request(), behind in proptest::collection::vec(any::<u8>(), 0..8)) {
        let data = [r.emit(), behind].concat();
        prop_assert_eq!(PrOutRequest::parse(&r.cdb(), &data), Ok(r));
    }

    #[test]
    fn reads_round_trip(action in proptest::sample::select(&InAction::ALL[..]), allocation: u16) {
        let r = PrIn { action, allocation };
        prop_assert_eq!(PrIn::parse(&r.cdb()), Ok(r));
    }

    #[test]
    fn a_shortened_list_is_refused(r in any_request(), cut in 1..400usize) {
        let data = r.emit();
        let kept = data.len().saturating_sub(cut);
        let refused = PrOutRequest::parse(&r.cdb(), &data[..kept]);
        prop_assert_eq!(refused, Err(RequestError::ListLength { have: kept, need: data.len() }));
    }

    #[test]
    fn keys_and_reservations_round_trip(
        g: u32,
        keys in proptest::collection::vec(key(), 0..40),
        holder in proptest::option::of((key(), kind())),
    ) {
        let generation = Generation(g);
        let b = KeysView::emit(generation, &keys);
        let view = KeysView::parse(&b).unwrap();
        prop_assert_eq!((view.generation(), view.truncated()), (generation, None));
        prop_assert_eq!((view.len(), view.is_empty()), (keys.len(), keys.is_empty()));
        prop_assert!(keys.iter().all(|k| view.contains(*k)));
        prop_assert_eq!(view.contains(Key::from_u64(0x0bad)), keys.contains(&Key::from_u64(0x0bad)));
        prop_assert_eq!(view.iter().collect::<Vec<_>>(), keys);
        let r = ReadReservation { generation, holder: holder.map(|(key, kind)| Holder { key, kind }) };
        prop_assert_eq!(ReadReservation::parse(&r.emit()), Ok(r));
    }

    #[test]
    fn a_cut_key_list_says_so(n in 1..40u64, cut in 1..40usize) {
        let keys: Vec<_> = (1..=n).map(Key::from_u64).collect();
        let b = KeysView::emit(Generation(1), &keys);
        let kept = b.len().saturating_sub(cut);
        match KeysView::parse(&b[..kept]) {
            Ok(v) => prop_assert_eq!(v.truncated(), Some(b.len())),
            Err(e) => {
                let cut = kept < 8 && matches!(e, DecodeError::Short { .. });
                prop_assert!(cut);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(
        mut cdb in any::<[u8; 10]>(),
        ours: bool,
        b in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        if ours {
            cdb = [0x5f, cdb[1] % 9, cdb[2], 0, 0, 0, 0, 0, u8::try_from(b.len()).unwrap(), 0];
        }
        let cdb = Cdb::new(cdb);
        let _ = PrIn::parse(&cdb);
        if let Ok(r) = PrOutRequest::parse(&cdb, &b) {
            prop_assert_eq!(PrOutRequest::parse(&r.cdb(), &r.emit()), Ok(r));
        }
        let _ = KeysView::parse(&b).map(|v| v.iter().count());
        let _ = ReadReservation::parse(&b);
        let _ = PrOutBasic::parse(&b);
    }
}
