//! What a source file names: paths, macros and string literals, each with its line.
//!
//! Short names are made long by the file's own `use` lines (`env::var` after `use std::env` is `std::env::var`).
//! The insides of macros are tokens, so there paths and literals are picked up token by token.

use crate::repo::File;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::vec::IntoIter;
use syn::visit::{self, Visit};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// A path as `std::env::var`, a macro as `println!`, or the text of a literal.
    pub text: String,
    pub line: usize,
}

/// What the code that ships names; tests are left out.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub paths: Vec<Named>,
    pub macros: Vec<Named>,
    pub literals: Vec<Named>,
    /// What the file's tests name, paths and literals together.
    pub in_tests: Vec<Named>,
}

impl Names {
    /// A file that does not parse names nothing: the compiler speaks about it more clearly.
    pub(crate) fn of(file: &File) -> Names {
        let Ok(ast) = syn::parse_file(&file.text) else { return Names::default() };
        let mut uses = Uses::default();
        uses.visit_file(&ast);
        let mut reader =
            Reader { long: uses.long, tests: u32::from(is_test_file(&file.path)), names: Names::default() };
        reader.visit_file(&ast);
        reader.names
    }
}

/// Whether `path` is `prefix` or lies below it.
pub(crate) fn at(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

pub(crate) fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "examples" | "tests.rs"))
}

/// Collects the long form of every name that a `use` brings in.
#[derive(Default)]
struct Uses {
    long: BTreeMap<String, String>,
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        flatten(&item.tree, "", &mut |name, path, _| {
            if let Some(name) = name {
                self.long.insert(name, path);
            }
        });
    }
}

/// Calls `found(name it gets, full path, line)` for each leaf of a use tree.
fn flatten(tree: &syn::UseTree, prefix: &str, found: &mut dyn FnMut(Option<String>, String, usize)) {
    let join = |ident: &syn::Ident| match prefix {
        "" => ident.to_string(),
        _ => format!("{prefix}::{ident}"),
    };
    let line = |ident: &syn::Ident| ident.span().start().line;
    match tree {
        syn::UseTree::Path(path) => flatten(&path.tree, &join(&path.ident), found),
        syn::UseTree::Name(name) if name.ident == "self" => {
            let last = prefix.rsplit("::").next().map(str::to_string);
            found(last, prefix.to_string(), line(&name.ident));
        }
        syn::UseTree::Name(name) => found(Some(name.ident.to_string()), join(&name.ident), line(&name.ident)),
        syn::UseTree::Rename(rename) => {
            let path = if rename.ident == "self" { prefix.to_string() } else { join(&rename.ident) };
            found(Some(rename.rename.to_string()), path, line(&rename.ident));
        }
        syn::UseTree::Glob(glob) => {
            found(None, format!("{prefix}::*"), glob.star_token.spans[0].start().line);
        }
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, prefix, found)),
    }
}

struct Reader {
    long: BTreeMap<String, String>,
    /// How many test items we are inside of.
    tests: u32,
    names: Names,
}

impl Reader {
    fn path(&mut self, text: String, line: usize) {
        let (first, rest) =
            text.split_once("::").map_or((text.as_str(), None), |(first, rest)| (first, Some(rest)));
        let text = match (self.long.get(first), rest) {
            (Some(long), Some(rest)) => format!("{long}::{rest}"),
            (Some(long), None) => long.clone(),
            (None, _) => text,
        };
        let kept = if self.tests > 0 { &mut self.names.in_tests } else { &mut self.names.paths };
        kept.push(Named { text, line });
    }

    fn literal(&mut self, text: String, line: usize) {
        let kept = if self.tests > 0 { &mut self.names.in_tests } else { &mut self.names.literals };
        kept.push(Named { text, line });
    }

    fn tokens(&mut self, tokens: TokenStream) {
        let mut bits = Vec::new();
        flatten_tokens(tokens, &mut bits);
        let mut bits = bits.into_iter().peekable();
        while let Some(bit) = bits.next() {
            match bit {
                Bit::Text(text, line) => self.literal(text, line),
                Bit::Word(word, line) => self.path_in_tokens(word, line, &mut bits),
                Bit::Colons | Bit::Bang | Bit::Other => {}
            }
        }
    }

    /// A path goes on as long as `::` and a word follow; before a group, `!` makes it a macro.
    fn path_in_tokens(&mut self, word: String, line: usize, bits: &mut Peekable<IntoIter<Bit>>) {
        let mut path = word;
        while bits.next_if(|bit| matches!(bit, Bit::Colons)).is_some() {
            let Some(Bit::Word(next, _)) = bits.next_if(|bit| matches!(bit, Bit::Word(..))) else { break };
            path = format!("{path}::{next}");
        }
        if bits.next_if(|bit| matches!(bit, Bit::Bang)).is_some() && self.tests == 0 {
            let last = path.rsplit("::").next().unwrap_or_default();
            self.names.macros.push(Named { text: format!("{last}!"), line });
        }
        self.path(path, line);
    }

