//! What `./x bench migrate` runs beside NICA: sqlx's own migrator on a folder, as a program of its own.
//!
//! `sqlx_migrate URL FOLDER`, as `sqlx migrate run` does it: one session, the folder read anew.
#![allow(clippy::print_stderr, reason = "a program of its own")]

use sqlx_core::connection::ConnectOptions as _;
use sqlx_core::migrate::Migrator;
use sqlx_postgres::PgConnectOptions;
use std::path::Path;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to migrate: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (url, folder) = (args.next().ok_or("name a url")?, args.next().ok_or("name a folder")?);
    let options: PgConnectOptions = url.parse()?;
    let mut connection = options.connect().await?;
    Ok(Migrator::new(Path::new(&folder)).await?.run_direct(None, &mut connection, false).await?)
}
