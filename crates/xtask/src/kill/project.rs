//! The three releases that are delivered: a baseline, a good successor, and one whose second component cannot start.
//! The first component changes as a program, the second in its configuration alone.
//!
//! The successor brings everything that a run can carry: a lossless and a parking migration, an index that is built
//! outside a transaction, a managed row changed, one added, one gone, another configuration, two components with new
//! executables.

use super::slot::Slot;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Which release a project folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    Baseline,
    Good,
    /// The good one, but `reader` is told what it refuses at start.
    Bad,
}

pub(crate) const COMPONENTS: [&str; 2] = ["api", "reader"];
/// What counts as configuration when a replica is read.
pub(crate) const VARIABLES: [&str; 3] = ["DATABASE_URL", "GREETING", "JOURNAL"];
/// Variable of the deployer's environment that holds the service's own database address.
pub(crate) const SERVICE_URL: &str = "SWEEP_SERVICE_URL";

/// Folder, up, down, migration.toml.
type Migration = (&'static str, &'static str, &'static str, &'static str);

const BASE: Migration = (
    "0001_note",
    "CREATE TABLE note (\n    id   text PRIMARY KEY,\n    body text NOT NULL\n);\n\
     CREATE TABLE limits (\n    metric  text PRIMARY KEY,\n    value   integer NOT NULL,\n    \
     retired timestamptz\n);\n",
    "DROP TABLE limits;\nDROP TABLE note;\n",
    "phase = \"expand\"\nclass = \"sticky\"\n",
);
/// The successor's, in order; going back keeps a prefix of them. The index that is built beside the traffic is on what
/// every release has, so that a build that comes late is seen.
pub(crate) const EXPANDS: [Migration; 3] = [
    (
        "0002_note_by_body",
        "CREATE INDEX note_by_body ON note (body);\n",
        "DROP INDEX note_by_body;\n",
        "phase = \"expand\"\nclass = \"lossless\"\n",
    ),
    (
        "0003_note_mood",
        "ALTER TABLE note ADD COLUMN mood text;\n",
        "ALTER TABLE note DROP COLUMN mood;\n",
        "phase = \"expand\"\nclass = \"parking\"\npark = [\"note.mood\"]\n",
    ),
    (
        "0004_note_by_length",
        "CREATE INDEX CONCURRENTLY note_by_length ON note (length(body));\n",
        "DROP INDEX CONCURRENTLY note_by_length;\n",
        "phase = \"expand\"\nclass = \"lossless\"\ntransaction = false\n",
    ),
];

/// Metric and value.
const BASE_ROWS: [(&str, u32); 3] = [("fibre", 25), ("protein", 60), ("salt", 5)];
/// One changed, one gone, one new.
const NEW_ROWS: [(&str, u32); 3] = [("fibre", 30), ("protein", 60), ("sugar", 50)];
/// As the oracle reads the row that only the successor has, after going back.
pub(crate) const NEW_ROW_RETIRED: &str = "sugar|50|t";

impl Release {
    pub(crate) const ALL: [Release; 3] = [Release::Baseline, Release::Good, Release::Bad];

    pub(crate) fn version(self) -> &'static str {
        match self {
            Release::Baseline => "1",
            Release::Good => "2",
            Release::Bad => "3",
        }
    }

    /// Writes the project that this release is made from.
    pub(crate) fn write(self, slot: &Slot, passenger: &Path) -> Result<()> {
        let folder = slot.project(self);
        for part in ["bin", "migrations", "seeds"] {
            std::fs::create_dir_all(folder.join(part)).context("create a project")?;
        }
        std::fs::write(folder.join("nica.toml"), self.policy(slot))?;
        std::fs::write(folder.join("seeds/0001_limits.toml"), self.seeds())?;
        for (name, up, down, toml) in self.migrations() {
            let place = folder.join("migrations").join(name);
            std::fs::create_dir_all(&place)?;
            std::fs::write(place.join("up.sql"), up)?;
            std::fs::write(place.join("down.sql"), down)?;
            std::fs::write(place.join("migration.toml"), toml)?;
        }
        COMPONENTS
            .iter()
            .try_for_each(|name| self.executable(passenger, &folder.join("bin").join(name), name))
    }

    fn migrations(self) -> Vec<Migration> {
        let new = if self == Release::Baseline { &[][..] } else { &EXPANDS };
        [&[BASE], new].concat()
    }

    /// The passenger with this release's trailer.
    fn executable(self, passenger: &Path, to: &PathBuf, component: &str) -> Result<()> {
        // The reader is the same program in all of them: only its configuration changes, and breaks it.
        let release = if component == "reader" { Release::Baseline } else { self };
        let column = if release == Release::Baseline { "" } else { "mood" };
        let mut bytes = std::fs::read(passenger).context("read the passenger")?;
        let version = release.version();
        bytes
            .extend(format!("\nPASSENGER component={component} version={version} column={column}\n").bytes());
        std::fs::write(to, bytes)?;
        use std::os::unix::fs::PermissionsExt as _;
        Ok(std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755))?)
    }

    fn greeting(self, component: &str) -> &'static str {
        match self {
            Release::Baseline => "hello",
            Release::Bad if component == "reader" => "broken",
            Release::Good | Release::Bad => "welcome",
        }
    }

    fn seeds(self) -> String {
        let rows = if self == Release::Baseline { BASE_ROWS } else { NEW_ROWS };
        let mut text = "table = \"limits\"\nkey = [\"metric\"]\nretire = \"retired\"\n".to_string();
        for (metric, value) in rows {
            let _ = write!(
                text,
                "\n[[row]]\nmetric = \"{metric}\"\nvalue = {value}\nsource = \"the kill sweep\"\nstatus = \"verified\"\n"
            );
        }
        text
    }

    fn policy(self, slot: &Slot) -> String {
        let mut text =
            "[service]\nname = \"sweep\"\nmigrations = \"migrations\"\nseeds = \"seeds\"\n".to_string();
        for name in COMPONENTS {
            let _ = write!(text, "\n[[component]]\nname = \"{name}\"\nexecutable = \"bin/{name}\"\n");
        }
        let state = slot.state();
        let _ = write!(
            text,
            "\n[env.dev]\ntarget = {{ kind = \"process\", state = \"{}\" }}\n\
             validate = {{ bake = \"300ms\", bake_max = \"20s\", min_samples = 10, probes_per_second = 50 }}\n\
             limits = {{ rollout = \"20s\", forward_until = \"60s\", lease_ttl = \"3s\", admit = \"5s\", undo = \"20s\", \
             drain = \"500ms\" }}\n",
            state.display()
        );
        for (name, replicas, exec) in [("api", 2, "serve"), ("reader", 1, "serve --read-only")] {
            let greeting = self.greeting(name);
            let _ = write!(
                text,
                "\n[env.dev.component.{name}]\nexec = \"{exec}\"\nreplicas = {replicas}\nlisten = \"{}\"\n\
                 config = {{ GREETING = \"{greeting}\", JOURNAL = \"{}\" }}\n\
                 secrets = {{ DATABASE_URL = {{ env = \"{SERVICE_URL}\" }} }}\n",
                slot.listens[name],
                slot.journal().display()
            );
        }
        text
    }
}
