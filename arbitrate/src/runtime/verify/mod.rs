//! Qualifies an array: does it do what fencing relies on?
//!
//! Two nexuses of one logical unit, A and B, put questions whose answers the standard fixes. The passive
//! part only reads. The destructive part registers, reserves, preempts, resets and writes: it runs on a
//! unit without any registration only, within a range of blocks that is saved before and written back
//! after, and takes its own keys off again whatever happened.
//!
//! | module | asks |
//! |---|---|
//! | `passive` | identity, nexuses, PERSISTENT RESERVE IN, allocation lengths, latency |
//! | `registering` | registrations per nexus, wrong keys, PRGENERATION, READ FULL STATUS, APTPL |
//! | `fencing` | what each reservation type lets through, to whom |
//! | `preempting` | PREEMPT, PREEMPT AND ABORT with writes in flight, CLEAR, resets |
//! | `cleanup` | takes off what was made, writes back what was there |
//!
//! Invariant: a check passes only on what was read back, never on a status alone. Must never touch a
//! registration or a block that it did not make or save.

mod about;
mod cleanup;
mod fencing;
mod passive;
mod preempting;
mod registering;
mod side;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::codec::pr::ReservationType;
use crate::device::ScsiDevice;
use crate::key::Key;
use crate::protocol::Timing;

pub use about::{ABOUT, About, about};
pub use side::Side;

/// Blocks written to where the operator names none.
pub const AREA_BLOCKS: u32 = 8;

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// As it must be.
    Pass,
    /// Usable, with what is said beside it.
    Warn,
    /// The target does not offer it.
    NotOffered,
    /// Not tested, for the reason given.
    Untested,
    /// Not to be trusted.
    Fail,
}

/// One check's outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Which; [`about`] tells why it matters and what to do.
    pub id: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
}

/// The blocks that may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Area {
    /// The first one.
    pub lba: u64,
    /// How many.
    pub blocks: u32,
    /// Bytes of each.
    pub block_size: u32,
}

/// Opens further handles of A's nexus, for writes in flight.
pub type More<'a> = &'a dyn Fn() -> Option<Box<dyn ScsiDevice>>;

/// The two nexuses under test and what is known of them.
pub struct Bench<'a> {
    /// One nexus.
    pub a: Side<'a>,
    /// The other.
    pub b: Side<'a>,
    /// The timing whose tick the latency must fit.
    pub timing: Timing,
    /// Ticks measured.
    pub ticks: u32,
    /// Further handles of A's nexus.
    pub more: More<'a>,
    /// Whether the operator wants an end.
    pub stopped: &'a mut dyn FnMut() -> bool,
    /// Hears of every check as it ends.
    pub tell: &'a mut dyn FnMut(&Check),
    checks: Vec<Check>,
    /// Makes every key of this run another one.
    serial: u64,
    /// How often the other nexus was told what the standard says, and when it was not.
    told: u32,
    untold: Vec<String>,
}

/// What a check came to; the error is one that ended it early, in words.
type Found = Result<(Verdict, String), String>;

/// What the keys of these checks begin with: "VERI".
const MARK: u64 = 0x5645_5249 << 32;

impl<'a> Bench<'a> {
    /// A bench. `serial` is any number that was not used on this unit lately.
    pub fn new(
        (a, b): (Side<'a>, Side<'a>),
        timing: Timing,
        serial: u32,
        more: More<'a>,
        stopped: &'a mut dyn FnMut() -> bool,
        tell: &'a mut dyn FnMut(&Check),
    ) -> Self {
        let serial = u64::from(serial) << 8;
        Self {
            a,
            b,
            timing,
            ticks: 200,
            more,
            stopped,
            tell,
            checks: Vec::new(),
            serial,
            told: 0,
            untold: Vec::new(),
        }
    }

