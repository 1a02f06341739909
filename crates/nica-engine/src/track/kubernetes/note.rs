//! What events say about one object. Some failures show nowhere else: a volume that is missing, a probe that kills.

use super::fold::{At, Source};
use super::object::Event;

/// The reasons that are judged; all others are forgotten at the door.
const JUDGED: [&str; 11] = [
    "Failed",
    "FailedCreate",
    "FailedMount",
    "FailedAttachVolume",
    "FailedBinding",
    "Killing",
    "Nominated",
    "ProvisioningFailed",
    "SuccessfulCreate",
    "TriggeredScaleUp",
    "Unhealthy",
];

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Note {
    key: String,
    version: u64,
    pub reason: String,
    pub message: String,
    pub container: Option<String>,
    /// Object kind, namespace and name, for notes on objects that are found by name.
    pub about: (String, String, String),
    /// The version of that object that whoever reports this acted on.
    pub about_version: Option<u64>,
    pub count: u32,
    pub first_at: At,
    /// When it last arrived as it happened. None while it is only known from a list: what it says may be over.
    pub live_at: Option<At>,
    /// How many of the count had happened before anybody looked.
    listed: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Notes(Vec<Note>);

impl Note {
    pub(super) fn of(event: &Event, at: At, source: Source) -> Option<Note> {
        let involved = &event.involved_object;
        JUDGED.contains(&event.reason.as_str()).then(|| Note {
            key: event.metadata.uid.clone(),
            version: event.metadata.version().unwrap_or(0),
            reason: event.reason.clone(),
            message: event.message.clone(),
            container: event.container().map(String::from),
            about: (involved.kind.clone(), involved.namespace.clone(), involved.name.clone()),
            about_version: involved.resource_version.parse().ok(),
            count: event.count.max(1),
            first_at: at,
            live_at: (source == Source::Change).then_some(at),
            listed: if source == Source::List { event.count.max(1) } else { 0 },
        })
    }
}

impl Note {
    pub(super) fn is_live(&self) -> bool {
        self.live_at.is_some()
    }
}

impl Notes {
    pub(super) const NONE: Notes = Notes(Vec::new());

    /// An event that repeats is one object with a count; kept are its newest version and its first arrival.
    pub(super) fn add(&mut self, mut note: Note) {
        match self.0.iter_mut().find(|held| held.key == note.key) {
            Some(held) if held.version >= note.version => {}
            Some(held) => {
                (note.first_at, note.listed) = (held.first_at, held.listed);
                note.live_at = note.live_at.or(held.live_at);
                *held = note;
            }
            None => self.0.push(note),
        }
        self.0.sort_by_key(|note| note.version);
    }

    /// Oldest first, by the API server's order.
    pub(super) fn with<'a>(&'a self, reason: &'a str) -> impl DoubleEndedIterator<Item = &'a Note> {
        self.0.iter().filter(move |note| note.reason == reason)
    }

    /// Those about one container.
    pub(super) fn inside<'a>(
        &'a self,
        container: &'a str,
        reason: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Note> {
        self.with(reason).filter(move |note| note.container.as_deref() == Some(container))
    }

    /// The newest of `reason`, unless one of `undone_by` came after it.
    pub(super) fn standing<'a>(&'a self, reason: &'a str, undone_by: &'a str) -> Option<&'a Note> {
        let last = self.with(reason).next_back()?;
        let undone = self.with(undone_by).next_back().is_some_and(|other| other.version > last.version);
        (!undone).then_some(last)
    }

    /// How often a probe of that kind had this container killed: in all, and of these before anybody looked.
    /// The kubelet's sentence is the only place where the cause stands.
    pub(super) fn kills(&self, container: &str, probe: &str) -> (u32, u32) {
        let sentence = format!("failed {probe} probe");
        let kills = self.inside(container, "Killing").filter(|note| note.message.contains(&sentence));
        kills.fold((0, 0), |(all, listed), note| (all + note.count, listed + note.listed))
    }
}
