//! The tools themselves, as libraries, on a database of the shared cluster.

use crate::common::{cluster, session};
use nica_migrate::DbUrl;
use nica_migrate::scratch::SCRATCH_USER;
use refinery_core::{Runner, Target, load_sql_migrations};
use sqlx_core::connection::ConnectOptions as _;
use sqlx_core::migrate::Migrator;
use sqlx_postgres::PgConnectOptions;
use std::path::Path;

/// `sqlx migrate run`, up to a version.
pub(super) async fn sqlx(url: &DbUrl, folder: &Path, to: Option<i64>) {
    let socket = cluster().await.folder();
    let options = PgConnectOptions::new_without_pgpass().socket(socket).username(SCRATCH_USER);
    let mut connection = options.database(url.database()).connect().await.expect("a session");
    let migrator = Migrator::new(folder).await.expect("a folder that sqlx reads");
    migrator.run_direct(to, &mut connection, false).await.expect("applied by sqlx");
}

/// `refinery migrate`, up to a version.
pub(super) async fn refinery(url: &DbUrl, folder: &Path, to: Option<i32>) {
    let migrations = load_sql_migrations(folder).expect("a folder that refinery reads");
    let runner = Runner::new(&migrations).set_target(to.map_or(Target::Latest, Target::Version));
    runner.run_async(&mut session(url).await).await.expect("applied by refinery");
}
