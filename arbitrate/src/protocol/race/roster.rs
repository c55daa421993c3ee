//! Which devices a race is about: one, or an odd number, each once.

/// The most quorum devices there may be.
pub const MAX_DEVICES: usize = 7;

/// How many quorum devices are configured: 1, 3, 5 or 7.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Configured(u8);

/// The configured devices in the order in which they are seized: by identity, those whose identity is
/// not known yet last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Roster {
    order: Vec<usize>,
    configured: Configured,
}

/// Why devices cannot be the quorum devices of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// A vote of an even number can end in a tie.
    #[error(
        "{0} quorum devices: an even number can be split in two halves of which neither is a majority; name one, or an odd number"
    )]
    Even(usize),
    /// None at all.
    #[error("no quorum device is named; name one, or an odd number")]
    None,
    /// More than a race handles.
    #[error("{0} quorum devices are more than {MAX_DEVICES}; three are enough for almost everybody")]
    TooMany(usize),
    /// One device would have two votes.
    #[error(
        "{first} and {second} are the same device ({identity}): it would vote twice; name each device once, by one path"
    )]
    Duplicate {
        /// Who both say they are.
        identity: String,
        /// As the first is called.
        first: String,
        /// As the second is called.
        second: String,
    },
}

impl Configured {
    /// `n` devices.
    ///
    /// # Errors
    /// [`RosterError`] where there is none, an even number, or more than [`MAX_DEVICES`].
    pub fn new(n: usize) -> Result<Self, RosterError> {
        match n {
            0 => Err(RosterError::None),
            n if n % 2 == 0 => Err(RosterError::Even(n)),
            n if n > MAX_DEVICES => Err(RosterError::TooMany(n)),
            #[allow(clippy::cast_possible_truncation, reason = "at most MAX_DEVICES")]
            n => Ok(Self(n as u8)),
        }
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> usize {
        self.0 as usize
    }

    /// The least number of them that is a majority.
    #[must_use]
    pub const fn majority(self) -> usize {
        self.count() / 2 + 1
    }
}

impl Roster {
    /// Checks and orders the devices, given by what the operator calls them and who they say they are,
    /// as far as they say so.
    ///
    /// # Errors
    /// [`RosterError`] where there is none, an even number, too many, or one twice.
    pub fn new(devices: &[(&str, Option<&str>)]) -> Result<Self, RosterError> {
        let configured = Configured::new(devices.len())?;
        let mut order: Vec<usize> = (0..devices.len()).collect();
        order.sort_by_key(|i| (devices[*i].1.is_none(), devices[*i].1, *i));
        for w in order.windows(2) {
            let ((first, a), (second, b)) = (devices[w[0]], devices[w[1]]);
            if let Some(identity) = a.filter(|_| a == b) {
                let (first, second) = (first.to_owned(), second.to_owned());
                return Err(RosterError::Duplicate { identity: identity.to_owned(), first, second });
            }
        }
        Ok(Self { order, configured })
    }

    /// How many there are.
    #[must_use]
    pub const fn configured(&self) -> Configured {
        self.configured
    }

    /// Their places in the list they were given in, in the order in which they are seized.
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_identities_and_the_unknown_come_last() {
        let r = Roster::new(&[("x", None), ("y", Some("naa.2")), ("z", Some("naa.1"))]).unwrap();
        assert_eq!(r.order(), [2, 1, 0]);
        assert_eq!((r.configured().count(), r.configured().majority()), (3, 2));
    }

    #[test]
    fn an_even_number_none_and_too_many_are_refused_in_words() {
        let even = Roster::new(&[("a", Some("1")), ("b", Some("2"))]).unwrap_err();
        assert!(even.to_string().contains("even number"), "{even}");
        assert_eq!(Roster::new(&[]), Err(RosterError::None));
        assert_eq!(Configured::new(9), Err(RosterError::TooMany(9)));
        for n in [1, 3, 5, 7] {
            assert_eq!(Configured::new(n).unwrap().majority(), n / 2 + 1);
        }
    }

    #[test]
    fn a_device_named_twice_is_refused_with_both_names() {
        let e = Roster::new(&[
            ("/dev/sg1", Some("naa.1")),
            ("/dev/sg2", Some("naa.2")),
            ("/dev/sg9", Some("naa.1")),
        ])
        .unwrap_err()
        .to_string();
        assert!(e.contains("/dev/sg1") && e.contains("/dev/sg9") && e.contains("naa.1"), "{e}");
        assert!(Roster::new(&[("a", None), ("b", None), ("c", Some("1"))]).is_ok(), "nothing known of two");
    }
}
