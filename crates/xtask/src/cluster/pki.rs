//! A certificate authority of the cluster's own, certificates for everybody in it, and their kubeconfigs.
//!
//! The keys live as long as the cluster does, in a folder that only its owner can read.

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

pub(crate) struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// Whom a certificate names.
pub(crate) struct Holder<'a> {
    /// Of its files: `NAME.crt` and `NAME.key`.
    pub file: &'a str,
    pub user: &'a str,
    pub group: Option<&'a str>,
    /// Host names and addresses under which it serves; none for a client.
    pub serves: Vec<String>,
}

impl Authority {
    /// Makes `ca.crt`, `ca.key`, and the pair `sa.key`, `sa.pub` that signs the tokens of service accounts.
    pub(crate) fn create(folder: &Path) -> Result<Authority> {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
        let key = KeyPair::generate().context("make a key")?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "nica test cluster");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).context("sign the authority's certificate")?;
        std::fs::write(folder.join("ca.crt"), certificate.pem())?;
        std::fs::write(folder.join("ca.key"), key.serialize_pem())?;
        let accounts = KeyPair::generate().context("make a key")?;
        std::fs::write(folder.join("sa.key"), accounts.serialize_pem())?;
        std::fs::write(folder.join("sa.pub"), accounts.public_key_pem())?;
        Ok(Authority { folder: folder.to_path_buf(), issuer: Issuer::new(params, key) })
    }

    pub(crate) fn issue(&self, holder: &Holder<'_>) -> Result<()> {
        let key = KeyPair::generate().context("make a key")?;
        let mut params = CertificateParams::new(holder.serves.clone()).context("name a certificate")?;
        params.distinguished_name.push(DnType::CommonName, holder.user);
        if let Some(group) = holder.group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if !holder.serves.is_empty() {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        let certificate = params.signed_by(&key, &self.issuer).context("sign a certificate")?;
        std::fs::write(self.folder.join(format!("{}.crt", holder.file)), certificate.pem())?;
        std::fs::write(self.folder.join(format!("{}.key", holder.file)), key.serialize_pem())?;
        Ok(())
    }
}

/// A kubeconfig whose files stand in `folder` (as its reader sees it). JSON is YAML.
pub(crate) fn kubeconfig(server: &str, folder: &Path, file: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "nica",
        "clusters": [{"name": "nica", "cluster": {"server": server, "certificate-authority": folder.join("ca.crt")}}],
        "users": [{"name": "nica", "user": {
            "client-certificate": folder.join(format!("{file}.crt")),
            "client-key": folder.join(format!("{file}.key")),
        }}],
        "contexts": [{"name": "nica", "context": {"cluster": "nica", "user": "nica"}}],
    })
}
