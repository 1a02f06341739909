//! Which copy of which desired state this process is, and the sockets its parent hands over.
//!
//! The names are those of systemd's socket activation, without `LISTEN_PID`: a parent that sets them for another
//! process does not exist here.

use super::reader::Reader;
use std::os::fd::RawFd;

/// Where handed-over descriptors begin (sd_listen_fds(3), SD_LISTEN_FDS_START).
const FIRST_FD: RawFd = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// `NICA_REPLICA`, `<env>/<component>/<generation>/<n>`; `-/backend/-/0` without one.
    pub environment: String,
    pub component: String,
    pub generation: String,
    pub number: String,
    /// `LISTEN_FDS` and `LISTEN_FDNAMES`, none: `2` and `http:admin`.
    pub inherited: Inherited,
}

/// Descriptors of listening sockets that the parent owns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inherited {
    pub http: Option<RawFd>,
    pub admin: Option<RawFd>,
}

impl Replica {
    pub(super) fn read(reader: &mut Reader<'_>) -> Replica {
        let inherited = inherited(reader);
        let text = reader.text("NICA_REPLICA").unwrap_or_else(|| "-/backend/-/0".into());
        let parts: Vec<&str> = text.split('/').collect();
        if let [environment, component, generation, number] = parts[..]
            && parts.iter().all(|part| !part.is_empty())
        {
            let [environment, component, generation, number] =
                [environment, component, generation, number].map(str::to_string);
            return Replica { environment, component, generation, number, inherited };
        }
        let next = "let the supervisor set NICA_REPLICA, or unset it";
        reader.mistake("NICA_REPLICA", format!("is `{text}`, not <env>/<component>/<generation>/<n>"), next);
        let none = || "-".to_string();
        Replica { environment: none(), component: none(), generation: none(), number: none(), inherited }
    }
}

fn inherited(reader: &mut Reader<'_>) -> Inherited {
    let Some(count) = reader.text("LISTEN_FDS") else { return Inherited::default() };
    let names = reader.text("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let next =
        "set LISTEN_FDS=2 and LISTEN_FDNAMES=http:admin, with the listening sockets as descriptors 3 and 4";
    if count.parse() != Ok(names.len()) {
        reader.mistake("LISTEN_FDS", format!("is `{count}` with {} names", names.len()), next);
    } else if !names.contains(&"http") {
        reader.mistake("LISTEN_FDNAMES", format!("is `{}`, without http", names.join(":")), next);
    }
    let fd = |wanted: &str| {
        let at = names.iter().position(|name| *name == wanted)?;
        Some(FIRST_FD + RawFd::try_from(at).ok()?)
    };
    Inherited { http: fd("http"), admin: fd("admin") }
}
