//! One function a verb.

use std::fmt::Write;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use netident::host::Host;
use netident::identity::name::NameError;
use netident::identity::{Identity, IdentityError};
use netident::plan;
use netident::probe::{Found, Pace};
use netident::runtime::ledger::Kept;
use netident::runtime::{self, Announced, Announcer, Failure, Level, Prepared};
use netident::system::SystemError;
use netident::system::netlink::Netlink;
use netident::system::packet::PacketSocket;
use serde_json::{Value, json};

use super::output::{Done, End, Failed};
use super::{Exit, args, file, mac};

const REPEATING: &str = "repeating the announcements";

pub(crate) fn plan(a: &args::Identity) -> End {
    const TRIED: &str = "planning";
    let identity = identity(a, TRIED)?;
    let (_, host) = look(TRIED)?;
    dry_run(&host, &identity)
}

fn dry_run(host: &Host, identity: &Identity) -> End {
    let plan = plan::take(host, identity).map_err(|e| failed("planning", &e.into()))?;
    let mut text = String::new();
    let host = &mac::named(host, &plan.steps);
    let steps: Vec<String> = plan.steps.iter().map(|s| s.words(host)).collect();
    for step in &steps {
        let _ = writeln!(text, "{step}");
    }
    if plan.steps.is_empty() {
        let _ = writeln!(text, "already so: nothing would be changed");
    }
    for (voice, asked) in &plan.speakers {
        let whom: Vec<String> = asked.iter().map(ToString::to_string).collect();
        let whom =
            if whom.is_empty() { "nobody: no router, no known neighbour".into() } else { whom.join(", ") };
        let _ =
            writeln!(text, "announce {} at {} on {}; ask {whom}", voice.ip, voice.mac, host.name(voice.link));
    }
    let speakers: Vec<Value> = plan
        .speakers
        .iter()
        .map(|(v, asked)| {
            json!({ "address": v.ip, "mac": v.mac.to_string(), "link": host.name(v.link), "ask": asked })
        })
        .collect();
    let name = super::name::planned(identity);
    if let Some((words, _)) = &name {
        let _ = writeln!(text, "{words}");
    }
    let fields = json!({ "steps": steps, "speakers": speakers, "dns": name.map(|(_, fields)| fields) });
    Ok(Done { exit: Exit::Confirmed, text: text.trim_end().to_owned(), fields })
}

/// What of a take goes on beside the name's change and the report: the repeats, in a thread of their own, or why
/// there is none.
pub(crate) type Rest = Option<io::Result<JoinHandle<Result<(), Failed>>>>;

pub(crate) fn take(a: &args::Take, rest: &mut Rest) -> End {
    const TRIED: &str = "taking the identity";
    let identity = identity(&a.identity, TRIED)?;
    if a.dry_run {
        let (_, host) = look(TRIED)?;
        return dry_run(&host, &identity);
    }
    // Never closed by us: that takes longer than the take, and the report would wait for it.
    let socket: &'static PacketSocket = Box::leak(Box::new(socket(TRIED)?));
    let named = |e: Failure| a.fencing.named(failed(TRIED, &e), &e);
    let how = a.fencing.check(a.check);
    if how != args::Check::None {
        let (_, host) = look(TRIED)?;
        check(TRIED, &host, &identity, socket, how, named)?;
    }
    let mac::Ready { mut netlink, mut ledger, hold, host, repaired } = mac::ready(TRIED, &a.keeping)?;
    let mut keep = Kept::new(&mut ledger, &identity, Some(&hold));
    let prepared = Prepared::new(&mut netlink, socket, &host, &identity).map_err(named)?;
    let (taken, announcer) = prepared.fire(&mut netlink, &mut keep).map_err(named)?;
    // It stands: nobody needs to wait for what is only said again, and a signal may end that.
    drop((ledger, hold));
    let level = match taken.level {
        Level::Done => "done",
        Level::AlreadySo => "already so",
    };
    let host = mac::named(&host, &taken.steps);
    let mut done = told(&host, &identity, level, &taken.announced);
    done.fields["repaired"] = json!(repaired);
    if a.repeat {
        // Beside the rest: a name's server may be silent for seconds, and a switch that lost the first announcement
        // needs the next one now.
        *rest = Some(std::thread::Builder::new().spawn(move || repeat(announcer)));
    }
    Ok(super::name::after_take(&identity, done))
}

pub(crate) fn probe(a: &args::Probe) -> End {
    const TRIED: &str = "probing";
    let identity = identity(&a.identity, TRIED)?;
    let socket = socket(TRIED)?;
    let (_, host) = look(TRIED)?;
    check(TRIED, &host, &identity, &socket, a.check, |e| failed(TRIED, &e))?;
    let text = format!("free: nobody claims {}", names(&identity));
    Ok(Done { exit: Exit::Confirmed, text, fields: json!({ "free": identity.addresses().len() }) })
}

