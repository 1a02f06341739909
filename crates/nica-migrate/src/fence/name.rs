//! Session names: admission ends sessions by name, so a name that Postgres would cut is refused here.

use super::FenceError;

const ENV_MAX_BYTES: usize = 16;
const RUN_BYTES: usize = 8;

/// `nica/<env>/<fence>/<run>`; the last part is `-` as long as no run is open.
///
/// # Errors
/// `Name` when a part has a shape that could not be found again.
pub fn session_name(env: &str, fence: i64, run: Option<&str>) -> Result<String, FenceError> {
    let run = run.unwrap_or("-");
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let env_fits = !env.is_empty() && env.len() <= ENV_MAX_BYTES && plain(env);
    let run_fits = run == "-" || (run.len() == RUN_BYTES && plain(run));
    if !env_fits || !run_fits {
        return Err(FenceError::Name { env: env.to_string(), run: run.to_string() });
    }
    let name = format!("nica/{env}/{fence}/{run}");
    assert!(name.len() <= crate::connect::APPLICATION_NAME_MAX_BYTES, "16 + 20 + 8 and the slashes fit");
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(env: &str, run: Option<&str>, expected: Option<&str>) {
        assert_eq!(session_name(env, 7, run).ok().as_deref(), expected, "{env} {run:?}");
    }

    #[test]
    fn only_names_that_are_found_again_are_given() {
        check("prod", Some("a1b2c3d4"), Some("nica/prod/7/a1b2c3d4"));
        check("prod", None, Some("nica/prod/7/-"));
        check("a-long-name-of16", None, Some("nica/a-long-name-of16/7/-"));
        check("a-long-name-of-17", None, None);
        check("", None, None);
        check("pr/od", None, None);
        check("Prod", None, None);
        check("prod", Some("short"), None);
        check("prod", Some("a/b2c3d4"), None);
    }

    #[test]
    fn longest_name_is_not_cut() {
        let name = session_name("a-long-name-of16", i64::MAX, Some("a1b2c3d4")).expect("fits");
        assert!(name.len() <= 63, "{name}");
    }
}
