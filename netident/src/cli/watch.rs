//! `netident watch`: one line for every piece of news, as text or JSON.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use netident::identity::Identity;
use netident::runtime::{self, Ended, News};
use netident::system::keeper;
use netident::system::stop::Stop;
use netident::watch::{Defence, Missing, Report, Rules, Why};
use serde_json::{Map, Value, json};

use super::Exit;
use super::output::{Done, End, Failed, SCHEMA};
use super::verbs::{failed, identity, system};
use super::{args, stamp};

#[derive(Args, Debug)]
#[command(
    after_help = "Runs until SIGTERM or SIGINT, then exits 0 and leaves the identity as it stands. `netident release` \
tells it beforehand, so that it puts nothing back that was released.\n\nWITH --json\n  one object a line: schema, event, time (UTC), and what the event has to say; \
docs/watch.md lists the events"
)]
pub(crate) struct Watch {
    #[command(flatten)]
    identity: args::Identity,
    /// What becomes of an address that another tool removed
    #[arg(long, value_enum, default_value_t = Lost::Report)]
    missing: Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Lost {
    /// It is told
    Report,
    /// It is told and put back, unless another host answers for it
    PutBack,
}

/// Watches; prints as it goes. What is left to print at the end is the end.
pub(crate) fn watch(a: &Watch, json: bool) -> End {
    const TRIED: &str = "watching the identity";
    let identity = identity(&a.identity, TRIED)?;
    let missing = match a.missing {
        Lost::Report => Missing::Report,
        Lost::PutBack => Missing::PutBack,
    };
    // First of all, so that a signal from now on ends it in order.
    let stop = Stop::on_signals().map_err(|e| system(TRIED, &e))?;
    let rules = Rules { missing, seed: seed() };
    let mut out = std::io::stdout().lock();
    let mut tell = |news: &News| {
        let (event, line, fields) = put(news);
        let line = if json {
            let mut all = Map::new();
            all.insert("schema".into(), json!(SCHEMA));
            all.insert("event".into(), json!(event));
            all.insert("time".into(), json!(stamp::utc(since_epoch())));
            if let Value::Object(m) = fields {
                all.extend(m);
            }
            Value::Object(all).to_string()
        } else {
            format!("{} {event}: {line}", stamp::utc(since_epoch()))
        };
        // Nobody reads any more: that ends the output, not the watch.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    match runtime::watch(&identity, rules, stop.as_fd(), &mut tell).map_err(|e| failed(TRIED, &e))? {
        Ended::Stopped => Ok(Done {
            exit: Exit::Confirmed,
            text: format!("{} stopped: told to; the identity stands as it stood", stamp::utc(since_epoch())),
            fields: json!({ "event": "stopped", "time": stamp::utc(since_epoch()) }),
        }),
        Ended::NotHere => Err(Failed {
            exit: Exit::NotHere,
            tried: TRIED,
            answer: "nothing of it stands on this host: there is nothing to watch over".into(),
            next: "`netident take` takes it; then watch",
        }),
    }
}

/// Tells every watch on this host that `identity` is about to be released.
pub(crate) fn stand_down(tried: &'static str, identity: &Identity) -> Result<(), Failed> {
    keeper::stand_down(identity).map(drop).map_err(|pid| Failed {
        exit: Exit::Error,
        tried,
        answer: format!(
            "`netident watch`, process {pid}, does not answer, and may put back what is released"
        ),
        next: "end that process (kill it, if need be), then repeat the command; nothing was changed",
    })
}

fn since_epoch() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Spreads the hosts that start together.
fn seed() -> u64 {
    u64::from(since_epoch().subsec_nanos()) << 32 | u64::from(std::process::id())
}

fn why_words(why: Why) -> (&'static str, &'static str) {
    match why {
        Why::Start => ("start", "the watch begins"),
        Why::Carrier => ("carrier", "the carrier came back"),
        Why::Failover => ("failover", "the link's way to its neighbours changed"),
        Why::NewMac => ("new-mac", "the link has another MAC"),
        Why::PutBack => ("put-back", "an address was put back"),
        Why::Repaired => ("repaired", "an address stands again"),
        Why::Returned => ("returned", "another tool put an address on"),
        Why::Unheard => ("unheard", "nobody answered the last time"),
    }
}

/// Event, line for people, fields.
fn put(news: &News) -> (&'static str, String, Value) {
    match news {
        News::Of(report) => told(report),
        News::Lost(why) => {
            ("overrun", format!("{why}; the host was looked at instead"), json!({ "why": why }))
        }
        News::Blind(why) => (
            "blind",
            format!("the host cannot be looked at: {why}; again in a second"),
            json!({ "why": why }),
        ),
        News::Unsent(link, why) => {
            ("unsent", format!("nothing can be sent on {link}: {why}"), json!({ "link": link, "why": why }))
        }
    }
}

fn told(report: &Report) -> (&'static str, String, Value) {
    match report {
        Report::Watching(a, mac) => (
            "watching",
            format!("{a} stands here, at {mac}"),
            json!({ "address": a.to_string(), "mac": mac.to_string() }),
        ),
        Report::Conflict { address, by, claims, defence } => {
            let (word, did) = match defence {
                Defence::Sent => ("sent", "defended with one announcement"),
                Defence::Held => ("held", "the last defence is less than 10 s ago, none was sent"),
            };
            let times = if *claims == 1 { String::new() } else { format!(" {claims} times") };
            (
                "conflict",
                format!("{by} claims {address}{times}: two hosts have it, fence one; {did}"),
                json!({ "address": address.to_string(), "by": by.to_string(), "claims": claims, "defence": word }),
            )
        }
        Report::Quiet(a, mac) => (
            "quiet",
            format!("{mac} has claimed {a} no more for two minutes"),
            json!({ "address": a.to_string(), "by": mac.to_string() }),
        ),
        Report::Announcing(link, why) => {
            let (word, words) = why_words(*why);
            (
                "announcing",
                format!("the addresses on {link}: {words}"),
                json!({ "link": link.as_str(), "why": word }),
            )
        }
        Report::Settled { link, asked, unheard } => {
            let names: Vec<String> = unheard.iter().map(ToString::to_string).collect();
            let line = match (*asked, names.len()) {
                (0, _) => format!("on {link}: nobody to ask, no router and no known neighbour"),
                (n, 0) => format!("on {link}: all {n} questions answered"),
                (n, _) => {
                    format!("on {link}: of {n} questions, those to {} were NOT answered", names.join(", "))
                }
            };
            (
                if names.is_empty() && *asked > 0 { "confirmed" } else { "unconfirmed" },
                line,
                json!({ "link": link.as_str(), "asked": asked, "unheard": names }),
            )
        }
        Report::CarrierLost(link) => {
            ("carrier-lost", format!("{link}: nothing sent there arrives"), json!({ "link": link.as_str() }))
        }
        Report::LinkGone(link) => ("link-gone", format!("{link} is gone"), json!({ "link": link.as_str() })),
        Report::Missing(a) => {
            ("missing", format!("{a} is not on this host"), json!({ "address": a.to_string() }))
        }
        Report::Released(a) => {
            ("released", format!("{a} was released: it is not put back"), json!({ "address": a.to_string() }))
        }
        Report::Returned(a) => {
            ("returned", format!("another tool put {a} on"), json!({ "address": a.to_string() }))
        }
        Report::DadFailed(a) => (
            "dadfailed",
            format!("{a} failed duplicate address detection: the kernel does not use it"),
            json!({ "address": a.to_string() }),
        ),
        Report::Restored(a) => {
            ("restored", format!("{a} stands again, read back"), json!({ "address": a.to_string() }))
        }
        Report::NotRestored { address, why, again } => (
            "not-restored",
            format!("{address}: {why}; tried again in {} s", again.as_secs()),
            json!({ "address": address.to_string(), "why": why, "again_s": again.as_secs() }),
        ),
    }
}
