//! A cluster that was started from here: it ends with this value, or with this process, unless it is told to stay.

use super::guard::{self, Guard};
use super::names::{Name, Range};
use super::obtain::{self, Answer, Wanted};
use super::state::{self, State};
use super::{PROGRAM, leftovers, network};
use crate::kill::proc::Limit;
use anyhow::{Context as _, Result, ensure};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Who holds it may add and remove clusters.
pub(crate) const BOOKS: &str = "books.lock";

/// For a guard that neither answers nor dies.
const END_LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Wish {
    /// None: any that is free.
    pub name: Option<Name>,
    pub wanted: Wanted,
    /// Programs that are not in the cache may be built, for minutes.
    pub build: bool,
}

pub(crate) struct Running {
    pub state: State,
    /// From the first process to the last thing ready.
    pub seconds: f64,
    pub guard: Guard,
}

impl Running {
    pub(crate) fn start(wish: &Wish, step: impl FnMut(&str)) -> Answer<Running> {
        let tools = match obtain::obtain(wish.wanted, wish.build)? {
            Ok(tools) => tools,
            Err(why) => return Ok(Err(why)),
        };
        let (state, mut guard) = {
            let _books = state::lock(&state::run_folder(), BOOKS)?;
            leftovers::clear_unguarded()?;
            let state = reserve(wish, tools)?;
            let guard = Guard::start(&state.home())?;
            (state, guard)
        };
        let seconds = guard.until_up(step)?;
        Ok(Ok(Running { state: State::read(&state.home())?, seconds, guard }))
    }

    /// The cluster outlives this process.
    pub(crate) fn stay(self) -> Result<()> {
        self.guard.stay()
    }

    /// How long it took.
    pub(crate) fn end(self) -> Result<f64> {
        let began = Instant::now();
        end(&self.state.home())?;
        Ok(began.elapsed().as_secs_f64())
    }
}

/// A folder with a name and a range that nobody else has. The caller holds the books.
fn reserve(wish: &Wish, tools: obtain::Tools) -> Result<State> {
    let name = match &wish.name {
        Some(name) => name.clone(),
        None => free_name()?,
    };
    let home = state::home(&name);
    ensure!(!home.exists(), "start cluster {name}: it runs already; `./x cluster down {name}` ends it");
    let held: Vec<Range> =
        state::homes().iter().filter_map(|home| Some(State::read(home).ok()?.range)).collect();
    let range = Range::choose(&held, &network::routes()?).context(
        "find addresses in 198.18.0.0/15: every range is taken; end a cluster with `./x cluster down`",
    )?;
    std::fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
    // Keys lie in there.
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700))?;
    std::fs::copy("/proc/self/exe", home.join(PROGRAM)).context("copy this program")?;
    let state = State { name, range, nodes: wish.wanted.nodes, kwok: wish.wanted.kwok, tools, init: None };
    state.write()?;
    Ok(state)
}

fn free_name() -> Result<Name> {
    (0..1000)
        .map(|number| Name::parse(&format!("test-{number}")).expect("letters, digits and a dash"))
        .find(|name| !state::home(name).exists())
        .context("find a free name for a cluster")
}

/// Ends a cluster, with its guard's help or without. A guard that dies meanwhile holds its lock a moment longer.
pub(crate) fn end(home: &Path) -> Result<()> {
    let limit = Limit::new(END_LIMIT);
    while state::is_guarded(home) {
        if guard::ask_down(home)? {
            return Ok(());
        }
        limit.pause_or("reach the cluster's guard")?;
    }
    let _books = state::lock(&state::run_folder(), BOOKS)?;
    // Meanwhile another may have begun under this name.
    if state::is_guarded(home) { Ok(()) } else { leftovers::clear_unguarded_one(home) }
}
