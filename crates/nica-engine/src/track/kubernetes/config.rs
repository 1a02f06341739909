//! A Secret, ConfigMap or key that a container's environment needs does not exist, or what the container asks for
//! contradicts itself. The kubelet says it before the container is made.

use super::life::Life;
use super::roll::Roll;
use super::{Class, Failure, text};

/// What the kubelet writes before a container's own trouble.
const ERROR: &str = "Error: ";

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    roll.pods.iter().find_map(|life| {
        let (container, words) = refused(roll, life)?;
        Some(Failure {
            class: Class::Config,
            line: format!("{}: {}", text::place(&life.pod, container), text::said(words)),
            next: "create what the line names, or correct the reference to it; then deploy again",
            need: None,
        })
    })
}

/// The event is a second ahead of the status; either may arrive first. Of history, only the status tells.
fn refused<'a>(roll: &Roll<'a>, life: &'a Life) -> Option<(&'a str, &'a str)> {
    life.pod.statuses().find_map(|status| {
        let waiting = status.state.waiting.as_ref()?;
        let by_status = (waiting.reason == "CreateContainerConfigError").then_some(waiting.message.as_str());
        let mut failed = roll.notes(&life.pod.metadata.uid).inside(&status.name, "Failed");
        let by_event = failed
            .rfind(|note| note.is_live() && note.message.starts_with(ERROR))
            .map(|note| &note.message[ERROR.len()..]);
        let words = [by_status, by_event].into_iter().flatten().find(|words| is_lasting(words))?;
        Some((status.name.as_str(), words))
    })
}

/// The kubelet's sentences in `kuberuntime_container.go` and `kubelet_pods.go`. Others pass by: a cache that is not
/// synchronised, services that were not read yet.
fn is_lasting(words: &str) -> bool {
    let absent =
        (words.starts_with("secret \"") || words.starts_with("configmap \"")) && words.ends_with("not found");
    absent || words.starts_with("couldn't find key ") || words.starts_with("container has runAsNonRoot")
}