    fn within_test(&mut self, attrs: &[syn::Attribute], read: impl FnOnce(&mut Self)) {
        let test = u32::from(attrs.iter().any(is_test_attr));
        self.tests += test;
        read(self);
        self.tests -= test;
    }
}

/// What of a token stream can be part of a name.
enum Bit {
    Word(String, usize),
    Colons,
    Bang,
    Text(String, usize),
    Other,
}

fn flatten_tokens(tokens: TokenStream, bits: &mut Vec<Bit>) {
    let mut tokens = tokens.into_iter().peekable();
    let punct =
        |token: &TokenTree, wanted: char| matches!(token, TokenTree::Punct(p) if p.as_char() == wanted);
    while let Some(token) = tokens.next() {
        let bit = match token {
            TokenTree::Ident(ident) => Bit::Word(ident.to_string(), ident.span().start().line),
            TokenTree::Punct(p) if p.as_char() == ':' => match tokens.next_if(|next| punct(next, ':')) {
                Some(_) => Bit::Colons,
                None => Bit::Other,
            },
            TokenTree::Punct(p) if p.as_char() == '!' => match tokens.peek() {
                Some(TokenTree::Group(_)) => Bit::Bang,
                _ => Bit::Other,
            },
            TokenTree::Punct(_) => Bit::Other,
            TokenTree::Group(group) => {
                bits.push(Bit::Other);
                flatten_tokens(group.stream(), bits);
                Bit::Other
            }
            TokenTree::Literal(literal) => match syn::Lit::new(literal) {
                syn::Lit::Str(text) => Bit::Text(text.value(), text.span().start().line),
                _ => Bit::Other,
            },
        };
        bits.push(bit);
    }
}

fn is_test_attr(attr: &syn::Attribute) -> bool {
    let last = attr.path().segments.last().map(|segment| segment.ident.to_string());
    match (last.as_deref(), &attr.meta) {
        (Some("test"), _) => true,
        (Some("cfg"), syn::Meta::List(list)) => list.tokens.to_string() == "test",
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.within_test(&item.attrs, |reader| visit::visit_item_mod(reader, item));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.within_test(&item.attrs, |reader| visit::visit_item_fn(reader, item));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.within_test(&item.attrs, |reader| visit::visit_item_impl(reader, item));
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.within_test(&item.attrs, |reader| {
            flatten(&item.tree, "", &mut |_, path, line| {
                let kept =
                    if reader.tests > 0 { &mut reader.names.in_tests } else { &mut reader.names.paths };
                kept.push(Named { text: path, line });
            });
        });
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let text: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments[0].ident.span().start().line;
        self.path(text.join("::"), line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        if self.tests == 0 {
            let last = item.path.segments.last().expect("a macro has a name");
            let line = last.ident.span().start().line;
            self.names.macros.push(Named { text: format!("{}!", last.ident), line });
        }
        self.tokens(item.tokens.clone());
    }

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        self.literal(literal.value(), literal.span().start().line);
    }

    /// Doc comments are attributes with a literal: prose, not code.
    fn visit_attribute(&mut self, attr: &'ast syn::Attribute) {
        if !attr.path().is_ident("doc") {
            visit::visit_attribute(self, attr);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Names {
        Names::of(&File { path: "crates/a/src/b.rs".into(), text: text.into() })
    }

    fn check(text: &str, path: &str) {
        let names = names(text);
        assert!(names.paths.iter().any(|named| named.text == path), "{path} in {text}: {names:?}");
    }

    #[test]
    fn short_names_are_made_long() {
        check("use std::env; fn f() { env::var(\"A\"); }", "std::env::var");
        check("use std::env::var as v; fn f() { v(\"A\"); }", "std::env::var");
        check("use std::{fs, env::{self}}; fn f() { env::var(\"A\"); }", "std::env::var");
        check("fn f() { std::env::var(\"A\"); }", "std::env::var");
        check("use std::env::*;", "std::env::*");
    }

    #[test]
    fn the_inside_of_a_macro_is_read() {
        check("fn f() { println!(\"{}\", std::env::var(\"A\")); }", "std::env::var");
        check("use std::env; fn f() { vec![1, env::var(x)]; }", "std::env::var");
        let found = names("fn f() { m!(1, println!(\"x {}\", \"SELECT 1\")); }");
        assert!(found.macros.iter().any(|named| named.text == "println!"));
        assert!(found.literals.iter().any(|named| named.text == "SELECT 1"));
    }

    #[test]
    fn tests_and_comments_are_not_code() {
        for text in [
            "#[cfg(test)] mod tests { fn f() { std::env::var(\"A\"); } }",
            "#[test] fn f() { std::env::var(\"A\"); }",
            "/// std::env::var\nfn f() {}",
        ] {
            assert!(!names(text).paths.iter().any(|named| at(&named.text, "std::env")), "{text}");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_path_segment() {
        assert!(at("std::env::var", "std::env") && at("std::env", "std::env"));
        assert!(!at("std::environment", "std::env"));
    }
}
