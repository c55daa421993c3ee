//! A log on a device of bytes: written, torn, flipped, read back.

use proptest::prelude::*;

use super::*;

const OURS: ClusterUuid = ClusterUuid([7; 16]);

/// A device's log units, and a writer that keeps to the rules.
struct Device {
    layout: Layout,
    units: Vec<u8>,
}

impl Device {
    fn new() -> Self {
        let layout = Layout::new(1024).unwrap();
        Self { layout, units: vec![0; 512 * UNIT] }
    }

    fn offset(&self, place: Place) -> usize {
        let units = self.layout.units(place).unwrap();
        usize::try_from(units.first - Units::LOG_BEGINS).unwrap() * UNIT
    }

    /// Writes one record; `torn` spoils what a power failure left of it.
    fn write(&mut self, uuid: ClusterUuid, r: &LogRecord<'_>, torn: Torn) {
        let both = r.emit(uuid).unwrap();
        let at = self.offset(r.place);
        let target = &mut self.units[at..at + RECORD_LEN];
        match torn {
            Torn::No => target.copy_from_slice(&both),
            Torn::Never => {}
            Torn::After(n) => target[..n].copy_from_slice(&both[..n]),
        }
    }

    fn half(&self, epoch: u64, generation: u32) -> &[u8] {
        let first = self.layout.half(Epoch(epoch), generation) - Units::LOG_BEGINS;
        let at = usize::try_from(first).unwrap() * UNIT;
        &self.units[at..at + self.layout.half_len()]
    }

    fn read(&self) -> Result<Option<Segment<'_>>, Unusable> {
        newest_of(self.layout.halves().map(|first| {
            let at = usize::try_from(first - Units::LOG_BEGINS).unwrap() * UNIT;
            Segment::read(&self.units[at..at + self.layout.half_len()], OURS)
        }))
    }

    /// A generation: a checkpoint of `parts` parts that carry their number, and entries that carry their
    /// sequence.
    fn generation(&mut self, (epoch, generation): (u64, u32), parts: u8, from: u64, entries: u32) {
        for index in 0..u32::from(parts) + entries {
            let r = record((epoch, generation, index), parts, from);
            self.write(OURS, &r.of(), Torn::No);
        }
    }

    fn spoil(&mut self, place: (u64, u32, u32), copy: usize) {
        let at = self.offset(Place { epoch: Epoch(place.0), generation: place.1, index: place.2 });
        self.units[at + copy * UNIT + 100] ^= 0x10;
    }
}

#[derive(Clone, Copy, Debug)]
enum Torn {
    No,
    Never,
    After(usize),
}

struct Owned {
    place: Place,
    sequence: u64,
    part: Part,
    payload: Vec<u8>,
}

impl Owned {
    fn of(&self) -> LogRecord<'_> {
        let Self { place, sequence, part, ref payload } = *self;
        LogRecord { place, sequence, part, payload }
    }
}

fn record((epoch, generation, index): (u64, u32, u32), parts: u8, from: u64) -> Owned {
    let place = Place { epoch: Epoch(epoch), generation, index };
    let (part, sequence) = match index.checked_sub(u32::from(parts)) {
        None => (Part::Checkpoint { of: parts }, from),
        Some(n) => (Part::Entry, from + 1 + u64::from(n)),
    };
    Owned { place, sequence, part, payload: sequence.to_be_bytes().to_vec() }
}

#[test]
fn halves_of_all_epochs_lie_side_by_side_and_within_the_device() {
    for units in [1024, 1_000_000] {
        let layout = Layout::new(units).unwrap();
        let all: Vec<_> = layout.halves().collect();
        let half = layout.records() * 2;
        assert!(all.windows(2).all(|w| w[1] - w[0] == half) && all[0] == Units::LOG_BEGINS);
        assert!(u64::from(all[15] + half) <= units);
        let of = |epoch, generation| layout.half(Epoch(epoch), generation);
        assert_eq!((of(8, 0), of(1, 1), of(9, 3)), (all[0], all[3], all[3]));
    }
    assert_eq!(Layout::new(1024).unwrap().records(), 16);
    assert_eq!(Layout::new(1_000_000).unwrap().records(), 256, "a reader's memory has an end");
    assert_eq!(Layout::new(1023), None);
}

