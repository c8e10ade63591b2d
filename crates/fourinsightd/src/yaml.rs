//! A small part of YAML: mappings, lists and scalars, as a configuration needs them. Anchors, aliases and tags are
//! refused, so nothing grows beyond what is written; so is more than is ever written by hand.

use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle};
use zeroize::Zeroize;

/// The longest document.
const LONGEST: usize = 64 * 1024;
/// How deep it may nest.
const DEEPEST: usize = 16;
/// How many values it may have.
const MOST: usize = 1000;

/// A value. It may be a secret, so it is wiped when dropped and never printed.
#[derive(PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    /// A member of a mapping.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The members of a mapping; of anything else none.
    pub(crate) fn members(&self) -> &[(String, Self)] {
        if let Self::Map(members) = self { members } else { &[] }
    }

    /// A scalar's text.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if let Self::Text(text) = self {
            text.zeroize();
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(…)")
    }
}

/// What is wrong with a document; it repeats nothing of it.
pub(crate) type Wrong = &'static str;

/// Reads a document of YAML, or of JSON.
pub(crate) fn read(text: &str) -> Result<Value, Wrong> {
    if text.len() > LONGEST {
        return Err("it is longer than 64 KiB");
    }
    let mut reader = Reader { events: Parser::new_from_str(text.trim_start_matches('\u{feff}')), values: 0 };
    loop {
        match reader.next()? {
            Event::StreamStart => {}
            Event::DocumentStart(_) => break,
            _ => return Err("it is empty"),
        }
    }
    let first = reader.next()?;
    let value = reader.value(first, 0)?;
    match (reader.next()?, reader.next()?) {
        (Event::DocumentEnd, Event::StreamEnd) => Ok(value),
        _ => Err("it holds more than one document"),
    }
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, Wrong> {
        match self.events.next_event() {
            Some(Ok((event, _))) => Ok(event),
            // The parser's own words quote the document.
            Some(Err(_)) | None => Err("it is not valid YAML or JSON"),
        }
    }

    fn value(&mut self, event: Event<'a>, depth: usize) -> Result<Value, Wrong> {
        self.values += 1;
        if self.values > MOST || depth > DEEPEST {
            return Err("it is larger or deeper than any credential mapping");
        }
        match event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag)
                if anchor != 0 || tag.is_some() =>
            {
                Err(REFERENCES)
            }
            Event::Alias(_) => Err(REFERENCES),
            Event::Scalar(text, ScalarStyle::Plain, ..)
                if matches!(&*text, "" | "~" | "null" | "Null" | "NULL") =>
            {
                Ok(Value::Null)
            }
            Event::Scalar(text, ..) => Ok(Value::Text(text.into_owned())),
            Event::SequenceStart(..) => self.list(depth),
            Event::MappingStart(..) => self.map(depth),
            _ => Err("it is not valid YAML or JSON"),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Wrong> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::List(list)),
                event => list.push(self.value(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Wrong> {
        let mut map: Vec<(String, Value)> = Vec::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Value::Map(map)),
                Event::Scalar(key, _, 0, None) => key.into_owned(),
                _ => return Err("a key in it is no plain name"),
            };
            if map.iter().any(|(known, _)| *known == key) {
                return Err("it says the same key twice");
            }
            let event = self.next()?;
            map.push((key, self.value(event, depth + 1)?));
        }
    }
}

const REFERENCES: Wrong = "it has anchors, aliases or tags, which no credential mapping needs";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn yaml_and_json_read_alike() {
        let yaml = "# of a project\nclient_credentials:\n  client_id: abc\n  scopes:\n  - \"a\"\n  - 'b'\n  expiry: 30\n  none: ~\n";
        let json = r#"{"client_credentials": {"client_id": "abc", "scopes": ["a", "b"], "expiry": 30, "none": null}}"#;
        for document in [yaml, json] {
            let inner = Value::Map(vec![
                ("client_id".into(), text("abc")),
                ("scopes".into(), Value::List(vec![text("a"), text("b")])),
                ("expiry".into(), text("30")),
                ("none".into(), Value::Null),
            ]);
            assert_eq!(read(document), Ok(Value::Map(vec![("client_credentials".into(), inner)])));
        }
    }

    #[test]
    fn bombs_references_tags_and_doubles_are_refused() {
        let nested = "[".repeat(200) + &"]".repeat(200);
        let wide = format!("[{}]", "a,".repeat(2000));
        for (document, says) in [
            ("", "empty"),
            ("# nothing\n", "empty"),
            ("a: &x [c4nary]\nb: *x\n", "anchors"),
            ("a: *x\n", "valid YAML"),
            ("a: !!python/object/apply:os.system [c4nary]\n", "tags"),
            ("a: !c4nary b\n", "tags"),
            ("a: 1\na: 2\n", "twice"),
            ("a: 1\n---\nb: 2\n", "more than one"),
            ("? [a]\n: b\n", "plain name"),
            ("{a: [}", "valid YAML"),
            ("a: \"c4nary", "valid YAML"),
            (&nested, "deeper"),
            (&wide, "larger"),
            (&"a".repeat(LONGEST + 1), "64 KiB"),
        ] {
            let wrong = read(document).expect_err(document);
            assert!(wrong.contains(says) && !wrong.contains("c4nary"), "{document:.40}: {wrong}");
        }
        assert_eq!(format!("{:?}", read("a: c4nary").unwrap()), "Value(…)");
    }
}
