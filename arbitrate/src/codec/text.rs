//! Fixed fields of ASCII, left-aligned and padded with spaces (SPC-4 4.4.1).

use std::fmt;

use serde::{Serialize, Serializer};

/// A text field of `N` bytes. Holds whatever the device sent; prints what is safe on a terminal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// The field for `s`: padded, cut after `N` bytes, anything but printable ASCII as `?`.
    #[must_use]
    pub fn new(s: &str) -> Self {
        let mut b = [b' '; N];
        for (to, c) in b.iter_mut().zip(s.bytes()) {
            *to = printable(c);
        }
        Self(b)
    }

    /// The field with these bytes.
    #[must_use]
    pub const fn from_bytes(b: [u8; N]) -> Self {
        Self(b)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(&self.0, f)
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl<const N: usize> Serialize for Text<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// Prints foreign bytes as text: padding dropped, what a terminal might obey as `?`.
pub(crate) fn write_text(b: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use fmt::Write;
    let pad = |c: &u8| matches!(*c, b' ' | 0);
    let end = b.iter().rposition(|c| !pad(c)).map_or(0, |i| i + 1);
    let start = b.iter().position(|c| !pad(c)).unwrap_or(end);
    for c in b.get(start..end).unwrap_or_default() {
        f.write_char(char::from(printable(*c)))?;
    }
    Ok(())
}

const fn printable(c: u8) -> u8 {
    if c.is_ascii_graphic() || c == b' ' { c } else { b'?' }
}

/// Prints bytes as hex digits.
pub(crate) fn write_hex(b: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    b.iter().try_for_each(|v| write!(f, "{v:02x}"))
}
