//! What an environment asks of a release, as data read from nica.toml.
//!
//! Whoever deploys does not set the rules: a plan is judged by the stricter of its own policy and that of the last
//! settled run. How an environment is reached (its database, its target) is no rule and stands apart.

use crate::canonical::Digest;
use crate::release::ComponentConfig;
use crate::signature::Key;
use crate::span;
use crate::window::Window;
use serde::{Deserialize, Serialize};
use std::cmp::{max, min};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One `[env.NAME]` of nica.toml.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    pub name: String,
    pub policy: Policy,
    pub reach: Reach,
    /// How each component runs here; goes into the release when it is created.
    pub components: BTreeMap<String, ComponentConfig>,
}

/// The names of variables and places through which an environment is reached. Never a secret's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// The variable that holds the URL of the database with the records; `<ENV>_DATABASE_URL` unless named.
    pub database_url: String,
    /// That database is the service's own: it has migrations, and processes of the service hold sessions there.
    pub own_database: bool,
    /// The variable that holds the URL whose health is asked after a roll.
    pub healthcheck_url: Option<String>,
    pub target: Target,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Target {
    /// One machine. `state` is the supervisor's folder, `$XDG_STATE_HOME/nica/<service>/<env>` unless named.
    Process { state: Option<String> },
    /// A namespace of a cluster; `context` is one of the kubeconfig's.
    Kubernetes {
        context: String,
        namespace: String,
        /// Files of rendered YAML, beside nica.toml.
        manifests: Vec<String>,
        /// Secret → key → variable that holds the value.
        secrets: BTreeMap<String, BTreeMap<String, String>>,
    },
}

/// The rules: what is asked before, during and after a roll.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Environments that the same release must have passed.
    pub after: BTreeSet<String>,
    /// How long it must have been live there.
    #[serde(with = "span")]
    pub soak: Duration,
    /// How many people must approve.
    pub approvals: u32,
    /// Evidence kind → who signs it. A kind that is named here is asked for.
    pub signers: BTreeMap<String, Signer>,
    pub validate: Validate,
    pub limits: Limits,
    /// When a run may be opened: all of them must be open.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub windows: BTreeSet<Window>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    pub key: Key,
    /// Checks that the evidence must contain, whatever else it contains.
    pub checks: BTreeSet<String>,
}

/// How the bake is judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validate {
    #[serde(with = "span")]
    pub bake: Duration,
    /// When still nothing can be concluded, waiting ends here.
    #[serde(with = "span")]
    pub bake_max: Duration,
    pub on_inconclusive: OnInconclusive,
    /// Answers with a 5xx status, at most this share.
    pub error_ratio: Option<Ratio>,
    /// Growth of the 95th percentile over the baseline's bake, at most this share.
    pub latency_p95_increase: Option<Ratio>,
    /// Requests that must have been seen, probes included.
    pub min_samples: u64,
    /// Probes that the target sends itself, so that a quiet service is measured too.
    pub probes_per_second: u32,
    /// `event_bus.dlq` at most this, and `pipeline.retry.count` not rising.
    pub dlq: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnInconclusive {
    Undo,
    Hold,
}

/// Limits on time. They decide when a run turns back, not whether a release may pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// For one component to be rolled out.
    #[serde(with = "span")]
    pub rollout: Duration,
    /// From opening until going forward begins nothing new.
    #[serde(with = "span")]
    pub forward_until: Duration,
    #[serde(with = "span")]
    pub lease_ttl: Duration,
    /// For ending the sessions of an older fence.
    #[serde(with = "span")]
    pub admit: Duration,
    /// For waiting until no session of the undone release is left, and for the baseline to come back.
    #[serde(with = "span")]
    pub undo: Duration,
    /// How long an old replica still answers after it stopped accepting.
    #[serde(with = "span")]
    pub drain: Duration,
}

/// A share in millionths, so that no float enters a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ratio {
    pub millionths: u64,
}

impl Policy {
    pub fn hash(&self) -> Digest {
        Digest::of_value(self)
    }
}

impl Ratio {
    /// From what a file writes, `0.01`; none for a negative number or what is not a number.
    pub fn from_f64(share: f64) -> Option<Ratio> {
        let fits = share.is_finite() && (0.0..=1_000_000.0).contains(&share);
        fits.then(|| Ratio { millionths: (share * 1e6).round() as u64 })
    }

