//! YAML as a JSON value, for files of our own in tests: what is odd about them is a panic.

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(super) fn read(text: &str) -> Value {
    let events: Vec<Event<'_>> = Parser::new_from_str(text)
        .map(|event| event.unwrap_or_else(|error| panic!("not YAML: {error}")).0)
        .filter(|event| !is_frame(event))
        .collect();
    Reader { events: &events, at: 0, anchors: BTreeMap::new() }.value()
}

/// What says nothing about values.
fn is_frame(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Comment(..)
    )
}

struct Reader<'a> {
    events: &'a [Event<'a>],
    at: usize,
    anchors: BTreeMap<usize, Value>,
}

impl Reader<'_> {
    fn value(&mut self) -> Value {
        let event = &self.events[self.at];
        self.at += 1;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => (scalar(text, *style), *anchor),
            Event::Alias(anchor) => (self.anchors[anchor].clone(), 0),
            Event::SequenceStart(_, anchor, _) => (self.list(), *anchor),
            Event::MappingStart(_, anchor, _) => (self.table(), *anchor),
            other => panic!("no value: {other:?}"),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        value
    }

    fn list(&mut self) -> Value {
        let mut items = Vec::new();
        while !matches!(self.events[self.at], Event::SequenceEnd) {
            items.push(self.value());
        }
        self.at += 1;
        Value::Array(items)
    }

    fn table(&mut self) -> Value {
        let (mut own, mut merged) = (Map::new(), Map::new());
        while !matches!(self.events[self.at], Event::MappingEnd) {
            let key = self.value().as_str().expect("a key is a text").to_string();
            match (key.as_str(), self.value()) {
                ("<<", Value::Object(more)) => merged = more,
                (_, value) => assert!(own.insert(key.clone(), value).is_none(), "{key} stands twice"),
            }
        }
        self.at += 1;
        merged.extend(own);
        Value::Object(merged)
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match text {
        _ if style != ScalarStyle::Plain => Value::from(text),
        "true" => Value::from(true),
        "false" => Value::from(false),
        "" | "~" | "null" => Value::Null,
        _ => Value::from(text),
    }
}
