//! Bakes as literal cases: what was seen, and what is said about it.

use super::*;
use crate::policy::OnInconclusive;

/// Bake 10 s, at most 30 s, 1 % errors, 20 % more latency, 100 requests.
fn policy() -> Validate {
    Validate {
        bake: Duration::from_secs(10),
        bake_max: Duration::from_secs(30),
        on_inconclusive: OnInconclusive::Undo,
        error_ratio: Ratio::from_f64(0.01),
        latency_p95_increase: Ratio::from_f64(0.2),
        min_samples: 100,
        probes_per_second: 20,
        dlq: None,
    }
}

/// A replica that has counted `ok` answers in at most 10 ms and `bad` ones with 500 in at most 100 ms.
fn scrape(replica: u32, ok: u64, bad: u64) -> Scrape {
    let by_status = [(200, ok), (500, bad)].into();
    let buckets = [(10_000, ok), (100_000, ok + bad), (u64::MAX, ok + bad)].into();
    Scrape {
        replica,
        counted: Counted { requests: Requests { by_status, buckets }, dlq: None, retries: None },
    }
}

fn component(scrapes: Vec<Scrape>) -> ComponentSeen {
    let generation = Generation("9f3c00000000".into());
    ComponentSeen { generation, replicas: 2, ready: 2, counts: true, scrapes, gaps: 0, unanswered: 0 }
}

/// Two replicas that each went from 1,000 answers to 1,000 + `ok`.
fn both(ok: u64, bad: u64) -> ComponentSeen {
    component(vec![
        scrape(0, 1_000, 5),
        scrape(1, 1_000, 5),
        scrape(0, 1_000 + ok, 5 + bad),
        scrape(1, 1_000 + ok, 5 + bad),
    ])
}

fn seen(secs: u64, component: ComponentSeen) -> Seen {
    let components = [("backend".to_string(), component)].into();
    Seen { elapsed: Duration::from_secs(secs), components, health: None, database: None }
}

fn before(p95_us: u64) -> Figures {
    let generation = Generation("000000000000".into());
    let measured = Measured { generation, requests: 900, errors: 0, p95_us: Some(p95_us), gaps: 0 };
    Figures { components: [("backend".to_string(), measured)].into() }
}

fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pending => "pending".into(),
        Verdict::Pass => "pass".into(),
        Verdict::Refuse(why) => format!("refuse: {why}"),
        Verdict::Inconclusive(why) => format!("inconclusive: {why}"),
    }
}

fn check(seen: &Seen, policy: &Validate, expected: &str) {
    assert_eq!(said(&judge(seen, policy, Some(&before(9_500))).verdict), expected);
}

#[test]
fn a_good_release_passes_at_the_end_of_its_bake_and_not_before() {
    check(&seen(0, both(0, 0)), &policy(), "pending");
    check(&seen(9, both(500, 0)), &policy(), "pending");
    check(&seen(10, both(500, 0)), &policy(), "pass");
}

#[test]
fn only_what_was_counted_during_the_bake_counts() {
    let judgement = judge(&seen(10, both(500, 2)), &policy(), None);
    let measured = &judgement.figures.components["backend"];
    assert_eq!((measured.requests, measured.errors), (1_004, 4));
}

#[test]
fn errors_refuse_as_soon_as_they_are_certain() {
    let says = "refuse: backend: 20 of 120 requests failed, at most 1 % are allowed";
    check(&seen(1, both(50, 10)), &policy(), says);
    // Fewer than min_samples: one unlucky answer decides nothing.
    check(&seen(10, both(10, 1)), &policy(), "pending");
    let says = "inconclusive: after 30 s: backend: 22 requests seen, at least 100 are needed";
    check(&seen(30, both(10, 1)), &policy(), says);
    check(&seen(10, both(99, 1)), &policy(), "pass");
}

#[test]
fn requests_that_nobody_answered_are_failed_requests() {
    let mut hanging = both(50, 0);
    hanging.unanswered = 60;
    let says = "refuse: backend: 60 of 160 requests failed, at most 1 % are allowed";
    check(&seen(1, hanging), &policy(), says);
}

#[test]
fn no_data_is_no_pass() {
    let nothing = || component(vec![]);
    check(&seen(10, nothing()), &policy(), "pending");
    check(
        &seen(30, nothing()),
        &policy(),
        "inconclusive: after 30 s: backend: metrics of 0 of 2 replicas were read, 0 reads failed; \
         backend: 0 requests seen, at least 100 are needed",
    );
    // One replica is never read for all of them.
    let mut one = component(vec![scrape(0, 0, 0), scrape(0, 500, 0)]);
    one.gaps = 7;
    check(
        &seen(30, one),
        &policy(),
        "inconclusive: after 30 s: backend: metrics of 1 of 2 replicas were read, 7 reads failed",
    );
    check(
        &seen(30, both(20, 0)),
        &policy(),
        "inconclusive: after 30 s: backend: 40 requests seen, at least 100 are needed",
    );
    let mut unready = both(500, 0);
    unready.ready = 1;
    check(&seen(29, unready.clone()), &policy(), "pending");
    check(&seen(30, unready), &policy(), "inconclusive: after 30 s: backend: 1 of 2 replicas ready");
}

