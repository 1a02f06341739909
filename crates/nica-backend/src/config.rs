//! Everything the program is told from outside, read once and passed on as values.
//!
//! One struct per subject; each field's comment names its variable, default and meaning. All mistakes are found in
//! one reading and reported together, and no message ever repeats the value of a secret.

mod actor;
mod auth;
mod database;
mod http;
mod log;
mod models;
mod reader;
mod replica;
mod secret;
mod start;

pub use actor::Actor;
pub use auth::Auth;
pub use database::Database;
pub use http::{Address, Http};
pub use log::Log;
pub use models::Models;
pub use reader::{Mistake, Mistakes};
pub use replica::{Inherited, Replica};
pub use secret::Secret;
pub use start::Start;

use nica_migrate::DbUrl;
use reader::Reader;

/// Looks a variable up; the process environment outside of tests.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

#[derive(Clone, Debug)]
pub struct Serve {
    pub database: Database,
    pub http: Http,
    pub log: Log,
    pub auth: Auth,
    pub replica: Replica,
    /// `--read-only`: refuses writes, in the routes and in every database session.
    pub read_only: bool,
}

/// What `serve` needs.
pub fn serve(lookup: Lookup<'_>, read_only: bool) -> Result<Serve, Mistakes> {
    let mut reader = Reader::new(lookup);
    let replica = Replica::read(&mut reader);
    let config = Serve {
        database: Database::read(&mut reader, &replica),
        http: Http::read(&mut reader),
        log: Log::read(&mut reader),
        auth: Auth::read(&mut reader, !read_only),
        replica,
        read_only,
    };
    reader.finish(config)
}

/// What `start` does before it serves, and what it serves with; mistakes of both together.
pub fn start(lookup: Lookup<'_>, read_only: bool) -> Result<(Start, Serve), Mistakes> {
    let mut reader = Reader::new(lookup);
    let start = Start::read(&mut reader);
    match (reader.finish(start), serve(lookup, read_only)) {
        (Ok(start), Ok(serve)) => Ok((start, serve)),
        (Err(Mistakes(first)), Err(Mistakes(then))) => {
            let mut all = first;
            all.extend(then.into_iter().filter(|mistake| !all.contains(mistake)).collect::<Vec<_>>());
            Err(Mistakes(all))
        }
        (Err(mistakes), Ok(_)) | (Ok(_), Err(mistakes)) => Err(mistakes),
    }
}

/// What `prefetch-models` needs; none where no models are wanted.
pub fn models(lookup: Lookup<'_>) -> Result<Option<Models>, Mistakes> {
    let mut reader = Reader::new(lookup);
    let models = Models::read(&mut reader);
    reader.finish(models)
}

/// Where this replica answers probes.
pub fn admin(lookup: Lookup<'_>) -> Result<Address, Mistakes> {
    let mut reader = Reader::new(lookup);
    let address = http::admin(&mut reader);
    reader.finish(address)
}

/// What a command on a database needs: where, and in whose name.
pub fn command(lookup: Lookup<'_>) -> Result<(DbUrl, Actor), Mistakes> {
    let mut reader = Reader::new(lookup);
    let read = (database::url(&mut reader), Actor::read(&mut reader));
    reader.finish(read)
}

/// A variable of this process. An empty one counts as not set, one that is no text as a mistake further on.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn process_environment(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?;
    Some(value.to_string_lossy().into_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
