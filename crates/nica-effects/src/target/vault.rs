//! Values of secrets as this deployer has them: in memory, by content name, and nowhere else.
//!
//! A cluster keeps no value for us before an object holds it. So a value travels inside the very write that creates its
//! Secret, and a deployer that took over without it either finds that Secret there or says which variable it lacks.

use crate::process::{SecretValue, keyed_name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nica_engine::effect::{Desired, SecretName};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One secret that a release needs, and what this process has of it.
#[derive(Clone, Debug)]
pub struct Secret {
    /// The component, or the Secret as the manifests call it.
    pub of: String,
    /// The program's variable, or the Secret's key.
    pub key: String,
    /// The deployer's variable that holds the value.
    pub variable: String,
    pub value: Option<SecretValue>,
}

/// Component or Secret → variable or key → content name of the value.
pub type SecretNames = BTreeMap<String, BTreeMap<String, SecretName>>;

/// Clones share what they hold.
#[derive(Clone, Default)]
pub struct Vault {
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    key: Option<Vec<u8>>,
    values: BTreeMap<SecretName, SecretValue>,
    /// Of each Secret and key: the variable, and whether it was set.
    asked: BTreeMap<(String, String), (String, bool)>,
}

impl Vault {
    pub(super) fn key(&self) -> Option<Vec<u8>> {
        self.lock().key.clone()
    }

    pub(super) fn learn_key(&self, key: &[u8]) {
        self.lock().key = Some(key.to_vec());
    }

    pub(super) fn hold(&self, key: &[u8], secrets: &[Secret]) {
        let mut held = self.lock();
        for Secret { of, key: field, variable, value } in secrets {
            held.asked.insert((of.clone(), field.clone()), (variable.clone(), value.is_some()));
            if let Some(value) = value {
                held.values.insert(keyed_name(key, value), value.clone());
            }
        }
    }

    /// The configuration of a Secret with its values, for the one write that creates it; every other as it is.
    ///
    /// # Errors
    /// In words, what is not held and which variable has it.
    pub(super) fn filled(
        &self,
        component: &str,
        desired: &Desired,
        configuration: &Value,
    ) -> Result<Value, String> {
        let mut body = configuration.clone();
        let Some(name) = component.strip_prefix("Secret/").filter(|_| !desired.secrets.is_empty()) else {
            return Ok(body);
        };
        let held = self.lock();
        let mut data = Map::new();
        let mut missing = Vec::new();
        for (key, wanted) in &desired.secrets {
            match held.values.get(wanted) {
                Some(value) => {
                    data.insert(key.clone(), STANDARD.encode(value.reveal()).into());
                }
                None => missing.push(held.lacks(name, key)),
            }
        }
        if missing.is_empty() {
            body["data"] = Value::Object(data);
            return Ok(body);
        }
        Err(format!("create {component}: {}; then: nica deploy", missing.join("; ")))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Its name is what the manifests call it and the digits of its content.
    fn lacks(&self, name: &str, key: &str) -> String {
        let plain = name.rsplit_once('-').map_or(name, |(plain, _)| plain);
        match self.asked.get(&(plain.to_string(), key.to_string())) {
            Some((variable, true)) => format!(
                "{variable} holds another value of `{key}` than the run was opened with; set it as it was, or leave it"
            ),
            Some((variable, false)) => {
                format!("this deployer does not have the value of `{key}`; set {variable} where nica runs")
            }
            None => format!(
                "this deployer does not have the value of `{key}`; run nica where the release was deployed from"
            ),
        }
    }
}

/// How many there are, and nothing of them.
impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values", self.lock().values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nica_engine::Digest;
    use nica_engine::release::ComponentKind;
    use serde_json::json;

    const KEY: &[u8] = b"key";

    fn secret(value: Option<&str>) -> Secret {
        let value = value.map(|v| SecretValue::new(v.to_string()));
        Secret { of: "shop-keys".into(), key: "password".into(), variable: "PROD_PASSWORD".into(), value }
    }

    /// Asked for with the value `hunter2`.
    fn desired() -> Desired {
        let name = keyed_name(KEY, &SecretValue::new("hunter2".into()));
        Desired {
            kind: ComponentKind::Immutable,
            digest: Digest::of(b"configuration"),
            args: Vec::new(),
            config: BTreeMap::new(),
            secrets: [("password".to_string(), name)].into(),
            replicas: 0,
            listen: String::new(),
        }
    }

    fn filled(held: &[Secret]) -> Result<Value, String> {
        let vault = Vault::default();
        vault.hold(KEY, held);
        assert!(!format!("{vault:?} {held:?}").contains("hunter2"));
        vault.filled("Secret/shop-keys-0a1b2c3d4e", &desired(), &json!({ "kind": "Secret" }))
    }

    #[test]
    fn a_value_enters_the_body_that_creates_its_secret() {
        let body = filled(&[secret(Some("hunter2"))]);
        assert_eq!(body, Ok(json!({ "kind": "Secret", "data": { "password": "aHVudGVyMg==" } })));
    }

    #[test]
    fn what_is_missing_is_told_with_its_variable_and_never_with_a_value() {
        let check = |held: &[Secret], expected: &str| {
            let told = filled(held).expect_err("it is not held");
            assert_eq!(told, format!("create Secret/shop-keys-0a1b2c3d4e: {expected}; then: nica deploy"));
        };
        check(
            &[secret(None)],
            "this deployer does not have the value of `password`; set PROD_PASSWORD where nica runs",
        );
        check(
            &[secret(Some("hunter3"))],
            "PROD_PASSWORD holds another value of `password` than the run was opened with; set it as it was, or leave it",
        );
        check(
            &[],
            "this deployer does not have the value of `password`; run nica where the release was deployed from",
        );
    }

    #[test]
    fn what_is_no_secret_stays_as_it_is() {
        let configuration = json!({ "kind": "ConfigMap" });
        let same = Vault::default().filled("ConfigMap/a", &desired(), &configuration);
        assert_eq!(same, Ok(configuration));
    }
}
