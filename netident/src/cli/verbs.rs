//! One function a verb.

use std::fmt::Write;
use std::time::Duration;

use netident::host::{Held, Host};
use netident::identity::name::NameError;
use netident::identity::{Identity, IdentityError};
use netident::plan::{self, PrefixRoute, Step};
use netident::probe::{Found, Pace};
use netident::runtime::{self, Announced, Announcer, Failure, Level, Prepared};
use netident::system::SystemError;
use netident::system::netlink::Netlink;
use netident::system::packet::PacketSocket;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Exit;
use super::args;
use super::output::{Done, End, Failed};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    address: Vec<String>,
    dns: Option<super::name::Field>,
}

pub(crate) fn show() -> End {
    const TRIED: &str = "showing the identities of this host";
    let mut netlink = Netlink::open().map_err(|e| system(TRIED, &e))?;
    let host = netlink.host().map_err(|e| system(TRIED, &e))?;
    let mut text = String::new();
    for h in &host.addresses {
        let whose = if h.ours { "taken by netident" } else { "" };
        let _ = writeln!(text, "{:<40} {:<16} {}{}", h.net.to_string(), host.name(h.link), state(h), whose);
    }
    let all: Vec<Value> = host
        .addresses
        .iter()
        .map(|h| {
            json!({ "address": h.net.to_string(), "link": host.name(h.link), "ours": h.ours,
                "tentative": h.tentative, "dadfailed": h.dadfailed })
        })
        .collect();
    Ok(Done { exit: Exit::Confirmed, text: text.trim_end().to_owned(), fields: json!({ "addresses": all }) })
}

fn state(h: &Held) -> &'static str {
    match (h.dadfailed, h.tentative) {
        (true, _) => "FAILED duplicate address detection; ",
        (_, true) => "tentative; ",
        _ => "",
    }
}

pub(crate) fn plan(a: &args::Identity) -> End {
    const TRIED: &str = "planning";
    let identity = identity(a, TRIED)?;
    let (_, host) = look(TRIED)?;
    dry_run(&host, &identity)
}

