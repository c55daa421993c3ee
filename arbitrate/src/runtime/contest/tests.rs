//! When the watchdog is fed freely and when it is not, through a challenge whose window runs twice.

use super::*;
use crate::clock::now;
use crate::codec::pr::{OutAction, PERSISTENT_RESERVE_OUT, PrOut};
use crate::device::sim::{CreateOptions, SimDevice};
use crate::device::{Completion, Data, Escalate, Request, ResetError, ResetScope, ScsiDevice};
use crate::key::{KeyParts, Stance};
use crate::protocol::TimingSpec;
use crate::runtime::executor::Unobserved;
use crate::runtime::pacer::SystemPacer;
use crate::runtime::store::Place;

fn key(n: u32, life: u32) -> Key {
    let (cluster, node) = (ClusterId::of_name("t"), NodeNumber::new(n).unwrap());
    let incarnation = Incarnation::new(life).unwrap();
    KeyParts { cluster, node, stance: Stance::Settled, incarnation }.key()
}

fn send(d: &mut dyn ScsiDevice, out: &PrOut) {
    let deadline = now() + Duration::from_secs(10);
    let _ = d.execute(Request { cdb: out.basic_cdb(), data: Data::Out(&out.list.emit()), deadline });
}

/// Its holder leaves just before it is preempted: the reservation is gone, and a window is waited again.
struct HolderLeaves {
    mine: Box<dyn ScsiDevice>,
    holder: Box<dyn ScsiDevice>,
    preempts: u32,
}

impl ScsiDevice for HolderLeaves {
    fn name(&self) -> &str {
        self.mine.name()
    }
    fn execute(&mut self, r: Request<'_>) -> Completion {
        let preempt = OutAction::PreemptAndAbort as u8;
        if r.cdb.opcode() == PERSISTENT_RESERVE_OUT && r.cdb.service_action() == preempt {
            self.preempts += 1;
            if self.preempts == 1 {
                send(self.holder.as_mut(), &PrOut::register(key(2, 1), Key::default(), Aptpl::No));
            }
        }
        self.mine.execute(r)
    }
    fn reset(&mut self, _: ResetScope, _: Escalate, _: Instant) -> Result<(), ResetError> {
        Err(ResetError::Unsupported)
    }
    fn own_transport_id(&self) -> Option<Vec<u8>> {
        self.mine.own_transport_id()
    }
}

#[derive(Default)]
struct Heard(Vec<&'static str>);

impl Audience for Heard {
    fn challenge(&mut self, _: Instant, note: &ChallengeNote) {
        if matches!(note, ChallengeNote::Observed { .. }) {
            self.0.push("window");
        }
    }
    fn defence(&mut self, _: Instant, _: &DefenceNote) {}
    fn before_ownership(&mut self) -> Option<FedWatchdog> {
        self.0.push("owner next");
        None
    }
    fn not_owning(&mut self) {
        self.0.push("not owning");
    }
}

#[test]
fn a_second_window_is_again_one_in_which_nothing_is_owned() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    SimDevice::create(&path, &CreateOptions::default()).unwrap();
    let open = |who| SimDevice::open(&format!("sim:{}?as={who}", path.display())).unwrap();
    let kind = ReservationType::WriteExclusiveRegistrantsOnly;
    let mut holder = open("n2");
    for out in [PrOut::register(Key::default(), key(2, 1), Aptpl::No), PrOut::reserve(key(2, 1), kind)] {
        send(&mut holder, &out);
    }
    let ms = Duration::from_millis;
    let spec =
        TimingSpec { tick: ms(50), tick_budget: ms(50), margin: ms(50), window: ms(200), watchdog: None };
    let contest = Contest {
        cluster: ClusterId::of_name("t"),
        node: NodeNumber::new(1).unwrap(),
        kind,
        timing: Timing::new(spec).unwrap(),
        command_timeout: Duration::from_secs(60),
        aptpl: Aptpl::No,
        nexus_key: None,
        formatted: None,
        rules: Rules::default(),
    };
    let place = Place::new(dir.path(), contest.cluster, contest.node, "d");
    let mut lives = LivesFile::open(place, contest.cluster, contest.node).unwrap();
    let mut device = HolderLeaves { mine: Box::new(open("n1")), holder: Box::new(holder), preempts: 0 };
    let (mut unobserved, mut heard) = (Unobserved, Heard::default());
    let mut on = Executor::new(&mut device, &mut unobserved);
    let _ = contest.run(&mut lives, &mut on, &mut SystemPacer::deaf(), &mut heard).unwrap();
    let expected = ["not owning", "not owning", "window", "owner next", "not owning", "window", "owner next"];
    assert_eq!(heard.0[..expected.len()], expected, "{:?}", heard.0);
}
