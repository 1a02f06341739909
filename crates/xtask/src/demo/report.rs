//! What `./x demo --json` ends with: one object, every figure measured in this run.

use super::tally::Tally;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) releases: Vec<Release>,
    pub(crate) requests: Requests,
    pub(crate) rows: Rows,
    pub(crate) ledger: Ledger,
    pub(crate) cleaned_up: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Release {
    pub(crate) release: String,
    pub(crate) env: String,
    pub(crate) end: End,
    /// Another deployer than the first brought it to its end.
    pub(crate) resumed: bool,
    pub(crate) reason: String,
    pub(crate) seconds_to_end: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum End {
    Live,
    Back,
    Absent,
    Refused,
    Superseded,
}

#[derive(Debug, Default, Serialize, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    pub(crate) errors_of_undone: u64,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Rows {
    pub(crate) written: u64,
    pub(crate) lost: u64,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Ledger {
    pub(crate) entries: u64,
    pub(crate) verified: bool,
}

impl End {
    pub(crate) fn word(self) -> &'static str {
        match self {
            End::Live => "live",
            End::Back => "back",
            End::Absent => "absent",
            End::Refused => "refused",
            End::Superseded => "superseded",
        }
    }
}

impl Requests {
    /// `undone`: versions that never went live where users are.
    pub(crate) fn of(tally: &Tally, undone: &[&str]) -> Requests {
        Requests { sent: tally.sent, failed: tally.failed(undone), errors_of_undone: tally.errors_of(undone) }
    }
}

impl Report {
    /// Versions that ended otherwise than live in the environment that people use.
    pub(crate) fn undone(releases: &[Release]) -> Vec<&str> {
        let in_prod = |end| releases.iter().filter(move |r| r.env == "prod" && (r.end == End::Live) == end);
        let live: Vec<&str> = in_prod(true).map(|release| release.release.as_str()).collect();
        let other = in_prod(false).map(|release| release.release.as_str());
        other.filter(|version| !live.contains(version)).collect()
    }

    /// What the demo promises, whatever its story.
    pub(crate) fn holds(&self) -> bool {
        self.requests.failed == 0 && self.rows.lost == 0 && self.ledger.verified && self.cleaned_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(release: &str, env: &str, end: End) -> Release {
        Release {
            release: release.into(),
            env: env.into(),
            end,
            resumed: false,
            reason: String::new(),
            seconds_to_end: 1.5,
        }
    }

    fn report(releases: Vec<Release>) -> Report {
        let requests = Requests { sent: 9, failed: 0, errors_of_undone: 2 };
        let (rows, ledger) = (Rows { written: 3, lost: 0 }, Ledger { entries: 4, verified: true });
        Report { releases, requests, rows, ledger, cleaned_up: true }
    }

    #[test]
    fn the_object_has_the_agreed_form() {
        let text = serde_json::to_string(&report(vec![release("1", "prod", End::Live)])).expect("plain data");
        assert_eq!(
            text,
            r#"{"releases":[{"release":"1","env":"prod","end":"live","resumed":false,"reason":"","seconds_to_end":1.5}],"requests":{"sent":9,"failed":0,"errors_of_undone":2},"rows":{"written":3,"lost":0},"ledger":{"entries":4,"verified":true},"cleaned_up":true}"#
        );
    }

    #[test]
    fn a_release_that_was_live_anywhere_in_prod_is_not_undone() {
        let releases = [
            release("1", "dev", End::Live),
            release("1", "prod", End::Live),
            release("3", "dev", End::Live),
            release("3", "prod", End::Back),
            release("6", "prod", End::Superseded),
            release("6", "prod", End::Live),
        ];
        assert_eq!(Report::undone(&releases), ["3"]);
    }

    #[test]
    fn one_broken_promise_is_enough() {
        let breaks: [fn(&mut Report); 4] = [
            |report| report.requests.failed = 1,
            |report| report.rows.lost = 1,
            |report| report.ledger.verified = false,
            |report| report.cleaned_up = false,
        ];
        assert!(report(Vec::new()).holds());
        for break_it in breaks {
            let mut report = report(Vec::new());
            break_it(&mut report);
            assert!(!report.holds());
        }
    }
}
