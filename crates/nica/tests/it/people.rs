//! The people of the tests: real keys, each from one number.

use ssh_key::PrivateKey;
use ssh_key::private::Ed25519Keypair;

pub(crate) const PEOPLE: [(&str, u8); 3] = [("ana", 1), ("rui", 2), ("bia", 3)];

pub(crate) fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// `people.toml` that knows their keys.
pub(crate) fn people() -> String {
    let mut known = String::new();
    for (name, seed) in PEOPLE {
        let key = key(seed);
        let public = key.public_key().to_openssh().expect("a key has a line");
        known.push_str(&format!(
            "[person.{name}]\naccounts = [\"{name}\"]\nkeys = [\"{public}\"]\nroles = [\"approver\"]\n"
        ));
    }
    known
}
