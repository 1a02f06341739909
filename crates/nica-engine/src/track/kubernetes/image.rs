//! The image does not exist, is refused, or has no variant for the node: no further try helps.

use super::life::{Life, is_pull};
use super::note::Note;
use super::roll::Roll;
use super::{Class, Failure, text};

pub(super) enum Pull {
    NotFound,
    Refused,
    Platform,
    Unusable,
    /// Nobody answered, or not sensibly: another try may help.
    Unreachable,
}

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    roll.pods.iter().flat_map(|life| failing(roll, life)).find_map(|failing| {
        let (what, next) = match failing.pull() {
            Pull::NotFound => ("does not exist", "push the image, or correct its name or digest"),
            Pull::Refused => {
                ("is refused by its registry", "give the namespace a pull secret that may read it")
            }
            Pull::Platform => ("has no variant for the node's platform", "build it for the node's platform"),
            Pull::Unusable => {
                ("cannot be used", "correct the image's name, its signature or its pull policy")
            }
            Pull::Unreachable => return None,
        };
        let (place, image) = (text::place(&failing.life.pod, failing.container), failing.image());
        let words = text::said(cause(failing.words));
        Some(Failure {
            class: Class::Image,
            line: format!("{place}: image {image} {what}: {words}"),
            next,
            need: None,
        })
    })
}

/// A container whose image cannot be had right now.
pub(super) struct Failing<'a> {
    pub life: &'a Life,
    pub container: &'a str,
    pub reason: &'a str,
    pub words: &'a str,
}

impl Failing<'_> {
    /// The image's own name is no part of what is read: it may be called anything.
    pub(super) fn pull(&self) -> Pull {
        pull(self.reason, &self.words.replace(self.image(), "IMAGE"))
    }

    pub(super) fn image(&self) -> &str {
        let found = self.life.pod.containers().find(|(container, _)| container.name == self.container);
        found.map_or("?", |(container, _)| container.image.as_str())
    }
}

/// Told by the event `Failed` first, by the status about a second later.
pub(super) fn failing<'a>(roll: &Roll<'a>, life: &'a Life) -> impl Iterator<Item = Failing<'a>> {
    let notes = roll.notes(&life.pod.metadata.uid);
    life.pod.statuses().filter_map(move |status| {
        let waiting = status.state.waiting.as_ref()?;
        let container = status.name.as_str();
        let mut failed = notes.inside(container, "Failed");
        let stands = |note: &Note| note.is_live() || is_pull(&waiting.reason);
        let event = failed.rfind(|note| note.message.starts_with("Failed to pull image") && stands(note));
        let by_status = is_pull(&waiting.reason).then_some(waiting.message.as_str());
        // ImagePullBackOff repeats the cause since 1.29; before, only the event has it.
        let words = event.map(|event| event.message.as_str()).or(by_status)?;
        Some(Failing { life, container, reason: &waiting.reason, words })
    })
}

/// Registries and runtimes have no common codes at this place, so their sentences are read: containerd, CRI-O, the
/// distribution protocol. What is not recognised counts as unreachable, the slower verdict.
fn pull(reason: &str, words: &str) -> Pull {
    let words = words.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if matches!(reason, "InvalidImageName" | "ErrImageNeverPull" | "SignatureValidationFailed") {
        return Pull::Unusable;
    }
    // First what carries "not found" in its text without meaning that the image is missing.
    if says(&["no match for platform", "no matching manifest"]) {
        return Pull::Platform;
    }
    if says(&[
        "no such host",
        "connection refused",
        "timeout",
        "deadline exceeded",
        ": eof",
        "unexpected eof",
        "toomanyrequests",
        "too many requests",
        "unavailable",
    ]) {
        return Pull::Unreachable;
    }
    if says(&[
        "unauthorized",
        "denied",
        "authorization failed",
        "no basic auth credentials",
        "insufficient_scope",
        "forbidden",
    ]) {
        return Pull::Refused;
    }
    if says(&[
        "not found",
        "manifest unknown",
        "manifest_unknown",
        "name unknown",
        "repository name not known",
    ]) {
        return Pull::NotFound;
    }
    Pull::Unreachable
}

/// The runtime wraps its cause in what it tried; the cause stands at the end.
pub(super) fn cause(words: &str) -> &str {
    words
        .rsplit_once("failed to resolve reference")
        .map_or(words, |(_, rest)| rest.split_once("\": ").map_or(rest, |(_, cause)| cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &str, expected: Pull) {
        let found = pull("ErrImagePull", words);
        assert_eq!(std::mem::discriminant(&found), std::mem::discriminant(&expected), "{words}");
    }

    #[test]
    fn registries_sentences_mean_what_they_say() {
        check("rpc error: code = NotFound desc = failed to resolve reference: not found", Pull::NotFound);
        check("manifest for IMAGE not found: manifest unknown: manifest unknown", Pull::NotFound);
        check("no match for platform in manifest: not found", Pull::Platform);
        check("no matching manifest for linux/arm64/v8 in the manifest list entries", Pull::Platform);
        check("pull access denied, repository does not exist or may require authorization", Pull::Refused);
        check("failed to authorize: failed to fetch oauth token: 401 Unauthorized", Pull::Refused);
        check("unexpected status from HEAD request: 403 Forbidden", Pull::Refused);
        check("failed to fetch oauth token: dial tcp: i/o timeout", Pull::Unreachable);
        check("dial tcp: lookup registry on 10.0.0.10:53: no such host", Pull::Unreachable);
        check("toomanyrequests: You have reached your pull rate limit", Pull::Unreachable);
        check("unexpected status from HEAD request: 503 Service Unavailable", Pull::Unreachable);
        check("httpReadSeeker: failed open: unexpected EOF", Pull::Unreachable);
        check("a sentence that nobody has seen before", Pull::Unreachable);
    }
}
