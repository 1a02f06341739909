//! Our signatures against the real `ssh-keygen`, both ways: what it signs we believe, what we sign it believes.

use nica_engine::canonical::Digest;
use nica_engine::evidence::Signed;
use nica_engine::instant::Instant;
use nica_engine::people::{People, Person, Role};
use nica_engine::policy::Signer;
use nica_engine::signature::{self, Key};
use nica_engine::{approval, evidence};
use ssh_key::PrivateKey;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder with a key pair that ssh-keygen made.
struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    fn new() -> Keys {
        let keys = Keys { folder: tempfile::tempdir().unwrap() };
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "ana", "-f"])
            .arg(keys.file("key")));
        keys
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.file(name), text).unwrap();
        self.file(name)
    }

    fn public(&self) -> Key {
        Key::parse(&std::fs::read_to_string(self.file("key.pub")).unwrap()).unwrap()
    }

    fn private(&self) -> PrivateKey {
        PrivateKey::read_openssh_file(&self.file("key")).unwrap()
    }

    /// `ssh-keygen -Y sign`
    fn sign(&self, namespace: &str, document: &str) -> Signed {
        let file = self.write("document", document);
        let _ = std::fs::remove_file(self.file("document.sig"));
        run(Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(self.file("key"))
            .arg(file));
        let signature = std::fs::read_to_string(self.file("document.sig")).unwrap();
        Signed { document: document.into(), signature }
    }

    /// `ssh-keygen -Y verify`
    fn verify(&self, namespace: &str, document: &str, signature: &str) -> bool {
        let signers = self.write("signers", &format!("ana namespaces=\"{namespace}\" {}\n", self.public()));
        let signature = self.write("signature", signature);
        let document = self.write("document", document);
        verified_by_ssh_keygen(&signers, namespace, &signature, &document)
    }
}

fn verified_by_ssh_keygen(signers: &Path, namespace: &str, signature: &Path, document: &Path) -> bool {
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "verify", "-I", "ana", "-n", namespace, "-f"]).arg(signers).arg("-s").arg(signature);
    command.stdin(std::fs::File::open(document).unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

fn run(command: &mut Command) {
    let output = command.output().expect("ssh-keygen is needed here (Debian: openssh-client)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn approval_document() -> String {
    let expiry = Instant::from_unix_ms(3_600_000).unwrap();
    let (plan_hash, env, nonce) = (Digest::of(b"plan"), "prod".into(), "n1".into());
    approval::Approval { format: 1, plan_hash, env, expiry, nonce }.to_document()
}

fn person(key: Key) -> People {
    let person = Person { keys: [key].into(), roles: [Role::Approver].into(), ..Person::default() };
    People([("ana".to_string(), person)].into())
}

#[test]
fn an_approval_signed_by_ssh_keygen_is_believed() {
    let keys = Keys::new();
    let signed = keys.sign(approval::NAMESPACE, &approval_document());
    let (plan_hash, consumed, now) =
        (Digest::of(b"plan"), Default::default(), Instant::from_unix_ms(0).unwrap());
    let wanted = approval::Wanted { plan_hash: &plan_hash, env: "prod", now, consumed: &consumed };
    let approver = approval::verify(&signed, &person(keys.public()), &wanted).unwrap();
    assert_eq!(approver.person, "ana");
    let elsewhere = keys.sign("file", &approval_document());
    assert!(approval::verify(&elsewhere, &person(keys.public()), &wanted).is_err());
}

#[test]
fn evidence_signed_by_ssh_keygen_is_believed() {
    let keys = Keys::new();
    let at = Instant::from_unix_ms(0).unwrap();
    let (release_hash, commit) = (Digest::of(b"release"), "c0ffee".into());
    let document =
        evidence::Evidence { format: 1, kind: "ci".into(), release_hash, commit, checks: vec![], at };
    let signed = keys.sign(evidence::NAMESPACE, &document.to_document());
    let signer = Signer { key: keys.public(), checks: Default::default() };
    assert_eq!(evidence::verify(&signed, &signer), Ok(document));
}

#[test]
fn ssh_keygen_believes_what_we_sign_and_nothing_else() {
    let keys = Keys::new();
    let document = approval_document();
    let signature = signature::sign(&keys.private(), approval::NAMESPACE, document.as_bytes()).unwrap();
    assert!(keys.verify(approval::NAMESPACE, &document, &signature));
    assert!(!keys.verify(approval::NAMESPACE, &document.replace("prod", "proD"), &signature));
    assert!(!keys.verify(evidence::NAMESPACE, &document, &signature));
}
