//! `./x demo`: real releases travel to prod on this machine while people use the service, good ones and bad ones.
//!
//! A driver and a judge from outside: it runs the programs that anybody would run, reads what anybody could read, and
//! shares no code with what it shows. It leaves nothing behind, however it ends.

mod build;
mod delivery;
pub(crate) mod http;
mod judge;
mod nica;
mod people;
mod place;
mod postgres;
mod report;
mod story;
mod table;
mod tally;
#[cfg(test)]
mod testing;
mod traffic;
mod workspace;
mod writer;

pub(crate) use build::{Profile, nica as build_nica, plain_service};
pub(crate) use judge::{is_ready, version};
pub(crate) use nica::Nica;
pub(crate) use place::Place;
pub(crate) use postgres::Postgres;
pub(crate) use workspace::copy_folder;

use crate::ci;
use anyhow::{Context as _, Result};
use delivery::Delivery;
use report::Report;
use std::fs;
use story::Story;
use workspace::{EDITIONS, ENVIRONMENTS, Keys, STARTER};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// End with one JSON object on stdout; the story goes to stderr
    #[arg(long)]
    json: bool,
    /// Build quickly instead of as shipped, for work on the demo itself
    #[arg(long, hide = true)]
    dev: bool,
    /// Leave everything running to look around, and say how to stop it
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let place = Place::make()?;
    let told = tell(options, &place);
    let told = match told {
        Ok(report) => report,
        Err(error) => {
            leave(options, place)?;
            return Err(error);
        }
    };
    let cleaned_up = leave(options, place)?;
    let report = Report { cleaned_up, ..told };
    if options.json {
        println!("{}", serde_json::to_string(&report).context("write the report")?);
    }
    Ok(report.holds() || options.keep)
}

/// Clears the place, or keeps it and says how to stop it.
fn leave(options: &Options, place: Place) -> Result<bool> {
    if !options.keep {
        return place.clear();
    }
    let folder = place.folder.display().to_string();
    let stop = place.keep()?;
    eprintln!("\nleft running in {folder}; stop it with: {stop}");
    Ok(false)
}

fn tell(options: &Options, place: &Place) -> Result<Report> {
    let show = |line: &str| if options.json { eprintln!("{line}") } else { println!("{line}") };
    for folder in ["bin", "logs", "releases", "run", "state"] {
        fs::create_dir(place.folder.join(folder)).with_context(|| format!("make folder {folder}"))?;
    }
    let keys = Keys::make(place)?;
    eprintln!("building nica and {} releases of the service from this checkout", EDITIONS.len());
    let profile = if options.dev { Profile::Dev } else { Profile::Release };
    let program = build::nica(profile, &place.folder.join("bin"))?;
    for edition in build::ORDER.iter().map(|number| &EDITIONS[*number]) {
        build::service(profile, edition, place)?;
        edition.write_policy(place, &keys)?;
    }
    let results = place.folder.join("ci.json");
    ci::quick_report(&results)?;

    let postgres = Postgres::start(place)?;
    let nica = actor(place, program, &postgres)?;
    let delivery = Delivery { place, postgres: &postgres, keys: &keys, nica: &nica };
    for edition in &EDITIONS {
        delivery.make_release(edition, &results)?;
    }
    Story::new(delivery, &show).tell()
}

/// `nica` with the variables of whoever starts deploys: databases, secrets, name.
fn actor(place: &Place, program: std::path::PathBuf, postgres: &Postgres) -> Result<Nica> {
    let mut nica = Nica::new(program, place.folder.clone(), place.folder.join("logs"));
    let mut set = |name: String, value: String| nica.variables.push((name, value));
    set("NICA_ACTOR".into(), STARTER.into());
    set("XDG_RUNTIME_DIR".into(), place.folder.join("run").display().to_string());
    for env in ENVIRONMENTS {
        let database = format!("nica_{env}");
        postgres.create_database(&database)?;
        set(format!("{}_DATABASE_URL", env.to_uppercase()), postgres.url(&database));
        let secret: [u8; 32] = rand::random();
        set(format!("{}_AUTH_SECRET", env.to_uppercase()), secret.map(|byte| format!("{byte:02x}")).concat());
    }
    Ok(nica)
}
