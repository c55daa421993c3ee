//! The datagram's MAC: keyed BLAKE3, cut to 128 bits (docs/adr/0004), and the rotation of keys.
//!
//! A sender uses one key, a receiver accepts several by their ids: the new key is first given to every node
//! to accept, then made the one to send with, and the old one is taken away when nobody sends with it.
//! Nothing in a datagram may be believed before [`Keys::verify`] said yes.

use arrayvec::ArrayVec;

use super::wire::{LEN, MAC_AT, MAC_LEN, Packet};

/// Keys accepted at one time: the present one, the last and the next, and one to spare.
pub const MOST: usize = 4;

/// What separates this use of the cluster's secret from every other.
const CONTEXT: &str = "palisade 2026-11 heartbeat datagram v1";

/// One key of the cluster.
#[derive(Clone)]
pub struct Key {
    id: u8,
    bytes: [u8; 32],
}

impl Key {
    /// The heartbeat key that follows from a secret of the cluster.
    #[must_use]
    pub fn derive(id: u8, secret: &[u8]) -> Self {
        Self { id, bytes: blake3::derive_key(CONTEXT, secret) }
    }

    fn mac(&self, covered: &[u8]) -> [u8; MAC_LEN] {
        let mut mac = [0; MAC_LEN];
        mac.copy_from_slice(&blake3::keyed_hash(&self.bytes, covered).as_bytes()[..MAC_LEN]);
        mac
    }
}

impl std::fmt::Debug for Key {
    /// Names the key and keeps the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key {}", self.id)
    }
}

/// Keys that cannot be used together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeysError {
    /// Which of the two is meant?
    #[error("two keys have the id {0}: give each its own")]
    Twice(u8),
    /// More than [`MOST`].
    #[error("more than {MOST} keys: take away those that nobody sends with any more")]
    TooMany,
}

/// The key to send with, and those to accept.
#[derive(Clone, Debug)]
pub struct Keys(ArrayVec<Key, MOST>);

impl Keys {
    /// Sends with `current`; accepts it and `others`.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn new(current: Key, others: impl IntoIterator<Item = Key>) -> Result<Self, KeysError> {
        let Self(mut all) = Self::single(current);
        for k in others {
            if all.iter().any(|a: &Key| a.id == k.id) {
                return Err(KeysError::Twice(k.id));
            }
            all.try_push(k).map_err(|_| KeysError::TooMany)?;
        }
        Ok(Self(all))
    }

    /// One key for both.
    #[must_use]
    pub fn single(key: Key) -> Self {
        let mut all = ArrayVec::new();
        all.push(key);
        Self(all)
    }

    /// The id of the key to send with.
    #[must_use]
    pub fn current(&self) -> u8 {
        self.0[0].id
    }

    /// Adds the MAC to a datagram that is otherwise complete.
    pub fn seal(&self, datagram: &mut [u8; LEN]) {
        let mac = self.0[0].mac(&datagram[..MAC_AT]);
        datagram[MAC_AT..].copy_from_slice(&mac);
    }

    /// Whether a key we accept made this datagram's MAC.
    #[must_use]
    pub fn verify(&self, packet: &Packet<'_>) -> bool {
        let Some(key) = self.0.iter().find(|k| k.id == packet.key_id()) else {
            return false;
        };
        let (a, b) = (key.mac(packet.covered()), packet.mac());
        // Every byte is looked at, whatever the first ones say: how long this takes tells nothing.
        let difference = a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y));
        std::hint::black_box(difference) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(key_id: u8) -> [u8; LEN] {
        let mut b = [7; LEN];
        b[..4].copy_from_slice(b"PHB\x01");
        b[11] = key_id;
        b
    }

    fn verified(keys: &Keys, b: &[u8; LEN]) -> bool {
        keys.verify(&Packet::new(b).unwrap())
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let keys = Keys::new(Key::derive(1, b"secret"), []).unwrap();
        let mut b = datagram(1);
        keys.seal(&mut b);
        assert!(verified(&keys, &b));
        for bit in 32..LEN * 8 {
            let mut bad = b;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!verified(&keys, &bad), "bit {bit}");
        }
    }

    #[test]
    fn keys_rotate_without_a_gap() {
        let (old, new) = (Key::derive(1, b"old"), Key::derive(2, b"new"));
        let before = Keys::new(old.clone(), []).unwrap();
        let told = Keys::new(old.clone(), [new.clone()]).unwrap();
        let turned = Keys::new(new.clone(), [old]).unwrap();
        let after = Keys::new(new, []).unwrap();
        let sent_by = |keys: &Keys| {
            let mut b = datagram(keys.current());
            keys.seal(&mut b);
            b
        };
        for (from, to) in [
            (&before, &told),
            (&told, &before),
            (&told, &turned),
            (&turned, &told),
            (&turned, &after),
            (&after, &turned),
        ] {
            assert!(verified(to, &sent_by(from)));
        }
        assert!(!verified(&before, &sent_by(&after)));
    }

    #[test]
    fn the_key_is_the_one_that_is_named() {
        let keys = Keys::new(Key::derive(1, b"a"), [Key::derive(2, b"b")]).unwrap();
        let mut b = datagram(2);
        keys.seal(&mut b);
        assert!(!verified(&keys, &b), "sealed with key 1, names key 2");
        assert_eq!(Keys::new(Key::derive(1, b"a"), [Key::derive(1, b"b")]).err(), Some(KeysError::Twice(1)));
        assert!(!format!("{keys:?}").contains("bytes"), "a secret is never printed");
    }
}
