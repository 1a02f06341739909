//! What this program brings along: its migrations and seeds, listed by the build script.
//!
//! A program needs every migration that it was built with. That is how two releases of one source tree differ.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Ids of the embedded migrations, in order, each once.
pub fn migration_ids() -> Vec<&'static str> {
    let mut ids: Vec<&str> =
        MIGRATION_FILES.iter().filter_map(|(path, _)| Some(path.split_once('/')?.0)).collect();
    ids.dedup();
    ids
}
