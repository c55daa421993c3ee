//! The one table of commands: their names, lengths, directions and what they change.
//!
//! Everything that must know a command by its bytes asks here: the printer of `--dry-run`, the retry
//! policy, the emulator's dispatch and its REPORT SUPPORTED OPERATION CODES. A command that is not in
//! the table is assumed to change the medium, so that nobody repeats it.

use super::Cdb;

/// Which way the data of a command goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// No data.
    None,
    /// From the device.
    In,
    /// To the device.
    Out,
}

/// What a command changes for other commands and nexuses. Repeating one that changes nothing is safe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Changes {
    /// Nothing; flushing a cache counts as nothing.
    Nothing,
    /// Registrations or reservations, persistent or SPC-2.
    Reservations,
    /// Blocks.
    Medium,
}

/// One command, or one service action of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operation {
    /// The operation code.
    pub opcode: u8,
    /// The service action, for operation codes that have one.
    pub service_action: Option<u8>,
    /// The standard's name, the service action's behind a comma.
    pub name: &'static str,
    /// Which way its data goes.
    pub direction: Direction,
    /// What it changes.
    pub changes: Changes,
    /// Where it is defined.
    pub spec: &'static str,
    /// CDB usage data (SPC-4 6.35.3): the code itself, then a one for each bit the decoders look at.
    pub usage: &'static [u8],
}

impl Operation {
    /// Bytes of its CDB.
    #[must_use]
    pub const fn cdb_len(&self) -> usize {
        self.usage.len()
    }
}

/// TEST UNIT READY.
pub const TEST_UNIT_READY: u8 = 0x00;
/// REQUEST SENSE.
pub const REQUEST_SENSE: u8 = 0x03;
/// INQUIRY.
pub const INQUIRY: u8 = 0x12;
/// RESERVE(6).
pub const RESERVE_6: u8 = 0x16;
/// RELEASE(6).
pub const RELEASE_6: u8 = 0x17;
/// READ CAPACITY(10).
pub const READ_CAPACITY_10: u8 = 0x25;
/// READ(10).
pub const READ_10: u8 = 0x28;
/// WRITE(10).
pub const WRITE_10: u8 = 0x2a;
/// SYNCHRONIZE CACHE(10).
pub const SYNCHRONIZE_CACHE_10: u8 = 0x35;
/// RESERVE(10).
pub const RESERVE_10: u8 = 0x56;
/// RELEASE(10).
pub const RELEASE_10: u8 = 0x57;
/// READ(16).
pub const READ_16: u8 = 0x88;
/// COMPARE AND WRITE.
pub const COMPARE_AND_WRITE: u8 = 0x89;
/// WRITE(16).
pub const WRITE_16: u8 = 0x8a;
/// SYNCHRONIZE CACHE(16).
pub const SYNCHRONIZE_CACHE_16: u8 = 0x91;
/// SERVICE ACTION IN(16).
pub const SERVICE_ACTION_IN_16: u8 = 0x9e;
/// READ CAPACITY(16), a service action of [`SERVICE_ACTION_IN_16`].
pub const READ_CAPACITY_16: u8 = 0x10;

const PR_IN: u8 = super::pr::PERSISTENT_RESERVE_IN;
const PR_OUT: u8 = super::pr::PERSISTENT_RESERVE_OUT;

