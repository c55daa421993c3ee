//! Names of network links, as the kernel takes them.

use std::fmt;
use std::str::FromStr;

use super::IdentityError;

/// A link's name: 1 to 15 bytes, no blank, slash or colon (linux/net/core/dev.c, `dev_valid_name`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(String);

/// IFNAMSIZ without the terminating zero.
const LONGEST: usize = 15;

impl LinkName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = IdentityError;

    fn from_str(s: &str) -> Result<Self, IdentityError> {
        let why = match s {
            "" => "it is empty",
            "." | ".." => "it is reserved",
            _ if s.len() > LONGEST => "it is longer than 15 bytes",
            _ if s
                .contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '%')) =>
            {
                "it contains a blank, '/', ':' or '%'"
            }
            _ => return Ok(Self(s.to_owned())),
        };
        Err(IdentityError::Link { name: s.to_owned(), why })
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_kernel_takes() {
        for good in ["eth0", "bond0.100", "enp0s31f6", "abcdefghijklmno"] {
            assert_eq!(good.parse::<LinkName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "abcdefghijklmnop", "a b", "a/b", "eth0:1", "a%d"] {
            assert!(matches!(bad.parse::<LinkName>(), Err(IdentityError::Link { .. })), "{bad:?}");
        }
    }
}
