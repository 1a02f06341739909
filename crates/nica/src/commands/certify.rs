//! What a throw-away database says of the migrations that a plan applies, for the gate `migration`.
//!
//! Dev, stage and prod ask about the same texts, so the answer is kept under their digest in the user's cache
//! folder. It is a cache and no evidence: what cannot be read there is asked again.

use crate::config::variables;
use crate::release_file::ReleaseFile;
use nica_engine::finding::Place;
use nica_engine::gates::input::{Certificate, Change, ChangeKind, Removed, RoundTrip, SqlError};
use nica_engine::release::{Migration, Phase, UndoClass};
use nica_engine::{Digest, Plan, canonical};
use nica_migrate::certify::{self, Report};
use nica_migrate::source;
use std::path::PathBuf;

/// Raised when reports mean something else than before.
const CACHE_FORMAT: u32 = 1;

/// One certificate per migration that the plan applies, up to the first that cannot be applied at all.
pub(crate) async fn certificates(file: &ReleaseFile, plan: &Plan) -> Result<Vec<Certificate>, String> {
    let wanted: Vec<&str> = plan.steps.iter().filter_map(|e| e.migration().map(|m| m.id.as_str())).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let cached = cache_path(file, &wanted);
    let found = cached.as_ref().and_then(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok());
    if let Some(found) = found {
        return Ok(found);
    }
    let reports = ask(file, &wanted).await?;
    let certificates: Vec<Certificate> = reports.into_iter().map(certificate).collect();
    if let Some(path) = cached {
        keep(&path, &certificates);
    }
    Ok(certificates)
}

async fn ask(file: &ReleaseFile, wanted: &[&str]) -> Result<Vec<Report>, String> {
    let all: Vec<source::Migration> =
        file.release.migrations.iter().map(|m| source_of(file, m)).collect::<Result<_, _>>()?;
    let live: Vec<&str> = all.iter().map(|m| m.id.as_str()).filter(|id| !wanted.contains(id)).collect();
    certify::certify(&all, &live, wanted).await.map_err(|e| format!("failed to {e}"))
}

fn source_of(file: &ReleaseFile, m: &Migration) -> Result<source::Migration, String> {
    let text = |name: &str| {
        let bytes = file.entries.get(&format!("migrations/{}/{name}", m.id))?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    let manifest = source::Manifest {
        phase: match m.phase {
            Phase::Expand => source::Phase::Expand,
            Phase::Contract => source::Phase::Contract,
        },
        class: match m.class {
            UndoClass::Lossless => source::Class::Lossless,
            UndoClass::Parking => source::Class::Parking,
            UndoClass::Sticky => source::Class::Sticky,
        },
        park: m.park.clone(),
        transaction: m.transactional,
        after: m.after.clone(),
    };
    let up = text("up.sql").ok_or_else(|| format!("{} has no up.sql in the release", m.id))?;
    source::Migration::new(&m.id, manifest, up, text("down.sql")).map_err(|e| e.to_string())
}

/// Named by every text in its order, and by which of them are new: the same question has the same name. In the
/// user's own cache folder, where nobody else can put an answer.
fn cache_path(file: &ReleaseFile, wanted: &[&str]) -> Option<PathBuf> {
    let name = Digest::of_value(&(CACHE_FORMAT, env!("CARGO_PKG_VERSION"), &file.release.migrations, wanted));
    let home = || variables::variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = variables::variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?;
    Some(base.join("nica/certificates").join(format!("{name}.json")))
}

/// A cache that cannot be written costs time and nothing else.
fn keep(path: &std::path::Path, certificates: &[Certificate]) {
    let Some(folder) = path.parent() else { return };
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&part, canonical::to_bytes(&certificates)))
        .and_then(|()| std::fs::rename(&part, path));
    if let Err(error) = written {
        tracing::debug!(%error, "the certificates were not kept");
    }
}

fn certificate(report: Report) -> Certificate {
    Certificate {
        migration: report.migration,
        has_down: report.has_down,
        round_trip: report.round_trip.map(|r| RoundTrip {
            before: r.before,
            up: r.up,
            down: r.down,
            up_again: r.up_again,
        }),
        removes: report.removes.into_iter().map(removed).collect(),
        changes: report.changes.into_iter().map(change).collect(),
        errors: report
            .errors
            .into_iter()
            .map(|e| SqlError { place: e.place.map(place), message: e.message })
            .collect(),
    }
}

fn removed(removed: certify::Removed) -> Removed {
    let certify::Removed { name, writable, keyed, place: at } = removed;
    Removed { name, writable, keyed, place: at.map(place) }
}

fn change(change: certify::Change) -> Change {
    let kind = match change.kind {
        certify::ChangeKind::Removed => ChangeKind::Removed,
        certify::ChangeKind::Narrowed => ChangeKind::Narrowed,
        certify::ChangeKind::Constraint => ChangeKind::Constraint,
        certify::ChangeKind::Trigger => ChangeKind::Trigger,
    };
    Change { kind, name: change.name, place: change.place.map(place) }
}

fn place(place: certify::Place) -> Place {
    Place { file: place.file, line: place.line, column: place.column }
}
