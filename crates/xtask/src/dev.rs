//! `./x dev`: the service on this machine, on a database of its own that is gone when it ends.

use crate::demo::{Place, Postgres, Profile, plain_service};
use anyhow::{Context as _, Result, ensure};
use std::process::Command;

const DATABASE: &str = "nica_dev";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: std::net::SocketAddr,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let place = Place::make()?;
    let ended = serve(options, &place);
    place.clear()?;
    ended
}

fn serve(options: &Options, place: &Place) -> Result<bool> {
    // A copy in the place: whatever runs from there ends with us.
    let program = plain_service(Profile::Dev, None, &place.folder)?;
    let postgres = Postgres::start(place)?;
    postgres.create_database(DATABASE)?;
    let url = postgres.url(DATABASE);
    let migrated = Command::new(&program)
        .args(["migrate-seed", "--url", &url])
        .status()
        .context("start migrate-seed")?;
    ensure!(migrated.success(), "bring the database up: migrate-seed ended with {migrated}");

    let secret: [u8; 32] = rand::random();
    println!("\nhttp://{}/api/v1/foods?q=arroz\npsql '{url}'\nCtrl-C ends both\n", options.listen);
    let served = Command::new(&program)
        .arg("serve")
        .env("DATABASE_URL", &url)
        .env("AUTH_SECRET", secret.map(|byte| format!("{byte:02x}")).concat())
        .env("LISTEN", options.listen.to_string())
        .env("ADMIN_LISTEN", format!("unix:{}/admin", place.folder.display()))
        .status()
        .context("start the service")?;
    Ok(served.success())
}