#[test]
fn a_record_reads_back_as_it_was_written_and_beyond_the_half_there_is_no_place() {
    let payload = [0xa5; MAX_PAYLOAD];
    let place = Place { epoch: Epoch(9), generation: 3, index: 15 };
    let r = LogRecord { place, sequence: 77, part: Part::Checkpoint { of: 16 }, payload: &payload };
    let both = r.emit(OURS).unwrap();
    assert_eq!(LogRecord::parse(&both[..UNIT], OURS), Ok(Some(r)));
    assert_eq!(LogRecord::parse(&both[UNIT..], OURS), Ok(Some(r)));
    assert_eq!(LogRecord::parse(&both[..UNIT], ClusterUuid([8; 16])), Ok(None));
    let long = [0; MAX_PAYLOAD + 1];
    assert_eq!(LogRecord { payload: &long, ..r }.emit(OURS), None);
    let layout = Layout::new(1024).unwrap();
    assert!(layout.units(place).is_some());
    assert_eq!(layout.units(Place { index: 16, ..place }), None);
}

#[test]
fn the_newest_generation_counts_with_all_its_entries() {
    let mut d = Device::new();
    assert_eq!(d.read().unwrap().map(|s| s.last()), None);
    d.generation((4, 0), 1, 0, 5);
    d.generation((4, 1), 2, 5, 3);
    let s = d.read().unwrap().unwrap();
    assert_eq!((s.epoch, s.generation, s.from, s.last(), s.parts), (Epoch(4), 1, 5, 8, 2));
    assert_eq!(s.next(), Place { epoch: Epoch(4), generation: 1, index: 5 });
    assert_eq!(s.entries().map(|e| e.0).collect::<Vec<_>>(), [6, 7, 8]);
    assert_eq!(s.checkpoint().count(), 2);
    d.generation((5, 0), 1, 8, 0);
    assert_eq!(d.read().unwrap().unwrap().epoch, Epoch(5));
}

/// What a deposed leader writes late lands in its own area.
#[test]
fn a_late_record_of_an_old_epoch_changes_nothing() {
    let mut d = Device::new();
    d.generation((4, 0), 1, 0, 2);
    d.generation((5, 0), 1, 2, 1);
    let before = d.read().unwrap().unwrap().last();
    d.write(OURS, &record((4, 0, 3), 1, 0).of(), Torn::No);
    d.write(OURS, &record((4, 1, 0), 1, 90).of(), Torn::No);
    let s = d.read().unwrap().unwrap();
    assert_eq!((s.epoch, s.last()), (Epoch(5), before));
}

#[test]
fn one_copy_of_every_record_may_be_lost_and_is_counted() {
    let mut d = Device::new();
    d.generation((1, 0), 2, 10, 4);
    for index in 0..6 {
        d.spoil((1, 0, index), usize::try_from(index % 2).unwrap());
    }
    let s = d.read().unwrap().unwrap();
    assert_eq!((s.last(), s.damaged_copies), (14, 6));
}

#[test]
fn a_confirmed_record_that_is_lost_is_never_skipped() {
    let mut d = Device::new();
    d.generation((1, 0), 1, 0, 2);
    d.generation((1, 1), 1, 2, 4);
    for index in [0, 2] {
        d.spoil((1, 1, index), 0);
        d.spoil((1, 1, index), 1);
        let place = Place { epoch: Epoch(1), generation: 1, index };
        assert_eq!(
            d.read().unwrap_err(),
            Unusable::Hole(place),
            "the older generation must not pass for the last"
        );
        d.spoil((1, 1, index), 0);
        d.spoil((1, 1, index), 1);
    }
    assert!(d.read().is_ok());
}

