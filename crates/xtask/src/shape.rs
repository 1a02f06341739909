//! How long files and functions are: a mirror, not a judge.
//!
//! When the tail grows, somebody looks for the missing noun. Tests are left out of files and functions alike, they
//! are tables.

use crate::repo::{File, Tree};
use crate::tidy::is_test_file;
use anyhow::Result;
use std::io::Write as _;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

#[derive(Debug, PartialEq, Eq)]
struct Length {
    lines: usize,
    place: String,
}

const TAIL: usize = 10;

pub(crate) fn run() -> Result<bool> {
    let tree = Tree::read()?;
    let sources: Vec<&File> =
        tree.rust().filter(|file| file.path.starts_with("crates/") && !is_test_file(&file.path)).collect();
    let (files, functions): (Vec<_>, Vec<_>) = sources.iter().filter_map(|file| measure(file)).unzip();
    let text = show("files", files) + "\n" + &show("functions", functions.into_iter().flatten().collect());
    // A reader that saw enough (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(true)
}

fn show(what: &str, mut lengths: Vec<Length>) -> String {
    lengths.sort_by_key(|length| std::cmp::Reverse(length.lines));
    let at =
        |share: usize| lengths.get((lengths.len() * (100 - share)) / 100).map_or(0, |length| length.lines);
    let max = lengths.first().map_or(0, |length| length.lines);
    let mut text = format!(
        "{what}: {}   half are under {}   90 % under {}   99 % under {}   longest {max}\n",
        lengths.len(),
        at(50),
        at(90),
        at(99)
    );
    for length in lengths.iter().take(TAIL) {
        text += &format!("  {:>5}  {}\n", length.lines, length.place);
    }
    text
}

/// The file without its test modules, and each function.
fn measure(file: &File) -> Option<(Length, Vec<Length>)> {
    let ast = syn::parse_file(&file.text).ok()?;
    let mut meter = Meter { path: &file.path, functions: Vec::new(), test_lines: 0 };
    meter.visit_file(&ast);
    let lines = file.text.lines().count().saturating_sub(meter.test_lines);
    Some((Length { lines, place: file.path.clone() }, meter.functions))
}

struct Meter<'a> {
    path: &'a str,
    functions: Vec<Length>,
    test_lines: usize,
}

impl Meter<'_> {
    fn function(&mut self, name: &syn::Ident, span: proc_macro2::Span) {
        let lines = lines_of(span);
        self.functions.push(Length { lines, place: format!("{}:{} {name}", self.path, span.start().line) });
    }
}

fn lines_of(span: proc_macro2::Span) -> usize {
    span.end().line - span.start().line + 1
}

impl<'ast> Visit<'ast> for Meter<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.attrs.iter().any(|attr| attr.path().is_ident("cfg")) && item.content.is_some() {
            self.test_lines += lines_of(item.span());
        } else {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig.ident, item.block.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig.ident, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_no_length() {
        let text = "fn a() {\n  1;\n}\nstruct S;\nimpl S {\n  fn b() {}\n}\n#[cfg(test)]\nmod tests {\n  fn c() {}\n}\n";
        let (file, functions) = measure(&File { path: "a.rs".into(), text: text.into() }).expect("it parses");
        assert_eq!(file.lines, 7);
        let places: Vec<_> = functions.iter().map(|length| (length.lines, length.place.as_str())).collect();
        assert_eq!(places, [(3, "a.rs:1 a"), (1, "a.rs:6 b")]);
    }
}