fn dry_run(host: &Host, identity: &Identity) -> End {
    let plan = plan::take(host, identity).map_err(|e| failed("planning", &e.into()))?;
    let mut text = String::new();
    for step in &plan.steps {
        let _ = writeln!(text, "{}", step_words(host, step));
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
    let steps: Vec<String> = plan.steps.iter().map(|s| step_words(host, s)).collect();
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

fn step_words(host: &Host, step: &Step) -> String {
    match *step {
        Step::Add { link, net, prefix_route } => {
            let route = match prefix_route {
                PrefixRoute::Make => "with a route to its subnet",
                PrefixRoute::Leave => "beside the route its subnet has",
            };
            format!("add {net} on {}, {route}", host.name(link))
        }
        Step::Remove { link, net } => format!("remove {net} from {}", host.name(link)),
    }
}

/// What of a take goes on once its report is printed.
pub(crate) type Rest = Option<Announcer<'static>>;

pub(crate) fn take(a: &args::Take, rest: &mut Rest) -> End {
    const TRIED: &str = "taking the identity";
    let identity = identity(&a.identity, TRIED)?;
    if a.dry_run {
        let (_, host) = look(TRIED)?;
        return dry_run(&host, &identity);
    }
    // Never closed by us: that takes longer than the take, and the report would wait for it.
    let socket: &'static PacketSocket = Box::leak(Box::new(socket(TRIED)?));
    let (mut netlink, host) = look(TRIED)?;
    check(TRIED, &host, &identity, socket, a.check)?;
    let prepared = Prepared::new(&mut netlink, socket, &host, &identity).map_err(|e| failed(TRIED, &e))?;
    let (taken, announcer) = prepared.fire(&mut netlink, &host).map_err(|e| failed(TRIED, &e))?;
    let level = match taken.level {
        Level::Done => "done",
        Level::AlreadySo => "already so",
    };
    let done = told(&host, &identity, level, &taken.announced);
    if a.repeat {
        *rest = Some(announcer);
    }
    Ok(super::name::after_take(&identity, done))
}

pub(crate) fn probe(a: &args::Probe) -> End {
    const TRIED: &str = "probing";
    let identity = identity(&a.identity, TRIED)?;
    let socket = socket(TRIED)?;
    let (_, host) = look(TRIED)?;
    check(TRIED, &host, &identity, &socket, a.check)?;
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
) -> Result<(), Failed> {
    let pace = match check {
        args::Check::None => return Ok(()),
        args::Check::Fast => Pace::fast(),
        args::Check::Rfc5227 => Pace::rfc5227(random()),
    };
    let plan = plan::take(host, identity).map_err(|e| failed(tried, &e.into()))?;
    let voices = plan.speakers.iter().map(|(v, _)| *v).filter(|v| host.holding(v.ip).next().is_none());
    let found = runtime::probe(socket, voices, pace).map_err(|e| system(tried, &e))?;
    match found.iter().find_map(|(ip, f)| match f {
        Found::Taken(by) => Some((*ip, *by)),
        Found::Free => None,
    }) {
        Some((ip, by)) => Err(failed(tried, &Failure::Conflict { ip, by })),
        None => Ok(()),
    }
}

/// Spreads the hosts that start together; nothing depends on its quality.
fn random() -> u8 {
    std::process::id().to_le_bytes()[0]
}

/// Goes on with the announcements to the end; a claim by another is the only thing worth saying of it.
pub(crate) fn repeat(announcer: &mut Announcer<'_>) -> Result<(), Failed> {
    const TRIED: &str = "repeating the announcements";
    let announced = announcer.to_the_end().map_err(|e| system(TRIED, &e))?;
    match announced.claims.first() {
        Some(&(ip, by)) => Err(failed(TRIED, &Failure::Conflict { ip, by })),
        None => Ok(()),
    }
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
    let (mut netlink, host) = look(TRIED)?;
    if a.dry_run {
        let plan = plan::release(&host, &identity).map_err(|e| failed(TRIED, &e.into()))?;
        let steps: Vec<String> = plan.steps.iter().map(|s| step_words(&host, s)).collect();
        let text =
            if steps.is_empty() { "already so: nothing would be changed".into() } else { steps.join("\n") };
        return Ok(Done { exit: Exit::Confirmed, text, fields: json!({ "steps": steps }) });
    }
    let released = runtime::release(&mut netlink, &host, &identity).map_err(|e| failed(TRIED, &e))?;
    let level = match released.level {
        Level::Done => "done",
        Level::AlreadySo => "already so",
    };
    let text = format!("{level}: {} stands here no more, read back", names(&identity));
    let done = Done { exit: Exit::Confirmed, text, fields: json!({ "level": level }) };
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

fn socket(tried: &'static str) -> Result<PacketSocket, Failed> {
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
        |e: NameError| usage(e.to_string(), "correct it; docs/identity.md shows a file with a name");
    let mut naming = a.name.naming().map_err(misnamed)?;
    let addresses = match &a.file {
        None => a.address.clone(),
        Some(path) => {
            let bad = |e: String| {
                usage(format!("{}: {e}", path.display()), "write address = [\"192.0.2.10/24@eth0\"]")
            };
            let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
            let file: File = toml::from_str(&text).map_err(|e| bad(e.to_string()))?;
            if let Some(field) = file.dns {
                naming = Some(field.naming().map_err(misnamed)?);
            }
            file.address.iter().map(|s| s.parse()).collect::<Result<_, _>>().map_err(wrong)?
        }
    };
    Identity::new(addresses, None).map(|i| i.named(naming)).map_err(wrong)
}

fn system(tried: &'static str, e: &SystemError) -> Failed {
    Failed { exit: Exit::Error, tried, answer: e.to_string(), next: "mend that, then repeat the command" }
}

fn failed(tried: &'static str, e: &Failure) -> Failed {
    let (exit, next) = match e {
        Failure::Conflict { .. } => (
            Exit::Conflict,
            "the old owner is not fenced: fence it or release the address there before anything is started here",
        ),
        Failure::Obstacle(_) => (Exit::Error, "mend that, then repeat the command; nothing was changed"),
        Failure::Refused { .. } | Failure::NotSo { .. } => {
            (Exit::Error, "`netident show` tells what stands; mend the cause, then repeat the command")
        }
        Failure::System(_) => {
            (Exit::Error, "`netident show` tells what stands; repeating the command is safe")
        }
    };
    Failed { exit, tried, answer: e.to_string(), next }
}
