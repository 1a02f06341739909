//! Documents of YAML as JSON values. Plain words mean what they mean to kubectl; a key that stands twice, a key that is
//! no text and a tag that only some reader knows are mistakes, told with their line.

use super::scalar;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document {
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) says: String,
}

/// Aliases repeat what they stand for; a file of a few lines could mean more than memory holds.
const NODES_MAX: usize = 1_000_000;
/// Deeper than any object, and far from the end of the stack.
const DEPTH_MAX: usize = 100;
const MERGE: &str = "<<";

pub(super) fn documents(text: &str) -> Result<Vec<Document>, Mistake> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(unreadable)?;
        reader.take(event, &span)?;
    }
    Ok(reader.documents)
}

fn unreadable(error: ScanError) -> Mistake {
    let at = error.marker();
    Mistake { line: at.line(), column: at.col() + 1, says: format!("this is not YAML: {}", error.info()) }
}

fn mistake(span: &Span, says: impl Into<String>) -> Mistake {
    Mistake { line: span.start.line(), column: span.start.col() + 1, says: says.into() }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.says)
    }
}

#[derive(Default)]
struct Reader {
    documents: Vec<Document>,
    open: Vec<Open>,
    /// Where the document's value begins.
    begin: Option<usize>,
    anchors: BTreeMap<usize, Value>,
    nodes: usize,
}

/// A collection that is being read, with the number of its anchor, 0 for none.
enum Open {
    List { items: Vec<Value>, anchor: usize },
    Table { map: Map<String, Value>, merged: Map<String, Value>, key: Option<String>, anchor: usize },
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Mistake> {
        match event {
            Event::DocumentStart(..) => {
                self.anchors.clear();
                self.begin = None;
            }
            Event::Scalar(text, style, anchor, tag) => {
                if self.takes_key() {
                    return self.key(&text, style, tag.as_deref(), span);
                }
                let value = value(&text, style, tag.as_deref(), span)?;
                return self.keep(value, anchor, span);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(Open::List { items: Vec::new(), anchor }, tag.as_deref(), "seq", span)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                let (map, merged, key) = Default::default();
                self.begin(Open::Table { map, merged, key, anchor }, tag.as_deref(), "map", span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (value, anchor) = self.open.pop().map(Open::close).unwrap_or_default();
                return self.keep(value, anchor, span);
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned();
                let value = value.ok_or_else(|| mistake(span, "this stands for itself; write it out"))?;
                self.count(size(&value), span)?;
                return self.keep(value, 0, span);
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, open: Open, tag: Option<&Tag>, kind: &str, span: &Span) -> Result<(), Mistake> {
        if self.takes_key() {
            return Err(mistake(span, "a key is a text; what stands here is more than one"));
        }
        if tag.is_some_and(|tag| tag.core_suffix() != Some(kind)) {
            return Err(unknown_tag(span));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(mistake(span, format!("this is nested deeper than {DEPTH_MAX} levels")));
        }
        self.begin.get_or_insert(span.start.line());
        self.open.push(open);
        Ok(())
    }

    fn takes_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Table { key: None, .. }))
    }

    /// Keys are texts. A plain word that would be read as another kind is not guessed at.
    fn key(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Result<(), Mistake> {
        let is_merge = text == MERGE && style == ScalarStyle::Plain && tag.is_none();
        match value(text, style, tag, span)? {
            Value::String(_) => {}
            _ => return Err(mistake(span, format!("the key `{text}` is no text; write it in quotes"))),
        }
        let Some(Open::Table { map, key, .. }) = self.open.last_mut() else { return Ok(()) };
        if !is_merge && map.contains_key(text) {
            return Err(mistake(span, format!("`{text}` stands here twice; keep one of them")));
        }
        *key = Some(text.to_string());
        self.count(1, span)
    }

    /// A whole value: into what is open, or the document itself.
    fn keep(&mut self, value: Value, anchor: usize, span: &Span) -> Result<(), Mistake> {
        self.count(1, span)?;
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None => self.documents.push(Document { line: self.begin.unwrap_or(span.start.line()), value }),
            Some(Open::List { items, .. }) => items.push(value),
            Some(Open::Table { map, merged, key, .. }) => match key.take() {
                Some(key) if key == MERGE => merge(merged, value, span)?,
                Some(key) => drop(map.insert(key, value)),
                None => return Err(mistake(span, "a key is a text; an alias cannot stand for one")),
            },
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, span: &Span) -> Result<(), Mistake> {
        self.nodes += nodes;
        let says = "its aliases repeat more than a million values; write it out";
        if self.nodes > NODES_MAX { Err(mistake(span, says)) } else { Ok(()) }
    }
}

impl Open {
    fn close(self) -> (Value, usize) {
        match self {
            Open::List { items, anchor } => (Value::Array(items), anchor),
            Open::Table { map, mut merged, anchor, .. } => {
                merged.extend(map);
                (Value::Object(merged), anchor)
            }
        }
    }
}

/// `<<: *defaults`: what stands beside it wins, and the first of several.
fn merge(merged: &mut Map<String, Value>, value: Value, span: &Span) -> Result<(), Mistake> {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                merged.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(all) => all.into_iter().try_for_each(|one| merge(merged, one, span)),
        _ => Err(mistake(span, "`<<` takes a table")),
    }
}

fn value(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Result<Value, Mistake> {
    let plain =
        |word| scalar::plain(word).ok_or_else(|| mistake(span, format!("`{word}` is no number here")));
    match tag.map(|tag| tag.core_suffix().unwrap_or_default()) {
        Some("str") => Ok(text.into()),
        None if style != ScalarStyle::Plain => Ok(text.into()),
        None | Some("null" | "bool" | "int" | "float") => plain(text),
        Some(_) => Err(unknown_tag(span)),
    }
}

fn unknown_tag(span: &Span) -> Mistake {
    let says = "this tag means nothing in a manifest; render the file first".to_string();
    let at = span.tag_start().unwrap_or(span.start);
    Mistake { line: at.line(), column: at.col() + 1, says }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(|v| 1 + size(v)).sum::<usize>(),
        _ => 1,
    }
}
