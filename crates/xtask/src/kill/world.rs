//! A living environment: server, supervisor, replicas of the baseline, people who write.
//!
//! Everything in it is a descendant of this process (a subreaper), so that an outsider finds every replica and
//! nothing is left when the world ends.

use super::actor::Actor;
use super::cluster::{self, Cluster};
use super::oracle::{self, Look, State, Workload};
use super::proc::{self, Signal, wait_for};
use super::project::{self, Release};
use super::slot::{Base, Slot};
use super::timeline::Timeline;
use super::{lines, mutants};
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(crate) struct World<'a> {
    pub slot: &'a Slot,
    pub cluster: Cluster,
    pub timeline: Timeline,
}

/// For everything that only needs the machine to get round to it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const FOLDERS_OF_A_WORLD: [&str; 6] = ["pg", "state", "run", "tmp", "logs", "proxy"];

impl<'a> World<'a> {
    /// An empty database, nothing deployed.
    pub(crate) fn empty(slot: &'a Slot) -> Result<World<'a>> {
        become_reaper()?;
        clear(slot)?;
        Cluster::create(&slot.pg())?;
        World::begin(slot)
    }

    /// The baseline as it was when the snapshot was made, serving.
    pub(crate) fn of(slot: &'a Slot, base: Base) -> Result<World<'a>> {
        become_reaper()?;
        clear(slot)?;
        for (part, to) in [("pg", slot.pg()), ("state", slot.state()), ("journal", slot.journal())] {
            copy(&slot.snapshot(base).join(part), &to)?;
        }
        let world = World::begin(slot)?;
        world.supervise()?;
        world.await_serving(Release::Baseline)?;
        Ok(world)
    }

    /// The baseline's database alone: nobody serves, nobody supervises.
    pub(crate) fn database_only(slot: &'a Slot) -> Result<World<'a>> {
        become_reaper()?;
        clear(slot)?;
        copy(&slot.snapshot(Base::Fresh).join("pg"), &slot.pg())?;
        World::begin(slot)
    }

    fn begin(slot: &'a Slot) -> Result<World<'a>> {
        let cluster = Cluster::start(&slot.pg())?;
        Ok(World { slot, cluster, timeline: Timeline::begin() })
    }

    /// Ends everything and keeps database, state and journal for `of`.
    pub(crate) fn keep(mut self, base: Base) -> Result<()> {
        end_processes(&[self.cluster.pid()])?;
        let slot = self.slot;
        self.cluster.stop()?;
        let snapshot = slot.snapshot(base);
        let _ = std::fs::remove_dir_all(&snapshot);
        std::fs::create_dir_all(&snapshot)?;
        for (part, from) in [("pg", slot.pg()), ("state", slot.state()), ("journal", slot.journal())] {
            copy(&from, &snapshot.join(part))?;
        }
        Ok(())
    }

    /// Starts a supervisor and waits until it answers.
    fn supervise(&self) -> Result<()> {
        let mut command = self.nica_of(&self.slot.nica, Release::Baseline, self.cluster.socket_folder());
        command.arg("supervise").arg("--state").arg(self.slot.state());
        // It outlives this value: the world's end finds it among the descendants.
        Actor::start(command, &self.slot.logs(), "supervise")?.forget();
        let hello = r#"{"op":"hello","identity":null}"#;
        wait_for("wait for the supervisor", PATIENCE, || lines::tell(&self.slot.state(), hello).ok())
            .map(drop)
    }

    /// Kills the supervisor, starts another and waits until that one answers.
    pub(crate) fn restart_supervisor(&self) -> Result<()> {
        if let Some(pid) = self.program("supervise") {
            proc::signal(pid, Signal::KILL)?;
            wait_for("wait for the supervisor to end", PATIENCE, || (!proc::alive(pid)).then_some(()))?;
        }
        self.timeline.say("the supervisor died and is started again");
        self.supervise()?;
        let hello = r#"{"op":"hello","identity":null}"#;
        wait_for("wait for the supervisor", PATIENCE, || lines::tell(&self.slot.state(), hello).ok())
            .map(drop)
    }

    pub(crate) fn await_serving(&self, release: Release) -> Result<()> {
        for name in project::COMPONENTS {
            let address = &self.slot.listens[name];
            let says = || oracle::version(address).ok().filter(|version| version == release.version());
            wait_for(&format!("wait for {name} {} to serve", release.version()), PATIENCE, says)?;
        }
        Ok(())
    }

    /// `nica deploy --env dev` of this release, reaching the database through this socket folder.
    pub(crate) fn deploy(&self, nica: &Path, release: Release, database: &Path) -> Command {
        let mut command = self.nica_of(nica, release, database);
        command.args(["deploy", "--env", "dev", "--json", "--release"]).arg(self.slot.release_file(release));
        command
    }

    pub(crate) fn resume(&self, nica: &Path, release: Release) -> Command {
        let mut command = self.nica_of(nica, release, self.cluster.socket_folder());
        command.args(["resume", "--env", "dev", "--json"]);
        command
    }

    fn nica_of(&self, nica: &Path, release: Release, database: &Path) -> Command {
        let slot = self.slot;
        let mut command = Command::new(nica);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", slot.tmp())
            .env("TMPDIR", slot.tmp())
            .env("XDG_CACHE_HOME", slot.cache())
            .env("XDG_RUNTIME_DIR", slot.run())
            .envs(slot.mutant.iter().map(|mutant| (mutants::VARIABLE, mutant)))
            .env("NICA_ACTOR", "sweep")
            .env("DEV_DATABASE_URL", cluster::url(database))
            .env(project::SERVICE_URL, self.cluster.url())
            .arg("--config")
            .arg(slot.project(release).join("nica.toml"))
            .current_dir(slot.project(release));
        command
    }

    /// Packs a release file from its project.
    pub(crate) fn pack(&self, release: Release) -> Result<()> {
        let mut command = self.nica_of(&self.slot.nica, release, self.cluster.socket_folder());
        let commit = release.version().repeat(40);
        command.args(["release", "create", "--version", release.version(), "--commit", &commit, "--out"]);
        command.arg(self.slot.release_file(release));
        proc::must_succeed(&mut command, "create a release").map(drop)
    }

    pub(crate) fn read(&self) -> Result<State> {
        self.look(State::read)
    }

    /// Only what runs.
    pub(crate) fn read_workloads(&self) -> Result<BTreeMap<String, Workload>> {
        self.look(oracle::workloads)
    }

    fn look<T>(&self, read: impl Fn(&Look<'_>) -> Result<T>) -> Result<T> {
        read(&Look {
            cluster: &self.cluster,
            above: std::process::id(),
            state: &self.slot.state(),
            listens: &self.slot.listens,
            variables: &project::VARIABLES,
        })
    }

    /// The one process below us that is `nica WORD --state …` of this world.
    pub(crate) fn program(&self, word: &str) -> Option<u32> {
        let state = self.slot.state().display().to_string();
        let is_it = |pid: &u32| {
            let words = proc::command_line(*pid);
            words.iter().any(|w| w == word) && words.contains(&state)
        };
        proc::descendants(std::process::id()).into_iter().filter(|pid| proc::alive(*pid)).find(is_it)
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        let _ = end_processes(&[self.cluster.pid()]);
    }
}

/// Orphans below us come back to us, so that /proc shows them as ours.
fn become_reaper() -> Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).context("become a subreaper")
}

/// Ends every process below us but these and what is below them.
fn end_processes(but: &[u32]) -> Result<()> {
    let spared: Vec<u32> =
        but.iter().flat_map(|pid| [proc::descendants(*pid), vec![*pid]].concat()).collect();
    wait_for("end the processes of a world", PATIENCE, || {
        let left: Vec<u32> = proc::descendants(std::process::id())
            .into_iter()
            .filter(|pid| !spared.contains(pid) && proc::alive(*pid))
            .collect();
        left.iter().for_each(|pid| drop(proc::signal(*pid, Signal::KILL)));
        left.is_empty().then_some(())
    })
}

fn clear(slot: &Slot) -> Result<()> {
    end_processes(&[])?;
    std::fs::write(slot.journal(), "")?;
    for name in FOLDERS_OF_A_WORLD {
        let folder = slot.home.join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    }
    use std::os::unix::fs::PermissionsExt as _;
    // The product starts throw-away servers as another user; sockets are their owner's alone.
    std::fs::set_permissions(slot.tmp(), std::fs::Permissions::from_mode(0o1777))?;
    std::fs::set_permissions(slot.run(), std::fs::Permissions::from_mode(0o700))?;
    Ok(())
}

/// With owners and modes, as the server asks for.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let _ = std::fs::remove_dir_all(to);
    proc::must_succeed(Command::new("cp").arg("-a").arg(from).arg(to), "copy a folder").map(drop)
}
