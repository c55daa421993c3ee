//! A TSIG key, from the text of its file. Pure; never printed.

use std::fmt;

use hickory_proto::rr::TSigner;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;

use crate::identity::name::DnsName;

/// How far the clocks of host and server may be apart, s (RFC 8945 section 10 recommends it).
pub(super) const FUDGE_S: u16 = 300;
/// Bytes of a secret below which a key is refused: BIND makes 32.
const SHORTEST: usize = 16;

/// The hash behind the MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// hmac-sha256.
    HmacSha256,
    /// hmac-sha384.
    HmacSha384,
    /// hmac-sha512.
    HmacSha512,
}

impl Algorithm {
    fn wire(self) -> TsigAlgorithm {
        match self {
            Self::HmacSha256 => TsigAlgorithm::HmacSha256,
            Self::HmacSha384 => TsigAlgorithm::HmacSha384,
            Self::HmacSha512 => TsigAlgorithm::HmacSha512,
        }
    }

    fn read(s: &str) -> Result<Self, KeyError> {
        match s.to_ascii_lowercase().trim_end_matches('.') {
            "hmac-sha256" => Ok(Self::HmacSha256),
            "hmac-sha384" => Ok(Self::HmacSha384),
            "hmac-sha512" => Ok(Self::HmacSha512),
            _ => Err(KeyError::Algorithm(s.to_owned())),
        }
    }
}

/// What is wrong with a key's text; never quotes the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither of the two forms.
    #[error(
        "not a TSIG key: {0}; it holds either what tsig-keygen prints, key \"NAME\" {{ algorithm hmac-sha256; secret \
         \"BASE64\"; }};, or one line hmac-sha256:NAME:BASE64"
    )]
    Form(&'static str),
    /// An algorithm that is not known, or not safe.
    #[error("the key's algorithm {0} is not served: hmac-sha256, hmac-sha384 or hmac-sha512")]
    Algorithm(String),
    /// A name that is none.
    #[error("the key's name: {0}")]
    Name(#[from] crate::identity::name::NameError),
    /// A secret that is none.
    #[error("the key's secret is not base64")]
    Secret,
    /// A secret that is none worth having.
    #[error("the key's secret has {0} bytes: at least 16 are needed; tsig-keygen makes one")]
    Short(usize),
}

/// A key.
#[derive(Clone)]
pub struct Key {
    name: DnsName,
    algorithm: Algorithm,
    signer: TSigner,
}

impl Key {
    /// Reads a key file's text: what `tsig-keygen` prints (the first `key` of it), or `ALGORITHM:NAME:BASE64`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let plain = text.trim();
        let (algorithm, name, secret) = match plain.split(':').collect::<Vec<_>>()[..] {
            [algorithm, name, secret] if !plain.contains(['{', '\n']) => (algorithm, name, secret),
            _ => clause(text)?,
        };
        let (algorithm, name) = (Algorithm::read(algorithm)?, name.parse::<DnsName>()?);
        let secret = base64(secret).ok_or(KeyError::Secret)?;
        if secret.len() < SHORTEST {
            return Err(KeyError::Short(secret.len()));
        }
        let signer = TSigner::new(secret, algorithm.wire(), name.wire().clone(), FUDGE_S)
            .map_err(|_| KeyError::Algorithm(algorithm.wire().to_string()))?;
        Ok(Self { name, algorithm, signer })
    }

    /// Its name, known to the server.
    #[must_use]
    pub const fn name(&self) -> &DnsName {
        &self.name
    }

    /// Its algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) const fn signer(&self) -> &TSigner {
        &self.signer
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {:?}, secret not shown)", self.name, self.algorithm)
    }
}

/// Algorithm, name and secret of the first `key` clause in BIND's configuration language.
fn clause(text: &str) -> Result<(&str, &str, &str), KeyError> {
    let all = words(text);
    let start = all.iter().position(|w| *w == "key").ok_or(KeyError::Form("there is no key in it"))?;
    let ([name, "{", rest @ ..] | [_, name, "{", rest @ ..]) = &all[start + 1..] else {
        return Err(KeyError::Form("after key comes a name and {"));
    };
    let end = rest.iter().position(|w| *w == "}").ok_or(KeyError::Form("its } is missing"))?;
    let value = |what: &str| rest[..end].windows(2).find(|w| w[0] == what).map(|w| w[1]);
    match (value("algorithm"), value("secret")) {
        (Some(algorithm), Some(secret)) => Ok((algorithm, name, secret)),
        (None, _) => Err(KeyError::Form("it names no algorithm")),
        (_, None) => Err(KeyError::Form("it has no secret")),
    }
}

