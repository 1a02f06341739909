//! `[[component]]`: a deployable part of the service, and where it comes from.

use super::section::Section;
use super::service::check_name;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    pub name: String,
    pub source: Source,
    /// Paths on the admin socket.
    pub health: String,
    pub ready: String,
    /// Does it use the database's schema?
    pub migrates: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file, beside nica.toml.
    Executable(String),
    /// A repository at a registry, without tag.
    Image(String),
}

pub(super) fn read(section: &Section<'_>) -> Component {
    let name = section.must_text("name", "\"backend\"");
    check_name(section, "name", &name, 24);
    let component = Component {
        name,
        source: source(section),
        health: section.text_or("health", "/healthcheck"),
        ready: section.text_or("ready", "/readyz"),
        migrates: section.flag_or("migrates", false),
    };
    section.finish();
    component
}

fn source(section: &Section<'_>) -> Source {
    match (section.text("executable"), section.text("image")) {
        (Some(path), None) => Source::Executable(path),
        (None, Some(image)) => Source::Image(image),
        (Some(path), Some(_)) => {
            let cause = "`executable` says already where it comes from";
            section.wrong("image", "a component has one source", cause, "remove one of the two");
            Source::Executable(path)
        }
        (None, None) => {
            if !section.has("executable") && !section.has("image") {
                section.missing("executable", "\"target/release/nica-backend\"");
            }
            Source::Executable(String::new())
        }
    }
}
