//! What cannot be carried, and what to do about it.
//!
//! A refusal names the object and the field, never a value: values of configuration may be secrets.

use super::object::Name;

/// One object that cannot be carried as it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{object}: {why}")]
pub struct Refused {
    /// `Deployment/nica-backend`, or which of the objects it is when it has no name.
    pub object: String,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Why {
    #[error(
        "is no Kubernetes object: `{0}` is missing; every document needs apiVersion, kind and metadata.name"
    )]
    NoObject(&'static str),
    #[error(
        "belongs to the whole cluster, and a run could not take it back; apply it once by hand and take it out of \
         the manifests"
    )]
    ClusterScoped,
    #[error(
        "is for namespace `{found}`, and this environment's is `{wanted}`; leave it out or correct one of the two"
    )]
    OtherNamespace { found: String, wanted: String },
    #[error("names no namespace; write `namespace: {0}` into its metadata, or into kustomization.yaml")]
    NoNamespace(String),
    #[error("stands in the manifests {0} times; keep one of them")]
    Twice(usize),
    #[error("has `generateName`, so it would be another object each time; write `name`")]
    GenerateName,
    #[error("was read from a cluster: `{0}` is the server's to set; remove it")]
    ServerSet(String),
    #[error("is a hook (`{0}`); {1}")]
    Hook(String, &'static str),
    #[error("is run by nobody who would replace it; write a {0} instead")]
    Bare(&'static str),
    #[error(
        "its values would enter the release file; remove `{field}` and write `[env.….secret.{name}]` in nica.toml"
    )]
    SecretValues { field: &'static str, name: String },
    #[error("has no values; write `[env.….secret.{0}]` in nica.toml, or take it out and create it by hand")]
    SecretEmpty(String),
    #[error(
        "keeps its name, and NICA brings its values under names of their content only; remove the annotation, or the table `[env.….secret.{0}]` and create it by hand"
    )]
    SecretKept(String),
    #[error("`{0}` is no text; write it in quotes")]
    NoText(String),
    #[error(
        "container {container} runs `{image}`, whose content can change; write it with @sha256:…, or name its repository in a [[component]]"
    )]
    ImageByTag { container: String, image: String },
    #[error(
        "container {container} asks for another digest of `{repository}` than the release has; write the image without a digest"
    )]
    OtherDigest { container: String, repository: String },
    #[error("container {container} sets `{variable}`, which NICA sets; remove it")]
    Reserved { container: String, variable: String },
    #[error("refers to key `{key}` of {of}, which has no such key; correct the name or add the key")]
    NoKey { of: Name, key: String },
    #[error("its name is too long for the digits of its content: at most {0} characters fit; shorten it")]
    LongName(usize),
    #[error("carries `{0}`, which NICA sets; remove it")]
    Ours(String),
}

impl Why {
    /// The refusal's name, stable for scripts and links.
    pub fn code(&self) -> &'static str {
        match self {
            Why::NoObject(_) => "manifest/no-object",
            Why::ClusterScoped => "manifest/cluster-scoped",
            Why::OtherNamespace { .. } => "manifest/other-namespace",
            Why::NoNamespace(_) => "manifest/no-namespace",
            Why::Twice(_) => "manifest/twice",
            Why::GenerateName => "manifest/generate-name",
            Why::ServerSet(_) => "manifest/server-set",
            Why::Hook(..) => "manifest/hook",
            Why::Bare(_) => "manifest/bare",
            Why::SecretValues { .. } => "manifest/secret-values",
            Why::SecretEmpty(_) => "manifest/secret-empty",
            Why::SecretKept(_) => "manifest/secret-kept",
            Why::NoText(_) => "manifest/no-text",
            Why::ImageByTag { .. } => "manifest/image-by-tag",
            Why::OtherDigest { .. } => "manifest/other-digest",
            Why::Reserved { .. } => "manifest/reserved",
            Why::NoKey { .. } => "manifest/no-key",
            Why::LongName(_) => "manifest/long-name",
            Why::Ours(_) => "manifest/ours",
        }
    }
}
