//! A liveness or startup probe had the container killed.
//!
//! The kubelet kills after several failed rounds in a row, so one kill of a template that never worked is the signal.
//! Where this pod was healthy before, or another one of the template is, one kill is an accident; two are not. Kills that
//! had happened before anybody looked are history where the pod works now, however many: they count again with the first
//! one that is seen. Where it does not work, two of them are certain without another. Only events name the cause: a
//! program that ends politely shows `Completed` with code 0. Kills of a Job's pods are retries.

use super::life::Life;
use super::note::Notes;
use super::roll::Roll;
use super::{Class, Failure, Kind, text};

const PROBES: [&str; 2] = ["startup", "liveness"];

pub(super) fn judge(roll: &Roll<'_>) -> Option<Failure> {
    if roll.wanted.kind == Kind::Job {
        return None;
    }
    roll.pods.iter().find_map(|life| {
        let notes = roll.notes(&life.pod.metadata.uid);
        let (works, another) = (roll.works(life), roll.another_works(life));
        let certain = |(kills, listed): (u32, u32)| match kills > listed {
            true => kills >= 2 || !(works || another),
            false => kills >= 2 && !works,
        };
        let names = life.pod.statuses().map(|status| status.name.as_str());
        let pairs = names.flat_map(|container| PROBES.map(|probe| (container, probe)));
        let (container, probe) = pairs.into_iter().find(|(c, probe)| certain(notes.kills(c, probe)))?;
        Some(failure(life, notes, container, probe))
    })
}

fn failure(life: &Life, notes: &Notes, container: &str, probe: &str) -> Failure {
    let kills = text::times(notes.kills(container, probe).0);
    let complaint = complaint(notes, container, probe).map(|words| format!(": {words}")).unwrap_or_default();
    Failure {
        class: Class::Probe,
        line: format!(
            "{} was killed {kills} by its {probe} probe{complaint}",
            text::place(&life.pod, container)
        ),
        next: "see in the log what the program did when it was probed; correct it, or the probe's path and limits",
        need: text::log(life, container),
    }
}

/// What the probe last complained about, where that is the kubelet's own sentence: a command's output may be anything.
pub(super) fn complaint(notes: &Notes, container: &str, probe: &str) -> Option<String> {
    let start = format!("{} probe failed: ", capitalised(probe));
    let ours = notes.inside(container, "Unhealthy");
    let words = ours.filter_map(|note| note.message.strip_prefix(&start)).next_back()?;
    // `Get "http://10.1.2.3:80/path?query": cause`: the address may carry a token.
    let cause = match words.strip_prefix("Get \"") {
        Some(rest) => rest.split_once("\": ").map_or("no answer", |(_, cause)| cause),
        None => words,
    };
    let ours = [
        "HTTP probe failed",
        "dial tcp",
        "context deadline exceeded",
        "no answer",
        "net/http",
        "EOF",
        "timeout",
        "read tcp",
    ];
    let known = ours.iter().any(|start| cause.starts_with(start));
    Some(if known { text::said(cause) } else { "its command failed".into() })
}

fn capitalised(word: &str) -> String {
    word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect()
}
