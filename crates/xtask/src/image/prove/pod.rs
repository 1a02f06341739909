//! The project's own manifests with these images, by digest, on a real kubelet in a namespace that admits only what is
//! "restricted".

use super::running::get;
use super::{COMMIT, Scene, VERSION};
use crate::cluster::{self, Judge, Running, Wanted, Wish};
use crate::demo::{self, Profile};
use crate::kill::proc;
use crate::repo;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const CASE: &str = "a_real_kubelet_pulls_them_by_digest_and_runs_them_restricted";
const NAMESPACE: &str = "nica-dev";
const DATABASE: &str = "nica_pods";
const LIMIT: Duration = Duration::from_secs(120);
/// A Service that was just made refuses for a second after its pods are ready.
const SERVICE_LIMIT: Duration = Duration::from_secs(30);
/// Where manifests and policy of the checkout say that images come from.
const ELSEWHERE: &str = "registry.example/";

/// What a release is made of.
pub(super) struct Released {
    backend: String,
    frontend: String,
    /// The objects as they are applied, without those that are secrets.
    objects: Vec<Value>,
    /// By its content, or what stands for that where nobody knows it.
    secret: String,
}

/// Pushes both, makes a release from the checkout's manifests, and reads the digests back from its objects.
pub(super) fn released(scene: &Scene) -> Result<(Released, String)> {
    let at = scene.registry.at;
    let (backend, frontend) = (
        scene.registry.push(&scene.store, &scene.backend)?,
        scene.registry.push(&scene.store, &scene.frontend)?,
    );
    let sources = sources(&scene.place.folder, at)?;
    let nica = demo::build_nica(Profile::Dev, &scene.place.folder)?;
    let file = scene.place.folder.join("images.nica");
    let run = |words: &[&str]| {
        let mut command = Command::new(&nica);
        command.current_dir(sources.join("infra/k8s")).args(words);
        proc::must_succeed(&mut command, &format!("run `nica {}`", words.join(" ")))
    };
    let file = file.display().to_string();
    run(&["release", "create", "--version", VERSION, "--commit", COMMIT, "--out", &file])?;
    let text = run(&["release", "show", &file, "--env", "dev"])?;
    for reference in [&backend, &frontend] {
        ensure!(text.contains(reference.as_str()), "find {reference} among the objects of the release");
    }
    let objects = text.split("\n---\n").map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let secret = objects.iter().find_map(secret).context("find the secret that the objects read")?;
    let objects = objects.into_iter().filter(|object| object["kind"] != "Secret").collect();
    let digest = backend.rsplit('@').next().unwrap_or_default().chars().take(19).collect();
    Ok((Released { backend, frontend, objects, secret }, digest))
}

/// The name under which the first of its variables that are secret is read.
fn secret(object: &Value) -> Option<String> {
    let variables = object["spec"]["template"]["spec"]["containers"][0]["env"].as_array()?;
    let name = |variable: &Value| Some(variable["valueFrom"]["secretKeyRef"]["name"].as_str()?.to_string());
    variables.iter().find_map(name)
}

/// The checkout's delivery files, with another registry.
fn sources(folder: &Path, at: SocketAddr) -> Result<PathBuf> {
    let to = folder.join("sources");
    for name in ["infra/k8s", "migrations", "seeds"] {
        demo::copy_folder(&repo::root().join(name), &to.join(name))?;
    }
    fs::copy(repo::root().join("people.toml"), to.join("people.toml")).context("copy people.toml")?;
    for name in ["nica.toml", "rendered/dev.yaml", "rendered/stage.yaml", "rendered/prod.yaml"] {
        let path = to.join("infra/k8s").join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        fs::write(&path, text.replace(ELSEWHERE, &format!("{at}/")))?;
    }
    Ok(to)
}

/// Gives back why it was skipped, if it was.
pub(super) fn case(
    scene: &mut Scene,
    released: &Released,
    judge: &mut Judge,
    asked: bool,
) -> Result<Option<String>> {
    let wish = Wish { name: None, wanted: Wanted { nodes: 1, kwok: 0 }, build: asked };
    let running = match Running::start(&wish, |_| {})? {
        Ok(running) => running,
        Err(why) => {
            judge.counts.skipped += 1;
            return Ok(Some(why.to_string()));
        }
    };
    judge.case(CASE, || restricted(scene, released, &running));
    running.end()?;
    Ok(None)
}

fn restricted(scene: &mut Scene, released: &Released, running: &Running) -> Result<String> {
    let machine = cluster::machine_address(&running.state);
    let port = scene.registry.at.port();
    scene.registry.show_at((machine, port).into())?;
    cluster::trust_registry(&running.state, scene.registry.at)?;
    let database = relayed(scene, machine)?;
    prepare(running, &released.secret, &database)?;
    cluster::apply(&running.state, &list(&released.objects))?;
    let pods = proc::wait_for("see both pods ready", LIMIT, || ready(running).ok().flatten());
    let pods = pods.map_err(|error| error.context(story(running)))?;
    for (component, reference) in [("nica-backend", &released.backend), ("nica-frontend", &released.frontend)]
    {
        let pod =
            pods.iter().find(|pod| label(pod) == component).with_context(|| format!("find {component}"))?;
        let digest = reference.rsplit('@').next().unwrap_or_default();
        let ran = pod["status"]["containerStatuses"][0]["imageID"].as_str().unwrap_or_default();
        ensure!(ran.contains(digest), "see {component} run {digest}, not {ran}");
    }
    reached(running)?;
    refuses_root(running)?;
    Ok(format!("{} pods", pods.len()))
}

