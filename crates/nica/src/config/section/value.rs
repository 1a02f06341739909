//! One value of a section: is it of the kind that was asked for, and what to say when it is not.

use super::{Section, Value};
use std::cell::RefCell;
use std::ops::Range;
use toml::de::DeValue;

/// What a text is called where another value stands.
pub(super) const TEXT: &str = "a text in quotes";

impl<'n> Section<'n> {
    pub(super) fn as_text(&self, key: &str, value: Value<'n>) -> Option<String> {
        self.as_kind(key, value, TEXT, as_string)
    }

    pub(super) fn as_variable(&self, key: &str, name: Range<usize>, value: Value<'n>) -> Option<String> {
        if !value.get_ref().is_table() {
            // What stands here may be the secret itself: it is not shown again.
            let mistake = self.notes.mistake(value.span(), format!("`{key}` is read from a variable"));
            let next = format!("write `{key} = {{ env = \"NAME\" }}`, and the value into the variable NAME");
            self.notes.add(mistake.hidden().cause("a value stands here").next(next));
            return None;
        }
        let section = self.as_section(key, name, value)?;
        let variable = section.must_text("env", "\"NAME\"");
        section.finish();
        Some(variable).filter(|v| !v.is_empty())
    }

    pub(super) fn as_kind<T>(
        &self,
        key: &str,
        value: Value<'n>,
        wanted: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Option<T> {
        self.notes.note(self.key(key), self.written(value).to_string(), Some(value.span()));
        self.read(key, value, wanted, read)
    }

    pub(super) fn read<T>(
        &self,
        key: &str,
        value: Value<'n>,
        wanted: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Option<T> {
        let read = read(value.get_ref());
        if read.is_none() {
            let plain =
                matches!(value.get_ref(), DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_));
            let next = match plain && wanted == TEXT {
                true => format!("write `\"{}\"`", self.written(value)),
                false => format!("write {wanted}"),
            };
            let cause = format!("this is {}", kind(value.get_ref()));
            self.wrong_at(value.span(), &format!("`{key}` is {wanted}"), &cause, &next);
        }
        read
    }

    pub(super) fn written(&self, value: Value<'n>) -> &'n str {
        self.notes.file.text.get(value.span()).unwrap_or_default()
    }

    pub(super) fn as_section(&self, key: &str, name: Range<usize>, value: Value<'n>) -> Option<Section<'n>> {
        let path = self.key(key);
        self.notes.note_span(path.clone(), name.clone());
        let Some(table) = value.get_ref().as_table() else {
            let cause = format!("this is {}", kind(value.get_ref()));
            self.wrong_at(value.span(), &format!("`{key}` is a table"), &cause, &format!("write `[{path}]`"));
            return None;
        };
        Some(Section { notes: self.notes, table, path, span: name, asked: RefCell::default() })
    }
}

pub(super) fn as_string(value: &DeValue<'_>) -> Option<String> {
    value.as_str().map(str::to_string)
}

pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
