//! A target that is looked at before anything is written.

use super::Reach;
use crate::kubernetes::{Cluster, ClusterError, Owner, Place, Tried};
use nica_engine::gates::Gathered;
use nica_engine::preflight::{DryRun, Right, fit::Node};

/// What a cluster says of the objects of a plan.
#[derive(Clone, Debug)]
pub struct Said {
    pub nodes: Gathered<Vec<Node>>,
    pub rights: Gathered<Vec<Right>>,
    pub dry_runs: Gathered<Vec<DryRun>>,
}

impl Reach {
    /// None where there is no cluster to ask.
    pub async fn preflight(&self, service: &str, tried: &[Tried<'_>]) -> Option<Said> {
        match self {
            Reach::Process { .. } => None,
            Reach::Kubernetes(place, _) => Some(asked(place, service, tried).await),
        }
    }
}

async fn asked(place: &Place, service: &str, tried: &[Tried<'_>]) -> Said {
    let owner = Owner { service: service.to_string(), env_id: None };
    match Cluster::connect(place.clone(), owner).await {
        Ok(cluster) => {
            // What nobody may see is asked first: a server that has just started says no to everybody for a moment.
            let rights = cluster.rights(tried).await;
            let (nodes, dry_runs) = futures_util::join!(cluster.nodes(), cluster.dry_run(tried));
            Said { nodes: told(nodes), rights: told(rights), dry_runs: told(dry_runs) }
        }
        Err(error) => {
            let why = error.to_string();
            Said { nodes: Err(why.clone()), rights: Err(why.clone()), dry_runs: Err(why) }
        }
    }
}

fn told<T>(answer: Result<T, ClusterError>) -> Gathered<T> {
    answer.map_err(|error| format!("failed to {error}"))
}
