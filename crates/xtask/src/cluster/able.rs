//! What a cluster needs of the machine itself, tried out before anything is built: rights, programs, kernel.
//!
//! Containers and hardened machines differ in what they forbid; whoever starts a cluster there should hear it in one
//! sentence, and a test should be skipped instead of failing.

use super::cgroups;
use super::obtain::{Unavailable, on_path};
use crate::kill::proc;
use std::process::Command;

const PROGRAMS: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
];

/// Tried in namespaces of its own, so that nothing of it stays.
const TRIED: &[(&str, &str)] = &[
    ("open namespaces", "true"),
    (
        "make a bridge and a pair of links",
        "ip link add name try0 type bridge && ip link add name try1 type veth peer name try2",
    ),
    (
        "lay file systems over each other",
        "mount -t tmpfs none /mnt && mount -t overlay none -o lowerdir=/mnt:/usr /mnt",
    ),
];

pub(crate) fn look() -> Result<(), Unavailable> {
    if !rustix::process::geteuid().is_root() {
        return Err(Unavailable::NotRoot);
    }
    if let Some((program, package)) = PROGRAMS.iter().find(|(program, _)| !on_path(program)) {
        return Err(Unavailable::NoProgram { program, package });
    }
    for (what, script) in TRIED {
        attempt(what, script)?;
    }
    cgroups::attempt()
        .map_err(|error| Unavailable::NotAllowed { what: "make cgroups", why: format!("{error:#}") })
}

fn attempt(what: &'static str, script: &str) -> Result<(), Unavailable> {
    let mut command = Command::new("unshare");
    command.args(["--fork", "--pid", "--mount-proc", "--mount", "--net", "--propagation", "private", "--"]);
    command.args(["sh", "-c", script]);
    try_out(what, &mut command)
}

fn try_out(what: &'static str, command: &mut Command) -> Result<(), Unavailable> {
    let tried = proc::must_succeed(command, "try");
    tried.map(drop).map_err(|error| Unavailable::NotAllowed { what, why: reason(&error) })
}

/// Without what `must_succeed` puts before it.
fn reason(error: &anyhow::Error) -> String {
    error.to_string().trim_start_matches("try: ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_forbids_is_told_with_its_reason() {
        let mut refused = Command::new("sh");
        refused.args(["-c", "echo no bridges here >&2; exit 2"]);
        let why = try_out("make a bridge", &mut refused).expect_err("it failed").to_string();
        assert!(why.contains("let us make a bridge") && why.contains("no bridges here"), "{why}");
    }
}
