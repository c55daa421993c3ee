//! What the kernel means when it refuses an address.

use std::io;

use ipnet::IpNet;

/// The kernel's answer in words, and what it comes from where that is known.
pub(super) fn reason(net: &IpNet, link: &str, e: &io::Error) -> String {
    let v6 = net.addr().is_ipv6();
    let known = match e.raw_os_error() {
        // Not for want of rights: inet6_rtm_newaddr says this of a link without IPv6.
        Some(libc::EACCES) if v6 => {
            format!("IPv6 is off on this link; `sysctl -w net.ipv6.conf.{link}.disable_ipv6=0` turns it on")
        }
        Some(libc::EPERM | libc::EACCES) => "it needs CAP_NET_ADMIN: run it as root".into(),
        Some(libc::EEXIST) => "another tool put it on meanwhile; repeat the command".into(),
        Some(libc::EADDRNOTAVAIL) => "another tool took it off meanwhile; repeat the command".into(),
        Some(libc::ENODEV) => "the link vanished meanwhile".into(),
        Some(libc::ENOBUFS | libc::ENOMEM) => "the kernel is out of memory, or a table is full".into(),
        Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT) if v6 => "this kernel has no IPv6".into(),
        _ => return e.to_string(),
    };
    format!("{e} ({known})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_refusal_is_said() {
        let (v4, v6): (IpNet, IpNet) = ("192.0.2.10/24".parse().unwrap(), "2001:db8::10/64".parse().unwrap());
        for (net, errno, words) in [
            (v6, libc::EACCES, "net.ipv6.conf.eth0.disable_ipv6=0"),
            (v4, libc::EACCES, "CAP_NET_ADMIN"),
            (v6, libc::EPERM, "CAP_NET_ADMIN"),
            (v4, libc::EEXIST, "meanwhile"),
            (v4, libc::ENODEV, "vanished"),
            (v4, libc::ENOBUFS, "full"),
            (v6, libc::EAFNOSUPPORT, "no IPv6"),
            (v4, libc::EINVAL, "Invalid argument"),
        ] {
            let said = reason(&net, "eth0", &io::Error::from_raw_os_error(errno));
            assert!(said.contains(words), "{said}");
        }
    }
}