#[test]
fn what_declares_no_metrics_is_judged_by_readiness_and_health() {
    let silent = |ready| ComponentSeen { counts: false, ready, ..component(vec![]) };
    let judgement = judge(&seen(10, silent(2)), &policy(), None);
    assert_eq!(said(&judgement.verdict), "pass");
    assert_eq!(judgement.notes, ["backend: declares no metrics, judged by readiness and health alone"]);
    let mut both = seen(30, component(vec![]));
    both.components.insert("site".to_string(), silent(2));
    let verdict = said(&judge(&both, &policy(), None).verdict);
    assert!(verdict.starts_with("inconclusive: after 30 s: backend: metrics of 0 of 2"), "{verdict}");
    check(&seen(9, silent(2)), &policy(), "pending");
    check(&seen(30, silent(1)), &policy(), "inconclusive: after 30 s: backend: 1 of 2 replicas ready");
    let sick = Seen { health: Some(Health::Bad("answered 503".into())), ..seen(10, silent(2)) };
    check(&sick, &policy(), "refuse: health of the environment's URL: answered 503");
}

#[test]
fn a_replica_that_restarted_counts_from_zero() {
    let restarted =
        component(vec![scrape(0, 1_000, 0), scrape(1, 1_000, 0), scrape(0, 60, 0), scrape(1, 1_060, 0)]);
    let judgement = judge(&seen(10, restarted), &policy(), None);
    assert_eq!(judgement.figures.components["backend"].requests, 120);
}

#[test]
fn latency_is_compared_with_the_bake_of_what_was_live_before() {
    let against = |p95, expected: &str| {
        let judgement = judge(&seen(10, both(500, 0)), &policy(), Some(&before(p95)));
        assert_eq!(said(&judgement.verdict), expected);
    };
    against(9_500, "pass");
    against(8_000, "pass");
    against(7_000, "refuse: backend: 95 % within 9.5 ms, 7.0 ms before; at most 20 % more are allowed");
}

#[test]
fn a_first_deploy_has_no_comparison_and_says_so() {
    let judgement = judge(&seen(10, both(500, 0)), &policy(), None);
    assert_eq!(said(&judgement.verdict), "pass");
    assert_eq!(judgement.notes, ["backend: no earlier bake to compare the latency with"]);
}

#[test]
fn dead_letters_must_be_seen_to_be_none() {
    let strict = Validate { dlq: Some(0), ..policy() };
    let with = |dlq: Option<u64>, retries: [Option<u64>; 2]| {
        let mut component = both(500, 0);
        for (n, scrape) in component.scrapes.iter_mut().enumerate() {
            scrape.counted.retries = retries[n / 2];
            scrape.counted.dlq = dlq.filter(|_| scrape.replica == 0);
        }
        seen(30, component)
    };
    check(&with(None, [None, None]), &strict, "inconclusive: after 30 s: event_bus.dlq: no replica shows it");
    check(&with(Some(0), [Some(7), Some(7)]), &strict, "pass");
    check(&with(Some(2), [None, None]), &strict, "refuse: event_bus.dlq is 2, at most 0 is allowed");
    check(&with(Some(0), [Some(7), Some(8)]), &strict, "refuse: pipeline.retry.count rose by 2");
    check(&with(Some(2), [Some(7), Some(8)]), &policy(), "pass");
}

#[test]
fn health_is_asked_until_it_answers() {
    let with = |secs, health| Seen { health: Some(health), ..seen(secs, both(500, 0)) };
    check(&with(10, Health::Good), &policy(), "pass");
    let says = "refuse: health of the environment's URL: answered 503";
    check(&with(10, Health::Bad("answered 503".into())), &policy(), says);
    check(&with(9, Health::Bad("answered 503".into())), &policy(), "pending");
    let unknown = || Health::Unknown("time-out".into());
    check(&with(10, unknown()), &policy(), "pending");
    let says = "inconclusive: after 30 s: health of the environment's URL could not be asked: time-out";
    check(&with(30, unknown()), &policy(), says);
}

#[test]
fn percentiles_are_linear_inside_a_bucket_and_unknown_beyond_the_last() {
    let check = |buckets: &[(u64, u64)], expected| {
        assert_eq!(quantile_us(&buckets.iter().copied().collect(), 95), expected, "{buckets:?}");
    };
    check(&[], None);
    check(&[(10, 0), (u64::MAX, 0)], None);
    check(&[(10, 100), (u64::MAX, 100)], Some(9));
    check(&[(10, 90), (20, 100), (u64::MAX, 100)], Some(15));
    check(&[(10, 90), (u64::MAX, 100)], None);
    check(&[(10, 1), (u64::MAX, 1)], Some(10));
}
