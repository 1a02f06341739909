//! What an image says of itself: who runs in it, what is asked of it, how it is told to end.

use crate::image::Kind;
use crate::image::build::Built;
use crate::image::prove::{COMMIT, VERSION};
use crate::image::store::Store;
use anyhow::{Result, ensure};
use serde_json::Value;

/// Of every image, and of each kind.
const LABELS: &[&str] =
    &["title", "description", "source", "licenses", "base.name", "version", "revision", "created"];

pub(super) fn are_right(store: &Store, built: &Built) -> Result<String> {
    let found = faults(built.kind, &store.inspect(&built.name)?);
    ensure!(found.is_empty(), "find {} as promised: {}", built.name, found.join("; "));
    Ok(built.id.chars().take(12).collect())
}

/// What is not as promised, in a sentence each. `inspected` as buildah prints it.
pub(super) fn faults(kind: Kind, inspected: &Value) -> Vec<String> {
    let (docker, config) = (&inspected["Docker"], &inspected["Docker"]["config"]);
    let program = format!("/usr/local/bin/{}", kind.name());
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let words = |value: &Value| {
        let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        words.collect::<Vec<_>>().join(" ")
    };
    let probe = match kind {
        Kind::Backend => format!("CMD {program} healthcheck --http"),
        Kind::Frontend => format!("CMD {program} healthcheck"),
    };
    let (signal, command) = match kind {
        Kind::Backend => ("SIGTERM", "start"),
        Kind::Frontend => ("SIGQUIT", "serve"),
    };
    let mut said = vec![
        ("user", words_or(&config["User"]), "10001:10001".to_string()),
        ("architecture", words_or(&docker["architecture"]), architecture.to_string()),
        ("entrypoint", words(&config["Entrypoint"]), program.clone()),
        ("command", words(&config["Cmd"]), command.to_string()),
        ("probe", words(&config["Healthcheck"]["Test"]), probe),
        ("stop signal", words_or(&config["StopSignal"]), signal.to_string()),
        ("version", label(config, "version"), VERSION.to_string()),
        ("revision", label(config, "revision"), COMMIT.to_string()),
    ];
    if kind == Kind::Backend {
        let volumes = config["Volumes"].as_object().into_iter().flatten().map(|(path, _)| path.clone());
        said.push(("volumes", volumes.collect::<Vec<_>>().join(" "), "/var/huggingface".into()));
        let environment = words(&config["Env"]);
        let home = environment.split(' ').find_map(|pair| pair.strip_prefix("HF_HOME=")).unwrap_or_default();
        said.push(("HF_HOME", home.to_string(), "/var/huggingface".into()));
    }
    let wrong = said.into_iter().filter(|(_, found, wanted)| found != wanted);
    let mut faults: Vec<String> =
        wrong.map(|(what, found, wanted)| format!("{what} is `{found}`, not `{wanted}`")).collect();
    let missing = LABELS.iter().filter(|name| label(config, name).is_empty());
    faults.extend(missing.map(|name| format!("label {name} is missing")));
    faults
}

fn words_or(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn label(config: &Value, name: &str) -> String {
    words_or(&config["Labels"][format!("org.opencontainers.image.{name}")])
}
