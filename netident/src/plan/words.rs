//! Steps in words, for people.

use super::{PrefixRoute, Step};
use crate::host::Host;

impl Step {
    /// What this step does, in words; links by their names where `host` knows them.
    #[must_use]
    pub fn words(&self, host: &Host) -> String {
        match *self {
            Self::Add { link, net, prefix_route } => {
                let route = match prefix_route {
                    PrefixRoute::Make => "with a route to its subnet",
                    PrefixRoute::Leave => "beside the route its subnet has",
                };
                format!("add {net} on {}, {route}", host.name(link))
            }
            Self::Remove { link, net } => format!("remove {net} from {}", host.name(link)),
            Self::Sysctl { sysctl, from, to } => format!("set {sysctl} from {from} to {to}"),
            Self::Create(m) => {
                format!("make macvlan {} with MAC {} on {}", m.name, m.mac, host.name(m.base))
            }
            Self::Mark(m) => format!("mark {} as this program's", m.name),
            Self::Tune { sysctl, to } => format!("set {sysctl} to {to}"),
            Self::Up(m) => format!("set {} up", m.name),
            Self::Down(m) => format!("set {} down", m.name),
            Self::Delete(m) => format!("delete macvlan {}", m.name),
            Self::Mac { link, from, to } => {
                format!("change the MAC of {} from {from} to {to}", host.name(link))
            }
            Self::AddRoute(r) => format!("add the route {}", route(host, &r)),
            Self::RemoveRoute(r) => format!("remove the route {}", route(host, &r)),
            Self::SwapRoute { old, new } => {
                format!("replace the route {} by the route {}", other(host, &old), route(host, &new))
            }
            Self::RestoreRoute { old, .. } => format!("put back the route {}", other(host, &old)),
        }
    }
}

fn other(host: &Host, r: &crate::host::OtherRoute) -> String {
    let via = r.via.map_or_else(String::new, |v| format!(" via {v}"));
    let src = r.source.map_or_else(String::new, |s| format!(" src {s}"));
    format!("to {}{via}{src} metric {} on {}", r.destination, r.metric, host.name(r.link))
}

fn route(host: &Host, r: &crate::host::OwnRoute) -> String {
    let via = r.via.map_or_else(String::new, |v| format!(" via {v}"));
    let src = r.source.map_or_else(String::new, |s| format!(" src {s}"));
    format!("to {}{via}{src} metric {} on {}", r.destination, r.metric, host.name(r.link))
}
