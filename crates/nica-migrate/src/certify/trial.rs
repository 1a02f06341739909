//! A file tried and taken back, statement by statement: what it comes to, and which statement did what.

use super::CertifyError;
use super::report::Place;
use super::shape::Shape;
use super::text::File;
use tokio_postgres::Client;

/// The shape after each statement. Ends early where one fails: the real run says why.
#[derive(Debug)]
pub(super) struct Trial(Vec<(Place, Shape)>);

impl Trial {
    pub(super) async fn of(client: &mut Client, file: File<'_>) -> Result<Trial, CertifyError> {
        let look = |e: tokio_postgres::Error| CertifyError::look(&e);
        let tx = client.transaction().await.map_err(look)?;
        let mut seen = Vec::new();
        for statement in file.statements() {
            if tx.batch_execute(statement.text).await.is_err() {
                break;
            }
            seen.push((file.place(statement.text), Shape::read(&tx).await?));
        }
        tx.rollback().await.map_err(look)?;
        Ok(Trial(seen))
    }

    /// Where all of it led, unless nothing worked.
    pub(super) fn last(&self) -> Option<&Shape> {
        self.0.last().map(|(_, shape)| shape)
    }

    /// The first statement after which `is_so`.
    pub(super) fn place(&self, is_so: impl Fn(&Shape) -> bool) -> Option<Place> {
        self.0.iter().find(|(_, shape)| is_so(shape)).map(|(place, _)| place.clone())
    }
}