/// Every command this project speaks, by operation code and service action.
pub const OPERATIONS: &[Operation] = &[
    plain(
        "TEST UNIT READY",
        Direction::None,
        Changes::Nothing,
        "SPC-4 6.47",
        &[TEST_UNIT_READY, 0, 0, 0, 0, 0],
    ),
    plain("REQUEST SENSE", Direction::In, Changes::Nothing, "SPC-4 6.39", &[REQUEST_SENSE, 1, 0, 0, 0xff, 0]),
    plain("INQUIRY", Direction::In, Changes::Nothing, "SPC-4 6.6", &[INQUIRY, 3, 0xff, 0xff, 0xff, 0]),
    plain("RESERVE(6)", Direction::None, Changes::Reservations, "SPC-2 7.22", &[RESERVE_6, 0x11, 0, 0, 0, 0]),
    plain("RELEASE(6)", Direction::None, Changes::Reservations, "SPC-2 7.17", &[RELEASE_6, 0x11, 0, 0, 0, 0]),
    plain(
        "READ CAPACITY(10)",
        Direction::In,
        Changes::Nothing,
        "SBC-3 5.15",
        &[READ_CAPACITY_10, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ),
    plain("READ(10)", Direction::In, Changes::Nothing, "SBC-3 5.11", &rw10(READ_10)),
    plain("WRITE(10)", Direction::Out, Changes::Medium, "SBC-3 5.33", &rw10(WRITE_10)),
    plain(
        "SYNCHRONIZE CACHE(10)",
        Direction::None,
        Changes::Nothing,
        "SBC-3 5.26",
        &[SYNCHRONIZE_CACHE_10, 2, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0],
    ),
    plain(
        "RESERVE(10)",
        Direction::None,
        Changes::Reservations,
        "SPC-2 7.21",
        &[RESERVE_10, 0x13, 0, 0, 0, 0, 0, 0, 0, 0],
    ),
    plain(
        "RELEASE(10)",
        Direction::None,
        Changes::Reservations,
        "SPC-2 7.16",
        &[RELEASE_10, 0x13, 0, 0, 0, 0, 0, 0, 0, 0],
    ),
    pr_in("PERSISTENT RESERVE IN, READ KEYS", "SPC-4 6.15.2", &pr_in_usage(0)),
    pr_in("PERSISTENT RESERVE IN, READ RESERVATION", "SPC-4 6.15.3", &pr_in_usage(1)),
    pr_in("PERSISTENT RESERVE IN, REPORT CAPABILITIES", "SPC-4 6.15.4", &pr_in_usage(2)),
    pr_in("PERSISTENT RESERVE IN, READ FULL STATUS", "SPC-4 6.15.5", &pr_in_usage(3)),
    pr_out("PERSISTENT RESERVE OUT, REGISTER", "SPC-4 6.16.2", &pr_out_usage(0, 0)),
    pr_out("PERSISTENT RESERVE OUT, RESERVE", "SPC-4 6.16.2", &pr_out_usage(1, 0xff)),
    pr_out("PERSISTENT RESERVE OUT, RELEASE", "SPC-4 6.16.2", &pr_out_usage(2, 0xff)),
    pr_out("PERSISTENT RESERVE OUT, CLEAR", "SPC-4 6.16.2", &pr_out_usage(3, 0)),
    pr_out("PERSISTENT RESERVE OUT, PREEMPT", "SPC-4 6.16.2", &pr_out_usage(4, 0xff)),
    pr_out("PERSISTENT RESERVE OUT, PREEMPT AND ABORT", "SPC-4 6.16.2", &pr_out_usage(5, 0xff)),
    pr_out("PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY", "SPC-4 6.16.2", &pr_out_usage(6, 0)),
    pr_out("PERSISTENT RESERVE OUT, REGISTER AND MOVE", "SPC-4 6.16.4", &pr_out_usage(7, 0)),
    pr_out("PERSISTENT RESERVE OUT, REPLACE LOST RESERVATION", "SPC-4 6.16.2", &pr_out_usage(8, 0xff)),
    plain("READ(16)", Direction::In, Changes::Nothing, "SBC-3 5.13", &rw16(READ_16)),
    plain(
        "COMPARE AND WRITE",
        Direction::Out,
        Changes::Medium,
        "SBC-3 5.2",
        &[COMPARE_AND_WRITE, 0xe8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff, 0, 0],
    ),
    plain("WRITE(16)", Direction::Out, Changes::Medium, "SBC-3 5.35", &rw16(WRITE_16)),
    plain(
        "SYNCHRONIZE CACHE(16)",
        Direction::None,
        Changes::Nothing,
        "SBC-3 5.27",
        &[
            SYNCHRONIZE_CACHE_16,
            2,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0,
            0,
        ],
    ),
    with_action(
        "READ CAPACITY(16)",
        Direction::In,
        Changes::Nothing,
        "SBC-3 5.16",
        &[SERVICE_ACTION_IN_16, READ_CAPACITY_16, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0],
    ),
];

/// The command a CDB asks for; `None` for an unknown operation code or service action.
#[must_use]
pub fn lookup(cdb: &Cdb) -> Option<&'static Operation> {
    by_code(cdb.opcode()).find(|o| o.service_action.is_none_or(|a| a == cdb.service_action()))
}

