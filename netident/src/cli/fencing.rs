//! What fencing has to do with a take: an owner that is proven gone is not asked for; one that still answers was not
//! fenced.

use std::str::FromStr;

use clap::Args;
use netident::runtime::Failure;
use pnet_base::MacAddr;

use super::Exit;
use super::args::Check;
use super::output::Failed;

#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Fencing {
    /// Fencing has proven the old owner gone, by reading back: nobody is asked first
    #[arg(long, conflicts_with_all = ["check", "fenced_mac"])]
    pub(crate) fenced: bool,
    /// A MAC of the fenced node, repeat it for more: asks first (fast, unless --check says otherwise); if it still
    /// answers, the node is NOT fenced and nothing is taken
    #[arg(long, value_name = "MAC")]
    pub(crate) fenced_mac: Vec<FencedMac>,
}

/// A MAC that a card can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FencedMac(MacAddr);

impl FromStr for FencedMac {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, &'static str> {
        let mac: MacAddr =
            s.replace('-', ":").parse().map_err(|_| "write six hex bytes, 52:54:00:00:00:01")?;
        match mac {
            MacAddr(0, 0, 0, 0, 0, 0) => Err("it is zero: no card has it"),
            MacAddr(first, ..) if first & 1 != 0 => {
                Err("it is a multicast or broadcast address: no card has it")
            }
            _ => Ok(Self(mac)),
        }
    }
}

impl Fencing {
    /// How thoroughly is asked, where the command line said `check`.
    pub(crate) fn check(&self, check: Check) -> Check {
        match check {
            Check::None if !self.fenced_mac.is_empty() => Check::Fast,
            said => said,
        }
    }

    /// Says of a conflict with the fenced node what it is.
    pub(crate) fn named(&self, told: Failed, cause: &Failure) -> Failed {
        let (Failure::Conflict { ip, by } | Failure::Contested { ip, by, .. }) = cause else { return told };
        if !self.fenced_mac.contains(&FencedMac(*by)) {
            return told;
        }
        Failed {
            exit: Exit::Conflict,
            answer: format!(
                "NOT FENCED: {by} is the fenced node's own MAC, and it has {ip}; {}",
                told.answer
            ),
            next: "start nothing here: the node runs and reaches the network. Fence it again, by power if by nothing \
                   else, read back that it is off, then repeat the command",
            ..told
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn told(by: &str, fencing: &Fencing) -> Failed {
        let ip: IpAddr = "192.0.2.10".parse().unwrap();
        let cause = Failure::Conflict { ip, by: by.parse().unwrap() };
        let told =
            Failed { exit: Exit::Conflict, tried: "taking", answer: cause.to_string(), next: "fence it" };
        fencing.named(told, &cause)
    }

    #[test]
    fn only_the_fenced_nodes_own_mac_proves_that_it_was_not_fenced() {
        let fencing = Fencing { fenced: false, fenced_mac: vec!["52-54-00-00-00-01".parse().unwrap()] };
        let f = told("52:54:00:00:00:01", &fencing);
        assert!(f.answer.starts_with("NOT FENCED: 52:54:00:00:00:01") && f.next.contains("start nothing"));
        let f = told("52:54:00:00:00:02", &fencing);
        assert!(!f.answer.contains("NOT FENCED") && f.next == "fence it");
        assert!(!told("52:54:00:00:00:01", &Fencing::default()).answer.contains("NOT FENCED"));
    }

    #[test]
    fn a_fenced_mac_is_asked_for_and_a_proven_fence_is_not() {
        let one = Fencing { fenced: false, fenced_mac: vec!["52:54:00:00:00:01".parse().unwrap()] };
        assert_eq!(one.check(Check::None), Check::Fast);
        assert_eq!(one.check(Check::Rfc5227), Check::Rfc5227);
        let proven = Fencing { fenced: true, fenced_mac: vec![] };
        assert_eq!(proven.check(Check::None), Check::None);
    }

    #[test]
    fn what_no_card_has_is_refused() {
        for (text, why) in [
            ("00:00:00:00:00:00", "zero"),
            ("ff:ff:ff:ff:ff:ff", "broadcast"),
            ("01:00:5e:00:00:01", "multicast"),
            ("52:54:00", "six hex bytes"),
        ] {
            assert!(text.parse::<FencedMac>().unwrap_err().contains(why), "{text}");
        }
    }
}
