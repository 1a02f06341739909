//! Whole runs: records in a real Postgres, objects at a real API server, nothing in between but the loop itself.

use super::world::{SOON, World, deployment, inert, title, until};
use nica_effects::carry::{Carried, Memory, carry};
use nica_effects::event::Event;
use nica_effects::failure::Failure;
use nica_effects::hands::{Access, Hands};
use nica_effects::open::{self, NewRun};
use nica_effects::records::control;
use nica_effects::records::run::Judged;
use nica_effects::sight;
use nica_effects::target::{Reach, Vault};
use nica_engine::effect::Desired;
use nica_engine::next::Ending;
use nica_engine::plan::{self, Object, Plan, Target};
use nica_engine::policy::{Limits, Policy, Validate};
use nica_engine::release::{ComponentKind, Release};
use nica_engine::{Digest, canonical};
use nica_migrate::DbUrl;
use nica_migrate::scratch::ScratchCluster;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Manifests of a release, with what the plan has to know of each.
pub(super) struct Manifests(pub Vec<(ComponentKind, Value, u32)>);

impl Manifests {
    fn objects(&self) -> Vec<Object> {
        self.0.iter().map(|(kind, configuration, replicas)| object(*kind, configuration, *replicas)).collect()
    }

    fn texts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let born = self.0.iter().filter_map(|(kind, configuration, _)| born(*kind, configuration));
        let all = self.0.iter().map(|(_, configuration, _)| configuration.clone()).chain(born);
        all.map(|configuration| ("object", canonical::to_bytes(&configuration))).collect()
    }
}

fn object(kind: ComponentKind, configuration: &Value, replicas: u32) -> Object {
    let desired = |configuration: &Value, replicas| Desired {
        kind,
        digest: Digest::of(&canonical::to_bytes(configuration)),
        args: Vec::new(),
        config: BTreeMap::new(),
        secrets: BTreeMap::new(),
        replicas,
        listen: String::new(),
    };
    Object {
        component: title(configuration),
        desired: desired(configuration, replicas),
        inert: born(kind, configuration).map(|born| desired(&born, 0)),
        waits: replicas > 0,
    }
}

fn born(kind: ComponentKind, configuration: &Value) -> Option<Value> {
    if kind != ComponentKind::Workload {
        return None;
    }
    if configuration["kind"] == "Deployment" {
        return Some(inert(configuration));
    }
    let mut born = configuration.clone();
    born["spec"]["suspend"] = json!(true);
    Some(born)
}

pub(super) fn settings(name: &str) -> (ComponentKind, Value, u32) {
    let configuration = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "immutable": true, "data": { "a": name },
    });
    (ComponentKind::Immutable, configuration, 0)
}

pub(super) fn service(port: u16) -> (ComponentKind, Value, u32) {
    let spec = json!({ "selector": { "app": "web" }, "ports": [{ "name": "http", "port": port }] });
    let configuration =
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": spec });
    (ComponentKind::Passive, configuration, 0)
}

/// It says where its metrics are read.
fn counting(mut workload: Value) -> Value {
    let port = json!({ "name": "metrics", "containerPort": 9090 });
    workload["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([port]);
    workload
}

pub(super) fn cron(image: &str) -> (ComponentKind, Value, u32) {
    let pod = json!({ "restartPolicy": "Never", "containers": [{ "name": "main", "image": image }] });
    let configuration = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "tick" },
        "spec": { "schedule": "0 4 1 1 *", "jobTemplate": { "spec": { "template": { "spec": pod } } } },
    });
    (ComponentKind::Workload, configuration, 0)
}

/// Reason, and the log of what it names.
type Turned = (String, Vec<String>);

pub(super) struct Environment {
    pub world: World,
    pub url: DbUrl,
    /// Why runs went back, with the last words of what failed.
    pub turned: Arc<Mutex<Vec<Turned>>>,
}

impl Environment {
    pub(super) fn new(world: World, url: DbUrl) -> Environment {
        Environment { world, url, turned: Arc::default() }
    }

