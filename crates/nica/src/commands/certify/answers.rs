//! What was answered so far: by this process, failures too, and by those before it as far as it was kept.
//!
//! So the throw-away database is asked once per question, before anybody holds the lease, whatever comes of it.

use super::Question;
use super::kept::Kept;
use nica_engine::Digest;
use nica_engine::gates::{Certificate, Gathered};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Answer = Gathered<Vec<Certificate>>;

pub(in crate::commands) struct Answers {
    kept: Kept,
    given: Mutex<BTreeMap<Digest, Answer>>,
}

impl Answers {
    pub(in crate::commands) fn of_this_user() -> Answers {
        Answers::with(Kept::of_this_user())
    }

    pub(super) fn with(kept: Kept) -> Answers {
        Answers { kept, given: Mutex::default() }
    }

    pub(super) fn find(&self, question: &Question<'_>) -> Option<Answer> {
        let given = self.given().get(&Digest::of_value(question)).cloned();
        given.or_else(|| self.kept.find(question).map(Ok))
    }

    pub(super) fn keep(&self, question: &Question<'_>, answer: &Answer) {
        self.given().insert(Digest::of_value(question), answer.clone());
        if let Ok(certificates) = answer {
            self.kept.keep(question, certificates);
        }
    }

    fn given(&self) -> MutexGuard<'_, BTreeMap<Digest, Answer>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
