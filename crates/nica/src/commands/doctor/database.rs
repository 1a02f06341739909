//! An environment's database: can it be reached, whose is it, may its role do what a deploy does, is the chain whole?

use super::Line;
use nica_effects::answer::answered;
use nica_effects::failure::Failure;
use nica_effects::hands::Access;
use nica_effects::open;
use nica_effects::records::{control, ledger};
use nica_engine::ledger as chain;
use nica_migrate::fence::refuse_pooler;
use nica_migrate::schema;
use tokio_postgres::Client;

/// A session for whoever looks further; none where there is none.
pub(super) async fn look(about: &str, access: &Access) -> (Vec<Line>, Option<Client>) {
    let client = match open::reader(access).await {
        Ok(client) => client,
        Err(error) => {
            let next = "mend the variable or the way there; the error names what to look at";
            return (vec![Line::unknown(about, format!("failed to {error}"), next)], None);
        }
    };
    let mut lines = vec![server(about, access, &client).await];
    lines.push(owner(about, access, &client).await);
    (lines, Some(client))
}

/// Older servers lack what the fence needs.
const OLDEST: i32 = 150_000;

async fn server(about: &str, access: &Access, client: &Client) -> Line {
    if let Err(error) = refuse_pooler(&access.url).await {
        let next =
            "give nica the server's own address: sessions of a pooler in transaction mode cannot be fenced";
        return Line::wrong(about, format!("failed to {error}"), next);
    }
    let select = "SELECT current_setting('server_version_num')::int, current_setting('server_version')";
    let asked =
        answered("the server's version", async { client.query_one(select, &[]).await.map_err(Failure::sql) });
    match asked.await {
        Ok(row) if row.get::<_, i32>(0) < OLDEST => {
            let says = format!("PostgreSQL {} is older than 15", row.get::<_, String>(1));
            Line::wrong(about, says, "upgrade the server")
        }
        Ok(row) => Line::right(about, format!("PostgreSQL {} answers", row.get::<_, String>(1))),
        Err(error) => Line::unknown(about, format!("failed to {error}"), "try again"),
    }
}

async fn owner(about: &str, access: &Access, client: &Client) -> Line {
    let found = answered("whose database it is", async {
        Ok::<_, Failure>(
            match schema::exists(client).await.map_err(|error| Failure::Refused(error.to_string()))? {
                true => Some(schema::check_owner(client, &access.service, &access.env).await),
                false => None,
            },
        )
    });
    match found.await {
        Ok(Some(Ok(()))) => records(about, client).await,
        Ok(Some(Err(error))) => {
            Line::wrong(about, error.to_string(), "check which database the variable names")
        }
        Ok(None) => may_create(about, client).await,
        Err(error) => {
            Line::unknown(about, format!("failed to {error}"), "grant the role of the URL what it lacks")
        }
    }
}

/// Nobody has delivered here yet.
async fn may_create(about: &str, client: &Client) -> Line {
    let select = "SELECT has_database_privilege(current_database(), 'CREATE'), current_user::text, \
                  current_database()::text";
    let row =
        answered("what the role may do", async { client.query_one(select, &[]).await.map_err(Failure::sql) });
    match row.await {
        Ok(row) if row.get(0) => {
            Line::right(about, "nothing was ever delivered here, and the role may begin")
        }
        Ok(row) => {
            let (role, database): (String, String) = (row.get(1), row.get(2));
            let says = format!("{role} may not create schemas in {database}");
            Line::wrong(about, says, format!("GRANT CREATE ON DATABASE \"{database}\" TO \"{role}\""))
        }
        Err(error) => Line::unknown(about, format!("failed to {error}"), "try again"),
    }
}

async fn records(about: &str, client: &Client) -> Line {
    let read = answered("the ledger", async {
        let open = control::read(client).await?.is_some_and(|control| control.open_run.is_some());
        Ok::<_, nica_effects::records::RecordError>((open, ledger::read(client).await?))
    });
    match read.await {
        Ok((open, rows)) => match chain::verify(&rows, None) {
            Ok(entries) => {
                let open = if open { ", a run is open" } else { "" };
                Line::right(
                    about,
                    format!("the ledger has {} entries, all as they were written{open}", entries.len()),
                )
            }
            Err(bad) => {
                Line::wrong(about, bad.to_string(), "nica ledger verify, and compare with the kept anchor")
            }
        },
        Err(error) => {
            Line::unknown(about, format!("failed to {error}"), "grant the role of the URL schema nica")
        }
    }
}
