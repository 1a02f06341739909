//! A sample service on a cluster: a database, a namespace of its own, a project folder whose releases are made from it.

use super::registry;
use crate::people::{key, people};
use crate::place::Came;
use nica_effects::process::SecretValue;
use nica_migrate::DbUrl;
use nica_migrate::connect::connect;
use nica_migrate::scratch::ScratchCluster;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

pub(super) struct Shop {
    pub(super) url: DbUrl,
    folder: tempfile::TempDir,
    pub(super) namespace: String,
    kubeconfig: PathBuf,
    context: String,
    person: kube::Client,
    /// What DEV_PASSWORD holds; not set where there is none.
    pub(super) password: Option<SecretValue>,
    /// Which diagnostics `nica` writes; those that it writes by itself where none are named.
    pub(super) log: &'static str,
    /// All that `nica` wrote.
    said: Mutex<String>,
    _cluster: ScratchCluster,
}

/// One that must be seen nowhere.
pub(super) const CANARY: &str = "canary-hunter2-7f3a";

#[allow(clippy::disallowed_methods, reason = "this is where the tests learn of their cluster")]
fn kubeconfig() -> PathBuf {
    let named = std::env::var_os("NICA_TEST_KUBECONFIG").filter(|path| !path.is_empty());
    named.map(PathBuf::from).expect("an API server: ./x test kubernetes, or name one by NICA_TEST_KUBECONFIG")
}

impl Shop {
    pub(super) async fn open() -> Shop {
        let cluster = ScratchCluster::start().await.expect("a scratch cluster starts");
        let url = cluster.create_database("app").await.expect("a database");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kubeconfig = kubeconfig();
        let file = kube::config::Kubeconfig::read_from(&kubeconfig).expect("a kubeconfig");
        let context = file.current_context.clone().expect("a current context");
        let config =
            kube::Config::from_custom_kubeconfig(file, &Default::default()).await.expect("a context");
        let person = kube::Client::try_from(config).expect("a client");
        let namespace = format!("nica-cli-{:08x}", rand::random::<u32>());
        let password = Some(SecretValue::new(CANARY.to_string()));
        let (log, said) = ("", Mutex::default());
        let shop = Shop {
            url,
            folder,
            namespace,
            kubeconfig,
            context,
            person,
            password,
            log,
            said,
            _cluster: cluster,
        };
        let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": shop.namespace } });
        shop.ask("POST", "/api/v1/namespaces", Some(&body)).await.expect("a namespace");
        for part in ["migrations", "seeds"] {
            std::fs::create_dir(shop.path(part)).expect("there is room");
        }
        shop.write("people.toml", &people());
        key(1).write_openssh_file(&shop.path("ana"), ssh_key::LineEnding::LF).expect("there is room");
        shop.configure("");
        shop
    }

    pub(super) async fn close(self) {
        let _ = self.ask("DELETE", &format!("/api/v1/namespaces/{}", self.namespace), None).await;
    }

    /// nica.toml, with this in its environment.
    pub(super) fn configure(&self, more: &str) {
        let (context, namespace, host) = (&self.context, &self.namespace, registry::host());
        let text = format!(
            "[service]\nname = \"shop\"\nmigrations = \"migrations\"\nseeds = \"seeds\"\npeople = \"people.toml\"\n\
             [[component]]\nname = \"web\"\nimage = \"{host}/shop-web\"\n\
             [env.dev]\n{more}\
             target = {{ kind = \"kubernetes\", context = \"{context}\", namespace = \"{namespace}\", manifests = \"shop.yaml\" }}\n\
             validate = {{ bake = \"200ms\", bake_max = \"600ms\", min_samples = 0 }}\n\
             limits = {{ rollout = \"30s\", forward_until = \"120s\", lease_ttl = \"1s\", admit = \"20s\", undo = \"30s\", \
             drain = \"100ms\" }}\n\
             [env.dev.secret.shop-keys]\npassword = {{ env = \"DEV_PASSWORD\" }}\n"
        );
        self.write("nica.toml", &text);
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("there is room");
    }

    /// These objects become a release; YAML takes JSON.
    pub(super) async fn release(&self, version: &str, objects: &[Value]) -> String {
        self.release_of(version, objects, &by_digest(version)).await
    }

    /// The same, of this image.
    pub(super) async fn release_of(&self, version: &str, objects: &[Value], image: &str) -> String {
        let documents: Vec<String> = objects.iter().map(|object| self.placed(object).to_string()).collect();
        self.write("shop.yaml", &documents.join("\n---\n"));
        let file = self.path(&format!("{version}.nica")).display().to_string();
        let image = format!("web={image}");
        let create =
            ["release", "create", "--version", version, "--commit", "c0", "--out", &file, "--image", &image];
        let made = self.nica(&create).await;
        assert_eq!(made.exit, Some(0), "{made:#?}");
        file
    }

    fn placed(&self, object: &Value) -> Value {
        let mut object = object.clone();
        object["metadata"]["namespace"] = json!(self.namespace);
        object
    }

    /// One that goes back, and parks what people wrote there.
    pub(super) fn migration(&self, name: &str, park: &str, (up, down): (&str, &str)) {
        let folder = self.path("migrations").join(name);
        std::fs::create_dir(&folder).expect("a new migration");
        let class = format!("class = \"parking\"\npark = [\"{park}\"]\n");
        for (file, text) in [("up.sql", up), ("down.sql", down), ("migration.toml", &class)] {
            std::fs::write(folder.join(file), text).expect("there is room");
        }
    }

