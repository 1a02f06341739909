//! A real node: containerd, kubelet and kube-proxy in a room of their own (see `room`), and what they read there.
//!
//! Inside the room every path is the usual one, so the files below are the same for every node but for names and
//! addresses.

use super::names::Range;
use super::pki;
use super::plane::{self, Program};
use super::state::State;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the room has the cluster's programs and images.
pub(crate) const PROGRAMS: &str = "/opt/nica/bin";
pub(crate) const IMAGES: &str = "/opt/nica/images.tar";
pub(crate) const CONTAINERD_SOCKET: &str = "run/containerd/containerd.sock";
const PKI: &str = "/etc/nica";

pub(crate) fn name(number: u8) -> String {
    format!("n{number}")
}

/// The node's folder on the machine.
pub(crate) fn folder(home: &Path, number: u8) -> PathBuf {
    home.join(name(number))
}

/// Lays out the node's `/etc` and an empty `/var`.
pub(crate) fn furnish(state: &State, number: u8) -> Result<()> {
    let folder = folder(&state.home(), number);
    let (etc, range) = (folder.join("etc"), state.range);
    let registry = format!("{}:{REGISTRY_PORT}", range.outer_end());
    let hosts = format!("containerd/certs.d/{registry}/hosts.toml");
    let files = [
        ("containerd/config.toml", CONTAINERD.replace("{image}", super::image::GUEST)),
        ("cni/net.d/10-nica.conflist", pretty(&cni(range, number))?),
        ("nica/kubelet.json", pretty(&kubelet(range, number))?),
        ("nica/kube-proxy.json", pretty(&kube_proxy(range, number))?),
        (
            "nica/kubelet.kubeconfig",
            pretty(&pki::kubeconfig(&plane::server(range), Path::new(PKI), "kubelet"))?,
        ),
        ("nica/proxy.kubeconfig", pretty(&pki::kubeconfig(&plane::server(range), Path::new(PKI), "proxy"))?),
        (hosts.as_str(), REGISTRY.replace("{registry}", &registry)),
        ("nica/resolv.conf", String::new()),
        ("passwd", "root:x:0:0:root:/root:/bin/sh\n".to_string()),
        ("group", "root:x:0:\n".to_string()),
        ("hosts", "127.0.0.1 localhost\n".to_string()),
        ("resolv.conf", String::new()),
        ("machine-id", format!("{}\n", hex::encode(rand::random::<[u8; 16]>()))),
    ];
    for (path, text) in files {
        write(&etc.join(path), text.as_bytes())?;
    }
    let (from, name) = (state.home().join("pki"), name(number));
    let keys = [
        ("ca.crt", "ca.crt".to_string()),
        ("kubelet.crt", format!("kubelet-{name}.crt")),
        ("kubelet.key", format!("kubelet-{name}.key")),
        ("proxy.crt", "proxy.crt".to_string()),
        ("proxy.key", "proxy.key".to_string()),
    ];
    for (file, source) in keys {
        write(&etc.join("nica").join(file), &std::fs::read(from.join(source))?)?;
    }
    std::fs::create_dir_all(folder.join("var"))?;
    Ok(())
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    std::fs::create_dir_all(path.parent().expect("a file in a folder"))?;
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

fn pretty(value: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}

/// `restrict_oom_score_adj`: whoever runs inside somebody else's box may not lower it.
const CONTAINERD: &str = r#"version = 2
oom_score = 0
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  disable_hugetlb_controller = true
  sandbox_image = "{image}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"#;

/// A registry on the machine, at the machine's end of the link, is believed without TLS.
pub(crate) const REGISTRY_PORT: u16 = 5000;
pub(crate) const REGISTRY: &str = r#"server = "http://{registry}"
[host."http://{registry}"]
  capabilities = ["pull", "resolve"]
"#;

/// One address a pod, routed, never hidden: kube-proxy needs to see who asks.
fn cni(range: Range, number: u8) -> Value {
    let ipam = json!({
        "type": "host-local",
        "ranges": [[{"subnet": range.pods(number).to_string()}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    });
    json!({
        "cniVersion": "0.4.0", "name": "nica",
        "plugins": [{"type": "ptp", "ipMasq": false, "mtu": 1400, "ipam": ipam}],
    })
}

/// The machine is not ours: nothing of it is protected, tuned or counted by this kubelet.
fn kubelet(range: Range, number: u8) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "address": range.node(number), "port": 10250, "readOnlyPort": 0, "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": format!("{PKI}/ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": format!("{PKI}/kubelet.crt"), "tlsPrivateKeyFile": format!("{PKI}/kubelet.key"),
        "containerRuntimeEndpoint": format!("unix:///{CONTAINERD_SOCKET}"),
        "cgroupDriver": "cgroupfs", "cgroupRoot": format!("/{}/{}", range.label(), name(number)),
        "failCgroupV1": false, "failSwapOn": false, "protectKernelDefaults": false,
        "makeIPTablesUtilChains": false, "oomScoreAdj": 0, "localStorageCapacityIsolation": true,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%",
        },
        "maxPods": 100, "volumePluginDir": "/var/lib/kubelet/plugins-of-ours",
        "clusterDNS": [range.dns()], "clusterDomain": "cluster.local",
        "resolvConf": format!("{PKI}/resolv.conf"),
    })
}

