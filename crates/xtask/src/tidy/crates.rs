//! Which crate must not know which, over the dependency graph and through everybody in between.
//!
//! A crate that does not exist yet is no finding: the rule waits for it.

use super::finding::Finding;
use crate::repo::Tree;

pub(crate) const ID: &str = "crates";

const DELIVERY: &[&str] = &["nica-engine", "nica-effects", "nica-backup", "nica"];
const OUTSIDE_WORLD: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "async-std",
    "smol",
    "hyper",
    "reqwest",
    "ureq",
    "axum",
    "tonic",
    "tokio-postgres",
    "postgres",
    "deadpool",
    "redis",
    "rustls",
    "rustix",
    "tempfile",
    "walkdir",
    "tracing-subscriber",
];

struct Ban {
    who: &'static [&'static str],
    must_not_know: &'static [&'static str],
    /// Through other crates too.
    transitive: bool,
    why: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        who: &["nica-engine", "nica-domain"],
        must_not_know: OUTSIDE_WORLD,
        transitive: true,
        why: "the pure crates see the world as plain data only",
    },
    // ssh-key brings getrandom below the engine; calling it is what the rule `pure` looks for.
    Ban {
        who: &["nica-engine", "nica-domain"],
        must_not_know: &["rand", "getrandom", "fastrand"],
        transitive: false,
        why: "the pure crates decide the same thing for the same input",
    },
    Ban {
        who: &["nica-engine"],
        must_not_know: &["nica-domain"],
        transitive: true,
        why: "delivery knows nothing of nutrition",
    },
    Ban {
        who: &["nica-domain"],
        must_not_know: &["nica-engine"],
        transitive: true,
        why: "nutrition knows nothing of delivery",
    },
    Ban {
        who: &["nica-backend"],
        must_not_know: DELIVERY,
        transitive: true,
        why: "the program that serves people cannot deploy, restore or unmask anything",
    },
    Ban {
        who: &["nica-engine", "nica-effects", "nica-migrate", "nica-backup", "nica"],
        must_not_know: &["nica-backend"],
        transitive: true,
        why: "delivery carries any service, this one included",
    },
    Ban {
        who: &["nica-migrate", "nica-telemetry"],
        must_not_know: DELIVERY,
        transitive: true,
        why: "the service links this crate",
    },
    Ban {
        who: &["xtask"],
        must_not_know: &[
            "nica-engine",
            "nica-effects",
            "nica-migrate",
            "nica-backup",
            "nica",
            "nica-domain",
            "nica-backend",
            "nica-telemetry",
        ],
        transitive: true,
        why: "a judge shares no code with what it judges",
    },
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ban in BANS {
        for who in ban.who.iter().filter(|who| tree.crates.ours.contains(**who)) {
            findings.extend(ban.must_not_know.iter().filter_map(|other| judge(tree, ban, who, other)));
        }
    }
    findings
}

fn judge(tree: &Tree, ban: &Ban, who: &str, other: &str) -> Option<Finding> {
    let chain = tree.crates.path(who, other)?;
    if !ban.transitive && chain.len() > 2 {
        return None;
    }
    Some(Finding {
        rule: ID,
        path: format!("crates/{who}/Cargo.toml"),
        line: 0,
        what: format!("{who} must not know {other}: {}", ban.why),
        next: format!("break the chain {}", chain.join(" -> ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::planted::crates;

    fn found(edges: &[(&str, &str)]) -> Vec<String> {
        check(&crates(edges)).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_forbidden_crate_is_found_through_others() {
        let found = found(&[("nica-engine", "helper"), ("helper", "tokio")]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("nica-engine must not know tokio"), "{found:?}");
    }

    #[test]
    fn every_ban_is_red_on_its_planted_edge() {
        for ban in BANS {
            for who in ban.who {
                for other in ban.must_not_know {
                    assert!(!found(&[(who, other)]).is_empty(), "{who} -> {other}");
                }
            }
        }
    }

    #[test]
    fn a_direct_ban_leaves_deeper_crates_alone() {
        assert!(found(&[("nica-engine", "ssh-key"), ("ssh-key", "getrandom")]).is_empty());
    }

    #[test]
    fn what_may_be_known_is_left_alone() {
        assert!(
            found(&[("nica", "nica-effects"), ("nica-effects", "tokio"), ("nica-backend", "axum")])
                .is_empty()
        );
    }
}
