//! `./x cluster`: a real Kubernetes on this machine, for tests and for people: control plane, real nodes, simulated
//! ones, several clusters side by side, and nothing left when they end.
//!
//! A guard (`guard`) holds namespaces open in which a first process (`machine`) starts everything; what a cluster
//! holds of the machine is one link with a route, cgroups and a folder, and `leftovers` clears those away whoever
//! died before. What cannot be had on a machine is an answer (`Unavailable`), so that tests can say *skipped*.

mod able;
mod addons;
mod cgroups;
mod guard;
mod guests;
mod image;
mod leftovers;
mod machine;
mod names;
mod network;
mod node;
mod obtain;
mod pins;
mod pki;
mod plane;
mod prove;
mod room;
mod running;
mod state;
mod status;

pub(crate) use guests::{apply, ask, machine_address, trust_registry};
pub(crate) use obtain::Wanted;
pub(crate) use prove::{Judge, suite};
pub(crate) use running::{Running, Wish};

use crate::config;
use anyhow::{Result, bail, ensure};
use names::Name;
use state::State;
use std::path::PathBuf;
use std::process::Command;

/// A copy of this very program in the cluster's folder: the checkout may be built anew meanwhile.
const PROGRAM: &str = "nica-cluster";
/// Names and pids (as seen inside) of what the first process started.
const PROGRAMS_FILE: &str = "programs.json";
const DEFAULT_NAME: &str = "dev";

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Task,
}

#[derive(clap::Subcommand)]
enum Task {
    /// Start a cluster; builds its programs first when they are not in the cache
    Up {
        #[arg(default_value = DEFAULT_NAME)]
        name: String,
        /// Real nodes
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=i64::from(names::NODES_MAX)))]
        nodes: u8,
        /// Simulated nodes
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=1000))]
        kwok: u16,
    },
    /// End a cluster and remove all of it
    Down {
        #[arg(default_value = DEFAULT_NAME)]
        name: String,
        /// Every cluster of yours
        #[arg(long)]
        all: bool,
    },
    /// What runs
    Status {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Lines for a shell: eval "$(./x cluster env)"
    Env {
        #[arg(default_value = DEFAULT_NAME)]
        name: String,
    },
    #[command(hide = true)]
    Guard { home: PathBuf },
    #[command(hide = true)]
    Inside { home: PathBuf },
    #[command(hide = true)]
    Room { home: PathBuf, node: u8 },
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    match &options.command {
        Task::Up { name, nodes, kwok } => up(name, Wanted { nodes: *nodes, kwok: *kwok }),
        Task::Down { name, all } => down(name, *all),
        Task::Status { json } => status::print(*json),
        Task::Env { name } => env(name),
        Task::Guard { home } => guard::run(home).map(|()| true),
        Task::Inside { home } => machine::run(home).map(|()| true),
        Task::Room { home, node } => room::stay(home, *node).map(|()| true),
    }
}

fn up(name: &str, wanted: Wanted) -> Result<bool> {
    let name = Name::parse(name)?;
    if let Some(kubeconfig) = config::test_kubeconfig() {
        bail!("start a cluster: NICA_TEST_KUBECONFIG={} names one already; unset it", kubeconfig.display());
    }
    let wish = Wish { name: Some(name.clone()), wanted, build: true };
    match Running::start(&wish, |step| println!("  {step}"))? {
        Err(why) => {
            println!("not available: {why}");
            Ok(false)
        }
        Ok(running) => {
            let seconds = running.seconds;
            running.stay()?;
            println!("cluster {name} is up after {seconds:.1} s\n  eval \"$(./x cluster env {name})\"");
            Ok(true)
        }
    }
}

fn down(name: &str, all: bool) -> Result<bool> {
    let name = Name::parse(name)?;
    let homes = if all { state::homes() } else { vec![state::home(&name)] };
    let mut down = 0;
    for home in homes.iter().filter(|home| home.is_dir()) {
        running::end(home)?;
        println!("{} is down", home.file_name().unwrap_or_default().display());
        down += 1;
    }
    // Whatever a killed guard left.
    let _books = state::lock(&state::run_folder(), running::BOOKS)?;
    leftovers::clear_unguarded()?;
    if down == 0 {
        println!("nothing to end: there is no cluster {}", if all { "of yours" } else { name.as_str() });
    }
    Ok(true)
}

fn env(name: &str) -> Result<bool> {
    let kubeconfig = match config::test_kubeconfig() {
        Some(kubeconfig) => kubeconfig,
        None => {
            let home = state::home(&Name::parse(name)?);
            ensure!(
                state::is_guarded(&home),
                "find cluster {name}: it does not run; start it by `./x cluster up {name}`"
            );
            let state = State::read(&home)?;
            println!("export PATH={}:$PATH", quoted(&state.tools.programs.display().to_string()));
            // Pods reach the machine, and registries and webhooks on it, by this address.
            println!("export NICA_CLUSTER_HOST={}", state.range.outer_end());
            state.kubeconfig()
        }
    };
    println!("export KUBECONFIG={}", quoted(&kubeconfig.display().to_string()));
    Ok(true)
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn kubectl(state: &State) -> Command {
    let mut command = Command::new(state.tools.program("kubectl"));
    // Neither somebody's proxy nor somebody's settings are for this cluster.
    command.env_clear().env("KUBECONFIG", state.kubeconfig()).env("HOME", state.home());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_the_shell() {
        assert_eq!(quoted("/a b/$c"), "'/a b/$c'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