/// Words and punctuation, without quotes and comments.
fn words(mut text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    loop {
        text = text.trim_start();
        let cut = |end: &str| text.split_once(end).map_or("", |(_, rest)| rest);
        text = if text.is_empty() {
            return all;
        } else if text.starts_with('#') || text.starts_with("//") {
            cut("\n")
        } else if text.starts_with("/*") {
            cut("*/")
        } else if let Some(quoted) = text.strip_prefix('"') {
            let (word, rest) = quoted.split_once('"').unwrap_or((quoted, ""));
            all.push(word);
            rest
        } else {
            let punctuation = |c: char| matches!(c, '{' | '}' | ';');
            let len = match text.find(|c: char| c.is_whitespace() || punctuation(c) || c == '"') {
                // A punctuation mark is a word of one ASCII byte.
                Some(0) => 1,
                Some(n) => n,
                None => text.len(),
            };
            all.push(&text[..len]);
            &text[len..]
        };
    }
}

/// RFC 4648 section 4, padded; white space in between is skipped.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    if digits.is_empty() || !digits.len().is_multiple_of(4) {
        return None;
    }
    let padding = digits.iter().rev().take_while(|b| **b == b'=').count();
    if padding > 2 {
        return None;
    }
    let (mut bits, mut held, mut out) = (0u32, 0u32, Vec::new());
    for b in &digits[..digits.len() - padding] {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(six)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held).to_le_bytes()[0]);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const BYTES: &[u8] = b"0123456789abcdef0123456789abcdef";

    #[test]
    fn both_forms_are_read() {
        let bind = format!("key \"Prod.Key\" {{\n\talgorithm hmac-sha512;\n\tsecret \"{SECRET}\";\n}};\n");
        let odd = format!(
            "# a comment with key in it\n/* key \"no\" {{ */ // key\nkey prod.key. {{ secret {SECRET}; algorithm HMAC-SHA512; }};"
        );
        let line = format!("hmac-sha512:prod.key:{SECRET}\n");
        for text in [bind, odd, line] {
            let key = Key::parse(&text).unwrap();
            assert_eq!(
                (key.name().to_string().as_str(), key.algorithm()),
                ("prod.key.", Algorithm::HmacSha512)
            );
            assert_eq!(key.signer().key(), BYTES);
        }
    }

    #[test]
    fn the_secret_is_never_shown() {
        let key = Key::parse(&format!("hmac-sha256:k.:{SECRET}")).unwrap();
        assert!(!format!("{key:?}").contains("0123") && !format!("{key:?}").contains(SECRET));
        for broken in
            [format!("hmac-sha256:k:{SECRET}!"), format!("key k {{ algorithm x; secret {SECRET}; }};")]
        {
            assert!(!Key::parse(&broken).unwrap_err().to_string().contains(SECRET));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_in_words() {
        for (text, why) in [
            ("", "no key"),
            ("MDEyMzQ1Njc4OWFiY2RlZg==", "no key"),
            ("key k", "a name and {"),
            ("key k { algorithm hmac-sha256; ", "} is missing"),
            ("key k { algorithm hmac-sha256; };", "no secret"),
            ("key k { secret x; };", "no algorithm"),
            ("hmac-md5:k:MDEyMzQ1Njc4OWFiY2RlZg==", "hmac-md5"),
            ("hmac-sha256:k k:MDEyMzQ1Njc4OWFiY2RlZg==", "ASCII"),
            ("hmac-sha256:k:MDEy*zQ1", "base64"),
            ("hmac-sha256:k:MDEy===", "base64"),
            ("hmac-sha256:k:MDEyMzQ1", "6 bytes"),
        ] {
            let e = Key::parse(text).unwrap_err();
            assert!(e.to_string().contains(why), "{text}: {e}");
        }
    }

    #[test]
    fn base64_of_every_length() {
        for (text, bytes) in [("TQ==", "M"), ("TWE=", "Ma"), ("TWFu", "Man"), ("TWFu TQ==", "ManM")] {
            assert_eq!(base64(text).unwrap(), bytes.as_bytes());
        }
        for bad in ["", "T", "TQ", "TQ=", "T===", "====", "=TQ=", "TQ==TQ=="] {
            assert_eq!(base64(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,60}", noise in "[key{};\"/*# \n]{0,60}") {
            let _ = Key::parse(&text);
            let _ = Key::parse(&format!("key{noise}"));
        }
    }
}
