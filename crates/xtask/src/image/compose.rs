//! What must hold for the compose files: only the site is published, no secret but as a file, everybody is probed and
//! restrained, and whoever copies stack.env.example finds every variable in it.

use crate::repo;
use serde_json::Value;
use std::collections::BTreeSet;
use yaml::read;

mod yaml;

const DEPLOY: &str = "infra/docker/docker-compose.deploy.yml";
const DEV: &str = "infra/docker/docker-compose.dev.yml";
const EXAMPLE: &str = "infra/docker/stack.env.example";
/// What only they may be asked by is inside.
const PRIVATE: &[&str] = &["postgres", "redis"];
const OURS: &[&str] = &["backend", "frontend"];
/// Whatever is called so is a secret, unless the name says that it is where one lies.
const SECRET_WORDS: &[&str] = &["PASSWORD", "SECRET", "TOKEN", "DATABASE_URL", "REDIS_URL"];
const SECRET_PLACES: &[&str] = &["_FILE", "_PATH"];

fn text(path: &str) -> String {
    std::fs::read_to_string(repo::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn table(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Each mistake in a sentence.
fn faults(compose: &str, example: &str) -> Vec<String> {
    let stack = read(compose);
    let mut faults = Vec::new();
    for (name, service) in table(&stack["services"]) {
        faults.extend(of_service(name, service));
    }
    for (name, secret) in table(&stack["secrets"]) {
        if !secret["file"].as_str().is_some_and(|file| file.starts_with("${NICA_SECRETS:?")) {
            faults.push(format!("secret {name} is no file in NICA_SECRETS"));
        }
    }
    if stack["networks"]["inside"]["internal"] != true {
        faults.push("the inner network leads out".into());
    }
    let told: BTreeSet<&str> =
        example.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let used = variables(compose);
    faults.extend(
        used.iter()
            .filter(|name| !told.contains(name.as_str()))
            .map(|name| format!("{EXAMPLE} lacks {name}")),
    );
    let unused = told.iter().filter(|name| !used.contains(**name));
    faults.extend(unused.map(|name| format!("{EXAMPLE} tells {name}, which nobody reads")));
    let secret =
        |line: &&str| line.split_once('=').is_some_and(|(name, value)| is_secret(name) && !value.is_empty());
    faults.extend(example.lines().filter(secret).map(|line| format!("{EXAMPLE} holds a secret: {line}")));
    faults
}

fn of_service(name: &str, service: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            faults.push(format!("{name} {what}"));
        }
    };
    must(service["healthcheck"]["test"].is_array(), "has no probe");
    must(
        service["image"].as_str().is_some_and(|image| image.starts_with("${")),
        "has an image of its own choice",
    );
    must(words(&service["security_opt"]).contains(&"no-new-privileges:true"), "may gain rights");
    must(service["ports"].is_null() || !PRIVATE.contains(&name), "is published");
    must(
        words(&service["ports"]).iter().all(|port| port.starts_with("${SITE_ADDRESS:?")),
        "is published everywhere",
    );
    must(service["privileged"].is_null() && service["network_mode"].is_null(), "is not contained");
    if OURS.contains(&name) {
        must(service["read_only"] == true, "may write its root");
        must(words(&service["cap_drop"]) == ["ALL"], "has rights");
        must(service["user"].is_null(), "is another user than its image says");
    }
    for (key, value) in table(&service["environment"]) {
        let place = value.as_str().is_some_and(|value| value.starts_with("/run/secrets/"));
        must(!is_secret(key), &format!("has a secret in its environment: {key}"));
        must(
            place || !SECRET_PLACES.iter().any(|end| key.ends_with(end)),
            &format!("reads {key} from elsewhere"),
        );
    }
    for dependency in table(&service["depends_on"]).map(|(_, how)| how) {
        must(dependency["condition"] == "service_healthy", "does not wait until others are healthy");
    }
    faults
}

fn is_secret(name: &str) -> bool {
    SECRET_WORDS.iter().any(|word| name.contains(word))
        && !SECRET_PLACES.iter().any(|end| name.ends_with(end))
}

/// `${NAME}`, `${NAME:-default}`, `${NAME:?sentence}`; `$$` is a dollar.
fn variables(compose: &str) -> BTreeSet<String> {
    let plain = compose.replace("$$", "");
    let named = plain.split("${").skip(1);
    named.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()).collect()
}

#[test]
fn the_stack_is_closed_probed_restrained_and_explained() {
    assert_eq!(faults(&text(DEPLOY), &text(EXAMPLE)), Vec::<String>::new());
}

#[test]
fn each_planted_mistake_is_named() {
    let (compose, example) = (text(DEPLOY), text(EXAMPLE));
    let check = |from: &str, to: &str, expected: &str| {
        assert!(compose.contains(from) || example.contains(from), "nothing to replace: {from}");
        let found = faults(&compose.replacen(from, to, 1), &example.replacen(from, to, 1));
        assert!(found.iter().any(|fault| fault.contains(expected)), "{from} → {to}: {found:?}");
    };
    check(
        "POSTGRES_PASSWORD_FILE: /run/secrets/postgres_password",
        "POSTGRES_PASSWORD: nica",
        "secret in its environment",
    );
    check(
        "AUTH_SECRET_FILE: /run/secrets/auth_secret",
        "AUTH_SECRET_FILE: /etc/auth_secret",
        "from elsewhere",
    );
    check("    shm_size: 128mb\n", "    ports: [\"5432:5432\"]\n", "postgres is published");
    check("${SITE_ADDRESS:?such as 127.0.0.1:8080, in stack.env}:8080", "8080:8080", "published everywhere");
    check("  read_only: true\n", "", "may write its root");
    check("  cap_drop: [ALL]\n", "", "has rights");
    check("  security_opt: [\"no-new-privileges:true\"]\n", "", "may gain rights");
    check("  inside: {internal: true}", "  inside: {}", "leads out");
    check(
        "${NICA_SECRETS:?a folder, in stack.env}/auth_secret.txt",
        "./auth_secret.txt",
        "no file in NICA_SECRETS",
    );
    check(
        "      test: [\"CMD\", \"/usr/local/bin/nica-backend\"",
        "      tset: [\"CMD\", \"/usr/local/bin/nica-backend\"",
        "has no probe",
    );
    check("{condition: service_healthy}", "{condition: service_started}", "does not wait");
    check("LOG_LEVEL=info\n", "", "lacks LOG_LEVEL");
    check("LOG_LEVEL=info\n", "LOG_LEVEL=info\nPOSTGRES_PASSWORD=nica\n", "holds a secret");
    check("${REDIS_IMAGE:?name it in stack.env}", "redis", "image of its own choice");
}

#[test]
fn the_layer_for_work_publishes_to_this_machine_alone_and_brings_no_secret() {
    let layer = read(&text(DEV));
    for (name, service) in table(&layer["services"]) {
        assert!(OURS.contains(&name), "{name}");
        assert!(words(&service["ports"]).iter().all(|port| port.starts_with("127.0.0.1:")), "{name}");
        assert!(table(&service["environment"]).all(|(key, _)| !is_secret(key)), "{name}");
    }
    let example = text(EXAMPLE);
    assert!(variables(&text(DEV)).iter().all(|name| example.contains(&format!("{name}="))));
}
