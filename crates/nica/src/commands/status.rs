//! `nica status`: where each environment stands, read from its own records.

pub(super) mod running;

use super::context::Context;
use crate::exit::Exit;
use nica_effects::answer::answered;
use nica_effects::failure::Failure;
use nica_effects::open;
use nica_effects::perform::describe;
use nica_effects::records::control;
use nica_effects::records::run::{self, OpenRun};
use nica_effects::records::step::{self, How, Standing};
use nica_engine::next::Direction;
use nica_engine::plan::Status;
use nica_engine::{Effect, span};
use nica_migrate::fence;
use running::Running;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Client;

pub(super) async fn run(context: &Context, env: Option<&str>) -> anyhow::Result<Exit> {
    let all: Vec<String> = context.config.environments.keys().cloned().collect();
    let named = env.map_or(all, |env| vec![env.to_string()]);
    let mut exit = Exit::Done;
    for env in named {
        let (value, text) = match status(context, &env).await {
            Ok((value, text, answers)) => {
                // The records may be read and the target be silent.
                exit = if answers { exit } else { Exit::Unreachable };
                (value, text)
            }
            Err(error) => {
                exit = super::exit_of(&error);
                (
                    json!({ "env": env, "error": format!("{error:#}") }),
                    format!(
                        "{env:<8} unreachable: {error:#}\n         = next: nica status --env {env}, once it can be reached"
                    ),
                )
            }
        };
        context.output.result(&value, &text);
    }
    Ok(exit)
}

/// For programs, for people, and whether the target answered.
async fn status(context: &Context, env: &str) -> anyhow::Result<(Value, String, bool)> {
    let access = context.access(env, Arc::new(|_| {}))?;
    let client = open::reader(&access).await?;
    let Some(control) = answered("the control row", control::read(&client)).await? else {
        return Ok((
            json!({ "env": env, "live": null }),
            format!("{env:<8} nothing: no release was ever delivered here"),
            true,
        ));
    };
    let open = match answered("the open run", run::read_open(&client)).await? {
        Some(run) => Some(open_run(context, env, &client, run).await?),
        None => None,
    };
    // While a run is open, what is there is on its way.
    let settled = control.baseline.as_ref().filter(|_| open.is_none());
    let running = Running::at(&access, &client, settled).await;
    let live = control.baseline.as_ref().map(|b| b.version.clone());
    let words = live.clone().unwrap_or_else(|| "nothing".to_string()) + &running.text();
    let text = match (&open, running.next(env)) {
        (Some(open), _) => format!("{env:<8} {words}   {}", open.text(env)),
        (None, Some(next)) => format!("{env:<8} {words}\n         = next: {next}"),
        (None, None) => format!("{env:<8} {words}"),
    };
    let (next, open) = (running.next(env), open.map(|open| open.value(env)));
    let value =
        json!({ "env": env, "live": live, "open_run": open, "target": running.value(), "next": next });
    Ok((value, text, running.answers()))
}

/// A run that has not ended, as whoever asks needs to know it.
struct Open {
    run: OpenRun,
    age: Duration,
    /// Whoever holds the lease now.
    acting: Option<String>,
    /// The target's folder is on this machine.
    has_target: bool,
    /// How the last who acted left it; none where somebody has taken the lease since.
    standing: Option<Standing>,
}

async fn open_run(context: &Context, env: &str, client: &Client, run: OpenRun) -> anyhow::Result<Open> {
    let age = answered("the run's age", run::age(client, &run.id)).await?;
    let ttl = context.environment(env)?.policy.limits.lease_ttl;
    let lease = fence::peek(client, ttl).await.map_err(Failure::from)?;
    let acting = Some(&lease).filter(|lease| !lease.lapsed).and_then(|lease| {
        Some(format!(
            "{} on {}",
            lease.holder.as_deref()?,
            lease.host.as_deref().unwrap_or("an unknown host")
        ))
    });
    let has_target = run.participants.process.as_ref().is_none_or(|folder| Path::new(folder).exists());
    let standing = answered("how the run was left", step::standing(client, &run.id)).await?;
    let standing = standing.filter(|standing| standing.fence == lease.number && acting.is_none());
    Ok(Open { run, age, acting, has_target, standing })
}

impl Open {
    /// `orphaned`, `held`, `stuck`, `going back`, `baking`, or the step where it stands.
    fn state(&self) -> String {
        let OpenRun { plan, statuses, direction, .. } = &self.run;
        let step = plan.steps().find(|step| statuses[step.n] != Status::Done);
        match (direction, step.map(|step| step.effect)) {
            _ if !self.has_target && self.acting.is_none() => "orphaned".to_string(),
            _ if self.how() == Some(How::Held) => "held".to_string(),
            _ if self.how() == Some(How::Stuck) => "stuck".to_string(),
            (Direction::Back, _) => "going back".to_string(),
            (_, Some(Effect::Bake)) => "baking".to_string(),
            (_, Some(effect)) => format!("at {}", describe(effect)),
            (_, None) => "at settle".to_string(),
        }
    }

    fn how(&self) -> Option<How> {
        self.standing.as_ref().map(|standing| standing.how)
    }

    /// Why it stays open, else why it goes back.
    fn reason(&self) -> Option<&str> {
        let standing = self.standing.as_ref().map(|standing| standing.reason.as_str());
        standing.or(self.run.turned.as_ref().map(|turned| turned.reason.as_str()))
    }

    fn next(&self, env: &str) -> String {
        let committed = self.run.plan.committed(&self.run.statuses);
        match &self.acting {
            None if !self.has_target => {
                let folder = self.run.participants.process.as_deref().unwrap_or_default();
                format!("bring {folder} back, or go to its machine; then nica resume --env {env}")
            }
            None if self.how() == Some(How::Held) => {
                format!("nica resume --env {env}, or nica abort --env {env}")
            }
            None if self.how() == Some(How::Stuck) => {
                format!(
                    "mend it, then nica resume --env {env}; or nica deploy a newer release; or nica accept-state --env {env}"
                )
            }
            None => format!("nica resume --env {env}"),
            Some(_) if committed || self.run.direction == Direction::Back => {
                "wait; it ends by itself".to_string()
            }
            Some(_) => format!("wait, or nica abort --env {env}"),
        }
    }

    fn text(&self, env: &str) -> String {
        let (id, version, age) = (&self.run.id, &self.run.plan.version, span::text(self.age));
        let acting = match &self.acting {
            Some(who) => format!("{who} acts"),
            None => "nobody acts".to_string(),
        };
        let why = self.reason().map(|reason| format!("\n         = cause: {reason}"));
        format!(
            "{version} is {}, open for {age}, {acting}   run {id}{}\n         = next: {}",
            self.state(),
            why.unwrap_or_default(),
            self.next(env)
        )
    }

    fn value(&self, env: &str) -> Value {
        json!({
            "run": self.run.id,
            "version": self.run.plan.version,
            "direction": self.run.direction,
            "state": self.state(),
            "age_secs": self.age.as_secs(),
            "acting": self.acting,
            "reason": self.reason(),
            "turned_back": self.run.turned.as_ref().map(|turned| &turned.reason),
            "next": self.next(env),
        })
    }
}
