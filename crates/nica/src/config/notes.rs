//! What reading one file gathers: its mistakes, and for each value where it was written.

use super::file::File;
use super::mistake::Mistake;
use nica_engine::finding::Place;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeTable;

/// A value, its dotted key and where it was written; no place means that it is the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub key: String,
    pub value: String,
    pub place: Option<Place>,
}

/// What reading one file gathers.
pub(super) struct Notes<'a> {
    pub(super) file: File<'a>,
    pub(super) mistakes: RefCell<Vec<Mistake>>,
    pub(super) origins: RefCell<Vec<Origin>>,
    spans: RefCell<BTreeMap<String, Range<usize>>>,
}

impl<'a> Notes<'a> {
    pub(super) fn new(file: File<'a>) -> Notes<'a> {
        let (mistakes, origins, spans) = Default::default();
        Notes { file, mistakes, origins, spans }
    }

    /// The file's tables; what is not TOML is a mistake like any other.
    pub(super) fn parse(&self) -> Spanned<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.file.text);
        for error in errors {
            let mistake = Mistake::new(&self.file, error.span().unwrap_or(0..0), "this is not TOML");
            self.add(mistake.cause(error.message()).next("correct this line"));
        }
        table
    }

    pub(super) fn add(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    pub(super) fn mistake(&self, span: Range<usize>, says: impl Into<String>) -> Mistake {
        Mistake::new(&self.file, span, says)
    }

    /// Where a key's value was written, `env.prod.after`; the start of the file when it was not.
    pub(super) fn span(&self, key: &str) -> Range<usize> {
        self.spans.borrow().get(key).cloned().unwrap_or(0..0)
    }

    pub(super) fn note(&self, key: String, value: String, span: Option<Range<usize>>) {
        let place = span.as_ref().map(|s| self.file.place(s.start));
        if let Some(span) = span {
            self.note_span(key.clone(), span);
        }
        self.origins.borrow_mut().push(Origin { key, value, place });
    }

    pub(super) fn note_span(&self, key: String, span: Range<usize>) {
        self.spans.borrow_mut().insert(key, span);
    }
}
