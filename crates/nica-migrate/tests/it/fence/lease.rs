//! The lease lapses at once when its session is gone, after the ttl when it is silent, and has one holder.

use crate::common::{ENV, database, holder, named, session, text};
use nica_migrate::fence::{FenceError, Lease, peek};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const TTL: Duration = Duration::from_secs(3);

#[tokio::test]
async fn second_taker_waits_and_is_told_who_holds_it() {
    let url = database().await;
    let first = Lease::take(&url, &holder("ana"), TTL).await.expect("an answer").expect("free");
    assert_eq!(first.number(), 1);
    assert!(Lease::take(&url, &holder("bia"), TTL).await.expect("an answer").is_none());
    let patience = Duration::from_millis(100);
    let error = Lease::wait(&url, &holder("bia"), TTL, patience).await.expect_err("ana holds it");
    assert!(matches!(&error, FenceError::Held { holder, number: 1, .. } if holder == "ana"), "{error}");
}

#[tokio::test]
async fn dropped_lease_lapses_long_before_the_ttl() {
    let url = database().await;
    let first = Lease::take(&url, &holder("ana"), Duration::from_secs(60)).await.expect("an answer");
    drop(first.expect("free"));
    let before = Instant::now();
    let ttl = Duration::from_secs(60);
    let second = Lease::wait(&url, &holder("bia"), ttl, Duration::from_secs(5)).await.expect("lapsed");
    assert_eq!(second.number(), 2);
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn released_lease_is_free_at_once_and_its_number_is_not_given_again() {
    let url = database().await;
    for expected in 1..=3 {
        let lease = Lease::take(&url, &holder("ana"), TTL).await.expect("an answer").expect("free");
        assert_eq!(lease.number(), expected);
        lease.release().await.expect("released");
    }
}

#[tokio::test]
async fn next_number_keeps_the_lease_and_renames_its_session() {
    let url = database().await;
    let lease = Lease::take(&url, &holder("ana"), TTL).await.expect("an answer").expect("free");
    assert_eq!(lease.next_number().await.expect("still ours"), 2);
    assert_eq!((lease.number(), lease.is_held()), (2, true));
    let client = session(&url).await;
    let names = "SELECT string_agg(application_name, ' ') FROM pg_stat_activity
                 WHERE application_name LIKE 'nica/%' AND datname = current_database()";
    assert_eq!(text(&client, names).await, format!("nica/{ENV}/2/-"));
    sleep(TTL / 2).await;
    assert!(lease.is_held(), "beats carry the new number");
}

#[tokio::test]
async fn beats_keep_it_for_longer_than_the_ttl() {
    let url = database().await;
    let ttl = Duration::from_millis(600);
    let lease = Lease::take(&url, &holder("ana"), ttl).await.expect("an answer").expect("free");
    let client = session(&url).await;
    for _ in 0..15 {
        sleep(Duration::from_millis(100)).await;
        assert!(lease.is_held());
        assert!(!peek(&client, ttl).await.expect("a read").lapsed);
    }
}

#[tokio::test]
async fn holder_whose_session_is_ended_knows_that_it_lost() {
    let url = database().await;
    let lease = Lease::take(&url, &holder("ana"), TTL).await.expect("an answer").expect("free");
    let client = session(&url).await;
    client.batch_execute("SELECT pg_terminate_backend(pid) FROM nica.lease").await.expect("ended");
    tokio::time::timeout(TTL, lease.lost()).await.expect("noticed within the ttl");
    assert!(!lease.is_held());
    lease.next_number().await.expect_err("there is no session to take it with");
}

#[tokio::test]
async fn session_with_a_reused_pid_does_not_hold_it() {
    let url = database().await;
    let client = named(&url, "somebody").await;
    let row = "UPDATE nica.lease SET number = 4, holder = 'ghost', pid = pg_backend_pid(),
               backend_start = now() - interval '1 hour', beat = clock_timestamp()";
    client.batch_execute(row).await.expect("a ghost's row");
    let lease = Lease::take(&url, &holder("ana"), TTL).await.expect("an answer").expect("lapsed");
    assert_eq!(lease.number(), 5);
}

#[tokio::test]
async fn of_many_takers_at_once_one_holds_it() {
    let url = database().await;
    for round in 1..=10 {
        let takers: Vec<_> = (0..8)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move { Lease::take(&url, &holder("x"), TTL).await.expect("an answer") })
            })
            .collect();
        let mut held = Vec::new();
        for taker in takers {
            held.extend(taker.await.expect("no panic"));
        }
        assert_eq!(held.iter().map(Lease::number).collect::<Vec<_>>(), [round]);
        held.pop().expect("one").release().await.expect("released");
    }
}
