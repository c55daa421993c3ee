//! What one look at a logical unit showed, as far as a fence cares.

use arrayvec::ArrayVec;

use crate::codec::pr::{FullStatusView, Generation, Holder, KeysView};
use crate::key::Key;

use super::order::{MAX_VICTIMS, Victim};

/// Registrations and reservation as read.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sight {
    /// PRGENERATION.
    pub generation: Generation,
    /// Registrations, a key once for each nexus.
    pub registrations: u32,
    /// Whether the own key is registered, on any nexus.
    pub own: bool,
    /// The victim's keys, each once.
    pub victims: ArrayVec<Key, MAX_VICTIMS>,
    /// Whether there are more of them.
    pub more: bool,
    /// The reservation in force; key 0 for the types all registrants hold.
    pub holder: Option<Holder>,
}

impl Sight {
    pub(super) fn of_full_status(v: FullStatusView<'_>, own: Key, victim: &Victim) -> Self {
        let mut s = Self::empty(v.generation());
        v.iter().for_each(|r| s.add(r.key, own, victim));
        s.holder = v.holder();
        s
    }

    /// The half that READ KEYS tells.
    pub(super) fn of_keys(v: KeysView<'_>, own: Key, victim: &Victim) -> Self {
        let mut s = Self::empty(v.generation());
        v.iter().for_each(|k| s.add(k, own, victim));
        s
    }

    const fn empty(generation: Generation) -> Self {
        Self {
            generation,
            registrations: 0,
            own: false,
            victims: ArrayVec::new_const(),
            more: false,
            holder: None,
        }
    }

    fn add(&mut self, key: Key, own: Key, victim: &Victim) {
        self.registrations = self.registrations.saturating_add(1);
        self.own |= key == own;
        if victim.owns(key) && !self.victims.contains(&key) {
            self.more |= self.victims.try_push(key).is_err();
        }
    }
}
