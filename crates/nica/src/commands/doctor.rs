//! `nica doctor`: what is missing or wrong before anything is tried, each with its remedy. Looks, and changes nothing.
//!
//! Three answers: it is right, it is wrong, nobody could look. What could not be looked at is never called right.

mod database;
mod here;
mod target;

use super::context::Context;
use crate::exit::Exit;
use serde::Serialize;
use serde_json::json;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    /// `prod/database`; without an environment what holds for all of them.
    about: String,
    state: State,
    says: String,
    /// What to do; empty where it is right.
    next: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Right,
    Unknown,
    Wrong,
}

impl Line {
    fn new(about: &str, state: State, says: String, next: String) -> Line {
        Line { about: about.to_string(), state, says, next }
    }

    fn right(about: &str, says: impl Into<String>) -> Line {
        Line::new(about, State::Right, says.into(), String::new())
    }

    fn wrong(about: &str, says: impl Into<String>, next: impl Into<String>) -> Line {
        Line::new(about, State::Wrong, says.into(), next.into())
    }

    fn unknown(about: &str, says: impl Into<String>, next: impl Into<String>) -> Line {
        Line::new(about, State::Unknown, says.into(), next.into())
    }

    fn text(&self) -> String {
        let mark = match self.state {
            State::Right => "✓ right  ",
            State::Unknown => "? unknown",
            State::Wrong => "✗ wrong  ",
        };
        let next = if self.next.is_empty() { String::new() } else { format!("\n    = next: {}", self.next) };
        format!("{mark} {}: {}{next}", self.about, self.says)
    }
}

pub(super) async fn run(context: &Context, env: Option<&str>) -> anyhow::Result<Exit> {
    let named = match env {
        Some(env) => vec![context.environment(env)?.name.clone()],
        None => context.config.environments.keys().cloned().collect(),
    };
    let mut lines = here::look(context).await;
    for env in &named {
        lines.extend(here::variables(context, env)?);
        lines.extend(environment(context, env).await);
    }
    for line in &lines {
        context.output.result(line, &line.text());
    }
    let exit = exit(&lines);
    let count = |state| lines.iter().filter(|line| line.state == state).count();
    let (wrong, unknown) = (count(State::Wrong), count(State::Unknown));
    let value =
        json!({ "right": count(State::Right), "wrong": wrong, "unknown": unknown, "exit": exit as u8 });
    let text = format!("{} looked at: {wrong} wrong, {unknown} unknown. Exit {}.", lines.len(), exit as u8);
    context.output.result(&value, &text);
    Ok(exit)
}

/// Database and target of an environment; the target is asked with what the records say of it.
async fn environment(context: &Context, env: &str) -> Vec<Line> {
    let about = format!("{env}/database");
    let access = match context.access(env, std::sync::Arc::new(|_| {})) {
        Ok(access) => access,
        // A variable that is not set; told by what looks at the variables.
        Err(error) => {
            return vec![Line::unknown(&about, format!("nobody could look: {error:#}"), "mend that first")];
        }
    };
    let (mut lines, client) = database::look(&about, &access).await;
    lines.push(target::look(&format!("{env}/target"), &access, client.as_ref()).await);
    lines
}

/// Wrong weighs more than unknown: it needs somebody's hand, whatever the rest is.
fn exit(lines: &[Line]) -> Exit {
    let any = |state| lines.iter().any(|line| line.state == state);
    match (any(State::Wrong), any(State::Unknown)) {
        (true, _) => Exit::No,
        (false, true) => Exit::Inconclusive,
        (false, false) => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_could_look_at_is_never_right() {
        let check = |states: &[State], expected: Exit| {
            let line = |state: &State| Line::new("dev/database", *state, "says".into(), String::new());
            assert_eq!(exit(&states.iter().map(line).collect::<Vec<_>>()), expected);
        };
        check(&[State::Right, State::Right], Exit::Done);
        check(&[State::Right, State::Unknown], Exit::Inconclusive);
        check(&[State::Unknown, State::Wrong], Exit::No);
    }

    #[test]
    fn a_line_says_what_to_do_next() {
        let line = Line::wrong("prod/database", "PROD_DATABASE_URL is not set", "export it");
        assert_eq!(
            line.text(),
            "✗ wrong   prod/database: PROD_DATABASE_URL is not set\n    = next: export it"
        );
        assert_eq!(Line::right("git", "it is there").text(), "✓ right   git: it is there");
    }
}
