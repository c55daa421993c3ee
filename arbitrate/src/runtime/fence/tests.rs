//! Many devices at once: a hung one delays nobody and is the only one that is unknown.

use std::sync::mpsc::{Receiver, Sender, channel};

use arrayvec::ArrayVec;

use super::*;
use crate::codec::pr::{Abort, Aptpl, Generation, PrOut, ReservationType};
use crate::codec::{Cdb, Status};
use crate::device::sim::{CreateOptions, SimDevice};
use crate::device::{Completion, Data, Delivery, Escalate, Request, ResetError, ResetScope};
use crate::key::{ClusterId, Incarnation, KeyParts, NodeNumber, Stance};
use crate::protocol::fence::{
    Drain, FenceDoubt, FenceRefusal, Holders, How, Protection, SilentPaths, Victim,
};

const CLUSTER: ClusterId = ClusterId::from_u32(0xc1);
const KIND: ReservationType = ReservationType::WriteExclusiveRegistrantsOnly;

fn node(n: u32) -> NodeNumber {
    NodeNumber::new(n).unwrap()
}

fn key(n: u32) -> Key {
    let incarnation = Incarnation::new(1).unwrap();
    KeyParts { cluster: CLUSTER, node: node(n), stance: Stance::Settled, incarnation }.key()
}

fn order(budget_ms: u64) -> FenceOrder {
    FenceOrder {
        cluster: CLUSTER,
        victim: Victim::Node(CLUSTER, node(2)),
        protection: Protection::Required(None),
        abort: Abort::Yes,
        drain: Drain::AbortOnly,
        holders: Holders::Cluster,
        silent_paths: SilentPaths::NotProven,
        command_timeout: Duration::from_millis(budget_ms),
        budget: Duration::from_millis(budget_ms),
    }
}

fn out(d: &mut dyn ScsiDevice, o: &PrOut) {
    let deadline = now() + Duration::from_secs(10);
    let done = d.execute(Request { cdb: o.basic_cdb(), data: Data::Out(&o.list.emit()), deadline });
    assert_eq!(done.delivery, Delivery::Answered(Status::GOOD), "{o:?}");
}

/// Embedded disks held by node 2, with node 1 registered.
fn disks(dir: &std::path::Path, n: usize) -> Vec<Box<dyn ScsiDevice>> {
    (0..n)
        .map(|i| {
            let path = dir.join(format!("d{i}"));
            SimDevice::create(&path, &CreateOptions::default()).unwrap();
            let open = |who| SimDevice::open(&format!("sim:{}?as={who}", path.display())).unwrap();
            let (mut me, mut victim) = (open("n1"), open("n2"));
            out(&mut me, &PrOut::register(Key::default(), key(1), Aptpl::No));
            out(&mut victim, &PrOut::register(Key::default(), key(2), Aptpl::No));
            out(&mut victim, &PrOut::reserve(key(2), KIND));
            Box::new(me) as Box<dyn ScsiDevice>
        })
        .collect()
}

fn member(d: Box<dyn ScsiDevice>) -> Member {
    Member { paths: vec![d], own: Some(key(1)), way: Way::FullStatus }
}

const DONE: FenceEnd = FenceEnd::Confirmed(How::Done);

#[test]
fn many_devices_are_fenced_at_once_each_with_its_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let members = disks(dir.path(), 8).into_iter().map(member).collect();
    let mut crew = FenceCrew::prepare(members, || {}).unwrap();
    for r in crew.fence(&order(60_000)) {
        assert_eq!(r.end, DONE);
        let (before, after) = (r.before().unwrap(), r.after().unwrap());
        assert_eq!(before.keys, [key(1), key(2)]);
        assert_eq!(before.holder.unwrap().key, key(2));
        assert_eq!((&after.keys[..], after.holder.unwrap().key), (&[key(1)][..], key(1)));
        assert!(after.generation > before.generation);
        assert!(r.decided <= r.began && r.began <= r.ended);
        let sent = r.log.iter().filter(|e| matches!(e.what, Action::Command(_))).count();
        assert_eq!((sent, r.unlogged), (3, 0));
    }
    // The same crew again: nothing is left to do.
    let again = crew.fence(&order(60_000));
    assert!(again.iter().all(|r| r.end == FenceEnd::Confirmed(How::AlreadySo)), "{again:?}");
    assert!(again.iter().all(|r| r.log.len() == 1));
}

#[test]
fn a_look_in_two_commands_gives_the_same_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let d = disks(dir.path(), 1).remove(0);
    let member = Member { way: Way::KeysAndReservation, ..member(d) };
    let mut crew = FenceCrew::prepare(vec![member], || {}).unwrap();
    let r = &crew.fence(&order(60_000))[0];
    assert_eq!(r.end, DONE);
    assert_eq!(r.before().unwrap().holder.unwrap().key, key(2));
    assert_eq!(r.after().unwrap().holder.unwrap().key, key(1));
    assert_eq!(r.log.len(), 5);
}

/// Breaks its contract: does not return at the deadline, but when it is told to.
struct Hung {
    entered: Sender<()>,
    leave: Receiver<()>,
}

