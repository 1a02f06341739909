//! `server`: does the API server take every object, and may this account do every later step?
//!
//! Refusals are told apart by code and reason. Where an account may write and the server still says 403, an admission
//! rule or a quota said no.

use super::{Gate, GateInput};
use crate::finding::Finding;
use crate::preflight::{DryRun, Right, Said};

pub(super) const GATE: Gate = Gate {
    id: "server",
    codes: &["invalid", "absent", "denied", "refused", "permission", "unreadable"],
    applies: |input| input.preflight.is_some(),
    judge,
};

fn judge(input: &GateInput) -> Vec<Finding> {
    let Some(preflight) = &input.preflight else { return Vec::new() };
    let rights = match &preflight.rights {
        Ok(rights) => rights.iter().filter(|right| !right.allowed).map(missing).collect(),
        Err(cause) => vec![unreadable("what this account may", cause)],
    };
    let tried: Vec<Finding> = match &preflight.dry_runs {
        Ok(runs) => runs.iter().filter_map(refused).collect(),
        Err(cause) => vec![unreadable("what the API server says of the objects", cause)],
    };
    rights.into_iter().chain(tried).collect()
}

fn missing(right: &Right) -> Finding {
    let Right { verb, resource, .. } = right;
    let says = format!("a later step would {verb} {resource}, and this account may not");
    let finding = Finding::refuse("server/permission", resource.as_str(), says);
    finding.next(format!("grant `{verb}` on `{resource}` to the account of the kubeconfig"))
}

fn refused(run: &DryRun) -> Option<Finding> {
    let Said::Refused { code, reason, detail } = &run.said else { return None };
    let (id, next) = match (code, reason.as_str()) {
        (400 | 422, _) => ("server/invalid", "correct the manifest; the field that is wrong is named"),
        (404, _) => ("server/absent", "create the namespace, or install what defines this kind"),
        (403, "Forbidden") => {
            ("server/denied", "change what the rule or the quota names, or the rule itself")
        }
        _ => ("server/refused", "look at what the API server says"),
    };
    let says = format!("the API server refuses {} ({code} {reason})", run.object);
    let finding = Finding::refuse(id, run.object.as_str(), says);
    let finding = if detail.is_empty() { finding } else { finding.evidence(detail) };
    Some(finding.next(next))
}

fn unreadable(what: &str, cause: &str) -> Finding {
    let finding = Finding::inconclusive("server/unreadable", what, format!("nobody could find out {what}"));
    finding.cause(cause).next("make the API server reachable from here: kubectl version --context CONTEXT")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, preflight};
    use super::*;
    use crate::preflight::Preflight;

    fn tried(code: u16, reason: &str, detail: &str) -> impl FnOnce(&mut GateInput) + use<> {
        let said = Said::Refused { code, reason: reason.into(), detail: detail.into() };
        let run = DryRun { object: "Deployment/backend".into(), said };
        let dry_runs = Ok(vec![DryRun { object: "Service/backend".into(), said: Said::Accepted }, run]);
        move |input: &mut GateInput| input.preflight = Some(Preflight { dry_runs, ..preflight() })
    }

    #[test]
    fn server() {
        let says = |id: &str, code: &str, evidence: &str, next: &str| {
            format!(
                "refuse[server/{id}]: the API server refuses Deployment/backend ({code}){evidence} = next: {next}"
            )
        };
        check("server", |_| {}, &[]);
        let wrong = "correct the manifest; the field that is wrong is named";
        let field = " = evidence: spec.selector: field is immutable";
        let invalid = says("invalid", "422 Invalid", field, wrong);
        check("server", tried(422, "Invalid", "spec.selector: field is immutable"), &[&invalid]);
        check("server", tried(400, "BadRequest", ""), &[&says("invalid", "400 BadRequest", "", wrong)]);
        let install = "create the namespace, or install what defines this kind";
        check("server", tried(404, "NotFound", ""), &[&says("absent", "404 NotFound", "", install)]);
        let rule = "change what the rule or the quota names, or the rule itself";
        check("server", tried(403, "Forbidden", ""), &[&says("denied", "403 Forbidden", "", rule)]);
        let look = "look at what the API server says";
        check(
            "server",
            tried(405, "MethodNotAllowed", ""),
            &[&says("refused", "405 MethodNotAllowed", "", look)],
        );
    }

    #[test]
    fn every_later_step_is_asked_for_before_the_first() {
        let right =
            |verb: &str, allowed| Right { verb: verb.into(), resource: "deployments.apps".into(), allowed };
        let with =
            |rights| move |input: &mut GateInput| input.preflight = Some(Preflight { rights, ..preflight() });
        check(
            "server",
            with(Ok(vec![right("create", true), right("delete", false)])),
            &[
                "refuse[server/permission]: a later step would delete deployments.apps, and this account may not \
               = next: grant `delete` on `deployments.apps` to the account of the kubeconfig",
            ],
        );
        check(
            "server",
            with(Err("connection refused".into())),
            &[
                "inconclusive[server/unreadable]: nobody could find out what this account may = cause: connection refused \
               = next: make the API server reachable from here: kubectl version --context CONTEXT",
            ],
        );
    }
}
