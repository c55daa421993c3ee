//! What can be asked by reading alone.

use std::time::Duration;

use super::side::Fate;
use super::{Bench, Found, fail, ms, not_offered, pass, warn};
use crate::codec::pr::{InAction, PrIn, ReservationType};
use crate::device::classify::Class;
use crate::runtime::identify::{self, NotIdentified};
use crate::runtime::pacer::Pacer;

/// The checks of this part.
pub(super) const IDS: [&str; 7] =
    ["identity", "nexuses", "read-keys", "full-status", "capabilities", "allocation", "latency"];

impl Bench<'_> {
    /// Why these cannot be two nexuses of one unit, where they say so themselves: then nothing that is tested
    /// would mean anything. Where they do not say, the checks look closer.
    pub fn not_two_nexuses(&mut self) -> Option<String> {
        let a = identify::identify(&mut self.a.on, self.a.timeout, &mut self.a.pacer).ok()?;
        let b = identify::identify(&mut self.b.on, self.b.timeout, &mut self.b.pacer).ok()?;
        if a.name != b.name {
            return Some(format!("{} is {}, {} is {}", self.a.name, a.name, self.b.name, b.name));
        }
        let (from_a, from_b) =
            (self.a.on.device().own_transport_id()?, self.b.on.device().own_transport_id()?);
        let (to_a, to_b) = (a.designators.relative_target_port()?, b.designators.relative_target_port()?);
        (from_a == from_b && to_a == to_b)
            .then(|| format!("both go from the same initiator port to the same target port ({to_a})"))
    }

    pub(super) fn identity(&mut self) -> Found {
        let said = |e: NotIdentified| format!("{} brought {:?}", e.command, e.class);
        let a = identify::identify(&mut self.a.on, self.a.timeout, &mut self.a.pacer).map_err(said)?;
        let b = identify::identify(&mut self.b.on, self.b.timeout, &mut self.b.pacer).map_err(said)?;
        if a.name == b.name {
            return pass(format!("{} ({})", a.name, a.product));
        }
        fail(format!("{} is {}, {} is {}: two units", self.a.name, a.name, self.b.name, b.name))
    }

    /// Told apart by initiator port or target port, as far as they say so.
    pub(super) fn nexuses(&mut self) -> Found {
        let ids = (self.a.on.device().own_transport_id(), self.b.on.device().own_transport_id());
        let port = |s: &mut super::Side<'_>| {
            identify::identify(&mut s.on, s.timeout, &mut s.pacer)
                .ok()
                .and_then(|i| i.designators.relative_target_port())
        };
        let ports = (port(&mut self.a), port(&mut self.b));
        match (&ids, ports) {
            ((Some(a), Some(b)), _) if a != b => pass("two initiator ports"),
            (_, (Some(a), Some(b))) if a != b => pass(format!("two target ports ({a} and {b})")),
            ((Some(_), Some(_)), (Some(_), Some(_))) => {
                fail("the same initiator port and the same target port: one nexus")
            }
            _ => warn("they do not say which ports they go through; the destructive part tells them apart"),
        }
    }

    pub(super) fn read_keys(&mut self) -> Found {
        let (first, keys) = self.a.keys()?;
        let (there, seen) = self.b.keys()?;
        let (last, again) = self.a.keys()?;
        if first != last || keys != again {
            return warn("registrations changed while they were read: somebody is at work on this unit");
        }
        if there != first || seen != keys {
            return fail(format!(
                "the paths disagree: generation {first} and {} key(s) over {}, generation {there} and {} over {}",
                keys.len(),
                self.a.name,
                seen.len(),
                self.b.name
            ));
        }
        pass(format!("{} key(s), generation {first}, the same over both", keys.len()))
    }

    pub(super) fn full_status(&mut self) -> Found {
        let (generation, keys) = self.a.keys()?;
        match self.a.full_status() {
            Ok(s) if s.generation != generation => warn("registrations changed while they were read"),
            Ok(s) => {
                let mut told: Vec<_> = s.registrations.iter().map(|r| r.key).collect();
                let mut keys = keys;
                told.sort_unstable();
                keys.sort_unstable();
                if told == keys {
                    pass(format!("{} registration(s), as READ KEYS", told.len()))
                } else {
                    fail(format!("{} registration(s), but READ KEYS shows {}", told.len(), keys.len()))
                }
            }
            Err(Class::Illegal(s)) => not_offered(s.to_string()),
            Err(other) => fail(format!("READ FULL STATUS brought {other:?}")),
        }
    }

    pub(super) fn capabilities(&mut self) -> Found {
        match identify::capabilities(&mut self.a.on, self.a.timeout, &mut self.a.pacer) {
            Err(Class::Illegal(s)) => not_offered(s.to_string()),
            Err(other) => fail(format!("REPORT CAPABILITIES brought {other:?}")),
            Ok(c) => {
                let wero = c.offers(ReservationType::WriteExclusiveRegistrantsOnly);
                if wero == Some(false) {
                    return fail("type 5, Write Exclusive, Registrants Only, is not offered");
                }
                let types = match c.types {
                    None => "says nothing of types".to_owned(),
                    Some(t) => t.iter().map(|k| (k as u8).to_string()).collect::<Vec<_>>().join(","),
                };
                let text = format!(
                    "types {types}; APTPL {}; SPEC_I_PT {}; ALL_TG_PT {}",
                    yes(c.aptpl_capable),
                    yes(c.spec_i_pt),
                    yes(c.all_target_ports)
                );
                if c.aptpl_capable { pass(text) } else { warn(text) }
            }
        }
    }

    /// An answer that does not fit must be cut, say how long it is, and end GOOD (SPC-4 4.2.5.6).
    pub(super) fn allocation(&mut self) -> Found {
        for action in [InAction::ReadKeys, InAction::ReadReservation] {
            for room in [0_u16, 4, 8] {
                let cdb = PrIn { action, allocation: room }.cdb();
                let deadline = self.a.pacer.now() + self.a.timeout;
                let (ended, data) = self.a.on.read(cdb, 64, deadline, &mut self.a.pacer);
                let got = data.len();
                if ended.class != Class::Good {
                    let text = format!(
                        "{} with room for {room} bytes ended {}",
                        action.name(),
                        Fate::Other(ended.class).words()
                    );
                    return if room == 8 { fail(text) } else { warn(text) };
                }
                if room == 8 && got > 8 {
                    return fail(format!("{} sent {got} bytes where 8 were asked for", action.name()));
                }
            }
        }
        pass("answers are cut to 0, 4 and 8 bytes and end GOOD")
    }

    /// READ KEYS and READ RESERVATION, as a tick sends them.
    pub(super) fn latency(&mut self) -> Found {
        let mut worst = Duration::ZERO;
        let mut text = Vec::new();
        let budget = self.timing.spec().tick_budget;
        let until = self.a.pacer.now() + Duration::from_secs(5);
        for second in [false, true] {
            let mut took = Vec::new();
            for _ in 0..self.ticks {
                let side = if second { &mut self.b } else { &mut self.a };
                let begun = side.pacer.now();
                side.keys()?;
                side.holder()?;
                let ended = side.pacer.now();
                took.push(ended.since(begun));
                if ended >= until && took.len() > 20 {
                    break;
                }
            }
            took.sort_unstable();
            let at = |percent: usize| took.get((took.len() * percent / 100).min(took.len() - 1)).copied();
            let (half, most) = (at(50).unwrap_or_default(), at(99).unwrap_or_default());
            worst = worst.max(most);
            let name = if second { &self.b.name } else { &self.a.name };
            text.push(format!("{name}: p50 {}, p99 {} of {}", ms(half), ms(most), took.len()));
        }
        let text = format!("{}; budget {}", text.join("; "), ms(budget));
        if worst > budget {
            fail(text)
        } else if worst > budget / 2 {
            warn(text)
        } else {
            pass(text)
        }
    }
}

const fn yes(b: bool) -> &'static str {
    if b { "yes" } else { "no" }
}
