//! Reads TOML tables strictly, and says where something is wrong without repeating it.

use std::{collections::BTreeMap, ops::Range, path::Path};

use toml::de::{DeTable, DeValue};

use super::ConfigError;
use crate::authority::text::clean;

/// A file's text, for finding lines.
pub(super) struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text }
    }

    /// Parses the text. Of TOML's error only the message is passed on, which is made of fixed words; its display
    /// quotes the source.
    pub(super) fn parse(&self) -> Result<DeTable<'a>, ConfigError> {
        DeTable::parse(self.text).map(toml::Spanned::into_inner).map_err(|error| {
            self.error(
                error.span(),
                &format!("this is not valid TOML: {}; correct it", clean(error.message())),
            )
        })
    }

    /// The folder that relative paths start from: the daemon's own is none of the person's business.
    pub(super) fn folder(&self) -> &'a Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    fn error(&self, span: Option<Range<usize>>, what: &str) -> ConfigError {
        let line = span.map(|span| {
            let lines = self.text.split_inclusive('\n').scan(0, |end, line| {
                *end += line.len();
                Some(*end)
            });
            lines.take_while(|end| *end <= span.start).count() + 1
        });
        ConfigError { path: self.path.to_owned(), line, what: what.to_owned() }
    }
}

/// A table of the file.
pub(super) struct Table<'a> {
    source: &'a Source<'a>,
    entries: &'a DeTable<'a>,
    /// Where it starts.
    place: Option<Range<usize>>,
}

impl<'a> Table<'a> {
    pub(super) fn new(source: &'a Source<'a>, entries: &'a DeTable<'a>) -> Self {
        Self { source, entries, place: None }
    }

    /// The folder that relative paths start from.
    pub(super) fn folder(&self) -> &'a Path {
        self.source.folder()
    }

    /// Refuses keys that are not known, and those that this version does not support yet.
    pub(super) fn check_keys(&self, known: &[&str], later: &[&str]) -> Result<(), ConfigError> {
        for key in self.entries.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            if later.contains(&name) {
                return Err(
                    self.error(name, &format!("{name} is not supported by this version yet; remove it"))
                );
            }
            let nearest = known
                .iter()
                .chain(later)
                .min_by_key(|candidate| strsim::damerau_levenshtein(name, candidate))
                .unwrap_or(&"");
            let what = format!("unknown key `{}`; the nearest known key is `{nearest}`", clean(name));
            return Err(self.error(name, &what));
        }
        Ok(())
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// A string.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        self.read(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A list of strings.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        self.read(key, "a list of strings", list)
    }

    /// A list of strings, or a single string split at spaces.
    pub(super) fn words(&self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        self.read(key, "a list of strings, or one string", |value| match value.as_str() {
            Some(words) => Some(words.split_whitespace().map(str::to_owned).collect()),
            None => list(value),
        })
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.read(key, "true or false", DeValue::as_bool)
    }

    /// A table of strings.
    pub(super) fn text_table(&self, key: &str) -> Result<Option<BTreeMap<String, String>>, ConfigError> {
        self.read(key, "a table of strings", |value| {
            let table = value.as_table()?;
            table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), value.get_ref().as_str()?.to_owned())))
                .collect()
        })
    }

    /// A table.
    pub(super) fn table(&self, key: &str) -> Result<Option<Table<'a>>, ConfigError> {
        let source = self.source;
        let place = self.place_of(key);
        self.read(key, "a table", |value| {
            Some(Table { source, entries: value.as_table()?, place: place.clone() })
        })
    }

    /// All tables of this table, by their names; anything else in it is refused.
    pub(super) fn tables(&self) -> Result<Vec<(&'a str, Table<'a>)>, ConfigError> {
        let names = self.entries.keys().map(|key| key.get_ref().as_ref());
        names
            .map(|name| Ok((name, self.table(name)?.expect("the name is one of the table's keys"))))
            .collect()
    }

    /// What is in the table.
    pub(super) fn entries(&self) -> &'a DeTable<'a> {
        self.entries
    }

    /// The same table with other entries, whose places are in the same file.
    pub(super) fn with<'b>(&self, entries: &'b DeTable<'b>) -> Table<'b>
    where
        'a: 'b,
    {
        Table { source: self.source, entries, place: self.place.clone() }
    }

    /// A list of tables.
    pub(super) fn table_list(&self, key: &str) -> Result<Option<Vec<Table<'a>>>, ConfigError> {
        let (source, place) = (self.source, self.place_of(key));
        self.read(key, "a list of tables", |value| {
            let entries = value.as_array()?.iter();
            let table = |entry: &'a toml::Spanned<DeValue<'a>>| {
                Some(Table { source, entries: entry.get_ref().as_table()?, place: place.clone() })
            };
            entries.map(table).collect()
        })
    }

    /// An error at this key, or at the table itself where the key is missing.
    pub(super) fn error(&self, key: &str, what: &str) -> ConfigError {
        self.source.error(self.place_of(key).or_else(|| self.place.clone()), what)
    }

    fn read<T>(
        &self,
        key: &str,
        kind: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(self.error(key, &format!("{} must be {kind}; correct it", clean(key)))),
            },
        }
    }

    fn value(&self, key: &str) -> Option<&'a DeValue<'a>> {
        self.entries.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value.get_ref())
    }

    /// Where the key stands.
    pub(super) fn place_of(&self, key: &str) -> Option<Range<usize>> {
        self.entries.keys().find(|name| name.get_ref() == key).map(toml::Spanned::span)
    }
}

fn list(value: &DeValue<'_>) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|entry| entry.get_ref().as_str().map(str::to_owned)).collect()
}