    pub(super) async fn deploy(&self, release: &str) -> Came {
        self.nica(&["deploy", "--env", "dev", "--release", release]).await
    }

    /// Ana waives this finding.
    pub(super) async fn deploy_in_spite_of(&self, release: &str, finding: &str) -> Came {
        let key = self.path("ana").display().to_string();
        let deploy = ["deploy", "--env", "dev", "--release", release, "--waive", finding, "--key", &key];
        self.nica(&[&deploy[..], &["--reason", "it is to be seen", "--until", "1h"]].concat()).await
    }

    pub(super) async fn nica(&self, args: &[&str]) -> Came {
        self.came(self.start(args)).await
    }

    pub(super) async fn came(&self, child: Child) -> Came {
        let output = tokio::task::spawn_blocking(move || child.wait_with_output());
        let output = output.await.expect("waiting does not panic").expect("it is our child");
        let mut said = self.said.lock().expect("no panic while text is added");
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        Came::of(&output)
    }

    /// All that `nica` wrote so far.
    pub(super) fn said(&self) -> String {
        self.said.lock().expect("no panic while text is added").clone()
    }

    pub(super) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("nica starts")
    }

    /// `nica` for people, not started yet.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nica"));
        command.args(args).arg("--config").arg(self.path("nica.toml"));
        command.env("DEV_DATABASE_URL", self.url.to_secret_string()).env("KUBECONFIG", &self.kubeconfig);
        command.env("XDG_CACHE_HOME", self.path("cache")).env("NICA_ACTOR", "bia").env("NICA_LOG", self.log);
        command.env_remove("DEV_PASSWORD");
        command.envs(self.password.iter().map(|value| ("DEV_PASSWORD", value.reveal())));
        command
    }

    pub(super) async fn session(&self) -> Client {
        connect(&self.url, "test").await.expect("a session")
    }

    pub(super) async fn object(&self, component: &str) -> Option<Value> {
        self.ask("GET", &self.url_of(component), None).await.ok()
    }

    pub(super) async fn edit(&self, component: &str, patch: &Value) {
        let path = format!("{}?fieldManager=kubectl", self.url_of(component));
        self.ask("PATCH", &path, Some(patch)).await.expect("it is edited");
    }

    pub(super) async fn label_namespace(&self, key: &str, value: &str) {
        let patch = json!({ "metadata": { "labels": { key: value } } });
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        self.ask("PATCH", &path, Some(&patch)).await.expect("it is labelled");
    }

    pub(super) async fn delete(&self, component: &str) {
        self.ask("DELETE", &self.url_of(component), None).await.expect("it is deleted");
    }

    /// Names of all objects of a kind, sorted.
    pub(super) async fn names(&self, kind: &str) -> Vec<String> {
        let list = self.ask("GET", self.url_of(&format!("{kind}/")).trim_end_matches('/'), None).await;
        let list = list.expect("a list");
        let name = |item: &Value| item["metadata"]["name"].as_str().unwrap_or_default().to_string();
        let mut names: Vec<String> = list["items"].as_array().expect("items").iter().map(name).collect();
        names.sort();
        names
    }

    fn url_of(&self, component: &str) -> String {
        let (kind, name) = component.split_once('/').expect("Kind/name");
        let (group, plural) = match kind {
            "Deployment" => ("apis/apps/v1", "deployments"),
            "StatefulSet" => ("apis/apps/v1", "statefulsets"),
            "Job" => ("apis/batch/v1", "jobs"),
            "Service" => ("api/v1", "services"),
            "Secret" => ("api/v1", "secrets"),
            "Pod" => ("api/v1", "pods"),
            "ConfigMap" => ("api/v1", "configmaps"),
            other => panic!("where {other} is kept nobody wrote here"),
        };
        format!("/{group}/namespaces/{}/{plural}/{name}", self.namespace)
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, kube::Error> {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let bytes = body.map(|body| serde_json::to_vec(body).expect("JSON")).unwrap_or_default();
        let request = http::Request::builder().method(method).uri(path).header("content-type", kind);
        self.person.request(request.body(bytes).expect("a request")).await
    }
}

/// Where the image of this version is; it is pushed there.
pub(super) fn by_digest(version: &str) -> String {
    format!("{}/shop-web@sha256:{}", registry::host(), registry::push(version, "amd64"))
}

/// Up and down.
pub(super) const ORDERS: (&str, &str) = ("CREATE TABLE orders (id int PRIMARY KEY);", "DROP TABLE orders;");

/// Everything that the shop consists of.
pub(super) fn objects(level: &str) -> Vec<Value> {
    vec![settings(level), service(), web(2)]
}

pub(super) fn settings(level: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "shop-settings" }, "data": { "LOG_LEVEL": level } })
}

pub(super) fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }] },
    })
}

pub(super) fn web(replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "replicas": replicas, "selector": { "matchLabels": { "app": "web" } }, "template": pods("web") },
    })
}

/// For simulated nodes.
pub(super) fn pods(name: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": name } },
        "spec": {
            "nodeSelector": { "type": "kwok" },
            "tolerations": [{ "key": "kwok.x-k8s.io/node", "operator": "Exists" }],
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "main", "image": format!("{}/shop-web:dev", registry::host()),
                "envFrom": [{ "configMapRef": { "name": "shop-settings" } }, { "secretRef": { "name": "shop-keys" } }],
                "resources": { "requests": { "cpu": "0.01" } },
            }],
        },
    })
}

/// Until it holds, at the latest after this long.
pub(super) async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
