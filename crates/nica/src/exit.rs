//! Every exit code of `nica`, in one place.
//!
//! Scripts live by these numbers; they are part of the interface and never change their meaning.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Yes, or done.
    Done = 0,
    /// The answer is no: unhealthy, ledger broken, lint found something.
    No = 1,
    Usage = 2,
    /// The plan has changes, whatever its gates say.
    Changes = 4,
    GateRefuses = 10,
    /// Signatures are missing, expired or for another hash.
    Unsigned = 11,
    /// The given plan is not what would be applied now.
    Outdated = 12,
    /// Inconclusive, or held for a person.
    Inconclusive = 13,
    Back = 20,
    Stuck = 21,
    /// Another process holds the lease.
    LeaseTaken = 30,
    Unreachable = 40,
    /// A bug in NICA.
    Bug = 70,
    Interrupted = 130,
    Terminated = 143,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}
