//! What the target's side says of a release before anything is written: its images, its API server, its nodes.
//!
//! Data only, for the gates; who asks, and how, stands elsewhere. "Could not look" travels as a `Gathered` error and is
//! never taken for an answer.

pub mod fit;
pub mod quantity;

use crate::gates::Gathered;
use serde_json::Value;

/// All that was asked for one plan of a kubernetes target.
#[derive(Clone, Debug)]
pub struct Preflight {
    pub images: Vec<ImageAsked>,
    pub nodes: Gathered<Vec<fit::Node>>,
    /// What the plan would have pods of.
    pub pods: Vec<Pods>,
    pub dry_runs: Gathered<Vec<DryRun>>,
    pub rights: Gathered<Vec<Right>>,
}

/// An image that the plan, or the way back from it, needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageAsked {
    pub component: String,
    /// `registry.example/nica-backend@sha256:…`
    pub reference: String,
    /// Of what is live now, which going back would run again.
    pub baseline: bool,
    pub seen: ImageSeen,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSeen {
    /// `linux/amd64`, as the image says; empty where it says nothing.
    There {
        platforms: Vec<String>,
    },
    Absent,
    /// Why nobody could look.
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pods {
    /// `Deployment/nica-backend`
    pub component: String,
    /// Of its pod template.
    pub spec: Value,
}

/// What the API server said of one object that it was asked to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRun {
    /// `Deployment/nica-backend`, or `a pod of Deployment/nica-backend`.
    pub object: String,
    pub said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Accepted,
    /// Told apart by code and reason; the text is only shown.
    Refused {
        code: u16,
        reason: String,
        detail: String,
    },
}

/// One thing that a later step does, and whether this account may.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub verb: String,
    /// `deployments.apps`
    pub resource: String,
    pub allowed: bool,
}
