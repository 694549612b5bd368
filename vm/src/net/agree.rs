//! What the parties must agree on before the first message of a program.
//!
//! Every party sends its terms, as named fields, and a nonce; everyone compares all of them with
//! its own and names the first field that differs. A second message confirms that all nonces
//! reached everyone alike, and that everyone found the terms equal.

use std::fmt::Write as _;

use mpc_runtime::Party;

/// Version of frames and of this handshake.
pub const WIRE_VERSION: u32 = 1;

/// Most bytes of a party's terms.
pub(crate) const MAX_TERMS_BYTES: usize = 1 << 20;

/// Longest value shown in full in an error.
const SHOWN_CHARS: usize = 80;

/// Named values that must be equal at all parties, in the order in which they were added.
///
/// Never put a secret here: the other parties see the values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    fields: Vec<(String, String)>,
}

impl Terms {
    /// The terms that hold for every program: wire version and build.
    pub fn new() -> Self {
        let mut terms = Terms::default();
        terms.add("wire version", WIRE_VERSION);
        terms.add("build", env!("CARGO_PKG_VERSION"));
        terms
    }

    /// Adds a field. A name is used once.
    pub fn add(&mut self, name: &str, value: impl ToString) {
        debug_assert!(self.fields.iter().all(|(known, _)| known != name), "`{name}` twice");
        self.fields.push((name.into(), value.to_string()));
    }

    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Hash over names and values.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("mpc-vm 2026 terms of a session");
        hasher.update(&self.encode());
        *hasher.finalize().as_bytes()
    }

    /// Says how the terms of `peer` differ from those of `me`, if they do.
    pub(crate) fn difference(&self, me: Party, peer: Party, theirs: &Terms) -> Option<String> {
        if self == theirs {
            return None;
        }
        let mut text = format!("parties {} and {} disagree", me.min(peer), me.max(peer));
        match self.first_difference(theirs) {
            Some((name, mine, other)) => {
                let _ =
                    write!(text, " on `{name}`: party {me} has {mine}, party {peer} has {other}");
            }
            None => text.push_str(" on the order of the terms"),
        }
        Some(text)
    }

    /// The first field that differs, with both values as they can be shown.
    pub fn first_difference(&self, theirs: &Terms) -> Option<(String, String, String)> {
        let names = self.fields.iter().chain(&theirs.fields).map(|(name, _)| name);
        for name in names {
            let find = |t: &Terms| t.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
            let (mine, other) = (find(self), find(theirs));
            if mine != other {
                let shown = |value: Option<String>| shorten(&value.unwrap_or("(absent)".into()));
                return Some((shorten(name), shown(mine), shown(other)));
            }
        }
        None
    }

    /// All fields as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for text in self.fields.iter().flat_map(|(name, value)| [name, value]) {
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out
    }

    /// `None` if the bytes are not those of [`Terms::encode`].
    pub fn decode(mut bytes: &[u8]) -> Option<Terms> {
        let mut texts = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_at_checked(4)?;
            let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
            let (text, rest) = rest.split_at_checked(length)?;
            texts.push(std::str::from_utf8(text).ok()?.to_string());
            bytes = rest;
        }
        let mut texts = texts.into_iter();
        let mut fields = Vec::new();
        while let Some(name) = texts.next() {
            fields.push((name, texts.next()?));
        }
        Some(Terms { fields })
    }
}

/// Values are the peer's: control characters are shown, not printed.
fn shorten(value: &str) -> String {
    let clean: String = value.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if value.chars().count() > SHOWN_CHARS { format!("{clean}…") } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        let mut terms = Terms::new();
        terms.add("protocol", "rep3-ring");
        terms.add("sigma", 40);
        terms.add("roles", "");
        terms
    }

    #[test]
    fn every_flipped_field_is_named_with_both_values() {
        for at in 0..terms().fields.len() {
            let mut other = terms();
            other.fields[at].1.push('x');
            let text = terms().difference(0, 2, &other).unwrap();
            assert!(text.contains(&format!("`{}`", other.fields[at].0)), "{text}");
            assert!(text.contains(&terms().fields[at].1) && text.contains(&other.fields[at].1));
            assert_ne!(terms().hash(), other.hash());

            let mut other = terms();
            let gone = other.fields.remove(at);
            let text = terms().difference(2, 1, &other).unwrap();
            assert!(text.contains(&format!("`{}`", gone.0)) && text.contains("(absent)"), "{text}");
            assert!(other.difference(2, 1, &terms()).unwrap().contains(&gone.0));
        }
        assert_eq!(terms().difference(0, 1, &terms()), None);
        let mut other = terms();
        other.fields.swap(0, 1);
        assert!(terms().difference(0, 1, &other).unwrap().contains("order"));
    }

    #[test]
    fn terms_read_back_and_garbage_does_not() {
        let bytes = terms().encode();
        assert_eq!(Terms::decode(&bytes), Some(terms()));
        for cut in 1..bytes.len() {
            assert_ne!(Terms::decode(&bytes[..cut]), Some(terms()));
        }
        let mut huge = bytes.clone();
        huge[0..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Terms::decode(&huge), None);
        assert_eq!(Terms::decode(&[1, 0, 0, 0, 0xff, 0, 0, 0, 0]), None);
    }

    #[test]
    fn what_a_peer_writes_is_shown_escaped_and_short() {
        let mut other = Terms::new();
        other.add("protocol", format!("\x1b[31m\n{}", "y".repeat(10_000)));
        let mut mine = Terms::new();
        mine.add("protocol", "shamir");
        let text = mine.difference(0, 1, &other).unwrap();
        assert!(!text.contains('\x1b') && !text.contains('\n') && text.len() < 400);
    }
}
