//! What is known of a name, from what its server answered.

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;

use super::{Answer, Change, Goal, Trust};

/// What reading back showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// These addresses, of all families that were changed; authoritative and authentic.
    Addresses(Vec<IpAddr>),
    /// The name is an alias of this one: an address cannot stand beside it (RFC 2136 section 3.4.2.2).
    Alias(String),
    /// Nothing that could be believed, and why.
    Nothing(String),
}

impl Shown {
    /// What one answered query shows.
    #[must_use]
    pub fn from_answer(answer: Answer) -> Self {
        let nothing = |why: &str| Self::Nothing(why.to_owned());
        match answer {
            Answer { trust: Trust::Unproven, code, .. } => match code {
                ResponseCode::NoError | ResponseCode::NXDomain => {
                    nothing("the answer was not signed by the key: anybody may have sent it")
                }
                code => Self::Nothing(words(code)),
            },
            Answer { code: ResponseCode::NoError | ResponseCode::NXDomain, authoritative: false, .. } => {
                nothing("the server does not hold the zone; name its primary server")
            }
            Answer { alias: Some(of), .. } => Self::Alias(of),
            // A name that is gone has no addresses.
            Answer { code: ResponseCode::NoError | ResponseCode::NXDomain, addresses, .. } => {
                Self::Addresses(addresses)
            }
            Answer { code, .. } => Self::Nothing(words(code)),
        }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Addresses(mut a), Self::Addresses(b)) => {
                a.extend(b);
                Self::Addresses(a)
            }
            (Self::Addresses(_), b) => b,
            (a, _) => a,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server shows what was wanted.
    Confirmed,
    /// It is not so; why.
    Refused(String),
    /// It is not known; why.
    Unknown(String),
}

/// Judges a change by the update's answer (none: `Err` with the reason) and by what reading back showed.
#[must_use]
pub fn judge(change: &Change, update: Result<&Answer, &str>, shown: &Shown) -> Verdict {
    let so = match shown {
        Shown::Addresses(now) => Some(met(change, now)),
        Shown::Alias(_) => Some(change.goal == Goal::LeadsElsewhere),
        Shown::Nothing(_) => None,
    };
    match (update, so, shown) {
        (Ok(a), ..) if refusal(a.code) => Verdict::Refused(told(a)),
        // A condition may fail because the first copy of a repeated request was the one that was carried out.
        (_, Some(true), _) => Verdict::Confirmed,
        (Ok(a), ..) if a.code != ResponseCode::NoError => Verdict::Refused(told(a)),
        (_, Some(false), Shown::Alias(of)) => {
            Verdict::Refused(format!("the name is an alias (CNAME) of {of}: remove that first"))
        }
        (Ok(Answer { trust: Trust::Proven, .. }), Some(false), _) => Verdict::Refused(format!(
            "the server said yes, but {}: another update, or a server that is not the primary",
            leads(shown)
        )),
        (Ok(_), Some(false), _) => {
            Verdict::Unknown(format!("the update's answer was not signed by the key, and {}", leads(shown)))
        }
        (Err(why), Some(false), _) => Verdict::Unknown(format!(
            "no answer to the update ({why}), and {}; it may still be carried out",
            leads(shown)
        )),
        (Ok(_), None, _) => Verdict::Unknown(format!("the update was accepted, but {}", leads(shown))),
        (Err(why), None, _) => {
            Verdict::Unknown(format!("no answer to the update ({why}), and {}", leads(shown)))
        }
    }
}

/// Whether the addresses are as the change wants them.
fn met(change: &Change, now: &[IpAddr]) -> bool {
    match change.goal {
        Goal::Leads => {
            now.iter().all(|ip| change.addresses.contains(ip))
                && change.addresses.iter().all(|ip| now.contains(ip))
        }
        Goal::LeadsElsewhere => !now.iter().any(|ip| change.addresses.contains(ip)),
    }
}

/// What the name shows, in words.
pub(super) fn leads(shown: &Shown) -> String {
    match shown {
        Shown::Addresses(all) if all.is_empty() => "the name has no such address".into(),
        Shown::Addresses(all) => {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            format!("the name leads to {}", all.join(", "))
        }
        Shown::Alias(of) => format!("the name is an alias of {of}"),
        Shown::Nothing(why) => format!("reading back failed: {why}"),
    }
}

/// Whether a code says that the update was not carried out, now or ever, whatever the name leads to; not so the
/// conditions, which are judged by reading back.
const fn refusal(code: ResponseCode) -> bool {
    !matches!(
        code,
        ResponseCode::NoError
            | ResponseCode::NXDomain
            | ResponseCode::YXDomain
            | ResponseCode::NXRRSet
            | ResponseCode::YXRRSet
    )
}

fn told(a: &Answer) -> String {
    let signed = match a.trust {
        Trust::Proven => "",
        Trust::Unproven => " (the answer is not signed by the key)",
    };
    format!("{}{signed}", words(a.code))
}

