//! `desired.json`: the fence and what is wanted, and which changes to it are legal.
//!
//! Pure: a change is made on a copy, written, and only then believed. `set` is a compare-and-swap on the
//! generation it was decided on, so that a request that was held up somewhere cannot turn the clock back.

use super::protocol::{Identity, Limits, Pins, Refusal, Set};
use nica_engine::Desired;
use nica_engine::effect::Generation;
use nica_engine::release::ComponentKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const FORMAT: u32 = 1;
/// Applied sets and proven generations that are remembered.
const REMEMBERED_MAX: usize = 32;
/// Postgres cuts `application_name` here, and the generation stands at its end.
const SESSION_NAME_BYTES_MAX: usize = 63;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub format: u32,
    pub identity: Option<Identity>,
    /// The highest fence ever seen. It never falls.
    pub fence: i64,
    pub components: BTreeMap<String, Wanted>,
    pub pins: Pins,
    /// Sets that were applied under this very fence.
    applied: Vec<Applied>,
    /// Generations that were healthy once, newest last.
    proven: Vec<(String, Generation)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pub desired: Desired,
    pub key: String,
    pub limits: Limits,
    /// When it was asked for, and in which boot.
    pub since_boot_ms: u64,
    pub boot: String,
    pub rolled_out: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Applied {
    key: String,
    component: String,
    generation: Option<Generation>,
}

/// The moment of a request.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub boot: String,
    pub boot_ms: u64,
}

impl Default for Record {
    fn default() -> Self {
        let (components, pins) = (BTreeMap::new(), Pins::default());
        Record { format: FORMAT, identity: None, fence: 0, components, pins, applied: vec![], proven: vec![] }
    }
}

impl Record {
    pub(super) fn parse(bytes: &[u8]) -> Result<Record, String> {
        let record: Record = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if record.format == FORMAT { Ok(record) } else { Err(format!("format {} is newer", record.format)) }
    }

    /// The first to say who it is gives the target its identity.
    pub(super) fn meet(&mut self, identity: &Identity) -> Result<(), Refusal> {
        match &self.identity {
            Some(ours) if ours != identity => {
                let Identity { service, env, env_id } = ours.clone();
                Err(Refusal::OtherEnvironment { service, env, env_id })
            }
            _ => {
                self.identity = Some(identity.clone());
                Ok(())
            }
        }
    }

    /// Raises the fence; an equal one is admitted again.
    pub(super) fn admit(&mut self, fence: i64) -> Result<(), Refusal> {
        if fence < self.fence {
            return Err(Refusal::Superseded { highest: self.fence });
        }
        if fence > self.fence {
            self.fence = fence;
            self.applied.clear();
        }
        Ok(())
    }

    pub(super) fn generation(&self, component: &str) -> Option<Generation> {
        self.components.get(component).map(|wanted| wanted.desired.generation())
    }

    pub(super) fn set(&mut self, set: &Set, now: Moment) -> Result<(), Refusal> {
        self.admit(set.fence)?;
        self.valid(set)?;
        if self.components.get(&set.component).map(|wanted| &wanted.desired) == set.desired.as_ref() {
            return Ok(());
        }
        let current = self.generation(&set.component);
        let applied = Applied {
            key: set.key.clone(),
            component: set.component.clone(),
            generation: set.desired.as_ref().map(Desired::generation),
        };
        if current != set.expected || self.applied.contains(&applied) && current != applied.generation {
            return Err(Refusal::Duplicate { current });
        }
        remember(&mut self.applied, applied);
        self.want(set, now);
        Ok(())
    }

    fn want(&mut self, set: &Set, now: Moment) {
        let Some(desired) = set.desired.clone() else {
            self.components.remove(&set.component);
            return;
        };
        let (key, limits) = (set.key.clone(), set.limits);
        let wanted =
            Wanted { desired, key, limits, since_boot_ms: now.boot_ms, boot: now.boot, rolled_out: false };
        self.components.insert(set.component.clone(), wanted);
    }

