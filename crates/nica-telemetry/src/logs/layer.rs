//! Turns an event and the spans around it into one JSON line.
//!
//! Fields of outer spans stand on every line inside them, so `trace_id` and `scope` are set once per request. Only
//! names of `fields::ALLOWED` are kept.

use super::Identity;
use super::writer::Sender;
use crate::fields;
use serde_json::{Map, Value};
use std::fmt::Debug;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

pub(super) struct JsonLines {
    identity: Map<String, Value>,
    out: Sender,
}

/// What a span adds to the lines inside it.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl JsonLines {
    pub(super) fn new(identity: Identity, out: Sender) -> JsonLines {
        let pairs = [
            ("environment", identity.environment),
            ("component", identity.component),
            ("generation", identity.generation),
            ("version", identity.version),
        ];
        let known = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        JsonLines { identity: known.map(|(k, v)| (k.to_string(), Value::from(v))).collect(), out }
    }

    fn line<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Map<String, Value>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut line = self.identity.clone();
        line.insert("at".into(), jiff::Timestamp::now().to_string().into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        line.insert("target".into(), event.metadata().target().into());
        line.insert("scope".into(), fields::scope::SYSTEM.into());
        for span in context.event_scope(event).into_iter().flat_map(|spans| spans.from_root()) {
            if let Some(Fields(outer)) = span.extensions().get::<Fields>() {
                line.extend(outer.clone());
            }
        }
        let mut own = Fields::default();
        event.record(&mut Keep { fields: &mut own.0, message: true });
        line.extend(own.0);
        line
    }
}

impl<S> Layer<S> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut Keep { fields: &mut fields.0, message: false });
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        if let Some(Fields(fields)) = extensions.get_mut::<Fields>() {
            values.record(&mut Keep { fields, message: false });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let line = self.line(event, &context);
        let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
        bytes.push(b'\n');
        self.out.send(bytes);
    }
}

/// Keeps the allowed fields of one event or span.
struct Keep<'a> {
    fields: &'a mut Map<String, Value>,
    message: bool,
}

impl Keep<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name();
        if fields::is_allowed(name) || (self.message && name == "message") {
            self.fields.insert(name.to_string(), value);
        }
    }
}

impl Visit for Keep<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::super::writer::Writer;
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("the test never poisons it").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let writer = Writer::start(kept.clone());
        let identity = Identity { environment: "dev".into(), ..Identity::default() };
        let layer = JsonLines::new(identity, writer.sender());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        writer.flush(Duration::from_secs(5));
        let bytes = kept.0.lock().expect("no poison").clone();
        let text = String::from_utf8(bytes).expect("we wrote text");
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }

    #[test]
    fn a_line_carries_message_scope_and_the_trace_id_of_its_span() {
        let lines = lines(|| {
            let span = tracing::info_span!("request", trace_id = "abc", scope = "clinical");
            span.in_scope(|| tracing::info!(http.status_code = 200_u64, "request answered"));
        });
        let line = &lines[0];
        assert_eq!(line["message"], "request answered");
        assert_eq!(line["trace_id"], "abc");
        assert_eq!(line["scope"], "clinical");
        assert_eq!(line["http.status_code"], 200);
        assert_eq!(line["environment"], "dev");
    }

    #[test]
    fn a_field_that_is_not_on_the_list_never_reaches_the_log() {
        let lines = lines(|| {
            let span = tracing::info_span!("request", weight_kg = 81.4375, token = "s3cret");
            span.in_scope(|| tracing::warn!(note = "hiv positive", code = "x", "answered"));
        });
        let text = lines[0].to_string();
        for leak in ["81.4375", "s3cret", "hiv", "weight", "note"] {
            assert!(!text.contains(leak), "{leak} in {text}");
        }
        assert_eq!(lines[0]["code"], "x");
    }
}
