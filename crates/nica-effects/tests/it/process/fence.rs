//! Who may write: the fence only rises, a duplicate changes nothing, another environment is another target.

use super::world::{COMPONENT, World, example, identity, refusal};
use nica_effects::process::{Identity, Limits, Refusal, Set, TargetClient};
use rustix::process::Signal;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lower_fence_is_refused_also_by_the_next_supervisor() {
    let mut world = World::new().await;
    let release = world.release(1, "").await;
    world.client.admit(7).await.expect("it rises");
    world.client.admit(7).await.expect("an equal one is admitted again");
    for killed in [false, true] {
        if killed {
            world.signal("supervise", Signal::KILL);
            world.restart().await;
        }
        assert_eq!(refusal(world.client.admit(6).await.unwrap_err()), Refusal::Superseded { highest: 7 });
        world.fence = 6;
        assert_eq!(refusal(world.set(Some(&release)).await.unwrap_err()), Refusal::Superseded { highest: 7 });
        assert_eq!(refusal(world.client.gc(6).await.unwrap_err()), Refusal::Superseded { highest: 7 });
        assert_eq!(world.client.hello().await.expect("answers").fence, 7);
    }
    assert_eq!(world.seen().await.desired, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_decided_on_another_generation_is_refused() {
    let mut world = World::new().await;
    let (first, second) = (world.release(1, "").await, world.release(2, "").await);
    world.roll(&first).await;
    let late = Set {
        fence: 1,
        key: "run/late".into(),
        component: COMPONENT.into(),
        desired: Some(second.clone()),
        expected: None,
        limits: Limits::default(),
    };
    let refused = refusal(world.client.set(late).await.unwrap_err());
    assert_eq!(refused, Refusal::Duplicate { current: Some(first.generation()) });
    assert_eq!(world.seen().await.desired, Some(first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_environment_is_refused_by_name() {
    let world = World::new().await;
    let other = Identity { env_id: "ffff".into(), ..identity() };
    let nica = example("process_target");
    let error =
        TargetClient::connect_or_start(&world.state, &nica, &other).await.expect_err("it is not ours");
    assert!(error.to_string().contains("belongs to nica/test (0d1e)"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_in_the_store_cannot_be_set() {
    let mut world = World::new().await;
    let mut release = world.release(1, "").await;
    release.digest = nica_engine::Digest::of(b"never put");
    assert!(matches!(refusal(world.set(Some(&release)).await.unwrap_err()), Refusal::Invalid(_)));
    assert_eq!(world.seen().await.desired, None);
}
