//! Which commands are hit.

use super::*;

fn name(s: &str) -> InitiatorName {
    s.parse().unwrap()
}

const READ_KEYS: Cdb = Cdb::new([0x5e, 0, 0, 0, 0, 0, 0, 0, 8, 0]);
const READ_RESERVATION: Cdb = Cdb::new([0x5e, 1, 0, 0, 0, 0, 0, 0, 8, 0]);
const TEST_UNIT_READY: Cdb = Cdb::new([0; 6]);

fn busy(filter: Filter, times: Option<u32>) -> NewFault {
    NewFault { effect: Effect::Busy, filter, times, chance: None }
}

#[test]
fn a_filter_hits_what_it_names() {
    let a = Some(name("a"));
    for (filter, hits) in [
        (Filter::default(), [true, true, true, true]),
        (Filter { initiator: a.clone(), ..Filter::default() }, [true, true, true, false]),
        (Filter { opcode: Some(0x5e), ..Filter::default() }, [true, true, false, true]),
        (Filter { initiator: a, opcode: Some(0x5e), service_action: Some(1) }, [false, true, false, false]),
    ] {
        let commands = [("a", READ_KEYS), ("a", READ_RESERVATION), ("a", TEST_UNIT_READY), ("b", READ_KEYS)];
        let got = commands.map(|(who, cdb)| {
            let mut f = Faults::default();
            f.add(busy(filter.clone(), None)).unwrap();
            f.strike(&name(who), &cdb).is_some()
        });
        assert_eq!(got, hits, "{filter:?}");
    }
}

#[test]
fn a_fault_is_gone_when_it_happened_often_enough() {
    let mut f = Faults::default();
    let id = f.add(busy(Filter::default(), Some(2))).unwrap();
    let other = NewFault { effect: Effect::TaskSetFull, ..busy(Filter::default(), None) };
    f.add(other).unwrap();
    let struck: Vec<_> = (0..4).map(|_| f.strike(&name("a"), &READ_KEYS)).collect();
    let (b, t) = (Some(Effect::Busy), Some(Effect::TaskSetFull));
    assert_eq!(struck, [b, b, t, t], "the oldest first");
    assert_eq!((f.list().len(), f.list()[0].id), (1, id + 1));
    assert_eq!((f.clear(Some(id)), f.clear(Some(id + 1)), f.is_empty()), (0, 1, true));
}

#[test]
fn chance_repeats_itself_and_is_about_as_rare_as_told() {
    let run = |seed| {
        let mut f = Faults::default();
        let chance = Some(Chance { per_million: 250_000, seed });
        f.add(NewFault { chance, ..busy(Filter::default(), None) }).unwrap();
        (0..4000).map(|_| f.strike(&name("a"), &READ_KEYS).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
    for seed in 0..8 {
        let hits = run(seed).iter().filter(|h| **h).count();
        assert!((850..1150).contains(&hits), "{hits} of 4000 with seed {seed}");
    }
    // What does not match draws nothing.
    let mut f = Faults::default();
    let filter = Filter { opcode: Some(0), ..Filter::default() };
    f.add(NewFault { chance: Some(Chance { per_million: 1, seed: 3 }), ..busy(filter, None) }).unwrap();
    let before = f.clone();
    assert_eq!((f.strike(&name("a"), &READ_KEYS), &f), (None, &before));
}

#[test]
fn what_cannot_be_is_refused() {
    let mut f = Faults::default();
    let ok = busy(Filter::default(), None);
    let chance = |per_million| Some(Chance { per_million, seed: 0 });
    for (new, why) in [
        (NewFault { effect: Effect::Delay { ms: 0 }, ..ok.clone() }, FaultError::Delay(0)),
        (NewFault { effect: Effect::Delay { ms: 600_001 }, ..ok.clone() }, FaultError::Delay(600_001)),
        (NewFault { chance: chance(0), ..ok.clone() }, FaultError::Chance(0)),
        (NewFault { chance: chance(1_000_001), ..ok.clone() }, FaultError::Chance(1_000_001)),
        (NewFault { times: Some(0), ..ok.clone() }, FaultError::Never),
    ] {
        assert_eq!(f.add(new), Err(why));
    }
    for _ in 0..MAX_FAULTS {
        f.add(ok.clone()).unwrap();
    }
    assert_eq!(f.add(ok), Err(FaultError::TooMany));
    assert_eq!(f.clear(None), MAX_FAULTS);
}

#[test]
fn faults_are_stored_as_they_are() {
    let mut f = Faults::default();
    for effect in [
        Effect::Delay { ms: 9 },
        Effect::DropCommand,
        Effect::DropAnswer,
        Effect::TransportError { host: 7, executed: Executed::Yes },
        Effect::Busy,
        Effect::TaskSetFull,
        Effect::Attention { what: Attention::CapacityChanged },
        Effect::Reset,
        Effect::PowerLoss { memory: Memory::Failed },
    ] {
        let filter = Filter { initiator: Some(name("a")), opcode: Some(0x5f), service_action: Some(5) };
        let chance = Some(Chance { per_million: 5, seed: u64::MAX });
        f.add(NewFault { effect, filter, times: Some(3), chance }).unwrap();
    }
    let json = serde_json::to_string(&f).unwrap();
    assert_eq!(serde_json::from_str::<Faults>(&json).unwrap(), f);
}
