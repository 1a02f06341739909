//! Catches a deployer at its n-th record, from inside Postgres: a trigger on every table of records counts what is
//! written, and whoever writes number n stands there until the gate opens.
//!
//! The transaction is then open and its COMMIT not sent, so everything before it is durable and it is not. Standing is
//! sleeping: a lock would be waited for by NICA's own short limit.

use super::place::Place;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

pub(crate) struct Gate {
    client: Client,
}

const TABLES: [&str; 5] = ["run", "step", "migration", "control", "ledger"];
const LIMIT: Duration = Duration::from_secs(20);

impl Gate {
    pub(crate) async fn new(place: &Place) -> Gate {
        let client = place.session("gate").await;
        let make = "
            CREATE SCHEMA gate;
            CREATE SEQUENCE gate.n;
            CREATE TABLE gate.trap (at bigint NOT NULL);
            INSERT INTO gate.trap VALUES (0);
            CREATE FUNCTION gate.stand() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('gate.n') = (SELECT at FROM gate.trap) THEN
                    WHILE NOT pg_try_advisory_xact_lock_shared(4711) LOOP
                        PERFORM pg_sleep(0.005);
                    END LOOP;
                END IF;
                RETURN NULL;
            END $$";
        client.batch_execute(make).await.expect("the gate is made");
        for table in TABLES {
            let sql = format!(
                "CREATE TRIGGER stand AFTER INSERT OR UPDATE ON nica.{table} FOR EACH STATEMENT \
                 EXECUTE FUNCTION gate.stand()"
            );
            client.batch_execute(&sql).await.expect("the gate is made");
        }
        Gate { client }
    }

    /// Record number `at` from here on is caught; 0 catches none.
    pub(crate) async fn set(&self, at: i64) {
        let sql = format!(
            "ALTER SEQUENCE gate.n RESTART; UPDATE gate.trap SET at = {at}; SELECT pg_advisory_lock(4711)"
        );
        self.client.batch_execute(&sql).await.expect("the trap is set");
    }

    /// How many records were written since.
    pub(crate) async fn counted(&self) -> i64 {
        let sql = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM gate.n";
        self.client.query_one(sql, &[]).await.expect("a number").get(0)
    }

    /// Until somebody stands there.
    pub(crate) async fn caught(&self) {
        let standing = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')";
        let end = Instant::now() + LIMIT;
        while !self.client.query_one(standing, &[]).await.expect("an answer").get::<_, bool>(0) {
            assert!(Instant::now() < end, "nobody came to the gate");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Whoever stands there may go on.
    pub(crate) async fn open(&self) {
        let sql = "UPDATE gate.trap SET at = 0; SELECT pg_advisory_unlock_all()";
        self.client.batch_execute(sql).await.expect("the gate opens");
    }
}