    /// Is `part` of `whole` a larger share than this? Exact: no division.
    pub fn exceeded_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * 1_000_000 > u128::from(whole) * u128::from(self.millionths)
    }
}

impl Default for Validate {
    fn default() -> Self {
        Validate {
            bake: Duration::from_secs(60),
            bake_max: Duration::from_secs(180),
            on_inconclusive: OnInconclusive::Undo,
            error_ratio: Some(Ratio { millionths: 10_000 }),
            latency_p95_increase: None,
            min_samples: 20,
            probes_per_second: 1,
            dlq: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            rollout: Duration::from_secs(300),
            forward_until: Duration::from_secs(3_600),
            lease_ttl: Duration::from_secs(15),
            admit: Duration::from_secs(30),
            undo: Duration::from_secs(60),
            drain: Duration::from_secs(5),
        }
    }
}

/// The rules that a plan is judged by. `settled` is the policy of the last settled run, none before the first.
///
/// Limits are the plan's own: with the older ones a release whose limit was too short could never settle, and so
/// never change it.
pub fn stricter(settled: Option<&Policy>, plan: &Policy) -> Policy {
    let Some(settled) = settled else { return plan.clone() };
    Policy {
        after: settled.after.union(&plan.after).cloned().collect(),
        soak: max(settled.soak, plan.soak),
        approvals: max(settled.approvals, plan.approvals),
        signers: stricter_signers(&settled.signers, &plan.signers),
        validate: stricter_validate(&settled.validate, &plan.validate),
        limits: plan.limits.clone(),
        windows: settled.windows.union(&plan.windows).cloned().collect(),
    }
}

/// A kind that either asks for is asked for; where both name a key the settled one signs, so that a new key is
/// introduced by a release that the old key vouches for.
fn stricter_signers(
    settled: &BTreeMap<String, Signer>,
    plan: &BTreeMap<String, Signer>,
) -> BTreeMap<String, Signer> {
    let mut signers = plan.clone();
    for (kind, old) in settled {
        let checks = signers.get(kind).map(|s| s.checks.clone()).unwrap_or_default();
        let checks = old.checks.union(&checks).cloned().collect();
        signers.insert(kind.clone(), Signer { key: old.key.clone(), checks });
    }
    signers
}

fn stricter_validate(a: &Validate, b: &Validate) -> Validate {
    let hold = a.on_inconclusive == OnInconclusive::Hold && b.on_inconclusive == OnInconclusive::Hold;
    Validate {
        bake: max(a.bake, b.bake),
        bake_max: max(a.bake_max, b.bake_max),
        on_inconclusive: if hold { OnInconclusive::Hold } else { OnInconclusive::Undo },
        error_ratio: least(a.error_ratio, b.error_ratio),
        latency_p95_increase: least(a.latency_p95_increase, b.latency_p95_increase),
        min_samples: max(a.min_samples, b.min_samples),
        probes_per_second: max(a.probes_per_second, b.probes_per_second),
        dlq: least(a.dlq, b.dlq),
    }
}

