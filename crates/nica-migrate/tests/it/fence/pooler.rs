//! A pooler in transaction mode is found out. Ours is as small as one can be: it speaks the protocol to its clients
//! and lends them a server session from one ReadyForQuery to the next.

use crate::common::{cluster, database};
use nica_migrate::DbUrl;
use nica_migrate::fence::{FenceError, refuse_pooler};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;

#[tokio::test]
async fn pooler_in_transaction_mode_is_refused() {
    let url = database().await;
    let folder = tempfile::tempdir().expect("a folder");
    pool(folder.path(), cluster().await.folder().join(".s.PGSQL.5432"), url.database().to_string());
    let pooled = DbUrl::on_socket(folder.path(), "scratch", url.database());
    let error = refuse_pooler(&pooled).await.expect_err("its sessions are lent");
    assert!(matches!(error, FenceError::Pooler { .. }), "{error}");
    refuse_pooler(&url).await.expect("the server itself");
}

/// Server sessions that nobody uses; the last one given back is lent first, as poolers do.
struct Pool {
    server: PathBuf,
    database: String,
    idle: Mutex<Vec<UnixStream>>,
}

fn pool(folder: &Path, server: PathBuf, database: String) {
    let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).expect("a socket");
    let pool = Arc::new(Pool { server, database, idle: Mutex::new(Vec::new()) });
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, pool.clone()));
        }
    });
}

async fn serve(mut client: UnixStream, pool: Arc<Pool>) -> Option<()> {
    let length = client.read_u32().await.ok()?;
    client.read_exact(&mut vec![0; length as usize - 4]).await.ok()?;
    client.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await.ok()?;
    let mut lent: Option<UnixStream> = None;
    let mut pending = Vec::new();
    loop {
        let (kind, bytes) = message(&mut client).await?;
        pending.extend(bytes);
        match kind {
            b'X' => return None,
            b'Q' | b'S' => {}
            _ => continue,
        }
        let mut server = match lent.take() {
            Some(server) => server,
            None => pool.lend().await?,
        };
        server.write_all(&std::mem::take(&mut pending)).await.ok()?;
        if answer(&mut server, &mut client).await? == b'I' {
            pool.idle.lock().await.push(server);
        } else {
            lent = Some(server);
        }
    }
}

/// Everything up to ReadyForQuery; its status.
async fn answer(server: &mut UnixStream, client: &mut UnixStream) -> Option<u8> {
    loop {
        let (kind, bytes) = message(server).await?;
        client.write_all(&bytes).await.ok()?;
        if kind == b'Z' {
            return bytes.last().copied();
        }
    }
}

async fn message(from: &mut UnixStream) -> Option<(u8, Vec<u8>)> {
    let kind = from.read_u8().await.ok()?;
    let length = from.read_u32().await.ok()?;
    let mut bytes = vec![kind];
    bytes.extend(length.to_be_bytes());
    bytes.resize(1 + length as usize, 0);
    from.read_exact(&mut bytes[5..]).await.ok()?;
    Some((kind, bytes))
}

impl Pool {
    async fn lend(&self) -> Option<UnixStream> {
        if let Some(idle) = self.idle.lock().await.pop() {
            return Some(idle);
        }
        let mut server = UnixStream::connect(&self.server).await.ok()?;
        let mut startup = 196_608_u32.to_be_bytes().to_vec();
        startup.extend(format!("user\0scratch\0database\0{}\0\0", self.database).bytes());
        server.write_u32(4 + u32::try_from(startup.len()).ok()?).await.ok()?;
        server.write_all(&startup).await.ok()?;
        while message(&mut server).await?.0 != b'Z' {}
        Some(server)
    }
}
