//! A case: one story of kills and stops, told in one line that replays it.
//!
//! `forward.03-started.commit-1.answer.deployer.kill.deploy` reads: in the run that goes forward, at the first COMMIT
//! after step 3's start was recorded, with the answer held, kill the deployer; then one plain `nica deploy`.
//! A second fault on whoever comes next stands after a `+`.

use super::gate::{Place, Trap};
use super::label::Point;
use anyhow::{Context as _, Result, bail};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    pub story: Story,
    pub fault: Fault,
    /// On the run that takes over.
    pub second: Option<Fault>,
    pub then: Then,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    pub point: Point,
    pub place: Place,
    pub actor: Actor,
    pub how: How,
}

/// Written once: name in a case, name of the variant.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            pub(crate) const ALL: &'static [$name] = &[$($name::$variant,)*];

            pub(crate) fn name(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            fn parse(word: &str) -> Result<$name> {
                let known: Vec<&str> = $name::ALL.iter().map(|one| one.name()).collect();
                let found = $name::ALL.iter().find(|one| one.name() == word).copied();
                found.with_context(|| format!("read {word:?} of a case: there are {}", known.join(", ")))
            }
        }
    };
}

words! {
    /// Which release is on its way.
    Story {
        /// A good one.
        Forward = "forward",
        /// Its second component cannot start: the run turns back by itself.
        Back = "back",
        /// A good one after one that was undone: what people wrote waits in the attic.
        Again = "again",
    }
}

words! {
    Actor {
        Deployer = "deployer",
        Supervisor = "supervisor",
        Keeper = "keeper",
        /// The server process of the session that was caught.
        Backend = "backend",
        /// Nobody falls: what is said is late, is lost, or comes twice.
        Network = "network",
    }
}

words! {
    How {
        /// SIGKILL; what is held arrives after the next run has settled.
        Kill = "kill",
        /// SIGKILL; what is held never arrives.
        KillLost = "kill-lost",
        /// SIGKILL, and somebody else changes a managed row before the next run: it was planned for another world.
        KillMeddle = "kill-meddle",
        /// SIGSTOP, SIGCONT after the next run has settled.
        Stop = "stop",
        /// SIGSTOP; before it goes on, the supervisor dies and is started again, as its unit would do.
        StopRestart = "stop-restart",
        /// The answer does not come in time; what is held arrives after the next run has settled.
        Delay = "delay",
        /// The connection ends; at `request` nothing arrived, at `answer` all of it did.
        Cut = "cut",
        /// The same word arrives again after the next run has settled.
        Twice = "twice",
        /// `pg_terminate_backend`: the session alone ends.
        Terminate = "terminate",
    }
}

words! {
    /// The plain command that must settle.
    Then {
        Deploy = "deploy",
        Resume = "resume",
        /// `nica deploy` of the good release, whatever was on its way.
        Next = "next",
        /// `nica deploy` of another build.
        Other = "other",
        /// The run was opened by another build; `nica deploy` of this one.
        Ours = "ours",
    }
}

impl Case {
    pub(crate) fn parse(id: &str) -> Result<Case> {
        let wrong = || {
            format!(
                "read case {id:?}: a case looks like `forward.03-done.commit-1.answer.deployer.kill.deploy`"
            )
        };
        let (story, rest) = id.split_once('.').with_context(wrong)?;
        let (faults, then) = rest.rsplit_once('.').with_context(wrong)?;
        let (first, second) = match faults.split_once('+') {
            Some((first, second)) => (first, Some(Fault::parse(second).with_context(wrong)?)),
            None => (faults, None),
        };
        let fault = Fault::parse(first).with_context(wrong)?;
        Ok(Case { story: Story::parse(story)?, fault, second, then: Then::parse(then)? })
    }

    /// The group that a slice takes its share from: kill point and fault.
    pub(crate) fn kind(&self) -> (String, How) {
        let point = self.fault.kill_point();
        (point.rsplit(' ').next().unwrap_or_default().to_string(), self.fault.how)
    }
}

