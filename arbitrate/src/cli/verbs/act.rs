//! One changing command, from the look before to the proof after.

use arbitrate::codec::pr::{Generation, Holder, PR_OUT_BASIC_LEN, PrOut};
use arbitrate::codec::{Cdb, opcode};
use arbitrate::device::classify::Class;
use arbitrate::device::retry::Effect;
use arbitrate::key::Key;
use arbitrate::protocol::{Command, NoAnswer, Reply};
use arbitrate::runtime::executor::Executor;
use arbitrate::runtime::pacer::{Pacer, SystemPacer};
use serde_json::{Value, json};

use crate::cli::args::Consent;
use crate::cli::exit::Exit;
use crate::cli::output::{Done, Failure, Outcome};
use crate::cli::session::{self, Options, Talk};
use crate::cli::{consent, words};

/// What a device shows of its registrations and its reservation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) generation: Generation,
    pub(crate) keys: Vec<Key>,
    pub(crate) holder: Option<Holder>,
}

impl Shown {
    pub(super) fn count(&self, key: Key) -> usize {
        self.keys.iter().filter(|k| **k == key).count()
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "generation": self.generation.0,
            "keys": self.keys,
            "holder": self.holder.map(|h| h.key),
            "type": self.holder.map(|h| h.kind as u8),
        })
    }
}

/// What is to be sent.
pub(super) struct Act<'a> {
    /// The device as the operator named it.
    pub(super) device: &'a str,
    /// What is done, as a sentence without its end: it is asked, tried and reported by these words.
    pub(super) what: String,
    pub(super) cdb: Cdb,
    pub(super) list: Vec<u8>,
    /// Whether it takes something from others, so that consent is needed.
    pub(super) destroys: bool,
    /// Whether it may be sent to a disk that lost its reservations and so shows none.
    pub(super) mends: bool,
    pub(super) consent: &'a Consent,
}

/// What the look before says.
pub(super) enum Before {
    /// Go on.
    Go,
    /// It is so already.
    AlreadySo,
    /// A rule forbids it.
    Refuse { exit: Exit, why: String, next: String },
}

impl<'a> Act<'a> {
    pub(super) fn basic(device: &'a str, what: String, out: &PrOut, consent: &'a Consent) -> Self {
        let list = out.list.emit().to_vec();
        debug_assert_eq!(list.len(), PR_OUT_BASIC_LEN);
        Self { device, what, cdb: out.basic_cdb(), list, destroys: false, mends: false, consent }
    }

    pub(super) fn destroying(self) -> Self {
        Self { destroys: true, ..self }
    }

    pub(super) fn mending(self) -> Self {
        Self { mends: true, ..self }
    }

