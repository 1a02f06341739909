//! Literal files and what their reader says to whoever wrote them.

mod kubernetes;
mod window;

use super::*;

/// A whole, right file; the cases below break one thing each.
const GOOD: &str = r#"
[service]
name = "nica"
people = "people.toml"

[[component]]
name = "backend"
executable = "target/release/nica-backend"
migrates = true

[[component]]
name = "reader"
executable = "target/release/nica-backend"

[env.dev]
component.backend = { exec = "serve", listen = "127.0.0.1:8080" }

[env.prod]
after = "dev"
soak = "24h"
approvals = 1
database_url = { env = "PROD_DB" }
validate = { bake = "10m", bake_max = "30m", error_ratio = 0.01, latency_p95_increase = 0.2, dlq = 0 }
limits = { rollout = "90s", drain = "500ms" }
target = { kind = "process", state = "/var/lib/nica" }

[env.prod.component.backend]
exec = "serve"
replicas = 2
listen = "127.0.0.1:8090"
config = { DB_POOL_MAX = "10" }
secrets = { AUTH_SECRET = { env = "PROD_AUTH_SECRET" } }

[signer.ci]
key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIILoZ0mx6ruDyyK6V2tc+JzHfxeNa2Bq8Cd2Ix8ELR0O"
checks = ["lint", "test"]
"#;

const PEOPLE: &str = r#"
[person.ana]
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIE53X6FRJ0LaP41kSHFGJ4mUFtKFWt6fSU2oMLvhPto ana@home"]
emails = ["ana@example.org"]
accounts = ["ana-at-forge"]
roles = ["approver"]
"#;

fn good() -> Config {
    parse(("nica.toml", GOOD), Some(("people.toml", PEOPLE))).expect("the good file is good")
}

/// What is said about the good file after one change to it.
fn broken(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the good file has no {from}");
    says(&GOOD.replacen(from, to, 1), PEOPLE)
}

fn says(nica: &str, people: &str) -> String {
    match parse(("nica.toml", nica), Some(("people.toml", people))) {
        Ok(_) => "no mistake".into(),
        Err(mistakes) => mistakes.to_string(),
    }
}

