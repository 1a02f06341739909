//! The last line of the executable: which release this is.
//!
//! `PASSENGER version=2 column=mood`; what is not said is empty.

use std::io::{Read as _, Seek as _, SeekFrom};

#[derive(Default)]
pub(crate) struct Release {
    pub version: String,
    /// A column of `note` beyond the first release's, which this one reads and writes.
    pub column: String,
}

const TAIL_BYTES: u64 = 200;

pub(crate) fn read() -> Release {
    let tail = tail().unwrap_or_default();
    let line = tail.lines().rev().find(|line| line.starts_with("PASSENGER ")).unwrap_or_default();
    let value = |name: &str| {
        let found = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default().to_string()
    };
    Release { version: value("version"), column: value("column") }
}

fn tail() -> std::io::Result<String> {
    let mut file = std::fs::File::open("/proc/self/exe")?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
