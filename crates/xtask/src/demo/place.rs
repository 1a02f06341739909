//! Where one demo lives: folders, an address and names that no other demo has, and a guardian that clears them away.
//!
//! The guardian is a small shell of its own that waits for our end of a pipe to close. So cleaning up is one and the
//! same thing after a good end, an error, Ctrl-C or SIGKILL: we are gone, and whatever runs from the folder goes too.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) struct Place {
    /// Programs, releases, state, logs.
    pub(crate) folder: PathBuf,
    /// The database; in memory where there is room.
    pub(crate) data: PathBuf,
    /// A loopback address of our own (all of 127.0.0.0/8 is loopback on Linux), so that ports cannot collide.
    pub(crate) address: String,
    guardian: Child,
}

const SHM: &str = "/dev/shm";
/// Three databases with traffic for a few minutes, and as much again to spare.
const SHM_FREE_MIN_BYTES: u64 = 1 << 30;
/// Paths of unix sockets end at 108 bytes (unix(7)), and the longest of ours lies 40 below the folder.
const FOLDER_BYTES_MAX: usize = 60;

impl Place {
    pub(crate) fn make() -> Result<Place> {
        let temp = Some(std::env::temp_dir()).filter(|temp| temp.as_os_str().len() < FOLDER_BYTES_MAX - 20);
        let folder = new_folder(&temp.unwrap_or_else(|| PathBuf::from("/tmp")))?;
        let data = if shm_has_room() { new_folder(Path::new(SHM))? } else { folder.join("db") };
        fs::create_dir_all(&data).with_context(|| format!("make folder {}", data.display()))?;
        fs::write(folder.join("stop"), stop_script(&folder, &data)).context("write the stop script")?;
        let guardian = Command::new("/bin/sh")
            .args(["-c", GUARDIAN, "nica-demo-guardian"])
            .arg(&folder)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("start the guardian of the demo")?;
        let address = format!("127.{}.{}.{}", random(1..=254), random(0..=255), random(1..=254));
        Ok(Place { folder, data, address, guardian })
    }

    /// Where a component of an environment listens; both count from 0.
    pub(crate) fn listen(&self, environment: usize, component: usize) -> String {
        format!("{}:{}", self.address, 8000 + 100 * environment + component)
    }

    /// Stops and removes everything; says whether nothing is left.
    pub(crate) fn clear(mut self) -> Result<bool> {
        drop(self.guardian.stdin.take());
        self.guardian.wait().context("wait for the guardian of the demo")?;
        Ok(!self.folder.exists() && !self.data.exists() && running_from(&self.folder)?.is_empty())
    }

    /// Leaves everything running; gives back the command that stops it.
    pub(crate) fn keep(mut self) -> Result<String> {
        let mut pipe = self.guardian.stdin.take().expect("taken only when the place ends");
        pipe.write_all(b"keep\n").context("tell the guardian of the demo")?;
        drop(pipe);
        self.guardian.wait().context("wait for the guardian of the demo")?;
        Ok(format!("sh {}/stop", self.folder.display()))
    }
}

/// Reads `keep` or the end of the pipe. Signals of the terminal are for the demo, not for its guardian.
const GUARDIAN: &str = r#"
trap '' INT TERM HUP
read -r word || word=
[ "$word" = keep ] || exec /bin/sh "$1/stop"
"#;

