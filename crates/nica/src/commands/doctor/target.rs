//! An environment's target: does it answer, and does somebody see to what is wanted there?

use super::Line;
use crate::commands::status::running::unsupervised;
use nica_effects::hands::Access;
use nica_effects::target;
use tokio_postgres::Client;

pub(super) async fn look(about: &str, access: &Access, records: Option<&Client>) -> Line {
    let Some(records) = records else {
        return Line::unknown(about, "what belongs there stands in the records", "mend the database first");
    };
    match target::look(&access.reach, &access.service, records).await {
        Ok(looked) if looked.components.is_empty() => {
            Line::right(about, "it answers, and nothing is wanted there")
        }
        Ok(looked) if !looked.supervised => {
            let next = format!("nica resume --env {}, which starts the supervisor", access.env);
            Line::wrong(about, unsupervised(&looked), next)
        }
        Ok(looked) => Line::right(about, format!("it answers, and runs {}", looked.components.len())),
        Err(error) => Line::unknown(about, format!("failed to {error}"), "mend what the error names"),
    }
}
