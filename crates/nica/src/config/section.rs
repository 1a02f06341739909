//! A table of a file, read key by key.
//!
//! Asking for a key makes it known; what nobody asked for is an unknown key at the end. A mistake is noted and a
//! default goes on, so that one reading finds them all.

mod value;

use super::mistake::suggest;
use super::notes::Notes;
use nica_engine::policy::Ratio;
use nica_engine::span;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};
use value::{TEXT, as_string, kind};

pub(super) struct Section<'n> {
    notes: &'n Notes<'n>,
    table: &'n DeTable<'n>,
    /// `env.prod`; empty at the top.
    pub(super) path: String,
    /// Where the section's name or value stands.
    pub(super) span: Range<usize>,
    asked: RefCell<BTreeSet<&'static str>>,
}

type Name<'n> = Spanned<DeString<'n>>;
type Value<'n> = &'n Spanned<DeValue<'n>>;

impl<'n> Section<'n> {
    /// The file as a whole.
    pub(super) fn root(notes: &'n Notes<'n>, table: &'n DeTable<'n>) -> Section<'n> {
        Section { notes, table, path: String::new(), span: 0..0, asked: RefCell::default() }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(super) fn is_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().is_table())
    }

    /// A text, or none when it is missing; a value of another type is a mistake and reads as none.
    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        self.as_text(key, value)
    }

    pub(super) fn text_or(&self, key: &'static str, default: &str) -> String {
        self.or_default(key, self.text(key), default.to_string(), String::clone)
    }

    /// A text that must be there; `example` is what somebody could write.
    pub(super) fn must_text(&self, key: &'static str, example: &str) -> String {
        let text = self.text(key);
        if text.is_none() && !self.has(key) {
            self.missing(key, example);
        }
        text.unwrap_or_default()
    }

    pub(super) fn number_or(&self, key: &'static str, default: u64) -> u64 {
        let number = self.number(key);
        self.or_default(key, number, default, u64::to_string)
    }

    pub(super) fn number(&self, key: &'static str) -> Option<u64> {
        let value = self.get(key)?;
        let read =
            |v: &DeValue<'_>| v.as_integer().and_then(|i| u64::from_str_radix(i.as_str(), i.radix()).ok());
        self.as_kind(key, value, "a whole number", read)
    }

    pub(super) fn ratio(&self, key: &'static str) -> Option<Ratio> {
        let value = self.get(key)?;
        let float = |v: &DeValue<'_>| v.as_float().and_then(|f| f.as_str().parse::<f64>().ok());
        let whole = |v: &DeValue<'_>| v.as_integer().and_then(|i| i.as_str().parse::<f64>().ok());
        let read = |v: &DeValue<'_>| float(v).or_else(|| whole(v)).and_then(Ratio::from_f64);
        self.as_kind(key, value, "a share like 0.01", read)
    }

    pub(super) fn span_or(&self, key: &'static str, default: Duration) -> Duration {
        let value = self.get(key);
        let text = value.and_then(|v| self.as_kind(key, v, "a length of time like \"10m\"", as_string));
        let read = |text: String| {
            let wrong = |error: span::NotASpan| {
                self.wrong(
                    key,
                    &format!("`{key}` is no length of time"),
                    &error.to_string(),
                    "write it like `10m`",
                );
            };
            span::parse(&text).map_err(wrong).ok()
        };
        self.or_default(key, text.and_then(read), default, |d| span::text(*d))
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)], default: T) -> T {
        let Some(text) = self.text(key) else { return default };
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let next = suggest(&text, words.iter().map(|(w, _)| *w));
            self.wrong(key, &format!("`{text}` is no `{key}`"), "unknown word", &next);
        }
        found.map_or(default, |(_, value)| *value)
    }

    pub(super) fn flag_or(&self, key: &'static str, default: bool) -> bool {
        let flag = self.get(key).and_then(|v| self.as_kind(key, v, "true or false", |v| v.as_bool()));
        self.or_default(key, flag, default, bool::to_string)
    }

    /// `{ env = "NAME" }`: a value that stands in the deployer's environment under this name.
    pub(super) fn variable(&self, key: &'static str) -> Option<String> {
        self.asked.borrow_mut().insert(key);
        let (name, value) = self.table.get_key_value(key)?;
        self.as_variable(key, name.span(), value)
    }

    /// A table of such names.
    pub(super) fn variables(&self, key: &'static str) -> BTreeMap<String, String> {
        self.section(key).map(|section| section.all_variables()).unwrap_or_default()
    }

    /// This table as one of such names; all keys become known.
    pub(super) fn all_variables(&self) -> BTreeMap<String, String> {
        let variable = |(name, value): (&'n Name<'n>, Value<'n>)| {
            let text = name.get_ref().to_string();
            Some((text.clone(), self.as_variable(&text, name.span(), value)?))
        };
        self.table.iter().filter_map(variable).collect()
    }

    /// One text, or a list of them.
    pub(super) fn text_or_texts(&self, key: &'static str) -> Vec<String> {
        match self.get(key).is_some_and(|value| value.get_ref().is_array()) {
            true => self.texts(key).into_iter().map(|(text, _)| text).collect(),
            false => self.text(key).into_iter().collect(),
        }
    }

    /// Texts with the place of each.
    pub(super) fn texts(&self, key: &'static str) -> Vec<(String, Range<usize>)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        self.as_kind(key, value, "a list of texts", |v| v.as_array().map(|_| ()));
        let items = value.get_ref().as_array().into_iter().flat_map(|a| a.iter());
        items.filter_map(|item| Some((self.read(key, item, TEXT, as_string)?, item.span()))).collect()
    }

    /// A table of texts under any names.
    pub(super) fn map(&self, key: &'static str) -> BTreeMap<String, String> {
        let Some(section) = self.section(key) else { return BTreeMap::new() };
        let text = |(name, value): (&'n Name<'n>, Value<'n>)| {
            Some((name.get_ref().to_string(), section.as_text(name.get_ref(), value)?))
        };
        section.table.iter().filter_map(text).collect()
    }

    /// A table; missing is none.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'n>> {
        self.asked.borrow_mut().insert(key);
        let (name, value) = self.table.get_key_value(key)?;
        self.as_section(key, name.span(), value)
    }

    /// The tables under this one whatever their names, `[env.NAME]`; all keys become known.
    pub(super) fn named(&self) -> Vec<(String, Section<'n>)> {
        let section = |(name, value): (&'n Name<'n>, Value<'n>)| {
            let section = self.as_section(name.get_ref(), name.span(), value)?;
            Some((name.get_ref().to_string(), section))
        };
        self.table.iter().filter_map(section).collect()
    }

    /// The tables of a list, `[[component]]`.
    pub(super) fn list(&self, key: &'static str) -> Vec<Section<'n>> {
        self.asked.borrow_mut().insert(key);
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.notes.add(
                self.notes
                    .mistake(value.span(), format!("`{key}` is written once per {key}"))
                    .cause(format!("this is {}", kind(value.get_ref())))
                    .next(format!("write `[[{key}]]`")),
            );
            return Vec::new();
        };
        let item = |(n, item): (usize, Value<'n>)| self.as_section(&format!("{key}[{n}]"), item.span(), item);
        array.iter().enumerate().filter_map(item).collect()
    }

    /// Reports what nobody asked for. The last call on a section.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for (name, _) in self.table.iter().filter(|(name, _)| !asked.contains(name.get_ref().as_ref())) {
            let word = name.get_ref();
            let open = asked.iter().copied().filter(|k| !self.has(k)).collect::<Vec<_>>();
            let next = suggest(word, if open.is_empty() { asked.iter().copied().collect() } else { open });
            let mistake = self.notes.mistake(name.span(), format!("unknown key `{word}`"));
            self.notes.add(mistake.cause(format!("not a key of {}", self.title())).next(next));
        }
    }

    /// Notes a mistake at a key's value.
    pub(super) fn wrong(&self, key: &str, says: &str, cause: &str, next: &str) {
        let span = self.table.get(key).map_or(self.span.clone(), Spanned::span);
        self.wrong_at(span, says, cause, next);
    }

    pub(super) fn wrong_at(&self, span: Range<usize>, says: &str, cause: &str, next: &str) {
        self.notes.add(self.notes.mistake(span, says).cause(cause).next(next));
    }

    pub(super) fn missing(&self, key: &str, example: &str) {
        let says = format!("missing `{key}` in {}", self.title());
        self.wrong_at(self.span.clone(), &says, "this needs it", &format!("write `{key} = {example}`"));
    }

    pub(super) fn note_default(&self, key: &str, value: &str) {
        self.notes.note(self.key(key), value.to_string(), None);
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }

    fn title(&self) -> String {
        match self.path.split_once('[') {
            Some((list, _)) => format!("[[{list}]]"),
            None if self.path.is_empty() => "this file".into(),
            None => format!("[{}]", self.path),
        }
    }

    fn get(&self, key: &'static str) -> Option<Value<'n>> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    fn or_default<T>(&self, key: &str, read: Option<T>, default: T, text: impl Fn(&T) -> String) -> T {
        if read.is_none() && !self.has(key) {
            self.note_default(key, &text(&default));
        }
        read.unwrap_or(default)
    }
}
