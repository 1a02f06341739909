//! A server with TLS and passwords, and every way of being let in or refused.

mod server;

pub(crate) use server::{Door, door};

use nica_migrate::{ConnectError, DbUrl, connect};

/// How an attempt ended, in one word.
async fn attempt(url: &str) -> &'static str {
    match connect(&DbUrl::parse(url).unwrap_or_else(|e| panic!("{url}: {e}")), "nica test").await {
        Ok(client) => {
            let sql = "SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)";
            let tls: bool = client.query_one(sql, &[]).await.expect(sql).get(0);
            if tls { "in with TLS" } else { "in" }
        }
        Err(ConnectError::Unreachable { .. }) => "unreachable",
        Err(ConnectError::AuthRefused { .. }) => "auth",
        Err(ConnectError::TlsRefused { .. }) => "TLS",
        Err(ConnectError::WrongDatabase { .. }) => "database",
        Err(ConnectError::TooSlow { .. }) => "slow",
    }
}

#[tokio::test]
async fn passwords_work_as_they_are_pasted_and_as_they_are_escaped() {
    let Door { named, .. } = door().await;
    let cases = [
        // The password is `p%40 @:w%` for the first, `100%` for the second.
        ("odd", "p%40 @:w%", "auth"),
        ("odd", "p%2540%20%40%3Aw%25", "in with TLS"),
        ("odd", "p%2540 @:w%", "in with TLS"),
        ("percent", "100%", "in with TLS"),
        ("percent", "100%25", "in with TLS"),
        ("percent", "101%", "auth"),
        ("percent", "", "auth"),
        ("accent", "maçã%20doce", "in with TLS"),
        ("accent", "ma%C3%A7%C3%A3 doce", "in with TLS"),
        ("nobody_here", "x", "auth"),
    ];
    for (user, password, expected) in cases {
        let url = format!("postgres://{user}:{password}@{named}/postgres");
        assert_eq!(attempt(&url).await, expected, "{url}");
    }
}

#[tokio::test]
async fn each_sslmode_demands_what_it_says() {
    let Door { named, unnamed, plain, root, other_root } = door().await;
    let cases = [
        (named, "disable", "", "auth"),
        (named, "prefer", "", "in with TLS"),
        (named, "require", "", "in with TLS"),
        (named, "require", root, "in with TLS"),
        (named, "require", other_root, "TLS"),
        (named, "verify-ca", root, "in with TLS"),
        (named, "verify-ca", other_root, "TLS"),
        (named, "verify-ca", "", "TLS"),
        (named, "verify-full", root, "in with TLS"),
        (named, "verify-full", other_root, "TLS"),
        (named, "verify-full", "", "TLS"),
        (unnamed, "require", "", "in with TLS"),
        (unnamed, "verify-ca", root, "in with TLS"),
        (unnamed, "verify-full", root, "TLS"),
        (named, "verify-full", "/nowhere/root.crt", "TLS"),
        (plain, "disable", "", "in"),
        (plain, "prefer", "", "in"),
        (plain, "require", "", "TLS"),
        (plain, "verify-full", root, "TLS"),
    ];
    for (host, mode, root, expected) in cases {
        let mut url = format!("postgres://percent:100%@{host}/postgres?sslmode={mode}");
        if !root.is_empty() {
            url.push_str(&format!("&sslrootcert={root}"));
        }
        assert_eq!(attempt(&url).await, expected, "{url}");
    }
}

#[tokio::test]
async fn refusals_never_repeat_the_password() {
    let Door { named, .. } = door().await;
    let url = DbUrl::parse(&format!("postgres://percent:guessed%@{named}/postgres")).expect("a url");
    let error = connect(&url, "nica test").await.expect_err("the password is wrong");
    assert!(!format!("{error} {error:?} {url:?}").contains("guessed"), "{error:?}");
}
