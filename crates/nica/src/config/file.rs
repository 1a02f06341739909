//! A file's text and the places in it.

use nica_engine::finding::Place;
use std::ops::Range;

#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

impl<'a> File<'a> {
    pub(super) fn new(name: &'a str, text: &'a str) -> File<'a> {
        File { name, text }
    }

    /// Counted from 1, columns in characters.
    pub(super) fn place(&self, offset: usize) -> Place {
        let start = self.line_start(offset);
        let line = self.text[..start].matches('\n').count() + 1;
        let column = self.text[start..self.boundary(offset)].chars().count() + 1;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { file: self.name.to_string(), line: number(line), column: number(column) }
    }

    /// The line that an offset stands in, without its end.
    pub(super) fn line(&self, offset: usize) -> &'a str {
        self.text[self.line_start(offset)..].lines().next().unwrap_or("")
    }

    /// Characters of a span, up to the end of its first line; at least one.
    pub(super) fn width(&self, span: &Range<usize>) -> usize {
        let span = self.boundary(span.start)..self.boundary(span.end.max(span.start));
        self.text[span].lines().next().map_or(1, |l| l.chars().count().max(1))
    }

    fn line_start(&self, offset: usize) -> usize {
        self.text[..self.boundary(offset)].rfind('\n').map_or(0, |at| at + 1)
    }

    /// The offset itself, or the nearest one before it where a character begins.
    fn boundary(&self, offset: usize) -> usize {
        let inside = offset.min(self.text.len());
        (0..=inside).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }
}
