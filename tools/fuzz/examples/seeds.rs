//! Writes the committed seeds anew: `cargo run --example seeds` in tools/fuzz.
//!
//! Each seed is a well-formed input, so that a run of seconds starts behind the first length checks. What
//! a longer run finds on its own stays out of the repository.

use std::fs;
use std::path::Path;

use arbitrate::codec::block::{Capacity10, Capacity16};
use arbitrate::codec::inquiry::{Peripheral, StandardInquiry};
use arbitrate::codec::pr::{
    AllTargetPorts, Aptpl, Capabilities, FullStatus, Generation, Holder, KeysView, PrOut, PrOutRequest,
    ReadReservation, RegisterAndMove, RegisterPorts, RegisteredPort, Registration, ReservationType, TypeSet,
    Unregister, read_keys_cdb,
};
use arbitrate::codec::quorum::Epoch;
use arbitrate::codec::vpd::{
    Association, CodeSet, Designator, DesignatorId, DeviceIdentification, Naa, SupportedPages,
    UnitSerialNumber,
};
use arbitrate::codec::{Cdb, Sense, SenseKey, Text, opcode};
use arbitrate::device::classify::{Class, classify};
use arbitrate::device::sim::{CreateOptions, SimDevice};
use arbitrate::device::{Data, Request, ScsiDevice};
use arbitrate::key::{ClusterId, Incarnation, Key};
use arbitrate::time::Instant;
use netident::dns::{Change, Family, Goal, Key as TsigKey, query, update};
use netident::frame::arp::Arp;
use netident::frame::ndp::Ndp;
use netident::identity::name::{Naming, server};
use palisade::heartbeat::wire::{Echo, Flags, Handshake, LEN, Member, Pace, Repr, To};

const KIND: ReservationType = ReservationType::WriteExclusiveRegistrantsOnly;
const IDS: [&str; 7] = [
    "iqn.2026-11.lab:n1,i,0x00023d000001",
    "iqn.2026-11.lab:n1,i,0x00023d...",
    "fcp:10000090fa123456",
    "sas:5000c500a1b2c3d4",
    "srp:fe80000000000000000002c903001234",
    "spi:7.1",
    "sop:0100",
];

fn main() {
    inquiry();
    reservations();
    answers();
    transport_ids();
    requests();
    unit();
    sim_file();
    texts();
    heartbeat();
    frames();
    names();
}

fn put(target: &str, name: &str, bytes: &[u8]) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(name), bytes).unwrap();
}

fn inquiry() {
    let standard = StandardInquiry {
        peripheral: Peripheral::DISK,
        removable: false,
        version: 6,
        target_port_groups: 1,
        multi_port: true,
        queueing: true,
        protection: false,
        vendor: Text::new("LIO-ORG"),
        product: Text::new("disk"),
        revision: Text::new("4.0"),
    };
    put("inquiry", "standard", &standard.emit());
    let peripheral = Peripheral::DISK;
    put("inquiry", "page-00", &SupportedPages { peripheral, pages: vec![0, 0x80, 0x83] }.emit().unwrap());
    put("inquiry", "page-80", &UnitSerialNumber { peripheral, serial: b"6001405a".to_vec() }.emit().unwrap());
    let of = |association, code_set, id| Designator { association, code_set, protocol: None, id };
    let (unit, port) = (Association::LogicalUnit, Association::TargetPort);
    let t10 = DesignatorId::T10 { vendor: Text::new("LIO-ORG"), specific: b"disk:6001405a\0".to_vec() };
    let naa = DesignatorId::Naa(Naa::RegisteredExtended([0x60; 16]));
    let name = DesignatorId::ScsiName("iqn.2026-11.lab:target,t,0x0001".into());
    let designators = vec![
        of(unit, CodeSet::Binary, naa),
        of(unit, CodeSet::Ascii, t10),
        Designator { protocol: Some(5), ..of(port, CodeSet::Binary, DesignatorId::RelativeTargetPort(1)) },
        of(port, CodeSet::Utf8, name),
    ];
    put("inquiry", "page-83", &DeviceIdentification { peripheral, designators }.emit().unwrap());
}

fn reservations() {
    let keys = [Key::from_u64(0xa1), Key::from_u64(0xdead_beef_0780_0005)];
    let b = KeysView::emit(Generation(7), &keys);
    put("reservations", "keys", &b);
    put("reservations", "keys-cut", &b[..16]);
    let holder = Some(Holder { key: keys[0], kind: KIND });
    put("reservations", "holder", &ReadReservation { generation: Generation(7), holder }.emit());
    let registrations = IDS
        .iter()
        .map(|id| Registration {
            key: keys[1],
            holds: Some(KIND),
            port: RegisteredPort::One(1),
            transport_id: id.parse().unwrap(),
        })
        .collect();
    put("reservations", "full-status", &FullStatus { generation: Generation(7), registrations }.emit());
    let c = Capabilities {
        replace_lost: false,
        compatible_reservation_handling: true,
        spec_i_pt: true,
        all_target_ports: true,
        aptpl_capable: true,
        aptpl_active: false,
        allow_commands: 1,
        types: Some(TypeSet::all()),
    };
    put("reservations", "capabilities", &c.emit());
    // Room for 8 bytes, then answers that say they have more.
    put("reservations", "reread", &[&[0, 8, 0][..], &b, &b].concat());
}

