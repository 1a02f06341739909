//! A namespace of one's own, deployers in it, and a person who does as people do.

use nica_effects::kubernetes::{
    AnchorSeen, Cluster, ClusterError, Kept, ObjectSeen, Owner, Place, Scope, Sighting, Wanted, Written,
};
use nica_engine::effect::Desired;
use nica_engine::release::ComponentKind;
use nica_engine::{Digest, canonical};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(super) struct World {
    kubeconfig: PathBuf,
    pub namespace: String,
    /// Acts as a person with kubectl.
    pub person: kube::Client,
    configurations: BTreeMap<Digest, Value>,
    /// Nobody takes the API server away while others need it.
    _peace: Option<Peace>,
}

/// Held by whoever uses the API server; for writing by whoever restarts it.
static USERS: RwLock<()> = RwLock::const_new(());

enum Peace {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

#[allow(clippy::disallowed_methods, reason = "this is where the tests learn of their cluster")]
fn kubeconfig() -> Option<PathBuf> {
    std::env::var_os("NICA_TEST_KUBECONFIG").filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn named(test: &str) -> PathBuf {
    let needs =
        || panic!("{test} needs an API server: ./x test kubernetes, or name one by NICA_TEST_KUBECONFIG");
    kubeconfig().unwrap_or_else(needs)
}

impl World {
    pub(super) async fn new(test: &str) -> World {
        World::at(named(test), Peace::Shared { _guard: USERS.read().await }).await
    }

    /// As `new`, while nobody else uses the API server.
    pub(super) async fn alone(test: &str) -> World {
        World::at(named(test), Peace::Alone { _guard: USERS.write().await }).await
    }

    async fn at(kubeconfig: PathBuf, peace: Peace) -> World {
        let namespace = format!("nica-it-{:08x}", rand::random::<u32>());
        let person = person(&kubeconfig).await;
        let (configurations, _peace) = (BTreeMap::new(), Some(peace));
        let world = World { kubeconfig, namespace, person, configurations, _peace };
        let body =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": world.namespace } });
        world.ask("POST", "/api/v1/namespaces", Some(&body)).await.expect("a namespace");
        world
    }

    pub(super) async fn end(self) {
        let _ = self.ask("DELETE", &format!("/api/v1/namespaces/{}", self.namespace), None).await;
    }

    /// The same world in other hands.
    pub(super) async fn twin(&self) -> World {
        World {
            kubeconfig: self.kubeconfig.clone(),
            namespace: self.namespace.clone(),
            person: self.person.clone(),
            configurations: self.configurations.clone(),
            _peace: None,
        }
    }

    /// The process of the API server, where it runs on this machine: the one that is bound to the kubeconfig's address.
    pub(super) fn api_server(&self) -> Option<ApiServer> {
        let text = std::fs::read_to_string(&self.kubeconfig).ok()?;
        let address = text.split("https://").nth(1)?.split(|c: char| c == '"' || c.is_whitespace()).next()?;
        let (host, port) = address.rsplit_once(':')?;
        let wanted = [format!("--bind-address={host}"), format!("--secure-port={port}")];
        let is_it = |pid: &i32| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut words = line.split('\0');
            words.next().is_some_and(|program| program.ends_with("/kube-apiserver"))
                && wanted.iter().all(|word| line.split('\0').any(|w| w == word))
        };
        let pids = std::fs::read_dir("/proc").ok()?;
        let mut pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        pids.find(is_it).map(ApiServer)
    }

    /// Where the nodes look for a registry on this machine.
    #[allow(clippy::disallowed_methods, reason = "this is where the tests learn of their cluster")]
    pub(super) fn machine(&self) -> String {
        let host =
            std::env::var("NICA_CLUSTER_HOST").expect("NICA_CLUSTER_HOST, as `./x cluster env` prints it");
        format!("{host}:5000")
    }

    pub(super) async fn deployer(&self) -> Cluster {
        let place = self.place();
        let owner = Owner { service: "sample".to_string(), env_id: Some("env-1".to_string()) };
        Cluster::connect(place, owner).await.expect("a kubeconfig that can be read")
    }

    pub(super) fn place(&self) -> Place {
        let (kubeconfig, namespace) = (Some(self.kubeconfig.clone()), self.namespace.clone());
        Place { kubeconfig, context: None, namespace }
    }

    /// A configuration as the records hold it, and the desired state that names it.
    pub(super) fn desired(&mut self, configuration: &Value, replicas: u32) -> Desired {
        let digest = Digest::of(&canonical::to_bytes(configuration));
        self.configurations.insert(digest.clone(), configuration.clone());
        Desired {
            kind: ComponentKind::Image,
            digest,
            args: Vec::new(),
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            replicas,
            listen: String::new(),
        }
    }

    pub(super) async fn see(
        &self,
        cluster: &Cluster,
        fence: i64,
        scope: &Scope,
    ) -> Result<Sighting, ClusterError> {
        cluster.observe(Some(fence), scope, &self.configurations).await
    }

    /// One component, as a deployer of this fence sees it.
    pub(super) async fn seen(&self, cluster: &Cluster, fence: i64, component: &str) -> Option<ObjectSeen> {
        let sighting = self.see(cluster, fence, &scope([component])).await.expect("a look");
        sighting.components.get(component).cloned()
    }

    pub(super) async fn kept(&self, cluster: &Cluster, fence: i64, component: &str) -> Kept {
        let seen = self.seen(cluster, fence, component).await.expect("it is there");
        seen.kept.expect("there is an object")
    }

    /// Create under a new anchor and make it effective, as a run does; the anchor stays.
    pub(super) async fn bring(
        &mut self,
        cluster: &Cluster,
        fence: i64,
        (anchor, configuration, replicas): (&(String, AnchorSeen), &Value, u32),
    ) -> Desired {
        let desired = self.desired(configuration, replicas);
        let component = title(configuration);
        let born =
            if configuration["kind"] == "Deployment" { inert(configuration) } else { configuration.clone() };
        let inert = self.desired(&born, 0);
        let wanted = Wanted { component: &component, desired: &inert, configuration: &born, fence };
        cluster.create(wanted, (&anchor.0, &anchor.1)).await.expect("it is created");
        if replicas > 0 {
            self.ask_for(cluster, fence, (configuration, replicas)).await;
        }
        desired
    }

    /// As the loop does it: what changed between look and write is looked at again.
    pub(super) async fn ask_for(
        &mut self,
        cluster: &Cluster,
        fence: i64,
        (configuration, replicas): (&Value, u32),
    ) -> Written {
        for _ in 0..30 {
            let kept = self.kept(cluster, fence, &title(configuration)).await;
            match self.set(cluster, fence, (configuration, replicas), &kept).await {
                Err(ClusterError::Stale { .. }) => {}
                set => return set.expect("it is set"),
            }
        }
        panic!("{} changes all the time", title(configuration));
    }

    /// Ask for a configuration on what was read.
    pub(super) async fn set(
        &mut self,
        cluster: &Cluster,
        fence: i64,
        (configuration, replicas): (&Value, u32),
        kept: &Kept,
    ) -> Result<Written, ClusterError> {
        let desired = self.desired(configuration, replicas);
        let component = title(configuration);
        cluster.set(Wanted { component: &component, desired: &desired, configuration, fence }, kept).await
    }

    pub(super) fn path(&self, component: &str) -> String {
        let (kind, name) = component.split_once('/').expect("Kind/name");
        let (group, plural) = match kind {
            "Deployment" => ("apis/apps/v1", "deployments"),
            "CronJob" => ("apis/batch/v1", "cronjobs"),
            "Service" => ("api/v1", "services"),
            "Secret" => ("api/v1", "secrets"),
            _ => ("api/v1", "configmaps"),
        };
        format!("/{group}/namespaces/{}/{plural}/{name}", self.namespace)
    }

    /// The object as it is; none where it is not there.
    pub(super) async fn object(&self, component: &str) -> Option<Value> {
        self.ask("GET", &self.path(component), None).await.ok()
    }

    pub(super) async fn delete(&self, component: &str) {
        self.ask("DELETE", &self.path(component), None).await.expect("it is deleted");
    }

    /// As `kubectl edit` does.
    pub(super) async fn edit(&self, component: &str, patch: &Value) -> Value {
        let path = format!("{}?fieldManager=kubectl", self.path(component));
        self.ask("PATCH", &path, Some(patch)).await.expect("it is edited")
    }

    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, kube::Error> {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let bytes = body.map(|body| serde_json::to_vec(body).expect("JSON")).unwrap_or_default();
        let request = http::Request::builder().method(method).uri(path).header("content-type", kind);
        self.person.request(request.body(bytes).expect("a request")).await
    }
}

/// Whoever started it starts it again.
pub(super) struct ApiServer(i32);

impl ApiServer {
    pub(super) fn kill(&self) {
        let pid = rustix::process::Pid::from_raw(self.0).expect("it was found");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is killed");
    }
}

async fn person(kubeconfig: &std::path::Path) -> kube::Client {
    let file = kube::config::Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(file, &Default::default()).await.expect("a context");
    kube::Client::try_from(config).expect("a client")
}

pub(super) fn scope<const N: usize>(components: [&str; N]) -> Scope {
    Scope {
        components: components.iter().map(|name| (*name).to_string()).collect(),
        anchor: None,
        ..Scope::default()
    }
}

pub(super) fn title(configuration: &Value) -> String {
    let text = |pointer| configuration.pointer(pointer).and_then(Value::as_str).expect("it has one");
    format!("{}/{}", text("/kind"), text("/metadata/name"))
}

pub(super) fn config_map(name: &str, value: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "key": value } })
}

pub(super) fn deployment(name: &str, image: &str, replicas: Option<u32>) -> Value {
    let labels = json!({ "app": name });
    let toleration = json!({ "key": "kwok.x-k8s.io/node", "operator": "Exists" });
    let mut made = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "nodeSelector": { "type": "kwok" },
                    "tolerations": [toleration],
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{
                        "name": "main", "image": image, "resources": { "requests": { "cpu": "0.01" } },
                        // Simulated pods pass it; without one the tracker makes each wait for ten seconds.
                        "readinessProbe": { "exec": { "command": ["true"] } },
                    }],
                },
            },
        },
    });
    if let Some(replicas) = replicas {
        made["spec"]["replicas"] = json!(replicas);
    }
    made
}

pub(super) fn inert(configuration: &Value) -> Value {
    let mut inert = configuration.clone();
    inert["spec"]["replicas"] = json!(0);
    inert
}

/// Until it holds, at the latest after this long.
pub(super) async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    begun.elapsed()
}

pub(super) const SOON: Duration = Duration::from_secs(30);
