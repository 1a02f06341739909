//! `./x image`: the images of the service, built from their Dockerfiles without a daemon and without a public registry.
//!
//! Bases come from Debian's packages (`bases`), building is buildah's (`build`), what is built lies in a store of our own
//! (`store`) and can be pushed to a registry on loopback (`registry`). What cannot be had on a machine is an answer, so
//! that tests can say *skipped*.

mod bases;
mod build;
#[cfg(test)]
mod compose;
mod program;
mod prove;
mod registry;
mod store;
mod tools;

pub(crate) use prove::suite;

use crate::ci;
use anyhow::{Context as _, Result};
use build::{Base, Built, Way};
use registry::Registry;
use std::net::SocketAddr;
use std::path::PathBuf;
use store::Store;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Backend,
    Frontend,
}

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which; without it both
    kind: Option<Kind>,
    /// What they call themselves; also the tag
    #[arg(long, default_value = "0.0.0-dev")]
    version: String,
    /// What the backend stands on
    #[arg(long, value_enum, default_value = "distroless")]
    base: Base,
    /// Compile inside, as the Dockerfile says; else the program is built here and put where its first stage would
    #[arg(long)]
    whole: bool,
    /// Push to a registry that runs on this machine
    #[arg(long, value_name = "ADDRESS")]
    push: Option<SocketAddr>,
    /// Start a registry there, push, and serve it until Ctrl-C
    #[arg(long, value_name = "ADDRESS", conflicts_with = "push")]
    serve: Option<SocketAddr>,
    /// Write each image to FOLDER/nica-KIND.tar, as `docker load` reads it
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
}

impl Kind {
    pub(crate) const ALL: [Kind; 2] = [Kind::Backend, Kind::Frontend];

    /// Of the repository and the image.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Backend => "nica-backend",
            Kind::Frontend => "nica-frontend",
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let tools = match tools::obtain(true)? {
        Ok(tools) => tools,
        Err(why) => {
            println!("not available: {why}");
            return Ok(false);
        }
    };
    let store = Store::open()?;
    let registry = options.serve.map(|at| Registry::start(&tools, at)).transpose()?;
    let (commit, kinds) = (ci::commit()?, options.kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]));
    for kind in kinds {
        let way = if options.whole || kind == Kind::Frontend { Way::Whole } else { Way::built_here(true) };
        let wanted =
            build::Wanted { kind, base: options.base, way, version: &options.version, commit: &commit };
        let built = build::build(&store, &wanted)?;
        tell(&built);
        if let Some(at) = options.push.or(options.serve) {
            println!("  {}", registry::push(&store, &built, at)?);
        }
        if let Some(folder) = &options.save {
            println!("  {}", store.save(&built, folder)?.display());
        }
    }
    match registry {
        Some(registry) => registry.stay().map(|()| true),
        None => Ok(true),
    }
}

fn tell(built: &Built) {
    println!("{}\n  {} · {}\n  {:.1} s", built.name, built.how, built.id, built.seconds);
}

/// Where nothing is that could not be made again.
fn cache() -> Result<PathBuf> {
    let folder = crate::config::cache().join("images");
    std::fs::create_dir_all(&folder).with_context(|| format!("make folder {}", folder.display()))?;
    Ok(folder)
}
