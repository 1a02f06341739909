//! What a cluster is made of, to the byte: one Go module with its checksums, and the names of a few Debian packages.
//!
//! The digest of all of it names the folder in the cache, so another version is another folder.

use sha2::{Digest as _, Sha256};

/// Files of the module, as they are laid out for `go build`.
pub(crate) const MODULE: &[(&str, &str)] = &[
    ("go.mod", include_str!("../../cluster/go.mod")),
    ("go.sum", include_str!("../../cluster/go.sum")),
    ("coredns/main.go", include_str!("../../cluster/coredns/main.go")),
    ("guest/main.go", include_str!("../../cluster/guest/main.go")),
];
/// Packages to build: our own, and everything under `tool` in go.mod.
pub(crate) const BUILT: &[&str] = &["./coredns", "./guest", "tool"];

/// Programs that stand beside each other after the build. etcd's package is called `server`.
pub(crate) const PROGRAMS: &[&str] = &[
    "coredns",
    "crane",
    "etcd",
    "guest",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "kwok",
];

/// Files of kwok's module, below `kustomize/stage`.
pub(crate) const STAGES: &[&str] = &[
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
];

/// Debian's share of a node, with the libraries that a small system may lack.
pub(crate) const PACKAGES: &[&str] = &[
    "containerd",
    "runc",
    "containernetworking-plugins",
    "nftables",
    "libnftables1",
    "libnftnl11",
    "libmnl0",
    "libxtables12",
    "libjansson4",
    "libedit2",
    "libseccomp2",
];

/// Without a version in them `kubectl version` fails and a kubelet registers as v0.0.0.
pub(crate) fn linker_flags() -> String {
    let kubernetes = version_of("k8s.io/kubernetes");
    let mut parts = kubernetes.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut flags =
        format!("-s -w -X sigs.k8s.io/kwok/pkg/consts.Version={}", version_of("sigs.k8s.io/kwok"));
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        let values = [
            ("gitVersion", kubernetes),
            ("gitMajor", major),
            ("gitMinor", minor),
            ("gitTreeState", "clean"),
            ("gitCommit", "0000000000000000000000000000000000000000"),
            ("buildDate", "2026-01-01T00:00:00Z"),
        ];
        for (name, value) in values {
            flags += &format!(" -X {package}.{name}={value}");
        }
    }
    flags
}

/// The version that go.mod requires.
pub(crate) fn version_of(module: &str) -> &'static str {
    let required = |line: &&str| line.split_whitespace().next() == Some(module) && !line.contains("=>");
    let mut lines = MODULE[0].1.lines().map(|line| line.trim().trim_start_matches("require "));
    let line = lines.find(required);
    line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_else(|| panic!("go.mod requires {module}"))
}

/// Names the folder of the built module.
pub(crate) fn digest() -> String {
    let mut hash = Sha256::new();
    for (path, text) in MODULE {
        hash.update(format!("{path} {}\n{text}", text.len()));
    }
    hash.update([BUILT, STAGES].concat().join(" ") + &linker_flags());
    hex::encode(hash.finalize())[..16].to_string()
}

/// Names the folder of the unpacked packages. Their versions are the system's, so its release belongs to the name.
pub(crate) fn packages_digest(os_release: &str) -> String {
    let text = format!("{}\n{os_release}", PACKAGES.join(" "));
    hex::encode(Sha256::digest(text))[..16].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_module_and_reach_the_programs() {
        let version = version_of("k8s.io/kubernetes");
        assert!(version.starts_with("v1."), "{version}");
        let minor = version.split('.').nth(1).expect("a minor version");
        let flags = linker_flags();
        assert!(flags.contains(&format!("version.gitVersion={version} ")), "{flags}");
        assert!(flags.contains(&format!("gitMinor={minor} ")), "{flags}");
        assert_eq!(flags.matches("gitVersion").count(), 2);
    }

    #[test]
    fn every_program_is_built_from_the_module() {
        let tools =
            MODULE[0].1.split_once("tool (").expect("go.mod has tools").1.split_once(')').expect("it ends").0;
        let mut built: Vec<&str> = tools.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        built.extend(BUILT.iter().filter(|package| **package != "tool"));
        let mut names: Vec<&str> = built
            .iter()
            .map(|package| {
                if package.contains("/etcd/") { "etcd" } else { package.rsplit('/').next().expect("a name") }
            })
            .collect();
        names.sort_unstable();
        assert_eq!(names, PROGRAMS);
    }

    #[test]
    fn every_required_module_has_its_checksum() {
        let sums = MODULE[1].1;
        for module in [
            "k8s.io/kubernetes",
            "sigs.k8s.io/kwok",
            "go.etcd.io/etcd/server/v3",
            "github.com/coredns/coredns",
        ] {
            assert!(sums.contains(&format!("{module} {} h1:", version_of(module))), "{module}");
        }
    }

    #[test]
    fn another_system_release_is_another_folder() {
        assert_ne!(packages_digest("12.11"), packages_digest("12.12"));
    }
}