/// Fails with [`Exit::Conflict`] if somebody has one of the addresses, or probes for it too. Those that
/// stand here already are not asked about.
fn check(
    tried: &'static str,
    host: &Host,
    identity: &Identity,
    socket: &PacketSocket,
    check: args::Check,
    told: impl Fn(Failure) -> Failed,
) -> Result<(), Failed> {
    let pace = match check {
        args::Check::None => return Ok(()),
        args::Check::Fast => Pace::fast(),
        args::Check::Rfc5227 => Pace::rfc5227(random()),
    };
    plan::take(host, identity).map_err(|e| failed(tried, &e.into()))?;
    let found = runtime::probe(socket, plan::probing(host, identity), pace).map_err(|e| system(tried, &e))?;
    match found.iter().find_map(|(ip, f)| match f {
        Found::Taken(by) => Some((*ip, *by)),
        Found::Free => None,
    }) {
        Some((ip, by)) => Err(told(Failure::Conflict { ip, by })),
        None => Ok(()),
    }
}

/// Spreads the hosts that start together; nothing depends on its quality.
fn random() -> u8 {
    std::process::id().to_le_bytes()[0]
}

/// Goes on with the announcements to the end; a claim by another is the only thing worth saying of it.
fn repeat(mut announcer: Announcer<'_>) -> Result<(), Failed> {
    let announced = announcer.to_the_end().map_err(|e| system(REPEATING, &e))?;
    match announced.claims.first() {
        Some(&(ip, by)) => Err(failed(REPEATING, &Failure::Conflict { ip, by })),
        None => Ok(()),
    }
}

/// Waits for the end of the repeats.
pub(crate) fn repeated(rest: io::Result<JoinHandle<Result<(), Failed>>>) -> Result<(), Failed> {
    let none = |source| system(REPEATING, &SystemError::Call { doing: "starting a thread".into(), source });
    rest.map_err(none)?.join().unwrap_or_else(|_| Err(none(io::Error::other("it ended by itself"))))
}

pub(crate) fn announce(a: &args::Identity) -> End {
    const TRIED: &str = "announcing the identity";
    let identity = identity(a, TRIED)?;
    let socket = socket(TRIED)?;
    let (_, host) = look(TRIED)?;
    let plan = plan::take(&host, &identity).map_err(|e| failed(TRIED, &e.into()))?;
    if !plan.steps.is_empty() {
        return Err(Failed {
            exit: Exit::NotHere,
            tried: TRIED,
            answer: "not all of it stands on this host: announcing it would draw traffic that nobody answers"
                .into(),
            next: "`netident take` takes it; `netident plan` shows what is missing",
        });
    }
    let mut announcer = Announcer::new(&socket, &plan.speakers);
    let announced = announcer.until_settled().map_err(|e| system(TRIED, &e))?.clone();
    if let Some((ip, by)) = announced.claims.first().copied() {
        return Err(failed(TRIED, &Failure::Conflict { ip, by }));
    }
    Ok(told(&host, &identity, "announced", &announced))
}

pub(crate) fn release(a: &args::Release) -> End {
    const TRIED: &str = "releasing the identity";
    let identity = identity(&a.identity, TRIED)?;
    if a.dry_run {
        let (_, host) = look(TRIED)?;
        let recorded = mac::recorded(TRIED, &a.keeping, &identity)?;
        let plan =
            plan::release_recorded(&host, &identity, &recorded).map_err(|e| failed(TRIED, &e.into()))?;
        let steps: Vec<String> = plan.steps.iter().map(|s| s.words(&host)).collect();
        let mut text =
            if steps.is_empty() { "already so: nothing would be changed".into() } else { steps.join("\n") };
        let name = super::name::planned_release(&identity);
        if let Some((words, _)) = &name {
            let _ = write!(text, "\n{words}");
        }
        let fields = json!({ "steps": steps, "dns": name.map(|(_, fields)| fields) });
        return Ok(Done { exit: Exit::Confirmed, text, fields });
    }
    // The hold lives to the end: a signal neither stops a release nor its report.
    let mac::Ready { mut netlink, mut ledger, hold: _hold, host, repaired } = mac::ready(TRIED, &a.keeping)?;
    super::watch::stand_down(TRIED, &identity)?;
    let mut keep = Kept::new(&mut ledger, &identity, None);
    let released =
        runtime::release_kept(&mut netlink, &host, &identity, &mut keep).map_err(|e| failed(TRIED, &e))?;
    let level = match released.level {
        Level::Done => "done",
        Level::AlreadySo => "already so",
    };
    let text = format!("{level}: {} stands here no more, read back", names(&identity));
    let done = Done { exit: Exit::Confirmed, text, fields: json!({ "level": level, "repaired": repaired }) };
    Ok(super::name::after_release(&identity, done))
}

