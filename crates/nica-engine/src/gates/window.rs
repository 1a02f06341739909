//! `window`: is this an hour at which the environment may be changed?

use super::{Gate, GateInput};
use crate::finding::Finding;
use crate::window::{NoZone, Window};

pub(super) const GATE: Gate = Gate {
    id: "window",
    codes: &["closed", "zone"],
    applies: |input| !input.policy.windows.is_empty(),
    judge,
};

fn judge(input: &GateInput) -> Vec<Finding> {
    let judged = |window| one(input, window).unwrap_or_else(|error| Some(unknown(input, &error)));
    input.policy.windows.iter().filter_map(judged).collect()
}

fn one(input: &GateInput, window: &Window) -> Result<Option<Finding>, NoZone> {
    let (env, now) = (input.env.as_str(), input.now);
    if window.is_open(now)? {
        return Ok(None);
    }
    let says = match window.frozen(now)? {
        Some(days) => format!("{env} is frozen on {days} ({})", window.zone),
        None => format!("{env} may be changed {window}; there it is {}", window.clock(now)?),
    };
    let wait = match window.opens(now)? {
        Some(at) => format!("wait until {}", window.day(at)?),
        None => "change `window` in nica.toml: it never opens".to_string(),
    };
    let next = format!("{wait}, or waive with --waive window/closed --reason … --until …");
    Ok(Some(Finding::refuse("window/closed", env, says).next(next)))
}

fn unknown(input: &GateInput, error: &NoZone) -> Finding {
    let says = "nobody can tell what time it is in the window's zone";
    let finding = Finding::inconclusive("window/zone", input.env.as_str(), says);
    finding.cause(error.to_string()).next("use the nica that the last run was opened with, or a newer one")
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use crate::gates::GateInput;
    use crate::window::{Days, Hours, Window};

    /// `now` of a good input is Friday 1970-01-02, 00:00 UTC.
    fn hours(hours: &str, freeze: &[&str], zone: &str) -> Window {
        let allow = vec![Hours::try_from(hours.to_string()).unwrap()];
        let freeze = freeze.iter().map(|days| Days::try_from(days.to_string()).unwrap()).collect();
        Window { allow, freeze, zone: zone.to_string() }
    }

    #[test]
    fn window() {
        let with = |windows: Vec<Window>| {
            move |input: &mut GateInput| input.policy.windows = windows.into_iter().collect()
        };
        let or = "or waive with --waive window/closed --reason … --until …";
        check("window", |_| {}, &[]);
        check("window", with(vec![hours("Fri 00:00-09:00", &[], "UTC")]), &[]);
        let closed = format!(
            "refuse[window/closed]: prod may be changed Mon-Fri 09:00-17:00 (America/Sao_Paulo); there it is Thu 21:00 \
             = next: wait until Fri 1970-01-02 09:00, {or}"
        );
        let office = || hours("Mon-Fri 09:00-17:00", &[], "America/Sao_Paulo");
        check("window", with(vec![office()]), &[&closed]);
        // The plan's and the last run's: both must be open.
        check("window", with(vec![hours("Fri 00:00-09:00", &[], "UTC"), office()]), &[&closed]);
        let frozen = format!(
            "refuse[window/closed]: prod is frozen on 1970-01-01..1970-01-04 (UTC) = next: wait until Mon 1970-01-05 \
             00:00, {or}"
        );
        check(
            "window",
            with(vec![hours("Mon-Fri 00:00-24:00", &["1970-01-01..1970-01-04"], "UTC")]),
            &[&frozen],
        );
        check(
            "window",
            with(vec![hours("Mon-Fri 00:00-24:00", &[], "Moon/Tycho")]),
            &[
                "inconclusive[window/zone]: nobody can tell what time it is in the window's zone = cause: `Moon/Tycho` is \
               no time zone: write one of the IANA database, like America/Sao_Paulo = next: use the nica that the last \
               run was opened with, or a newer one",
            ],
        );
    }
}
