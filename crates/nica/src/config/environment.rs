//! `[env.NAME]`: policy, reach, and how each component runs there.

use super::section::Section;
use super::service::check_name;
use super::target;
use super::window;
use nica_engine::policy::{Environment, Limits, OnInconclusive, Policy, Reach, Signer, Target, Validate};
use nica_engine::release::ComponentConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Variables that the supervisor sets; a file that sets them too would be ignored.
const RESERVED: [&str; 5] = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "NICA_REPLICA", "PGAPPNAME"];

pub(super) fn read(name: &str, section: &Section<'_>, signers: &BTreeMap<String, Signer>) -> Environment {
    // 16, because session names carry it and Postgres cuts them at 63 bytes.
    check_name(section, "", name, 16);
    let environment = Environment {
        name: name.to_string(),
        policy: policy(section, signers),
        reach: reach(name, section),
        components: section.section("component").map(|s| components(&s)).unwrap_or_default(),
    };
    section.finish();
    environment
}

fn policy(section: &Section<'_>, signers: &BTreeMap<String, Signer>) -> Policy {
    let after: BTreeSet<String> = section.text("after").into_iter().collect();
    let soak = section.span_or("soak", Duration::ZERO);
    if soak > Duration::ZERO && !section.has("after") {
        section.wrong(
            "soak",
            "`soak` waits for nothing",
            "there is no `after` here",
            "write `after = \"…\"` too",
        );
    }
    Policy {
        after,
        soak,
        approvals: u32::try_from(section.number_or("approvals", 0)).unwrap_or(u32::MAX),
        signers: signers.clone(),
        validate: section.section("validate").map_or_else(Validate::default, |s| validate(&s)),
        limits: section.section("limits").map_or_else(Limits::default, |s| limits(&s)),
        windows: section.section("window").map(|s| window::read(&s)).into_iter().collect(),
    }
}

fn validate(section: &Section<'_>) -> Validate {
    let default = Validate::default();
    let bake = section.span_or("bake", default.bake);
    let bake_max = section.span_or("bake_max", bake * 3);
    if bake_max < bake {
        section.wrong(
            "bake_max",
            "`bake_max` is shorter than `bake`",
            "the bake would end before it can pass",
            "write a longer one",
        );
    }
    let words = [("undo", OnInconclusive::Undo), ("hold", OnInconclusive::Hold)];
    let ratio = section.ratio("error_ratio");
    let validate = Validate {
        bake,
        bake_max,
        on_inconclusive: section.choice("on_inconclusive", &words, default.on_inconclusive),
        error_ratio: ratio.or(default.error_ratio),
        latency_p95_increase: section.ratio("latency_p95_increase"),
        min_samples: section.number_or("min_samples", default.min_samples),
        probes_per_second: u32::try_from(
            section.number_or("probes_per_second", default.probes_per_second.into()),
        )
        .unwrap_or(u32::MAX),
        dlq: section.number("dlq"),
    };
    section.finish();
    validate
}

fn limits(section: &Section<'_>) -> Limits {
    let default = Limits::default();
    let limits = Limits {
        rollout: section.span_or("rollout", default.rollout),
        forward_until: section.span_or("forward_until", default.forward_until),
        lease_ttl: section.span_or("lease_ttl", default.lease_ttl),
        admit: section.span_or("admit", default.admit),
        undo: section.span_or("undo", default.undo),
        drain: section.span_or("drain", default.drain),
    };
    section.finish();
    limits
}

fn reach(name: &str, section: &Section<'_>) -> Reach {
    let default = format!("{}_DATABASE_URL", name.to_uppercase().replace('-', "_"));
    let (named, records) = (section.variable("database_url"), section.variable("records_url"));
    if section.has("database_url") && section.has("records_url") {
        let cause = "records stand in the service's own database, where it has one";
        section.wrong(
            "records_url",
            "`records_url` stands beside `database_url`",
            cause,
            "keep one of the two",
        );
    }
    if !section.has("database_url") && !section.has("records_url") {
        section.note_default("database_url", &default);
    }
    Reach {
        own_database: records.is_none(),
        database_url: named.or(records).unwrap_or(default),
        healthcheck_url: section.variable("healthcheck_url"),
        target: section
            .section("target")
            .map_or(Target::Process { state: None }, |target| target::read(&target, section)),
    }
}

fn components(all: &Section<'_>) -> BTreeMap<String, ComponentConfig> {
    all.named().iter().map(|(name, section)| (name.clone(), component(section))).collect()
}

fn component(section: &Section<'_>) -> ComponentConfig {
    let component = ComponentConfig {
        exec: section.must_text("exec", "\"serve\""),
        replicas: u32::try_from(section.number_or("replicas", 1)).unwrap_or(u32::MAX),
        listen: section.must_text("listen", "\"127.0.0.1:8080\""),
        config: section.map("config"),
        secrets: section.variables("secrets"),
    };
    check_component(section, &component);
    section.finish();
    component
}

fn check_component(section: &Section<'_>, component: &ComponentConfig) {
    if component.replicas == 0 {
        section.wrong(
            "replicas",
            "0 replicas serve nobody",
            "at least one is needed",
            "write `replicas = 1`, or remove the component here",
        );
    }
    if !component.listen.is_empty() && component.listen.parse::<std::net::SocketAddr>().is_err() {
        let says = format!("`{}` is no address", component.listen);
        section.wrong("listen", &says, "an address has an IP and a port", "write it like `127.0.0.1:8080`");
    }
    for name in component.config.keys().chain(component.secrets.keys()) {
        let at = |key: &'static str| section.section(key).filter(|s| s.has(name)).map(|s| (key, s));
        let Some((_, place)) = at("config").or_else(|| at("secrets")) else { continue };
        if RESERVED.contains(&name.as_str()) {
            place.wrong(
                name,
                &format!("`{name}` is set by the supervisor"),
                "what stands here would be ignored",
                "remove it",
            );
        }
    }
    for name in component.config.keys().filter(|n| component.secrets.contains_key(*n)) {
        if let Some(secrets) = section.section("secrets") {
            secrets.wrong(
                name,
                &format!("`{name}` has two sources"),
                "it stands in `config` too",
                "keep one of the two",
            );
        }
    }
}