    /// All that can be asked by reading.
    pub fn passive(&mut self) {
        self.run("identity", Self::identity);
        self.run("nexuses", Self::nexuses);
        self.run("read-keys", Self::read_keys);
        self.run("full-status", Self::full_status);
        self.run("capabilities", Self::capabilities);
        self.run("allocation", Self::allocation);
        self.run("latency", Self::latency);
    }

    /// The rest, on a unit that has no registration. Ends with the cleanup, whatever came before.
    ///
    /// # Errors
    /// Why nothing was begun: somebody is registered, or the blocks could not be saved.
    pub fn destructive(&mut self, area: Area) -> Result<(), String> {
        self.must_be_free()?;
        let saved = self.a.read(area.lba, area.blocks, area.block_size)?;
        self.destroy(area);
        let found = self.clean_up(area, &saved);
        self.note("cleanup", found);
        Ok(())
    }

    fn destroy(&mut self, area: Area) {
        self.run("registrations", Self::registrations);
        self.run("wrong-keys", Self::wrong_keys);
        self.run("generation", Self::generation);
        self.run("full-status-two", Self::full_status_two);
        self.run("short-list", Self::short_list);
        for kind in ReservationType::ALL {
            self.run(fencing::id(kind), |s| s.fences(kind, area));
        }
        self.run("no-reservation", |s| s.no_reservation(area));
        self.run("release", Self::release);
        self.run("holder-leaves", Self::holder_leaves);
        self.run("preempt", |s| s.preempt(area));
        self.run("preempt-registrant", Self::preempt_registrant);
        self.run("preempt-abort", |s| s.preempt_abort(area));
        self.run("clear", Self::clear);
        self.run("lun-reset", |s| s.lun_reset(area));
        self.run("attentions", Self::attentions);
        self.run("aptpl", Self::aptpl);
        self.run("power-loss", Self::power_loss);
    }

    /// The checks so far.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    fn run(&mut self, id: &'static str, check: impl FnOnce(&mut Self) -> Found) {
        if (self.stopped)() {
            self.note(id, Ok((Verdict::Untested, "stopped by a signal".into())));
            return;
        }
        let found = check(self);
        self.note(id, found);
        // Each begins on a unit without registrations.
        if !passive::IDS.contains(&id) {
            let _ = self.take_off();
        }
    }

    fn note(&mut self, id: &'static str, found: Found) {
        let (verdict, found) = found.unwrap_or_else(|why| (Verdict::Fail, why));
        let check = Check { id, verdict, found };
        (self.tell)(&check);
        self.checks.push(check);
    }

    /// A key never used before on this unit.
    fn fresh(&mut self) -> Key {
        self.serial += 1;
        Key::from_u64(MARK | (self.serial & 0xffff_ffff))
    }

    /// Whether a key is one of this run's.
    fn ours(key: Key) -> bool {
        key.as_u64() >> 32 == MARK >> 32
    }

    fn must_be_free(&mut self) -> Result<(), String> {
        let (_, keys) = self.a.keys()?;
        if !keys.is_empty() {
            let shown: Vec<String> = keys.iter().map(ToString::to_string).collect();
            return Err(format!(
                "{} registration(s) stand on the unit ({}): it is in use, or a run before left them",
                keys.len(),
                shown.join(" ")
            ));
        }
        if let Some(h) = self.a.holder()? {
            return Err(format!("the unit is reserved ({})", h.kind.name()));
        }
        Ok(())
    }
}

fn pass(found: impl Into<String>) -> Found {
    Ok((Verdict::Pass, found.into()))
}

fn warn(found: impl Into<String>) -> Found {
    Ok((Verdict::Warn, found.into()))
}

fn not_offered(found: impl Into<String>) -> Found {
    Ok((Verdict::NotOffered, found.into()))
}

fn fail(found: impl Into<String>) -> Found {
    Ok((Verdict::Fail, found.into()))
}

/// A duration for people.
fn ms(d: Duration) -> String {
    format!("{:.3} ms", d.as_secs_f64() * 1000.0)
}
