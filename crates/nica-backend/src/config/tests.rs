//! Cases: an environment and what is read from it.

use super::*;
use std::collections::HashMap;

const GOOD: [(&str, &str); 2] = [
    ("DATABASE_URL", "postgresql://u:p%40ss@localhost/nica"),
    ("AUTH_SECRET", "0123456789abcdef0123456789abcdef"),
];

fn read(pairs: &[(&str, &str)]) -> Result<Serve, Mistakes> {
    let set: HashMap<&str, &str> = GOOD.into_iter().chain(pairs.iter().copied()).collect();
    serve(&|name| set.get(name).filter(|v| !v.is_empty()).map(|v| v.to_string()), false)
}

fn mistakes(pairs: &[(&str, &str)]) -> Vec<Mistake> {
    read(pairs).err().map(|Mistakes(all)| all).unwrap_or_default()
}

#[test]
fn a_wrong_variable_is_named_with_what_is_wrong_and_what_to_do() {
    let cases = [
        ("DATABASE_URL", "", "is not set"),
        ("DATABASE_URL", "mysql://x", "does not begin with postgres:// or postgresql://"),
        ("DATABASE_URL", "postgresql://u@h:notaport/x", "has no number as its port"),
        ("DATABASE_URL", "postgresql://u:p@h/x?half=1", "has an unknown parameter"),
        ("AUTH_SECRET", "", "is not set"),
        ("AUTH_SECRET", "changeme", "is a placeholder from a template"),
        ("AUTH_SECRET", "ChangeMe-0123456789abcdef0123456789", "is a placeholder from a template"),
        ("AUTH_SECRET", "12345678", "has 8 bytes, at least 32 are needed"),
        ("DB_POOL_MAX", "0", "is `0`"),
        ("DB_POOL_MAX", "ten", "is `ten`"),
        ("DB_POOL_WAIT_MS", "-1", "is `-1`"),
        ("LISTEN", "localhost", "is `localhost`"),
        ("LOG_LEVEL", "loud", "is `loud`"),
        ("BODY_MAX", "1", "is `1`"),
        ("TRUSTED_PROXIES", "10.0.0.1,me", "names `me`"),
        ("NICA_REPLICA", "prod/backend", "is `prod/backend`, not <env>/<component>/<generation>/<n>"),
        ("LISTEN_FDS", "two", "is `two` with 1 names"),
    ];
    for (variable, value, what) in cases {
        let found = mistakes(&[(variable, value)]);
        assert_eq!(found.len(), 1, "{variable}={value}: {found:?}");
        assert_eq!((found[0].variable, found[0].what.as_str()), (variable, what));
        assert!(found[0].next.contains(variable) || variable == "LISTEN_FDNAMES", "{}", found[0].next);
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let found =
        mistakes(&[("DATABASE_URL", ""), ("AUTH_SECRET", "short"), ("DB_POOL_MAX", "x"), ("LISTEN", "y")]);
    let variables: Vec<&str> = found.iter().map(|mistake| mistake.variable).collect();
    assert_eq!(variables, ["DATABASE_URL", "DB_POOL_MAX", "LISTEN", "AUTH_SECRET"]);
}

#[test]
fn no_secret_is_ever_shown() {
    let bad = read(&[("DATABASE_URL", "postgresql://u:hunter2@h/x?hunter2=1"), ("AUTH_SECRET", "hunter2")]);
    let bad = bad.expect_err("both are wrong");
    let good = read(&[]).expect("the defaults are good");
    for text in [bad.to_string(), format!("{bad:?}"), format!("{good:?}")] {
        assert!(
            !text.contains("hunter2") && !text.contains("p%40ss") && !text.contains("0123456789"),
            "{text}"
        );
    }
}

#[test]
fn a_secret_from_a_file_ends_before_its_newline() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let secret = file("auth", format!("{}\r\n", GOOD[1].1));
    let url = file("url", format!("{}\n", GOOD[0].1));
    let config = read(&[
        ("AUTH_SECRET", ""),
        ("AUTH_SECRET_FILE", &secret),
        ("DATABASE_URL", ""),
        ("DATABASE_URL_FILE", &url),
    ]);
    let config = config.expect("both files are good");
    assert_eq!(config.auth.secret.as_ref().map(Secret::expose), Some(GOOD[1].1));
    assert_eq!(config.database.url.database(), "nica");
}

#[test]
fn a_read_only_service_needs_no_auth_secret_but_refuses_a_bad_one() {
    let url = |name: &str| (name == "DATABASE_URL").then(|| GOOD[0].1.to_string());
    assert!(serve(&url, true).is_ok());
    assert!(serve(&url, false).is_err());
    let bad = |name: &str| if name == "AUTH_SECRET" { Some("changeme".into()) } else { url(name) };
    assert!(serve(&bad, true).is_err());
}

#[test]
fn the_parents_sockets_are_found_by_name() {
    let cases = [
        ("2", "http:admin", Some(3), Some(4)),
        ("2", "admin:http", Some(4), Some(3)),
        ("1", "http", Some(3), None),
    ];
    for (count, names, http, admin) in cases {
        let config = read(&[("LISTEN_FDS", count), ("LISTEN_FDNAMES", names)]).expect("a good pair");
        assert_eq!(config.replica.inherited, Inherited { http, admin }, "{names}");
    }
    let found = mistakes(&[("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "admin")]);
    assert_eq!(found[0].variable, "LISTEN_FDNAMES");
}

#[test]
fn sessions_carry_pgappname_or_the_replicas_generation() {
    let replica = ("NICA_REPLICA", "prod/backend/0a1b2c3d4e5f/1");
    let config = read(&[replica]).expect("good");
    assert_eq!(config.database.session_name, "nica/backend/0a1b2c3d4e5f");
    let config = read(&[replica, ("PGAPPNAME", "nica/reader/ffff")]).expect("good");
    assert_eq!(config.database.session_name, "nica/reader/ffff");
    assert_eq!(mistakes(&[("PGAPPNAME", &"x".repeat(64))])[0].variable, "PGAPPNAME");
}
