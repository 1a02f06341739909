//! One JSON object a line on stdout.

use serde::Serialize;

#[expect(clippy::print_stdout, reason = "this is the output module")]
pub(super) fn line<T: Serialize>(value: &T) {
    println!(
        "{}",
        serde_json::to_string(value).expect("our types have string keys and no failing serialisers")
    );
}

pub(super) fn event(event: &nica_effects::event::Event) {
    line(event);
}
