//! TransportIDs and ports, as bytes.

use super::*;
use crate::codec::Cdb;
use crate::codec::pr::{
    AllTargetPorts, Aptpl, PrOut, RegisterAndMove, RegisterPorts, ReservationType, Unregister,
};
use crate::device::sim::answer::Answer;
use crate::device::sim::unit::{LogicalUnit, Welcome};
use crate::key::Key;

const K: Key = Key::from_u64(0xa);
const KX: Key = Key::from_u64(0xf);
const NONE: Key = Key::from_u64(0);
const BAD_LIST: Answer = Answer::INVALID_FIELD_IN_PARAMETER_LIST;

struct Bench {
    profile: Profile,
    unit: LogicalUnit,
    a: NexusId,
    b: NexusId,
}

/// a at port 1, b at port 2.
fn bench() -> Bench {
    let mut profile = Profile::new("S", 64, 512).unwrap();
    let mut unit = LogicalUnit::new(Welcome::Silent);
    let a = profile.intern(&"a".parse().unwrap(), "1".parse().unwrap()).unwrap();
    let b = profile.intern(&"b".parse().unwrap(), "2".parse().unwrap()).unwrap();
    unit.introduce(b);
    Bench { profile, unit, a, b }
}

fn id(name: &str) -> TransportId {
    format!("iqn.2026-11.palisade.sim:{name}").parse().unwrap()
}

impl Bench {
    fn send(&mut self, n: NexusId, cdb: &Cdb, out: &[u8]) -> Answer {
        self.unit.execute(&mut self.profile, n, cdb, out, &mut []).answer
    }

    fn registered(&self) -> Vec<String> {
        let all = self.unit.reservations().registrations();
        all.map(|r| self.profile.name(r.nexus).map(|n| format!("{}/{}", n.initiator, n.port)).unwrap())
            .collect()
    }
}

fn ports(list: &[TransportId], all: AllTargetPorts) -> RegisterPorts {
    RegisterPorts { own: NONE, new: K, aptpl: Aptpl::No, all_target_ports: all, ports: list.to_vec() }
}

#[test]
fn listed_initiators_are_registered_at_the_port_of_the_command_table_69() {
    let mut t = bench();
    let c = ports(&[id("b"), id("new"), id("new"), id("a")], AllTargetPorts::No);
    assert_eq!(t.send(t.a, &c.cdb(), &c.emit()), Answer::Good);
    assert_eq!(t.registered(), ["a/1", "b/1", "new/1"], "b at port 2 is another nexus");
    assert!(t.unit.is_sound() && t.unit.known() == t.profile.nexuses().len());
}

#[test]
fn listed_initiators_at_all_ports_table_69() {
    let mut t = bench();
    let c = ports(&[id("c")], AllTargetPorts::Yes);
    assert_eq!(t.send(t.a, &c.cdb(), &c.emit()), Answer::Good);
    let mut all = t.registered();
    all.sort();
    assert_eq!(all, ["a/1", "a/2", "c/1", "c/2"]);
}

#[test]
fn a_refused_list_makes_nobody_known() {
    let foreign: TransportId = "iqn.2026-11.lab:n1".parse().unwrap();
    let sas: TransportId = "sas:5000c500a1b2c3d4".parse().unwrap();
    let session: TransportId = "iqn.2026-11.palisade.sim:c,i,0x00023d000001".parse().unwrap();
    for bad in [foreign, sas, session] {
        let mut t = bench();
        let (profile, unit) = (t.profile.clone(), t.unit.clone());
        let c = ports(&[id("c"), bad], AllTargetPorts::No);
        assert_eq!(t.send(t.a, &c.cdb(), &c.emit()), BAD_LIST);
        assert_eq!((&t.profile, &t.unit), (&profile, &unit));
    }
    let mut t = bench();
    assert_eq!(
        t.send(
            t.b,
            &PrOut::register(NONE, K, Aptpl::No).basic_cdb(),
            &PrOut::register(NONE, K, Aptpl::No).list.emit()
        ),
        Answer::Good
    );
    let profile = t.profile.clone();
    let c = RegisterPorts { own: KX, ..ports(&[id("c")], AllTargetPorts::Yes) };
    assert_eq!(t.send(t.a, &c.cdb(), &c.emit()), Answer::Conflict);
    assert_eq!(t.profile, profile);
}

#[test]
fn an_exhausted_unit_says_so() {
    let mut t = bench();
    for n in t.profile.nexuses().len()..256 {
        t.profile.intern(&format!("n{n}").parse().unwrap(), TargetPort::default()).unwrap();
    }
    let c = ports(&[id("one-too-many")], AllTargetPorts::No);
    assert_eq!(t.send(t.a, &c.cdb(), &c.emit()), Answer::NO_REGISTRATION_RESOURCES);
    assert_eq!(t.registered(), [] as [&str; 0]);
}

#[test]
fn all_target_ports_covers_the_ports_there_are() {
    let mut t = bench();
    let c = PrOut::register(NONE, K, Aptpl::No).for_all_target_ports();
    assert_eq!(t.send(t.a, &c.basic_cdb(), &c.list.emit()), Answer::Good);
    assert_eq!(t.registered(), ["a/1", "a/2"]);
    // A port that is used later is not covered.
    let late = t.profile.intern(&"a".parse().unwrap(), "3".parse().unwrap()).unwrap();
    t.unit.introduce(late);
    assert!(!t.unit.reservations().is_registered(late));
}

#[test]
fn register_and_move_goes_where_it_is_told_spc4_5_12_8() {
    let mut t = bench();
    let c = PrOut::register(NONE, K, Aptpl::No);
    assert_eq!(t.send(t.a, &c.basic_cdb(), &c.list.emit()), Answer::Good);
    let c = PrOut::reserve(K, ReservationType::WriteExclusiveRegistrantsOnly);
    assert_eq!(t.send(t.a, &c.basic_cdb(), &c.list.emit()), Answer::Good);
    let to = |name: &str, port| RegisterAndMove {
        own: K,
        new: KX,
        aptpl: Aptpl::No,
        unregister: Unregister::Yes,
        relative_target_port: port,
        to: id(name),
    };
    let profile = t.profile.clone();
    // The own initiator at whatever port, a port that is not there, port 0, a foreign name.
    for c in [
        to("a", 1),
        to("a", 2),
        to("b", 3),
        to("b", 0),
        RegisterAndMove { to: "sas:5000c500a1b2c3d4".parse().unwrap(), ..to("b", 2) },
    ] {
        assert_eq!(t.send(t.a, &c.cdb(), &c.emit()), BAD_LIST, "{c:?}");
        assert_eq!(t.profile, profile);
    }
    assert_eq!(t.send(t.a, &to("b", 2).cdb(), &to("b", 2).emit()), Answer::Good);
    assert_eq!(t.registered(), ["b/2"]);
    assert!(t.unit.reservations().is_holder(t.b));
    assert_eq!(t.profile, profile, "b at port 2 was known");
}
