//! What is written reads again, and a recording of the embedded unit replays on a fresh one.

use proptest::prelude::*;

use super::line::LineError;
use super::replay::{ReadError, Script, Unanswered};
use super::*;
use crate::codec::Cdb;
use crate::codec::pr::{Abort, Aptpl, PrOut, Preempt, ReservationType, read_full_status_cdb, read_keys_cdb};
use crate::device::sim::faults::{Effect, Filter, NewFault};
use crate::device::sim::{CreateOptions, SimDevice, SimError};
use crate::key::Key;

const NEVER: Instant = Instant::from_nanos(u64::MAX);
const TEST_UNIT_READY: Cdb = Cdb::new([0; 6]);
const KA: Key = Key::from_u64(0xa);
const KB: Key = Key::from_u64(0xb);
const NONE: Key = Key::from_u64(0);

struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let lab = Self { dir: tempfile::tempdir().unwrap() };
        SimDevice::create(&lab.disk("first"), &CreateOptions::default()).unwrap();
        lab
    }

    fn disk(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn recorded(&self, who: &str, to: &Arc<Recording>) -> Recorder {
        let spec = format!("sim:{}?as={who}", self.disk("first").display());
        Recorder::new(Box::new(SimDevice::open(&spec).unwrap()), Arc::clone(to))
    }

    fn recording(&self) -> Arc<Recording> {
        Arc::new(Recording::open(&self.disk("tape")).unwrap())
    }

    fn tape(&self) -> String {
        std::fs::read_to_string(self.disk("tape")).unwrap()
    }

    /// Replays on a unit of its own.
    fn replay(&self, tape: &str, unanswered: Unanswered) -> replay::Replayed {
        let script = Script::read(tape.as_bytes()).unwrap();
        let path = self.disk("second");
        let _ = std::fs::remove_file(&path);
        SimDevice::create(&path, &CreateOptions::default()).unwrap();
        let open = |n: &NexusLine| {
            let who = n.nexus.split_once("?").unwrap().1;
            let spec = format!("sim:{}?{who}", path.display());
            Ok::<_, SimError>(Box::new(SimDevice::open(&spec)?) as Box<dyn ScsiDevice>)
        };
        script.replay(unanswered, open).unwrap()
    }
}

fn send(d: &mut dyn ScsiDevice, cdb: Cdb, data: Data<'_>) -> Completion {
    d.execute(Request { cdb, data, deadline: NEVER })
}

fn out(d: &mut dyn ScsiDevice, c: &PrOut) -> Completion {
    send(d, c.basic_cdb(), Data::Out(&c.list.emit()))
}

/// Two nexuses, conflicts, attentions, data both ways, resets.
fn scene(lab: &Lab) -> String {
    let to = lab.recording();
    let (mut a, mut b) = (lab.recorded("a", &to), lab.recorded("b", &to));
    let kind = ReservationType::WriteExclusiveRegistrantsOnly;
    out(&mut a, &PrOut::register(NONE, KA, Aptpl::Yes));
    out(&mut a, &PrOut::reserve(KA, kind));
    let write = Cdb::new([0x2a, 0, 0, 0, 0, 1, 0, 0, 1, 0]);
    let read = Cdb::new([0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0]);
    send(&mut b, write, Data::Out(&[1; 512]));
    send(&mut a, write, Data::Out(&[2; 512]));
    send(&mut b, read, Data::In(&mut [0; 512]));
    out(&mut b, &PrOut::register(NONE, KB, Aptpl::Yes));
    send(&mut b, read_keys_cdb(256), Data::In(&mut [0; 256]));
    send(&mut b, read_full_status_cdb(1024), Data::In(&mut [0; 1024]));
    a.reset(ResetScope::LogicalUnit, Escalate::No, NEVER).unwrap();
    send(&mut b, TEST_UNIT_READY, Data::None);
    assert_eq!(a.reset(ResetScope::Bus, Escalate::No, NEVER), Err(ResetError::Unsupported));
    send(&mut b, Cdb::new([0x12, 0, 0, 0, 36, 0]), Data::In(&mut [0; 36]));
    assert_eq!(to.lost(), 0);
    lab.tape()
}

#[test]
fn the_answer_is_handed_on_and_every_line_reads_again() {
    let lab = Lab::new();
    let tape = scene(&lab);
    let lines: Vec<Line> = tape.lines().map(|l| Line::parse(l).unwrap()).collect();
    assert_eq!(lines.len(), 2 + 10 + 2);
    for (line, text) in lines.iter().zip(tape.lines()) {
        assert_eq!(serde_json::to_string(line).unwrap(), text);
    }
    let Line::Command(refused) = &lines[4] else { panic!("{:?}", lines[4]) };
    assert_eq!((refused.answer.status, refused.answer.residual), (Some(0x18), 512));
    assert_eq!((refused.out.len(), refused.room), (512, 0));
    let Line::Command(read) = &lines[6] else { panic!("{:?}", lines[6]) };
    assert_eq!((read.answer.data.as_slice(), read.room), (&[2; 512][..], 512));
    let mut plain = SimDevice::open(&format!("sim:{}?as=c", lab.disk("first").display())).unwrap();
    let to = lab.recording();
    let mut wrapped = lab.recorded("d", &to);
    let (mut x, mut y) = ([0; 64], [0; 64]);
    let p = send(&mut plain, read_keys_cdb(64), Data::In(&mut x));
    let w = send(&mut wrapped, read_keys_cdb(64), Data::In(&mut y));
    assert_eq!((p.delivery, p.sense, p.residual, x), (w.delivery, w.sense, w.residual, y));
    assert!(wrapped.own_transport_id().is_some());
}

