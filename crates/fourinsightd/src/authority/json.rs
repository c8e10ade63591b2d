//! Reads JSON objects as servers really write them: each member stands for itself, so that one odd member does
//! not cost the others.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// The members of an object, unread: they borrow from the text, so nothing secret is copied.
pub(crate) struct Object<'a> {
    members: Vec<(String, &'a RawValue)>,
    /// Something follows the object.
    pub(crate) trailing: bool,
}

impl<'a> Object<'a> {
    /// Reads an object and tolerates what follows it; anything but an object is nothing.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}'));
        let members = Members::deserialize(&mut deserializer).ok()?.0;
        Some(Self { members, trailing: deserializer.end().is_err() })
    }

    /// The last member of this name that is not `null`, as most readers take it.
    fn raw(&self, name: &str) -> Option<&'a str> {
        self.all(name).next_back()
    }

    fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.members
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.get())
            .filter(|value| *value != "null")
    }

    /// Whether the object says two different things about this name.
    pub(crate) fn contradicts_itself(&self, name: &str) -> bool {
        let mut values = self.all(name);
        values.next().is_some_and(|first| values.any(|value| value != first))
    }

    /// Whether there is a member of this name that is not `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// A string.
    pub(crate) fn text(&self, name: &str) -> Option<Zeroizing<String>> {
        text_of(self.raw(name)?)
    }

    /// An object within the object.
    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        Self::read(self.raw(name)?)
    }

    /// The objects that are members, whatever their names are.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Self> {
        self.members.iter().filter_map(|(_, value)| Self::read(value.get()))
    }

    /// A list of strings; a single string counts as a list of one.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let raw = self.raw(name)?;
        serde_json::from_str(raw).ok().or_else(|| Some(vec![text_of(raw)?.to_string()]))
    }

    /// The whole numbers of a list, as numbers or as strings that hold one; what else is in it is left out.
    pub(crate) fn numbers(&self, name: &str) -> Vec<u64> {
        let list: Vec<&RawValue> =
            self.raw(name).and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
        list.iter().filter_map(|number| number.get().trim_matches('"').parse().ok()).collect()
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    /// A number, or a string that holds one.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        let raw = self.raw(name)?;
        if raw.starts_with('"') { parse_number(text_of(raw)?.trim()) } else { parse_number(raw) }
    }
}

/// A decimal number; too large a one is infinite, anything else is none.
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    let decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if decimal { text.parse().ok() } else { None }
}

fn text_of(raw: &str) -> Option<Zeroizing<String>> {
    serde_json::from_str(raw).ok().map(Zeroizing::new)
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_odd_member_does_not_cost_the_others() {
        let object = Object::read(
            r#"{"a":"x\u0041","huge":1e999,"text":"12","list":["p","q"],"one":"p","on":true,"none":null,"deep":{"a":[1]}}"#,
        )
        .unwrap();
        assert_eq!(object.text("a").unwrap().as_str(), "xA");
        assert_eq!(object.number("huge"), Some(f64::INFINITY));
        assert_eq!(object.number("text"), Some(12.0));
        assert_eq!(object.texts("list"), Some(vec!["p".to_owned(), "q".to_owned()]));
        assert_eq!(object.texts("one"), Some(vec!["p".to_owned()]));
        assert_eq!(object.flag("on"), Some(true));
        assert!(!object.has("none") && object.has("deep"));
        assert!(object.text("deep").is_none() && object.number("deep").is_none());
        assert!(!object.trailing);
    }

    #[test]
    fn of_two_members_the_last_that_is_not_null_counts() {
        let object = Object::read(r#"{"a":"1","a":"2","a":null,"b":"1","b":"1"} trailing"#).unwrap();
        assert_eq!(object.text("a").unwrap().as_str(), "2");
        assert!(object.contradicts_itself("a"));
        assert!(!object.contradicts_itself("b"));
        assert!(object.trailing);
    }

    #[test]
    fn anything_but_an_object_is_nothing() {
        for text in ["", "null", "[]", "\"x\"", "1", "<html>", "{\"a\":", "{\"a\":\"x", "{a:1}", "{'a':1}"] {
            assert!(Object::read(text).is_none(), "{text}");
        }
    }
}