fn stop_script(folder: &Path, data: &Path) -> String {
    let (folder, data) = (quoted(folder), quoted(data));
    format!(
        r#"# Ends what runs from this demo's folder and removes it.
trap '' INT TERM HUP
folder={folder}
data={data}
cd /
if server=$(head -n 1 "$data/cluster/postmaster.pid" 2>/dev/null); then kill -QUIT "$server" 2>/dev/null; fi
tries=0
while [ $tries -lt 100 ]; do
    running=$(find /proc/[0-9]*/exe -maxdepth 0 -lname "$folder/*" 2>/dev/null | cut -d/ -f3)
    # A zombie has no program any more, though it can still be signalled.
    [ -n "$server" ] && [ -e "/proc/$server/exe" ] && running="$running server"
    [ -n "$running" ] || break
    for process in $running; do
        [ "$process" = server ] || kill -KILL "$process" 2>/dev/null
    done
    sleep 0.1
    tries=$((tries + 1))
done
rm -rf "$folder" "$data"
"#
    )
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Processes whose program lies in the folder.
fn running_from(folder: &Path) -> Result<Vec<PathBuf>> {
    let processes =
        fs::read_dir("/proc").context("read /proc")?.filter_map(Result::ok).map(|entry| entry.path());
    let ours =
        |process: &PathBuf| fs::read_link(process.join("exe")).is_ok_and(|exe| exe.starts_with(folder));
    Ok(processes.filter(ours).collect())
}

fn new_folder(parent: &Path) -> Result<PathBuf> {
    let made = tempfile::Builder::new().prefix("nica-demo-").tempdir_in(parent);
    let folder = made.with_context(|| format!("make a folder in {}", parent.display()))?.keep();
    // The database's user, who is not root, must reach its part of it.
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    ensure!(folder.as_os_str().len() <= FOLDER_BYTES_MAX, "fit a socket path below {}", folder.display());
    Ok(folder)
}

fn shm_has_room() -> bool {
    let free = rustix::fs::statvfs(SHM).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    free >= SHM_FREE_MIN_BYTES && rustix::fs::access(SHM, rustix::fs::Access::WRITE_OK).is_ok()
}

fn random(range: std::ops::RangeInclusive<u8>) -> u8 {
    rand::random_range(range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn sleeper(place: &Place) -> Child {
        let program = place.folder.join("sleeper");
        fs::copy("/bin/sleep", &program).expect("sleep can be copied");
        Command::new(program).arg("600").spawn().expect("the copy runs")
    }

    #[test]
    fn clearing_ends_what_runs_from_the_folder() {
        let place = Place::make().expect("a place");
        let mut sleeper = sleeper(&place);
        let began = Instant::now();
        let reaper = std::thread::spawn(move || sleeper.wait());
        assert!(place.clear().expect("the guardian ends"));
        reaper.join().expect("no panic").expect("it was ours");
        assert!(began.elapsed() < Duration::from_secs(8));
    }

    #[test]
    fn what_is_kept_is_stopped_by_its_own_command() {
        let place = Place::make().expect("a place");
        let (folder, data) = (place.folder.clone(), place.data.clone());
        let mut sleeper = sleeper(&place);
        let command = place.keep().expect("the guardian ends");
        assert!(folder.exists() && sleeper.try_wait().expect("ours").is_none());
        let reaper = std::thread::spawn(move || sleeper.wait());
        assert!(Command::new("sh").args(["-c", &command]).status().expect("sh starts").success());
        reaper.join().expect("no panic").expect("it was ours");
        assert!(!folder.exists() && !data.exists());
    }

    #[test]
    fn a_demo_that_dies_is_cleared_by_its_guardian() {
        let place = Place::make().expect("a place");
        let (folder, data) = (place.folder.clone(), place.data.clone());
        drop(place);
        let until = Instant::now() + Duration::from_secs(20);
        while (folder.exists() || data.exists()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(!folder.exists() && !data.exists());
    }

    #[test]
    fn two_places_share_nothing() {
        let (one, two) = (Place::make().expect("a place"), Place::make().expect("a place"));
        assert_ne!(one.folder, two.folder);
        assert_ne!(one.data, two.data);
        assert_ne!(one.address, two.address);
        assert!(one.clear().expect("cleared") && two.clear().expect("cleared"));
    }

    #[test]
    fn a_folder_with_a_quote_stays_one_word() {
        assert_eq!(quoted(Path::new("/a b'c")), r"'/a b'\''c'");
    }
}
