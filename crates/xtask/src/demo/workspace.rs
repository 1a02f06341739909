//! The folder that each release is made from: policy, people, migrations, seeds, beside the executable.
//!
//! What makes a release bad is real and stands in its files: a value that the program refuses, a pool too small for
//! its users, a migration that takes away. There is no switch for faults in the service.

use super::place::Place;
use crate::repo;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// One release of the story.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edition {
    pub(crate) version: &'static str,
    /// Migrations that the demo adds to the checkout's own.
    pub(crate) migrations: &'static [&'static str],
    /// Config of the backend that only prod has.
    pub(crate) prod: &'static [(&'static str, &'static str)],
}

const TAG: &str = "0003_note_tag";
const MOOD: &str = "0004_note_mood";
const REWORK: &str = "0005_note_rework";

pub(crate) const EDITIONS: [Edition; 6] = [
    Edition { version: "2026.11.1", migrations: &[], prod: &[] },
    Edition { version: "2026.11.2", migrations: &[TAG], prod: &[] },
    // A number that the program refuses before it serves anybody.
    Edition { version: "2026.11.3", migrations: &[TAG], prod: &[("DB_POOL_MAX", "0")] },
    // Ready as long as nobody comes; then two people want the one connection and neither may wait.
    Edition {
        version: "2026.11.4",
        migrations: &[TAG, MOOD],
        prod: &[("DB_POOL_MAX", "1"), ("DB_POOL_WAIT_MS", "1")],
    },
    Edition { version: "2026.11.5", migrations: &[TAG, MOOD, REWORK], prod: &[] },
    Edition { version: "2026.11.6", migrations: &[TAG, MOOD], prod: &[] },
];

pub(crate) const ENVIRONMENTS: [&str; 3] = ["dev", "stage", "prod"];
/// How long prod asks a release to have been live in stage.
pub(crate) const SOAK: Duration = Duration::from_secs(1);
/// Who approves; the third key signs evidence.
pub(crate) const APPROVERS: [&str; 2] = ["ana", "rui"];
pub(crate) const STARTER: &str = "caio";

impl Edition {
    pub(crate) fn folder(&self, place: &Place) -> PathBuf {
        place.folder.join("releases").join(self.version)
    }

    pub(crate) fn file(&self, place: &Place) -> PathBuf {
        self.folder(place).join(format!("nica-{}.nica", self.version))
    }

    /// Migrations and seeds, which the build takes in too. Editions with the same ones share a folder that keeps its
    /// place and its times, so that cargo builds only what changed.
    pub(crate) fn sources(&self) -> Result<PathBuf> {
        let name = self.migrations.last().copied().unwrap_or("own");
        let folder = repo::root().join("target/demo").join(name);
        copy_folder(&repo::root().join("migrations"), &folder.join("migrations"))?;
        copy_folder(&repo::root().join("seeds"), &folder.join("seeds"))?;
        for id in self.migrations {
            let from = repo::root().join("crates/xtask/demo/migrations").join(id);
            copy_folder(&from, &folder.join("migrations").join(id))?;
        }
        Ok(folder)
    }

    pub(crate) fn write_sources(&self, place: &Place, sources: &Path) -> Result<()> {
        copy_folder(sources, &self.folder(place))
    }

    pub(crate) fn write_policy(&self, place: &Place, keys: &Keys) -> Result<()> {
        let folder = self.folder(place);
        let write = |name: &str, text: String| {
            fs::write(folder.join(name), text).with_context(|| format!("write {name} of {}", self.version))
        };
        write("nica.toml", self.policy(place, keys))?;
        write("people.toml", people(keys))
    }

    fn policy(&self, place: &Place, keys: &Keys) -> String {
        let mut text = format!(
            "[service]\nname = \"nica\"\nmigrations = \"migrations\"\nseeds = \"seeds\"\npeople = \"people.toml\"\n\n\
             [[component]]\nname = \"backend\"\nexecutable = \"nica-backend\"\nmigrates = true\n\n\
             [[component]]\nname = \"reader\"\nexecutable = \"nica-backend\"\n\n\
             [signer.ci]\nkey = \"{}\"\nchecks = [\"fmt\", \"tidy\"]\n",
            keys.public("ci")
        );
        for (number, env) in ENVIRONMENTS.iter().enumerate() {
            text += &self.environment(place, number, env);
        }
        text
    }

