//! In whose name a command acts, and on which environment.

use super::Replica;
use super::reader::Reader;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `NICA_ENV`, the environment of `NICA_REPLICA`, else dev: whose database it must be.
    pub environment: String,
    /// `NICA_ACTOR`, `<USER>@<host>`: who is written into the records.
    pub who: String,
    /// The machine's name.
    pub host: String,
}

impl Actor {
    pub(super) fn read(reader: &mut Reader<'_>) -> Actor {
        let replica = Replica::read(reader);
        let of_replica = Some(replica.environment).filter(|environment| environment != "-");
        let host = host();
        let user = || format!("{}@{host}", reader.text("USER").unwrap_or_else(|| "unknown".into()));
        Actor {
            environment: reader.text("NICA_ENV").or(of_replica).unwrap_or_else(|| "dev".into()),
            who: reader.text("NICA_ACTOR").unwrap_or_else(user),
            host,
        }
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Some(name.trim().to_string()).filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".into())
}
