//! What a program brings along: its migrations and seeds. They enter in `main`, so that a release with other ones
//! compiles that file alone and links again.
//!
//! A program needs every expand that it was built with, and knows its contracts. That is how two releases of one source tree differ.

/// File names, as in the repository, and their texts; sorted by name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bundle {
    /// `0001_foods/up.sql` and so on.
    pub migrations: &'static [(&'static str, &'static str)],
    /// `0001_sexo.toml` and so on.
    pub seeds: &'static [(&'static str, &'static str)],
}

impl Bundle {
    /// Ids of the migrations, in order, each once.
    pub fn migration_ids(&self) -> Vec<&'static str> {
        let mut ids: Vec<&str> =
            self.migrations.iter().filter_map(|(path, _)| Some(path.split_once('/')?.0)).collect();
        ids.dedup();
        ids
    }
}