    fn environment(&self, place: &Place, number: usize, env: &str) -> String {
        let (after, replicas, bake) = match env {
            "prod" => ("after = \"stage\"\nsoak = \"1s\"\napprovals = 2\n", 2, "4s"),
            "stage" => ("after = \"dev\"\n", 1, "1s"),
            _ => ("", 1, "1s"),
        };
        let own: String = if env == "prod" {
            self.prod.iter().map(|(k, v)| format!(", {k} = \"{v}\"")).collect()
        } else {
            String::new()
        };
        let state = place.folder.join("state").join(env);
        let upper = env.to_uppercase();
        let secrets = format!(
            "{{ AUTH_SECRET = {{ env = \"{upper}_AUTH_SECRET\" }}, DATABASE_URL = {{ env = \"{upper}_DATABASE_URL\" }} }}"
        );
        let (backend, reader) = (place.listen(number, 0), place.listen(number, 1));
        format!(
            "\n[env.{env}]\n{after}\
             target = {{ kind = \"process\", state = \"{}\" }}\n\
             validate = {{ bake = \"{bake}\", bake_max = \"30s\", error_ratio = 0.01, min_samples = 40, probes_per_second = 20 }}\n\
             limits = {{ rollout = \"30s\", undo = \"30s\", admit = \"10s\", lease_ttl = \"3s\", drain = \"500ms\" }}\n\n\
             [env.{env}.component.backend]\nexec = \"serve\"\nreplicas = {replicas}\nlisten = \"{backend}\"\n\
             config = {{ LOG_LEVEL = \"info\", DRAIN_MS = \"500\"{own} }}\nsecrets = {secrets}\n\n\
             [env.{env}.component.reader]\nexec = \"serve --read-only\"\nreplicas = {replicas}\nlisten = \"{reader}\"\n\
             config = {{ LOG_LEVEL = \"info\", DRAIN_MS = \"500\" }}\nsecrets = {secrets}\n",
            state.display()
        )
    }
}

fn people(keys: &Keys) -> String {
    let approver = |name: &&str| {
        format!(
            "[person.{name}]\nkeys = [\"{}\"]\naccounts = [\"{name}\"]\nroles = [\"approver\"]\n\n",
            keys.public(name)
        )
    };
    let approvers: String = APPROVERS.iter().map(approver).collect();
    format!("{approvers}[person.{STARTER}]\naccounts = [\"{STARTER}\"]\n")
}

/// SSH keys made for this demo alone.
pub(crate) struct Keys {
    folder: PathBuf,
    public: Vec<(String, String)>,
}

impl Keys {
    pub(crate) fn make(place: &Place) -> Result<Keys> {
        let folder = place.folder.join("keys");
        fs::create_dir_all(&folder).context("make a folder for keys")?;
        let mut public = Vec::new();
        for name in APPROVERS.iter().chain(&["ci"]) {
            let path = folder.join(name);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
                .arg(&path)
                .stdin(Stdio::null())
                .output()
                .context("start ssh-keygen")?;
            ensure!(made.status.success(), "make a key: {}", String::from_utf8_lossy(&made.stderr).trim());
            let line = fs::read_to_string(path.with_extension("pub")).context("read a public key")?;
            public.push((name.to_string(), line.trim().to_string()));
        }
        Ok(Keys { folder, public })
    }

    pub(crate) fn private(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn public(&self, name: &str) -> &str {
        let found = self.public.iter().find(|(owner, _)| owner == name);
        found.map(|(_, line)| line.as_str()).expect("made above")
    }
}

/// Makes `to` equal to `from`; what is equal already is not touched.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("make folder {}", to.display()))?;
    for entry in fs::read_dir(to).with_context(|| format!("read folder {}", to.display()))? {
        remove_extra(from, &entry?.path())?;
    }
    for entry in fs::read_dir(from).with_context(|| format!("read folder {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            let bytes = fs::read(entry.path()).with_context(|| format!("read {}", entry.path().display()))?;
            if fs::read(&target).ok().as_ref() != Some(&bytes) {
                fs::write(&target, bytes).with_context(|| format!("write {}", target.display()))?;
            }
        }
    }
    Ok(())
}

fn remove_extra(from: &Path, path: &Path) -> Result<()> {
    let name = path.file_name().context("entries have names")?;
    if from.join(name).exists() {
        return Ok(());
    }
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.with_context(|| format!("remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prod_has_what_makes_a_release_bad() {
        let place = Place::make().expect("a place");
        let keys = Keys::make(&place).expect("keys");
        let text = EDITIONS[2].policy(&place, &keys);
        let prod = text.find("[env.prod]").expect("prod stands last");
        assert!(
            text[prod..].contains("DB_POOL_MAX = \"0\"") && !text[..prod].contains("DB_POOL_MAX"),
            "{text}"
        );
        assert_eq!(text[..prod].matches("approvals").count(), 0);
        assert!(place.clear().expect("cleared"));
    }

    #[test]
    fn a_copied_folder_is_equal_and_what_was_equal_keeps_its_time() {
        let (from, to) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (from, to) = (from.path(), to.path());
        let write = |path: PathBuf, text: &str| fs::write(path, text).expect("written");
        fs::create_dir(from.join("a")).expect("a folder");
        write(from.join("a/same"), "1");
        write(from.join("changed"), "1");
        copy_folder(from, to).expect("copied");
        let before = fs::metadata(to.join("a/same")).and_then(|meta| meta.modified()).expect("there");
        write(from.join("changed"), "2");
        write(to.join("extra"), "x");
        std::thread::sleep(std::time::Duration::from_millis(20));
        copy_folder(from, to).expect("copied");
        assert_eq!(fs::metadata(to.join("a/same")).and_then(|meta| meta.modified()).expect("there"), before);
        assert_eq!(fs::read_to_string(to.join("changed")).expect("there"), "2");
        assert!(!to.join("extra").exists());
    }

    #[test]
    fn every_migration_of_the_story_is_there() {
        for id in EDITIONS.iter().flat_map(|edition| edition.migrations) {
            for part in ["up.sql", "down.sql", "migration.toml"] {
                let path = repo::root().join("crates/xtask/demo/migrations").join(id).join(part);
                assert!(path.is_file(), "{}", path.display());
            }
        }
    }
}
