//! Which secrets a release needs in an environment, and the values that this process has of them.
//!
//! Values come from variables and travel on as values; what is told of them is the variable's name.

use crate::config::variables;
use nica_effects::answer::answered;
use nica_effects::hands::Hands;
use nica_effects::process::SecretValue;
use nica_effects::records::blob;
use nica_effects::records::run::OpenRun;
use nica_effects::target::Secret;
use nica_engine::Effect;
use nica_engine::gates::input::Variable;
use nica_engine::release::Release;
use std::collections::BTreeMap;

/// All of them, those without a value too: the gate `config` tells of those.
pub(super) fn of_release(release: &Release, env: &str) -> Vec<Secret> {
    let components = release.config.get(env).into_iter().flatten().map(|(name, c)| (name, &c.secrets));
    let objects = release.manifests.get(env).into_iter().flat_map(|manifests| &manifests.secrets);
    let secret = |of: &String, (key, variable): (&String, &String)| Secret {
        of: of.clone(),
        key: key.clone(),
        variable: variable.clone(),
        value: variables::variable(variable).map(SecretValue::new),
    };
    components.chain(objects).flat_map(|(of, keys)| keys.iter().map(move |key| secret(of, key))).collect()
}

/// Which of the variables are set, for the gates.
pub(super) fn variables_of(secrets: &[Secret]) -> BTreeMap<String, Variable> {
    let state = |secret: &Secret| match variables::state(&secret.variable) {
        Some(true) => Some((secret.variable.clone(), Variable::Set)),
        Some(false) => Some((secret.variable.clone(), Variable::Empty)),
        None => None,
    };
    secrets.iter().filter_map(state).collect()
}

/// An open run may still create Secrets. Its records say from which variables their values are.
pub(super) async fn hold(hands: &Hands, open: &OpenRun) -> anyhow::Result<()> {
    let brings =
        |effect: &Effect| matches!(effect, Effect::Create { desired, .. } if !desired.secrets.is_empty());
    if !open.plan.steps.iter().any(brings) {
        return Ok(());
    }
    let bytes = answered("the release", blob::find(hands.client(), &open.plan.release)).await?;
    let release = bytes.and_then(|bytes| serde_json::from_slice::<Release>(&bytes).ok());
    // Where it was not kept, whoever opened the run is named as the one who has the values.
    if let Some(release) = release {
        hands.target()?.hold(&of_release(&release, &open.plan.env)).await?;
    }
    Ok(())
}
