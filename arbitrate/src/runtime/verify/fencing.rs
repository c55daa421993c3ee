//! What each reservation type lets through, to whom (SPC-4 table 66), proven by the blocks themselves.

use super::registering::WERO;
use super::side::Fate;
use super::{Area, Bench, Found, fail, not_offered, pass};
use crate::codec::pr::{Aptpl, PrOut, ReservationType};
use crate::key::Key;

const NONE: Key = Key::from_u64(0);

pub(super) const fn id(kind: ReservationType) -> &'static str {
    match kind {
        ReservationType::WriteExclusive => "type-1",
        ReservationType::ExclusiveAccess => "type-3",
        ReservationType::WriteExclusiveRegistrantsOnly => "type-5",
        ReservationType::ExclusiveAccessRegistrantsOnly => "type-6",
        ReservationType::WriteExclusiveAllRegistrants => "type-7",
        ReservationType::ExclusiveAccessAllRegistrants => "type-8",
    }
}

/// The area filled with what no other write of the run was filled with.
pub(super) fn pattern(area: Area, n: u8) -> Vec<u8> {
    let len = usize::try_from(u64::from(area.blocks) * u64::from(area.block_size)).unwrap_or(0);
    (0..len).map(|i| n ^ u8::try_from(i % 251).unwrap_or(0)).collect()
}

/// What is expected of a command.
fn expect(what: &str, fate: Fate, admitted: bool) -> Result<(), String> {
    let wanted = if admitted { Fate::Good } else { Fate::Conflict };
    if fate == wanted {
        return Ok(());
    }
    Err(format!("{what} ended {}, not {}", fate.words(), wanted.words()))
}

impl Bench<'_> {
    pub(super) fn fences(&mut self, kind: ReservationType, area: Area) -> Found {
        let ka = self.fresh();
        self.a.must(&PrOut::register(NONE, ka, Aptpl::No))?;
        match self.a.out(&PrOut::reserve(ka, kind)) {
            Fate::Good => {}
            f if f.unsupported() => return not_offered(f.words()),
            f => return fail(format!("RESERVE ended {}", f.words())),
        }
        self.expect_holder(ka, kind)?;
        self.outsider(kind, area)?;
        let kb = self.fresh();
        self.b.must(&PrOut::register(NONE, kb, Aptpl::No))?;
        self.registrant(kind, area)?;
        pass(format!(
            "{}: outsiders may {}, registrants {}",
            kind.name(),
            if kind.restricts_reads() { "neither read nor write" } else { "read, not write" },
            if kind.registrants_only() { "may write" } else { "may not write" }
        ))
    }

    /// B is not registered.
    fn outsider(&mut self, kind: ReservationType, area: Area) -> Result<(), String> {
        let size = area.block_size;
        let own = pattern(area, 0x11);
        expect("a write of the holder", self.a.write(area.lba, &own, size), true)?;
        expect("a write of an outsider", self.b.write(area.lba, &pattern(area, 0x22), size), false)?;
        let (fate, data) = self.b.try_read(area.lba, area.blocks, size);
        expect("a read of an outsider", fate, !kind.restricts_reads())?;
        if fate == Fate::Good && data != own {
            return Err("an outsider's read brought other data than were written".into());
        }
        if self.a.read(area.lba, area.blocks, size)? != own {
            return Err(
                "AN OUTSIDER'S WRITE REACHED THE MEDIUM though it was answered with a conflict".into()
            );
        }
        Ok(())
    }

    /// B is registered.
    fn registrant(&mut self, kind: ReservationType, area: Area) -> Result<(), String> {
        let size = area.block_size;
        let before = self.a.read(area.lba, area.blocks, size)?;
        let theirs = pattern(area, 0x33);
        let writes = kind.registrants_only();
        expect("a write of another registrant", self.b.write(area.lba, &theirs, size), writes)?;
        let (fate, _) = self.b.try_read(area.lba, area.blocks, size);
        expect("a read of another registrant", fate, writes || !kind.restricts_reads())?;
        let now = self.a.read(area.lba, area.blocks, size)?;
        if now != if writes { theirs } else { before } {
            return Err("the medium does not hold what the answers say".into());
        }
        expect("a write of the holder", self.a.write(area.lba, &pattern(area, 0x44), size), true)
    }

    /// Without a reservation nothing is fenced, registered or not.
    pub(super) fn no_reservation(&mut self, area: Area) -> Found {
        let ka = self.fresh();
        self.a.must(&PrOut::register(NONE, ka, Aptpl::No))?;
        self.expect_no_holder()?;
        let fate = self.b.write(area.lba, &pattern(area, 0x55), area.block_size);
        expect("a write of an outsider without a reservation", fate, true)?;
        pass("a registration alone fences nobody, as the standard has it")
    }

    pub(super) fn release(&mut self) -> Found {
        let (ka, kb) = self.held(WERO)?;
        let _ = self.b.heard();
        // From another registrant it is GOOD and releases nothing (SPC-4 5.12.11.2.2).
        self.b.must(&PrOut::release(kb, WERO))?;
        self.expect_holder(ka, WERO)?;
        self.a.must(&PrOut::release(ka, WERO))?;
        self.listen(Listener::B, &[(0x2a, 0x04)], "RELEASE");
        self.expect_no_holder()?;
        self.expect_keys(&[ka, kb])?;
        pass("only the holder's releases, and registrations stay")
    }

    /// Unregistering the holder of a registrants-only type releases it.
    pub(super) fn holder_leaves(&mut self) -> Found {
        let (ka, kb) = self.held(WERO)?;
        let _ = self.b.heard();
        self.a.must(&PrOut::register(ka, NONE, Aptpl::No))?;
        self.listen(Listener::B, &[(0x2a, 0x04)], "the holder's unregistering");
        self.expect_no_holder()?;
        self.expect_keys(&[kb])?;
        pass("the reservation goes with its holder")
    }

    /// Whether a nexus is told by one of these unit attentions; asked before anything else is sent over it.
    pub(super) fn listen(&mut self, who: Listener, wanted: &[(u8, u8)], after: &str) {
        let heard = match who {
            Listener::A => self.a.heard(),
            Listener::B => self.b.heard(),
        };
        if heard.iter().any(|s| wanted.contains(&(s.asc, s.ascq))) {
            self.told += 1;
            return;
        }
        let shown: Vec<String> = heard.iter().map(ToString::to_string).collect();
        let heard = if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") };
        self.untold.push(format!("{after}: {heard}"));
    }

    /// The sum of what was listened for.
    pub(super) fn attentions(&mut self) -> Found {
        if self.untold.is_empty() {
            return pass(format!("the other nexus was told {} times out of {}", self.told, self.told));
        }
        super::warn(format!(
            "told as the standard has it {} times; not so after {}",
            self.told,
            self.untold.join("; ")
        ))
    }
}

/// Whose unit attentions are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Listener {
    A,
    B,
}
