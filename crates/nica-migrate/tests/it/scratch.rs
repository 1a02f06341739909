//! The throw-away cluster leaves nothing behind.

use nica_migrate::scratch::{ScratchCluster, ScratchError};
use std::path::Path;
use std::time::Duration;

#[tokio::test]
async fn dropped_cluster_is_gone_with_its_folder() {
    let cluster = ScratchCluster::start().await.expect("a cluster");
    let folder = cluster.folder().to_path_buf();
    let pid = postmaster(&folder);
    cluster.create_database("a \"b").await.expect("odd names work");
    drop(cluster);
    assert!(!folder.exists());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[tokio::test]
async fn server_that_does_not_start_says_why() {
    let error =
        ScratchCluster::start_with(&[("shared_buffers", "nonsense")]).await.expect_err("no such size");
    assert!(matches!(error, ScratchError::Start { .. }), "{error}");
    assert!(error.to_string().contains("shared_buffers"), "{error}");
}

/// What the watcher sees when our process is killed: its end of the pipe closes, nobody waits.
#[tokio::test]
async fn cluster_of_a_killed_process_ends_by_itself() {
    let cluster = ScratchCluster::start().await.expect("a cluster");
    let folder = cluster.folder().to_path_buf();
    let pid = postmaster(&folder);
    cluster.let_go();
    for _ in 0..500 {
        if !folder.exists() && !Path::new(&format!("/proc/{pid}")).exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} or the server {pid} is left", folder.display());
}

fn postmaster(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("data/postmaster.pid")).expect("a pid file");
    text.lines().next().expect("a pid").to_string()
}
