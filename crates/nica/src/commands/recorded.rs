//! Where a release comes from: its file with what stands beside it, or the records of the run that made it live.
//!
//! Opening a run keeps the release, its texts and its evidence. Executables stand in the target's store only, so what is
//! found in the records names them and does not hold them.

use crate::release_file::{ReleaseFile, manifests_entry};
use anyhow::Context as _;
use nica_effects::answer::answered;
use nica_effects::failure::Failure;
use nica_effects::records::blob;
use nica_engine::Digest;
use nica_engine::evidence::{Evidence, Signed};
use nica_engine::gates::Gathered;
use nica_engine::plan::Live;
use nica_engine::release::{ComponentKind, Release};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tokio_postgres::Client;

pub(super) struct Source {
    pub file: ReleaseFile,
    /// Evidence kind → its document.
    pub evidence: Gathered<BTreeMap<String, Signed>>,
    /// Executables that are not in `file` because the target holds them.
    pub held: BTreeSet<Digest>,
}

impl Source {
    pub(super) fn of_file(path: &Path) -> anyhow::Result<Source> {
        Ok(Source { file: ReleaseFile::read(path)?, evidence: beside(path), held: BTreeSet::new() })
    }

    /// With its executables, from the target's store as far as they are there; the gate `release-complete` names what is
    /// missing.
    pub(super) async fn with_executables(
        client: &Client,
        live: &Live,
        state: Option<&Path>,
    ) -> anyhow::Result<Option<Source>> {
        let Some(mut source) = Source::of_live(client, live).await? else { return Ok(None) };
        let Some(state) = state else {
            // A cluster runs none of them.
            let executables =
                source.file.release.components.iter().filter(|c| c.kind == ComponentKind::Executable);
            source.held = executables.map(|c| c.digest.clone()).collect();
            return Ok(Some(source));
        };
        source.held.clear();
        for component in &source.file.release.components {
            if let Ok(bytes) = std::fs::read(state.join("store").join(component.digest.as_str())) {
                source.file.entries.insert(format!("bin/{}", component.digest), bytes);
            }
        }
        Ok(Some(source))
    }

    /// None where the release went live before releases were kept.
    pub(super) async fn of_live(client: &Client, live: &Live) -> anyhow::Result<Option<Source>> {
        let Some(bytes) = answered("the release", blob::find(client, &live.release)).await? else {
            return Ok(None);
        };
        let release: Release =
            serde_json::from_slice(&bytes).with_context(|| format!("read release {}", live.version))?;
        let entries = answered("the texts of the release", entries(client, &release)).await?;
        let held = live.components.values().map(|desired| desired.digest.clone()).collect();
        let evidence = answered("the evidence", recorded(client, &live.release)).await?;
        Ok(Some(Source { file: ReleaseFile { release, entries }, evidence, held }))
    }
}

async fn entries(
    client: &Client,
    release: &Release,
) -> Result<BTreeMap<String, Vec<u8>>, nica_effects::records::RecordError> {
    let mut named = Vec::new();
    for m in &release.migrations {
        named.push((format!("migrations/{}/up.sql", m.id), &m.up));
        named.extend(m.down.as_ref().map(|down| (format!("migrations/{}/down.sql", m.id), down)));
    }
    named.extend(release.seeds.iter().map(|s| (format!("seeds/{}", s.file), &s.sha256)));
    named.extend(release.manifests.iter().map(|(env, m)| (manifests_entry(env), &m.objects)));
    let mut entries = BTreeMap::new();
    for (name, digest) in named {
        entries.insert(name, blob::get(client, digest).await?);
    }
    Ok(entries)
}

/// Every document that was kept about this release.
async fn recorded(client: &Client, release: &Digest) -> Result<Gathered<BTreeMap<String, Signed>>, Failure> {
    let select = "SELECT bytes FROM nica.blob WHERE kind = 'evidence' ORDER BY sha256";
    let rows = client.query(select, &[]).await.map_err(Failure::sql)?;
    let about = |row: &tokio_postgres::Row| {
        let signed: Signed = serde_json::from_slice(row.get(0)).ok()?;
        let document: Evidence = serde_json::from_str(&signed.document).ok()?;
        (document.release_hash == *release).then_some((document.kind, signed))
    };
    Ok(Ok(rows.iter().filter_map(about).collect()))
}

/// `NAME-VERSION.evidence/KIND.json` beside the release file.
fn beside(release: &Path) -> Gathered<BTreeMap<String, Signed>> {
    let folder = release.with_extension("evidence");
    let mut found = BTreeMap::new();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(format!("{}: {error}", folder.display())),
    };
    for path in entries.filter_map(|e| Some(e.ok()?.path())) {
        let (Some(kind), Some("json")) = (path.file_stem(), path.extension().and_then(|e| e.to_str())) else {
            continue;
        };
        let unreadable = |why: String| format!("{}: {why}", path.display());
        let bytes = std::fs::read(&path).map_err(|e| unreadable(e.to_string()))?;
        let signed = serde_json::from_slice(&bytes).map_err(|e| unreadable(e.to_string()))?;
        found.insert(kind.to_string_lossy().into_owned(), signed);
    }
    Ok(found)
}