/// What a code means and what to do.
fn words(code: ResponseCode) -> String {
    let why = match code {
        ResponseCode::FormErr => "FORMERR: the server did not understand it; does it serve dynamic updates?",
        ResponseCode::ServFail => {
            "SERVFAIL: the server failed; its log tells why (a journal it may not write?)"
        }
        ResponseCode::NotImp => "NOTIMP: the server serves no dynamic updates",
        ResponseCode::Refused => "REFUSED: the zone's update policy does not allow it to this key",
        ResponseCode::NotAuth => {
            "NOTAUTH: the server does not hold the zone; name the right zone and its primary"
        }
        ResponseCode::NotZone => "NOTZONE: the name is not in the zone",
        ResponseCode::NXDomain | ResponseCode::NXRRSet => "the name does not lead where it was expected to",
        ResponseCode::YXDomain | ResponseCode::YXRRSet => {
            "the name leads somewhere, though none was expected"
        }
        ResponseCode::BADSIG => "BADSIG: the server's key of this name has another secret",
        ResponseCode::BADKEY => "BADKEY: the server knows no key of this name and algorithm",
        ResponseCode::BADTIME => "BADTIME: the clocks of this host and the server are more than 300 s apart",
        code => return format!("the server answered {code}"),
    };
    why.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::name::{Naming, server};

    fn change(goal: Goal) -> Change {
        let naming =
            Naming::new("db.example.com".parse().unwrap(), server("192.0.2.53").unwrap(), "k".into());
        Change::new(&naming, ["192.0.2.10".parse().unwrap(), "2001:db8::10".parse().unwrap()], goal)
    }

    fn answer(code: ResponseCode) -> Answer {
        let (trust, authoritative) = (Trust::Proven, true);
        Answer { code, trust, authoritative, addresses: vec!["192.0.2.10".parse().unwrap()], alias: None }
    }

    fn shown(all: &[&str]) -> Shown {
        Shown::Addresses(all.iter().map(|a| a.parse().unwrap()).collect())
    }

    #[test]
    fn only_reading_back_confirms() {
        let (c, yes) = (change(Goal::Leads), answer(ResponseCode::NoError));
        let (ours, half) = (shown(&["2001:db8::10", "192.0.2.10"]), shown(&["192.0.2.10"]));
        let more = shown(&["192.0.2.10", "2001:db8::10", "192.0.2.9"]);
        let silent = Shown::Nothing("silence".into());
        assert_eq!(judge(&c, Ok(&yes), &ours), Verdict::Confirmed);
        assert_eq!(
            judge(&c, Err("silence"), &ours),
            Verdict::Confirmed,
            "the answer was lost, not the update"
        );
        for other in [&half, &more, &shown(&[])] {
            assert!(matches!(judge(&c, Ok(&yes), other), Verdict::Refused(_)), "{other:?}");
            assert!(matches!(judge(&c, Err("silence"), other), Verdict::Unknown(_)), "{other:?}");
        }
        assert!(matches!(judge(&c, Ok(&yes), &silent), Verdict::Unknown(_)));
        assert!(matches!(judge(&c, Err("silence"), &silent), Verdict::Unknown(_)));
        let unsigned = Answer { trust: Trust::Unproven, ..yes };
        assert!(matches!(judge(&c, Ok(&unsigned), &half), Verdict::Unknown(_)));
    }

    #[test]
    fn a_refusal_is_one_even_if_the_name_leads_here_and_a_condition_is_judged_by_reading_back() {
        let c = change(Goal::Leads);
        let (ours, other) = (shown(&["192.0.2.10", "2001:db8::10"]), shown(&["192.0.2.9"]));
        for code in
            [ResponseCode::Refused, ResponseCode::BADKEY, ResponseCode::NotAuth, ResponseCode::ServFail]
        {
            for s in [&ours, &other] {
                assert!(matches!(judge(&c, Ok(&answer(code)), s), Verdict::Refused(_)), "{code}");
            }
        }
        for code in [ResponseCode::NXRRSet, ResponseCode::YXRRSet] {
            assert_eq!(judge(&c, Ok(&answer(code)), &ours), Verdict::Confirmed, "a repeated request");
            assert!(matches!(judge(&c, Ok(&answer(code)), &other), Verdict::Refused(_)), "{code}");
        }
    }

    #[test]
    fn away_means_none_of_ours() {
        let (c, yes) = (change(Goal::LeadsElsewhere), answer(ResponseCode::NoError));
        assert_eq!(judge(&c, Ok(&yes), &shown(&[])), Verdict::Confirmed);
        assert_eq!(judge(&c, Ok(&yes), &shown(&["192.0.2.9"])), Verdict::Confirmed);
        assert!(matches!(judge(&c, Ok(&yes), &shown(&["192.0.2.10"])), Verdict::Refused(_)));
    }

    #[test]
    fn an_answer_is_believed_if_it_is_authentic_and_authoritative() {
        let yes = answer(ResponseCode::NoError);
        assert_eq!(Shown::from_answer(yes.clone()), shown(&["192.0.2.10"]));
        let gone = Answer { addresses: Vec::new(), ..answer(ResponseCode::NXDomain) };
        assert_eq!(Shown::from_answer(gone), shown(&[]));
        for (why, a) in [
            ("signed", Answer { trust: Trust::Unproven, ..yes.clone() }),
            ("primary", Answer { authoritative: false, ..yes.clone() }),
            ("REFUSED", answer(ResponseCode::Refused)),
            ("BADTIME", Answer { trust: Trust::Unproven, ..answer(ResponseCode::BADTIME) }),
        ] {
            let s = Shown::from_answer(a);
            assert!(matches!(&s, Shown::Nothing(w) if w.contains(why)), "{s:?}");
        }
        let alias = Shown::from_answer(Answer { alias: Some("x.".into()), ..yes });
        assert!(
            matches!(judge(&change(Goal::Leads), Err("x"), &alias), Verdict::Refused(w) if w.contains("CNAME"))
        );
        let both = shown(&["192.0.2.10"]).and(Shown::Nothing("x".into()));
        assert_eq!(both, Shown::Nothing("x".into()));
    }
}
