//! What people would sign for a stuck run: which release counts as live, and what stays.

use super::scene::{
    API, At, COMMIT, DELETE, PARKING, STICKY, Scene, back, components_are_back, forward, generation,
};
use nica_engine::acceptance::{Acceptance, Stuck, Unacceptable};
use nica_engine::canonical::Digest;
use nica_engine::plan::Status;
use nica_engine::world::AnchorSeen;

fn accept(scene: &Scene) -> Result<Acceptance, Unacceptable> {
    let stuck = Stuck { run: "prod-1", plan: &scene.plan, statuses: &scene.statuses };
    Acceptance::of(stuck, &scene.world, Digest::of(b"seen"), " mended by hand ")
}

/// `1: api=old×1 old=old×1 | 0001_lossless …`: version, components as they are asked for, migrations that stay.
fn says(scene: &Scene) -> String {
    let acceptance = match accept(scene) {
        Ok(acceptance) => acceptance,
        Err(error) => return error.to_string(),
    };
    let named = |name: &str, g| ["old", "new"].into_iter().find(|which| generation(name, which) == g);
    let live = acceptance.live.map_or("nothing".to_string(), |live| {
        let component = |(name, d): (&String, &nica_engine::effect::Desired)| {
            format!(" {name}={}×{}", named(name, d.generation()).unwrap_or("?"), d.replicas)
        };
        format!("{}:{}", live.version, live.components.iter().map(component).collect::<String>())
    });
    format!("{live} | {}", acceptance.stays.join(" "))
}

#[test]
fn the_release_that_counts_as_live_is_the_one_that_is_asked_for() {
    let check = |scene: Scene, expected: &str| assert_eq!(says(&scene), expected, "{:?}", scene.world);
    let all = "0001_lossless 0002_parking 0003_sticky";
    check(components_are_back(At::Serving), &format!("1: api=old×1 old=old×1 | {all}"));
    check(
        components_are_back(At::Serving).step_is_gone(PARKING),
        "1: api=old×1 old=old×1 | 0001_lossless 0003_sticky",
    );
    // Half-built is there too: whoever accepts it has to know.
    check(components_are_back(At::Open).half_built(STICKY), "1: api=old×1 old=old×1 | 0003_sticky");
    // A part of the new release is asked for: it did not go live, so it does not count as live.
    check(back(At::Serving), &format!("1: api=new×1 old=old×1 reader=new×1 | {all}"));
    // All of it is, and what it dropped is gone.
    check(back(At::Serving).runs("old", None, &[]), &format!("2: api=new×1 reader=new×1 | {all}"));
    // Committed: there is no way back to the old one, whatever could not be deleted.
    let committed = forward(At::Committed).is(COMMIT, Status::Done).is(DELETE, Status::Started);
    check(committed, &format!("2: api=new×1 old=old×1 reader=new×1 | {all}"));
    // Somebody scaled it: that is accepted as well.
    let scaled =
        components_are_back(At::Open).sees(|w| w.components.get_mut("api").expect("it runs").replicas = 3);
    check(scaled, "1: api=old×3 old=old×1 | ");
}

#[test]
fn of_a_first_deploy_nothing_is_left_or_the_new_release_is() {
    let check = |scene: Scene, expected: &str| assert_eq!(says(&scene), expected, "{:?}", scene.world);
    let gone = |scene: Scene| scene.first_deploy().runs("reader", None, &[]);
    check(gone(back(At::Migrated)), "nothing | 0001_lossless 0002_parking 0003_sticky");
    let half = gone(back(At::Migrated)).runs("api", Some("new"), &["new"]);
    check(half, "2: api=new×1 | 0001_lossless 0002_parking 0003_sticky");
}

#[test]
fn what_no_release_of_the_run_knows_cannot_be_accepted() {
    let stranger = components_are_back(At::Serving).runs("api", Some("third"), &["third"]);
    let generation = generation("api", "third").to_string();
    assert_eq!(accept(&stranger), Err(Unacceptable::Stranger { component: "api".into(), generation }));
}

#[test]
fn what_still_belongs_to_the_run_cannot_be_accepted() {
    let owned = components_are_back(At::Serving).sees(|w| w.anchor = AnchorSeen::There);
    assert_eq!(accept(&owned), Err(Unacceptable::Anchored("nica-run-prod-1".to_string())));
}

#[test]
fn a_reason_is_part_of_what_is_signed_and_so_is_everything_that_was_seen() {
    let scene = components_are_back(At::Serving).is(API, Status::Undone);
    let signed = accept(&scene).expect("acceptable");
    assert_eq!(signed.reason, "mended by hand");
    let stuck = Stuck { run: "prod-1", plan: &scene.plan, statuses: &scene.statuses };
    let other = |projection: &[u8], reason| {
        Acceptance::of(stuck, &scene.world, Digest::of(projection), reason).map(|a| a.hash())
    };
    assert_eq!(other(b"seen", "mended by hand"), Ok(signed.hash()));
    assert_ne!(other(b"moved", "mended by hand"), Ok(signed.hash()));
    assert_ne!(other(b"seen", "mended"), Ok(signed.hash()));
    assert_eq!(other(b"seen", " "), Err(Unacceptable::NoReason));
}
