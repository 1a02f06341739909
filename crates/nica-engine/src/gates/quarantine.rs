//! `quarantine`: is a digest in this release one that failed before and was not lifted by name?

use super::{Gate, GateInput};
use crate::finding::Finding;

pub(super) const GATE: Gate =
    Gate { id: "quarantine", codes: &["unreadable", "held"], applies: |_| true, judge };

fn judge(input: &GateInput) -> Vec<Finding> {
    let quarantine = match &input.quarantine {
        Ok(quarantine) => quarantine,
        Err(cause) => {
            let says = "nobody could look what is under quarantine";
            let finding =
                Finding::inconclusive("quarantine/unreadable", input.env.as_str(), says).cause(cause);
            return vec![finding.next(format!("nica doctor --env {}", input.env))];
        }
    };
    let held = |component: &crate::release::Component| {
        let found = quarantine.get(&component.digest)?;
        let name = &component.name;
        let says =
            format!("{name}@sha256:{}… is under quarantine: {}", component.digest.short(), found.reason);
        let finding = Finding::refuse("quarantine/held", name, says);
        let finding = finding.evidence(format!("ledger entry {} of {}", found.entry, found.env));
        Some(finding.next("release a fix, or lift it by name with a reason"))
    };
    input.release.components.iter().filter_map(held).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use crate::canonical::Digest;
    use crate::ledger::Quarantined;

    #[test]
    fn quarantine() {
        let held = |digest: Digest| {
            let (component, reason, env) = ("backend".into(), "crash loop".into(), "prod".into());
            [(digest, Quarantined { component, reason, env, entry: 12 })].into()
        };
        check("quarantine", |_| {}, &[]);
        check("quarantine", |i| i.quarantine = Ok(held(Digest::of(b"backend 1"))), &[]);
        let says = "refuse[quarantine/held]: backend@sha256:SHORT(backend 2)… is under quarantine: crash loop \
                    = evidence: ledger entry 12 of prod = next: release a fix, or lift it by name with a reason";
        check("quarantine", |i| i.quarantine = Ok(held(Digest::of(b"backend 2"))), &[says]);
        let says = "inconclusive[quarantine/unreadable]: nobody could look what is under quarantine \
                    = cause: connection refused = next: nica doctor --env prod";
        check("quarantine", |i| i.quarantine = Err("connection refused".into()), &[says]);
    }
}
