//! One file: continued where an earlier try ended, checked, and only then given its name.

use super::PrefetchError;
use super::cache::{Cache, disk};
use super::hub::{File, Hub, Name, causes, refused};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_RANGE;
use hyper::{Response, StatusCode};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two pieces of a body.
const PIECE_LIMIT: Duration = Duration::from_secs(30);
/// Tries that bring nothing new, before it is given up.
const TRIES_MAX: u32 = 5;
/// Before the second of them; doubled before each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const READ_BYTES: usize = 64 * 1024;

/// Fetches it and says how many bytes came.
pub(super) async fn file(
    hub: &Hub,
    cache: &Cache,
    repo: &str,
    commit: &str,
    file: &File,
) -> Result<u64, PrefetchError> {
    let blob = cache.blob(file);
    let mut half = Half::open(blob.with_extension("incomplete"), file.size)?;
    let what = format!("{} of {repo}", file.path);
    let (mut came, mut tries) = (0, 1);
    while half.length < file.size {
        let before = half.length;
        let tried = attempt(hub, repo, commit, file, &what, &mut half).await;
        came += half.length.saturating_sub(before);
        tries = if half.length > before { 1 } else { tries + 1 };
        match tried {
            Ok(()) => {}
            Err(error) if tries > TRIES_MAX || !passes(&error) => return Err(error),
            Err(error) => {
                tracing::info!(%error, model.repo = repo, "a model file comes in pieces");
                tokio::time::sleep(PAUSE_FIRST * 2_u32.pow(tries - 1)).await;
            }
        }
    }
    half.finish(file, &what, &blob)?;
    Ok(came)
}

/// Whether another try may bring more.
fn passes(error: &PrefetchError) -> bool {
    match error {
        PrefetchError::Unreachable { .. } => true,
        PrefetchError::Answered { status, .. } => *status == 429 || *status >= 500,
        _ => false,
    }
}

async fn attempt(
    hub: &Hub,
    repo: &str,
    commit: &str,
    file: &File,
    what: &str,
    half: &mut Half,
) -> Result<(), PrefetchError> {
    let mut answer = hub.bytes(repo, commit, file, half.length).await?;
    match answer.status() {
        StatusCode::PARTIAL_CONTENT if begins_at(&answer, half.length) => {}
        // From the beginning, whatever we asked for.
        StatusCode::OK => half.cut(0)?,
        status => return Err(refused(what.into(), status.as_u16())),
    }
    while let Some(piece) = next(&mut answer, what).await? {
        half.add(&piece)?;
        if half.length > file.size {
            half.cut(0)?;
            let why = format!("more than its {} bytes came", file.size);
            return Err(PrefetchError::Nonsense { what: what.into(), why });
        }
    }
    if half.length < file.size {
        let why = format!("it ended after {} of {} bytes", half.length, file.size);
        return Err(PrefetchError::Unreachable { host: what.into(), why });
    }
    Ok(())
}

/// `bytes 100-199/200`.
fn begins_at(answer: &Response<Incoming>, offset: u64) -> bool {
    let range = answer.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    first == Some(offset)
}

async fn next(answer: &mut Response<Incoming>, what: &str) -> Result<Option<Bytes>, PrefetchError> {
    let cut = |why: String| PrefetchError::Unreachable { host: what.into(), why };
    loop {
        let frame = tokio::time::timeout(PIECE_LIMIT, answer.body_mut().frame()).await;
        match frame.map_err(|_| cut("nothing more came".into()))? {
            None => return Ok(None),
            Some(Err(error)) => return Err(cut(causes(&error))),
            // Trailers are of no use here.
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}

/// What has come so far.
struct Half {
    path: PathBuf,
    file: fs::File,
    length: u64,
}

impl Half {
    fn open(path: PathBuf, size: u64) -> Result<Half, PrefetchError> {
        let opened = fs::File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = opened.map_err(disk(&path))?;
        let length = file.seek(SeekFrom::End(0)).map_err(disk(&path))?;
        let mut half = Half { path, file, length };
        if length > size {
            half.cut(0)?;
        }
        Ok(half)
    }

    fn add(&mut self, piece: &[u8]) -> Result<(), PrefetchError> {
        self.file.write_all(piece).map_err(disk(&self.path))?;
        self.length += piece.len() as u64;
        Ok(())
    }

    fn cut(&mut self, length: u64) -> Result<(), PrefetchError> {
        self.file.set_len(length).map_err(disk(&self.path))?;
        self.file.seek(SeekFrom::Start(length)).map_err(disk(&self.path))?;
        self.length = length;
        Ok(())
    }

    /// On disk and as the hub names it, or begun anew by the next try.
    fn finish(mut self, file: &File, what: &str, blob: &Path) -> Result<(), PrefetchError> {
        self.file.sync_all().map_err(disk(&self.path))?;
        let found = self.name(&file.name).map_err(disk(&self.path))?;
        if found != file.name.as_str() {
            self.cut(0)?;
            let named = file.name.as_str().to_string();
            return Err(PrefetchError::Altered { what: what.into(), named, found });
        }
        fs::rename(&self.path, blob).map_err(disk(blob))
    }

    fn name(&mut self, like: &Name) -> std::io::Result<String> {
        let mut context = match like {
            Name::Sha256(_) => Context::new(&SHA256),
            Name::Git(_) => Context::new(&SHA1_FOR_LEGACY_USE_ONLY),
        };
        if matches!(like, Name::Git(_)) {
            context.update(format!("blob {}\0", self.length).as_bytes());
        }
        self.file.seek(SeekFrom::Start(0))?;
        let mut bytes = vec![0; READ_BYTES];
        loop {
            match self.file.read(&mut bytes)? {
                0 => break,
                count => context.update(&bytes[..count]),
            }
        }
        Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
