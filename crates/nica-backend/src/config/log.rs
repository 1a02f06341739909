//! How much is logged.

use super::reader::Reader;

#[derive(Clone, Debug)]
pub struct Log {
    /// `LOG_LEVEL`, info: error, warn, info, debug or trace, or directives such as `info,nica_backend=debug`.
    pub level: String,
}

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>) -> Log {
        let level = reader.text("LOG_LEVEL").unwrap_or_else(|| "info".into());
        if !level.contains('=') && level.parse::<tracing::Level>().is_err()
            || nica_telemetry::logs::Level::parse(&level).is_err()
        {
            let next = "set LOG_LEVEL to error, warn, info, debug or trace";
            reader.mistake("LOG_LEVEL", format!("is `{level}`"), next);
        }
        Log { level }
    }
}
