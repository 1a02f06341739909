//! `release-complete`: is the release file whole, and is it what its hash says?

use super::{Gate, GateInput};
use crate::canonical::Digest;
use crate::finding::Finding;
use crate::release::{ComponentKind, RELEASE_FORMAT_2, Release};
use std::collections::BTreeSet;

pub(super) const GATE: Gate = Gate {
    id: "release-complete",
    codes: &["unreadable", "hash", "format", "service", "twice", "missing"],
    applies: |_| true,
    judge,
};

fn judge(input: &GateInput) -> Vec<Finding> {
    let release = &input.release;
    let subject = format!("release {}", release.version);
    let contents = match &input.contents {
        Ok(contents) => contents,
        Err(cause) => {
            let says = format!("the file of {subject} could not be read");
            let finding = Finding::inconclusive("release-complete/unreadable", subject, says).cause(cause);
            return vec![finding.next("make it again: nica release create")];
        }
    };
    let mut findings = head(input, &subject, &contents.hash);
    findings.extend(twice(release, &subject));
    findings.extend(missing(release, &contents.present));
    findings
}

/// Format, service and hash: is this the release that it is taken for?
fn head(input: &GateInput, subject: &str, hash: &Digest) -> Vec<Finding> {
    let release = &input.release;
    let refuse =
        |code: &str, says: String| Finding::refuse(&format!("release-complete/{code}"), subject, says);
    let mut findings = Vec::new();
    if release.format > RELEASE_FORMAT_2 {
        let says = format!("its format is {}, this nica reads up to {RELEASE_FORMAT_2}", release.format);
        findings.push(refuse("format", says).next("use the nica that made it, or a newer one"));
    }
    if release.service != input.service {
        let says = format!("it is a release of {}, nica.toml is about {}", release.service, input.service);
        findings.push(refuse("service", says).next("name a release of this service"));
    }
    if release.hash() != *hash {
        let says =
            format!("release.json has hash {}, its content says {}", hash.short(), release.hash().short());
        findings.push(refuse("hash", says).next("make it again: nica release create"));
    }
    findings
}

fn twice(release: &Release, subject: &str) -> Vec<Finding> {
    let components = release.components.iter().map(|c| ("component", &c.name));
    let migrations = release.migrations.iter().map(|m| ("migration", &m.id));
    let seeds = release.seeds.iter().map(|s| ("seed file", &s.file));
    let mut seen = BTreeSet::new();
    let again = components.chain(migrations).chain(seeds).filter(|one| !seen.insert(*one));
    let finding = |(kind, name): (&str, &String)| {
        let says = format!("the {kind} {name} stands in it twice");
        Finding::refuse("release-complete/twice", subject, says).next("make it again: nica release create")
    };
    again.map(finding).collect()
}

fn missing(release: &Release, present: &BTreeSet<Digest>) -> Vec<Finding> {
    let ups = release.migrations.iter().map(|m| (format!("{}/up.sql", m.id), &m.up));
    let downs =
        release.migrations.iter().filter_map(|m| Some((format!("{}/down.sql", m.id), m.down.as_ref()?)));
    let seeds = release.seeds.iter().map(|s| (format!("seeds/{}", s.file), &s.sha256));
    let executables = release.components.iter().filter(|c| c.kind == ComponentKind::Executable);
    let executables = executables.map(|c| (format!("the executable of {}", c.name), &c.digest));
    let manifests = release.manifests.iter().map(|(env, m)| (format!("manifests/{env}.json"), &m.objects));
    let parts = ups.chain(downs).chain(seeds).chain(executables).chain(manifests);
    let finding = |(name, digest): (String, &Digest)| {
        let says = format!("{name} is not in the file as it was released");
        Finding::refuse("release-complete/missing", name, says)
            .evidence(format!("sha256 {digest}"))
            .next("make it again: nica release create")
    };
    parts.filter(|(_, digest)| !present.contains(*digest)).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;

    #[test]
    fn release_complete() {
        let gate = |change: fn(&mut super::GateInput), expected: &[&str]| {
            check("release-complete", change, expected)
        };
        gate(|_| {}, &[]);
        gate(
            |i| i.contents = Err("unexpected end of archive".into()),
            &["inconclusive[release-complete/unreadable]: the file of release 2.0 could not be read \
               = cause: unexpected end of archive = next: make it again: nica release create"],
        );
        gate(
            |i| i.contents.as_mut().unwrap().present.clear(),
            &[
                "refuse[release-complete/missing]: 0002_note/up.sql is not in the file as it was released \
                 = evidence: sha256 SHA(up) = next: make it again: nica release create",
                "refuse[release-complete/missing]: 0002_note/down.sql is not in the file as it was released \
                 = evidence: sha256 SHA(down) = next: make it again: nica release create",
                "refuse[release-complete/missing]: seeds/0001_sex.toml is not in the file as it was released \
                 = evidence: sha256 SHA(seed) = next: make it again: nica release create",
                "refuse[release-complete/missing]: the executable of backend is not in the file as it was released \
                 = evidence: sha256 SHA(backend 2) = next: make it again: nica release create",
            ],
        );
        gate(
            |i| i.service = "other".into(),
            &["refuse[release-complete/service]: it is a release of nica, nica.toml is about other \
               = next: name a release of this service"],
        );
        gate(
            |i| {
                i.release.components.push(i.release.components[0].clone());
                i.contents.as_mut().unwrap().hash = i.release.hash();
            },
            &["refuse[release-complete/twice]: the component backend stands in it twice \
               = next: make it again: nica release create"],
        );
    }

    #[test]
    fn a_changed_release_json_or_a_newer_format_is_refused() {
        let ids = |change: fn(&mut super::GateInput)| super::super::testing::ids("release-complete", change);
        assert_eq!(ids(|i| i.release.version = "2.1".into()), ["release-complete/hash"]);
        assert_eq!(ids(|i| i.release.format = 99), ["release-complete/format", "release-complete/hash"]);
    }
}