fn answers() {
    let s = Sense::new(SenseKey::UNIT_ATTENTION, 0x2a, 3);
    put("answers", "fixed", &s.emit_fixed());
    put("answers", "descriptor", &s.emit_descriptor());
    put("answers", "check-condition", &[&[2][..], &s.emit_fixed()].concat());
    put("answers", "capacity-10", &Capacity10 { last_lba: 0x1_ffff, block_len_bytes: 512 }.emit());
    let c = Capacity16 {
        last_lba: 0x1_ffff,
        block_len_bytes: 4096,
        blocks_per_physical_exponent: 3,
        lowest_aligned_lba: 1,
        thin: true,
        unmapped_read_zero: true,
    };
    put("answers", "capacity-16", &c.emit());
}

fn transport_ids() {
    for (i, text) in IDS.iter().enumerate() {
        let id: arbitrate::codec::pr::TransportId = text.parse().unwrap();
        put("transport_id", &format!("bytes-{i}"), &id.emit());
        put("transport_id", &format!("text-{i}"), text.as_bytes());
    }
    for (name, text) in [
        ("key", "0xdeadbeef_07_800005"),
        ("key-json", "\"deadbeef07800005\""),
        ("sim", "sim:/tmp/disk.img?as=n1&port=2"),
        ("raw", "raw:07000000000000000000000000000000000000000000000b"),
    ] {
        put("transport_id", name, text.as_bytes());
    }
}

fn requests() {
    let with = |cdb: &Cdb, list: &[u8]| {
        let len = match cdb.as_bytes().len() {
            6 => 0,
            10 => 1,
            12 => 2,
            _ => 3,
        };
        [&[len][..], cdb.as_bytes(), list].concat()
    };
    for o in opcode::OPERATIONS {
        let name = o.name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        put("requests", &name, &with(&Cdb::from_slice(o.usage).unwrap(), &[]));
    }
    let (own, new) = (Key::from_u64(1), Key::from_u64(2));
    let to = || IDS[0].parse().unwrap();
    let lists = [
        ("list-basic", PrOutRequest::Basic(PrOut::register(own, new, Aptpl::Yes))),
        (
            "list-ports",
            PrOutRequest::RegisterPorts(RegisterPorts {
                own,
                new,
                aptpl: Aptpl::No,
                all_target_ports: AllTargetPorts::No,
                ports: vec![to(), IDS[3].parse().unwrap()],
            }),
        ),
        (
            "list-move",
            PrOutRequest::Move(RegisterAndMove {
                own,
                new,
                aptpl: Aptpl::No,
                unregister: Unregister::Yes,
                relative_target_port: 1,
                to: to(),
            }),
        ),
    ];
    for (name, r) in lists {
        put("requests", name, &with(&r.cdb(), &r.emit()));
    }
}

fn unit() {
    // Welcome; then nexus, action, type, flags, key: A and B register, A reserves, B preempts it.
    let register = |nexus, key| [nexus, 0, 2, 0, key];
    let seed = [&[0][..], &register(0, 1), &register(1, 2), &[0, 1, 2, 0, 0], &[1, 5, 2, 0, 1]].concat();
    put("unit", "preempt", &seed);
    let cdb = read_keys_cdb(64);
    // Nexus 0, the last block, written.
    put("unit", "write", &[0, 0, 202, 3, 1]);
    put("unit", "raw", &[&[1, 0, 220, 1][..], cdb.as_bytes(), &[0], &[0, 255]].concat());
}

fn sim_file() {
    let path = std::env::temp_dir().join(format!("palisade-seed-{}.img", std::process::id()));
    SimDevice::create(&path, &CreateOptions { serial: Some("FUZZ".into()), ..CreateOptions::default() })
        .unwrap();
    // Two registrants, one of which holds; the other has something to hear.
    let open = |name| SimDevice::open(&format!("sim:{}?as={name}", path.display())).unwrap();
    let (mut a, mut b) = (open("n1"), open("n2"));
    let (none, ka, kb) = (Key::default(), Key::from_u64(0xa1), Key::from_u64(0xb2));
    send(&mut a, &PrOut::register(none, ka, Aptpl::No));
    send(&mut b, &PrOut::register(none, kb, Aptpl::No));
    send(&mut a, &PrOut::reserve(ka, KIND));
    send(&mut a, &PrOut::release(ka, KIND));
    send(&mut a, &PrOut::reserve(ka, KIND));
    let shown = SimDevice::show(&path).unwrap();
    let state = serde_json::json!({ "profile": shown.profile, "unit": shown.unit });
    put("sim_file", "state", &[&[0][..], state.to_string().as_bytes()].concat());
    let file = fs::read(&path).unwrap();
    put("sim_file", "heads", &[&[3][..], &file[4096..4096 + 128]].concat());
    put("sim_file", "magic", &[&[1][..], &file[..16]].concat());
    fs::remove_file(&path).unwrap();
}