/// `conntrack` at 0: those limits belong to the machine, not to a namespace.
fn kube_proxy(range: Range, number: u8) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
        "mode": "nftables", "bindAddress": range.node(number), "hostnameOverride": name(number),
        "healthzBindAddress": "127.0.0.1:10256", "metricsBindAddress": "127.0.0.1:10249",
        "clientConnection": {"kubeconfig": format!("{PKI}/proxy.kubeconfig")},
        "clusterCIDR": range.all_pods().to_string(),
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"minSyncPeriod": "1s"},
    })
}

/// The words that run a program in the room: in its namespaces, below its root.
fn inside(room: u32, program: &str) -> Vec<String> {
    let room = room.to_string();
    ["--target", &room, "--mount", "--net", "--", program].map(String::from).to_vec()
}

fn program(number: u8, room: u32, what: &str, path: &str, args: Vec<String>) -> Program {
    let args = [inside(room, path), args].concat();
    Program { name: format!("{}-{what}", name(number)), path: "nsenter".into(), args }
}

pub(crate) fn containerd(number: u8, room: u32) -> Program {
    program(number, room, "containerd", "/usr/bin/containerd", Vec::new())
}

/// kube-proxy would only wait, and nobody would know for what.
pub(crate) fn try_filter(room: u32) -> Command {
    let mut command = Command::new("nsenter");
    command.args(inside(room, "/usr/sbin/nft")).args(["add", "table", "ip", "nica-try", ";"]);
    command.args(["delete", "table", "ip", "nica-try"]);
    command
}

pub(crate) fn import_images(room: u32) -> Command {
    let mut command = Command::new("nsenter");
    command.args(inside(room, "/usr/bin/ctr"));
    command.args(["--namespace", "k8s.io", "images", "import", IMAGES]);
    command
}

pub(crate) fn kubelet_program(number: u8, room: u32, range: Range) -> Program {
    let args = vec![
        format!("--config={PKI}/kubelet.json"),
        format!("--kubeconfig={PKI}/kubelet.kubeconfig"),
        format!("--hostname-override={}", name(number)),
        format!("--node-ip={}", range.node(number)),
        "--v=2".to_string(),
    ];
    program(number, room, "kubelet", &format!("{PROGRAMS}/kubelet"), args)
}

pub(crate) fn kube_proxy_program(number: u8, room: u32) -> Program {
    let args = vec![format!("--config={PKI}/kube-proxy.json")];
    program(number, room, "kube-proxy", &format!("{PROGRAMS}/kube-proxy"), args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_differ_in_name_address_pods_and_cgroup_only() {
        let range = Range::choose(&[], &[]).expect("one is free");
        let as_first = |text: String| {
            text.replace(&range.node(1).to_string(), &range.node(0).to_string())
                .replace(&range.pods(1).to_string(), &range.pods(0).to_string())
                .replace("n1\"", "n0\"")
        };
        for render in [cni, kubelet, kube_proxy] {
            let (first, second) = (render(range, 0).to_string(), render(range, 1).to_string());
            assert_ne!(first, second);
            assert_eq!(first, as_first(second));
        }
    }

    #[test]
    fn a_kubelet_stays_in_the_clusters_own_group() {
        let range = Range::choose(&[], &[]).expect("one is free");
        assert_eq!(kubelet(range, 1)["cgroupRoot"], format!("/{}/n1", range.label()));
    }
}