    fn access(&self) -> Access {
        let turned = self.turned.clone();
        Access {
            service: "sample".to_string(),
            env: "dev".to_string(),
            url: self.url.clone(),
            reach: Reach::Kubernetes(self.world.place(), Vault::default()),
            nica: "/bin/false".into(),
            holder: "test".to_string(),
            host: "here".to_string(),
            lease_ttl: Duration::from_secs(15),
            admit_limit: Duration::from_secs(30),
            health_url: None,
            sink: Arc::new(move |event| match event {
                Event::Done { what, undo, .. } => {
                    println!("  {} {what}", if undo { "undone" } else { "done" })
                }
                Event::TurnedBack { reason, log, .. } => {
                    println!("  back: {reason}");
                    turned.lock().expect("nobody panics here").push((reason, log));
                }
                _ => {}
            }),
            stop: Arc::new(AtomicBool::new(false)),
        }
    }

    async fn plan(&self, hands: &mut Hands, version: &str, manifests: &Manifests) -> Result<Plan, Failure> {
        let components = hands.components().await?;
        let sight = sight::look(hands.client_mut(), &components, &[]).await?;
        let (release, objects) = (release(version), manifests.objects());
        let target = Target {
            env: "dev",
            release: &release,
            baseline: sight.control.and_then(|control| control.baseline),
            secrets: &BTreeMap::new(),
            policy: policy(),
            people: Digest::of(b"nobody"),
            projection: sight.projection.hash(),
            objects: Some(&objects),
        };
        Ok(plan::plan(target, &sight.world))
    }

    pub(super) async fn deploy(&self, version: &str, manifests: &Manifests) -> Carried {
        self.attempt(version, manifests).await.expect("it ends")
    }

    pub(super) async fn attempt(&self, version: &str, manifests: &Manifests) -> Result<Carried, Failure> {
        println!("{version}");
        open::genesis(&self.access()).await.expect("the schema");
        let mut hands = Hands::take(self.access()).await.expect("the lease");
        hands.admit_target().await?;
        let plan = self.plan(&mut hands, version, manifests).await?;
        let (texts, judged) = (manifests.texts(), Judged::default());
        let new = NewRun { plan: &plan, starter: "test", texts: &texts, judged: &judged, doomed: None };
        let as_planned = open::open(&mut hands, &new).await?;
        let carried = carry(&mut hands, &mut Memory::drifted(!as_planned)).await;
        hands.release().await;
        carried
    }

    async fn is_empty_plan(&self, version: &str, manifests: &Manifests) -> bool {
        let mut hands = Hands::take(self.access()).await.expect("the lease");
        hands.start_target().await.expect("the API server");
        let plan = self.plan(&mut hands, version, manifests).await.expect("a plan");
        hands.release().await;
        plan.steps.iter().for_each(|step| println!("  left to do: {step:?}"));
        plan.is_empty()
    }

    /// No anchor, and nothing that belongs to one.
    async fn is_at_rest(&self) {
        let maps = format!("/api/v1/namespaces/{}/configmaps", self.world.namespace);
        let maps = self.world.ask("GET", &maps, None).await.expect("a list");
        let named = |item: &Value| item["metadata"]["name"].as_str().unwrap_or_default().to_string();
        let names: BTreeSet<String> = maps["items"].as_array().expect("items").iter().map(named).collect();
        assert!(names.iter().all(|name| !name.starts_with("nica-run-")), "{names:?}");
    }
}

fn release(version: &str) -> Release {
    Release {
        format: 1,
        service: "sample".to_string(),
        version: version.to_string(),
        commit: "c".to_string(),
        commits: Vec::new(),
        components: Vec::new(),
        migrations: Vec::new(),
        seeds: Vec::new(),
        config: BTreeMap::new(),
        manifests: BTreeMap::new(),
    }
}

/// Pods of simulated nodes answer no scrape: a workload that declares metrics cannot be judged, and the run goes back.
fn policy() -> Policy {
    let validate = Validate {
        bake: Duration::from_millis(200),
        bake_max: Duration::from_millis(600),
        error_ratio: None,
        min_samples: 5,
        probes_per_second: 0,
        ..Validate::default()
    };
    Policy {
        after: BTreeSet::new(),
        soak: Duration::ZERO,
        approvals: 0,
        signers: BTreeMap::new(),
        validate,
        limits: Limits::default(),
        windows: Default::default(),
    }
}

