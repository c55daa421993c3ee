//! One entry of a ledger. Pure.

use crate::identity::{Address, Identity};
use crate::plan::{Need, Step};

/// What was changed for some addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The addresses, as `ADDRESS/PREFIX@LINK`.
    pub addresses: Vec<Address>,
    /// What undoes a take that has not come to its end.
    pub pending: Vec<Step>,
    /// What undoes what stands.
    pub undo: Vec<Step>,
    /// What the addresses rest on besides, whoever changed it.
    pub needs: Vec<Need>,
}

impl Record {
    /// Of an identity of which nothing is recorded.
    #[must_use]
    pub fn new(identity: &Identity) -> Self {
        Self { addresses: identity.addresses().to_vec(), ..Self::default() }
    }

    /// For people.
    #[must_use]
    pub fn name(&self) -> String {
        self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Whether it speaks of an address of that identity.
    #[must_use]
    pub fn concerns(&self, identity: &Identity) -> bool {
        self.addresses.iter().any(|a| has(identity, a))
    }

    /// Whether all it speaks of is the identity's.
    #[must_use]
    pub fn is_part_of(&self, identity: &Identity) -> bool {
        self.addresses.iter().all(|a| has(identity, a))
    }

    /// Whether it rests on what `step` changes.
    #[must_use]
    pub fn rests_on(&self, step: &Step) -> bool {
        self.needs.iter().any(|n| n.is_touched_by(step))
    }

    /// Nothing is recorded by it.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.pending.is_empty() && self.undo.is_empty()
    }

    /// Takes in what another one recorded.
    pub fn absorb(&mut self, other: Self) {
        unite(&mut self.addresses, other.addresses);
        unite(&mut self.pending, other.pending);
        unite(&mut self.undo, other.undo);
        unite(&mut self.needs, other.needs);
    }

    /// A take begins that `undo` undoes.
    pub fn promise(&mut self, undo: &[Step], needs: &[Need]) {
        let older = std::mem::replace(&mut self.pending, undo.to_vec());
        unite(&mut self.pending, older);
        unite(&mut self.needs, needs.iter().copied());
    }

    /// The take has come to its end.
    pub fn fulfil(&mut self) {
        let older = std::mem::replace(&mut self.undo, std::mem::take(&mut self.pending));
        unite(&mut self.undo, older);
    }

    /// The take is undone.
    pub fn forget_pending(&mut self) {
        self.pending.clear();
    }
}

/// Whether it is one of the identity's, whatever the prefix.
pub(super) fn has(identity: &Identity, a: &Address) -> bool {
    identity.addresses().iter().any(|b| a.ip() == b.ip() && a.link == b.link)
}

/// Appends what is not there yet.
fn unite<T: PartialEq>(all: &mut Vec<T>, more: impl IntoIterator<Item = T>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

/// Of `undo`, what must not be done yet because one of `others` rests on it; and what may.
pub(super) fn split(undo: &[Step], others: &[Record]) -> (Vec<Step>, Vec<Step>) {
    undo.iter().copied().partition(|s| others.iter().any(|r| r.rests_on(s)))
}

/// Hands steps that must wait to the first of `others` that rests on them.
pub(super) fn hand_over(waiting: Vec<Step>, others: &mut [Record]) {
    for step in waiting {
        if let Some(heir) = others.iter_mut().find(|r| r.rests_on(&step)) {
            unite(&mut heir.undo, [step]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Sysctl, Which};

    fn identity(address: &str) -> Identity {
        Identity::new(vec![address.parse().unwrap()], None).unwrap()
    }

    fn restore(which: Which) -> Step {
        Step::Sysctl { sysctl: Sysctl::of(which, "eth0").unwrap(), from: 1, to: 0 }
    }

    #[test]
    fn a_take_is_pending_until_it_stands() {
        let mut r = Record::new(&identity("192.0.2.10/24@eth0"));
        assert!(r.is_void());
        r.promise(&[restore(Which::ArpIgnore)], &[]);
        assert!(!r.is_void() && r.undo.is_empty());
        r.fulfil();
        assert_eq!((r.pending.len(), r.undo.len()), (0, 1));
        // A second take, cut short: what stood before is not undone with it.
        r.promise(&[restore(Which::ArpAnnounce)], &[]);
        r.forget_pending();
        assert_eq!(r.undo, [restore(Which::ArpIgnore)]);
    }

    #[test]
    fn what_another_rests_on_is_handed_over_and_not_undone() {
        let step = restore(Which::ArpIgnore);
        let mut other = Record::new(&identity("192.0.2.11/24@eth0"));
        assert_eq!(split(&[step], std::slice::from_ref(&other)), (vec![], vec![step]));
        other.needs = vec![Need::Sysctl(Sysctl::of(Which::ArpIgnore, "eth0").unwrap())];
        let (waits, may) = split(&[step], std::slice::from_ref(&other));
        assert_eq!((waits.len(), may.len()), (1, 0));
        hand_over(waits, std::slice::from_mut(&mut other));
        assert_eq!(other.undo, [step]);
    }
}
