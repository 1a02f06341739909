//! `image`: is every image where it is pulled from, made for the machines that would run it, and the way back too?

use super::{Gate, GateInput};
use crate::finding::Finding;
use crate::preflight::{ImageAsked, ImageSeen, Preflight};
use std::collections::BTreeSet;

pub(super) const GATE: Gate = Gate {
    id: "image",
    codes: &["absent", "platform", "unreadable", "baseline"],
    applies: |input| input.preflight.as_ref().is_some_and(|p| !p.images.is_empty()),
    judge,
};

fn judge(input: &GateInput) -> Vec<Finding> {
    let Some(preflight) = &input.preflight else { return Vec::new() };
    preflight.images.iter().filter_map(|image| one(image, preflight)).collect()
}

fn one(image: &ImageAsked, preflight: &Preflight) -> Option<Finding> {
    let (component, reference) = (image.component.as_str(), &image.reference);
    match &image.seen {
        ImageSeen::Unknown(cause) => {
            let says = format!("nobody could look for {reference}");
            let finding = Finding::inconclusive("image/unreadable", component, says).cause(cause);
            Some(finding.next("make the registry reachable from here, or log in to it with docker login"))
        }
        ImageSeen::Absent if image.baseline => {
            let says = format!(
                "{reference}, which is live now, is gone from its registry: there is no way back to it"
            );
            let finding = Finding::refuse("image/baseline", component, says);
            Some(finding.next("push it again, or waive image/baseline and go without a way back"))
        }
        ImageSeen::Absent => {
            let finding =
                Finding::refuse("image/absent", component, format!("{reference} is not in its registry"));
            Some(finding.next("push it under this digest, then plan again"))
        }
        ImageSeen::There { platforms } => other_platform(image, platforms, preflight),
    }
}

/// One node that can run it is enough; where nodes or image say nothing, the rollout tells.
fn other_platform(image: &ImageAsked, platforms: &[String], preflight: &Preflight) -> Option<Finding> {
    let nodes = preflight.nodes.as_ref().ok()?;
    let there: BTreeSet<String> = nodes.iter().filter_map(|node| node.platform()).collect();
    let runs =
        |node: &String| platforms.iter().any(|image| image == node || image.starts_with(&format!("{node}/")));
    if platforms.is_empty() || there.is_empty() || there.iter().any(runs) {
        return None;
    }
    let there = there.into_iter().collect::<Vec<_>>().join(", ");
    let says = format!("{} is made for {}, the nodes are {there}", image.reference, platforms.join(", "));
    let finding = Finding::refuse("image/platform", image.component.as_str(), says);
    Some(finding.next(format!("build the image for {there}")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, node, preflight};
    use super::*;

    fn asked(baseline: bool, seen: ImageSeen) -> ImageAsked {
        ImageAsked { component: "backend".into(), reference: "r.example/b@sha256:1".into(), baseline, seen }
    }

    fn with(baseline: bool, seen: ImageSeen) -> impl FnOnce(&mut GateInput) {
        move |input| input.preflight = Some(Preflight { images: vec![asked(baseline, seen)], ..preflight() })
    }

    fn there(platforms: &[&str]) -> ImageSeen {
        ImageSeen::There { platforms: platforms.iter().map(|p| p.to_string()).collect() }
    }

    #[test]
    fn image() {
        check("image", |_| {}, &[]);
        check("image", with(false, there(&["linux/arm64/v8", "linux/amd64"])), &[]);
        check("image", with(false, there(&[])), &[]);
        check(
            "image",
            with(false, there(&["linux/arm64/v8"])),
            &[
                "refuse[image/platform]: r.example/b@sha256:1 is made for linux/arm64/v8, the nodes are linux/amd64 \
               = next: build the image for linux/amd64",
            ],
        );
        check(
            "image",
            with(false, ImageSeen::Absent),
            &["refuse[image/absent]: r.example/b@sha256:1 is not in its registry \
               = next: push it under this digest, then plan again"],
        );
        check(
            "image",
            with(true, ImageSeen::Absent),
            &[
                "refuse[image/baseline]: r.example/b@sha256:1, which is live now, is gone from its registry: there is no \
               way back to it = next: push it again, or waive image/baseline and go without a way back",
            ],
        );
        check(
            "image",
            with(false, ImageSeen::Unknown("connection refused".into())),
            &[
                "inconclusive[image/unreadable]: nobody could look for r.example/b@sha256:1 = cause: connection refused \
               = next: make the registry reachable from here, or log in to it with docker login",
            ],
        );
    }

    #[test]
    fn nodes_of_both_kinds_and_nodes_that_nobody_saw_refuse_nothing() {
        let arm = |nodes| {
            let images = vec![asked(false, there(&["linux/arm64"]))];
            move |input: &mut GateInput| input.preflight = Some(Preflight { images, nodes, ..preflight() })
        };
        check("image", arm(Ok(vec![node("amd64"), node("arm64")])), &[]);
        check("image", arm(Err("403 Forbidden".into())), &[]);
    }
}