pub(super) fn ended(carried: &Carried) -> Option<Ending> {
    match carried {
        Carried::Settled { ending, .. } => Some(*ending),
        _ => None,
    }
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_live_and_the_next_one_goes_back_whole() {
    let world = World::new("a release goes live and the next one goes back").await;
    let database = ScratchCluster::start().await.expect("a scratch cluster starts");
    let url = database.create_database("records").await.expect("a database");
    let env = Environment::new(world, url);

    let first = Manifests(vec![settings("settings-a"), service(80), cron("tick@1")]);
    let carried = env.deploy("1.0.0", &first).await;
    assert_eq!(ended(&carried), Some(Ending::Live), "{carried:?}");
    env.is_at_rest().await;
    let before = env.world.object("Service/web").await.expect("it is live");
    assert_eq!(before["metadata"].get("ownerReferences"), None);
    let tick = env.world.object("CronJob/tick").await.expect("it is live");
    assert_ne!(tick["spec"]["suspend"], json!(true), "it was made effective");
    assert!(env.is_empty_plan("1.0.0", &first).await, "the same again is nothing to do");

    let web = (ComponentKind::Workload, counting(deployment("web", "web@2", Some(2))), 2);
    let second = Manifests(vec![settings("settings-b"), service(81), cron("tick@2"), web]);
    let carried = env.deploy("2.0.0", &second).await;
    assert_eq!(ended(&carried), Some(Ending::Back), "{carried:?}");
    env.is_at_rest().await;
    assert_eq!(env.world.object("Deployment/web").await, None, "what it created is gone");
    assert_eq!(env.world.object("ConfigMap/settings-b").await, None, "what it created is gone");
    let after = env.world.object("Service/web").await.expect("it is live");
    assert_eq!(after["spec"], before["spec"], "what it changed is as it was");
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"], "and the very same");
    let tick = env.world.object("CronJob/tick").await.expect("it is live");
    let image = tick.pointer("/spec/jobTemplate/spec/template/spec/containers/0/image");
    assert_eq!(image, Some(&json!("tick@1")));
    assert!(env.is_empty_plan("1.0.0", &first).await, "the baseline is what is there");

    // A release that drops something, whose immutable content is left until nobody may need it.
    // And one that declares no metrics: being ready is all that can be asked of it.
    let web = (ComponentKind::Workload, deployment("web", "web@3", Some(2)), 2);
    let third = Manifests(vec![settings("settings-c"), service(82), web]);
    let carried = env.deploy("3.0.0", &third).await;
    assert_eq!(ended(&carried), Some(Ending::Live), "{carried:?}");
    assert_eq!(env.world.object("CronJob/tick").await, None, "it was dropped");
    assert!(env.world.object("ConfigMap/settings-a").await.is_some(), "the way back may need it");
    assert_eq!(env.world.object("Deployment/web").await.expect("it is live")["status"]["readyReplicas"], 2);
    let carried = env.deploy("4.0.0", &Manifests(vec![settings("settings-d"), service(82)])).await;
    assert_eq!(ended(&carried), Some(Ending::Live), "{carried:?}");
    until("settings two releases old are collected", SOON, async || {
        env.world.object("ConfigMap/settings-a").await.is_none()
    })
    .await;
    assert!(env.world.object("ConfigMap/settings-c").await.is_some(), "what was live before stays");
    env.world.end().await;
}

#[ignore = "needs an API server: ./x test kubernetes"]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_changes_or_deletes_while_nothing_runs_is_drift() {
    let world = World::new("what a person changes is drift").await;
    let database = ScratchCluster::start().await.expect("a scratch cluster starts");
    let url = database.create_database("records").await.expect("a database");
    let env = Environment::new(world, url);
    let release = Manifests(vec![settings("settings-a"), service(80)]);
    let carried = env.deploy("1.0.0", &release).await;
    assert_eq!(ended(&carried), Some(Ending::Live), "{carried:?}");
    env.world.edit("Service/web", &json!({ "spec": { "ports": [{ "name": "http", "port": 99 }] } })).await;
    assert!(!env.is_empty_plan("1.0.0", &release).await, "an edit is something to do");
    let carried = env.deploy("1.0.1", &release).await;
    println!("{carried:?}");
    assert_eq!(ended(&carried), Some(Ending::Live), "{carried:?}");
    let object = env.world.object("Service/web").await.expect("it is live");
    assert_eq!(object["spec"]["ports"][0]["port"], 80, "it was put back");
    let control = control::read(&nica_migrate::connect(&env.url, "test").await.expect("a session")).await;
    assert!(control.expect("the control row").expect("it is managed").baseline.is_some());
    env.world.end().await;
}
