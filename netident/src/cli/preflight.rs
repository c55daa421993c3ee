//! `netident probe --preflight`: the traps this host is in, one a line.

use std::fmt::Write;

use netident::preflight::{self, Finding, Verdict};
use netident::system::netlink::Netlink;
use serde_json::json;

use super::Exit;
use super::args;
use super::output::{Done, End};
use super::verbs::{identity, system};

/// Judges this host for an identity; changes nothing, sends nothing.
pub(crate) fn preflight(a: &args::Identity) -> End {
    const TRIED: &str = "looking for traps";
    let identity = identity(a, TRIED)?;
    let mut netlink = Netlink::open().map_err(|e| system(TRIED, &e))?;
    let observed = netlink.observe(&identity).map_err(|e| system(TRIED, &e))?;
    let all = preflight::judge(&observed, &identity);
    let worst = preflight::worst(&all);
    let exit = match worst {
        Verdict::Pass | Verdict::Warn => Exit::Confirmed,
        Verdict::Unknown => Exit::Unconfirmed,
        Verdict::Fail => Exit::Error,
    };
    let count = |v| all.iter().filter(|f| f.verdict == v).count();
    let mut text = format!(
        "{}: {} passed, {} to know of, {} unknown, {} failed",
        match worst {
            Verdict::Fail => "NOT FIT for the identity",
            Verdict::Unknown => "not everything could be read",
            _ => "fit for the identity",
        },
        count(Verdict::Pass),
        count(Verdict::Warn),
        count(Verdict::Unknown),
        count(Verdict::Fail)
    );
    // The gravest first.
    let mut sorted: Vec<&Finding> = all.iter().collect();
    sorted.sort_by_key(|f| std::cmp::Reverse(f.verdict));
    for f in sorted {
        let place = f.link.as_deref().map_or(String::new(), |l| format!(" on {l}"));
        let _ = write!(text, "\n{:<7} {}{place}: {}", word(f.verdict), f.trap, f.what);
        if f.verdict != Verdict::Pass {
            let _ = write!(text, "\n        why: {}", f.why);
        }
        if let Some(mend) = &f.mend {
            let _ = write!(text, "\n        mend: {mend}");
        }
    }
    let findings: Vec<_> = all
        .iter()
        .map(|f| {
            json!({ "trap": f.trap, "link": f.link, "verdict": word(f.verdict), "what": f.what, "why": f.why,
                "mend": f.mend })
        })
        .collect();
    Ok(Done { exit, text, fields: json!({ "verdict": word(worst), "findings": findings }) })
}

fn word(v: Verdict) -> &'static str {
    match v {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Unknown => "unknown",
        Verdict::Fail => "fail",
    }
}