impl Fault {
    fn parse(text: &str) -> Result<Fault> {
        let words: Vec<&str> = text.split('.').collect();
        let [phase, what, place, actor, how] = words[..] else {
            bail!("read fault {text:?}: it has five parts")
        };
        let place = Place::ALL
            .into_iter()
            .find(|p| p.name() == place)
            .with_context(|| format!("read place {place:?}"))?;
        let point = Point::parse(&format!("{phase}.{what}"))?;
        Ok(Fault { point, place, actor: Actor::parse(actor)?, how: How::parse(how)? })
    }

    pub(crate) fn trap(&self) -> Trap {
        Trap { point: self.point.clone(), place: self.place }
    }

    /// K0 … K5 of engine.md, with the step it belongs to: `03 K1`.
    pub(crate) fn kill_point(&self) -> String {
        let phase = &self.point.phase;
        let (step, status) = phase.split_once('-').unwrap_or((phase, ""));
        // What was written is durable with the answer to the COMMIT that follows it.
        let first_commit = self.point.words == "commit" && self.point.nth == 1;
        let k = match (status, first_commit, self.place) {
            ("started" | "undo_started", true, Place::Answer) => "K1",
            ("started" | "undo_started", true, _) => "K0",
            ("started" | "undo_started", false, place) => self.inside_the_step(place),
            ("done" | "undone" | "retained", true, Place::Request) => "K4",
            ("done" | "undone" | "retained", _, _) => "K5",
            _ => "K0",
        };
        format!("{step} {k}")
    }

    /// The start is durable, the end is not yet written.
    fn inside_the_step(&self, place: Place) -> &'static str {
        let words = self.point.words.as_str();
        match place {
            Place::Sent => "K2",
            Place::Request if words.starts_with("set-") => "K2",
            Place::Request if words.starts_with("update-nica-step") => "K4",
            Place::Request => "K1",
            Place::Answer if words.starts_with("update-nica-step") => "K4",
            Place::Answer => "K3",
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.story.name(), self.fault)?;
        if let Some(second) = &self.second {
            write!(f, "+{second}")?;
        }
        write!(f, ".{}", self.then.name())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.point, self.place.name(), self.actor.name(), self.how.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_its_own_name() {
        for id in [
            "forward.03-started.commit-1.answer.deployer.kill.deploy",
            "back.opening.select-nica-guard-2.request.backend.terminate.resume",
            "forward.01-done.begin-1.request.deployer.stop+03-started.commit-1.answer.deployer.kill-lost.other",
        ] {
            assert_eq!(Case::parse(id).expect("a case").to_string(), id);
        }
        for id in [
            "",
            "forward",
            "forward.a.b-1.request.deployer.kill",
            "sideways.a.b-1.request.deployer.kill.deploy",
        ] {
            assert!(Case::parse(id).is_err(), "{id}");
        }
    }

    #[test]
    fn a_fault_knows_its_kill_point() {
        let check = |fault: &str, expected: &str| {
            assert_eq!(Fault::parse(fault).expect("a fault").kill_point(), expected)
        };
        check("01-done.begin-1.request.deployer.kill", "01 K5");
        check("03-started.commit-1.request.deployer.kill", "03 K0");
        check("03-started.commit-1.answer.deployer.kill", "03 K1");
        check("03-started.alter-table-note-add-column-1.sent.deployer.kill", "03 K2");
        check("03-started.alter-table-note-add-column-1.answer.deployer.kill", "03 K3");
        check("05-started.set-api-1.request.deployer.kill", "05 K2");
        check("05-started.set-api-1.answer.deployer.kill", "05 K3");
        check("03-done.commit-1.request.deployer.kill", "03 K4");
        check("opening.begin-1.request.deployer.kill", "opening K0");
    }
}
