//! Frames of the PostgreSQL protocol, as far as a proxy between two strangers must understand them.
//!
//! A *turn* is what a client sends until it waits for an answer: one `Query`, or an extended exchange up to its
//! `Sync`. The server closes each turn with one `ReadyForQuery`. Turns are what kill points are counted in.

use std::collections::HashMap;
use std::io::{self, Read};

/// Frames above this are not read into memory: nothing that NICA sends comes near.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// One message with its type letter, bytes as they came.
pub(crate) struct Frame {
    pub kind: u8,
    pub bytes: Vec<u8>,
}

impl Frame {
    /// The next message; none at a clean end.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Frame>> {
        let mut head = [0; 5];
        match from.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let bytes = read_body(from, &head, length)?;
        Ok(Some(Frame { kind: head[0], bytes }))
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[5..]
    }

    /// The client waits for the server after this one.
    pub(crate) fn ends_turn(&self) -> bool {
        matches!(self.kind, b'Q' | b'S' | b'F' | b'X')
    }

    /// Ends no turn, but the server must see it now: Flush, the end of a COPY, a password of the startup.
    pub(crate) fn passes_at_once(&self) -> bool {
        matches!(self.kind, b'H' | b'c' | b'f' | b'p')
    }
}

/// The first message of a connection, which has no type letter.
pub(crate) enum Startup {
    /// Parameters such as `user` and `application_name`.
    Session { parameters: HashMap<String, String>, bytes: Vec<u8> },
    /// TLS or GSS encryption is asked for: the server answers with one byte.
    Encryption(Vec<u8>),
    /// A cancel request, which has no answer.
    Cancel(Vec<u8>),
}

impl Startup {
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Startup>> {
        let mut head = [0; 4];
        match from.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let bytes = read_body(from, &head, u32::from_be_bytes(head) as usize)?;
        let code = bytes.get(4..8).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        Ok(Some(match code {
            Some(80_877_103 | 80_877_104) => Startup::Encryption(bytes),
            Some(80_877_102) => Startup::Cancel(bytes),
            _ => {
                let words: Vec<String> =
                    bytes.get(8..).unwrap_or_default().split(|b| *b == 0).map(text).collect();
                let parameters =
                    words.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
                Startup::Session { parameters, bytes }
            }
        }))
    }
}

/// `length` counts itself, and all of `head` but a type letter.
fn read_body(from: &mut impl Read, head: &[u8], length: usize) -> io::Result<Vec<u8>> {
    if !(4..=FRAME_BYTES_MAX).contains(&length) {
        return Err(io::Error::other(format!("a frame of {length} bytes is not PostgreSQL's")));
    }
    let mut bytes = head.to_vec();
    bytes.resize(head.len() + length - 4, 0);
    from.read_exact(&mut bytes[head.len()..])?;
    Ok(bytes)
}

/// Remembers prepared statements, so that a Bind can be told by the SQL it runs.
#[derive(Default)]
pub(crate) struct Reader {
    statements: HashMap<String, String>,
}

impl Reader {
    /// What this turn says, as one readable line: SQL, and the values that were bound to it.
    pub(crate) fn say(&mut self, turn: &[Frame]) -> String {
        let binds = turn.iter().any(|frame| frame.kind == b'B');
        let said: Vec<String> = turn
            .iter()
            .filter_map(|frame| Some((frame.kind, self.say_frame(frame)?)))
            // What is prepared and run in one turn is said once.
            .filter(|(kind, _)| !(binds && *kind == b'P'))
            .map(|(_, said)| said)
            .collect();
        let lines = said.iter().map(|said| without_comment_lines(said)).collect::<Vec<_>>().join(" ; ");
        lines.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn say_frame(&mut self, frame: &Frame) -> Option<String> {
        let body = frame.body();
        match frame.kind {
            b'Q' => Some(text(until_nul(body).0)),
            b'P' => {
                let (name, rest) = until_nul(body);
                let sql = text(until_nul(rest).0);
                self.statements.insert(text(name), sql.clone());
                Some(format!("prepare {sql}"))
            }
            b'B' => {
                let (_, rest) = until_nul(body);
                let (name, rest) = until_nul(rest);
                let sql = self.statements.get(&text(name)).cloned().unwrap_or_default();
                Some(format!("{sql} -- {}", values(rest).join(", ")))
            }
            b'C' => Some("close".to_string()),
            b'X' => Some("terminate".to_string()),
            b'd' => Some("copy data".to_string()),
            _ => None,
        }
    }
}

/// Lines that are comments as a whole would hide the statement once everything is one line.
fn without_comment_lines(said: &str) -> String {
    said.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n")
}

fn until_nul(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The values of a Bind after its two names: format codes, then each value with its length.
fn values(bytes: &[u8]) -> Vec<String> {
    let mut at = bytes;
    let Some(codes) = take_i16(&mut at) else { return Vec::new() };
    at = at.get(2 * codes as usize..).unwrap_or_default();
    let Some(count) = take_i16(&mut at) else { return Vec::new() };
    (0..count).map_while(|_| value(&mut at)).collect()
}

fn value(at: &mut &[u8]) -> Option<String> {
    let length = i32::from_be_bytes(take(at, 4)?.try_into().ok()?);
    if length < 0 {
        return Some("NULL".to_string());
    }
    let bytes = take(at, length as usize)?;
    Some(match bytes {
        _ if !bytes.is_empty() && bytes.iter().all(|b| (b' '..=b'~').contains(b)) => shorten(&text(bytes)),
        [a, b, c, d] => i32::from_be_bytes([*a, *b, *c, *d]).to_string(),
        [_, _, _, _, _, _, _, _] => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        _ => format!("{} bytes", bytes.len()),
    })
}

fn shorten(value: &str) -> String {
    if value.len() > 80 { format!("{}…", &value[..80]) } else { value.to_string() }
}

fn take_i16(at: &mut &[u8]) -> Option<i16> {
    Some(i16::from_be_bytes(take(at, 2)?.try_into().ok()?))
}

fn take<'a>(at: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = at.split_at_checked(count)?;
    *at = rest;
    Some(taken)
}
