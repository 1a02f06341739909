//! `nica release`: the immutable file that is promoted from environment to environment.

pub(super) mod images;
mod objects;

use super::context::folder_of;
use crate::cli::{self, Global};
use crate::config::{self, Config, Source};
use crate::exit::Exit;
use crate::output::Output;
use crate::release_file::ReleaseFile;
use anyhow::Context as _;
use nica_engine::Digest;
use nica_engine::policy::Environment;
use nica_engine::release::{
    Commit, Component, ComponentConfig, ComponentKind, Migration, Phase, RELEASE_FORMAT, Release, SeedFile,
    UndoClass,
};
use nica_migrate::source;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

type Entries = BTreeMap<String, Vec<u8>>;

pub(super) async fn run(command: cli::Release, global: &Global, output: Output) -> anyhow::Result<Exit> {
    match command {
        cli::Release::Create(args) => create(&args, global, output).await,
        cli::Release::Evidence(args) => super::evidence::run(&args, output),
        cli::Release::Show { file, env: None } => show(&file, output),
        cli::Release::Show { file, env: Some(env) } => objects::show(&file, &env, output),
        cli::Release::Verify { file } => verify(&file, output),
    }
}

async fn create(args: &cli::Create, global: &Global, output: Output) -> anyhow::Result<Exit> {
    let config = config::load(&global.config)?;
    let folder = folder_of(&global.config);
    let mut entries = Entries::new();
    let images = images::digests(&config, args).await?;
    let mut release = Release {
        format: RELEASE_FORMAT,
        service: config.service.name.clone(),
        version: args.version.clone(),
        commit: commit(args, &folder)?,
        commits: commits(args, &folder)?,
        components: components(&config, &folder, &images, &mut entries)?,
        migrations: migrations(&config, &folder, &mut entries)?,
        seeds: seeds(&folder.join(&config.service.seeds), &mut entries)?,
        config: configs(&config),
        manifests: BTreeMap::new(),
    };
    release.manifests = objects::all(&config, &folder, &release, &mut entries)?;
    release.format = release.format_needed();
    let name = format!("{}-{}.nica", release.service, release.version);
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(name));
    let file = ReleaseFile { release, entries };
    file.write(&out)?;
    let text = format!("release {}   {}\n{}", file.release.version, file.release.hash(), out.display());
    output.result(&summary(&file, &out), &text);
    Ok(Exit::Done)
}

fn commit(args: &cli::Create, folder: &Path) -> anyhow::Result<String> {
    match &args.commit {
        Some(id) => Ok(id.clone()),
        None => git(folder, &["rev-parse", "HEAD"])
            .context("find the commit that was built; name it with --commit ID"),
    }
}

/// The commits since the release before, with their authors: whoever wrote them cannot approve them.
fn commits(args: &cli::Create, folder: &Path) -> anyhow::Result<Vec<Commit>> {
    let Some(since) = &args.since else { return Ok(Vec::new()) };
    let range = format!("{since}..{}", commit(args, folder)?);
    let log = git(folder, &["log", "--format=%H %ae", &range])
        .context("list the commits since the release before")?;
    let parse = |line: &str| {
        let (id, author) = line.split_once(' ')?;
        Some(Commit { id: id.to_string(), authors: vec![author.to_string()] })
    };
    Ok(log.lines().filter_map(parse).collect())
}

fn git(folder: &Path, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(args).output().context("run git")?;
    anyhow::ensure!(output.status.success(), "git says: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn components(
    config: &Config,
    folder: &Path,
    images: &images::Digests,
    entries: &mut Entries,
) -> anyhow::Result<Vec<Component>> {
    let mut components = Vec::new();
    for component in &config.components {
        let name = component.name.clone();
        let (kind, digest) = match &component.source {
            Source::Executable(path) => {
                let bytes = read(&folder.join(path))?;
                let digest = Digest::of(&bytes);
                entries.insert(format!("bin/{digest}"), bytes);
                (ComponentKind::Executable, digest)
            }
            Source::Image(_) => (ComponentKind::Image, images[&name].clone()),
        };
        components.push(Component { name, kind, digest });
    }
    Ok(components)
}

/// In whatever form they stand there, a release carries them in NICA's own. A service without a database has none.
fn migrations(config: &Config, folder: &Path, entries: &mut Entries) -> anyhow::Result<Vec<Migration>> {
    let own = |env: &Environment| env.reach.own_database;
    if !folder.join(&config.service.migrations.path).exists() && !config.environments.values().any(own) {
        return Ok(Vec::new());
    }
    let all = config.service.migrations.read(folder)?;
    Ok(all.into_iter().map(|m| migration(m, entries)).collect())
}

/// As release.json names it; its texts go to `entries`.
pub(super) fn migration(m: nica_migrate::source::Migration, entries: &mut Entries) -> Migration {
    let mut keep = |file: &str, text: &str| {
        let digest = Digest::of(text.as_bytes());
        entries.insert(format!("migrations/{}/{file}", m.id), text.as_bytes().to_vec());
        digest
    };
    Migration {
        up: keep("up.sql", &m.up),
        down: m.down.as_ref().map(|down| keep("down.sql", down)),
        phase: phase(m.phase),
        class: class(m.class),
        park: m.park.iter().map(ToString::to_string).collect(),
        transactional: m.transactional,
        after: m.after,
        id: m.id,
    }
}

fn phase(phase: source::Phase) -> Phase {
    match phase {
        source::Phase::Expand => Phase::Expand,
        source::Phase::Contract => Phase::Contract,
    }
}

fn class(class: source::Class) -> UndoClass {
    match class {
        source::Class::Lossless => UndoClass::Lossless,
        source::Class::Parking => UndoClass::Parking,
        source::Class::Sticky => UndoClass::Sticky,
    }
}

fn seeds(folder: &Path, entries: &mut Entries) -> anyhow::Result<Vec<SeedFile>> {
    let mut files = Vec::new();
    if !folder.exists() {
        return Ok(files);
    }
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("read {}", folder.display()))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    names.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    names.sort();
    for path in names {
        let bytes = read(&path)?;
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        nica_migrate::seed::SeedFile::parse(&file, &String::from_utf8_lossy(&bytes))?;
        files.push(SeedFile { sha256: Digest::of(&bytes), file: file.clone() });
        entries.insert(format!("seeds/{file}"), bytes);
    }
    Ok(files)
}

fn configs(config: &Config) -> BTreeMap<String, BTreeMap<String, ComponentConfig>> {
    config.environments.iter().map(|(name, env)| (name.clone(), env.components.clone())).collect()
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read {}", path.display()))
}

fn show(file: &Path, output: Output) -> anyhow::Result<Exit> {
    let file_content = ReleaseFile::read(file)?;
    let text = serde_json::to_string_pretty(&file_content.release).context("print release.json")?;
    output.result(&file_content.release, &text);
    Ok(Exit::Done)
}

fn verify(file: &Path, output: Output) -> anyhow::Result<Exit> {
    let content = ReleaseFile::read(file)?;
    let text =
        format!("intact: {} files as listed, release hash {}", content.entries.len(), content.release.hash());
    output.result(&summary(&content, file), &text);
    Ok(Exit::Done)
}

fn summary(file: &ReleaseFile, path: &Path) -> serde_json::Value {
    json!({ "release": file.release.version, "hash": file.release.hash(), "file": path, "entries": file.entries.len() })
}
