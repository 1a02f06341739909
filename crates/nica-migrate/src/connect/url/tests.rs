//! What people really paste as a database address.

use super::*;

fn check(text: &str, expected: &str) {
    let url = DbUrl::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let host = match &url.host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => format!("unix:{}", path.display()),
    };
    let password = url.password.as_deref().unwrap_or("-");
    let seen = format!("{} {password} {host} {} {} {}", url.user, url.port, url.dbname, url.ssl_mode);
    assert_eq!(seen, expected, "{text}");
}

#[test]
fn addresses_are_read() {
    check("postgres://ana@db.example/nica", "ana - db.example 5432 nica prefer");
    check("postgresql://ana:s3@db:6543/nica?sslmode=verify-full", "ana s3 db 6543 nica verify-full");
    check("postgres://ana@db", "ana - db 5432 ana prefer");
    check("postgres://ana:@db/n", "ana  db 5432 n prefer");
    check("postgres://ana@[::1]:5433/n", "ana - ::1 5433 n prefer");
    check("postgres://ana@%2Frun%2Fpg/n", "ana - unix:/run/pg 5432 n disable");
    check("postgres:///n?host=/run/pg&user=ana&port=1", "ana - unix:/run/pg 1 n disable");
    check("postgres://ana@/n", "ana - localhost 5432 n prefer");
    check("postgres://ana:x@h/n?application_name=a&connect_timeout=2", "ana x h 5432 n prefer");
}

#[test]
fn passwords_work_as_pasted_and_as_escaped() {
    check("postgres://ana:p%40ss%25@h/n", "ana p@ss% h 5432 n prefer");
    check("postgres://ana:p@ss@h/n", "ana p@ss h 5432 n prefer");
    check("postgres://ana:100%@h/n", "ana 100% h 5432 n prefer");
    check("postgres://ana:100%zz@h/n", "ana 100%zz h 5432 n prefer");
    check("postgres://ana:a b:c@h/n", "ana a b:c h 5432 n prefer");
    check("postgres://ana:a%20b@h/n", "ana a b h 5432 n prefer");
    check("postgres://ana@h/n?password=p%26w", "ana p&w h 5432 n prefer");
    check("postgres://ana:ção@h/n", "ana ção h 5432 n prefer");
}

#[test]
fn mistakes_are_named() {
    let errors = [
        ("mysql://a@h/n", "must begin with postgres://"),
        ("postgres://h/n", "names no user"),
        ("postgres://a@h1,h2/n", "several hosts"),
        ("postgres://a@h/n?sslmode=full", "`full` is no value for sslmode"),
        ("postgres://a@h/n?ssl=1", "parameter `ssl` is unknown"),
        ("postgres://a:p%ff@h/n", "the password is not UTF-8"),
        ("postgres://a@h/n?port=x", "`x` is no value for port"),
    ];
    for (text, expected) in errors {
        let error = DbUrl::parse(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn no_print_and_no_error_shows_the_password() {
    let url = DbUrl::parse("postgres://ana:geheim@h/n").expect("a plain url");
    assert!(!format!("{url} {url:?}").contains("geheim"));
    let torn = DbUrl::parse("postgres://ana:geheim/rest@h/n").expect_err("the password holds a slash");
    assert!(!format!("{torn} {torn:?}").contains("geheim"), "{torn}");
}

#[test]
fn what_is_handed_on_is_read_back_as_the_same() {
    for text in [
        "postgres://a%20b:p@%ss/x@h:1/n?sslmode=require&sslrootcert=/a b&connect_timeout=2&options=-c%20a%3Db",
        "postgres://ana@%2Frun%2Fpg:7/n",
        "postgres://ana@[::1]/n?sslmode=disable",
    ] {
        let text = text.replace("ss/x", "ss%2Fx");
        let url = DbUrl::parse(&text).expect(&text);
        assert_eq!(DbUrl::parse(&url.to_secret_string()), Ok(url), "{text}");
    }
}