#[test]
fn a_recording_replays_on_a_fresh_unit() {
    let lab = Lab::new();
    let tape = scene(&lab);
    let same = lab.replay(&tape, Unanswered::Executed);
    assert_eq!(same.difference, None);
    assert_eq!((same.commands, same.resets, same.passed_over, same.unanswered), (10, 1, 1, 0));
}

#[test]
fn a_nexus_that_came_later_comes_later_again() {
    let lab = Lab::new();
    let to = lab.recording();
    let mut a = lab.recorded("a", &to);
    out(&mut a, &PrOut::register(NONE, KA, Aptpl::No).for_all_target_ports());
    a.reset(ResetScope::LogicalUnit, Escalate::No, NEVER).unwrap();
    let mut late = lab.recorded("a&port=2", &to);
    send(&mut late, TEST_UNIT_READY, Data::None);
    send(&mut late, read_keys_cdb(64), Data::In(&mut [0; 64]));
    let same = lab.replay(&lab.tape(), Unanswered::Executed);
    assert_eq!((same.difference, same.commands), (None, 3), "not registered, and not told of the reset");
}

#[test]
fn the_first_difference_is_shown() {
    let lab = Lab::new();
    let tape = scene(&lab);
    let status = |s: &str, from: &str, to: &str| s.replacen(from, to, 1);
    for (spoilt, line, field) in [
        (status(&tape, "\"status\":24", "\"status\":0"), 5, "status"),
        (status(&tape, &"02".repeat(512), &"03".repeat(512)), 6, "data"),
        (status(&tape, "\"residual\":232", "\"residual\":233"), 9, "residual"),
        (
            status(
                &tape,
                "\"sense\":\"700006000000000a00000000290300",
                "\"sense\":\"700006000000000a00000000290400",
            ),
            12,
            "sense",
        ),
    ] {
        assert_ne!(spoilt, tape, "{field}");
        let d = lab.replay(&spoilt, Unanswered::Executed).difference.unwrap();
        // A write that was recorded otherwise shows where it is read.
        assert!(d.line == line || (field == "data" && d.line == 7), "{d:?}");
        assert_eq!(d.field, field, "{d:?}");
        assert_ne!(d.recorded, d.replayed);
    }
    // Another key in the registration list: told as keys.
    let other = tape.replacen("000000000000000b", "000000000000000c", 1);
    let d = lab.replay(&other, Unanswered::Executed).difference.unwrap();
    assert_eq!((d.line, d.field), (9, "data"), "READ KEYS shows it first: {d:?}");
}

#[test]
fn a_command_without_an_answer_is_what_the_reader_believes_of_it() {
    let lab = Lab::new();
    let to = lab.recording();
    let mut a = lab.recorded("a", &to);
    let effect = Effect::TransportError { host: 3, executed: crate::device::sim::faults::Executed::Yes };
    let filter = Filter { opcode: Some(0x5f), ..Filter::default() };
    SimDevice::inject(&lab.disk("first"), NewFault { effect, filter, times: Some(1), chance: None }).unwrap();
    out(&mut a, &PrOut::register(NONE, KA, Aptpl::No));
    send(&mut a, read_keys_cdb(64), Data::In(&mut [0; 64]));
    let tape = lab.tape();
    let same = lab.replay(&tape, Unanswered::Executed);
    assert_eq!((same.difference, same.unanswered), (None, 1));
    let d = lab.replay(&tape, Unanswered::NotExecuted).difference.unwrap();
    assert_eq!((d.line, d.field), (3, "data"));
}

#[test]
fn commands_that_were_not_executed_are_passed_over() {
    let lab = Lab::new();
    let to = lab.recording();
    let mut a = lab.recorded("a", &to);
    let fault = NewFault { effect: Effect::Busy, filter: Filter::default(), times: Some(1), chance: None };
    SimDevice::inject(&lab.disk("first"), fault).unwrap();
    out(&mut a, &PrOut::register(NONE, KA, Aptpl::No));
    send(&mut a, read_keys_cdb(64), Data::In(&mut [0; 64]));
    let late = PrOut::register(NONE, KB, Aptpl::No);
    let nothing = a.execute(Request {
        cdb: late.basic_cdb(),
        data: Data::Out(&late.list.emit()),
        deadline: Instant::from_nanos(0),
    });
    assert!(matches!(nothing.delivery, Delivery::NotSent(_)));
    let same = lab.replay(&lab.tape(), Unanswered::Executed);
    assert_eq!((same.difference, same.passed_over, same.commands), (None, 2, 1));
}

