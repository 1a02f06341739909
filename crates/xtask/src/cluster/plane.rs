//! The control plane: etcd, API server, controller manager, scheduler, in the cluster's own network namespace.
//!
//! Ports are the usual ones: nobody else is in that namespace. Only the API server listens on an address that the
//! machine can reach. What is made here are command lines and certificates; `machine` starts them.

use super::names::{NODES_MAX, Range};
use super::obtain::Tools;
use super::pki::{self, Authority, Holder};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// A program with its words; its log is called like it.
#[derive(Clone)]
pub(crate) struct Program {
    pub name: String,
    pub path: PathBuf,
    pub args: Vec<String>,
}

pub(crate) const API_PORT: u16 = 6443;
/// etcd's client address; plain, and only inside.
pub(crate) const ETCD: &str = "127.0.0.1:2379";

pub(crate) fn server(range: Range) -> String {
    format!("https://{}:{API_PORT}", range.gateway())
}

/// Every certificate and kubeconfig of the cluster, in `folder`.
pub(crate) fn make_certificates(folder: &Path, range: Range) -> Result<()> {
    let authority = Authority::create(folder)?;
    let local = || vec!["127.0.0.1".to_string(), "localhost".to_string()];
    let masters = Some("system:masters");
    let mut api = local();
    api.extend([range.gateway().to_string(), range.api_service().to_string()]);
    api.extend(["kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(String::from));
    let client = |file, user, group| Holder { file, user, group, serves: Vec::new() };
    authority.issue(&Holder { file: "apiserver", user: "kube-apiserver", group: None, serves: api })?;
    authority.issue(&client("apiserver-client", "apiserver-kubelet-client", masters))?;
    authority.issue(&client("admin", "admin", masters))?;
    authority.issue(&client("proxy", "system:kube-proxy", None))?;
    for (file, user) in
        [("controllers", "system:kube-controller-manager"), ("scheduler", "system:kube-scheduler")]
    {
        authority.issue(&Holder { file, user, group: None, serves: local() })?;
    }
    let mut kwok = local();
    kwok.push(range.gateway().to_string());
    authority.issue(&Holder { file: "kwok", user: "kwok", group: masters, serves: kwok })?;
    for number in 0..NODES_MAX {
        let name = super::node::name(number);
        let serves = vec!["127.0.0.1".to_string(), range.node(number).to_string(), name.clone()];
        let user = format!("system:node:{name}");
        authority.issue(&Holder {
            file: &format!("kubelet-{name}"),
            user: &user,
            group: Some("system:nodes"),
            serves,
        })?;
    }
    for file in ["admin", "controllers", "scheduler", "kwok"] {
        let text = serde_json::to_vec_pretty(&pki::kubeconfig(&server(range), folder, file))?;
        std::fs::write(folder.join(format!("{file}.kubeconfig")), text)?;
    }
    Ok(())
}

pub(crate) fn etcd(tools: &Tools, home: &Path) -> Program {
    let peer = "http://127.0.0.1:2380";
    Program {
        name: "etcd".into(),
        path: tools.program("etcd"),
        args: vec![
            "--name=nica".into(),
            format!("--data-dir={}", home.join("etcd").display()),
            format!("--listen-client-urls=http://{ETCD}"),
            format!("--advertise-client-urls=http://{ETCD}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=nica={peer}"),
            // The cluster is gone when the machine is; a process that dies loses nothing.
            "--unsafe-no-fsync".into(),
        ],
    }
}

pub(crate) fn api_server(tools: &Tools, pki: &Path, range: Range) -> Program {
    let file = |name: &str| pki.join(name).display().to_string();
    let gateway = range.gateway();
    Program {
        name: "kube-apiserver".into(),
        path: tools.program("kube-apiserver"),
        args: vec![
            format!("--etcd-servers=http://{ETCD}"),
            format!("--bind-address={gateway}"),
            format!("--advertise-address={gateway}"),
            format!("--secure-port={API_PORT}"),
            "--endpoint-reconciler-type=lease".into(),
            format!("--service-cluster-ip-range={}", range.services()),
            format!("--tls-cert-file={}", file("apiserver.crt")),
            format!("--tls-private-key-file={}", file("apiserver.key")),
            format!("--client-ca-file={}", file("ca.crt")),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-key-file={}", file("sa.pub")),
            format!("--service-account-signing-key-file={}", file("sa.key")),
            format!("--kubelet-client-certificate={}", file("apiserver-client.crt")),
            format!("--kubelet-client-key={}", file("apiserver-client.key")),
            format!("--kubelet-certificate-authority={}", file("ca.crt")),
            "--kubelet-preferred-address-types=InternalIP".into(),
            "--authorization-mode=Node,RBAC".into(),
            // The second: who blocks an owner's deletion has to be allowed to, as on strict clusters.
            "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement".into(),
            "--allow-privileged=true".into(),
        ],
    }
}

/// The API server's own limits are what slows a fresh cluster down: 7 to 11 seconds without these.
const IMPATIENT: [&str; 2] = ["--kube-api-qps=500", "--kube-api-burst=1000"];

pub(crate) fn controllers(tools: &Tools, pki: &Path) -> Program {
    let file = |name: &str| pki.join(name).display().to_string();
    let mut args = served_by("controllers", 10257, pki);
    args.extend([
        format!("--service-account-private-key-file={}", file("sa.key")),
        format!("--root-ca-file={}", file("ca.crt")),
        format!("--cluster-signing-cert-file={}", file("ca.crt")),
        format!("--cluster-signing-key-file={}", file("ca.key")),
        "--use-service-account-credentials=true".into(),
    ]);
    Program { name: "kube-controller-manager".into(), path: tools.program("kube-controller-manager"), args }
}

pub(crate) fn scheduler(tools: &Tools, pki: &Path) -> Program {
    let args = served_by("scheduler", 10259, pki);
    Program { name: "kube-scheduler".into(), path: tools.program("kube-scheduler"), args }
}

/// What controller manager and scheduler have in common.
fn served_by(who: &str, port: u16, pki: &Path) -> Vec<String> {
    let file = |ending: &str| pki.join(format!("{who}.{ending}")).display().to_string();
    let mut args: Vec<String> = ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"]
        .map(|flag| format!("--{flag}={}", file("kubeconfig")))
        .to_vec();
    args.extend([
        "--bind-address=127.0.0.1".to_string(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", file("crt")),
        format!("--tls-private-key-file={}", file("key")),
        "--leader-elect=false".into(),
    ]);
    args.extend(IMPATIENT.map(String::from));
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_a_command_line_names_is_made() {
        let home = tempfile::tempdir().expect("a folder");
        let pki = home.path().join("pki");
        let range = Range::choose(&[], &[]).expect("one is free");
        make_certificates(&pki, range).expect("made");
        let tools = Tools { programs: "/programs".into(), system: None };
        let programs = [api_server(&tools, &pki, range), controllers(&tools, &pki), scheduler(&tools, &pki)];
        let mut named = 0;
        for word in programs.iter().flat_map(|program| &program.args) {
            let value = word.split_once('=').map(|(_, value)| value).unwrap_or_default();
            if value.starts_with(&pki.display().to_string()) {
                assert!(Path::new(value).is_file(), "{word}");
                named += 1;
            }
        }
        assert_eq!(named, 8 + 9 + 5);
    }
}