#[test]
fn records_that_contradict_each_other_are_refused() {
    let mut d = Device::new();
    d.generation((1, 0), 1, 0, 3);
    let mut wrong = record((1, 0, 2), 1, 0);
    wrong.sequence += 1;
    d.write(OURS, &wrong.of(), Torn::No);
    assert!(matches!(d.read(), Err(Unusable::Contradiction(Place { index: 2, .. }))));
    d.write(OURS, &record((1, 0, 2), 1, 0).of(), Torn::No);
    let entry = Owned { part: Part::Entry, ..record((1, 0, 0), 1, 0) };
    d.write(OURS, &entry.of(), Torn::No);
    assert!(matches!(d.read(), Err(Unusable::Contradiction(Place { index: 0, .. }))));
}

#[test]
fn the_log_of_another_cluster_is_no_log() {
    let mut d = Device::new();
    d.write(ClusterUuid([9; 16]), &record((7, 0, 0), 1, 50).of(), Torn::No);
    assert!(d.read().unwrap().is_none());
    d.generation((1, 0), 1, 0, 1);
    assert_eq!(d.read().unwrap().unwrap().last(), 1);
    assert_eq!(Segment::read(d.half(7, 0), OURS).unwrap_err(), Unusable::Empty);
}

/// What a leader does next, in the property below.
#[derive(Clone, Copy, Debug)]
enum Next {
    Entry,
    Checkpoint(u8),
    NewLeader,
}

fn next() -> impl Strategy<Value = Next> {
    prop_oneof![6 => Just(Next::Entry), 2 => (1..4_u8).prop_map(Next::Checkpoint), 1 => Just(Next::NewLeader)]
}

fn torn() -> impl Strategy<Value = Torn> {
    prop_oneof![Just(Torn::Never), (0..RECORD_LEN).prop_map(Torn::After)]
}

proptest! {
    /// Power fails during any write of any history: everything confirmed is there, and nothing is that was
    /// never asked for.
    #[test]
    fn whatever_was_confirmed_survives_a_power_failure(
        history in prop::collection::vec(next(), 1..60),
        cut in torn(),
        before in 0_usize..80,
    ) {
        let mut d = Device::new();
        let (mut epoch, mut generation, mut index, mut parts, mut from) = (1, 0, 0, 1, 0);
        let (mut confirmed, mut asked, mut writes) = (None, 0, 0);
        'all: for step in [Next::Checkpoint(1)].into_iter().chain(history) {
            let full = index >= d.layout.records();
            let records = match step {
                Next::Entry if !full => 1,
                Next::Checkpoint(n) => {
                    (from, parts, index) = (asked, n, 0);
                    generation = if confirmed.is_none() { 0 } else { generation + 1 };
                    n
                }
                Next::Entry | Next::NewLeader => {
                    (from, parts, index) = (asked, 1, 0);
                    (epoch, generation) = (epoch + 1, 0);
                    1
                }
            };
            asked += u64::from(records == 1 && index > 0);
            for _ in 0..records {
                let r = record((epoch, generation, index), parts, from);
                if writes == before {
                    d.write(OURS, &r.of(), cut);
                    break 'all;
                }
                d.write(OURS, &r.of(), Torn::No);
                (writes, index) = (writes + 1, index + 1);
            }
            confirmed = Some(asked);
        }
        let read = d.read().unwrap().map(|s| s.last());
        prop_assert!(read >= confirmed, "{read:?}, confirmed {confirmed:?}");
        prop_assert!(read <= Some(asked), "{read:?}, asked {asked}");
    }

    /// One flipped bit anywhere loses nothing.
    #[test]
    fn a_flipped_bit_loses_nothing(at in 0_usize..16 * RECORD_LEN, bit in 0_u8..8) {
        let mut d = Device::new();
        d.generation((1, 0), 2, 3, 14);
        let begins = d.offset(Place { epoch: Epoch(1), generation: 0, index: 0 });
        d.units[begins + at] ^= 1 << bit;
        let s = d.read().unwrap().unwrap();
        prop_assert_eq!((s.last(), s.damaged_copies), (17, 1));
    }
}