#[test]
fn what_is_no_recording_says_why() {
    let lab = Lab::new();
    let tape = scene(&lab);
    let read = |t: &str| Script::read(t.as_bytes()).unwrap_err();
    let cut = &tape[..tape.len() - 40];
    let number = tape.lines().count();
    assert!(matches!(read(cut), ReadError::Line { number: n, why: LineError::Json(_) } if n == number));
    assert!(read(cut).to_string().contains("cut off"));
    let newer = tape.replacen("\"schema\":1", "\"schema\":2", 1);
    assert!(matches!(read(&newer), ReadError::Line { number: 1, why: LineError::Version(2) }));
    let headless: String = tape.lines().skip(2).map(|l| format!("{l}\n")).collect();
    assert!(matches!(read(&headless), ReadError::UnknownNexus { number: 1, .. }));
    assert!(read(&headless).to_string().contains("beginning missing"));
    assert!(matches!(read(""), ReadError::Empty));
    for (from, to, words) in [
        ("\"kind\":\"nexus\"", "\"kind\":\"horse\"", "unknown kind 'horse'"),
        ("\"kind\":\"nexus\",", "", "no kind"),
        ("\"schema\":1,", "", "no schema"),
        ("\"at_ns\"", "\"at_us\"", "unknown field"),
        ("\"cdb\":\"5f", "\"cdb\":\"5f00", "11 bytes"),
        ("\"cdb\":\"5f", "\"cdb\":\"5g", "hex"),
        ("\"room\":512", "\"room\":65537", "65537 bytes"),
    ] {
        let spoilt = tape.replacen(from, to, 1);
        assert_ne!(spoilt, tape, "{from}");
        assert!(read(&spoilt).to_string().contains(words), "{words}: {}", read(&spoilt));
    }
    assert!(read("[]\n").to_string().contains("not an object"));
}

#[test]
fn a_file_that_takes_no_more_loses_lines_and_no_answers() {
    let lab = Lab::new();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let to = Arc::new(Recording { file: full, lost: AtomicU64::new(0) });
    let mut a = lab.recorded("a", &to);
    let c = out(&mut a, &PrOut::register(NONE, KA, Aptpl::No));
    assert_eq!(c.delivery, Delivery::Answered(crate::codec::Status::GOOD));
    assert_eq!(to.lost(), 2);
}

/// A command as chosen by chance: which of them, with which keys.
fn any_step() -> impl Strategy<Value = (usize, u8, u8, u8, u8)> {
    (0usize..3, 0u8..12, 0u8..4, 0u8..4, 0u8..7)
}

fn do_step(d: &mut dyn ScsiDevice, (what, own, other, kind): (u8, u8, u8, u8)) {
    let key = |n: u8| Key::from_u64(u64::from(n));
    let kind = ReservationType::ALL[usize::from(kind) % ReservationType::ALL.len()];
    let preempt = |abort| PrOut::preempt(Preempt { own: key(own), victim: key(other), kind, abort });
    match what {
        0 => drop(out(d, &PrOut::register(key(own), key(other), Aptpl::Yes))),
        1 => drop(out(d, &PrOut::register_and_ignore(key(other), Aptpl::No).for_all_target_ports())),
        2 => drop(out(d, &PrOut::reserve(key(own), kind))),
        3 => drop(out(d, &PrOut::release(key(own), kind))),
        4 => drop(out(d, &preempt(Abort::Yes))),
        5 => drop(out(d, &PrOut::clear(key(own)))),
        6 => drop(send(d, read_keys_cdb(200), Data::In(&mut [0; 200]))),
        7 => drop(send(d, read_full_status_cdb(1000), Data::In(&mut [0; 1000]))),
        8 => drop(send(d, Cdb::new([0x2a, 0, 0, 0, 0, other, 0, 0, 1, 0]), Data::Out(&[own; 512]))),
        9 => drop(send(d, Cdb::new([0x28, 0, 0, 0, 0, other, 0, 0, 1, 0]), Data::In(&mut [0; 512]))),
        10 => drop(send(d, Cdb::new([0x16 + (own & 1), 0, 0, 0, 0, 0]), Data::None)),
        _ => drop(d.reset(ResetScope::LogicalUnit, Escalate::No, NEVER)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_was_sent_replays_the_same(steps in proptest::collection::vec(any_step(), 1..60)) {
        let lab = Lab::new();
        let to = lab.recording();
        let mut devices = ["a", "b", "a&port=2"].map(|who| lab.recorded(who, &to));
        for (n, what, own, other, kind) in &steps {
            do_step(&mut devices[*n], (*what, *own, *other, *kind));
        }
        let same = lab.replay(&lab.tape(), Unanswered::Executed);
        prop_assert_eq!(same.difference, None);
        prop_assert_eq!(same.commands + same.resets, steps.len());
    }
}