#[test]
fn what_stands_in_the_file_arrives_and_the_rest_is_the_default() {
    let config = good();
    let prod = &config.environments["prod"];
    insta::assert_snapshot!(serde_json::to_string_pretty(prod).unwrap(), @r#"
    {
      "name": "prod",
      "policy": {
        "after": [
          "dev"
        ],
        "soak": 86400000,
        "approvals": 1,
        "signers": {
          "ci": {
            "key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIILoZ0mx6ruDyyK6V2tc+JzHfxeNa2Bq8Cd2Ix8ELR0O",
            "checks": [
              "lint",
              "test"
            ]
          }
        },
        "validate": {
          "bake": 600000,
          "bake_max": 1800000,
          "on_inconclusive": "undo",
          "error_ratio": {
            "millionths": 10000
          },
          "latency_p95_increase": {
            "millionths": 200000
          },
          "min_samples": 20,
          "probes_per_second": 1,
          "dlq": 0
        },
        "limits": {
          "rollout": 90000,
          "forward_until": 3600000,
          "lease_ttl": 15000,
          "admit": 30000,
          "undo": 60000,
          "drain": 500
        }
      },
      "reach": {
        "database_url": "PROD_DB",
        "own_database": true,
        "healthcheck_url": null,
        "target": {
          "kind": "process",
          "state": "/var/lib/nica"
        }
      },
      "components": {
        "backend": {
          "exec": "serve",
          "replicas": 2,
          "listen": "127.0.0.1:8090",
          "config": {
            "DB_POOL_MAX": "10"
          },
          "secrets": {
            "AUTH_SECRET": "PROD_AUTH_SECRET"
          }
        }
      }
    }
    "#);
    assert_eq!(config.environments["dev"].reach.database_url, "DEV_DATABASE_URL");
    assert_eq!(config.people.by_email("ana@example.org").collect::<Vec<_>>(), ["ana"]);
    assert_eq!(config.components[1].source, Source::Executable("target/release/nica-backend".into()));
}

#[test]
fn migrations_may_stand_in_the_form_of_another_tool() {
    let read = |migrations: &str| {
        let text = GOOD.replacen("people = ", &format!("migrations = {migrations}\npeople = "), 1);
        let parsed = parse(("nica.toml", &text), Some(("people.toml", PEOPLE)));
        parsed.map(|config| config.service.migrations).map_err(|mistakes| mistakes.to_string())
    };
    let is = |path: &str, form| Ok(service::Migrations { path: path.to_string(), form });
    assert_eq!(read("\"db\""), is("db", None));
    assert_eq!(read("{ path = \"db\" }"), is("db", None));
    assert_eq!(
        read("{ path = \"db\", form = \"refinery\" }"),
        is("db", Some(nica_migrate::foreign::Form::Refinery))
    );
    let said = read("{ path = \"db\", form = \"dbmat\" }").expect_err("no form");
    assert!(said.contains("`dbmat` is no `form`") && said.contains("dbmate"), "{said}");
}

#[test]
fn each_value_knows_its_file_and_line() {
    let line = |o: &Origin| match &o.place {
        Some(place) => format!("{} = {}  {}:{}", o.key, o.value, place.file, place.line),
        None => format!("{} = {}  default", o.key, o.value),
    };
    let origins: Vec<String> = good().origins.iter().map(line).collect();
    insta::assert_snapshot!(origins.join("\n"), @r#"
    service.name = "nica"  nica.toml:3
    service.migrations = migrations  default
    service.seeds = seeds  default
    service.people = "people.toml"  nica.toml:4
    component[0].name = "backend"  nica.toml:7
    component[0].executable = "target/release/nica-backend"  nica.toml:8
    component[0].health = /healthcheck  default
    component[0].ready = /readyz  default
    component[0].migrates = true  nica.toml:9
    component[1].name = "reader"  nica.toml:12
    component[1].executable = "target/release/nica-backend"  nica.toml:13
    component[1].health = /healthcheck  default
    component[1].ready = /readyz  default
    component[1].migrates = false  default
    signer.ci.key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIILoZ0mx6ruDyyK6V2tc+JzHfxeNa2Bq8Cd2Ix8ELR0O"  nica.toml:35
    signer.ci.checks = ["lint", "test"]  nica.toml:36
    env.dev.soak = 0 s  default
    env.dev.approvals = 0  default
    env.dev.database_url = DEV_DATABASE_URL  default
    env.dev.component.backend.exec = "serve"  nica.toml:16
    env.dev.component.backend.replicas = 1  default
    env.dev.component.backend.listen = "127.0.0.1:8080"  nica.toml:16
    env.prod.after = "dev"  nica.toml:19
    env.prod.soak = "24h"  nica.toml:20
    env.prod.approvals = 1  nica.toml:21
    env.prod.validate.bake = "10m"  nica.toml:23
    env.prod.validate.bake_max = "30m"  nica.toml:23
    env.prod.validate.error_ratio = 0.01  nica.toml:23
    env.prod.validate.latency_p95_increase = 0.2  nica.toml:23
    env.prod.validate.min_samples = 20  default
    env.prod.validate.probes_per_second = 1  default
    env.prod.validate.dlq = 0  nica.toml:23
    env.prod.limits.rollout = "90s"  nica.toml:24
    env.prod.limits.forward_until = 1 h  default
    env.prod.limits.lease_ttl = 15 s  default
    env.prod.limits.admit = 30 s  default
    env.prod.limits.undo = 1 min  default
    env.prod.limits.drain = "500ms"  nica.toml:24
    env.prod.database_url.env = "PROD_DB"  nica.toml:22
    env.prod.target.kind = "process"  nica.toml:25
    env.prod.target.state = "/var/lib/nica"  nica.toml:25
    env.prod.component.backend.exec = "serve"  nica.toml:28
    env.prod.component.backend.replicas = 2  nica.toml:29
    env.prod.component.backend.listen = "127.0.0.1:8090"  nica.toml:30
    env.prod.component.backend.config.DB_POOL_MAX = "10"  nica.toml:31
    env.prod.component.backend.secrets.AUTH_SECRET.env = "PROD_AUTH_SECRET"  nica.toml:32
    person.ana.keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIE53X6FRJ0LaP41kSHFGJ4mUFtKFWt6fSU2oMLvhPto ana@home"]  people.toml:3
    person.ana.emails = ["ana@example.org"]  people.toml:4
    person.ana.accounts = ["ana-at-forge"]  people.toml:5
    person.ana.roles = ["approver"]  people.toml:6
    "#);
}

#[test]
fn the_nearest_known_word_is_offered() {
    insta::assert_snapshot!(broken("soak =", "sok ="), @r#"
    error: unknown key `sok`
      --> nica.toml:20:1
       |
    20 | sok = "24h"
       | ^^^ not a key of [env.prod]
       = next: write `soak`

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("after = \"dev\"", "after = \"dve\""), @r#"
    error: unknown environment `dve`
      --> nica.toml:19:9
       |
    19 | after = "dve"
       |         ^^^^^ there is no [env.dve]
       = next: write `dev`

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("[env.prod.component.backend]", "[env.prod.component.bakend]"), @r"
    error: unknown component `bakend`
      --> nica.toml:27:21
       |
    27 | [env.prod.component.bakend]
       |                     ^^^^^^ there is no [[component]] named bakend
       = next: write `backend`

    1 mistake; nothing was done
    ");
    insta::assert_snapshot!(broken("kind = \"process\"", "kind = \"proces\""), @r#"
    error: `proces` is no `kind`
      --> nica.toml:25:19
       |
    25 | target = { kind = "proces", state = "/var/lib/nica" }
       |                   ^^^^^^^^ unknown word
       = next: write `process`

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("dlq = 0", "on_inconclusive = \"wait\""), @r#"
    error: `wait` is no `on_inconclusive`
      --> nica.toml:23:112
       |
    23 | validate = { bake = "10m", bake_max = "30m", error_ratio = 0.01, latency_p95_increase = 0.2, on_inconclusive = "wait" }
       |                                                                                                                ^^^^^^ unknown word
       = next: write one of `hold` or `undo`

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("[signer.ci]", "[signers.ci]"), @r"
    error: unknown key `signers`
      --> nica.toml:34:2
       |
    34 | [signers.ci]
       |  ^^^^^^^ not a key of this file
       = next: write `signer`

    1 mistake; nothing was done
    ");
}

#[test]
fn what_is_missing_is_named_where_it_is_missing() {
    insta::assert_snapshot!(broken("listen = \"127.0.0.1:8090\"\n", ""), @r#"
    error: missing `listen` in [env.prod.component.backend]
      --> nica.toml:27:21
       |
    27 | [env.prod.component.backend]
       |                     ^^^^^^^ this needs it
       = next: write `listen = "127.0.0.1:8080"`

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("exec = \"serve\", ", ""), @r#"
    error: missing `exec` in [env.dev.component.backend]
      --> nica.toml:16:11
       |
    16 | component.backend = { listen = "127.0.0.1:8080" }
       |           ^^^^^^^ this needs it
       = next: write `exec = "serve"`

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("executable = \"target/release/nica-backend\"\nmigrates", "migrates"), @r#"
    error: missing `executable` in [[component]]
     --> nica.toml:6:1
      |
    6 | [[component]]
      | ^^^^^^^^^^^^^ this needs it
      = next: write `executable = "target/release/nica-backend"`

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(says("", ""), @r#"
    error: missing `service` in this file
     --> nica.toml:1:1
      |
    1 | 
      | ^ this needs it
      = next: write `service = { name = "…" }`

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("{ env = \"PROD_AUTH_SECRET\" }", "{}"), @r#"
    error: missing `env` in [env.prod.component.backend.secrets.AUTH_SECRET]
      --> nica.toml:32:13
       |
    32 | secrets = { AUTH_SECRET = {} }
       |             ^^^^^^^^^^^ this needs it
       = next: write `env = "NAME"`

    1 mistake; nothing was done
    "#);
}

#[test]
fn values_of_the_wrong_kind_say_what_to_write() {
    insta::assert_snapshot!(broken("\"24h\"", "24"), @r#"
    error: `soak` is a length of time like "10m"
      --> nica.toml:20:8
       |
    20 | soak = 24
       |        ^^ this is a number
       = next: write a length of time like "10m"

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("\"24h\"", "\"24 hours\""), @r#"
    error: `soak` is no length of time
      --> nica.toml:20:8
       |
    20 | soak = "24 hours"
       |        ^^^^^^^^^^ `24 hours` is no length of time: write a whole number with ms, s, m, h or d, like 10m
       = next: write it like `10m`

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("DB_POOL_MAX = \"10\"", "DB_POOL_MAX = 10"), @r#"
    error: `DB_POOL_MAX` is a text in quotes
      --> nica.toml:31:26
       |
    31 | config = { DB_POOL_MAX = 10 }
       |                          ^^ this is a number
       = next: write `"10"`

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("error_ratio = 0.01", "error_ratio = -1"), @r#"
    error: `error_ratio` is a share like 0.01
      --> nica.toml:23:60
       |
    23 | validate = { bake = "10m", bake_max = "30m", error_ratio = -1, latency_p95_increase = 0.2, dlq = 0 }
       |                                                            ^^ this is a number
       = next: write a share like 0.01

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("replicas = 2", "replicas = 0"), @r"
    error: 0 replicas serve nobody
      --> nica.toml:29:12
       |
    29 | replicas = 0
       |            ^ at least one is needed
       = next: write `replicas = 1`, or remove the component here

    1 mistake; nothing was done
    ");
    insta::assert_snapshot!(broken("127.0.0.1:8090", "localhost"), @r#"
    error: `localhost` is no address
      --> nica.toml:30:10
       |
    30 | listen = "localhost"
       |          ^^^^^^^^^^^ an address has an IP and a port
       = next: write it like `127.0.0.1:8080`

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("[[component]]\nname = \"backend\"", "[component]\nname = \"backend\"")
        .lines().next().unwrap_or_default(), @"error: `component` is written once per component");
}

#[test]
fn a_secret_that_stands_in_the_file_is_not_repeated() {
    let said = broken("{ env = \"PROD_AUTH_SECRET\" }", "\"hunter2-hunter2\"");
    assert!(!said.contains("hunter2"), "{said}");
    insta::assert_snapshot!(said, @r#"
    error: `AUTH_SECRET` is read from a variable
      --> nica.toml:32:27
       |
    32 | secrets = { AUTH_SECRET = …
       |                           ^ a value stands here
       = next: write `AUTH_SECRET = { env = "NAME" }`, and the value into the variable NAME

    1 mistake; nothing was done
    "#);
}

#[test]
fn tables_that_do_not_fit_together_are_found() {
    insta::assert_snapshot!(broken("[env.dev]", "[env.dev]\nafter = \"prod\""), @r#"
    error: environments wait for each other
      --> nica.toml:16:9
       |
    16 | after = "prod"
       |         ^^^^^^ dev after prod after dev
       = next: let one of them begin: remove its `after`

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("after = \"dev\"\n", ""), @r#"
    error: `soak` waits for nothing
      --> nica.toml:19:8
       |
    19 | soak = "24h"
       |        ^^^^^ there is no `after` here
       = next: write `after = "…"` too

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("approvals = 1", "approvals = 2"), @r#"
    error: too few people could approve for `prod`
      --> nica.toml:21:13
       |
    21 | approvals = 2
       |             ^ approvals asked for: 2; approvers with a key: 1
       = next: add people with `roles = ["approver"]` to people.toml

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("bake_max = \"30m\"", "bake_max = \"5m\""), @r#"
    error: `bake_max` is shorter than `bake`
      --> nica.toml:23:39
       |
    23 | validate = { bake = "10m", bake_max = "5m", error_ratio = 0.01, latency_p95_increase = 0.2, dlq = 0 }
       |                                       ^^^^ the bake would end before it can pass
       = next: write a longer one

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("DB_POOL_MAX = \"10\"", "AUTH_SECRET = \"x\", PGAPPNAME = \"me\""), @r#"
    error: `PGAPPNAME` is set by the supervisor
      --> nica.toml:31:43
       |
    31 | config = { AUTH_SECRET = "x", PGAPPNAME = "me" }
       |                                           ^^^^ what stands here would be ignored
       = next: remove it

    error: `AUTH_SECRET` has two sources
      --> nica.toml:32:27
       |
    32 | secrets = { AUTH_SECRET = { env = "PROD_AUTH_SECRET" } }
       |                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ it stands in `config` too
       = next: keep one of the two

    2 mistakes; nothing was done
    "#);
    insta::assert_snapshot!(broken("[signer.ci]", "[env.prod.component.reader]\nexec = \"serve\"\nlisten = \"127.0.0.1:8090\"\n\n[signer.ci]"), @r#"
    error: two components listen on `127.0.0.1:8090`
      --> nica.toml:36:10
       |
    36 | listen = "127.0.0.1:8090"
       |          ^^^^^^^^^^^^^^^^ backend has it already
       = next: choose another port

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("name = \"reader\"", "name = \"backend\""), @r#"
    error: two components are called `backend`
      --> nica.toml:12:8
       |
    12 | name = "backend"
       |        ^^^^^^^^^ a name stands for one component
       = next: rename one of them

    1 mistake; nothing was done
    "#);
    insta::assert_snapshot!(broken("[env.dev]", "[env.Dev]"), @r#"
    error: `Dev` cannot be a name
      --> nica.toml:15:6
       |
    15 | [env.Dev]
       |      ^^^ a name has a to z, 0 to 9 and -, begins with a letter, and at most 16 characters
       = next: choose another name

    error: unknown environment `dev`
      --> nica.toml:19:9
       |
    19 | after = "dev"
       |         ^^^^^ there is no [env.dev]
       = next: write `Dev`

    2 mistakes; nothing was done
    "#);
}

#[test]
fn people_are_one_person_each() {
    let twice = format!(
        "{PEOPLE}\n[person.rui]\nemails = [\"Ana@Example.org\"]\nroles = [\"aprover\"]\nkeys = [\"rsa\"]\n"
    );
    insta::assert_snapshot!(says(GOOD, &twice), @r#"
    error: `Ana@Example.org` belongs to two people
     --> people.toml:9:11
      |
    9 | emails = ["Ana@Example.org"]
      |           ^^^^^^^^^^^^^^^^^ it stands at ana too
      = next: one person, one entry: join them or remove one

    error: unknown role `aprover`
      --> people.toml:10:10
       |
    10 | roles = ["aprover"]
       |          ^^^^^^^^^ there is one role so far
       = next: write `approver`

    error: this is no key
      --> people.toml:11:9
       |
    11 | keys = ["rsa"]
       |         ^^^^^ `rsa` is no OpenSSH public key: the form is `ssh-ed25519 AAAA…`
       = next: write the line of the key's `.pub` file

    3 mistakes; nothing was done
    "#);
}

#[test]
fn all_mistakes_of_both_files_come_together_in_their_order() {
    let nica = GOOD
        .replace("soak =", "sok =")
        .replace("replicas = 2", "replicas = \"two\"")
        .replace("= \"500ms\"", "= 500ms");
    insta::assert_snapshot!(says(&nica, "[persons.ana]\n"), @r#"
    error: unknown key `sok`
      --> nica.toml:20:1
       |
    20 | sok = "24h"
       | ^^^ not a key of [env.prod]
       = next: write `soak`

    error: too few people could approve for `prod`
      --> nica.toml:21:13
       |
    21 | approvals = 1
       |             ^ approvals asked for: 1; approvers with a key: 0
       = next: add people with `roles = ["approver"]` to people.toml

    error: this is not TOML
      --> nica.toml:24:37
       |
    24 | limits = { rollout = "90s", drain = 500ms }
       |                                     ^^^^^ string values must be quoted, expected literal string
       = next: correct this line

    error: `replicas` is a whole number
      --> nica.toml:29:12
       |
    29 | replicas = "two"
       |            ^^^^^ this is a text
       = next: write a whole number

    error: unknown key `persons`
     --> people.toml:1:2
      |
    1 | [persons.ana]
      |  ^^^^^^^ not a key of this file
      = next: write `person`

    5 mistakes; nothing was done
    "#);
}

#[test]
fn the_files_at_the_root_of_this_project_load() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let config = load(&root.join("nica.toml")).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let prod = &config.environments["prod"].policy;
    let able = config.people.0.keys().filter(|name| config.people.may_approve(name)).count();
    assert!(prod.approvals >= 2 && able >= prod.approvals as usize, "{able} people may approve for prod");
}

#[test]
fn a_server_for_throw_away_databases_is_named_by_a_variable() {
    let named = |line: &str| {
        let nica = GOOD.replacen("[service]\n", &format!("[service]\n{line}"), 1);
        parse(("nica.toml", &nica), Some(("people.toml", PEOPLE))).map(|config| config.service.scratch_url)
    };
    assert_eq!(named("").expect("good"), None);
    assert_eq!(named("scratch_url = { env = \"SCRATCH\" }\n").expect("good"), Some("SCRATCH".to_string()));
    assert!(
        named("scratch_url = \"postgresql://user:secret@host/db\"\n").is_err(),
        "no URL stands in a file"
    );
}
