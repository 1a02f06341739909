//! Starts JSON logs on a writer, usually stdout.
//!
//! `layer` turns events into lines, `writer` carries lines away without ever making a request wait: a reader of
//! our pipe that was stopped costs lines, which are counted, not answers.

mod layer;
mod writer;

use std::io::Write;
use std::time::Duration;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use writer::Dropped;

/// How long the last lines may take at the end of the program.
const FLUSH_MAX: Duration = Duration::from_millis(500);

/// What is the same on every line of one process.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    pub environment: String,
    pub component: String,
    pub generation: String,
    pub version: String,
}

/// Which lines are written: `info`, or directives such as `info,nica_backend=debug`.
pub struct Level(EnvFilter);

impl Level {
    pub fn parse(text: &str) -> Result<Level, ParseError> {
        EnvFilter::builder().parse(text).map(Level)
    }
}

/// Lets the last lines out when it is dropped; keep it until the end of `main`.
pub struct Logs {
    writer: writer::Writer,
}

impl Logs {
    /// Counter of lines that were given up.
    pub fn dropped(&self) -> Dropped {
        self.writer.dropped()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.writer.flush(FLUSH_MAX);
    }
}

/// Makes this process log to `out`. A second start in one process changes nothing but its own writer.
pub fn start(level: Level, identity: Identity, out: impl Write + Send + 'static) -> Logs {
    let writer = writer::Writer::start(out);
    let layer = layer::JsonLines::new(identity, writer.sender());
    // Only tests start twice; the first one keeps the lines.
    let _ = tracing_subscriber::registry().with(level.0).with(layer).try_init();
    Logs { writer }
}
