//! One database session over a unix socket, trusted, simple queries only: all that this service needs.

use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::net::UnixStream;

pub(crate) struct Database {
    server: UnixStream,
    from_server: BufReader<UnixStream>,
}

/// What a statement came to.
pub(crate) enum Answer {
    Done,
    /// The server refused it; its own words.
    Refused(String),
}

impl Database {
    /// `url` is `postgresql:///DB?user=USER&host=FOLDER`.
    pub(crate) fn connect(url: &str, application_name: &str) -> io::Result<Database> {
        let (database, query) = split(url);
        let value = |name: &str| {
            let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_default()
        };
        let server = UnixStream::connect(format!("{}/.s.PGSQL.5432", value("host")))?;
        let from_server = BufReader::new(server.try_clone()?);
        let mut this = Database { server, from_server };
        let words = ["user", value("user"), "database", database, "application_name", application_name];
        this.start(&words)?;
        Ok(this)
    }

    fn start(&mut self, words: &[&str]) -> io::Result<()> {
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        for word in words {
            body.extend(word.as_bytes());
            body.push(0);
        }
        body.push(0);
        let length = (body.len() + 4) as u32;
        self.server.write_all(&[&length.to_be_bytes()[..], &body].concat())?;
        match self.until_ready()? {
            Answer::Done => Ok(()),
            Answer::Refused(why) => Err(io::Error::other(why)),
        }
    }

    pub(crate) fn run(&mut self, sql: &str) -> io::Result<Answer> {
        let length = (sql.len() + 5) as u32;
        self.server.write_all(&[b"Q", &length.to_be_bytes()[..], sql.as_bytes(), b"\0"].concat())?;
        self.until_ready()
    }

    /// Reads on to ReadyForQuery; an error on the way is the answer.
    fn until_ready(&mut self) -> io::Result<Answer> {
        let mut answer = Answer::Done;
        loop {
            let mut head = [0; 5];
            self.from_server.read_exact(&mut head)?;
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            let mut body = vec![0; length.saturating_sub(4)];
            self.from_server.read_exact(&mut body)?;
            match head[0] {
                b'Z' => return Ok(answer),
                b'E' => answer = Answer::Refused(message(&body)),
                _ => {}
            }
        }
    }
}

fn split(url: &str) -> (&str, &str) {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after.split_once('/').map_or(after, |(_, path)| path);
    path.split_once('?').unwrap_or((path, ""))
}

/// The field `M` of an ErrorResponse.
fn message(body: &[u8]) -> String {
    let mut fields = body.split(|byte| *byte == 0).filter_map(|field| field.split_first());
    let found = fields.find(|(kind, _)| **kind == b'M').map(|(_, text)| String::from_utf8_lossy(text));
    found.unwrap_or_default().into_owned()
}
