//! `./x test images`: both images are built, looked into, run, pushed, and run again by a real kubelet.
//!
//! Each case is one check. What cannot be had on this machine is skipped with the reason in the summary: all of it
//! without buildah and podman, the last one without a cluster.

mod contents;
mod planted;
mod pod;
mod running;
mod settings;

use super::build::{self, Base, Built, Wanted, Way};
use super::registry::Registry;
use super::store::Store;
use super::{Kind, tools};
use crate::cluster::Judge;
use crate::demo::{Place, Postgres};
use crate::suite::Counts;
use anyhow::{Context as _, Result, ensure};

/// What the images of this suite call themselves.
const VERSION: &str = "2026.11.0-test";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const CASES: u64 = 11;

struct Scene {
    store: Store,
    registry: Registry,
    place: Place,
    postgres: Postgres,
    backend: Built,
    frontend: Built,
}

/// Counts, and why something was not checked if anything was not.
pub(crate) fn suite(asked: bool) -> Result<(Counts, Option<String>)> {
    let tools = match tools::obtain(asked)? {
        Ok(tools) => tools,
        Err(why) => return Ok((Counts { skipped: CASES, ..Counts::default() }, Some(why.to_string()))),
    };
    let mut judge = Judge::default();
    let store = Store::open()?;
    let Some(backend) = judge.gives("the_backend_image_is_built_on_a_base_without_a_shell", || {
        built(&store, Kind::Backend, Base::Distroless)
    }) else {
        return Ok((judge.counts, None));
    };
    let Some(frontend) = judge.gives("the_frontend_image_is_built_from_debians_packages", || {
        built(&store, Kind::Frontend, Base::Slim)
    }) else {
        return Ok((judge.counts, None));
    };
    let place = Place::make()?;
    let postgres = Postgres::start(&place)?;
    let registry = Registry::on_loopback(&tools)?;
    let mut scene = Scene { store, registry, place, postgres, backend, frontend };
    let why = scene.play(&mut judge, asked);
    scene.end()?;
    Ok((judge.counts, why?))
}

fn built(store: &Store, kind: Kind, base: Base) -> Result<(Built, String)> {
    let way = if kind == Kind::Backend { Way::built_here(false) } else { Way::Whole };
    let built = build::build(store, &Wanted { kind, base, way, version: VERSION, commit: COMMIT })?;
    let said = built.how.to_string();
    Ok((built, said))
}

impl Scene {
    /// Gives back why the cluster's case was skipped, if it was.
    fn play(&mut self, judge: &mut Judge, asked: bool) -> Result<Option<String>> {
        for built in [&self.backend, &self.frontend] {
            let what =
                format!("{}_says_user_probe_labels_entry_and_signal", built.kind.name().replace('-', "_"));
            judge.case(&what, || settings::are_right(&self.store, built));
        }
        judge.case("a_planted_mistake_in_a_dockerfile_is_seen_in_its_image", || planted::are_seen(self));
        judge.case("nothing_can_be_run_in_it_but_the_program_and_nothing_belongs_to_its_user", || {
            contents::are_right(&self.store, &self.backend)
        });
        judge.case("read_only_and_without_rights_it_migrates_serves_and_ends_in_time", || {
            running::backend(self)
        });
        judge.case("one_site_serves_two_environments_each_with_its_own_api", || running::frontend(self));
        judge.case("a_site_that_is_told_nonsense_says_so_and_ends", || running::misled_frontend(self));
        let pushed =
            judge.gives("a_release_takes_the_digests_that_the_registry_gave", || pod::released(self));
        let Some(released) = pushed else {
            judge.counts.skipped += 1;
            return Ok(None);
        };
        pod::case(self, &released, judge, asked)
    }

    fn end(self) -> Result<()> {
        self.store.clear()?;
        self.registry.end()?;
        ensure!(self.place.clear().context("clear up")?, "find nothing left of this suite");
        Ok(())
    }
}
