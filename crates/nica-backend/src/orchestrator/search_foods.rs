//! Finding foods by the words people write.
//!
//! Names live in an index in memory, figures are read from the table for each answer. `terms` decides which words
//! are the same, `index` which foods match and in which order.

mod index;
mod terms;

use crate::store::foods::Food;
use crate::store::{Store, StoreError};
use index::Index;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a new or retired food may stay unnoticed.
const INDEX_AGE_MAX: Duration = Duration::from_secs(30);

/// The index, built at its first use and again when it is old.
#[derive(Clone, Default)]
pub struct Foods {
    built: Arc<RwLock<Option<Built>>>,
    /// Held by the one request that builds.
    building: Arc<Mutex<()>>,
}

#[derive(Clone)]
struct Built {
    at: Instant,
    index: Arc<Index>,
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

    /// One request builds. The others wait for it only while there is nothing older to search in, and when building
    /// fails, the older index serves on: names change once in a release, not once in a request.
    async fn index(&self, store: &Store) -> Result<Arc<Index>, StoreError> {
        let Some(old) = self.built() else {
            let _building = self.building.lock().await;
            return match self.built() {
                Some(built) => Ok(built.index),
                None => self.build(store).await,
            };
        };
        if old.at.elapsed() < INDEX_AGE_MAX {
            return Ok(old.index);
        }
        let Ok(_building) = self.building.try_lock() else { return Ok(old.index) };
        Ok(self.build(store).await.unwrap_or(old.index))
    }

    fn built(&self) -> Option<Built> {
        self.built.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn build(&self, store: &Store) -> Result<Arc<Index>, StoreError> {
        let index = Arc::new(Index::new(store.food_names().await?));
        let built = Built { at: Instant::now(), index: index.clone() };
        *self.built.write().unwrap_or_else(PoisonError::into_inner) = Some(built);
        Ok(index)
    }
}