fn send(disk: &mut SimDevice, c: &PrOut) {
    let data = Data::Out(&c.list.emit());
    let deadline = Instant::from_nanos(u64::MAX);
    let done = disk.execute(Request { cdb: c.basic_cdb(), data, deadline });
    assert_eq!(classify(&done), Class::Good);
}

fn texts() {
    for (name, text) in [
        ("line", r#"{"cdb":"5e 00 00 00 00 00 00 00 20 00","in":32}"#),
        ("line-out", r#"{"cdb":"5f:00:00:00:00:00:00:00:18:00","out":"000000000000000000000000000000a1"}"#),
        ("line-reset", r#"{"reset":"lun"}"#),
        (
            "profile",
            "tick_ms = 3000\ntick_budget_ms = 500\nmargin_ms = 500\nwindow_ms = 7000\nwatchdog_ms = 5000\n",
        ),
        (
            "recording",
            concat!(
                r#"{"schema":1,"kind":"nexus","nexus":"sim:disk?as=a","transport_id":"0500001c69716e2e323032362d31312e70616c69736164652e73696d3a610000","at_ns":8430108799536}"#,
                "\n",
                r#"{"schema":1,"kind":"command","nexus":"sim:disk?as=a","at_ns":8430109155216,"cdb":"5e020000000000000800","out":"","room":8,"answer":{"delivery":"answered","status":0,"host":0,"driver":0,"errno":0,"sense":"","data":"00088d80ea010000","residual":0},"us":230}"#,
                "\n",
            ),
        ),
    ] {
        put("texts", name, text.as_bytes());
    }
}

/// Three datagrams in a row: a peer's first, one that returns a nonce, one that says goodbye.
fn heartbeat() {
    let first = Repr {
        cluster: ClusterId::from_u32(0xdead_beef),
        sender: Member::FIRST,
        to: To::One(Member::SECOND),
        link: 0,
        key_id: 1,
        flags: Flags::default(),
        incarnation: Incarnation::FIRST,
        sequence: 1,
        pace: Pace::new(10_000, 1_000, 3).unwrap(),
        stall_us: 0,
        epoch: Epoch(1),
        log_position: 0,
        slot_sequence: 0,
        echo: Some(Echo { sequence: 1, link: 0, held_us: 9 }),
        handshake: Handshake { challenge: 5, response: 0 },
    };
    let answer = Repr { sequence: 2, handshake: Handshake { challenge: 5, response: 7 }, ..first };
    let goodbye =
        Repr { sequence: 3, to: To::Everybody, flags: Flags { goodbye: true, ..Flags::default() }, ..first };
    let mut all = Vec::new();
    for (name, repr) in [("first", first), ("answer", answer), ("goodbye", goodbye)] {
        let mut b = [0; LEN];
        repr.emit(&mut b);
        put("heartbeat", name, &b);
        all.extend(b);
    }
    put("heartbeat", "all", &all);
}

fn frames() {
    let mac = "02:00:00:00:00:0b".parse().unwrap();
    let (vip, router) = ("192.0.2.10".parse().unwrap(), "192.0.2.1".parse().unwrap());
    let (vip6, router6) = ("2001:db8::10".parse().unwrap(), "2001:db8::1".parse().unwrap());
    for (name, frame) in [
        ("gratuitous-request", Arp::gratuitous_request(mac, vip).emit()),
        ("gratuitous-reply", Arp::gratuitous_reply(mac, vip).emit()),
        ("question", Arp::question(mac, vip, router).emit()),
        ("probe", Arp::probe(mac, vip).emit()),
        ("advertisement", Ndp::unsolicited(mac, vip6).emit()),
        ("solicitation", Ndp::question(mac, vip6, router6).emit()),
        ("probe6", Ndp::probe(mac, vip6).emit()),
    ] {
        put("frames", name, &frame);
    }
}

fn names() {
    let key = "hmac-sha256:k:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    put("names", "key-line", key.as_bytes());
    put("names", "key-clause", b"key \"k\" { algorithm hmac-sha256; secret \"MDEyMzQ1Njc4OWFiY2RlZg==\"; };");
    put("names", "name", b"db.example.com");
    let key = TsigKey::parse(key).unwrap();
    let naming = Naming::new("db.example.com".parse().unwrap(), server("192.0.2.53").unwrap(), "k".into());
    let change = Change::new(&naming, ["192.0.2.10".parse().unwrap()], Goal::Leads);
    // Requests, made into answers by the one bit that tells them apart.
    for (name, request) in [
        ("update", update(&change, &key, 7, 1_700_000_000)),
        ("query", query(&naming.name, Family::V4, &key, 7, 1_700_000_000)),
    ] {
        let mut bytes = request.unwrap().bytes;
        bytes[2] |= 0x84;
        put("names", name, &bytes);
    }
    put(
        "names",
        "answer",
        b"\0\x07\x84\0\0\x01\0\x02\0\0\0\0\x02db\x07example\x03com\0\0\x01\0\x01\
          \xc0\x0c\0\x05\0\x01\0\0\0\x1e\0\x04\x01x\xc0\x0f\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\x0a",
    );
}