    fn valid(&self, set: &Set) -> Result<(), Refusal> {
        let invalid = |why: String| Err(Refusal::Invalid(why));
        let Some(identity) = &self.identity else {
            return invalid("the target has no identity yet; say hello with one".into());
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if set.component.is_empty() || !set.component.chars().all(plain) {
            return invalid(format!(
                "component name `{}` has other characters than a-z 0-9 - _",
                set.component
            ));
        }
        let Some(desired) = &set.desired else { return Ok(()) };
        if desired.kind != ComponentKind::Executable {
            let kind = format!("{:?}", desired.kind).to_lowercase();
            return invalid(format!(
                "component `{}` is of kind {kind}; a process target runs executables",
                set.component
            ));
        }
        if !desired.listen.is_empty() && desired.listen.parse::<std::net::SocketAddr>().is_err() {
            return invalid(format!("listen `{}` is not ADDRESS:PORT", desired.listen));
        }
        let taken = |(name, wanted): &(&String, &Wanted)| {
            **name != set.component && !desired.listen.is_empty() && wanted.desired.listen == desired.listen
        };
        if let Some((other, _)) = self.components.iter().find(taken) {
            return invalid(format!("listen `{}` is component `{other}`'s already", desired.listen));
        }
        let session = session_name(identity, &set.component, &desired.generation());
        if session.len() > SESSION_NAME_BYTES_MAX {
            return invalid(format!(
                "session name `{session}` is longer than {SESSION_NAME_BYTES_MAX} bytes"
            ));
        }
        Ok(())
    }

    pub(super) fn is_proven(&self, component: &str, generation: &Generation) -> bool {
        self.proven.iter().any(|(c, g)| c == component && g == generation)
    }

    pub(super) fn prove(&mut self, component: &str, generation: &Generation) {
        if !self.is_proven(component, generation) {
            remember(&mut self.proven, (component.into(), generation.clone()));
        }
    }
}

/// What a replica's database sessions are called.
pub(super) fn session_name(identity: &Identity, component: &str, generation: &Generation) -> String {
    format!("{}/{component}/{generation}", identity.service)
}

fn remember<T>(list: &mut Vec<T>, item: T) {
    list.push(item);
    let surplus = list.len().saturating_sub(REMEMBERED_MAX);
    list.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use super::*;
    use nica_engine::Digest;

    fn desired(program: &str) -> Desired {
        Desired {
            kind: ComponentKind::Executable,
            digest: Digest::of(program.as_bytes()),
            args: vec![],
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            replicas: 2,
            listen: "127.0.0.1:1".into(),
        }
    }

    fn set(fence: i64, key: &str, to: Option<&str>, expected: Option<&str>) -> Set {
        Set {
            fence,
            key: key.into(),
            component: "backend".into(),
            desired: to.map(desired),
            expected: expected.map(|program| desired(program).generation()),
            limits: Limits::default(),
        }
    }

    fn record() -> Record {
        let identity = Identity { service: "nica".into(), env: "dev".into(), env_id: "1".into() };
        Record { identity: Some(identity), ..Record::default() }
    }

    /// Applies each set in turn; the last one's answer counts.
    fn check(sets: &[Set], last: Result<(), &str>) {
        let mut record = record();
        let now = Moment { boot: String::new(), boot_ms: 0 };
        let answers: Vec<_> = sets.iter().map(|set| record.set(set, now.clone())).collect();
        let name = |refusal: &Refusal| match refusal {
            Refusal::Superseded { .. } => "superseded",
            Refusal::Duplicate { .. } => "duplicate",
            _ => "other",
        };
        assert_eq!(
            answers.last().expect("one set at least").as_ref().map(|_| ()).map_err(name),
            last,
            "{sets:#?}"
        );
    }

    #[test]
    fn a_set_is_bound_to_the_generation_it_was_decided_on() {
        let first = set(1, "r/1", Some("a"), None);
        check(std::slice::from_ref(&first), Ok(()));
        check(&[first.clone(), set(1, "r/2", Some("b"), Some("a"))], Ok(()));
        check(&[first.clone(), set(1, "r/2", Some("b"), None)], Err("duplicate"));
        check(&[first.clone(), set(1, "r/2", Some("b"), Some("c"))], Err("duplicate"));
        check(&[first.clone(), set(1, "r/2", None, Some("a"))], Ok(()));
        check(&[first.clone(), set(1, "r/2", None, Some("b"))], Err("duplicate"));
    }

    #[test]
    fn what_is_already_so_is_done_whatever_was_expected() {
        check(&[set(1, "r/1", Some("a"), None), set(1, "r/1", Some("a"), None)], Ok(()));
        check(&[set(1, "r/1", None, Some("a"))], Ok(()));
    }

    #[test]
    fn a_lower_fence_is_refused_even_when_the_rest_is_right() {
        check(&[set(2, "r/1", Some("a"), None), set(1, "r/2", Some("b"), Some("a"))], Err("superseded"));
        check(&[set(2, "r/1", Some("a"), None), set(1, "r/1", Some("a"), None)], Err("superseded"));
    }

    /// Forward, back, and then the first forward request arrives once more: the generation matches again.
    #[test]
    fn a_duplicate_after_going_back_is_refused() {
        let go = |fence| [set(fence, "r/1", Some("b"), Some("a")), set(fence, "r/1", Some("a"), Some("b"))];
        let [forward, back] = go(1);
        let base = set(1, "r/0", Some("a"), None);
        check(&[base.clone(), forward.clone(), back.clone(), forward.clone()], Err("duplicate"));
        let [again, _] = go(2);
        check(&[base, forward, back, again], Ok(()));
    }

    #[test]
    fn two_components_do_not_share_an_address() {
        let mut other = set(1, "r/2", Some("b"), None);
        other.component = "reader".into();
        let nowhere = |mut set: Set| {
            set.desired.as_mut().expect("some").listen = String::new();
            set
        };
        let first = set(1, "r/1", Some("a"), None);
        check(&[first.clone(), other.clone()], Err("other"));
        check(&[nowhere(first), nowhere(other)], Ok(()));
    }

    #[test]
    fn an_image_a_bad_name_and_a_bad_address_are_refused() {
        let mut image = set(1, "r/1", Some("a"), None);
        image.desired.as_mut().expect("some").kind = ComponentKind::Image;
        let mut name = set(1, "r/1", Some("a"), None);
        name.component = "a/b".into();
        let mut address = set(1, "r/1", Some("a"), None);
        address.desired.as_mut().expect("some").listen = "localhost".into();
        for bad in [image, name, address] {
            check(&[bad], Err("other"));
        }
    }
}