/// The smaller bound; one that is not set bounds nothing.
fn least<T: Ord + Copy>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(min(a, b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Limits, Policy, Validate};
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    /// A policy that asks for nothing.
    pub(crate) fn lax() -> Policy {
        Policy {
            after: BTreeSet::new(),
            soak: Duration::ZERO,
            approvals: 0,
            signers: BTreeMap::new(),
            validate: Validate::default(),
            limits: Limits::default(),
            windows: BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::lax;
    use super::*;
    use crate::signature::testing::public;

    fn with(change: impl FnOnce(&mut Policy)) -> Policy {
        let mut policy = lax();
        change(&mut policy);
        policy
    }

    fn signer(key: u8, checks: &[&str]) -> Signer {
        Signer { key: public(key), checks: checks.iter().map(|c| c.to_string()).collect() }
    }

    fn window(hours: &str) -> Window {
        let allow = vec![hours.to_string().try_into().unwrap()];
        Window { allow, freeze: Vec::new(), zone: "America/Sao_Paulo".into() }
    }

    /// Either order of the two policies gives the expected one.
    fn both_ways(a: Policy, b: Policy, expected: Policy) {
        assert_eq!(stricter(Some(&a), &b), expected);
        assert_eq!(stricter(Some(&b), &a), expected);
    }

    #[test]
    fn a_plan_cannot_loosen_what_the_last_run_was_judged_by() {
        let secs = Duration::from_secs;
        let ratio = |millionths| Some(Ratio { millionths });
        type Case = (fn(&mut Policy), fn(&mut Policy));
        let cases: [Case; 10] = [
            (|p| p.after = ["stage".into()].into(), |_| {}),
            (|p| p.soak = Duration::from_secs(9), |p| p.soak = Duration::from_secs(8)),
            (|p| p.approvals = 2, |p| p.approvals = 1),
            (|p| p.validate.bake = Duration::from_secs(99), |_| {}),
            (|p| p.validate.min_samples = 99, |p| p.validate.min_samples = 0),
            (|_| {}, |p| p.validate.on_inconclusive = OnInconclusive::Hold),
            (|p| p.validate.error_ratio = Some(Ratio { millionths: 1 }), |p| p.validate.error_ratio = None),
            (|p| p.validate.dlq = Some(0), |p| p.validate.dlq = Some(3)),
            (|p| p.signers = [("ci".into(), signer(1, &["lint"]))].into(), |_| {}),
            (|p| p.windows = [window("Mon-Thu 09:00-17:00")].into(), |_| {}),
        ];
        for (strict, loose) in cases {
            both_ways(with(strict), with(loose), with(strict));
        }
        let merged = with(|p| (p.soak, p.validate.error_ratio) = (secs(5), ratio(7)));
        both_ways(with(|p| p.soak = secs(5)), with(|p| p.validate.error_ratio = ratio(7)), merged);
        let both = with(|p| p.after = ["dev".into(), "stage".into()].into());
        both_ways(
            with(|p| p.after = ["dev".into()].into()),
            with(|p| p.after = ["stage".into()].into()),
            both,
        );
    }

    #[test]
    fn a_new_window_does_not_open_the_old_one() {
        let (old, new) = (window("Mon-Thu 09:00-17:00"), window("Mon-Fri 08:00-20:00"));
        let with_window = |window: &Window| with(|p| p.windows = [window.clone()].into());
        let both = with(|p| p.windows = [old.clone(), new.clone()].into());
        both_ways(with_window(&old), with_window(&new), both);
    }

    #[test]
    fn a_new_signer_key_is_introduced_by_the_old_one() {
        let old = with(|p| p.signers = [("ci".into(), signer(1, &["lint"]))].into());
        let new = with(|p| p.signers = [("ci".into(), signer(2, &["test"]))].into());
        let judged = stricter(Some(&old), &new);
        assert_eq!(judged.signers["ci"], signer(1, &["lint", "test"]));
        assert_eq!(stricter(None, &new), new);
    }

    #[test]
    fn limits_are_the_plans_own() {
        let old = with(|p| p.limits.rollout = Duration::from_secs(1));
        let new = with(|p| p.limits.rollout = Duration::from_secs(9));
        assert_eq!(stricter(Some(&old), &new).limits.rollout, Duration::from_secs(9));
    }

    #[test]
    fn every_rule_is_part_of_the_hash() {
        let changes: [fn(&mut Policy); 6] = [
            |p| p.soak = Duration::from_millis(1),
            |p| p.approvals = 1,
            |p| p.signers = [("ci".into(), signer(1, &[]))].into(),
            |p| p.validate.dlq = Some(0),
            |p| p.limits.drain = Duration::from_millis(1),
            |p| p.windows = [window("Fri 09:00-16:00")].into(),
        ];
        for change in changes {
            assert_ne!(with(change).hash(), lax().hash());
        }
        let text = serde_json::to_string(&lax()).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), lax());
    }

    #[test]
    fn shares_are_exact_at_the_border() {
        let one_percent = Ratio::from_f64(0.01).unwrap();
        assert!(!one_percent.exceeded_by(1, 100));
        assert!(one_percent.exceeded_by(2, 199));
        assert!(Ratio { millionths: 0 }.exceeded_by(1, u64::MAX));
        assert!(!one_percent.exceeded_by(0, 0));
        assert_eq!(Ratio::from_f64(-0.1), None);
        assert_eq!(Ratio::from_f64(f64::NAN), None);
    }
}
