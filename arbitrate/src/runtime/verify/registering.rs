//! Registrations: one a nexus, under the right key only, told truthfully.

use super::{Bench, Found, Verdict, fail, not_offered, pass, warn};
use crate::codec::pr::{Aptpl, InAction, PrIn, PrOut, ReservationType};
use crate::device::classify::Class;
use crate::key::Key;
use crate::runtime::identify;
use crate::runtime::pacer::Pacer;

pub(super) const WERO: ReservationType = ReservationType::WriteExclusiveRegistrantsOnly;
const NONE: Key = Key::from_u64(0);

impl Bench<'_> {
    /// A registers, then B; returns their keys.
    pub(super) fn both(&mut self) -> Result<(Key, Key), String> {
        let (ka, kb) = (self.fresh(), self.fresh());
        self.a.must(&PrOut::register(NONE, ka, Aptpl::No))?;
        self.b.must(&PrOut::register(NONE, kb, Aptpl::No))?;
        self.expect_keys(&[ka, kb])?;
        Ok((ka, kb))
    }

    /// Both registered, and A holds `kind`.
    pub(super) fn held(&mut self, kind: ReservationType) -> Result<(Key, Key), String> {
        let (ka, kb) = self.both()?;
        self.a.must(&PrOut::reserve(ka, kind))?;
        self.expect_holder(ka, kind)?;
        Ok((ka, kb))
    }

    /// Reads back over both paths that just these keys are registered.
    pub(super) fn expect_keys(&mut self, wanted: &[Key]) -> Result<(), String> {
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        for side in [&mut self.a, &mut self.b] {
            let (_, mut keys) = side.keys()?;
            keys.sort_unstable();
            if keys != wanted {
                return Err(format!("READ KEYS over {} shows {keys:?} instead of {wanted:?}", side.name));
            }
        }
        Ok(())
    }

    /// Reads back over both paths that `key` holds `kind`. All-registrants types have no one key.
    pub(super) fn expect_holder(&mut self, key: Key, kind: ReservationType) -> Result<(), String> {
        for side in [&mut self.a, &mut self.b] {
            match side.holder()? {
                Some(h) if h.kind == kind && (h.key == key || kind.all_registrants()) => {}
                other => {
                    return Err(format!(
                        "READ RESERVATION over {} shows {other:?} instead of {key} with {}",
                        side.name,
                        kind.name()
                    ));
                }
            }
        }
        Ok(())
    }

    pub(super) fn expect_no_holder(&mut self) -> Result<(), String> {
        match (self.a.holder()?, self.b.holder()?) {
            (None, None) => Ok(()),
            (a, b) => Err(format!("a reservation is left: {a:?} over A, {b:?} over B")),
        }
    }

    pub(super) fn registrations(&mut self) -> Found {
        let ka = self.fresh();
        self.a.must(&PrOut::register(NONE, ka, Aptpl::No))?;
        self.expect_keys(&[ka])?;
        let kb = self.fresh();
        match self.b.out(&PrOut::register(NONE, kb, Aptpl::No)) {
            super::side::Fate::Good => {}
            super::side::Fate::Conflict => {
                return fail(
                    "A's registration counts for B as well: they are one nexus, or the target does not keep them apart",
                );
            }
            other => return fail(format!("REGISTER over B ended {}", other.words())),
        }
        self.expect_keys(&[ka, kb])?;
        // The same key over a further path is a registration of its own.
        self.b.must(&PrOut::register(kb, ka, Aptpl::No))?;
        self.expect_keys(&[ka, ka])?;
        self.b.must(&PrOut::register(ka, NONE, Aptpl::No))?;
        self.expect_keys(&[ka])?;
        pass("one a nexus, with equal keys as well; unregistering one leaves the other")
    }

    pub(super) fn wrong_keys(&mut self) -> Found {
        let (ka, kb) = self.both()?;
        let wrong = self.fresh();
        self.a.must_conflict(&PrOut::register(wrong, NONE, Aptpl::No), "under a wrong key")?;
        self.a.must_conflict(&PrOut::register(NONE, wrong, Aptpl::No), "as if not registered")?;
        self.a.must_conflict(&PrOut::reserve(wrong, WERO), "under a wrong key")?;
        self.a.must_conflict(&PrOut::clear(wrong), "under a wrong key")?;
        self.expect_keys(&[ka, kb])?;
        self.expect_no_holder()?;
        self.b.must(&PrOut::register(kb, NONE, Aptpl::No))?;
        let fate = self.b.out(&PrOut::reserve(kb, WERO));
        self.expect_no_holder()?;
        match fate {
            super::side::Fate::Conflict => {}
            super::side::Fate::Good => return fail("RESERVE from a nexus that is not registered ended GOOD"),
            // LIO says LOGICAL UNIT COMMUNICATION FAILURE: refused all the same.
            other => {
                return warn(format!(
                    "wrong keys meet RESERVATION CONFLICT; RESERVE from a nexus that is not registered is refused, but by {}",
                    other.words()
                ));
            }
        }
        pass("a wrong key and an unregistered nexus meet RESERVATION CONFLICT and change nothing")
    }

    /// REGISTER counts up; RESERVE, RELEASE and reads do not (SPC-4 5.12.2).
    pub(super) fn generation(&mut self) -> Found {
        let (before, _) = self.a.keys()?;
        let (ka, _) = self.both()?;
        let (registered, _) = self.a.keys()?;
        if registered.0.wrapping_sub(before.0) == 0 {
            return fail(format!("two REGISTERs left PRGENERATION at {before}"));
        }
        self.a.must(&PrOut::reserve(ka, WERO))?;
        self.a.must(&PrOut::release(ka, WERO))?;
        let (after, _) = self.b.keys()?;
        let text = format!("{before}, {registered} after two REGISTERs, {after} after RESERVE and RELEASE");
        if registered.0.wrapping_sub(before.0) != 2 || after != registered { warn(text) } else { pass(text) }
    }

    pub(super) fn full_status_two(&mut self) -> Found {
        let (ka, kb) = self.held(WERO)?;
        let status = match self.b.full_status() {
            Ok(s) => s,
            Err(Class::Illegal(s)) => return not_offered(s.to_string()),
            Err(other) => return fail(format!("READ FULL STATUS brought {other:?}")),
        };
        let of = |k: Key| status.registrations.iter().find(|r| r.key == k);
        let (Some(a), Some(b)) = (of(ka), of(kb)) else {
            return fail(format!("READ FULL STATUS lacks a registration: {:?}", status.registrations));
        };
        if status.registrations.len() != 2 || (a.transport_id == b.transport_id && a.port == b.port) {
            return fail("READ FULL STATUS does not tell the two nexuses apart");
        }
        if a.holds != Some(WERO) || b.holds.is_some() {
            return fail("READ FULL STATUS names the wrong holder");
        }
        if let Some(own) = self.a.on.device().own_transport_id()
            && a.transport_id.emit() != own
        {
            return warn(
                "READ FULL STATUS shows A under another initiator port than this host believes to use",
            );
        }
        pass(format!("{} and {}, holder right", a.transport_id, b.transport_id))
    }

    /// A list that is cut says how long it is: nothing may be concluded from a key that did not fit.
    pub(super) fn short_list(&mut self) -> Found {
        self.both()?;
        let deadline = self.a.pacer.now() + self.a.timeout;
        let cdb = PrIn { action: InAction::ReadKeys, allocation: 16 }.cdb();
        let (ended, data) = self.a.on.read(cdb, 64, deadline, &mut self.a.pacer);
        let (class, got) = (ended.class, data.to_vec());
        if class != Class::Good {
            return fail(format!("READ KEYS with room for one of two keys ended {class:?}"));
        }
        let told = got.get(4..8).and_then(|b| b.first_chunk::<4>()).map(|b| u32::from_be_bytes(*b));
        if told != Some(16) || got.len() > 16 {
            return fail(format!(
                "READ KEYS with room for one of two keys sent {} bytes and claims {told:?}",
                got.len()
            ));
        }
        pass("a cut list says its full length")
    }

    pub(super) fn aptpl(&mut self) -> Found {
        let before = identify::capabilities(&mut self.a.on, self.a.timeout, &mut self.a.pacer);
        let offered = before.is_ok_and(|c| c.aptpl_capable);
        let ka = self.fresh();
        let fate = self.a.out(&PrOut::register(NONE, ka, Aptpl::Yes));
        if !offered {
            return match fate {
                super::side::Fate::Good => {
                    warn("APTPL was accepted, though REPORT CAPABILITIES does not offer it")
                }
                _ => not_offered("registrations do not survive power loss"),
            };
        }
        if fate != super::side::Fate::Good {
            return fail(format!("APTPL is offered, and REGISTER with it ended {}", fate.words()));
        }
        let after = identify::capabilities(&mut self.a.on, self.a.timeout, &mut self.a.pacer);
        if !after.is_ok_and(|c| c.aptpl_active) {
            return fail("REGISTER with APTPL ended GOOD, but REPORT CAPABILITIES does not show it active");
        }
        pass("offered, accepted, and shown active")
    }

    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "a check as the others")]
    pub(super) fn power_loss(&mut self) -> Found {
        Ok((
            Verdict::Untested,
            "whether registrations really survive a power cycle, a controller failover or a firmware update only such an event can show".into(),
        ))
    }
}
