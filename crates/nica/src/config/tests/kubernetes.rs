//! What nica.toml says of clusters, and what is said of mistakes there: the mistake, its cause, the next step. How a
//! mistake is drawn stands beside the other cases.

use super::*;
use nica_engine::policy::Target;

/// A whole, right file about a cluster.
const CLUSTER: &str = r#"
[service]
name = "nica"

[[component]]
name = "backend"
image = "registry.example/nica-backend"

[env.prod]
target = { kind = "kubernetes", context = "prod", namespace = "nica", manifests = "rendered/prod.yaml" }

[env.prod.secret.nica-secrets]
database_url = { env = "PROD_DATABASE_URL" }
"#;

fn target(text: &str) -> Target {
    let config = parse(("nica.toml", text), None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    config.environments["prod"].reach.target.clone()
}

/// What is said after this change, without the drawing: mistakes, causes and next steps.
fn broken(from: &str, to: &str, expected: &[&str]) {
    assert!(CLUSTER.contains(from), "the good file has no {from}");
    let says = says(&CLUSTER.replacen(from, to, 1), "");
    let drawn = |line: &&str| line.starts_with("error: ") || line.contains("^ ") || line.contains("= next: ");
    let bare = |line: &str| line.rsplit("^ ").next().unwrap_or_default().trim().to_string();
    let told: Vec<String> = says.lines().filter(drawn).map(bare).collect();
    assert_eq!(told, expected, "{says}");
}

#[test]
fn a_cluster_is_reached_by_context_and_namespace() {
    let secrets = [("nica-secrets", [("database_url", "PROD_DATABASE_URL")])];
    let text = |t: &str| t.to_string();
    let secrets =
        secrets.map(|(name, keys)| (text(name), keys.map(|(k, v)| (text(k), text(v))).into())).into();
    let (context, namespace) = (text("prod"), text("nica"));
    let manifests = vec![text("rendered/prod.yaml")];
    assert_eq!(target(CLUSTER), Target::Kubernetes { context, namespace, manifests, secrets });
    let several = CLUSTER.replacen("\"rendered/prod.yaml\"", "[\"a.yaml\", \"b.yaml\"]", 1);
    assert!(
        matches!(target(&several), Target::Kubernetes { manifests, .. } if manifests == ["a.yaml", "b.yaml"])
    );
}

#[test]
fn every_mistake_about_a_cluster_is_told() {
    broken(
        "context = \"prod\", namespace = \"nica\", manifests = \"rendered/prod.yaml\"",
        "state = \"x\"",
        &[
            "error: missing `context` in [env.prod.target]",
            "this needs it",
            "= next: write `context = \"prod\"`",
            "error: missing `namespace` in [env.prod.target]",
            "this needs it",
            "= next: write `namespace = \"nica\"`",
            "error: missing `manifests` in [env.prod.target]",
            "this needs it",
            "= next: write `manifests = \"infra/k8s/rendered/prod.yaml\"`",
            "error: unknown key `state`",
            "not a key of [env.prod.target]",
            "= next: write one of `context`, `manifests` or `namespace`",
        ],
    );
    broken(
        "namespace = \"nica\"",
        "namespace = \"Nica_\"",
        &[
            "error: `Nica_` cannot be a `namespace`",
            "it has a to z, 0 to 9 and -, at most 63, and begins and ends with a letter or a digit",
            "= next: choose another name",
        ],
    );
    broken(
        "kubernetes",
        "kubernets",
        &["error: `kubernets` is no `kind`", "unknown word", "= next: write `kubernetes`"],
    );
}

#[test]
fn a_secret_names_variables_and_never_values() {
    let hidden =
        says(&CLUSTER.replacen("{ env = \"PROD_DATABASE_URL\" }", "\"postgres://u:hunter2@h/d\"", 1), "");
    assert!(
        hidden.contains("`database_url` is read from a variable") && !hidden.contains("hunter2"),
        "{hidden}"
    );
    broken(
        "database_url = { env = \"PROD_DATABASE_URL\" }",
        "",
        &[
            "error: the Secret `nica-secrets` has no keys",
            "nothing stands under this",
            "= next: write `database_url = { env = \"NAME\" }`, or remove the table",
        ],
    );
}

#[test]
fn a_service_without_a_database_says_where_its_records_stand() {
    let with = |line: &str| CLUSTER.replacen("[env.prod]", &format!("[env.prod]\n{line}"), 1);
    let reach = |text: &str| {
        let config = parse(("nica.toml", text), None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let reach = &config.environments["prod"].reach;
        (reach.database_url.clone(), reach.own_database)
    };
    assert_eq!(reach(CLUSTER), ("PROD_DATABASE_URL".to_string(), true));
    assert_eq!(reach(&with("records_url = { env = \"R\" }")), ("R".to_string(), false));
    broken(
        "[env.prod]",
        "[env.prod]\nrecords_url = { env = \"R\" }\ndatabase_url = { env = \"D\" }",
        &[
            "error: `records_url` stands beside `database_url`",
            "records stand in the service's own database, where it has one",
            "= next: keep one of the two",
        ],
    );
}

#[test]
fn what_belongs_to_processes_is_refused() {
    broken(
        "[env.prod.secret.nica-secrets]",
        "[env.prod.component.backend]\nexec = \"serve\"\nlisten = \"127.0.0.1:1\"\n[env.prod.secret.nica-secrets]",
        &[
            "error: `backend` is configured in two places",
            "the manifests of a kubernetes target say how it runs",
            "= next: remove this table, or write `target = { kind = \"process\" }`",
        ],
    );
    let process =
        "target = { kind = \"process\" }\ncomponent.backend = { exec = \"serve\", listen = \"127.0.0.1:1\" }";
    broken(
        "target = { kind = \"kubernetes\", context = \"prod\", namespace = \"nica\", manifests = \"rendered/prod.yaml\" }",
        process,
        &[
            "error: unknown key `secret`",
            "not a key of [env.prod]",
            "= next: write one of `after`, `approvals`, `database_url`, `healthcheck_url`, `limits`, `records_url`, `soak`, `validate` or `window`",
        ],
    );
}