/// A way from the cluster to the database's socket, and a database that has what the service needs.
fn relayed(scene: &Scene, machine: Ipv4Addr) -> Result<String> {
    scene.postgres.create_database(DATABASE)?;
    let url = scene.postgres.url(DATABASE);
    let mut migrate = scene.store.podman();
    migrate.args([
        "run",
        "--rm",
        "--no-healthcheck",
        "--network",
        "host",
        "--read-only",
        "--cap-drop",
        "all",
    ]);
    migrate.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--pull", "never"]);
    migrate.arg("--volume").arg(format!("{0}:{0}:ro", scene.place.data.display()));
    migrate.args([&scene.backend.name, "migrate-seed", "--url", &url, "--env", "dev"]);
    proc::must_succeed(&mut migrate, "bring the pods' database up")?;
    let listener = TcpListener::bind((machine, 0)).context("listen for the pods")?;
    let port = listener.local_addr()?.port();
    let socket = scene.place.data.join(".s.PGSQL.5432");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let socket = socket.clone();
            std::thread::spawn(move || relay(stream, &socket));
        }
    });
    let user = url.trim_start_matches("postgresql://").split('@').next().unwrap_or_default().to_string();
    Ok(format!("postgresql://{user}@{machine}:{port}/{DATABASE}?sslmode=disable"))
}

/// Whoever closes first ends both.
fn relay(outside: TcpStream, socket: &Path) {
    let Ok(inside) = UnixStream::connect(socket) else { return };
    let (Ok(mut from), Ok(mut to)) = (outside.try_clone(), inside.try_clone()) else { return };
    let (mut back, mut forth) = (inside, outside);
    let copy = std::thread::spawn(move || {
        let _ = pass(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let _ = pass(&mut back, &mut forth);
    let _ = forth.shutdown(std::net::Shutdown::Both);
    let _ = copy.join();
}

fn pass(from: &mut impl std::io::Read, to: &mut impl std::io::Write) -> std::io::Result<()> {
    let mut bytes = [0; 16 * 1024];
    loop {
        match from.read(&mut bytes)? {
            0 => return Ok(()),
            count => to.write_all(&bytes[..count])?,
        }
    }
}

fn prepare(running: &Running, name: &str, database: &str) -> Result<()> {
    let secret = hex::encode(rand::random::<[u8; 32]>());
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"});
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}});
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE},
        "stringData": {"database_url": database, "auth_secret": secret, "api_base_url": "/"},
    });
    cluster::apply(&running.state, &list(&[namespace, secret]))
}

fn list(objects: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}

fn pods(running: &Running) -> Result<Vec<Value>> {
    let text = cluster::ask(&running.state, &["get", "pods", "--namespace", NAMESPACE, "--output=json"])?;
    let list: Value = serde_json::from_str(&text)?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

fn ready(running: &Running) -> Result<Option<Vec<Value>>> {
    let pods = pods(running)?;
    let is_ready = |pod: &Value| pod["status"]["containerStatuses"][0]["ready"] == true;
    let both =
        ["nica-backend", "nica-frontend"].iter().all(|name| pods.iter().any(|pod| label(pod) == *name));
    Ok((both && pods.iter().all(is_ready)).then_some(pods))
}

fn label(pod: &Value) -> &str {
    pod["metadata"]["labels"]["app.kubernetes.io/name"].as_str().unwrap_or_default()
}

/// Through the Services, from the machine.
fn reached(running: &Running) -> Result<()> {
    let address = |name: &str| -> Result<SocketAddr> {
        let words = ["get", "service", name, "--namespace", NAMESPACE, "--output=jsonpath={.spec.clusterIP}"];
        Ok((cluster::ask(&running.state, &words)?.parse::<Ipv4Addr>()?, 80).into())
    };
    let (backend, frontend) = (address("nica-backend")?, address("nica-frontend")?);
    for (at, path, expected) in [
        (backend, "/healthcheck", "\"ok\""),
        (backend, "/version", VERSION),
        (backend, "/api/v1/foods?q=arroz", "arroz"),
        (frontend, "/", "pt-BR"),
        (frontend, "/config.json", "api_base_url"),
    ] {
        proc::wait_for(&format!("read {expected} at {at}{path}"), SERVICE_LIMIT, || {
            get(at, path).ok().filter(|answer| answer.status == 200 && answer.body.contains(expected))
        })?;
    }
    Ok(())
}

/// The namespace would have said no: else "restricted" was not asked.
fn refuses_root(running: &Running) -> Result<()> {
    let container = json!({"name": "root", "image": "nica.invalid/guest:1"});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root", "namespace": NAMESPACE},
        "spec": {"containers": [container]},
    });
    let refused = cluster::apply(&running.state, &pod.to_string());
    let why = refused.err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(why.contains("violates PodSecurity"), "see a pod refused that may be root: {why:?}");
    Ok(())
}

/// What the pods and their events say, for whoever reads why it failed.
fn story(running: &Running) -> String {
    let ask =
        |words: &[&str]| cluster::ask(&running.state, words).unwrap_or_else(|error| format!("{error:#}"));
    let events = ask(&["get", "events", "--namespace", NAMESPACE, "--sort-by=.lastTimestamp"]);
    let log = ask(&["logs", "--namespace", NAMESPACE, "deployment/nica-backend", "--tail=5"]);
    format!("{}\n{events}\n{log}", ask(&["get", "pods", "--namespace", NAMESPACE, "--output=wide"]))
}
