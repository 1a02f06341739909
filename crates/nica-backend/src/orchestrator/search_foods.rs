//! Finding foods by the words people write.
//!
//! Names live in an index in memory, figures are read from the table for each answer. `terms` decides which words
//! are the same, `index` which foods match and in which order.

mod index;
mod terms;

use crate::store::foods::Food;
use crate::store::{Store, StoreError};
use index::Index;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a new or retired food may stay unnoticed.
const INDEX_AGE_MAX: Duration = Duration::from_secs(30);

/// The index, built at its first use.
#[derive(Clone, Default)]
pub struct Foods {
    built: Arc<Mutex<Option<(Instant, Arc<Index>)>>>,
}

impl Foods {
    /// The best `limit` foods for `q`; all in order of their names when `q` has no word.
    ///
    /// # Errors
    /// `StoreError`.
    pub async fn search(&self, store: &Store, q: &str, limit: usize) -> Result<Vec<Food>, StoreError> {
        let ids = self.index(store).await?.find(q, limit);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        store.foods(&ids).await
    }

    /// One food by its id.
    ///
    /// # Errors
    /// `StoreError`.
    pub async fn by_id(&self, store: &Store, id: &str) -> Result<Option<Food>, StoreError> {
        Ok(store.foods(&[id.to_string()]).await?.pop())
    }

    /// One request builds, the others wait for it: names change once in a release, not once in a request. When
    /// building fails, an older index serves on.
    async fn index(&self, store: &Store) -> Result<Arc<Index>, StoreError> {
        let mut built = self.built.lock().await;
        if let Some((at, index)) = built.as_ref()
            && at.elapsed() < INDEX_AGE_MAX
        {
            return Ok(index.clone());
        }
        match store.food_names().await {
            Ok(names) => {
                let index = Arc::new(Index::new(names));
                *built = Some((Instant::now(), index.clone()));
                Ok(index)
            }
            Err(error) => built.as_ref().map(|(_, index)| index.clone()).ok_or(error),
        }
    }
}
