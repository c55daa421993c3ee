//! PERSISTENT RESERVE OUT, a verb a service action (SPC-4 6.16).

use arbitrate::codec::pr::{
    Abort, AllTargetPorts, Aptpl, Holder, OutAction, PrOut, Preempt, RegisterAndMove, RegisterPorts,
    ReservationType, TransportId, TransportIdError, Unregister,
};
use arbitrate::key::Key;
use arbitrate::runtime::executor::{Executor, Unobserved};
use arbitrate::runtime::identify;
use arbitrate::runtime::pacer::SystemPacer;

use super::act::{Act, Before, Shown};
use crate::cli::args;
use crate::cli::exit::Exit;
use crate::cli::output::{Failure, Outcome};
use crate::cli::session::{self, Options};

/// Whether `key` holds a reservation of `kind`; for the types all registrants hold, any of them does.
fn holds(s: &Shown, key: Key, kind: ReservationType) -> bool {
    match s.holder {
        Some(h) if h.kind == kind && kind.all_registrants() => s.count(key) > 0,
        Some(h) => h == Holder { key, kind },
        None => false,
    }
}

fn not_registered(key: Key) -> Before {
    Before::Refuse {
        exit: Exit::Conflict,
        why: format!("key {key} is not registered on this disk"),
        next: "look with `arbitrate keys DEVICE`; register first with `arbitrate register`".into(),
    }
}

pub(crate) fn register(a: &args::Register, with: Options) -> Outcome {
    let aptpl = if a.aptpl { Aptpl::Yes } else { Aptpl::No };
    let existing = a.existing.unwrap_or_default();
    let mut out = if a.ignore_existing {
        PrOut::register_and_ignore(a.key, aptpl)
    } else {
        PrOut::register(existing, a.key, aptpl)
    };
    if a.all_target_ports {
        out.list.all_target_ports = AllTargetPorts::Yes;
    }
    if !a.aptpl && persists(&a.device, with) {
        with.out.talk(&format!(
            "arbitrate: without --aptpl this REGISTER takes persistence through power loss away from EVERY \
             registration on {}: the last one decides for all",
            a.device
        ));
    }
    let what = format!("registering key {} on {}", a.key, a.device);
    let mut act = Act::basic(&a.device, what, &out, &a.consent);
    if !a.transport_id.is_empty() {
        let ports = a.transport_id.iter().map(|t| transport_id(t)).collect::<Result<Vec<_>, _>>()?;
        let all_target_ports = out.list.all_target_ports;
        let more = RegisterPorts { own: existing, new: a.key, aptpl, all_target_ports, ports };
        (act.cdb, act.list) = (more.cdb(), more.emit());
    }
    act.run(with, &|_| Before::Go, &|was, is| {
        let gone = existing.is_zero() || existing == a.key || is.count(existing) < was.count(existing);
        is.count(a.key) > 0 && gone
    })
}

/// Whether persistence through power loss is active; a device that does not tell has none to lose.
fn persists(device: &str, with: Options) -> bool {
    let Ok(mut device) = session::device(device) else { return false };
    let mut nobody = Unobserved;
    let mut on = Executor::new(device.as_mut(), &mut nobody);
    identify::capabilities(&mut on, with.command_timeout(), &mut SystemPacer::deaf())
        .is_ok_and(|c| c.aptpl_active)
}

fn transport_id(text: &str) -> Result<TransportId, Failure> {
    text.parse().map_err(|e: TransportIdError| {
        Failure::new(
            Exit::Usage,
            format!("reading --transport-id {text}"),
            e.to_string(),
            "see `arbitrate help register`",
        )
    })
}

pub(crate) fn unregister(a: &args::OwnKey, with: Options) -> Outcome {
    // The APTPL of the last REGISTER decides for all (SPC-4 5.12.5.1), one that unregisters included: who
    // goes must not take persistence away from those who stay.
    let aptpl = if persists(&a.device, with) { Aptpl::Yes } else { Aptpl::No };
    let out = PrOut::register(a.key, Key::default(), aptpl);
    let what = format!("unregistering key {} on {}", a.key, a.device);
    let present = |s: &Shown| if s.count(a.key) > 0 { Before::Go } else { not_registered(a.key) };
    Act::basic(&a.device, what, &out, &a.consent)
        .run(with, &present, &|was, is| is.count(a.key) < was.count(a.key))
}

