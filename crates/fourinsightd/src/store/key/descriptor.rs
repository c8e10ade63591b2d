//! The text in `broker.key` that says where the key is, when the file is not the key itself.
//!
//! ```text
//! fourinsightd key
//! home = keyring
//! id = 5d41402abc4b2a76b9719d911017c592
//! check = 3f6c… (64 digits)
//! ```
//!
//! `check` is a digest under the key: it tells another key from the right one without telling anything of either.

use data_encoding::HEXLOWER;
use fourinsight_ipc::message::KeyHome;
use ring::hmac;

use super::Key;

const TITLE: &str = "fourinsightd key";
const PURPOSE: &str = "fourinsightd: check of the sealing key ";

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// The keyring, or a credential.
    pub(super) home: KeyHome,
    /// Under which name it is there.
    pub(super) id: String,
    check: String,
}

impl Descriptor {
    pub(super) fn new(home: KeyHome, id: &str, key: &Key) -> Self {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()), checked(id).as_bytes());
        Self { home, id: id.to_owned(), check: HEXLOWER.encode(tag.as_ref()) }
    }

    /// Whether this is the key that it was made for.
    pub(super) fn is_of(&self, key: &Key) -> bool {
        let under = hmac::Key::new(hmac::HMAC_SHA256, key.as_slice());
        let check = HEXLOWER.decode(self.check.as_bytes()).unwrap_or_default();
        hmac::verify(&under, checked(&self.id).as_bytes(), &check).is_ok()
    }

    pub(super) fn to_text(&self) -> String {
        let Self { home, id, check } = self;
        format!("{TITLE}\nhome = {home}\nid = {id}\ncheck = {check}\n")
    }

    /// `None` for anything that [`to_text`](Self::to_text) does not write.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != TITLE {
            return None;
        }
        let mut next = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(" = ");
        let home = KeyHome::named(next("home")?).filter(|home| *home != KeyHome::File)?;
        let descriptor = Self { home, id: next("id")?.to_owned(), check: next("check")?.to_owned() };
        let check = HEXLOWER.decode(descriptor.check.as_bytes()).ok()?;
        (descriptor.to_text() == text && check.len() == 32).then_some(descriptor)
    }
}

fn checked(id: &str) -> String {
    format!("{PURPOSE}{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_again_what_was_written_and_knows_its_key() {
        let key = Key::new([7; 32]);
        let written = Descriptor::new(KeyHome::Keyring, "0123abcd", &key);
        let read = Descriptor::parse(&written.to_text()).unwrap();
        assert_eq!(read, written);
        assert!(read.is_of(&key));
        assert!(!read.is_of(&Key::new([8; 32])));
        let renamed = Descriptor { id: "0123abce".to_owned(), ..read };
        assert!(!renamed.is_of(&key), "the check is bound to the name");
    }

    #[test]
    fn no_cut_and_no_other_home_passes_for_a_text_of_ours() {
        let text = Descriptor::new(KeyHome::Credential, "fourinsightd.key", &Key::new([7; 32])).to_text();
        assert!(text.len() > 64, "never taken for a key of 32 bytes");
        for at in 0..text.len() {
            assert_eq!(Descriptor::parse(&text[..at]), None, "{at} bytes");
        }
        for (from, to) in [("credential", "file"), ("credential", "unknown"), ("home", "hom"), (TITLE, "key")]
        {
            assert_eq!(Descriptor::parse(&text.replacen(from, to, 1)), None, "{to}");
        }
        assert_eq!(Descriptor::parse(&format!("{text}more\n")), None);
    }
}