    /// Looks, asks, sends and proves. `before` judges what is there, `proof` what is there afterwards.
    pub(super) fn run(
        &self,
        with: Options,
        before: &dyn Fn(&Shown) -> Before,
        proof: &dyn Fn(&Shown, &Shown) -> bool,
    ) -> Outcome {
        let mut device = session::device(self.device)?;
        let mut talk = Talk { out: with.out, device: self.device.to_owned() };
        let mut on = Executor::new(device.as_mut(), &mut talk);
        let mut pacer = SystemPacer::deaf();
        let was = match see(with, &mut on, &mut pacer) {
            Ok(was) => was,
            // Such a disk shows nothing before it is mended, and this is what mends it.
            Err((_, NoAnswer::Sense(s))) if self.mends && words::is_lost(s) => Shown::default(),
            Err(e) => return Err(unseen(self.device, e)),
        };
        match before(&was) {
            Before::Go => {}
            Before::AlreadySo => return Ok(self.done("already so", &was, &was)),
            Before::Refuse { exit, why, next } => {
                return Err(Failure::new(exit, &self.what, format!("not sent: {why}"), next));
            }
        }
        if self.consent.dry_run {
            return Ok(self.dry_run());
        }
        if self.destroys {
            consent::ask(self.consent, &self.what)?;
        }
        let deadline = pacer.now() + with.command_timeout();
        let ended = on.write(self.cdb, &self.list, Effect::Changes, deadline, &mut pacer);
        let (exit, answer) = words::class(&ended.class, true);
        if exit != Exit::Confirmed && exit != Exit::Unknown {
            let next = exit.row().next;
            return Err(Failure::new(exit, &self.what, format!("{answer}; it was not executed"), next));
        }
        match look(self.device, with, &mut on, &mut pacer) {
            Ok(is) if proof(&was, &is) => Ok(self.done("done", &was, &is)),
            Ok(_) if ended.class == Class::Good => Err(Failure::new(
                Exit::Unknown,
                &self.what,
                "NOT VERIFIED: the target answered GOOD, but reading back does not show it",
                "look with `arbitrate inspect`; another initiator may have changed it since",
            )),
            Ok(_) => Err(Failure::new(
                Exit::Unknown,
                &self.what,
                format!("UNKNOWN: {answer}; reading back does not show it, and it may yet be executed"),
                Exit::Unknown.row().next,
            )),
            Err(f) => Err(Failure::new(
                Exit::Unknown,
                &self.what,
                format!("NOT VERIFIED: {answer}, but reading back failed: {}", f.answer),
                Exit::Unknown.row().next,
            )),
        }
    }

    fn done(&self, how: &str, was: &Shown, is: &Shown) -> Done {
        let fields = json!({
            "device": self.device, "action": self.what, "result": how,
            "before": was.json(), "after": is.json(),
        });
        Done::new(Exit::Confirmed, format!("{how}: {} (read back)", self.what), fields)
    }

    fn dry_run(&self) -> Done {
        let name = opcode::name(&self.cdb);
        let list = hex(&self.list);
        let fields = json!({
            "device": self.device, "action": self.what, "dry_run": true,
            "command": { "name": name, "cdb": hex(self.cdb.as_bytes()), "out": list },
        });
        let text = format!(
            "dry run, nothing sent: {}\n  {name}\n  cdb {}\n  out {list}",
            self.what,
            hex(self.cdb.as_bytes())
        );
        Done::new(Exit::Confirmed, text, fields)
    }
}

/// Reads keys and reservation.
pub(crate) fn look(
    device: &str,
    with: Options,
    on: &mut Executor<'_>,
    pacer: &mut dyn Pacer,
) -> Result<Shown, Failure> {
    see(with, on, pacer).map_err(|e| unseen(device, e))
}

/// The same; what brought no answer, and why.
fn see(
    with: Options,
    on: &mut Executor<'_>,
    pacer: &mut dyn Pacer,
) -> Result<Shown, (&'static str, NoAnswer)> {
    let deadline = pacer.now() + with.command_timeout();
    let (generation, keys) = match on.run(&Command::ReadKeys, deadline, pacer) {
        Reply::Keys(v) => (v.generation(), v.iter().collect()),
        other => return Err(("READ KEYS", other.why())),
    };
    let holder = match on.run(&Command::ReadReservation, deadline, pacer) {
        Reply::Reservation(r) => r.holder,
        other => return Err(("READ RESERVATION", other.why())),
    };
    Ok(Shown { generation, keys, holder })
}

fn unseen(device: &str, (what, why): (&'static str, NoAnswer)) -> Failure {
    let (exit, answer) = words::unread(why);
    let next = match why {
        NoAnswer::Barred => {
            "nothing can be read of an SPC-2 reservation, not even whose it is; disks shared that way are challenged with --legacy"
        }
        _ => exit.row().next,
    };
    Failure::new(exit, format!("{what} of {device}"), answer, next)
}

pub(crate) fn hex(b: &[u8]) -> String {
    use std::fmt::Write as _;
    b.iter().fold(String::with_capacity(b.len() * 2), |mut s, x| {
        let _ = write!(s, "{x:02x}");
        s
    })
}