pub(crate) fn reserve(a: &args::Reserve, with: Options) -> Outcome {
    let kind = a.kind.kind();
    let what = format!("reserving {} as {} with key {}", a.device, kind.name(), a.key);
    let before = |s: &Shown| {
        if s.count(a.key) == 0 {
            return not_registered(a.key);
        }
        if holds(s, a.key, kind) { Before::AlreadySo } else { Before::Go }
    };
    Act::basic(&a.device, what, &PrOut::reserve(a.key, kind), &a.consent)
        .run(with, &before, &|_, is| holds(is, a.key, kind))
}

pub(crate) fn release(a: &args::Reserve, with: Options) -> Outcome {
    let kind = a.kind.kind();
    let what = format!("releasing {} ({}) with key {}", a.device, kind.name(), a.key);
    let before = |s: &Shown| match s.holder {
        _ if s.count(a.key) == 0 => not_registered(a.key),
        None => Before::AlreadySo,
        Some(h) if !h.kind.all_registrants() && h.key != a.key => Before::Refuse {
            exit: Exit::Refused,
            why: format!("key {} holds the reservation, not {}", h.key, a.key),
            next: "release it with the holder's key on the holder's host, or `arbitrate preempt`".into(),
        },
        Some(_) => Before::Go,
    };
    Act::basic(&a.device, what, &PrOut::release(a.key, kind), &a.consent)
        .run(with, &before, &|_, is| is.holder.is_none())
}

pub(crate) fn replace_lost(a: &args::Reserve, with: Options) -> Outcome {
    let kind = a.kind.kind();
    let what =
        format!("replacing the lost reservation of {} by {} with key {}", a.device, kind.name(), a.key);
    Act::basic(&a.device, what, &PrOut::replace_lost(a.key, kind), &a.consent).destroying().mending().run(
        with,
        &|_| Before::Go,
        &|_, is| holds(is, a.key, kind),
    )
}

pub(crate) fn clear(a: &args::Destructive, with: Options) -> Outcome {
    let what = format!("removing the reservation and EVERY registration from {}", a.device);
    let before = |s: &Shown| if s.count(a.key) > 0 { Before::Go } else { not_registered(a.key) };
    Act::basic(&a.device, what, &PrOut::clear(a.key), &a.consent)
        .destroying()
        .run(with, &before, &|_, is| is.keys.is_empty() && is.holder.is_none())
}

pub(crate) fn preempt(a: &args::Preempt, with: Options) -> Outcome {
    let kind = a.kind.kind();
    let abort = if a.abort { Abort::Yes } else { Abort::No };
    let out = PrOut::preempt(Preempt { own: a.key, victim: a.holder, kind, abort });
    let what = format!("{} of key {} on {} with key {}", out.action.name(), a.holder, a.device, a.key);
    let before = |s: &Shown| {
        if a.holder == a.key {
            return Before::Refuse {
                exit: Exit::Refused,
                why: "that is this node's own key: it would fence itself".into(),
                next: "to give a registration up use `arbitrate unregister`".into(),
            };
        }
        if s.count(a.key) == 0 {
            return not_registered(a.key);
        }
        if s.count(a.holder) == 0 {
            return Before::Refuse {
                exit: Exit::Refused,
                why: format!("key {} is not registered: there is nobody to preempt", a.holder),
                next: "look with `arbitrate inspect DEVICE` who is".into(),
            };
        }
        Before::Go
    };
    Act::basic(&a.device, what, &out, &a.consent).destroying().run(with, &before, &|was, is| {
        let held = was.holder.is_some_and(|h| h.key == a.holder);
        is.count(a.holder) == 0 && (!held || holds(is, a.key, kind))
    })
}

pub(crate) fn move_registration(a: &args::Move, with: Options) -> Outcome {
    let request = RegisterAndMove {
        own: a.key,
        new: a.new_key,
        aptpl: if a.aptpl { Aptpl::Yes } else { Aptpl::No },
        unregister: if a.unregister { Unregister::Yes } else { Unregister::No },
        relative_target_port: a.target_port,
        to: transport_id(&a.transport_id)?,
    };
    let what = format!("{} of {} to {}", OutAction::RegisterAndMove.name(), a.device, a.transport_id);
    let list = request.emit();
    let cdb = request.cdb();
    let act = Act { device: &a.device, what, cdb, list, destroys: true, mends: false, consent: &a.consent };
    let before = |s: &Shown| if s.count(a.key) > 0 { Before::Go } else { not_registered(a.key) };
    act.run(with, &before, &|_, is| is.holder.is_some_and(|h| h.key == a.new_key))
}