/// What a campaign brought to light.
fn told(host: &Host, identity: &Identity, level: &str, a: &Announced) -> Done {
    let answered = a.questions.iter().filter(|q| q.receipt.is_some()).count();
    let mut text = format!("{level}: {} stands here, read back", names(identity));
    let _ = match a.questions.len() {
        0 => write!(text, "; nobody to ask: no router, no known neighbour"),
        n => write!(text, "; {answered} of {n} questions answered"),
    };
    for q in &a.questions {
        let link = host.name(q.voice.link);
        let _ = match q.receipt {
            Some(r) => write!(
                text,
                "\n  {} confirmed by {} ({}) on {link} after {:.2} ms",
                q.voice.ip,
                q.neighbour,
                r.mac,
                r.after.as_secs_f64() * 1000.0
            ),
            None => write!(
                text,
                "\n  {} NOT confirmed by {} on {link}, asked {} times",
                q.voice.ip, q.neighbour, q.asked
            ),
        };
    }
    if let Some((n, errno)) = a.unsent {
        let why = std::io::Error::from_raw_os_error(errno);
        let _ = write!(text, "\n  {n} frames could not be sent: {why}");
    }
    let questions: Vec<Value> = a
        .questions
        .iter()
        .map(|q| {
            json!({ "address": q.voice.ip, "link": host.name(q.voice.link), "neighbour": q.neighbour,
                "asked": q.asked, "mac": q.receipt.map(|r| r.mac.to_string()),
                "after_us": q.receipt.map(|r| us(r.after)), "at_us": q.confirmed_at().map(us) })
        })
        .collect();
    let exit = if a.unheard() || a.questions.is_empty() { Exit::Unconfirmed } else { Exit::Confirmed };
    Done { exit, text, fields: json!({ "level": level, "questions": questions }) }
}

fn us(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

fn names(identity: &Identity) -> String {
    identity.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn socket(tried: &'static str) -> Result<PacketSocket, Failed> {
    let open = || -> Result<PacketSocket, SystemError> {
        let socket = PacketSocket::open()?;
        socket.listen()?;
        Ok(socket)
    };
    open().map_err(|e| system(tried, &e))
}

fn look(tried: &'static str) -> Result<(Netlink, Host), Failed> {
    let mut netlink = Netlink::open().map_err(|e| system(tried, &e))?;
    let host = netlink.host().map_err(|e| system(tried, &e))?;
    Ok((netlink, host))
}

pub(crate) fn identity(a: &args::Identity, tried: &'static str) -> Result<Identity, Failed> {
    let usage = |answer: String, next| Failed { exit: Exit::Usage, tried, answer, next };
    let wrong = |e: IdentityError| usage(e.to_string(), "correct it; `netident help take` shows examples");
    let misnamed =
        |e: NameError| usage(e.to_string(), "correct it; docs/identity-name.md shows a file with a name");
    let naming = a.name.naming().map_err(misnamed)?;
    if let Some(path) = &a.file {
        let next = "write address = [\"192.0.2.10/24@eth0\"]; docs/identity.md shows the rest";
        return file::read(path, naming).map_err(|e| usage(e, next));
    }
    Identity::new(a.address.clone(), a.along.virtual_mac)
        .and_then(|i| i.with_mode(a.along.mac_mode.into()))
        .and_then(|i| i.with_routes(a.along.route.clone()))
        .map(|i| i.named(naming))
        .map_err(wrong)
}

pub(super) fn system(tried: &'static str, e: &SystemError) -> Failed {
    Failed { exit: Exit::Error, tried, answer: e.to_string(), next: "mend that, then repeat the command" }
}

pub(super) fn failed(tried: &'static str, e: &Failure) -> Failed {
    let (exit, next) = match e {
        Failure::Conflict { .. } | Failure::Contested { .. } => (
            Exit::Conflict,
            "the old owner is not fenced: fence it or release the address there before anything is started here",
        ),
        Failure::Obstacle(_) => (Exit::Error, "mend that, then repeat the command; nothing was changed"),
        Failure::Interrupted { .. } => (Exit::Error, "repeat the command when it may run to its end"),
        Failure::Ledger(_) | Failure::Unrecorded { .. } => {
            (Exit::Error, "mend that, then repeat the command")
        }
        Failure::Refused { .. }
        | Failure::NotSo { .. }
        | Failure::StepRefused { .. }
        | Failure::StepNotSo { .. } => {
            (Exit::Error, "`netident show` tells what stands; mend the cause, then repeat the command")
        }
        Failure::System(_) | Failure::Broken { .. } => {
            (Exit::Error, "`netident show` tells what stands; repeating the command is safe")
        }
    };
    Failed { exit, tried, answer: e.to_string(), next }
}
