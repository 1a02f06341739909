//! What the program says when it is told nonsense.

use crate::replica::BINARY;
use std::process::Command;

#[test]
fn all_mistakes_are_told_in_one_start_with_exit_code_2_and_no_secret() {
    let output = Command::new(BINARY)
        .arg("serve")
        .env_clear()
        .env("DATABASE_URL", "mysql://u:hunter2@h/d")
        .env("AUTH_SECRET", "changeme")
        .env("DB_POOL_MAX", "many")
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    let expected = [
        "error: failed to read configuration: DATABASE_URL does not begin with postgres:// or postgresql://",
        "  = next: set DATABASE_URL to postgresql://USER:PASSWORD@HOST:5432/NAME; write /, ? and # of a password as \
         %2F, %3F and %23",
        "error: failed to read configuration: DB_POOL_MAX is `many`",
        "  = next: set DB_POOL_MAX to a whole number from 1 to 1000; the default is 10",
        "error: failed to read configuration: AUTH_SECRET is a placeholder from a template",
        "  = next: set AUTH_SECRET to at least 32 random bytes, for example from `openssl rand -base64 48`",
    ];
    assert_eq!(lines, expected);
    assert!(output.stdout.is_empty());
}

#[test]
fn an_unknown_word_gets_the_nearest_known_one_and_exit_code_2() {
    let output = Command::new(BINARY).arg("sevre").output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("'serve'"));
}
