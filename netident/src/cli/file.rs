//! An identity in a TOML file.
//!
//! ```toml
//! address = ["192.0.2.10/24@eth0", "2001:db8::10/64@eth0"]
//! virtual-mac = "vrrp:10"
//! mac-mode = "macvlan"
//! route = ["default via 192.0.2.1 src 192.0.2.10 @eth0"]
//! # [dns]: see `super::name`
//! ```

use std::path::Path;

use netident::identity::name::Naming;
use netident::identity::{Address, Identity, IdentityError, MacMode, VirtualMac, WantedRoute};
use serde::Deserialize;

use super::mac::Mode;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    address: Vec<String>,
    virtual_mac: Option<String>,
    mac_mode: Option<Mode>,
    #[serde(default)]
    route: Vec<String>,
    dns: Option<super::name::Field>,
}

/// Reads it; `naming` is that of the command line, for a file that has none.
///
/// # Errors
/// What is wrong with it, in words, the file's name included.
pub(crate) fn read(path: &Path, naming: Option<Naming>) -> Result<Identity, String> {
    let named = |e: String| format!("{}: {}", path.display(), e.trim_end());
    let text = std::fs::read_to_string(path).map_err(|e| named(e.to_string()))?;
    parse(&text, naming).map_err(named)
}

fn parse(text: &str, naming: Option<Naming>) -> Result<Identity, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
    if file.mac_mode.is_some() && file.virtual_mac.is_none() {
        return Err("mac-mode without virtual-mac: there is no MAC to be placed".into());
    }
    let naming = match (file.dns, naming) {
        (Some(_), Some(_)) => {
            return Err("it has a [dns] of its own: leave --dns out, or take that out".into());
        }
        (Some(field), None) => Some(field.naming().map_err(|e| e.to_string())?),
        (None, naming) => naming,
    };
    let identity = || -> Result<Identity, IdentityError> {
        let addresses: Vec<Address> = file.address.iter().map(|s| s.parse()).collect::<Result<_, _>>()?;
        let mac: Option<VirtualMac> = file.virtual_mac.as_deref().map(str::parse).transpose()?;
        let routes: Vec<WantedRoute> = file.route.iter().map(|s| s.parse()).collect::<Result<_, _>>()?;
        let mode = file.mac_mode.map_or(MacMode::default(), MacMode::from);
        Identity::new(addresses, mac)?.with_mode(mode)?.with_routes(routes)
    };
    identity().map(|i| i.named(naming)).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_all_that_moves() {
        let all = parse(
            "address = ['192.0.2.10/24@eth0']\nvirtual-mac = 'vrrp:10'\nmac-mode = 'link'\n\
             route = ['default via 192.0.2.1 src 192.0.2.10 @eth0']",
            None,
        )
        .unwrap();
        assert_eq!(all.mac(), Some(VirtualMac::Vrrp(10)));
        assert_eq!((all.mode(), all.routes().len()), (MacMode::Link, 1));
        assert_eq!(parse("address = ['192.0.2.10/24@eth0']", None).unwrap().mac(), None);
    }

    #[test]
    fn a_name_is_said_once() {
        let key = "/k".into();
        let given = Naming::new("db.example.com".parse().unwrap(), "192.0.2.53:53".parse().unwrap(), key);
        let without = "address = ['192.0.2.10/24@eth0']";
        let with = format!("{without}\n[dns]\nname = 'x.example.com'\nserver = '192.0.2.9'\nkey-file = '/k'");
        assert_eq!(parse(without, Some(given.clone())).unwrap().naming(), Some(&given));
        assert_eq!(parse(&with, None).unwrap().naming().unwrap().name.to_string(), "x.example.com.");
        // Neither silently goes before the other.
        assert!(parse(&with, Some(given)).unwrap_err().contains("[dns]"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        const A: &str = "address = ['192.0.2.10/24@eth0']\n";
        for (text, words) in [
            (String::new(), "address"),
            ("address = []".into(), "at least one"),
            ("address = ['192.0.2.10@eth0']".into(), "192.0.2.10/24@eth0"),
            (format!("{A}mac-mode = 'link'"), "without virtual-mac"),
            (format!("{A}virtual-mac = 'vrrp:10'\nmac-mode = 'wire'"), "macvlan"),
            (format!("{A}virtual-mac = '00:00:5e:00:02:0a'"), "vrrp:VRID"),
            (format!("{A}virtual-mac = 'x'"), "six hex bytes"),
            (format!("{A}route = ['default via 192.0.2.1 src 192.0.2.9 @eth0']"), "'src'"),
            (format!("{A}virtual_mac = 'vrrp:10'"), "virtual_mac"),
        ] {
            let e = parse(&text, None).unwrap_err();
            assert!(e.contains(words), "{text}: {e}");
        }
    }
}
