//! Two servers on loopback addresses of their own: one with TLS and scram, one that knows neither.

use crate::common::{session, text};
use nica_migrate::scratch::ScratchCluster;
use std::path::Path;
use std::process::Command;
use tokio::sync::OnceCell;
use tokio_postgres::Client;

/// Where they are and which certificates are trusted. All text, for addresses.
#[derive(Clone, Copy)]
pub(crate) struct Door {
    /// The certificate is issued to this address.
    pub(crate) named: &'static str,
    /// The same server, under an address that the certificate does not name.
    pub(crate) unnamed: &'static str,
    /// No TLS, no passwords asked.
    pub(crate) plain: &'static str,
    /// The root that signed the certificate, as a file.
    pub(crate) root: &'static str,
    pub(crate) other_root: &'static str,
}

const ROLES: &str = "
    CREATE ROLE odd LOGIN PASSWORD 'p%40 @:w%';
    CREATE ROLE percent LOGIN PASSWORD '100%';
    CREATE ROLE accent LOGIN PASSWORD 'maçã doce'";

/// Servers live as long as the test binary: a static is never dropped, but the clusters end with our process.
static SERVERS: OnceCell<(Door, [ScratchCluster; 2])> = OnceCell::const_new();

pub(crate) async fn door() -> Door {
    SERVERS.get_or_init(start).await.0
}

async fn start() -> (Door, [ScratchCluster; 2]) {
    // The process number keeps runs apart that happen side by side on one machine.
    let pid = std::process::id();
    let address = |last: u32| format!("127.{}.{}.{last}", 64 + (pid >> 8) % 128, pid % 256);
    let (named, unnamed, plain) = (address(1), address(2), address(3));
    let both = format!("{named},{unnamed}");
    let tls = ScratchCluster::start_with(&[("listen_addresses", &both)]).await.expect("a server with TLS");
    let open = ScratchCluster::start_with(&[("listen_addresses", &plain)]).await.expect("a plain server");
    // The cluster's own folder goes when the cluster goes.
    let folder = tls.folder().to_path_buf();
    certificates(&folder, &named);
    serve_tls(&tls).await;
    let admin = session(&open.url("postgres")).await;
    admin.batch_execute(ROLES).await.expect("roles");
    hba(&admin, "host all all 127.0.0.0/8 trust").await;
    let path = |name: &str| leak(folder.join(name).display().to_string());
    let door = Door {
        named: leak(named),
        unnamed: leak(unnamed),
        plain: leak(plain),
        root: path("ca.crt"),
        other_root: path("other.crt"),
    };
    (door, [tls, open])
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// Files of the server are written by the server: it owns them then, and refuses keys that others may read.
async fn serve_tls(cluster: &ScratchCluster) {
    let admin = session(&cluster.url("postgres")).await;
    admin.batch_execute(ROLES).await.expect("roles");
    for name in ["server.crt", "server.key"] {
        let text = std::fs::read_to_string(cluster.folder().join(name)).expect("made above");
        write(&admin, name, &text).await;
    }
    admin.batch_execute("ALTER SYSTEM SET ssl = on").await.expect("ssl");
    hba(&admin, "hostssl all all 127.0.0.0/8 scram-sha-256").await;
    assert_eq!(text(&admin, "SHOW ssl").await, "on");
}

/// New rules, in force when this returns: the server reads them in the breath in which it tells its sessions about
/// the other setting, and lets nobody in meanwhile.
async fn hba(admin: &Client, line: &str) {
    write(admin, "pg_hba.conf", &format!("local all all trust\n{line}")).await;
    admin.batch_execute("ALTER SYSTEM SET log_rotation_size = '7MB'").await.expect("a setting");
    admin.batch_execute("SELECT pg_reload_conf()").await.expect("reload");
    while text(admin, "SHOW log_rotation_size").await != "7MB" {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn write(admin: &Client, name: &str, text: &str) {
    let sql = format!(
        "COPY (SELECT unnest(string_to_array($t${}$t$, E'\\n'))) TO PROGRAM 'umask 077; rm -f {name}; cat > {name}'",
        text.trim_end()
    );
    admin.batch_execute(&sql).await.expect(name);
}

/// A root, a certificate that it signed for `address`, and a root that signed nothing.
fn certificates(folder: &Path, address: &str) {
    let ext = format!("subjectAltName=IP:{address}");
    std::fs::write(folder.join("ext"), ext).expect("written");
    let root = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=root";
    openssl(folder, &format!("{root} -keyout ca.key -out ca.crt"));
    openssl(folder, &format!("{root} -keyout other.key -out other.crt"));
    openssl(
        folder,
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout server.key -out csr",
    );
    openssl(
        folder,
        "x509 -req -in csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.crt",
    );
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    let output = output.expect("the program openssl makes the certificates of this test; install it");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
