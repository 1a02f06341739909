//! A registry on loopback that has the images of these tests, and nothing else.

use nica_engine::Digest;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock};

/// Digest → manifest.
static IMAGES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
static HOST: OnceLock<String> = OnceLock::new();

/// `127.0.0.1:PORT`; it answers until the tests end.
pub(super) fn host() -> &'static str {
    HOST.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let host = listener.local_addr().expect("it is bound").to_string();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(answer(stream))));
        host
    })
}

/// From now on it has an image of this version, for these machines.
pub(super) fn push(version: &str, architecture: &str) -> Digest {
    let platform = format!(r#"{{"os":"linux","architecture":"{architecture}"}}"#);
    let manifest =
        format!(r#"{{"schemaVersion":2,"manifests":[{{"platform":{platform}}}],"version":"{version}"}}"#);
    let digest = Digest::of(manifest.as_bytes());
    IMAGES.lock().expect("no panic while it is held").insert(digest.to_string(), manifest);
    digest
}

/// Somebody tidied up there.
pub(super) fn remove(digest: &Digest) {
    IMAGES.lock().expect("no panic while it is held").remove(digest.as_str());
}

/// One request, one answer.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let digest =
        head.split(' ').nth(1).and_then(|path| path.rsplit_once("sha256:")).map(|(_, digest)| digest);
    let found =
        digest.and_then(|digest| IMAGES.lock().expect("no panic while it is held").get(digest).cloned());
    let (status, body) = found.map_or(("404 Not Found", String::new()), |manifest| ("200 OK", manifest));
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}