/// The rows of one operation code: one, or one for each service action.
pub fn by_code(opcode: u8) -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().filter(move |o| o.opcode == opcode)
}

/// The command's name, for people.
#[must_use]
pub fn name(cdb: &Cdb) -> &'static str {
    lookup(cdb).map_or("unknown command", |o| o.name)
}

/// What a CDB may change; the worst is assumed of an unknown one.
#[must_use]
pub fn changes(cdb: &Cdb) -> Changes {
    lookup(cdb).map_or(Changes::Medium, |o| o.changes)
}

const fn plain(
    name: &'static str,
    direction: Direction,
    changes: Changes,
    spec: &'static str,
    usage: &'static [u8],
) -> Operation {
    Operation { opcode: usage[0], service_action: None, name, direction, changes, spec, usage }
}

const fn with_action(
    name: &'static str,
    direction: Direction,
    changes: Changes,
    spec: &'static str,
    usage: &'static [u8],
) -> Operation {
    Operation { opcode: usage[0], service_action: Some(usage[1]), name, direction, changes, spec, usage }
}

const fn pr_in(name: &'static str, spec: &'static str, usage: &'static [u8]) -> Operation {
    with_action(name, Direction::In, Changes::Nothing, spec, usage)
}

const fn pr_out(name: &'static str, spec: &'static str, usage: &'static [u8]) -> Operation {
    with_action(name, Direction::Out, Changes::Reservations, spec, usage)
}

const fn rw10(opcode: u8) -> [u8; 10] {
    [opcode, 0xe8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0]
}

const fn rw16(opcode: u8) -> [u8; 16] {
    [opcode, 0xe8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]
}

const fn pr_in_usage(action: u8) -> [u8; 10] {
    [PR_IN, action, 0, 0, 0, 0, 0, 0xff, 0xff, 0]
}

const fn pr_out_usage(action: u8, scope_and_type: u8) -> [u8; 10] {
    [PR_OUT, action, scope_and_type, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::pr::{InAction, OutAction};

    #[test]
    fn every_row_is_found_by_its_own_cdb() {
        for o in OPERATIONS {
            let cdb = Cdb::from_slice(o.usage).unwrap();
            assert_eq!(lookup(&cdb), Some(o));
            assert_eq!(name(&cdb), o.name);
        }
    }

    #[test]
    fn rows_are_in_order_and_single() {
        let order: Vec<_> = OPERATIONS.iter().map(|o| (o.opcode, o.service_action)).collect();
        assert!(order.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn service_actions_bear_their_own_names() {
        for a in InAction::ALL {
            let cdb = crate::codec::pr::pr_in_cdb(a, 8);
            assert!(name(&cdb).ends_with(a.name()), "{a:?}");
        }
        for a in OutAction::ALL {
            let mut b = [0; 10];
            (b[0], b[1]) = (PR_OUT, a as u8);
            assert!(name(&Cdb::new(b)).ends_with(a.name()), "{a:?}");
            assert_eq!(changes(&Cdb::new(b)), Changes::Reservations);
        }
    }

    #[test]
    fn the_unknown_is_assumed_to_change_blocks() {
        let cdb = Cdb::new([0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((lookup(&cdb), name(&cdb), changes(&cdb)), (None, "unknown command", Changes::Medium));
        assert_eq!(
            lookup(&crate::codec::pr::pr_in_cdb(InAction::ReadKeys, 8)).map(|o| o.changes),
            Some(Changes::Nothing)
        );
        assert_eq!(lookup(&Cdb::new([0x5e, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0])), None);
    }
}