impl ScsiDevice for Hung {
    fn name(&self) -> &str {
        "hung"
    }
    fn execute(&mut self, _: Request<'_>) -> Completion {
        let _ = self.entered.send(());
        let _ = self.leave.recv();
        Completion::unanswered(Delivery::Outstanding, Duration::ZERO)
    }
    fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
        Err(ResetError::Unsupported)
    }
    fn own_transport_id(&self) -> Option<Vec<u8>> {
        None
    }
}

#[test]
fn a_hung_device_is_unknown_and_delays_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (entered, was_entered) = channel();
    let (let_go, leave) = channel();
    let mut members: Vec<Member> = disks(dir.path(), 2).into_iter().map(member).collect();
    members.insert(1, member(Box::new(Hung { entered, leave })));
    let mut crew = FenceCrew::prepare(members, || {}).unwrap();
    // Long enough for the others on a busy machine; what is awaited is the budget's end.
    let budget = order(2000);
    let ends: Vec<FenceEnd> = crew.fence(&budget).iter().map(|r| r.end).collect();
    assert_eq!((ends[0], ends[2]), (DONE, DONE));
    assert!(matches!(ends[1], FenceEnd::Unknown { doubt: FenceDoubt::Overdue, .. }), "{ends:?}");
    was_entered.try_recv().unwrap();
    // Its thread is still stuck: it is not asked again, and still delays nobody.
    let again: Vec<FenceEnd> = crew.fence(&budget).iter().map(|r| r.end).collect();
    assert_eq!(again[0], FenceEnd::Confirmed(How::AlreadySo));
    assert!(matches!(again[1], FenceEnd::Unknown { doubt: FenceDoubt::Overdue, .. }), "{again:?}");
    assert!(was_entered.try_recv().is_err(), "a stuck thread was given more to do");
    drop(let_go);
}

#[test]
fn a_refusal_costs_no_command() {
    let dir = tempfile::tempdir().unwrap();
    let members = disks(dir.path(), 1).into_iter().map(member).collect();
    let mut crew = FenceCrew::prepare(members, || {}).unwrap();
    let me = FenceOrder { victim: Victim::Node(CLUSTER, node(1)), ..order(60_000) };
    let r = &crew.fence(&me)[0];
    assert_eq!(r.end, FenceEnd::Refused(FenceRefusal::Myself));
    assert!(r.log.is_empty());
    let named = FenceOrder { victim: Victim::Keys(ArrayVec::new()), ..order(60_000) };
    assert_eq!(crew.fence(&named)[0].end, FenceEnd::Refused(FenceRefusal::Nobody));
}

/// An answer so full that another registration would not have fitted.
struct Full;

impl ScsiDevice for Full {
    fn name(&self) -> &str {
        "full"
    }
    fn execute(&mut self, r: Request<'_>) -> Completion {
        assert_eq!(r.cdb.service_action(), 3, "{:?}", Cdb::as_bytes(&r.cdb));
        let Data::In(b) = r.data else { panic!("a read has a buffer") };
        let body = (b.len() - 8) / 28 * 28;
        b[4..8].copy_from_slice(&u32::try_from(body).unwrap().to_be_bytes());
        for d in b[8..8 + body].chunks_exact_mut(28) {
            d[..8].copy_from_slice(&key(1).as_u64().to_be_bytes());
            d[23] = 4;
        }
        let residual = u32::try_from(b.len() - 8 - body).unwrap();
        Completion::answered(Status::GOOD, residual, Duration::ZERO)
    }
    fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
        Err(ResetError::Unsupported)
    }
    fn own_transport_id(&self) -> Option<Vec<u8>> {
        None
    }
}

#[test]
fn an_answer_that_may_have_been_cut_proves_nothing() {
    let mut crew = FenceCrew::prepare(vec![member(Box::new(Full))], || {}).unwrap();
    let r = &crew.fence(&order(60_000))[0];
    assert!(matches!(r.end, FenceEnd::Unknown { doubt: FenceDoubt::Unread, .. }), "{:?}", r.end);
}

/// What was read before the last thing that can change the device says nothing about after it.
#[test]
fn a_receipt_has_an_after_only_where_it_was_read_since_the_last_change() {
    use crate::runtime::executor::Sent;
    let sent = |cdb: Cdb| {
        Action::Command(Sent {
            at: now(),
            cdb,
            list: [0; 24],
            completion: Completion::answered(Status::GOOD, 0, Duration::ZERO),
        })
    };
    let change = || sent(PrOut::reserve(key(1), KIND).basic_cdb());
    let mut r = Report::with_room();
    let look = |r: &mut Report, generation| r.look(Generation(generation), [key(1)].into_iter(), None);
    assert!(r.before().is_none() && r.after().is_none());
    look(&mut r, 3);
    assert_eq!(r.after().unwrap().generation, Generation(3));
    r.log(0, change());
    assert!(r.after().is_none() && r.before().is_some());
    r.log(0, sent(crate::codec::pr::read_keys_cdb(8)));
    assert!(r.after().is_none(), "a read that was not understood is no look");
    look(&mut r, 4);
    r.log(0, sent(crate::codec::pr::read_keys_cdb(8)));
    assert_eq!(r.after().unwrap().generation, Generation(4), "reading changes nothing");
    assert_eq!(r.before().unwrap().generation, Generation(3));
    r.begin(now(), now());
    assert!(r.before().is_none() && r.after().is_none(), "the next fence's receipt begins empty");
}
